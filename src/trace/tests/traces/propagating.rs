//! Who hands its key on, who loses it, and what is missing.

use std::sync::Arc;

use proptest::prelude::*;
use spur_route::Carrier;
use spur_trace::{KeyHeader, Missing, Propagation, PropagationEdge, Trace};

use crate::world::{Hop, hop, trace};

fn named(missing: &[Missing]) -> String {
    let name = |missing: &Missing| match missing.is_sent_without_key {
        true => format!("{} without key", missing.header),
        false => missing.header.to_string(),
    };
    missing.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn losses(trace: &Trace) -> Vec<String> {
    let drawn = trace.losses().map(|loss| {
        format!(
            "{} lost {} towards {}: {}",
            loss.service.name,
            loss.key,
            loss.hop.name(),
            named(&loss.missing)
        )
    });
    drawn.collect()
}

/// What is not 0 of each edge.
fn report(propagation: &Propagation) -> Vec<String> {
    let drawn = |edge: &PropagationEdge| {
        let PropagationEdge {
            service,
            to,
            n_handed_on,
            n_lost,
            n_untraced,
            n_implied,
            n_changed,
            n_unsure,
            missing,
        } = edge;
        let counts = [
            ("handed on", n_handed_on),
            ("lost", n_lost),
            ("untraced", n_untraced),
            ("implied", n_implied),
            ("changed", n_changed),
            ("unsure", n_unsure),
        ];
        let counts = counts.iter().filter(|(_, n)| **n > 0).map(|(what, n)| format!("{n} {what}"));
        let missing =
            missing.iter().map(|(missing, n)| format!("{}×{n}", named(std::slice::from_ref(missing))));
        let parts: Vec<String> = counts.chain(missing).collect();
        format!("{} → {}: {}", service.name, to.name, parts.join(", "))
    };
    propagation.report().edges.iter().map(drawn).collect()
}

fn judged(key: Option<&str>, traces: &[Arc<Trace>]) -> Vec<String> {
    let mut propagation = Propagation::of(key.map(Arc::from));
    traces.iter().for_each(|trace| propagation.add(trace.clone()));
    report(&propagation)
}

/// A request to `orders` with its key in all headers, and its call of `inventory`.
fn orders(call: impl FnOnce(Hop) -> Hop) -> Arc<Trace> {
    trace(&[
        hop(1, "orders", 0, 50).injected("pr-421", Carrier::Header),
        call(hop(2, "inventory", 10, 40).from("orders").parent(1)),
    ])
}

#[test]
fn a_loss_names_who_where_and_what() {
    let nothing = orders(|call| call);
    assert_eq!(losses(&nothing), ["orders lost pr-421 towards inventory: baggage, tracestate, spur-key"]);
    let other_baggage = orders(|call| call.carrying(KeyHeader::Baggage));
    assert_eq!(
        losses(&other_baggage),
        ["orders lost pr-421 towards inventory: baggage without key, tracestate, spur-key"]
    );
    let by_baggage =
        trace(&[hop(1, "orders", 0, 50).key("k"), hop(2, "inventory", 10, 40).from("orders").parent(1)]);
    assert_eq!(losses(&by_baggage), ["orders lost k towards inventory: baggage"]);
    assert_eq!(losses(&orders(|call| call.key("pr-421"))), [""; 0]);
}

#[test]
fn calls_are_counted_by_service_and_edge() {
    let traces: Vec<Arc<Trace>> = vec![
        orders(|call| call.in_trace(1)),
        trace(&[
            hop(1, "orders", 0, 50).key("pr-421").in_trace(2),
            hop(2, "inventory", 10, 40).from("orders").parent(1).key("pr-421").in_trace(2),
            hop(3, "mail", 10, 40).from("orders").parent(1).key("other").in_trace(2),
            hop(4, "db", 20, 30).from("inventory").parent(2).in_trace(2),
        ]),
        trace(&[
            hop(1, "orders", 0, 50).fork("pr-421-orders").in_trace(3),
            hop(2, "inventory", 10, 40)
                .from("pr-421-orders")
                .parent(1)
                .injected("pr-421", Carrier::Implied)
                .in_trace(3),
        ]),
        trace(&[
            hop(1, "orders", 0, 50).in_trace(4),
            hop(2, "db", 10, 40).from("orders").parent(1).in_trace(4),
        ]),
    ];
    insta::assert_debug_snapshot!(judged(None, &traces), @r#"
    [
        "inventory → db: 1 lost, baggage×1",
        "orders → inventory: 1 handed on, 1 lost, baggage×1, tracestate×1, spur-key×1",
        "orders → mail: 1 changed",
        "pr-421-orders → inventory: 1 implied",
    ]
    "#);
    assert_eq!(judged(Some("nobodys"), &traces), [""; 0]);
    let mut propagation = Propagation::of(None);
    traces.iter().chain(&traces).for_each(|trace| propagation.add(trace.clone()));
    let report = propagation.report();
    assert_eq!((report.n_traces, report.n_keyed_traces, report.n_dropped_traces), (4, 3, 0));
    assert!(report.has_losses());
    let shares: Vec<u64> = report.edges.iter().map(PropagationEdge::lost_percent).collect();
    assert_eq!(shares, [100, 50, 0, 0], "a trace that comes again counts once");
}

#[test]
fn a_call_outside_of_any_trace_is_put_to_what_was_in_flight() {
    let got = |trace: u128, from, to| hop(1, "orders", from, to).in_trace(trace);
    let untraced = |at| trace(&[hop(2, "inventory", at, at + 1).from("orders").in_trace(9)]);
    let keyed = trace(&[got(1, 0, 50).key("pr-421")]);
    let lost = "orders → inventory: 1 lost, 1 untraced, traceparent×1, baggage×1";
    assert_eq!(judged(None, &[keyed.clone(), untraced(10)]), [lost]);
    assert_eq!(judged(None, &[untraced(10), keyed.clone()]), [lost], "in any order");
    assert_eq!(judged(None, &[keyed.clone(), untraced(60)]), [""; 0], "it had answered");
    let ordinary = trace(&[got(2, 5, 20)]);
    let both = [keyed.clone(), ordinary.clone(), untraced(10)];
    assert_eq!(judged(None, &both), ["orders → inventory: 1 unsure"]);
    assert_eq!(judged(None, &[keyed.clone(), ordinary, untraced(30)]), [lost]);
    let other_pod = trace(&[hop(2, "inventory", 10, 11).from("carts").in_trace(9)]);
    assert_eq!(judged(None, &[keyed, other_pod]), [""; 0]);
}

#[test]
fn what_is_judged_is_bounded() {
    let mut propagation = Propagation::of(None);
    let hop = hop(1, "a", 0, 5);
    for n in 0..Propagation::MAX_TRACES as u128 + 7 {
        propagation.add(trace(&[hop.clone().in_trace(n + 1)]));
    }
    let report = propagation.report();
    assert_eq!((report.n_traces, report.n_dropped_traces), (Propagation::MAX_TRACES as u64, 7));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_mark_of_a_lost_key_is_a_loss_and_is_counted(calls in proptest::collection::vec((0_u8..3, any::<bool>()), 0..8)) {
        let mut hops = vec![hop(1, "orders", 0, 100).injected("k", Carrier::Tracestate)];
        for (span, (kind, is_joined)) in (2_u64..).zip(&calls) {
            let call = hop(span, "inventory", span, 50).from("orders");
            let call = if *is_joined { call.parent(1) } else { call.parent(0xff) };
            hops.push(match kind {
                0 => call,
                1 => call.key("k"),
                _ => call.key("other"),
            });
        }
        let trace = trace(&hops);
        let n_lost = calls.iter().filter(|(kind, _)| *kind == 0).count();
        prop_assert_eq!(trace.lost_key_hops().count(), n_lost);
        prop_assert_eq!(trace.losses().count(), n_lost);
        let mut propagation = Propagation::of(None);
        propagation.add(trace);
        let edges = propagation.report().edges;
        let n = |of: fn(&PropagationEdge) -> u64| edges.iter().map(of).sum::<u64>();
        prop_assert_eq!(n(|edge| edge.n_lost), n_lost as u64);
        prop_assert_eq!(n(|edge| edge.n_lost + edge.n_handed_on + edge.n_changed), calls.len() as u64);
    }
}
