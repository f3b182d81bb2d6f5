//! OTLP over gRPC, on the same port. Real clients are in `tests/clients`.

use bytes::{BufMut, Bytes, BytesMut};
use http::Request;
use http_body_util::Full;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;

use crate::http::{gzip, request, zstd};
use crate::world::{Answer, World, send};

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

fn framed(is_compressed: bool, message: &[u8]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(u8::from(is_compressed));
    bytes.put_u32(message.len().try_into().unwrap());
    bytes.put_slice(message);
    bytes.freeze()
}

async fn call(world: &World, path: &str, coding: &str, body: Bytes) -> Answer {
    let request = Request::post(format!("http://{}{path}", world.address))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-encoding", coding);
    send(true, request.body(Full::new(body)).unwrap()).await
}

#[tokio::test]
async fn an_export_is_taken_in_every_coding() {
    let message = request(2).encode_to_vec();
    for (coding, body) in [
        ("identity", framed(false, &message)),
        ("gzip", framed(true, &gzip(&message))),
        ("zstd", framed(true, &zstd(&message))),
        // Each message says for itself whether it is compressed.
        ("gzip", framed(false, &message)),
    ] {
        let world = World::start();
        let answer = call(&world, EXPORT, coding, body).await;
        assert_eq!((answer.status.as_u16(), answer.kind()), (200, "application/grpc"));
        assert_eq!(answer.trailers["grpc-status"], "0");
        let message = ExportTraceServiceResponse::decode(answer.body.slice(5..)).unwrap();
        assert_eq!(message.partial_success, None);
        assert_eq!(world.trace().await.spans.len(), 2, "{coding}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_has_a_code_and_a_message() {
    let world = World::start();
    for (path, coding, body, code) in [
        (EXPORT, "identity", Bytes::from_static(b"\0\0\0\0\x09a"), "3"),
        (EXPORT, "gzip", framed(true, b"no"), "3"),
        (EXPORT, "identity", framed(false, b"\xff"), "3"),
        (EXPORT, "br", framed(true, b""), "12"),
        (
            "/opentelemetry.proto.collector.trace.v1.TraceService/Nothing",
            "identity",
            framed(false, b""),
            "12",
        ),
    ] {
        let answer = call(&world, path, coding, body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.headers["grpc-status"].to_str().unwrap()),
            (200, code),
            "{answer:?}"
        );
        assert!(!answer.headers["grpc-message"].is_empty());
    }
}

#[tokio::test]
async fn logs_and_metrics_have_methods_of_their_own() {
    let world = World::start();
    for service in ["logs.v1.LogsService", "metrics.v1.MetricsService"] {
        let path = format!("/opentelemetry.proto.collector.{service}/Export");
        let answer = call(&world, &path, "identity", framed(false, b"")).await;
        assert_eq!(answer.trailers["grpc-status"], "0", "{answer:?}");
    }
}
