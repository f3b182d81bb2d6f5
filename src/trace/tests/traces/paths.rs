//! Traces on one line, and in JSON.

use spur_route::Reason;
use spur_trace::{HopError, InFlight, Query, Trace};

use crate::world::{Hop, hop, settled, trace};

fn path(hops: &[Hop]) -> String {
    trace(hops).path()
}

#[test]
fn a_chain_is_drawn_from_the_entry_to_the_fork() {
    insta::assert_snapshot!(path(&[
        hop(1, "frontend", 0, 50).key("pr-421"),
        hop(2, "checkout", 10, 40).from("frontend").parent(1).key("pr-421"),
        hop(3, "pricing", 20, 30).from("checkout").parent(2).fork("pr-421-pricing"),
    ]), @"gw ▸ frontend ▸ checkout ▸ ◆pricing");
}

#[test]
fn several_calls_stand_in_brackets_and_equal_neighbours_are_counted() {
    insta::assert_snapshot!(path(&[
        hop(1, "frontend", 0, 90),
        hop(2, "catalogue", 10, 20).from("frontend").parent(1),
        hop(3, "checkout", 30, 80).from("frontend").parent(1),
        hop(4, "pricing", 40, 50).from("checkout").parent(3),
        hop(5, "pricing", 41, 50).from("checkout").parent(3),
        hop(6, "inventory", 55, 70).from("checkout").parent(3),
        hop(7, "db", 56, 58).from("inventory").parent(6),
    ]), @"gw ▸ frontend ▸ [catalogue, checkout ▸ [pricing×2, inventory ▸ db]]");
    insta::assert_snapshot!(path(&[
        hop(1, "frontend", 0, 90),
        hop(2, "cart", 10, 20).from("frontend").parent(1),
        hop(3, "db", 12, 15).from("cart").parent(2),
        hop(4, "cart", 30, 40).from("frontend").parent(1),
        hop(5, "db", 32, 35).from("cart").parent(4),
    ]), @"gw ▸ frontend ▸ (cart ▸ db)×2");
}

#[test]
fn a_failed_hop_says_why() {
    let failed = |hop: Hop| path(&[hop]);
    let pricing = || hop(1, "pricing", 0, 9);
    insta::assert_snapshot!(failed(pricing().status(500)), @"gw ▸ ✗pricing(500)");
    insta::assert_snapshot!(failed(pricing().fork("f").status(502).error(HopError::ConnectRefused)), @"gw ▸ ✗◆pricing(502 connect-refused)");
    insta::assert_snapshot!(failed(pricing().refused(Reason::NoReadyEndpoints, "shop/pricing:80")), @"gw ▸ ✗pricing(503 no-ready-endpoints)");
    insta::assert_snapshot!(failed(pricing().refused(Reason::UnknownHost, "nope.localhost\x1b[2J")), @r"gw ▸ ✗nope.localhost\x1b[2J(404 unknown-host)");
    insta::assert_snapshot!(failed(pricing().grpc_status(14)), @"gw ▸ ✗pricing(200 grpc 14)");
    insta::assert_snapshot!(failed(pricing().error(HopError::ResponseAborted)), @"gw ▸ ✗pricing(200 response-aborted)");
    insta::assert_snapshot!(failed(pricing().grpc_status(5)), @"gw ▸ pricing");
    insta::assert_snapshot!(failed(pricing().status(404)), @"gw ▸ pricing");
}

#[test]
fn a_lost_key_and_a_fallback_are_marked() {
    insta::assert_snapshot!(path(&[
        hop(1, "orders", 0, 50).key("pr-421").fell_back(),
        hop(2, "inventory", 10, 40).from("orders").parent(1),
    ]), @"gw ▸ ○orders ▸ ▲inventory");
}

#[test]
fn calls_that_nobody_led_to_begin_with_their_caller() {
    insta::assert_snapshot!(path(&[
        hop(1, "frontend", 0, 50),
        hop(2, "cart", 10, 20),
        hop(3, "db", 60, 70).from("cron").parent(0xf1),
    ]), @"gw ▸ [frontend, cart] | cron ▸ db");
}

#[test]
fn an_open_hop_is_drawn_open() {
    let (store, _) = settled(&[
        hop(1, "frontend", 0, 0).hung(),
        hop(2, "pricing", 10, 10).from("frontend").parent(1).hung(),
    ]);
    let query = Query { in_flight: InFlight::With, ..Query::default() };
    insta::assert_snapshot!(store.query(&query).traces[0].path(), @"gw ▸ frontend… ▸ pricing…");
}

