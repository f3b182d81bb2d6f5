//! verify: traces go into the ring as the proxy would push them.

use std::time::Duration;

use serde_json::{Value, json};

use super::world::World;

/// A request to `frontend`, with a key in all headers if there is one.
fn asked(trace: u64, key: Option<&str>) -> Value {
    start(trace, "frontend", None, key)
}

/// A call of `frontend` to another service, in the trace of the request or outside of it.
fn called(trace: u64, service: &str, parent: Option<&str>, key: Option<&str>) -> Value {
    let mut start = start(trace, service, parent, key);
    start["source"] =
        json!({"namespace": "default", "workload": "frontend", "pod": "frontend-0", "sandbox": null});
    start
}

fn start(trace: u64, service: &str, parent: Option<&str>, key: Option<&str>) -> Value {
    json!({
        "trace_id": format!("{trace:032x}"), "span_id": format!("{:016x}", rand::random::<u64>() | 1),
        "incoming_parent_id": parent, "started": "2026-11-20T22:14:49.123000Z", "source": null,
        "decision": {
            "table_revision": 1,
            "service": {"namespace": "default", "name": service, "port": 80, "wire": "http1"},
            "rule": null, "version": "baseline",
            "key": key.map(|key| json!({"value": key, "carrier": "header"})), "is_injected": key.is_some(),
            "n_disagreeing": 0, "n_malformed": 0, "fell_back": false, "reason": "no-key", "asked": null,
        },
        "endpoint": {"address": "127.0.0.1:1", "pod": format!("{service}-0"), "workload": service},
        "method": "GET", "target": "/", "http_version": "HTTP/1.1", "carried": ["baggage"],
        "duration_us": 4200, "served_by": null, "status": 200, "grpc_status": null,
        "request_bytes": 0, "response_bytes": 10, "error": null,
    })
}

/// A request with a key, and a call with one or without.
fn request(world: &World, trace: u64, service: &str, handed_on: Option<&str>) {
    let asked = asked(trace, Some("k3x9"));
    world.push(&called(trace, service, asked["span_id"].as_str(), handed_on));
    world.push(&asked);
}

async fn are_recorded(world: &World, n_traces: usize) {
    while crate::trace::last(&world.client, 100).await.unwrap().len() < n_traces {}
}

#[tokio::test]
async fn nothing_to_verify_is_no_success() {
    let world = World::start().await;
    insta::assert_snapshot!(world.run("verify propagation --key k3x9").await.all(), @"
    ! error: nothing could be verified: no service that got the key `k3x9` called another
    ! hint: send requests with the key while this runs with `--for`
    exit 1
    ");
}

#[tokio::test]
async fn who_loses_the_key_is_named_with_what_is_missing() {
    let world = World::start().await;
    request(&world, 1, "pricing", Some("k3x9"));
    request(&world, 2, "pricing", Some("k3x9"));
    are_recorded(&world, 2).await;
    let said = world.run("verify propagation").await;
    insta::assert_snapshot!(said.all(), @"
    SERVICE            CALLED            WITH KEY   LOST   SHARE   MISSING
    default/frontend   default/pricing   2          0      0%
    ! No key was lost in 2 calls.
    ");
    request(&world, 3, "pricing", None);
    request(&world, 4, "inventory", None);
    are_recorded(&world, 4).await;
    insta::assert_snapshot!(world.run("verify propagation").await.all(), @"
    SERVICE            CALLED              WITH KEY   LOST   SHARE   MISSING
    default/frontend   default/inventory   0          1      100%    any of baggage (sent without it), tracestate, spur-key
    default/frontend   default/pricing     2          1      33%     any of baggage (sent without it), tracestate, spur-key
    ! 2 of 4 calls went without the key that their service got.
    exit 1
    ");
    assert_eq!(world.run("verify propagation --key another").await.exit, 1);
    let said = world.run("verify propagation -o json").await;
    let report: Value = serde_json::from_str(&said.data).unwrap();
    assert_eq!((said.exit, &report["edges"][1]["lost_percent"]), (1, &json!(33)));
    assert_eq!(
        report["edges"][1]["missing"][0][0],
        json!({"header": "baggage", "is_sent_without_key": true})
    );
    assert_eq!((&report["n_traces"], &report["n_missed_traces"]), (&json!(4), &json!(0)));
}

#[tokio::test]
async fn a_service_that_forwards_nothing_is_found_by_what_was_in_flight() {
    let world = World::start().await;
    world.push(&asked(1, Some("k3x9")));
    world.push(&called(2, "pricing", None, None));
    are_recorded(&world, 2).await;
    insta::assert_snapshot!(world.run("verify propagation").await.all(), @"
    SERVICE            CALLED            WITH KEY   LOST   SHARE   MISSING
    default/frontend   default/pricing   0          1      100%    any of baggage (sent without it), tracestate, spur-key; 1 without `traceparent`
    ! 1 of 1 calls went without the key that their service got.
    exit 1
    ");
}

#[tokio::test]
async fn requests_of_some_time_are_watched() {
    let world = World::start().await;
    request(&world, 1, "pricing", None);
    are_recorded(&world, 1).await;
    let mut trace = 1;
    let mut every = tokio::time::interval(Duration::from_millis(10));
    let requests = async {
        loop {
            every.tick().await;
            trace += 1;
            request(&world, trace, "pricing", Some("k3x9"));
        }
    };
    let said = tokio::select! {
        said = world.run("verify propagation --for 1s -o json") => said,
        () = requests => unreachable!("requests go on"),
    };
    let report: Value = serde_json::from_str(&said.data).unwrap();
    assert_eq!((said.exit, &report["edges"][0]["n_lost"]), (0, &json!(0)), "what was before does not count");
    assert!(report["edges"][0]["n_handed_on"].as_u64().unwrap() > 0);
}
