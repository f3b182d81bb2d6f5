//! What a store keeps, publishes, drops and counts.

use std::sync::Arc;
use std::time::Duration;

use spur_trace::{HopProgress, InFlight, Limits, Query, Record, Ring, RingCounts, Trace, TraceStore};

use crate::world::{Hop, hop, settle};

fn small(limits: Limits) -> TraceStore {
    TraceStore::new(limits)
}

/// A trace of one hop, from start to end.
fn one(store: &mut TraceStore, trace: u128) {
    let hop = hop(1, "a", 0, 5).in_trace(trace);
    store.apply(hop.start());
    store.apply(hop.end());
}

fn ids(traces: &[Arc<Trace>]) -> Vec<u64> {
    let id = |trace: &Arc<Trace>| u64::from_str_radix(&trace.trace_id.to_string(), 16).unwrap();
    traces.iter().map(id).collect()
}

#[test]
fn a_trace_is_published_one_quiet_sweep_after_its_last_end() {
    let mut store = small(Limits::default());
    one(&mut store, 1);
    assert!(store.end_sweep().is_empty(), "a child may wait in a ring that was read before");
    let published = store.end_sweep();
    assert_eq!(ids(&published), [1]);
    assert!(published[0].is_finished);
    assert_eq!(published[0].duration, Duration::from_millis(5));
    assert!(store.end_sweep().is_empty());
}

#[test]
fn a_child_read_a_sweep_after_its_parents_end_is_in_the_trace() {
    let mut store = small(Limits::default());
    one(&mut store, 1);
    let child = hop(2, "b", 1, 4).from("a").parent(1);
    store.end_sweep();
    store.apply(child.start());
    assert!(store.end_sweep().is_empty());
    store.apply(child.end());
    let published = settle(&mut store);
    assert_eq!(published.len(), 1);
    assert_eq!(published[0].hops.len(), 2);
}

#[test]
fn a_late_hop_publishes_the_trace_again() {
    let mut store = small(Limits::default());
    one(&mut store, 1);
    assert_eq!(settle(&mut store)[0].seq, 1);
    let late = hop(2, "mail", 60, 70).from("a").parent(1);
    store.apply(late.start());
    assert!(settle(&mut store).is_empty());
    let with = Query { in_flight: InFlight::With, ..Query::default() };
    let traces = store.query(&with).traces;
    assert_eq!((traces.len(), traces[0].hops.len(), traces[0].is_finished), (1, 2, false));
    store.apply(late.end());
    let again = settle(&mut store);
    assert_eq!((again[0].seq, again[0].hops.len()), (2, 2));
    let answer = store.query(&Query::default());
    assert_eq!((answer.traces, answer.last_seq), (again, 2));
}

#[test]
fn a_hung_request_shows_while_it_hangs() {
    let mut store = small(Limits::default());
    let hung = hop(1, "a", 0, 0).hung();
    store.apply(hung.start());
    let progress =
        HopProgress { after: Duration::from_secs(3), status: Some(200), request_bytes: 1, response_bytes: 2 };
    store.apply(Record::Progress(hung.id(), progress));
    assert!(settle(&mut store).is_empty());
    assert!(store.query(&Query::default()).traces.is_empty());
    let query = Query { in_flight: InFlight::With, ..Query::default() };
    let trace = &store.query(&query).traces[0];
    assert!(!trace.is_finished);
    assert_eq!(trace.seq, 0);
    assert_eq!(trace.hops[0].progress, Some(progress));
    let began = trace.hops[0].start.started;
    let of_before = |time| {
        let query = Query { in_flight: InFlight::BegunBefore(time), ..Query::default() };
        store.query(&query).traces.len()
    };
    assert_eq!((of_before(began), of_before(began + Duration::from_millis(1))), (0, 1));

    store.apply(hop(1, "a", 0, 9).end());
    let finished = settle(&mut store);
    assert_eq!((finished.len(), finished[0].hops[0].progress), (1, None));
}

#[test]
fn a_query_takes_the_newest_of_a_key_since_a_number() {
    let mut store = small(Limits::default());
    for trace in 1..=6_u128 {
        let hop = hop(1, "a", 0, 5).in_trace(trace);
        let hop = if trace % 2 == 0 { hop.key("pr-421") } else { hop };
        store.apply(hop.start());
        store.apply(hop.end());
        settle(&mut store);
    }
    let ask = |key: Option<&str>, limit, since_seq| {
        let key = key.map(Arc::from);
        let answer = store.query(&Query { key, filter: None, limit, since_seq, in_flight: InFlight::With });
        assert_eq!(answer.last_seq, 6);
        assert!(!answer.has_gap);
        ids(&answer.traces)
    };
    assert_eq!(ask(None, 10, None), [1, 2, 3, 4, 5, 6]);
    assert_eq!(ask(None, 2, None), [5, 6]);
    assert_eq!(ask(Some("pr-421"), 2, None), [4, 6]);
    assert_eq!(ask(None, 10, Some(4)), [5, 6]);
    assert_eq!(ask(Some("pr-421"), 10, Some(5)), [6]);
    assert_eq!(ask(Some("nobodys"), 10, None), [] as [u64; 0]);
    assert_eq!(ask(None, 10, Some(u64::MAX)), [] as [u64; 0]);
}

