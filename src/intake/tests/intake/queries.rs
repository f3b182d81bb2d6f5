//! What is kept, asked for in the words of Jaeger, Zipkin and OTLP.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::uri::PathAndQuery;
use http::{Method, Version as HttpVersion};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use spur_route::{Reason, ServicePort, SpanId, TraceId, Version, Wire};
use spur_trace::{Carried, Decision, HopEnd, HopId, HopSource, HopStart, Record};

use crate::world::World;

const TRACE: &str = "00000000000000000000000000000001";

/// A hop of trace 1 at 2026-11-20T12:00:00Z.
fn hop(
    world: &World,
    (span, parent): (u64, Option<u64>),
    (from, service): (Option<&str>, &str),
    status: u16,
) {
    let id = HopId { trace_id: TraceId::new(1).unwrap(), span_id: SpanId::new(span).unwrap() };
    let source = from.map(|from| HopSource {
        namespace: "shop".into(),
        workload: from.into(),
        pod: from.into(),
        sandbox: None,
    });
    let service = ServicePort { namespace: "shop".into(), name: service.into(), port: 80, wire: Wire::Auto };
    world.ring.push(Record::Start(Arc::new(HopStart {
        id,
        incoming_parent_id: parent.and_then(SpanId::new),
        started: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_176_000_000 + span),
        source,
        decision: Decision {
            table_revision: 7,
            service: Some(Arc::new(service)),
            rule: None,
            subset: None,
            share: None,
            version: Version::Baseline,
            key: None,
            is_injected: false,
            n_disagreeing: 0,
            n_malformed: 0,
            fell_back: false,
            reason: Reason::NoKey,
            asked: None,
        },
        endpoint: None,
        method: Method::GET,
        target: Some(PathAndQuery::from_static("/cart?n=1")),
        http_version: HttpVersion::HTTP_11,
        carried: Carried::default(),
        replay_of: None,
    })));
    world.ring.push(Record::End(
        id,
        Arc::new(HopEnd {
            duration: Duration::from_millis(50 - span),
            served_by: None,
            status: Some(status),
            grpc_status: None,
            request_bytes: 0,
            response_bytes: 2,
            error: None,
        }),
    ));
}

/// frontend, whose own span calls pricing, which fails; and a trace of a program alone.
async fn shop() -> World {
    let world = World::start();
    hop(&world, (1, None), (None, "frontend"), 200);
    hop(&world, (3, Some(2)), (Some("frontend"), "pricing"), 503);
    let spans = json!([
        { "traceId": TRACE, "id": "2", "parentId": "1", "name": "price", "kind": "CLIENT", "timestamp": 1_795_176_000_002_000_u64,
          "duration": 40_000, "localEndpoint": { "serviceName": "frontend" }, "tags": { "db.system": "none" } },
        { "traceId": "a", "id": "b", "name": "nightly", "timestamp": 1_795_176_001_000_000_u64, "duration": 1_000,
          "localEndpoint": { "serviceName": "cron" } },
    ]);
    let answer = world.post("/api/v2/spans", "application/json", spans.to_string()).await;
    assert_eq!(answer.status.as_u16(), 202);
    // Until all of it is there.
    let mut follow = world.traces.follow(spur_trace::Query::default()).await.unwrap();
    let (mut is_whole, mut is_alone) = (false, false);
    while !(is_whole && is_alone) {
        let Some(spur_trace::Update::Trace(trace)) = follow.next().await else { panic!("traces") };
        is_whole |= trace.hops.len() == 2 && trace.spans.len() == 1;
        is_alone |= trace.hops.is_empty();
    }
    world
}

async fn ask(world: &World, path: &str) -> Value {
    let answer = world.get(path).await;
    assert_eq!(
        (answer.status.as_u16(), answer.kind()),
        (200, "application/json"),
        "{path}: {}",
        answer.text()
    );
    answer.json()
}

