//! OTLP over HTTP.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use spur_trace::{LogQuery, SpanKind, SpanStatus};

use crate::world::World;

const JSON: &str = "application/json";
const PROTOBUF: &str = "application/x-protobuf";

/// As exporters of JavaScript write it: numbers of 64 bits as texts, but for `intValue`.
const SPANS: &str = r#"{"resourceSpans":[{"resource":{"attributes":[
    {"key":"service.name","value":{"stringValue":"cart"}},
    {"key":"process.pid","value":{"intValue":42}}],"droppedAttributesCount":0},
  "scopeSpans":[{"scope":{"name":"lib","version":"1.0"},"spans":[{
    "traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","parentSpanId":"00f067aa0ba902b7",
    "name":"GET /","kind":2,"startTimeUnixNano":"1795176000000000000","endTimeUnixNano":"1795176000005000000",
    "attributes":[{"key":"list","value":{"arrayValue":{"values":[{"stringValue":"a"},{"boolValue":true}]}}}],
    "events":[{"name":"thrown","timeUnixNano":"1795176000001000000","attributes":[]}],
    "links":[],"status":{"code":2,"message":"no"},"flags":257,"somethingNew":{"a":1}}]}]}]}"#;

pub(crate) fn request(n_spans: u8) -> ExportTraceServiceRequest {
    let service = KeyValue {
        key: "service.name".into(),
        value: Some(AnyValue { value: Some(Value::StringValue("cart".into())) }),
        ..KeyValue::default()
    };
    let spans = (1..=n_spans).map(|id| Span {
        trace_id: vec![7; 16],
        span_id: vec![0, 0, 0, 0, 0, 0, 0, id],
        name: format!("span {id}"),
        ..Span::default()
    });
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource { attributes: vec![service], ..Resource::default() }),
            scope_spans: vec![ScopeSpans { spans: spans.collect(), ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        }],
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

#[tokio::test]
async fn json_is_taken_and_answered_in_json() {
    let world = World::start();
    let answer = world.post("/v1/traces", "application/json; charset=utf-8", SPANS).await;
    assert_eq!((answer.status.as_u16(), answer.kind(), answer.text()), (200, JSON, "{}"));
    let trace = world.trace().await;
    let span = &trace.spans[0];
    assert_eq!((&*span.resource.service, &*span.name, span.kind), ("cart", "GET /", SpanKind::Server));
    assert_eq!((span.status, span.status_message.as_deref()), (SpanStatus::Error, Some("no")));
    assert_eq!(span.parent_id.unwrap().to_string(), "00f067aa0ba902b7");
    assert_eq!(span.duration.as_millis(), 5);
    assert_eq!(span.attributes.get("list").unwrap().to_string(), "[a, true]");
    assert_eq!(span.resource.resource.get("process.pid").unwrap().to_string(), "42");
    assert_eq!((&*span.scope.name, &*span.events[0].name), ("lib", "thrown"));
    assert_eq!(trace.n_orphan_spans(), 1);
}

#[tokio::test]
async fn protobuf_is_taken_plain_and_compressed() {
    for (coding, body) in [
        ("identity", request(2).encode_to_vec()),
        ("gzip", gzip(&request(2).encode_to_vec())),
        ("zstd", zstd(&request(2).encode_to_vec())),
    ] {
        let world = World::start();
        let headers = [("content-type", PROTOBUF), ("content-encoding", coding)];
        let answer = world.post_with("/v1/traces", &headers, body).await;
        assert_eq!((answer.status.as_u16(), answer.kind()), (200, PROTOBUF));
        let answer = ExportTraceServiceResponse::decode(answer.body).unwrap();
        assert_eq!(answer.partial_success, None);
        assert_eq!(world.trace().await.spans.len(), 2, "{coding}");
    }
}

