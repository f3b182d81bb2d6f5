//! The listener for telemetry: what applications report lies among the requests, and is read by
//! other people's tools. Real clients are in `tests/clients`.

use serde_json::{Value, json};

use crate::harness::http::Site;
use crate::harness::{Spur, until};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

async fn facts(spur: &Spur) -> Value {
    spur.run(&["status", "-o", "json"]).await.ok().json()
}

async fn listener(spur: &Spur) -> Site {
    Site::of(facts(spur).await["otlp"].as_str().unwrap())
}

async fn post(site: &Site, path: &str, body: &Value) -> Value {
    site.ask(http::Method::POST, path).body("application/json", body.to_string()).send().await.ok().json()
}

fn of(service: &str) -> Value {
    json!({ "attributes": [{ "key": "service.name", "value": { "stringValue": service } }] })
}

#[tokio::test]
async fn what_a_service_reports_lies_under_its_request() {
    let spur = Spur::shop().await;
    let telemetry = listener(&spur).await;
    let ask = spur.service("frontend").get("/api/cart");
    ask.header("traceparent", &format!("00-{TRACE}-b7ad6b7169203331-01")).send().await.ok();
    let hop = until("the request is kept", async || {
        let found = spur.run(&["trace", "-o", "json"]).await.ok().stdout;
        let trace = found.lines().find(|line| line.contains(TRACE)).map(str::to_owned).ok_or(found)?;
        let trace: Value = serde_json::from_str(&trace).unwrap();
        let hops = trace["hops"].as_array().unwrap();
        let hop = hops.iter().find(|hop| hop["decision"]["service"]["name"] == "pricing");
        hop.map(|hop| hop["span_id"].as_str().unwrap().to_owned()).ok_or("no hop of pricing".to_owned())
    })
    .await;
    let span = json!({
        "traceId": TRACE, "spanId": "00000000000000aa", "parentSpanId": hop, "name": "select", "kind": 3,
        "startTimeUnixNano": "1795176000000000000", "endTimeUnixNano": "1795176000001000000",
        "attributes": [{ "key": "db.system", "value": { "stringValue": "postgresql" } }],
    });
    let spans =
        json!({ "resourceSpans": [{ "resource": of("pricing"), "scopeSpans": [{ "spans": [span] }] }] });
    assert_eq!(post(&telemetry, "/v1/traces", &spans).await, json!({}));
    until("the filter finds it", async || {
        let found =
            spur.run(&["trace", "--filter", "{attr.db.system:postgresql svc:pricing}"]).await.ok().stdout;
        if found.contains("/api/cart") { Ok(()) } else { Err(found) }
    })
    .await;
    let found = telemetry.get(&format!("/api/traces/{TRACE}")).send().await.ok().json();
    let spans = found["data"][0]["spans"].as_array().unwrap();
    assert_eq!(spans.len(), 6, "five requests, and what was reported: {found:#}");
    let written =
        spur.run(&["trace", "export", "-o", "otlp", "--filter", "attr.db.system:*"]).await.ok().json();
    assert!(
        written.to_string().contains("\"spur.reason\"") && written.to_string().contains("\"postgresql\"")
    );
    // What reads OTLP reads it.
    assert_eq!(post(&telemetry, "/v1/traces", &written).await, json!({}));
    let calls = telemetry.get("/api/v3/dependencies").send().await.ok().json();
    let calls = calls["dependencies"].as_array().unwrap();
    assert!(calls.iter().any(|call| call["parent"] == "checkout" && call["child"] == "pricing"), "{calls:?}");
    spur.end().await;
}