#[test]
fn a_very_deep_trace_is_cut() {
    let hops: Vec<Hop> = (1..200).map(|span| hop(span, "loop", span, 500).parent(span - 1)).collect();
    let path = path(&hops);
    assert_eq!(path.matches("loop").count(), 64);
    assert!(path.ends_with(" ▸ …"));
}

#[test]
fn a_trace_in_json_is_one_flat_object_per_hop_and_is_read_back() {
    let trace = trace(&[
        hop(1, "frontend", 0, 50).key("pr-421"),
        hop(2, "pricing", 10, 40).from("frontend").parent(1).fork("pr-421-pricing"),
    ]);
    let json = serde_json::to_string_pretty(&*trace).unwrap();
    assert_eq!(serde_json::from_str::<Trace>(&json).unwrap(), *trace);
    insta::assert_snapshot!(json, @r#"
    {
      "seq": 1,
      "trace_id": "00000000000000000000000000000001",
      "is_finished": true,
      "started": "2026-11-20T12:00:00.000000Z",
      "duration_us": 50000,
      "key": "pr-421",
      "kept_for": "key",
      "n_dropped_hops": 0,
      "hops": [
        {
          "parent": null,
          "joined_by": "root",
          "lost_key": null,
          "trace_id": "00000000000000000000000000000001",
          "span_id": "0000000000000001",
          "incoming_parent_id": null,
          "started": "2026-11-20T12:00:00.000000Z",
          "source": null,
          "decision": {
            "table_revision": 7,
            "service": {
              "namespace": "shop",
              "name": "frontend",
              "port": 80,
              "wire": "auto"
            },
            "rule": null,
            "version": "baseline",
            "key": {
              "value": "pr-421",
              "carrier": "baggage"
            },
            "n_disagreeing": 0,
            "n_malformed": 0,
            "fell_back": false,
            "reason": "no-key",
            "asked": null
          },
          "endpoint": {
            "address": "127.0.0.1:30000",
            "pod": "frontend-0",
            "workload": "frontend"
          },
          "method": "GET",
          "target": "/",
          "http_version": "HTTP/1.1",
          "duration_us": 50000,
          "served_by": {
            "address": "127.0.0.1:30000",
            "pod": "frontend-0",
            "workload": "frontend"
          },
          "status": 200,
          "grpc_status": null,
          "request_bytes": 0,
          "response_bytes": 2,
          "error": null
        },
        {
          "parent": "0000000000000001",
          "joined_by": "span",
          "lost_key": null,
          "key_came_by": "0000000000000001",
          "trace_id": "00000000000000000000000000000001",
          "span_id": "0000000000000002",
          "incoming_parent_id": "0000000000000001",
          "started": "2026-11-20T12:00:00.010000Z",
          "source": {
            "namespace": "shop",
            "workload": "frontend",
            "pod": "frontend-0",
            "sandbox": null
          },
          "decision": {
            "table_revision": 7,
            "service": {
              "namespace": "shop",
              "name": "pricing",
              "port": 80,
              "wire": "auto"
            },
            "rule": null,
            "version": {
              "sandbox": {
                "namespace": "shop",
                "name": "pr-421",
                "revision": 5
              }
            },
            "key": {
              "value": "pr-421",
              "carrier": "baggage"
            },
            "n_disagreeing": 0,
            "n_malformed": 0,
            "fell_back": false,
            "reason": "forked",
            "asked": null
          },
          "endpoint": {
            "address": "127.0.0.1:30000",
            "pod": "pr-421-pricing-0",
            "workload": "pr-421-pricing"
          },
          "method": "GET",
          "target": "/",
          "http_version": "HTTP/1.1",
          "duration_us": 30000,
          "served_by": {
            "address": "127.0.0.1:30000",
            "pod": "pr-421-pricing-0",
            "workload": "pr-421-pricing"
          },
          "status": 200,
          "grpc_status": null,
          "request_bytes": 0,
          "response_bytes": 2,
          "error": null
        }
      ]
    }
    "#);
}

#[test]
fn an_open_trace_in_json_is_read_back() {
    let (store, _) = settled(&[hop(1, "frontend", 0, 0).hung()]);
    let query = Query { in_flight: InFlight::With, ..Query::default() };
    let trace = &store.query(&query).traces[0];
    let json = serde_json::to_string(&**trace).unwrap();
    assert_eq!(serde_json::from_str::<Trace>(&json).unwrap(), **trace);
    assert!(trace.hops[0].is_open());
}