#[tokio::test]
async fn spans_without_ids_are_told_and_the_others_taken() {
    let world = World::start();
    let mut request = request(3);
    request.resource_spans[0].scope_spans[0].spans[1].trace_id.clear();
    let answer = world.post("/v1/traces", PROTOBUF, request.encode_to_vec()).await;
    let partial = ExportTraceServiceResponse::decode(answer.body).unwrap().partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 1);
    assert_eq!(partial.error_message, "spans without an id of their own or of their trace");
    assert_eq!(world.trace().await.spans.len(), 2);
    let body = SPANS.replace("b7ad6b7169203331", "0000000000000000");
    let answer = world.post("/v1/traces", JSON, body).await;
    assert_eq!(answer.json()["partialSuccess"]["rejectedSpans"], "1");
    assert_eq!((world.intake.counts().n_exports, world.intake.counts().n_invalid), (2, 2));
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_with_a_status() {
    let world = World::start();
    for (kind, body, message) in
        [(JSON, &b"{"[..], "body is not the JSON of this path: EOF"), (PROTOBUF, &b"\xff\xff"[..], "")]
    {
        let answer = world.post("/v1/traces", kind, body).await;
        assert_eq!((answer.status.as_u16(), answer.kind()), (400, kind));
        if kind == JSON {
            assert!(answer.json()["message"].as_str().unwrap().starts_with(message), "{answer:?}");
            assert_eq!(answer.json()["code"], 3);
        } else {
            // Field 1, a number, 3; then field 2, a text.
            assert_eq!(&answer.body[..3], b"\x08\x03\x12");
        }
    }
    let answer =
        world.post("/v1/traces", JSON, SPANS.replace("\"kind\":2", "\"kind\":\"SPAN_KIND_SERVER\"")).await;
    assert_eq!(answer.status.as_u16(), 400);
    assert!(
        answer.json()["message"].as_str().unwrap().contains("\nhint: values of enumerations"),
        "{answer:?}"
    );
    let answer = world.post("/v1/traces", "text/plain", SPANS).await;
    assert_eq!(answer.status.as_u16(), 415);
    assert!(answer.text().ends_with("hint: send application/x-protobuf or application/json\n"));
    let headers = [("content-type", JSON), ("content-encoding", "br")];
    let answer = world.post_with("/v1/traces", &headers, SPANS).await;
    assert_eq!(
        (answer.status.as_u16(), answer.headers["accept-encoding"].to_str().unwrap()),
        (415, "gzip,deflate,zstd,identity")
    );
    assert_eq!(world.intake.counts().n_refused, 5);
    let answer = world.get("/v1/traces").await;
    assert_eq!((answer.status.as_u16(), answer.headers["allow"].to_str().unwrap()), (405, "POST"));
    let answer =
        world.post_with("/v1/traces", &[("host", "evil.example"), ("content-type", JSON)], SPANS).await;
    assert_eq!(answer.status.as_u16(), 403);
    assert_eq!(world.get("/nothing").await.status.as_u16(), 404);
}

#[tokio::test]
async fn what_is_too_large_once_decompressed_is_413() {
    let world = World::start();
    let large = vec![b' '; (64 << 20) + 1];
    let headers = [("content-type", JSON), ("content-encoding", "gzip")];
    let answer = world.post_with("/v1/traces", &headers, gzip(&large)).await;
    assert_eq!(answer.status.as_u16(), 413);
    assert_eq!(answer.json()["code"], 8);
}

#[tokio::test]
async fn an_empty_export_is_one() {
    let world = World::start();
    for path in ["/v1/traces", "/v1/metrics", "/v1/logs"] {
        assert_eq!(world.post(path, JSON, "{}").await.text(), "{}");
        assert_eq!(world.post(path, PROTOBUF, "").await.status.as_u16(), 200);
    }
}

#[tokio::test]
async fn log_lines_are_kept_with_their_trace() {
    let world = World::start();
    let body = r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"cart"}}]},
      "scopeLogs":[{"scope":{"name":"lib"},"logRecords":[
        {"timeUnixNano":"1795176000000000000","severityNumber":17,"severityText":"ERROR",
         "body":{"stringValue":"it broke"},"attributes":[{"key":"order","value":{"intValue":"7"}}],
         "traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331"},
        {"observedTimeUnixNano":"1795176000000000000","eventName":"started"}]}]}]}"#;
    assert_eq!(world.post("/v1/logs", JSON, body).await.text(), "{}");
    let trace_id = "0af7651916cd43dd8448eb211c80319c".parse().ok();
    let answer = world.logs.query(&LogQuery { trace_id, ..LogQuery::default() });
    let line = &answer.records[0];
    assert_eq!(
        (answer.records.len(), line.body.to_string(), line.severity.word()),
        (1, "it broke".into(), "error")
    );
    assert_eq!(line.attributes.get("order").unwrap().to_string(), "7");
    assert_eq!(world.logs.query(&LogQuery::default()).records[1].body, "started".into());
}