#[tokio::test]
async fn metrics_of_applications_are_in_the_text_of_ours_and_all_is_counted() {
    let spur = Spur::up().start().await;
    let telemetry = listener(&spur).await;
    let sum = json!({ "isMonotonic": true, "aggregationTemporality": 2, "dataPoints": [{ "asInt": "3" }] });
    let metrics = json!({ "resourceMetrics": [{ "resource": of("cart"), "scopeMetrics": [{ "metrics": [{ "name": "orders", "sum": sum }] }] }] });
    post(&telemetry, "/v1/metrics", &metrics).await;
    let line = json!({ "body": { "stringValue": "hi" } });
    post(
        &telemetry,
        "/v1/logs",
        &json!({ "resourceLogs": [{ "resource": of("cart"), "scopeLogs": [{ "logRecords": [line] }] }] }),
    )
    .await;
    let facts = facts(&spur).await;
    let ours = Site::of(facts["metrics"].as_str().unwrap());
    let open = ours.get("/metrics").header("accept", "application/openmetrics-text").send().await.ok().text();
    assert!(open.contains("orders_total{service_name=\"cart\"} 3\n") && open.ends_with("# EOF\n"), "{open}");
    assert_eq!(open.matches("# EOF").count(), 1);
    let plain = ours.get("/metrics").send().await.ok().text();
    assert!(plain.contains("# TYPE orders_total counter\n") && !plain.contains("# EOF"));
    assert_eq!((&facts["telemetry"]["exports"], &facts["telemetry"]["logLines"]), (&json!(2), &json!(1)));
    let said = spur.run(&["status"]).await.ok().stdout;
    assert!(
        said.contains("telemetry   http://127.0.0.1:") && said.contains("1 log lines, 1 series of metrics"),
        "{said}"
    );
    spur.end().await;
}

#[tokio::test]
async fn a_pod_is_told_where_to_report() {
    let spur = Spur::up().start().await;
    let facts = facts(&spur).await;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "app" },
        "spec": { "containers": [{ "name": "app", "command": ["sh", "-c", "env; sleep 1000"] }] },
    });
    spur.api().create_all(&[pod]).await;
    let said = until("its variables are in its log", async || {
        let said = spur.run(&["logs", "app"]).await.stdout;
        if said.contains("OTEL_SERVICE_NAME=") { Ok(said) } else { Err(said) }
    })
    .await;
    let wanted = [
        format!("OTEL_EXPORTER_OTLP_ENDPOINT={}", facts["otlp"].as_str().unwrap()),
        "OTEL_SERVICE_NAME=app".to_owned(),
        "OTEL_RESOURCE_ATTRIBUTES=k8s.namespace.name=default,k8s.pod.name=app".to_owned(),
    ];
    for line in wanted {
        assert!(said.lines().any(|said| *said == line), "{line} in {said}");
    }
    spur.end().await;
}

#[tokio::test]
async fn finished_traces_are_sent_on_to_another_collector() {
    // Another Spur is one.
    let other = Spur::up().start().await;
    let theirs = listener(&other).await;
    let to = facts(&other).await["otlp"].as_str().unwrap().to_owned();
    let spur = Spur::up().with("fixtures/demo/frontend.yaml").flags(&["--otlp-export", &to]).start().await;
    spur.until_routed("frontend").await;
    // Whose services are not there; a failure is a trace, too.
    let ask = spur.service("frontend").get("/api/cart");
    ask.header("traceparent", &format!("00-{TRACE}-b7ad6b7169203331-01")).send().await;
    let found = until("the trace is there", async || {
        let found = theirs.get(&format!("/api/telemetry/traces?traceId={TRACE}")).send().await.ok().json();
        let n_spans = found["resourceSpans"].as_array().map_or(0, Vec::len);
        if n_spans > 0 { Ok(found) } else { Err(found.to_string()) }
    })
    .await;
    assert!(found.to_string().contains("spur.reason"), "{found:#}");
    let said = until("it is counted", async || {
        let said = spur.run(&["status"]).await.ok().stdout;
        if said.contains(&format!("spans to {to}\n")) { Ok(said) } else { Err(said) }
    })
    .await;
    assert!(!said.contains("not delivered"), "{said}");
    spur.end().await;
    other.end().await;
    let refused = Spur::up().flags(&["--otlp-export", "there"]).try_start().await.err().unwrap();
    assert!(
        refused.contains("`there` is no address of OTLP over HTTP") && refused.contains("hint:"),
        "{refused}"
    );
}
