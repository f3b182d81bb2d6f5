//! Spans of applications: where they lie in a trace, and what becomes of too many.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use spur_route::TraceId;
use spur_trace::{
    AttributeValue, Counts, Filter, InFlight, JoinedBy, Limits, Query, Span, SpanStatus, Trace, TraceStore,
    Update, collector,
};
use tokio_util::sync::CancellationToken;

use crate::world::{Hop, hop, settle, span};

/// What a store with these hops and spans publishes last.
fn published(hops: &[Hop], spans: Vec<Span>) -> Arc<Trace> {
    let mut store = TraceStore::new(Limits::default());
    for hop in hops {
        store.apply(hop.start());
        store.apply(hop.end());
    }
    spans.into_iter().for_each(|span| store.apply_span(span));
    settle(&mut store).pop().unwrap()
}

fn all(store: &TraceStore) -> Vec<Arc<Trace>> {
    let everything = Query { limit: usize::MAX, in_flight: InFlight::With, ..Query::default() };
    store.query(&everything).traces
}

/// gw ▸ frontend, which calls pricing from a span below its server span.
fn shop() -> (Vec<Hop>, Vec<Span>) {
    let hops = vec![hop(1, "frontend", 0, 50), hop(2, "pricing", 10, 40).from("frontend").parent(12)];
    let spans = vec![span(11, "frontend", 1), span(12, "frontend", 11), span(13, "pricing", 2)];
    (hops, spans)
}

#[test]
fn hops_and_spans_lie_under_each_other() {
    let (hops, spans) = shop();
    let trace = published(&hops, spans);
    assert_eq!(trace.hops[1].parent, Some(trace.hops[0].start.id.span_id));
    assert_eq!(trace.hops[1].joined_by, JoinedBy::Span);
    assert_eq!(trace.hops_of_spans(), [Some(0), Some(0), Some(1)]);
    assert_eq!((trace.span_above(0), trace.span_above(1)), (None, Some(1)));
    assert_eq!(trace.n_orphan_spans(), 0);
    assert_eq!(trace.duration, Duration::from_millis(50), "of the request, not of what is reported of it");
}

#[test]
fn of_several_callers_spans_tell_which_it_was() {
    let hops = [
        hop(1, "frontend", 0, 50),
        hop(2, "frontend", 5, 50),
        hop(3, "pricing", 10, 20).from("frontend").parent(0xf1),
    ];
    let trace = published(&hops, vec![span(0xf1, "frontend", 1)]);
    assert_eq!(trace.hops[2].parent, Some(trace.hops[0].start.id.span_id));
    assert_eq!(trace.hops[2].joined_by, JoinedBy::Span);
}

#[test]
fn a_span_without_its_parent_is_counted_and_leads_nowhere() {
    let hops = [hop(1, "frontend", 0, 50), hop(2, "pricing", 10, 40).from("frontend").parent(12)];
    let trace = published(&hops, vec![span(12, "frontend", 11), span(13, "pricing", 12)]);
    assert_eq!(trace.n_orphan_spans(), 1);
    assert_eq!(trace.hops_of_spans(), [None, None]);
    assert_eq!(trace.hops[1].joined_by, JoinedBy::Caller);
}

#[test]
fn spans_in_a_ring_lead_nowhere() {
    let hops = [hop(1, "frontend", 0, 50), hop(2, "pricing", 10, 40).from("frontend").parent(11)];
    let trace = published(&hops, vec![span(11, "frontend", 12), span(12, "frontend", 11)]);
    assert_eq!(trace.hops_of_spans(), [None, None]);
    assert_eq!(trace.hops[1].joined_by, JoinedBy::Caller);
}

#[test]
fn a_late_span_publishes_the_trace_again() {
    let (hops, spans) = shop();
    let mut store = TraceStore::new(Limits::default());
    for hop in &hops {
        store.apply(hop.start());
        store.apply(hop.end());
    }
    assert_eq!(settle(&mut store)[0].hops[1].joined_by, JoinedBy::Caller);
    spans.into_iter().for_each(|span| store.apply_span(span));
    let again = settle(&mut store);
    assert_eq!((again.len(), again[0].seq, again[0].spans.len()), (1, 2, 3));
    assert_eq!(store.query(&Query::default()).traces, again);
    assert_eq!(store.trace(TraceId::new(1).unwrap()), Some(again[0].clone()));
    assert_eq!(store.trace(TraceId::new(2).unwrap()), None);
}

#[test]
fn spans_wait_for_a_request_that_is_open() {
    let mut store = TraceStore::new(Limits::default());
    let open = hop(1, "frontend", 0, 50);
    store.apply(open.start());
    store.apply_span(span(11, "frontend", 1));
    assert!(settle(&mut store).is_empty());
    store.apply(open.end());
    let published = settle(&mut store);
    assert_eq!((published.len(), published[0].spans.len()), (1, 1));
}

#[test]
fn a_trace_of_spans_only_is_kept_and_told() {
    let trace = published(&[], vec![span(2, "cron", 0), span(9, "cron", 2)]);
    assert!(trace.is_finished && trace.kept_for.is_none());
    assert_eq!((trace.entry(), &*trace.path(), trace.is_failed()), (None, "", false));
    assert_eq!(trace.duration, Duration::from_millis(10));
    for filter in ["svc:cron", "status:200", "{hop:base}", "a >> b", "attr.x:*"] {
        assert!(!Filter::parse(filter).unwrap().matches(&trace.at(trace.started)), "{filter}");
    }
}

