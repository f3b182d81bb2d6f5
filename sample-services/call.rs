//! Calls to other services: one HTTP client that passes the context on, with a
//! deadline and a bound on what it reads, and errors that name who failed. Leaves
//! addresses to `settings`, gRPC's wire to `shop`.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::de::DeserializeOwned;
use spur_sdk::propagation::{Inject, InjectLayer};
use tower::{Layer, ServiceExt};

use crate::failure::FailureBody;
use crate::observe::SERVED_BY;
use crate::settings::{SettingError, Settings};

/// A call that takes longer has failed. The slowest sample answers in 100 ms, and
/// a person looking at a page waits no longer than this.
pub(crate) const CALL_MAX: Duration = Duration::from_secs(5);

/// The longest answer that is read; an order of 20 lines is about 3 KB.
const ANSWER_MAX_BYTES: usize = 256 * 1024;

/// How much of an answer that is not one of ours an error quotes.
const QUOTE_MAX_CHARS: usize = 200;

/// Calls other services over HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    settings: Settings,
    client: Inject<Client<HttpConnector, Empty<Bytes>>>,
}

/// Why a call gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// Where the service is cannot be told.
    #[error("{source}")]
    Address { service: &'static str, source: SettingError },
    /// No answer came: nobody listens, or the connection broke.
    #[error("could not reach `{service}` at `{address}`: {reason}")]
    Unreachable { service: &'static str, address: String, reason: String },
    /// No answer came in time.
    #[error("`{service}` did not answer within {} s", CALL_MAX.as_secs())]
    TimedOut { service: &'static str },
    /// The service says that what was asked for does not exist.
    #[error("{what}")]
    NotFound { service: &'static str, what: String },
    /// The answer is a failure.
    #[error("`{service}` answered {status}: {detail}")]
    Status { service: &'static str, status: u16, detail: String },
    /// The answer is a gRPC failure.
    #[error("`{service}` answered {:?}: {}", status.code(), status.message())]
    Grpc { service: &'static str, status: Box<tonic::Status> },
    /// The answer is not what was agreed upon.
    #[error("could not read the answer of `{service}`: {reason}")]
    Body { service: &'static str, reason: String },
}

// === impl Caller ===

impl Caller {
    pub(crate) fn new(settings: Settings) -> Self {
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build_http();
        Self { settings, client: InjectLayer::new().layer(client) }
    }

    /// `GET path` of `service`, read as JSON.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        service: &'static str,
        path: &str,
    ) -> Result<T, CallError> {
        let peer = self.settings.peer(service).map_err(|source| CallError::Address { service, source })?;
        tokio::time::timeout(CALL_MAX, self.exchange(service, &peer, path))
            .await
            .map_err(|_elapsed| CallError::TimedOut { service })?
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        service: &'static str,
        peer: &Uri,
        path: &str,
    ) -> Result<T, CallError> {
        let unreachable = |reason: &(dyn Error + 'static)| CallError::Unreachable {
            service,
            address: peer.to_string(),
            reason: root_cause(reason),
        };
        let base = peer.path().trim_end_matches('/');
        let uri = Uri::builder()
            .scheme("http")
            .authority(peer.authority().map_or("", |authority| authority.as_str()))
            .path_and_query(format!("{base}{path}"))
            .build()
            .map_err(|error| unreachable(&error))?;
        let mut req = Request::new(Empty::new());
        *req.uri_mut() = uri;
        let client = self.client.clone();
        let rsp = client.oneshot(req).await.map_err(|error| unreachable(&error))?;
        read(service, rsp).await
    }
}

// === impl CallError ===

impl CallError {
    /// The service that was called.
    pub(crate) fn service(&self) -> &'static str {
        match self {
            Self::Address { service, .. }
            | Self::Unreachable { service, .. }
            | Self::TimedOut { service }
            | Self::NotFound { service, .. }
            | Self::Status { service, .. }
            | Self::Grpc { service, .. }
            | Self::Body { service, .. } => service,
        }
    }
}

async fn read<T: DeserializeOwned>(service: &'static str, rsp: Response<Incoming>) -> Result<T, CallError> {
    let (head, body) = rsp.into_parts();
    let bytes = Limited::new(body, ANSWER_MAX_BYTES)
        .collect()
        .await
        .map_err(|error| CallError::Body { service, reason: root_cause(error.as_ref()) })?
        .to_bytes();
    if head.status.is_success() {
        return serde_json::from_slice(&bytes)
            .map_err(|error| CallError::Body { service, reason: error.to_string() });
    }
    let detail = detail(&bytes);
    // A proxy on the way answers 404 too, for a route it does not know; only the
    // service itself can say that there is no such thing.
    let is_own = head.headers.contains_key(SERVED_BY);
    Err(match head.status {
        StatusCode::NOT_FOUND if is_own => CallError::NotFound { service, what: detail },
        status => CallError::Status { service, status: status.as_u16(), detail },
    })
}

/// What a failed answer says of itself.
fn detail(bytes: &[u8]) -> String {
    match serde_json::from_slice::<FailureBody>(bytes) {
        Ok(body) => body.error,
        Err(_) => {
            let text = String::from_utf8_lossy(bytes);
            text.trim().chars().take(QUOTE_MAX_CHARS).collect()
        }
    }
}

/// hyper's own messages name the step ("client error (Connect)"), the innermost
/// source names the reason ("Connection refused").
fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
