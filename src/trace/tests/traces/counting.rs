//! Counts by the second, edge, rule and key.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use spur_trace::{AggregateLimits, Aggregates, By, Durations, Series, Tally, Trace, Window};

use crate::world::{Hop, hop, trace};

fn second(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn counted(limits: AggregateLimits, traces: &[&Trace]) -> Aggregates {
    let mut aggregates = Aggregates::new(limits);
    traces.iter().flat_map(|trace| &trace.hops).for_each(|hop| aggregates.record(hop));
    aggregates
}

const EVER: Window = Window { from: 0, to: u64::MAX, by: By::All };

/// `series n/failed`, a line each.
fn drawn(aggregates: &Aggregates, by: By) -> Vec<String> {
    let row = |(series, tally): &(Series, Tally)| {
        let name = match series {
            Series::Others => "others".to_owned(),
            Series::Of(parts) => [
                parts.edge.as_ref().map(ToString::to_string),
                parts.from_sandbox.as_ref().map(|it| format!("from a fork of {it}")),
                parts.workload.as_ref().map(|it| format!("by {it}")),
                parts.sandbox.as_ref().map(|it| format!("of {it}")),
                parts.rule.as_ref().map(|it| format!("rule {}", it.name)),
                parts.key.as_ref().map(|it| format!("key {it}")),
            ]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" "),
        };
        format!("{name} {}/{}", tally.n, tally.n_failed)
    };
    aggregates.summary(Window { by, ..EVER }).rows.iter().map(row).collect()
}

