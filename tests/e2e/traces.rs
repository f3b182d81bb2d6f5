//! `spur trace`: what went where, and why.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::harness::manifests::cheaper;
use crate::harness::{DEADLINE, Spur, until};

/// The last finished trace of a target, once every hop of it has ended.
#[tokio::test]
async fn a_request_is_a_line_with_its_way_and_its_fork() {
    let spur = Spur::shop().await;
    spur.api().create_all(&[cheaper("cheaper", "k-1")]).await;
    spur.api().until_condition(("sandboxes", "cheaper"), "Ready").await;
    spur.service("frontend").get("/api/cart?n=1").send().await.ok();
    spur.service("frontend").get("/api/cart?n=2").key("k-1").send().await.ok();

    let without = spur.until_line(&["trace"], "/api/cart?n=1").await;
    let with = spur.until_line(&["trace"], "/api/cart?n=2").await;
    assert!(
        without.contains("GET") && without.contains(" 200 ") && without.contains("gw ▸ frontend ▸ ["),
        "{without}"
    );
    assert!(!without.contains('◆') && without.contains("pricing"), "{without}");
    assert!(with.contains("◆pricing") && !with.contains("◆checkout"), "{with}");

    // By key: that one and no other.
    let keyed = spur.run(&["trace", "--key", "k-1"]).await.ok().stdout;
    assert_eq!(keyed.lines().count(), 1, "{keyed}");
    assert!(keyed.contains("/api/cart?n=2"), "{keyed}");

    let json = spur.until_line(&["trace", "--key", "k-1", "-o", "json"], "/api/cart?n=2").await;
    let trace: Value = serde_json::from_str(&json).unwrap();
    let hops = trace["hops"].as_array().unwrap();
    let hop = |service: &str| {
        let found = hops.iter().find(|hop| hop["decision"]["service"]["name"] == service);
        found.unwrap_or_else(|| panic!("no hop of {service} in {trace:#}"))
    };
    assert_eq!(hops.len(), 5);
    assert_eq!(hop("frontend")["decision"]["reason"], "not-forked");
    assert_eq!(hop("frontend")["decision"]["key"]["carrier"], "header");
    let pricing = hop("pricing");
    assert_eq!(pricing["decision"]["reason"], "forked");
    assert_eq!(pricing["decision"]["version"]["sandbox"]["name"], "cheaper");
    assert_eq!(pricing["parent"], hop("checkout")["span_id"]);
    assert_eq!(pricing["source"]["workload"], "checkout");
    assert_eq!((&pricing["status"], &pricing["method"]), (&200.into(), &"GET".into()));
    spur.end().await;
}

#[tokio::test]
async fn a_callers_traceparent_is_kept() {
    let spur = Spur::shop().await;
    let id = "0af7651916cd43dd8448eb211c80319c";
    let ask = spur.service("frontend").get("/api/cart");
    ask.header("traceparent", &format!("00-{id}-b7ad6b7169203331-01")).send().await.ok();
    let line = spur.until_line(&["trace", "-o", "json"], id).await;
    let trace: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&trace["trace_id"], trace["hops"].as_array().unwrap().len()), (&id.into(), 5));
    spur.end().await;
}

#[tokio::test]
async fn follow_prints_requests_as_they_end() {
    let spur = Spur::shop().await;
    let mut command = spur.command(&["trace", "--follow", "--key", "k-9", "-o", "json"]);
    let mut following = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    // Sent until the follower is seen to be there.
    let first = until("the follower has a request", async || {
        spur.service("frontend").get("/api/cart").key("k-9").send().await.ok();
        let soon = std::time::Duration::from_millis(200);
        tokio::time::timeout(soon, lines.next_line()).await.map(|line| line.unwrap().expect("a line"))
    })
    .await;
    let first: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(first["key"], "k-9");
    // Another key is not for it; the next line is of the next request with its own.
    spur.service("frontend").get("/not-mine").key("k-8").send().await;
    spur.service("frontend").get("/mine").key("k-9").send().await;
    let mine = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            assert!(!line.contains("/not-mine"), "{line}");
            if line.contains("/mine") {
                return;
            }
        }
        panic!("the follower ended");
    };
    tokio::time::timeout(DEADLINE, mine).await.expect("a line of the request");
    // It ends with the server, and says so by its exit code.
    spur.end().await;
    let status = tokio::time::timeout(DEADLINE, following.wait()).await.unwrap().unwrap();
    assert!(status.code().is_some(), "{status}");
}

#[tokio::test]
async fn a_refused_request_is_in_the_trace_with_its_reason() {
    let spur = Spur::up().start().await;
    spur.host("nothing.default.localhost").get("/lost").send().await;
    let line = spur.until_line(&["trace"], "/lost").await;
    assert!(line.contains("404") && line.contains("unknown-host"), "{line}");
    spur.end().await;
}

/// It drops the traceparent along with the key, so nothing joins its calls to
/// what it was asked: they are traces of their own, and each begins with its name.
#[tokio::test]
async fn the_calls_of_a_service_that_drops_the_context_begin_with_its_name() {
    let spur = Spur::shop().await;
    let env = serde_json::json!([{"name": "PROPAGATE", "value": "off"}]);
    let patch = serde_json::json!({"spec": {"template": {"spec": {"containers": [{"name": "checkout", "env": env}]}}}});
    let path = "/apis/apps/v1/namespaces/default/deployments/checkout";
    let api = spur.api();
    let patch =
        api.ask(http::Method::PATCH, path).body("application/strategic-merge-patch+json", patch.to_string());
    patch.send().await.ok();
    until("checkout drops the context", async || {
        spur.service("frontend").get("/api/cart").key("k-1").send().await;
        let lines = spur.run(&["trace", "--limit", "5"]).await.ok().stdout;
        if lines.contains("  checkout ▸ pricing\n") && lines.contains("  checkout ▸ inventory\n") {
            Ok(())
        } else {
            Err(lines)
        }
    })
    .await;
    spur.end().await;
}

#[tokio::test]
async fn where_tracing_is_off_that_is_said() {
    let spur = Spur::up().flags(&["--tracing", "off"]).start().await;
    spur.service("nobody").get("/").send().await;
    spur.run(&["trace"]).await.ok().tells(&["--tracing off"]);
    spur.run(&["status"]).await.ok().prints(&["tracing", "off"]);
    spur.end().await;
}
