//! The hops of a trace as rows, and what applications reported under them: who called whom, and
//! what of the time was their own.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use spur_route::SpanId;
use spur_trace::{Hop, Trace};

use super::cursor::Rows;

/// Deeper calls are drawn at this depth: there is no room for more.
const DEPTH_MAX: usize = 32;

/// What a row is of, by its place in the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// A request that the proxy saw.
    Hop(usize),
    /// An operation that an application reported.
    Span(usize),
}

/// A hop or a span in the order in which it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) of: Of,
    pub(crate) depth: usize,
    /// From the trace's start.
    pub(crate) starts: Duration,
    /// How long it took, or how far it is known to be.
    pub(crate) total: Duration,
    /// What of it no call of its own takes.
    pub(crate) own: Duration,
}

/// All rows, and what is odd about the trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Waterfall {
    pub(crate) rows: Vec<Row>,
    pub(crate) spans: Vec<SpanId>,
    /// Hops and spans whose parent was named and is not there.
    pub(crate) n_orphans: usize,
    /// From the trace's start to the end of its last hop.
    pub(crate) length: Duration,
}

/// Lays out a trace.
pub(crate) fn waterfall(trace: &Trace) -> Waterfall {
    let n_hops = trace.hops.len();
    // Hops come first, then spans.
    let n_nodes = n_hops + trace.spans.len();
    let hop_of: HashMap<SpanId, usize> =
        trace.hops.iter().enumerate().map(|(idx, hop)| (hop.start.id.span_id, idx)).collect();
    let span_of: HashMap<SpanId, usize> =
        trace.spans.iter().enumerate().map(|(idx, span)| (span.span_id, n_hops + idx)).collect();
    let mut calls: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut children: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
    let mut n_orphans = trace.n_orphan_spans();
    for (idx, hop) in trace.hops.iter().enumerate() {
        let caller = hop.parent.and_then(|span| hop_of.get(&span).copied());
        n_orphans += usize::from(hop.parent.is_some() && caller.is_none());
        if let Some(caller) = caller {
            calls.entry(caller).or_default().push(idx);
        }
        // The span that called, where it was reported, stands between both.
        let parent = trace.span_above(idx).map(|span| n_hops + span).or(caller);
        children.entry(parent).or_default().push(idx);
    }
    for (idx, span) in trace.spans.iter().enumerate() {
        let parent = span.parent_id.and_then(|id| span_of.get(&id).or_else(|| hop_of.get(&id)).copied());
        let parent = parent.filter(|parent| *parent != n_hops + idx);
        children.entry(parent).or_default().push(n_hops + idx);
    }
    let started = |node: usize| match node.checked_sub(n_hops) {
        None => trace.hops[node].start.started,
        Some(span) => trace.spans[span].started,
    };
    for below in children.values_mut() {
        below.sort_by_key(|node| started(*node));
    }
    let mut found = Waterfall { n_orphans, ..Waterfall::default() };
    let mut is_drawn = vec![false; n_nodes];
    let roots = children.get(&None).cloned().unwrap_or_default();
    // After the roots come those that are each other's parents, which nothing leads to.
    for root in roots.into_iter().chain(0..n_nodes) {
        let mut waiting = vec![(root, 0)];
        while let Some((node, depth)) = waiting.pop() {
            if std::mem::replace(&mut is_drawn[node], true) {
                continue;
            }
            match node.checked_sub(n_hops) {
                None => {
                    let calls = calls.get(&node).map_or(&[][..], Vec::as_slice);
                    found.rows.push(hop_row(trace, node, depth, calls));
                    found.spans.push(trace.hops[node].start.id.span_id);
                }
                Some(span) => {
                    found.rows.push(span_row(trace, span, depth));
                    found.spans.push(trace.spans[span].span_id);
                }
            }
            let below = children.get(&Some(node)).map_or(&[][..], Vec::as_slice);
            waiting.extend(below.iter().rev().map(|child| (*child, (depth + 1).min(DEPTH_MAX))));
        }
    }
    found.length = found.rows.iter().map(|row| row.starts + row.total).max().unwrap_or_default();
    found
}

fn span_row(trace: &Trace, span_idx: usize, depth: usize) -> Row {
    let span = &trace.spans[span_idx];
    let starts = since(trace.started, span.started);
    Row { of: Of::Span(span_idx), depth, starts, total: span.duration, own: Duration::ZERO }
}