#[test]
fn hops_are_counted_by_what_they_have_in_common() {
    let shop = trace(&[
        hop(1, "frontend", 0, 50).key("pr-421"),
        hop(2, "pricing", 10, 20).from("frontend").parent(1).fork("pr-421-pricing").status(503),
        hop(3, "pricing", 21, 22).from("frontend").parent(1),
        hop(4, "pricing", 23, 24).from("frontend").parent(1),
    ]);
    let aggregates = counted(AggregateLimits::default(), &[&shop]);
    insta::assert_debug_snapshot!(drawn(&aggregates, By::All), @r#"
    [
        "gw → frontend by frontend key pr-421 1/0",
        "frontend → pricing by pr-421-pricing of pr-421 key pr-421 1/1",
        "frontend → pricing by pricing 2/0",
    ]
    "#);
    insta::assert_debug_snapshot!(drawn(&aggregates, By::Edge), @r#"
    [
        "gw → frontend 1/0",
        "frontend → pricing 3/1",
    ]
    "#);
    insta::assert_debug_snapshot!(drawn(&aggregates, By::EdgeAndKey), @r#"
    [
        "gw → frontend key pr-421 1/0",
        "frontend → pricing 2/0",
        "frontend → pricing key pr-421 1/1",
    ]
    "#);
    insta::assert_debug_snapshot!(drawn(&aggregates, By::RuleAndWorkload), @r#"
    [
        "by frontend 1/0",
        "by pr-421-pricing of pr-421 1/1",
        "by pricing 2/0",
    ]
    "#);
    insta::assert_debug_snapshot!(drawn(&aggregates, By::EdgeAndVersion), @r#"
    [
        "gw → frontend by frontend 1/0",
        "frontend → pricing by pr-421-pricing of pr-421 1/1",
        "frontend → pricing by pricing 2/0",
    ]
    "#);
    insta::assert_debug_snapshot!(drawn(&aggregates, By::Entry), @r#"
    [
        " 1/0",
    ]
    "#);
    insta::assert_debug_snapshot!(drawn(&aggregates, By::Key), @r#"
    [
        " 2/0",
        "key pr-421 2/1",
    ]
    "#);
}

#[test]
fn series_without_room_are_others_until_there_is_room() {
    let limits = AggregateLimits { max_series: 2, max_seconds: 2, ..AggregateLimits::default() };
    let at = |service: &str, from_ms: u64| trace(&[hop(1, service, from_ms, from_ms + 1)]);
    let early = [at("a", 0), at("b", 0), at("c", 0), at("d", 1), at("a", 2)];
    let mut aggregates = counted(limits, &early.each_ref().map(|it| &**it));
    assert_eq!(drawn(&aggregates, By::Edge), ["gw → a 2/0", "gw → b 1/0", "others 2/0"]);
    assert_eq!(aggregates.counts().n_others, 2);
    for late in [at("a", 5_000), at("d", 5_000)] {
        aggregates.record(&late.hops[0]);
    }
    assert_eq!(drawn(&aggregates, By::Edge), ["gw → a 1/0", "gw → d 1/0"]);
}

#[test]
fn history_is_bounded_in_time_and_bytes_and_says_where_it_begins() {
    let traces: Vec<_> = (0..20).map(|n| trace(&[hop(1, "a", n * 1_000, n * 1_000 + 1)])).collect();
    let traces: Vec<&Trace> = traces.iter().map(|it| &**it).collect();
    let first = second(traces[0].started);
    let aggregates = counted(AggregateLimits { max_seconds: 5, ..AggregateLimits::default() }, &traces);
    let counts = aggregates.counts();
    assert_eq!((counts.n, counts.n_kept, counts.n_passed, counts.n_cut), (20, 5, 15, 0));
    let summary = aggregates.summary(EVER);
    assert_eq!((summary.from, summary.rows[0].1.n), (first + 15, 5));
    let two = aggregates.summary(Window { from: first + 16, to: first + 17, by: By::Key });
    assert_eq!((two.from, two.to, two.rows[0].1.n), (first + 16, first + 17, 2));

    let aggregates = counted(AggregateLimits { max_bytes: 2_000, ..AggregateLimits::default() }, &traces);
    let counts = aggregates.counts();
    assert!((1..20).contains(&counts.n_kept), "{counts:?}");
    assert_eq!(counts.n, counts.n_kept + counts.n_cut);

    let backwards: Vec<&Trace> = traces.into_iter().rev().collect();
    let aggregates = counted(AggregateLimits { max_seconds: 5, ..AggregateLimits::default() }, &backwards);
    assert_eq!((aggregates.counts().n_kept, aggregates.counts().n_late), (5, 15));
}

fn hops() -> impl Strategy<Value = Vec<Hop>> {
    let one = (
        proptest::sample::select(&["a", "b", "c", "d"]),
        0_u64..30,
        0_u64..3_000,
        any::<bool>(),
        any::<bool>(),
    );
    let one = one.prop_map(|(service, second, takes, is_failed, is_keyed)| {
        let hop = hop(1, service, second * 400, second * 400 + takes);
        let hop = if is_failed { hop.status(502) } else { hop };
        if is_keyed { hop.key("k") } else { hop }
    });
    proptest::collection::vec(one, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn counts_are_those_of_the_hops_themselves(hops in hops(), from in 0_u64..15, len in 0_u64..15) {
        let traces: Vec<_> = hops.iter().map(|hop| trace(std::slice::from_ref(hop))).collect();
        let aggregates = counted(AggregateLimits::default(), &traces.iter().map(|it| &**it).collect::<Vec<_>>());
        let start = second(trace(&[hop(1, "a", 0, 0)]).started);
        let window = Window { from: start + from, to: start + from + len, by: By::EdgeAndKey };
        let mut expected: BTreeMap<(String, Option<String>), Tally> = BTreeMap::new();
        for hop in traces.iter().map(|trace| &trace.hops[0]) {
            let end = hop.end.as_ref().unwrap();
            let at = second(hop.start.started + end.duration);
            if at < window.from || at > window.to {
                continue;
            }
            let tally = expected.entry((hop.name().to_owned(), hop.key().map(str::to_owned))).or_default();
            let mut durations = Durations::default();
            durations.record(end.duration);
            tally.merge(&Tally { n: 1, n_failed: u64::from(hop.is_failed()), durations });
        }
        let found: BTreeMap<_, _> = aggregates.summary(window).rows.into_iter().map(|(series, tally)| {
            let Series::Of(parts) = series else { panic!("there is room") };
            ((parts.edge.unwrap().to.name.to_string(), parts.key.map(|key| key.to_string())), tally)
        }).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn every_hop_is_somewhere(hops in hops(), max_seconds in 1_u64..6, max_series in 1_usize..4, max_bytes in 0_usize..3_000) {
        let limits = AggregateLimits { max_seconds, max_series, max_bytes };
        let mut aggregates = Aggregates::new(limits);
        for hop in &hops {
            aggregates.record(&trace(std::slice::from_ref(hop)).hops[0]);
            let counts = aggregates.counts();
            prop_assert_eq!(counts.n, counts.n_kept + counts.n_passed + counts.n_cut + counts.n_late);
            let summary = aggregates.summary(EVER);
            prop_assert_eq!(summary.rows.iter().map(|(_, tally)| tally.n).sum::<u64>(), counts.n_kept);
            prop_assert_eq!(summary.rows.iter().map(|(_, tally)| tally.durations.len()).sum::<u64>(), counts.n_kept);
            prop_assert!(summary.rows.len() <= max_series + 1);
        }
    }
}
