//! Which path is whose.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body::Body;
use tokio::sync::SemaphorePermit;

use crate::guard;
use crate::otlp::{self, Signal};
use crate::reply::{self, Reply};
use crate::serve::Intake;

/// How long an export waits for its turn: as long as spans wait for the collector.
const TURN_WAITS_FOR: Duration = Duration::from_secs(1);

const WHAT_IS_HERE: &str = "not found\nhint: OTLP is at /v1/traces, /v1/metrics and /v1/logs (and gRPC), Zipkin at /api/v2/spans, queries at /api/v3/…, /api/… and /api/v2/…";

impl Intake {
    /// Answers one request.
    pub(crate) async fn answer<B>(&self, request: Request<B>) -> Reply
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if !guard::is_for_us(request.uri(), request.headers()) {
            return reply::text(
                StatusCode::FORBIDDEN,
                "this listener is for programs of this machine\nhint: name it by its address or as localhost",
            );
        }
        let (head, body) = request.into_parts();
        let kind = head.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if kind.is_some_and(|kind| kind.starts_with("application/grpc")) {
            return otlp::grpc(self, &head, body).await;
        }
        if let Some(signal) = Signal::of_path(head.uri.path()) {
            return match head.method {
                Method::POST => otlp::http(self, signal, &head, body).await,
                _ => only(&Method::POST),
            };
        }
        match (&head.method, head.uri.path()) {
            (&Method::POST, "/api/v2/spans") => self.zipkin_spans(&head, body).await,
            (&Method::GET | &Method::HEAD, path) => {
                let query = head.uri.query().unwrap_or_default();
                self.query(path, query)
                    .await
                    .unwrap_or_else(|| reply::text(StatusCode::NOT_FOUND, WHAT_IS_HERE))
            }
            (_, path) if path.starts_with("/api/") => only(&Method::GET),
            _ => reply::text(StatusCode::NOT_FOUND, WHAT_IS_HERE),
        }
    }

    /// The turn to read a body and work on it; `None` where none comes in time.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        let turn = tokio::time::timeout(TURN_WAITS_FOR, self.shared.bodies.acquire()).await;
        turn.ok().and_then(Result::ok)
    }
}

fn only(method: &Method) -> Reply {
    let mut reply = reply::text(StatusCode::METHOD_NOT_ALLOWED, format!("{method} only"));
    let allowed = method.as_str().parse().expect("a method is a header value");
    reply.headers_mut().insert(header::ALLOW, allowed);
    reply
}
