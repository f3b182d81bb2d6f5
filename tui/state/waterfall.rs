//! The hops of a trace as rows: who called whom, and what of the time was their own.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use spur_route::SpanId;
use spur_trace::{Hop, Trace};

use super::cursor::Rows;

/// Deeper calls are drawn at this depth: there is no room for more.
const DEPTH_MAX: usize = 32;

/// A hop in the order in which it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Its place in the trace.
    pub(crate) hop_idx: usize,
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
    /// Hops whose parent was named and is not there.
    pub(crate) n_orphans: usize,
    /// From the trace's start to the end of its last hop.
    pub(crate) length: Duration,
}

/// Lays out a trace.
pub(crate) fn waterfall(trace: &Trace) -> Waterfall {
    let idx_of: HashMap<SpanId, usize> =
        trace.hops.iter().enumerate().map(|(idx, hop)| (hop.start.id.span_id, idx)).collect();
    let mut children: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
    let mut n_orphans = 0;
    for (idx, hop) in trace.hops.iter().enumerate() {
        let parent = hop.parent.and_then(|span| idx_of.get(&span).copied());
        n_orphans += usize::from(hop.parent.is_some() && parent.is_none());
        children.entry(parent).or_default().push(idx);
    }
    let mut found = Waterfall { n_orphans, ..Waterfall::default() };
    let mut is_drawn = vec![false; trace.hops.len()];
    let roots = children.get(&None).cloned().unwrap_or_default();
    // After the roots come hops that are each other's parents, which nothing leads to.
    for root in roots.into_iter().chain(0..trace.hops.len()) {
        let mut waiting = vec![(root, 0)];
        while let Some((idx, depth)) = waiting.pop() {
            if std::mem::replace(&mut is_drawn[idx], true) {
                continue;
            }
            let below = children.get(&Some(idx)).map_or(&[][..], Vec::as_slice);
            found.rows.push(row(trace, idx, depth, below));
            found.spans.push(trace.hops[idx].start.id.span_id);
            waiting.extend(below.iter().rev().map(|child| (*child, (depth + 1).min(DEPTH_MAX))));
        }
    }
    found.length = found.rows.iter().map(|row| row.starts + row.total).max().unwrap_or_default();
    found
}

fn row(trace: &Trace, hop_idx: usize, depth: usize, children: &[usize]) -> Row {
    let hop = &trace.hops[hop_idx];
    let starts = since(trace.started, hop.start.started);
    let total = lasted(trace, hop);
    let mut calls: Vec<(Duration, Duration)> = children
        .iter()
        .map(|child| {
            let child = &trace.hops[*child];
            let from = since(trace.started, child.start.started).max(starts);
            (from, (from + lasted(trace, child)).min(starts + total))
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
    Row { hop_idx, depth, starts, total, own: total.saturating_sub(covered) }
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
    use crate::made::{hop, trace};

    fn shown(trace: &Trace) -> Vec<String> {
        let rows = waterfall(trace).rows;
        let shown = rows.iter().map(|row| {
            let name = trace.hops[row.hop_idx].name();
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
