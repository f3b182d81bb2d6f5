//! What is worth looking at stays, whatever else comes; and nothing goes uncounted.

use std::sync::Arc;

use proptest::prelude::*;
use spur_route::TraceId;
use spur_trace::{Counts, InFlight, KeptFor, Limits, Marked, Query, Trace, TraceStore};

use crate::world::{Hop, hop, settle};

fn store(max_traces: usize, max_kept_traces: usize) -> TraceStore {
    TraceStore::new(Limits { max_traces, max_kept_traces, ..Limits::default() })
}

/// A trace from start to end.
fn apply(store: &mut TraceStore, hops: &[Hop]) {
    hops.iter().for_each(|hop| store.apply(hop.start()));
    hops.iter().for_each(|hop| store.apply(hop.end()));
    settle(store);
}

fn all(store: &TraceStore) -> Vec<Arc<Trace>> {
    store.query(&Query { limit: usize::MAX, in_flight: InFlight::With, ..Query::default() }).traces
}

fn kept(store: &TraceStore) -> Vec<(u128, Option<KeptFor>)> {
    let id = |trace: &Trace| u128::from_str_radix(&trace.trace_id.to_string(), 16).unwrap();
    all(store).iter().map(|trace| (id(trace), trace.kept_for)).collect()
}

fn one(trace: u128) -> Hop {
    hop(1, "a", 0, 5).in_trace(trace)
}

#[test]
fn ordinary_traces_push_out_ordinary_ones_only() {
    let mut store = store(2, 10);
    apply(&mut store, &[one(1).status(500)]);
    apply(&mut store, &[one(2).key("pr-421")]);
    let lost = [one(3).key("pr-421"), hop(2, "b", 1, 3).from("a").parent(1).in_trace(3)];
    apply(&mut store, &lost);
    for trace in 10..200 {
        apply(&mut store, &[one(trace)]);
    }
    let slow = hop(1, "a", 0, 900).in_trace(200);
    apply(&mut store, &[slow]);
    for trace in 300..400 {
        apply(&mut store, &[one(trace)]);
    }
    let expected = [
        (1, Some(KeptFor::Failed)),
        (2, Some(KeptFor::Key)),
        (3, Some(KeptFor::LostKey)),
        (200, Some(KeptFor::Slow)),
        (398, None),
        (399, None),
    ];
    assert_eq!(kept(&store), expected);
    let counts = store.counts();
    assert_eq!((counts.n_kept_apart, counts.n_evicted_apart, counts.n_evicted_traces), (4, 0, 288));
}

#[test]
fn a_flood_of_errors_pushes_out_errors() {
    let mut store = store(2, 4);
    apply(&mut store, &[one(1).key("pr-421")]);
    apply(&mut store, &[one(2)]);
    store.mark(TraceId::new(2).unwrap(), Some("look".into())).unwrap();
    for trace in 10..100 {
        apply(&mut store, &[one(trace).status(500)]);
    }
    let expected = [
        (1, Some(KeptFor::Key)),
        (2, Some(KeptFor::Mark)),
        (98, Some(KeptFor::Failed)),
        (99, Some(KeptFor::Failed)),
    ];
    assert_eq!(kept(&store), expected);
    assert_eq!(store.counts().n_evicted_apart, 88);
}

#[test]
fn each_ring_is_bounded_in_bytes() {
    let mut store =
        TraceStore::new(Limits { max_bytes: 10_000, max_kept_bytes: 20_000, ..Limits::default() });
    for trace in 1..100 {
        apply(&mut store, &[one(trace)]);
        apply(&mut store, &[one(1_000 + trace).key("k")]);
    }
    let counts = store.counts();
    let n_ordinary = counts.n_traces - counts.n_kept_apart;
    assert!((4..30).contains(&n_ordinary), "{counts:?}");
    assert!((2 * n_ordinary - 2..=2 * n_ordinary + 2).contains(&counts.n_kept_apart), "{counts:?}");
}

#[test]
fn a_mark_is_told_again_and_can_be_taken_off() {
    let mut store = store(10, 10);
    apply(&mut store, &[one(1)]);
    let id = TraceId::new(1).unwrap();
    let Some(Marked::Again(marked)) = store.mark(id, Some("odd".into())) else { panic!("it was published") };
    assert_eq!((marked.seq, marked.mark.as_deref(), marked.kept_for), (2, Some("odd"), Some(KeptFor::Mark)));
    assert_eq!(all(&store), [marked]);
    let Some(Marked::Again(unmarked)) = store.mark(id, None) else { panic!("it was published") };
    assert_eq!(unmarked.mark, None);
    let hung = one(2).hung();
    store.apply(hung.start());
    assert_eq!(store.mark(TraceId::new(2).unwrap(), Some("odd".into())), Some(Marked::InFlight));
    assert_eq!(store.mark(TraceId::new(3).unwrap(), None), None);
}

/// Hops of some traces, some of them noteworthy, and whether each ends.
fn hops() -> impl Strategy<Value = Vec<(Hop, bool, bool)>> {
    let one = (1_u64..6, 1_u128..9, 0_u64..4, any::<bool>(), any::<bool>(), any::<bool>());
    let one = one.prop_map(|(span, trace, kind, is_called, ends, is_quiet)| {
        let hop = hop(span, "a", span, span + 5).in_trace(trace);
        let hop = if is_called { hop.from("a").parent(1) } else { hop };
        let hop = match kind {
            0 => hop.key("k"),
            1 => hop.status(500),
            _ => hop,
        };
        (hop, ends, is_quiet)
    });
    proptest::collection::vec(one, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_uncounted(hops in hops(), max in 1_usize..5, max_kept in 5_usize..8, max_hops in 1_usize..4) {
        let limits = Limits {
            max_traces: max,
            max_kept_traces: max_kept,
            max_hops_per_trace: max_hops,
            max_early_ends: 2,
            ..Limits::default()
        };
        let mut store = TraceStore::new(limits);
        let mut n_ends = 0;
        for (hop, ends, is_quiet) in &hops {
            store.apply(hop.start());
            if *ends {
                n_ends += 1;
                store.apply(hop.end());
            }
            if *is_quiet {
                settle(&mut store);
            }
            let Counts { n_traces, n_kept_apart, .. } = store.counts();
            prop_assert!(n_kept_apart <= max_kept as u64);
            prop_assert!(n_traces - n_kept_apart <= max as u64);
        }
        let counts = store.counts();
        let traces = all(&store);
        prop_assert_eq!(counts.n_traces, traces.len() as u64);
        prop_assert_eq!(counts.n_started_traces, counts.n_traces + counts.n_evicted_traces);
        let n_hops: usize = traces.iter().map(|trace| trace.hops.len()).sum();
        prop_assert_eq!(counts.n_hops, n_hops as u64 + counts.n_dropped_hops + counts.n_evicted_hops);
        prop_assert_eq!(counts.n_hops, hops.len() as u64);
        prop_assert_eq!(counts.n_records, hops.len() as u64 + n_ends);
        let n_counted = store.aggregates().counts().n;
        prop_assert!(n_counted + counts.n_unmatched <= n_ends);
        // At most those that wait for their start.
        prop_assert!(n_ends - n_counted - counts.n_unmatched <= 2);
    }
}