#[tokio::test]
async fn services_operations_and_calls_are_known_to_all() {
    let world = shop().await;
    let services = json!(["cron", "frontend", "pricing"]);
    assert_eq!(ask(&world, "/api/v3/services").await, json!({ "services": services }));
    assert_eq!(ask(&world, "/api/services").await["data"], services);
    assert_eq!(ask(&world, "/api/v2/services").await, services);
    assert_eq!(ask(&world, "/api/telemetry/resources").await, services);
    let operations =
        json!([{ "name": "GET /cart", "spanKind": "server" }, { "name": "price", "spanKind": "client" }]);
    assert_eq!(ask(&world, "/api/v3/operations?service=frontend").await, json!({ "operations": operations }));
    assert_eq!(
        ask(&world, "/api/v3/operations?service=frontend&span_kind=CLIENT").await["operations"][0]["name"],
        "price"
    );
    assert_eq!(ask(&world, "/api/services/frontend/operations").await["data"], json!(["GET /cart", "price"]));
    assert_eq!(ask(&world, "/api/v2/spans?serviceName=frontend").await, json!(["GET /cart", "price"]));
    assert_eq!(ask(&world, "/api/v2/remoteServices?serviceName=frontend").await, json!(["pricing"]));
    let calls = ask(&world, "/api/v3/dependencies").await;
    assert_eq!(
        calls["dependencies"],
        json!([{ "parent": "frontend", "child": "pricing", "callCount": "1", "source": "" }])
    );
    let calls = ask(&world, "/api/dependencies?endTs=1795176060000&lookback=3600000").await;
    assert_eq!(calls["data"], json!([{ "parent": "frontend", "child": "pricing", "callCount": 1 }]));
    let calls = ask(&world, "/api/v2/dependencies?endTs=1795176060000").await;
    assert_eq!(calls, json!([{ "parent": "frontend", "child": "pricing", "callCount": 1, "errorCount": 1 }]));
    assert_eq!(ask(&world, "/api/v2/dependencies?endTs=1795176060000&lookback=1").await, json!([]));
}

#[tokio::test]
async fn traces_are_found_by_what_a_span_has() {
    let world = shop().await;
    for (query, n_found) in [
        ("query.service_name=frontend", 1),
        ("query.serviceName=frontend&query.operationName=price", 1),
        ("query.service_name=pricing&query.operation_name=price", 0),
        ("query.service_name=frontend&query.duration_min=49ms", 1),
        ("query.service_name=frontend&query.duration_min=1s", 0),
        ("query.service_name=cron", 1),
        ("query.start_time_min=2026-11-20T12:00:00Z&query.start_time_max=2026-11-20T12:00:00.5Z", 1),
        ("query.start_time_min=2026-11-20T13:00:00Z", 0),
        ("query.attributes=%7B%22error%22%3A%22true%22%7D", 1),
        ("query.attributes=%7B%22db.system%22%3A%22none%22%7D", 1),
        ("query.attributes=%7B%22db.system%22%3A%22other%22%7D", 0),
        ("", 2),
        ("query.num_traces=1", 1),
    ] {
        let found = ask(&world, &format!("/api/v3/trace-summaries?{query}")).await;
        assert_eq!(found["summaries"].as_array().unwrap().len(), n_found, "{query}");
    }
    let summary = &ask(&world, "/api/v3/trace-summaries?query.service_name=pricing").await["summaries"][0];
    assert_eq!(
        (&summary["traceId"], &summary["rootServiceName"], &summary["rootOperationName"]),
        (&json!(TRACE), &json!("frontend"), &json!("GET /cart"))
    );
    assert_eq!(
        (&summary["spanCount"], &summary["errorSpanCount"], &summary["orphanSpanCount"]),
        (&json!(3), &json!(1), &json!(0))
    );
    for (query, n_found) in [
        ("service=frontend&lookback=1h&end=1795176060000000", 1),
        ("service=frontend&tags=%7B%22error%22%3A%22true%22%7D", 0),
        ("service=pricing&tag=error:true&minDuration=1ms&limit=5", 1),
        (&format!("traceID={TRACE}&traceID=ff"), 1),
    ] {
        let found = ask(&world, &format!("/api/traces?{query}")).await;
        assert_eq!(found["data"].as_array().unwrap().len(), n_found, "{query}");
    }
    for (query, n_found) in [
        ("serviceName=frontend&endTs=1795176060000", 1),
        ("serviceName=pricing&annotationQuery=error&endTs=1795176060000", 1),
        ("annotationQuery=db.system=none%20and%20error&endTs=1795176060000", 0),
        ("minDuration=49000&endTs=1795176060000", 1),
        ("endTs=1795176060000&lookback=1000", 0),
    ] {
        assert_eq!(
            ask(&world, &format!("/api/v2/traces?{query}")).await.as_array().unwrap().len(),
            n_found,
            "{query}"
        );
    }
    for (query, n_spans) in
        [("hasError=true", 3), ("hasError=false", 1), ("resource=cron", 1), ("traceId=a", 1)]
    {
        let found = ask(&world, &format!("/api/telemetry/traces?{query}")).await;
        assert_eq!(n_spans_of(&found), n_spans, "{query}");
    }
    assert_eq!(n_spans_of(&ask(&world, "/api/telemetry/spans?hasError=true").await), 1);
    assert_eq!(n_spans_of(&ask(&world, "/api/telemetry/spans?resource=frontend").await), 2);
}

