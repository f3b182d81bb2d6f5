//! The `grpc` check, one call of `grpc.health.v1.Health/Check`, with the kubelet's words:
//! <https://github.com/kubernetes/kubernetes/blob/v1.36.0/pkg/probe/grpc/grpc.go> and
//! <https://github.com/grpc/grpc/blob/master/doc/health-checking.md>.
//!
//! Without TLS, as with the kubelet. Where nobody listens, the kubelet tries again until its
//! deadline and then names only that; here the refusal itself is said, at once.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{self, SendRequest};
use http::header::{CONTENT_TYPE, TE, USER_AGENT};
use http::{HeaderMap, Request, Response, StatusCode};
use spur_net::Dial;
use tokio::net::TcpStream;

use super::exchange::told;
use super::grpc_message::{self, Health};
use super::http::AGENT;
use super::tcp::{connect, join};
use super::{ProbeResult, grpc_status};

/// What to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcHealth {
    /// A name or an address.
    pub host: String,
    /// The port that really listens, not the container's number for it.
    pub port: u16,
    /// Empty: the server as a whole.
    pub service: String,
}

/// An answer is two bytes and five of a prefix; what is unknown may stand beside (our choice).
const MESSAGE_MAX_BYTES: usize = 1024;

/// Headers of an answer: as much as gRPC's own servers take (`MAX_HEADER_LIST_SIZE`, 8 KiB).
const HEADERS_MAX_BYTES: u32 = 8 * 1024;

/// What is shown of a server's words.
const TEXT_MAX_CHARS: usize = 300;

/// Why there is no answer about health.
enum Fault {
    /// No connection that speaks HTTP/2.
    Connect(String),
    /// The call failed, with status and message.
    Status(grpc_status::Code, String),
}

/// Asks once; only `SERVING` is success.
pub async fn grpc_health(dial: &Dial, health: &GrpcHealth, timeout: Duration) -> ProbeResult {
    let target = join(&health.host, health.port);
    let deadline = tokio::time::Instant::now() + timeout;
    let connected = tokio::time::timeout_at(deadline, open(dial, &health.host, health.port)).await;
    let (sender, connection) = match connected {
        Ok(Ok(connected)) => connected,
        Ok(Err(fault)) => return ProbeResult::Failure(words(fault, &target)),
        Err(_) => {
            return ProbeResult::Failure(format!(
                "timeout: failed to connect service {target:?} within {timeout:?}: context deadline exceeded"
            ));
        }
    };
    let call = call(sender, &target, &health.service);
    match tokio::time::timeout_at(deadline, beside(connection, call)).await {
        Ok(Ok(Health::Serving)) => ProbeResult::Success("service healthy".to_owned()),
        Ok(Ok(other)) => ProbeResult::Failure(format!("service unhealthy (responded with \"{other}\")")),
        Ok(Err(fault)) => ProbeResult::Failure(words(fault, &target)),
        Err(_) => ProbeResult::Failure(format!("timeout: health rpc did not complete within {timeout:?}")),
    }
}

fn words(fault: Fault, target: &str) -> String {
    match fault {
        Fault::Connect(why) => format!("error: failed to connect service at {target:?}: {why}"),
        Fault::Status(grpc_status::Code::UNIMPLEMENTED, message) => format!(
            "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): {message}"
        ),
        Fault::Status(code, message) => {
            format!("error: health rpc probe failed: rpc error: code = {code} desc = {message}")
        }
    }
}

type Connection = client::Connection<TcpStream>;

async fn open(dial: &Dial, host: &str, port: u16) -> Result<(SendRequest<Bytes>, Connection), Fault> {
    let stream = connect(dial, host, port).await.map_err(Fault::Connect)?;
    let handshake = client::Builder::new().max_header_list_size(HEADERS_MAX_BYTES).handshake(stream).await;
    handshake.map_err(|e| Fault::Connect(e.to_string()))
}

/// Drives the connection as long as the work takes: both end together, and nothing is spawned.
async fn beside<T>(connection: Connection, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    tokio::pin!(work);
    tokio::select! {
        // What the connection has brought counts before its end.
        biased;
        done = &mut work => done,
        ended = connection => match ended {
            // The streams have their answers, or the news that there is none.
            Ok(()) => work.await,
            Err(e) => Err(unavailable(&e)),
        },
    }
}

async fn call(sender: SendRequest<Bytes>, target: &str, service: &str) -> Result<Health, Fault> {
    let mut sender = sender.ready().await.map_err(|e| unavailable(&e))?;
    let request = Request::post(format!("http://{target}/grpc.health.v1.Health/Check"))
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers")
        .header(USER_AGENT, AGENT)
        .body(())
        .map_err(|e| Fault::Connect(e.to_string()))?;
    let (response, mut body) = sender.send_request(request, false).map_err(|e| unavailable(&e))?;
    body.send_data(grpc_message::request(service), true).map_err(|e| unavailable(&e))?;
    judge(response.await.map_err(|e| unavailable(&e))?).await
}

async fn judge(response: Response<h2::RecvStream>) -> Result<Health, Fault> {
    if response.status() != StatusCode::OK {
        let status = response.status();
        let message = format!("unexpected HTTP status code received from server: {status}");
        return Err(Fault::Status(grpc_status::of_http(status), message));
    }
    // An answer without a message has its status among the headers ("Trailers-Only").
    failed(response.headers())?;
    let mut body = response.into_body();
    let mut message = Vec::new();
    while let Some(data) = body.data().await {
        message.extend(data.map_err(|e| unavailable(&e))?);
        if message.len() > MESSAGE_MAX_BYTES {
            let why = format!("received message larger than max ({MESSAGE_MAX_BYTES})");
            return Err(Fault::Status(grpc_status::Code::RESOURCE_EXHAUSTED, why));
        }
    }
    let trailers = body.trailers().await.map_err(|e| unavailable(&e))?.unwrap_or_default();
    failed(&trailers)?;
    if !trailers.contains_key(grpc_status::STATUS) {
        let why = "server closed the stream without sending trailers".to_owned();
        return Err(Fault::Status(grpc_status::Code::INTERNAL, why));
    }
    grpc_message::read(&message).ok_or_else(|| {
        Fault::Status(grpc_status::Code::INTERNAL, "the answer is no HealthCheckResponse".to_owned())
    })
}

/// The status in these headers, where it is there and no success.
fn failed(headers: &HeaderMap) -> Result<(), Fault> {
    match grpc_status::read(headers) {
        None | Some((grpc_status::Code::OK, _)) => Ok(()),
        Some((code, message)) => Err(Fault::Status(code, told(message.as_bytes(), TEXT_MAX_CHARS))),
    }
}

fn unavailable(error: &h2::Error) -> Fault {
    Fault::Status(grpc_status::Code::UNAVAILABLE, format!("connection error: {error}"))
}
