//! trace: hops go into the ring as the proxy would push them.

use serde_json::json;

use super::world::World;
use crate::client::ApiError;

fn request(world: &World, target: &str, status: u16) {
    request_at(world, "2026-11-20T22:14:49.123000Z", (target, status));
}

fn request_at(world: &World, started: &str, (target, status): (&str, u16)) {
    world.push(&json!({
        "trace_id": format!("{:032x}", rand::random::<u128>() | 1), "span_id": "b7ad6b7169203331",
        "incoming_parent_id": null, "started": started, "source": null,
        "decision": {
            "table_revision": 1,
            "service": {"namespace": "default", "name": "frontend", "port": 80, "wire": "http1"},
            "rule": null, "version": "baseline",
            "key": {"value": "k3x9", "carrier": "header"},
            "n_disagreeing": 0, "n_malformed": 0, "fell_back": false, "reason": "unknown-key", "asked": null,
        },
        "endpoint": null, "method": "GET", "target": target, "http_version": "HTTP/1.1",
        "duration_us": 4200, "served_by": null, "status": status, "grpc_status": null,
        "request_bytes": 0, "response_bytes": 10, "error": null,
    }));
}

#[tokio::test]
async fn finished_requests_are_lines() {
    let world = World::start().await;
    insta::assert_snapshot!(world.run("trace").await.all(), @"! No requests yet; send one through the entry that `spur status` shows.");
    request(&world, "/api/cart", 200);
    request(&world, "/broken", 500);
    while world.client.get("/spur/v1/status").await.unwrap()["traces"]["kept"] != 2 {}
    while crate::trace::last(&world.client, 10).await.unwrap().len() < 2 {}
    insta::assert_snapshot!(world.run("trace").await.all(), @"
    22:14:49.123Z GET    /api/cart                200    4.2ms  gw ▸ frontend
    22:14:49.123Z GET    /broken                  500    4.2ms  gw ▸ ✗frontend(500)
    ");
    insta::assert_snapshot!(world.run("trace --limit 1").await.all(), @"22:14:49.123Z GET    /broken                  500    4.2ms  gw ▸ ✗frontend(500)");
    insta::assert_snapshot!(world.run("trace --key nobody").await.all(), @"! No finished requests with the key `nobody`.");
    let said = world.run("trace -o json --key k3x9").await;
    let lines: Vec<serde_json::Value> = said.data.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["hops"][0]["status"], 500);
}

#[tokio::test]
async fn a_filter_is_asked_by_the_server() {
    let world = World::start().await;
    for (target, status) in [("/api/cart", 200), ("/broken", 500), ("/api/items", 404)] {
        request(&world, target, status);
    }
    while crate::trace::last(&world.client, 10).await.unwrap().len() < 3 {}
    let said = world.run_words(&["trace", "--filter", "status:5xx | path:items"]).await;
    insta::assert_snapshot!(said.all(), @"
    22:14:49.123Z GET    /broken                  500    4.2ms  gw ▸ ✗frontend(500)
    22:14:49.123Z GET    /api/items               404    4.2ms  gw ▸ frontend
    ");
    let said = world.run_words(&["trace", "--limit", "1", "--filter", "!hop:error key=k3x9"]).await;
    insta::assert_snapshot!(said.all(), @"22:14:49.123Z GET    /api/items               404    4.2ms  gw ▸ frontend");
    let said = world.run_words(&["trace", "--filter", "svc:nobody"]).await;
    insta::assert_snapshot!(said.all(), @"! No finished requests fit the filter.");
}

#[tokio::test]
async fn a_wrong_filter_is_pointed_at() {
    let world = World::start().await;
    let said = world.run_words(&["trace", "-f", "--filter", "svc:cart statu>=500"]).await;
    insta::assert_snapshot!(said.all(), @"
    ! error: the filter is wrong
    ! svc:cart statu>=500
    !          ^^^^^ unknown field `statu`
    ! hint: did you mean `status`?
    exit 2
    ");
    let refused = world.client.get("/spur/v1/traces?filter=dur%3E200").await.unwrap_err();
    let ApiError::Status(status) = refused else { panic!("{refused}") };
    assert_eq!(status.code, 400);
    insta::assert_snapshot!(status.message, @"
    query parameter `filter` is wrong
    dur>200
        ^^^ `200` is not what `dur` holds: wanted a duration such as `200ms`, `1.5s` or `2m`
    ");
}

#[tokio::test]
async fn seconds_are_summed_up() {
    let world = World::start().await;
    let now = jiff::Timestamp::now().to_string();
    for status in [200, 200, 500] {
        request_at(&world, &now, ("/api/cart", status));
    }
    while crate::trace::last(&world.client, 10).await.unwrap().len() < 3 {}
    let summary = world.client.get("/spur/v1/traces/summary?last=900&by=edge-key").await.unwrap();
    let frontend = json!({"namespace": "default", "name": "frontend"});
    let edge = json!({"from": null, "to": frontend});
    let counts = json!({
        "edge": edge, "key": "k3x9", "n": 3, "n_failed": 1, "p50_us": 4223, "p95_us": 4223, "p99_us": 4223,
    });
    assert_eq!(summary["rows"], json!([counts]));
    let refused = world.client.get("/spur/v1/traces/summary?by=x").await.unwrap_err();
    assert!(matches!(refused, ApiError::Status(status) if status.code == 400));
}
