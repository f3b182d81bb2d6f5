//! Which hop belongs under which, and where a key was lost.

use proptest::prelude::*;
use spur_trace::{JoinedBy, Trace};

use crate::world::{Hop, hop, settle, settled, trace};

/// `span<parent by` for every hop, in order.
fn joins(trace: &Trace) -> String {
    let joins = trace.hops.iter().map(|hop| {
        let span = short(&hop.start.id.span_id);
        match hop.parent {
            Some(parent) => format!("{span}<{} {:?}", short(&parent), hop.joined_by),
            None => format!("{span} {:?}", hop.joined_by),
        }
    });
    joins.collect::<Vec<_>>().join(", ")
}

fn short(span: &impl ToString) -> String {
    span.to_string().trim_start_matches('0').to_owned()
}

#[track_caller]
fn check(hops: &[Hop], expected: &str) {
    assert_eq!(joins(&trace(hops)), expected);
}

#[test]
fn a_service_that_forwards_traceparent_untouched_is_joined_by_span() {
    check(
        &[
            hop(1, "frontend", 0, 50),
            hop(2, "checkout", 10, 40).from("frontend").parent(1),
            hop(3, "pricing", 20, 30).from("checkout").parent(2),
        ],
        "1 Root, 2<1 Span, 3<2 Span",
    );
}

#[test]
fn a_service_with_spans_of_its_own_is_joined_by_its_caller() {
    check(
        &[
            hop(1, "frontend", 0, 50).parent(0xaa),
            hop(2, "checkout", 10, 40).from("frontend").parent(0xf1),
            hop(3, "pricing", 20, 30).from("checkout").parent(0xf2),
        ],
        "1 Root, 2<1 Caller, 3<2 Caller",
    );
}

#[test]
fn a_call_that_ends_after_its_caller_answered_is_joined_still() {
    check(
        &[hop(1, "frontend", 0, 20), hop(2, "mail", 10, 90).from("frontend").parent(0xf1)],
        "1 Root, 2<1 Caller",
    );
}

#[test]
fn a_caller_that_had_answered_already_is_no_parent() {
    check(
        &[hop(1, "frontend", 0, 20), hop(2, "mail", 30, 40).from("frontend").parent(0xf1)],
        "1 Root, 2 Root",
    );
}

#[test]
fn of_several_callers_the_latest_is_taken_and_it_says_so() {
    check(
        &[
            hop(1, "frontend", 0, 50),
            hop(2, "frontend", 5, 50),
            hop(3, "pricing", 10, 20).from("frontend").parent(0xf1),
        ],
        "1 Root, 2 Root, 3<2 OneOfSeveral",
    );
}

#[test]
fn another_pod_of_the_workload_is_no_parent() {
    check(
        &[
            hop(1, "pricing", 0, 50).fork("pr-421-pricing"),
            hop(2, "db", 10, 20).from("pricing").parent(0xf1),
            hop(3, "db", 10, 20).from("pr-421-pricing").parent(0xf1),
        ],
        "1 Root, 2 Root, 3<1 Caller",
    );
}

#[test]
fn an_open_hop_is_a_parent() {
    let (store, published) =
        settled(&[hop(1, "frontend", 0, 0).hung(), hop(2, "pricing", 10, 20).from("frontend").parent(0xf1)]);
    assert!(published.is_empty());
    let query = spur_trace::Query { in_flight: spur_trace::InFlight::With, ..Default::default() };
    assert_eq!(joins(&store.query(&query).traces[0]), "1 Root, 2<1 Caller");
}

#[test]
fn spans_that_name_each_other_end_at_a_root() {
    check(
        &[
            hop(1, "a", 0, 50).parent(2),
            hop(2, "b", 10, 20).parent(3),
            hop(3, "c", 10, 20).parent(1),
            hop(4, "d", 10, 20).parent(4),
        ],
        "1 Root, 2<3 Span, 3<1 Span, 4 Root",
    );
}

