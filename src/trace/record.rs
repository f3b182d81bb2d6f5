//! What a proxy worker writes down about a hop: at its start, once a second
//! while it is long, and at its end.
//!
//! Nothing here is formatted: names are shared, and a path is a copy, so that no
//! record keeps the head that it was a part of. Joining the records is left to `store`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::uri::PathAndQuery;
use http::{Method, Version as HttpVersion};
use serde::{Deserialize, Serialize};
use spur_route::{
    Endpoint, Outcome, Reason, RoutingKey, Rule, ServicePort, Share, SpanId, TraceId, Verdict, Version,
};

use crate::carried::Carried;
use crate::text;

/// One entry of a [`Ring`](crate::Ring).
#[derive(Clone, Debug)]
pub enum Record {
    /// A request was read and decided.
    Start(Arc<HopStart>),
    /// It is still going on.
    Progress(HopId, HopProgress),
    /// Its response ended, or it failed.
    End(HopId, Arc<HopEnd>),
}

/// Which hop of which trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HopId {
    /// The trace: from the request's `traceparent`, or new.
    pub trace_id: TraceId,
    /// The hop's own span, which the forwarded request names as its parent.
    pub span_id: SpanId,
}

/// A hop as it begins, pushed once the endpoint is picked and before anything is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HopStart {
    /// Which hop.
    #[serde(flatten)]
    pub id: HopId,
    /// The parent id of the `traceparent` that came in, if a valid one did.
    pub incoming_parent_id: Option<SpanId>,
    /// When the request's head had been read.
    #[serde(with = "text::time")]
    pub started: SystemTime,
    /// Who is calling; absent on the entry listener.
    pub source: Option<HopSource>,
    /// What was decided.
    pub decision: Decision,
    /// The endpoint that is tried first; absent where the request is refused.
    pub endpoint: Option<Endpoint>,
    /// The HTTP method.
    #[serde(with = "text::parsed")]
    pub method: Method,
    /// The path and query; absent for CONNECT and for plain TCP.
    #[serde(with = "text::parsed_option")]
    pub target: Option<PathAndQuery>,
    /// The HTTP version of the incoming request.
    #[serde(with = "text::http_version")]
    pub http_version: HttpVersion,
    /// Which headers that can hold a key it has.
    #[serde(default, skip_serializing_if = "Carried::is_none")]
    pub carried: Carried,
    /// The trace of the request that this one repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay_of: Option<TraceId>,
}

/// The calling workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HopSource {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub workload: Arc<str>,
    /// The pod that is calling.
    pub pod: Arc<str>,
    /// The sandbox that it is a fork or a member of.
    pub sandbox: Option<Arc<str>>,
}

/// The facts of a verdict, without its list of endpoints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The revision of the routing table that decided.
    pub table_revision: u64,
    /// The Service and port that was asked for, if there is one.
    pub service: Option<Arc<ServicePort>>,
    /// The rule that matched.
    pub rule: Option<Arc<Rule>>,
    /// The subset of the Service that the rule names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subset: Option<Arc<str>>,
    /// The share of the destination, where one was drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// The version that took the request, or would have.
    pub version: Version,
    /// The key and its carrier.
    pub key: Option<RoutingKey>,
    /// Whether the proxy writes the key into the forwarded request's headers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_injected: bool,
    /// How many carriers hold another key.
    pub n_disagreeing: u8,
    /// How many carriers hold something that cannot be a key.
    pub n_malformed: u8,
    /// Whether the baseline stood in for a fork.
    pub fell_back: bool,
    /// Why.
    pub reason: Reason,
    /// What was asked for, where the verdict is a refusal; where the client is sent, where it is.
    pub asked: Option<Arc<str>>,
}

/// A hop that goes on: how far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HopProgress {
    /// Since its start.
    #[serde(rename = "after_us", with = "text::micros")]
    pub after: Duration,
    /// The response's status, once its head has come.
    pub status: Option<u16>,
    /// Body bytes from the client so far.
    pub request_bytes: u64,
    /// Body bytes to the client so far.
    pub response_bytes: u64,
}

/// A hop's end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HopEnd {
    /// From its start to the last byte of the response, or to its failure.
    #[serde(rename = "duration_us", with = "text::micros")]
    pub duration: Duration,
    /// The endpoint that a connection was made to; absent where none was reached.
    pub served_by: Option<Endpoint>,
    /// The status that the client got; absent where it got none.
    pub status: Option<u16>,
    /// The `grpc-status` of the response's trailers or headers.
    pub grpc_status: Option<u32>,
    /// Body bytes from the client.
    pub request_bytes: u64,
    /// Body bytes to the client.
    pub response_bytes: u64,
    /// What failed, if anything did besides the status. A refusal by verdict is in the decision.
    pub error: Option<HopError>,
}

