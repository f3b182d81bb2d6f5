//! What filters find in traces.

use std::time::Duration;

use proptest::prelude::*;
use spur_route::Reason;
use spur_trace::filter::{Field, live_values};
use spur_trace::{Filter, HopError, Trace};

use crate::world::{Hop, hop, trace};

#[track_caller]
fn check(trace: &Trace, filters: &[(&str, bool)]) {
    let now = trace.started + Duration::from_secs(60);
    for (text, expected) in filters {
        let filter = Filter::parse(text).unwrap();
        assert_eq!(filter.matches(&trace.at(now)), *expected, "{text}");
    }
}

/// gw ▸ frontend(200, 50ms) ▸ [◆pricing(503), ▲db]
fn shop() -> Vec<Hop> {
    vec![
        hop(1, "frontend", 0, 50).key("pr-421").path("/checkout?n=1"),
        hop(2, "pricing", 10, 40).from("frontend").parent(1).fork("pr-421-pricing").status(503),
        hop(3, "db", 42, 45).from("frontend").parent(1).status(404),
    ]
}

#[test]
fn a_trace_is_matched_as_its_request_and_by_its_way() {
    check(
        &trace(&shop()),
        &[
            ("", true),
            ("status:200", true),
            ("status:503", false),
            ("{status:503}", true),
            ("{svc:pricing status:5xx}", true),
            ("{svc:db status:5xx}", false),
            ("svc:pricing svc:db", true),
            ("{svc:pricing svc:db}", false),
            ("dur=50ms", true),
            ("dur>50ms", false),
            ("{dur<4ms}", true),
            ("method:get", true),
            ("method=get", true),
            ("path:/check", true),
            ("path=/check", false),
            ("path~^/checkout", true),
            ("from=gw to=pr-421-pricing", true),
            ("sandbox:pr-421 sandbox!=pr-422", true),
            ("hop:fork hop:base hop:lost hop:error", true),
            ("hop:split", false),
            ("{hop:lost svc:db key:pr-421}", true),
            ("trace:00001", true),
            ("age=1m", true),
            ("age<1m", false),
            ("size=2", true),
            ("proto=HTTP/1.1", true),
            ("CHECKOUT", true),
            ("db pr-42", true),
            ("nothing", false),
            ("svc:frontend >> hop:error", true),
            ("svc:pricing >> svc:db", false),
            ("svc:db >> svc:frontend", false),
        ],
    );
}

#[test]
fn live_values_come_most_frequent_first() {
    let traces = [trace(&shop()), trace(&[hop(1, "db", 0, 5).path("/ping")])];
    let values = |field: &Field| live_values(field, traces.iter().map(|it| &**it));
    assert_eq!(values(&Field::Svc), ["db", "frontend", "pricing"]);
    assert_eq!(values(&Field::Path), ["/checkout?n=1", "/ping"]);
    assert_eq!(values(&Field::Status), [""; 0]);
}

#[test]
fn what_nothing_records_is_absent() {
    let absent = ["host", "mark", "body", "msg", "level", "req.x", "res.x", "attr.x", "rule", "err", "grpc"];
    for field in absent {
        check(&trace(&shop()), &[(&format!("{field}:*"), false), (&format!("!{field}:*"), true)]);
    }
    check(&trace(&shop()), &[("host!=a", true), ("body!~a", true)]);
    check(&trace(&shop()), &[("replay:true", false), ("replay:false", true)]);
}

#[test]
fn errors_have_codes() {
    check(
        &trace(&[hop(1, "a", 0, 5).error(HopError::ConnectRefused)]),
        &[("err:connect-refused", true), ("err:*", true), ("hop:error", true)],
    );
    check(
        &trace(&[hop(1, "a", 0, 5).refused(Reason::UnknownHost, "nowhere.localhost")]),
        &[
            ("err=unknown-host host:nowhere", true),
            ("hop:base", false),
            ("status:4xx", true),
            ("svc:*", false),
        ],
    );
    check(
        &trace(&[hop(1, "a", 0, 5).grpc_status(14)]),
        &[("grpc:unavailable proto:grpc", true), ("grpc:ok", false)],
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_filter_by_key_finds_what_the_query_by_key_finds(keys in proptest::collection::vec(proptest::option::of("[ab]"), 1..6)) {
        let hops: Vec<Hop> = (1_u64..).zip(&keys).map(|(span, key)| {
            let hop = hop(span, "a", span, 9);
            match key {
                Some(key) => hop.key(key),
                None => hop,
            }
        }).collect();
        let trace = trace(&hops);
        let filter = Filter::parse("key=a").unwrap();
        prop_assert_eq!(filter.matches(&trace.at(trace.started)), trace.has_key("a"));
    }
}
