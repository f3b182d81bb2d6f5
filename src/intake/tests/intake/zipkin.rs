//! Spans of Zipkin.

use spur_trace::{SpanKind, SpanStatus};

use crate::world::World;

#[tokio::test]
async fn spans_are_taken_as_clients_write_them() {
    let world = World::start();
    // As Python's exporter: a kind that is null, ids of 16 digits, numbers as they come.
    let body = r#"[
      {"traceId":"8448eb211c80319c","id":"b7ad6b7169203331","parentId":null,"kind":null,"name":"work","debug":true,
       "timestamp":1795176000000000,"duration":1500,"localEndpoint":{"serviceName":"cart"},
       "annotations":[{"timestamp":1795176000000500,"value":"half"}],
       "tags":{"error":"it broke","http.status_code":500}},
      {"traceId":"00000000000000008448eb211c80319c","id":"7169203331","parentId":"b7ad6b7169203331","kind":"CLIENT",
       "timestamp":"1795176000000001","shared":true,"remoteEndpoint":{"serviceName":"db","ipv4":"10.0.0.1","port":5432}}]"#;
    let answer = world.post("/api/v2/spans", "application/json", body).await;
    assert_eq!((answer.status.as_u16(), answer.text()), (202, ""));
    let trace = world.trace().await;
    assert_eq!(trace.trace_id.to_string(), "00000000000000008448eb211c80319c");
    let [first, second] = &trace.spans[..] else { panic!("{trace:?}") };
    assert_eq!(
        (&*first.resource.service, first.kind, first.duration.as_micros()),
        ("cart", SpanKind::Internal, 1500)
    );
    assert_eq!((first.status, first.status_message.as_deref()), (SpanStatus::Error, Some("it broke")));
    assert_eq!(first.attributes.get("http.status_code").unwrap().to_string(), "500");
    assert_eq!(&*first.events[0].name, "half");
    assert_eq!(
        (second.kind, second.parent_id, &*second.resource.service),
        (SpanKind::Client, Some(first.span_id), "unknown_service")
    );
    assert_eq!(second.attributes.get("peer.service").unwrap().to_string(), "db");
}

#[tokio::test]
async fn what_is_no_span_is_told() {
    let world = World::start();
    for (kind, body, status, said) in [
        ("application/json", r#"[{"traceId":"xyz","id":"1"}]"#, 400, "`traceId` is no id: `xyz`"),
        ("application/json", r#"[{"traceId":"1","id":"0"}]"#, 400, "`id` is no id: `0`"),
        ("application/json", "{}", 400, "body is not the JSON of this path"),
        ("application/x-protobuf", "", 415, "hint: send application/json"),
    ] {
        let answer = world.post("/api/v2/spans", kind, body).await;
        assert_eq!(answer.status.as_u16(), status);
        assert!(answer.text().contains(said), "{answer:?}");
    }
}
