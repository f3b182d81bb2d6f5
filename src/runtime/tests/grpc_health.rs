//! The `grpc` check against a server of HTTP/2 that answers as told.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, also in what tests share")]

use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use http::{HeaderMap, Response};
use spur_net::Dial;
use spur_runtime::probe::{GrpcHealth, ProbeResult, grpc_health};
use tokio::net::TcpListener;

/// Far above what a loopback answer takes, so that only a fault reaches it.
const LONG: Duration = Duration::from_secs(10);

/// What a server answers: HTTP status, headers, message, trailers.
#[derive(Clone)]
struct Answer {
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    message: Option<&'static [u8]>,
    trailers: &'static [(&'static str, &'static str)],
}

const OK: &[(&str, &str)] = &[("grpc-status", "0")];

fn message(message: &'static [u8]) -> Answer {
    Answer { status: 200, headers: &[], message: Some(message), trailers: OK }
}

/// An answer without a message.
fn fails(headers: &'static [(&'static str, &'static str)]) -> Answer {
    Answer { status: 200, headers, message: None, trailers: &[] }
}

fn headers(list: &'static [(&'static str, &'static str)]) -> HeaderMap {
    list.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

/// Serves calls of the health method that are made as the kubelet makes them.
async fn serve(answer: Answer) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((request, respond))) = connection.accept().await {
            let (head, mut body) = request.into_parts();
            assert_eq!(head.uri.path(), "/grpc.health.v1.Health/Check");
            assert_eq!(head.headers["content-type"], "application/grpc");
            assert_eq!(head.headers["te"], "trailers");
            assert_eq!(head.headers["user-agent"], "kube-probe/1.36");
            let answer = answer.clone();
            tokio::spawn(async move {
                let asked = body.data().await.unwrap().unwrap();
                assert_eq!(&asked[..], b"\0\0\0\0\x06\x0a\x04shop", "the service's name");
                send(answer, respond);
            });
        }
    });
    port
}

fn send(answer: Answer, mut respond: SendResponse<Bytes>) {
    let mut response = Response::new(());
    *response.status_mut() = answer.status.try_into().unwrap();
    *response.headers_mut() = headers(answer.headers);
    let mut stream = respond.send_response(response, answer.message.is_none()).unwrap();
    let Some(message) = answer.message else { return };
    stream.send_data(Bytes::from_static(message), answer.trailers.is_empty()).unwrap();
    if !answer.trailers.is_empty() {
        stream.send_trailers(headers(answer.trailers)).unwrap();
    }
}

fn shop(port: u16) -> GrpcHealth {
    GrpcHealth { host: "127.0.0.1".into(), port, service: "shop".into() }
}

async fn check(answer: Answer, wanted: ProbeResult) {
    let port = serve(answer).await;
    assert_eq!(grpc_health(&Dial::default(), &shop(port), LONG).await, wanted);
}

fn failure(text: impl Into<String>) -> ProbeResult {
    ProbeResult::Failure(text.into())
}

#[tokio::test]
async fn only_serving_is_healthy() {
    check(message(b"\0\0\0\0\x02\x08\x01"), ProbeResult::Success("service healthy".into())).await;
    let unhealthy = |status: &str| failure(format!("service unhealthy (responded with \"{status}\")"));
    check(message(b"\0\0\0\0\x02\x08\x02"), unhealthy("NOT_SERVING")).await;
    check(message(b"\0\0\0\0\0"), unhealthy("UNKNOWN")).await;
    check(message(b"\0\0\0\0\x02\x08\x03"), unhealthy("SERVICE_UNKNOWN")).await;
}

#[tokio::test]
async fn failures_read_as_in_kubernetes() {
    let unimplemented = fails(&[("grpc-status", "12"), ("grpc-message", "unknown service")]);
    let words = "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): unknown service";
    check(unimplemented, failure(words)).await;
    let not_found = fails(&[("grpc-status", "5"), ("grpc-message", "unknown%20service")]);
    let words = "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service";
    check(not_found, failure(words)).await;
    let late = Answer {
        trailers: &[("grpc-status", "14"), ("grpc-message", "shutting down")],
        ..message(b"\0\0\0\0\x02\x08\x01")
    };
    let words = "error: health rpc probe failed: rpc error: code = Unavailable desc = shutting down";
    check(late, failure(words)).await;
}

#[tokio::test]
async fn what_is_no_answer_of_grpc_is_a_failure() {
    let rpc = |words: &str| failure(format!("error: health rpc probe failed: rpc error: code = {words}"));
    let bad_gateway = Answer { status: 502, ..fails(&[]) };
    let words = "Unavailable desc = unexpected HTTP status code received from server: 502 Bad Gateway";
    check(bad_gateway, rpc(words)).await;
    let words = "Internal desc = the answer is no HealthCheckResponse";
    check(message(b"\0\0\0\0\x09\x08\x01"), rpc(words)).await;
    let cut = Answer { trailers: &[], ..message(b"\0\0\0\0\x02\x08\x01") };
    check(cut, rpc("Internal desc = server closed the stream without sending trailers")).await;
    let words = "ResourceExhausted desc = received message larger than max (1024)";
    check(message(&[0; 5000]), rpc(words)).await;
}

#[tokio::test]
async fn nobody_and_silence_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let soon = Duration::from_millis(50);
    let words = "timeout: health rpc did not complete within 50ms";
    assert_eq!(grpc_health(&Dial::default(), &shop(port), soon).await, failure(words), "nobody answers");
    drop(listener);
    let refused = format!("dial tcp 127.0.0.1:{port}: connect: connection refused");
    let words = format!("error: failed to connect service at \"127.0.0.1:{port}\": {refused}");
    assert_eq!(grpc_health(&Dial::default(), &shop(port), LONG).await, failure(words));
}

#[tokio::test]
async fn another_protocol_is_a_failure_at_once() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    for answer in ["HTTP/1.1 400 Bad Request\r\n\r\n", "", "\0\0\0\0"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            while stream.read(&mut [0; 1024]).await.is_ok_and(|n| n > 0) {}
        });
        let found = grpc_health(&Dial::default(), &shop(port), LONG).await;
        let ProbeResult::Failure(why) = &found else { panic!("{answer:?}: {found:?}") };
        let start = "error: health rpc probe failed: rpc error: code = Unavailable desc = connection error: ";
        assert!(why.starts_with(start), "{answer:?}: {why}");
    }
}