/// What can fail between a request and its response. The codes are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HopError {
    /// The endpoint refused the connection.
    ConnectRefused,
    /// The endpoint did not accept the connection in time.
    ConnectTimeout,
    /// The connection failed in another way.
    ConnectFailed,
    /// TLS with the endpoint could not be set up.
    TlsFailed(TlsFault),
    /// A connection was closed because no byte came for too long.
    Idle,
    /// A connection was closed because it had been open for too long.
    TooOld,
    /// The endpoint closed the connection before it answered.
    UpstreamClosed,
    /// The endpoint's answer is not HTTP.
    BadResponse,
    /// The head of the response did not come in time.
    ResponseTimeout,
    /// The response broke off after it had begun.
    ResponseAborted,
    /// The client went away before the end.
    ClientGone,
    /// The client's body broke off or was not valid.
    BadRequestBody,
    /// The request was not acceptable and was answered by the proxy.
    RejectedRequest,
    /// All of it took longer than its rule's timeout.
    RouteTimeout,
    /// All of it took longer than its gRPC client's deadline.
    DeadlineExceeded,
    /// The endpoint refused the HTTP/2 stream, and did nothing.
    StreamRefused,
    /// The endpoint speaks HTTP/2 and does not say that it takes WebSockets there (RFC 8441 3).
    WebSocketOverH2,
    /// Every endpoint is left out because it has failed too often.
    NoHealthyEndpoint,
    /// A limit of the proxy, or of the destination's policy, was reached.
    OverLimit,
    /// The proxy was told to stop and the hop did not end in time.
    Draining,
}

/// Why TLS with an endpoint could not be set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsFault {
    /// Its certificate has expired.
    Expired,
    /// Its certificate does not hold yet.
    NotValidYet,
    /// Its certificate is of no authority that is trusted.
    UnknownIssuer,
    /// Its certificate is for another name.
    OtherName,
    /// Its certificate is wrong in another way.
    BadCertificate,
    /// It refused the handshake; where certificates are asked for, perhaps ours.
    Refused,
    /// It does not speak TLS.
    NoTls,
    /// The Secret with our certificates is not there, or what it holds cannot be used.
    Credential,
    /// The connection failed during the handshake.
    Broken,
}

// === impl Record ===

impl Record {
    /// Which hop it is about.
    #[must_use]
    pub fn id(&self) -> HopId {
        match self {
            Self::Start(start) => start.id,
            Self::Progress(id, _) | Self::End(id, _) => *id,
        }
    }
}

// === impl Decision ===

impl From<&Verdict> for Decision {
    fn from(verdict: &Verdict) -> Self {
        let Verdict {
            table_revision,
            service,
            rule,
            subset,
            share,
            version,
            key,
            n_disagreeing,
            n_malformed,
            fell_back,
            wants_injection,
            reason,
            outcome,
            // Follow from the rule.
            applied: _,
            policy: _,
            affinity: _,
        } = verdict;
        Self {
            table_revision: *table_revision,
            service: service.clone(),
            rule: rule.clone(),
            subset: subset.clone(),
            share: *share,
            version: version.clone(),
            key: key.clone(),
            is_injected: *wants_injection,
            n_disagreeing: *n_disagreeing,
            n_malformed: *n_malformed,
            fell_back: *fell_back,
            reason: *reason,
            asked: match outcome {
                Outcome::Forward { .. } => None,
                Outcome::Respond { status: _, location } => location.clone(),
                Outcome::Refuse { status: _, asked } => Some(asked.clone()),
            },
        }
    }
}

// === impl HopError ===

impl HopError {
    /// The stable code, as in JSON and in the `spur-reason` header.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::ConnectRefused => "connect-refused",
            Self::ConnectTimeout => "connect-timeout",
            Self::ConnectFailed => "connect-failed",
            Self::TlsFailed(_) => "tls-failed",
            Self::Idle => "idle",
            Self::TooOld => "too-old",
            Self::UpstreamClosed => "upstream-closed",
            Self::BadResponse => "bad-response",
            Self::ResponseTimeout => "response-timeout",
            Self::ResponseAborted => "response-aborted",
            Self::ClientGone => "client-gone",
            Self::BadRequestBody => "bad-request-body",
            Self::RejectedRequest => "rejected-request",
            Self::RouteTimeout => "route-timeout",
            Self::DeadlineExceeded => "deadline-exceeded",
            Self::StreamRefused => "stream-refused",
            Self::WebSocketOverH2 => "websocket-over-h2",
            Self::NoHealthyEndpoint => "no-healthy-endpoint",
            Self::OverLimit => "over-limit",
            Self::Draining => "draining",
        }
    }
}

impl std::fmt::Display for HopError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}