#[test]
fn the_oldest_traces_go_and_a_reader_is_told() {
    let mut store = small(Limits { max_traces: 3, ..Limits::default() });
    for trace in 1..=5 {
        one(&mut store, trace);
        settle(&mut store);
    }
    let answer = store.query(&Query { since_seq: Some(1), ..Query::default() });
    assert_eq!(ids(&answer.traces), [3, 4, 5]);
    assert!(answer.has_gap);
    assert_eq!((answer.counts.n_traces, answer.counts.n_evicted_traces), (3, 2));
    assert!(!store.query(&Query { since_seq: Some(2), ..Query::default() }).has_gap);
}

#[test]
fn traces_go_when_their_bytes_are_too_many() {
    let mut store = small(Limits { max_bytes: 10_000, ..Limits::default() });
    for trace in 1..=100 {
        one(&mut store, trace);
    }
    let counts = store.counts();
    assert!((1..100).contains(&counts.n_traces), "{counts:?}");
    assert_eq!(counts.n_traces + counts.n_evicted_traces, 100);
}

#[test]
fn a_trace_of_too_many_hops_keeps_the_first_and_counts_the_rest() {
    let mut store = small(Limits { max_hops_per_trace: 2, ..Limits::default() });
    for span in 1..=5 {
        store.apply(hop(span, "a", span, 9).start());
    }
    for span in 1..=5 {
        store.apply(hop(span, "a", span, 9).end());
    }
    let trace = &settle(&mut store)[0];
    assert_eq!((trace.hops.len(), trace.n_dropped_hops), (2, 3));
    assert_eq!(store.counts().n_dropped_hops, 3);
}

#[test]
fn hops_that_are_dropped_do_not_hold_a_trace_back() {
    let mut store = small(Limits { max_hops_per_trace: 1, ..Limits::default() });
    one(&mut store, 1);
    let mut published = Vec::new();
    for span in 2..=3 {
        published.extend(store.end_sweep());
        store.apply(hop(span, "a", 0, 9).start());
    }
    published.extend(store.end_sweep());
    assert_eq!(ids(&published), [1]);
}

#[test]
fn ends_whose_start_was_lost_are_bounded_and_counted() {
    let mut store = small(Limits { max_early_ends: 4, ..Limits::default() });
    for trace in 1..=10 {
        store.apply(hop(1, "a", 0, 5).in_trace(trace).end());
    }
    assert_eq!(store.counts().n_unmatched, 6);
    assert_eq!(store.counts().n_traces, 0);
    store.apply(hop(1, "a", 0, 5).in_trace(10).start());
    assert_eq!(ids(&settle(&mut store)), [10]);
}

#[test]
fn early_ends_that_are_matched_leave_room_for_others() {
    let mut store = small(Limits { max_early_ends: 4, ..Limits::default() });
    // One end stays unmatched all the while.
    store.apply(hop(9, "a", 0, 5).end());
    for trace in 2..=50 {
        let hop = hop(1, "a", 0, 5).in_trace(trace);
        store.apply(hop.end());
        store.apply(hop.start());
    }
    assert_eq!(store.counts().n_unmatched, 0);
}

#[test]
fn what_a_ring_overwrites_is_counted() {
    let ring = Ring::new(10);
    let hops: Vec<Hop> = (1..=8).map(|trace| hop(1, "a", 0, 5).in_trace(trace)).collect();
    for hop in &hops {
        ring.push(hop.start());
        ring.push(hop.end());
    }
    assert_eq!(ring.counts(), RingCounts { n_produced: 16, n_lost: 6, n_captures: 0, n_lost_captures: 0 });
    let mut store = small(Limits::default());
    while let Some(record) = ring.pop() {
        store.apply(record);
    }
    assert_eq!(ids(&settle(&mut store)), [4, 5, 6, 7, 8], "the newest are kept");
    let RingCounts { n_produced, n_lost, .. } = ring.counts();
    assert_eq!(n_produced, store.counts().n_records + n_lost);
}