#[test]
fn records_in_any_order_make_the_same_trace() {
    let hops = [
        hop(1, "frontend", 0, 50),
        hop(2, "checkout", 10, 40).from("frontend").parent(1),
        hop(3, "pricing", 20, 30).from("checkout").parent(0xf2),
    ];
    let expected = trace(&hops);
    let mut store = spur_trace::TraceStore::new(spur_trace::Limits::default());
    for hop in [&hops[2], &hops[0], &hops[1]] {
        store.apply(hop.end());
    }
    for hop in [&hops[1], &hops[2], &hops[0]] {
        store.apply(hop.start());
    }
    assert_eq!(settle(&mut store), [expected]);
    assert_eq!(store.counts().n_unmatched, 0);
}

#[track_caller]
fn check_lost(hops: &[Hop], expected: &[(&str, &str)]) {
    let trace = trace(hops);
    let lost: Vec<_> =
        trace.lost_key_hops().map(|hop| (hop.name(), hop.lost_key.as_deref().unwrap())).collect();
    assert_eq!(lost, expected);
}

#[test]
fn a_caller_that_got_a_key_and_sends_none_has_lost_it() {
    check_lost(
        &[
            hop(1, "orders", 0, 50).key("pr-421"),
            hop(2, "mail", 5, 8).from("orders").key("pr-421").parent(1),
            hop(3, "inventory", 10, 40).from("orders").parent(1),
        ],
        &[("inventory", "pr-421")],
    );
}

#[test]
fn a_key_is_lost_once_and_not_again_further_down() {
    check_lost(
        &[
            hop(1, "orders", 0, 50).key("pr-421"),
            hop(2, "inventory", 10, 40).from("orders").parent(1),
            hop(3, "db", 20, 30).from("inventory").parent(2),
        ],
        &[("inventory", "pr-421")],
    );
}

#[test]
fn a_background_call_after_the_answer_loses_the_key_too() {
    check_lost(
        &[hop(1, "orders", 0, 50).key("pr-421"), hop(2, "mail", 60, 70).from("orders").parent(0xf1)],
        &[("mail", "pr-421")],
    );
}

#[test]
fn a_caller_that_got_two_requests_lost_the_key_if_one_had_it() {
    check_lost(
        &[
            hop(1, "orders", 0, 50).key("pr-421"),
            hop(2, "orders", 5, 50),
            hop(3, "inventory", 10, 40).from("orders").parent(0xf1),
        ],
        &[("inventory", "pr-421")],
    );
}

#[test]
fn without_a_key_nothing_is_lost() {
    check_lost(&[hop(1, "orders", 0, 50), hop(2, "inventory", 10, 40).from("orders").parent(1)], &[]);
}

fn any_hop() -> impl Strategy<Value = Hop> {
    let service = || proptest::sample::select(&["a", "b", "c"]);
    let span = || 1_u64..9;
    let parent = proptest::option::of(span());
    let source = proptest::option::of(service());
    (service(), 0_u64..20, 0_u64..20, source, parent, any::<bool>()).prop_map(
        |(service, from, takes, source, parent, is_keyed)| {
            let mut hop = hop(1, service, from, from + takes);
            if let Some(source) = source {
                hop = hop.from(source);
            }
            if let Some(parent) = parent {
                hop = hop.parent(parent);
            }
            if is_keyed { hop.key("k") } else { hop }
        },
    )
}

proptest! {
    // Seeds of failures would be put into a new folder `src/proptest-regressions`,
    // and a folder in `src` without a manifest stops every build.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_hops_make_a_forest_that_can_be_drawn(hops in proptest::collection::vec(any_hop(), 1..9)) {
        let hops: Vec<Hop> = hops.into_iter().zip(1..).map(|(hop, span)| hop.span(span)).collect();
        let trace = trace(&hops);
        prop_assert_eq!(trace.hops.len(), hops.len());
        for hop in &trace.hops {
            let mut up = hop.parent;
            for _ in 0..hops.len() {
                let Some(span) = up else { break };
                up = trace.hops.iter().find(|hop| hop.start.id.span_id == span).unwrap().parent;
            }
            prop_assert_eq!(up, None, "a way up ends");
            prop_assert_eq!(hop.parent.is_none(), hop.joined_by == JoinedBy::Root);
            prop_assert!(trace.path().contains(hop.name()));
        }
    }
}