#[test]
fn the_root_is_the_span_without_a_parent_or_the_first() {
    let root = |spans| published(&[], spans).root_span().map(|span| span.span_id.to_string());
    let id = |id| Some(format!("{id:016x}"));
    assert_eq!(root(vec![span(2, "cron", 9), span(9, "cron", 0)]), id(9));
    assert_eq!(root(vec![span(2, "cron", 7), span(3, "cron", 2)]), id(2), "what was not reported is no root");
}

#[test]
fn how_a_span_ended_is_a_word() {
    let with = |name: &str, value: AttributeValue, status| {
        let mut span = Span { status, ..span(1, "cron", 0) };
        span.attributes = [(name, value)].into_iter().collect();
        span.outcome().into_owned()
    };
    assert_eq!(with("http.response.status_code", 503_i64.into(), SpanStatus::Error), "503");
    assert_eq!(with("http.status_code", "404".into(), SpanStatus::Unset), "404");
    assert_eq!(with("http.status_code", "\u{1b}[2J".into(), SpanStatus::Ok), "ok");
    assert_eq!(with("http.status_code", 70_000_i64.into(), SpanStatus::Error), "err");
    assert_eq!(with("x", true.into(), SpanStatus::Unset), "-");
}

#[test]
fn a_span_that_is_sent_again_is_there_once() {
    let mut store = TraceStore::new(Limits::default());
    for _ in 0..3 {
        store.apply_span(span(2, "cron", 0));
    }
    // The other side of a call may share its id (B3).
    store.apply_span(span(2, "mail", 0));
    assert_eq!(settle(&mut store)[0].spans.len(), 2);
    assert_eq!(store.counts().n_repeated_spans, 2);
}

#[test]
fn attributes_are_asked_of_all_spans_or_of_those_under_a_hop() {
    let (hops, mut spans) = shop();
    spans[1].attributes.push("db.system", "postgresql");
    spans[1].attributes.push("db.rows", 3_i64);
    spans[2].attributes.push("cache.hit", true);
    let trace = published(&hops, spans);
    for (filter, expected) in [
        ("attr.db.system:postgres", true),
        ("attr.db.system=postgres", false),
        ("attr.db.rows=3 attr.cache.hit=true", true),
        ("attr.db.rows~^[0-9]$", true),
        ("{attr.db.rows:3 svc:frontend}", true),
        ("{attr.db.rows:3 svc:pricing}", false),
        ("attr.db.rows:* >> attr.cache.hit:*", true),
        ("attr.nothing:*", false),
    ] {
        assert_eq!(Filter::parse(filter).unwrap().matches(&trace.at(trace.started)), expected, "{filter}");
    }
}

#[tokio::test(start_paused = true)]
async fn spans_that_are_handed_over_are_published() {
    let (collector, reader) = collector(Vec::new(), Limits::default());
    let (spans, stop) = (collector.spans(), CancellationToken::new());
    let running = tokio::spawn(collector.run(stop.clone()));
    let mut follow = reader.follow(Query::default()).await.unwrap();
    assert_eq!(spans.send([span(2, "cron", 0)]).await, 0);
    let Some(Update::Trace(trace)) = follow.next().await else { panic!("a trace") };
    assert_eq!(trace.spans[0].span_id, span(2, "cron", 0).span_id);
    assert_eq!(reader.trace(trace.trace_id).await.unwrap(), Some(trace));
    assert_eq!(spans.send([span(3, "cron", 2)]).await, 0);
    stop.cancel();
    running.await.unwrap();
    let Some(Update::Trace(last)) = follow.next().await else { panic!("what waited is published") };
    assert_eq!(last.spans.len(), 2);
}

/// Hops and spans of some traces, and whether the rings are quiet afterwards.
fn records() -> impl Strategy<Value = Vec<(u64, u64, u128, bool, bool)>> {
    proptest::collection::vec((1_u64..20, 0_u64..20, 1_u128..6, any::<bool>(), any::<bool>()), 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_span_is_lost_uncounted(records in records(), max_traces in 1_usize..5, max_spans in 1_usize..6) {
        let limits = Limits { max_traces, max_kept_traces: 5, max_spans_per_trace: max_spans, ..Limits::default() };
        let mut store = TraceStore::new(limits);
        let mut n_spans = 0;
        for (id, parent, trace, is_hop, is_quiet) in records {
            if is_hop {
                let hop = hop(id, "a", id, id + 5).in_trace(trace).parent(parent);
                store.apply(hop.start());
                store.apply(hop.end());
            } else {
                n_spans += 1;
                let trace_id = TraceId::new(trace).unwrap();
                store.apply_span(Span { trace_id, ..span(id, "a", parent) });
            }
            if is_quiet {
                settle(&mut store);
            }
        }
        let traces = all(&store);
        let n_kept: usize = traces.iter().map(|trace| trace.spans.len()).sum();
        let counts = store.counts();
        let Counts { n_dropped_spans, n_evicted_spans, n_repeated_spans, .. } = counts;
        prop_assert_eq!(counts.n_spans, n_spans);
        prop_assert_eq!(n_spans, n_kept as u64 + n_dropped_spans + n_evicted_spans + n_repeated_spans);
        prop_assert_eq!(counts.n_traces, traces.len() as u64);
        for trace in &traces {
            prop_assert!(trace.spans.len() <= max_spans);
            prop_assert_eq!(trace.hops_of_spans().len(), trace.spans.len());
        }
    }
}