fn n_spans_of(data: &Value) -> usize {
    let resources = data["resourceSpans"].as_array().unwrap();
    let scopes = resources.iter().flat_map(|resource| resource["scopeSpans"].as_array().unwrap());
    scopes.map(|scope| scope["spans"].as_array().unwrap().len()).sum()
}

#[tokio::test]
async fn one_trace_is_told_in_every_form() {
    let world = shop().await;
    let native = ask(&world, &format!("/api/v3/traces/{TRACE}")).await;
    assert_eq!(n_spans_of(&native["result"]), 3);
    assert_eq!(n_spans_of(&ask(&world, &format!("/api/telemetry/traces/{TRACE}")).await), 3);
    let jaeger = ask(&world, "/api/traces/1").await;
    let trace = &jaeger["data"][0];
    let span = &trace["spans"][2];
    assert_eq!((&trace["traceID"], &span["operationName"]), (&json!(TRACE), &json!("GET /cart")));
    assert_eq!(
        span["references"],
        json!([{ "refType": "CHILD_OF", "traceID": TRACE, "spanID": "0000000000000002" }])
    );
    assert_eq!((&span["startTime"], &span["duration"]), (&json!(1_795_176_000_003_000_u64), &json!(47_000)));
    let process = span["processID"].as_str().unwrap();
    assert_eq!(trace["processes"][process]["serviceName"], "pricing");
    let tags = span["tags"].as_array().unwrap();
    for tag in [
        json!({ "key": "http.response.status_code", "type": "int64", "value": 503 }),
        json!({ "key": "span.kind", "type": "string", "value": "server" }),
        json!({ "key": "error", "type": "bool", "value": true }),
    ] {
        assert!(tags.contains(&tag), "{tag} in {span:#}");
    }
    let zipkin = ask(&world, &format!("/api/v2/trace/{TRACE}")).await;
    assert_eq!(
        (&zipkin[1]["kind"], &zipkin[1]["parentId"], &zipkin[1]["duration"]),
        (&json!("CLIENT"), &json!("0000000000000001"), &json!(40_000))
    );
    assert_eq!(
        (&zipkin[2]["tags"]["error"], &zipkin[2]["localEndpoint"]["serviceName"]),
        (&json!("true"), &json!("pricing"))
    );
    assert_eq!(
        ask(&world, &format!("/api/v2/traceMany?traceIds={TRACE},ff")).await.as_array().unwrap().len(),
        1
    );
}

#[tokio::test]
async fn what_is_not_there_or_not_asked_rightly_is_told() {
    let world = World::start();
    for (path, status) in [
        ("/api/v3/traces/ff", 404),
        ("/api/traces/ff", 404),
        ("/api/v2/trace/ff", 404),
        ("/api/traces/xyz", 400),
        ("/api/v3/operations", 400),
        ("/api/v3/traces?query.start_time_min=yesterday", 400),
        ("/api/v3/traces?query.filter=%7B%7D", 400),
        ("/api/traces?limit=many", 400),
        ("/api/telemetry/traces?hasError=perhaps", 400),
        ("/api/nothing", 404),
    ] {
        let answer = world.get(path).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.text());
    }
}

#[tokio::test]
async fn traces_and_lines_are_followed_line_by_line() {
    let world = shop().await;
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build_http::<http_body_util::Empty<bytes::Bytes>>();
    let follow = async |path: &str| {
        let uri = format!("http://{}{path}", world.address).parse().unwrap();
        client.get(uri).await.unwrap().into_body()
    };
    let line = async |body: &mut hyper::body::Incoming| -> Value {
        let frame = body.frame().await.unwrap().unwrap();
        serde_json::from_slice(frame.data_ref().unwrap()).unwrap()
    };
    let mut traces = follow("/api/telemetry/traces?follow=true&resource=cron").await;
    assert_eq!(n_spans_of(&line(&mut traces).await), 1);
    let mut lines = follow("/api/telemetry/logs?follow=true").await;
    let body = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [{ "body": { "stringValue": "hi" } }] }] }] });
    world.post("/v1/logs", "application/json", body.to_string()).await;
    let said = line(&mut lines).await;
    assert_eq!(said["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["body"]["stringValue"], "hi");
    assert_eq!(ask(&world, "/api/telemetry/logs").await, said);
}
