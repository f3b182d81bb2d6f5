//! Finds each hop's parent, and the hops on which a key was lost.
//!
//! A proxy sees both sides of a service, so most parents are found without
//! any instrumentation: by the span that a service hands on untouched, or, if
//! the service starts spans of its own and reports them, through these; if it does not report
//! them, by who was calling at that time.

use std::time::SystemTime;

use spur_route::SpanId;

use crate::map::HashMap;
use crate::record::HopSource;
use crate::span_tree::SpanTree;
use crate::trace::{Hop, JoinedBy};

/// Sorts the hops of one trace by start, and fills in `parent`, `joined_by`, `key_came_by` and
/// `lost_key`.
pub(crate) fn join(hops: &mut [Hop], spans: &SpanTree<'_>) {
    // Nearly all of a flood: nobody in the trace called it, whatever it says.
    if let [hop] = hops {
        (hop.parent, hop.joined_by) = (None, JoinedBy::Root);
        (hop.key_came_by, hop.lost_key) = (None, None);
        return;
    }
    hops.sort_by_key(|hop| (hop.start.started, hop.start.id.span_id));
    let parents = parents(hops, spans);
    let came_by: Vec<_> = (0..hops.len()).map(|idx| came_by(hops, &parents, idx)).collect();
    let ids: Vec<_> = hops.iter().map(|hop| hop.start.id.span_id).collect();
    let keys: Vec<_> =
        hops.iter().map(|hop| hop.start.decision.key.as_ref().map(|it| it.value.clone())).collect();
    for ((hop, (parent, joined_by)), came_by) in hops.iter_mut().zip(parents).zip(came_by) {
        hop.parent = parent.map(|idx| ids[idx]);
        hop.joined_by = joined_by;
        hop.key_came_by = came_by.map(|idx| ids[idx]);
        hop.lost_key = match hop.key() {
            Some(_) => None,
            None => came_by.and_then(|idx| keys[idx].clone()),
        };
    }
}

/// A hop's parent by index.
type Parent = (Option<usize>, JoinedBy);

fn parents(hops: &[Hop], spans: &SpanTree<'_>) -> Vec<Parent> {
    let by_span: HashMap<SpanId, usize> =
        hops.iter().enumerate().map(|(idx, hop)| (hop.start.id.span_id, idx)).collect();
    let named = |hop: &Hop| {
        let hop = spans.hop_at_or_above(hop.start.incoming_parent_id?, |id| by_span.contains_key(&id))?;
        by_span.get(&hop).copied()
    };
    let mut parents: Vec<Parent> =
        hops.iter().enumerate().map(|(idx, hop)| parent(hops, named(hop), idx)).collect();
    break_cycles(&mut parents);
    parents
}

/// `named` is the hop whose span, or below whose spans, the request says that it was sent.
fn parent(hops: &[Hop], named: Option<usize>, idx: usize) -> Parent {
    let start = &hops[idx].start;
    if let Some(named) = named.filter(|named| *named != idx) {
        return (Some(named), JoinedBy::Span);
    }
    let Some(source) = &start.source else {
        return (None, JoinedBy::Root);
    };
    // Sorted by start: what stands before began before.
    let mut callers = (0..idx)
        .rev()
        .filter(|other| leads_to(&hops[*other], source))
        .filter(|other| is_open_at(&hops[*other], start.started));
    match (callers.next(), callers.next()) {
        (None, _) => (None, JoinedBy::Root),
        (Some(latest), None) => (Some(latest), JoinedBy::Caller),
        (Some(latest), Some(_)) => (Some(latest), JoinedBy::OneOfSeveral),
    }
}

/// Whether the hop went to this workload's pod.
fn leads_to(hop: &Hop, source: &HopSource) -> bool {
    let Some(service) = &hop.start.decision.service else {
        return false;
    };
    hop.endpoint().is_some_and(|endpoint| {
        service.namespace == source.namespace
            && endpoint.workload == source.workload
            && endpoint.pod == source.pod
    })
}

fn is_open_at(hop: &Hop, time: SystemTime) -> bool {
    hop.end.as_ref().is_none_or(|end| hop.start.started + end.duration >= time)
}

/// Spans that name each other in a ring can only be made up or come of a clock
/// that was set back; the one that closes the ring becomes a root.
fn break_cycles(parents: &mut [Parent]) {
    for start in 0..parents.len() {
        let mut at = start;
        // No way up is longer than there are hops.
        for _ in 0..parents.len() {
            match parents[at].0 {
                Some(up) if up == start => {
                    parents[start] = (None, JoinedBy::Root);
                    break;
                }
                Some(up) => at = up,
                None => break,
            }
        }
    }
}

/// The hop that brought this one's caller a key.
///
/// Where the parent is certain, it is the one; it may have come without a key
/// because a service before it lost it. Otherwise any earlier hop to the
/// caller with a key counts.
fn came_by(hops: &[Hop], parents: &[Parent], idx: usize) -> Option<usize> {
    let source = hops[idx].start.source.as_ref()?;
    match parents[idx] {
        (Some(parent), JoinedBy::Span | JoinedBy::Caller) => {
            Some(parent).filter(|it| hops[*it].key().is_some())
        }
        (_, JoinedBy::OneOfSeveral | JoinedBy::Root) | (None, _) => {
            (0..idx).rev().find(|other| hops[*other].key().is_some() && leads_to(&hops[*other], source))
        }
    }
}