fn hop_row(trace: &Trace, hop_idx: usize, depth: usize, calls: &[usize]) -> Row {
    let hop = &trace.hops[hop_idx];
    let starts = since(trace.started, hop.start.started);
    let total = lasted(trace, hop);
    let mut calls: Vec<(Duration, Duration)> = calls
        .iter()
        .map(|call| {
            let call = &trace.hops[*call];
            let from = since(trace.started, call.start.started).max(starts);
            (from, (from + lasted(trace, call)).min(starts + total))
        })
        .collect();
    calls.sort_unstable();
    let mut covered = Duration::ZERO;
    let mut seen_to = starts;
    for (from, to) in calls {
        let from = from.max(seen_to);
        covered += to.saturating_sub(from);
        seen_to = seen_to.max(to);
    }
    Row { of: Of::Hop(hop_idx), depth, starts, total, own: total.saturating_sub(covered) }
}

/// One that has not ended lasts as long as the trace does so far.
fn lasted(trace: &Trace, hop: &Hop) -> Duration {
    match (&hop.end, &hop.progress) {
        (Some(end), _) => end.duration,
        (None, progress) => {
            let seen = progress.map_or(Duration::ZERO, |progress| progress.after);
            trace.duration.saturating_sub(since(trace.started, hop.start.started)).max(seen)
        }
    }
}

fn since(start: SystemTime, time: SystemTime) -> Duration {
    time.duration_since(start).unwrap_or_default()
}

// === impl Waterfall ===

impl Waterfall {
    /// The hops in the order in which they are drawn.
    pub(crate) fn hops<'a>(&self, trace: &'a Trace) -> impl DoubleEndedIterator<Item = &'a Hop> {
        self.rows.iter().filter_map(|row| match row.of {
            Of::Hop(idx) => trace.hops.get(idx),
            Of::Span(_) => None,
        })
    }
}

impl Rows for Waterfall {
    type Id = SpanId;

    fn n_rows(&self) -> usize {
        self.spans.len()
    }

    fn id_at(&self, idx: usize) -> Option<SpanId> {
        self.spans.get(idx).copied()
    }

    fn idx_of(&self, id: &SpanId) -> Option<usize> {
        self.spans.iter().position(|span| span == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made::{hop, span, trace, with_spans};

    fn shown(trace: &Trace) -> Vec<String> {
        let rows = waterfall(trace).rows;
        let shown = rows.iter().map(|row| {
            let name = match row.of {
                Of::Hop(idx) => trace.hops[idx].name().to_owned(),
                Of::Span(idx) => format!("~{}", trace.spans[idx].name),
            };
            format!("{}{name} {:?} {:?}", "  ".repeat(row.depth), row.total, row.own)
        });
        shown.collect()
    }

    #[test]
    fn own_time_is_what_no_call_covers() {
        let trace = trace(
            1,
            vec![
                hop("gw", "front").lasting(100_000),
                hop("front", "cart").lasting(40_000).under(0, 10_000),
                hop("cart", "stock").lasting(10_000).under(1, 20_000),
                // Overlaps the first call by 20 ms, and outlasts its caller.
                hop("front", "log").lasting(90_000).under(0, 30_000),
            ],
        );
        let expected = ["front 100ms 10ms", "  cart 40ms 30ms", "    stock 10ms 10ms", "  log 90ms 90ms"];
        assert_eq!(shown(&trace), expected);
        assert_eq!(waterfall(&trace).length, Duration::from_millis(120));
    }

    #[test]
    fn what_applications_reported_stands_under_its_hop_and_above_its_calls() {
        let hops = vec![
            hop("gw", "front").lasting(100_000),
            // Its request names the second span of `front`.
            hop("front", "cart").lasting(20_000).under(0, 30_000).named_by(1),
        ];
        let spans = [span("front", "render", 0), span("front", "GET cart", 1).inside(0)];
        let trace = with_spans(&trace(1, hops), &spans);
        let expected =
            ["front 100ms 80ms", "  ~render 5ms 0ns", "    ~GET cart 5ms 0ns", "      cart 20ms 20ms"];
        assert_eq!(shown(&trace), expected);
        assert_eq!(waterfall(&trace).n_orphans, 0);
        // One that is its own parent is drawn, and counted by nobody.
        let lone = with_spans(&trace, &[span("front", "render", 7)]);
        assert_eq!(waterfall(&lone).n_orphans, 1);
    }

    #[test]
    fn every_hop_is_drawn_once_whatever_its_parent() {
        let mut odd = Trace::clone(&trace(1, vec![hop("gw", "a"), hop("a", "b"), hop("b", "c")]));
        let spans: Vec<SpanId> = odd.hops.iter().map(|hop| hop.start.id.span_id).collect();
        odd.hops[0].parent = Some("00000000000000ff".parse().unwrap());
        odd.hops[1].parent = Some(spans[2]);
        odd.hops[2].parent = Some(spans[1]);
        let found = waterfall(&odd);
        assert_eq!((found.spans, found.n_orphans), (spans, 1));
    }
}
