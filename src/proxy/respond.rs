//! The only place that makes responses of our own.
//!
//! Each says what was asked for, what was tried and what could be done, in the
//! form that the client understands: text, JSON, or gRPC trailers.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use spur_route::{Outcome, Reason, Verdict};
use spur_trace::{HopError, sanitize_for_terminal};

use crate::{
    attempts::Undelivered,
    body::{Guard, ResponseBody},
    failure,
    fields::{Field, Fields},
    grpc_web::GrpcWeb,
    request::is_grpc,
    sanitise::BadRequest,
};

/// Says why we answered ourselves; upstreams' responses never get it.
pub(crate) const SPUR_REASON: HeaderName = HeaderName::from_static("spur-reason");

/// What a client can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Text, with a hint on a line of its own.
    Text,
    /// A JSON object.
    Json,
    /// A response of trailers only
    /// (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>).
    Grpc,
    /// The same where trailers cannot be read: they are headers
    /// (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md>).
    GrpcWeb,
}

/// Why a request is answered by us.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    /// Stable: scripts may compare it.
    code: &'static str,
    message: String,
    hint: &'static str,
    /// The client's connection cannot serve another request.
    closes: bool,
}

/// Makes the response; `guard` lives until it is sent.
pub(crate) fn respond(refusal: &Refusal, shape: Shape, guard: Guard) -> Response<ResponseBody> {
    let (status, content_type, text) = match shape {
        Shape::Text => (refusal.status, "text/plain; charset=utf-8", refusal.text()),
        Shape::Json => (refusal.status, "application/json", refusal.json()),
        Shape::Grpc => (StatusCode::OK, "application/grpc", String::new()),
        Shape::GrpcWeb => (StatusCode::OK, "application/grpc-web+proto", String::new()),
    };
    let body = Full::new(Bytes::from(text));
    let mut rsp = Response::new(ResponseBody::Own(body, guard));
    *rsp.status_mut() = status;
    let headers = rsp.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(SPUR_REASON, HeaderValue::from_static(refusal.code));
    // Over HTTP/2 hyper takes it off: there a stream is all that ends.
    if refusal.closes {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if shape.is_grpc() {
        headers.insert("grpc-status", HeaderValue::from_static(refusal.grpc_status()));
        headers.insert("grpc-message", refusal.grpc_message());
    }
    rsp
}

/// How a gRPC response ends that the upstream broke off.
pub(crate) fn grpc_trailers(error: HopError) -> HeaderMap {
    let refusal = Refusal {
        status: failure::status(error),
        code: error.code(),
        message: failure::words(error).to_owned(),
        hint: failure::hint(error),
        closes: false,
    };
    let mut trailers = HeaderMap::with_capacity(3);
    trailers.insert("grpc-status", HeaderValue::from_static(refusal.grpc_status()));
    trailers.insert("grpc-message", refusal.grpc_message());
    trailers.insert(SPUR_REASON, HeaderValue::from_static(refusal.code));
    trailers
}

// === impl Shape ===

impl Shape {
    /// What the request's headers say its sender can read. JSON only where it is
    /// asked for and text is not; `*/*` is text.
    pub(crate) fn of(headers: &HeaderMap, fields: Fields) -> Self {
        if fields.has(Field::ContentType) {
            if is_grpc(headers) {
                return Self::Grpc;
            }
            if GrpcWeb::of(headers).is_some() {
                return Self::GrpcWeb;
            }
        }
        if !fields.has(Field::Accept) {
            return Self::Text;
        }
        let accepts = |kind: &str| {
            headers
                .get_all(header::ACCEPT)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .any(|value| value.contains(kind))
        };
        if accepts("application/json") && !accepts("text/") { Self::Json } else { Self::Text }
    }

    /// Whether what is answered has a status of gRPC's.
    pub(crate) fn is_grpc(self) -> bool {
        match self {
            Self::Grpc | Self::GrpcWeb => true,
            Self::Text | Self::Json => false,
        }
    }
}

// === impl Refusal ===

impl Refusal {
    /// A request that is refused as it stands.
    pub(crate) fn bad_request(bad: BadRequest) -> Self {
        Self {
            status: bad.status(),
            code: bad.code(),
            message: bad.to_string(),
            hint: "look at what the client sends",
            closes: bad.closes(),
        }
    }

    /// A request whose verdict is to refuse it.
    pub(crate) fn verdict(verdict: &Verdict) -> Self {
        let status = match &verdict.outcome {
            Outcome::Refuse { status, .. } => StatusCode::from_u16(*status).ok(),
            Outcome::Forward { .. } | Outcome::Respond { .. } => None,
        };
        Self {
            status: status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
            code: verdict.reason.code(),
            message: sanitize_for_terminal(&verdict.sentence()).into_owned(),
            hint: verdict_hint(verdict),
            closes: false,
        }
    }

    /// A request that no endpoint answered.
    pub(crate) fn undelivered(undelivered: &Undelivered, verdict: &Verdict) -> Self {
        let Undelivered { error, endpoint, n_tried } = undelivered;
        let service = verdict.service.as_deref().map_or_else(|| "?".to_owned(), ToString::to_string);
        let tried = match n_tried {
            1 => String::new(),
            n => format!(" (and {} others before it)", n - 1),
        };
        Self {
            status: failure::status(*error),
            code: error.code(),
            message: format!(
                "service `{service}`, {}: tried pod `{}` at {}{tried}, and {}",
                verdict.version,
                endpoint.pod,
                endpoint.address,
                failure::words(*error)
            ),
            hint: failure::hint(*error),
            // What is left of a body that is not valid is no request.
            closes: *error == HopError::BadRequestBody,
        }
    }

    /// A request for a destination of which every endpoint is left out.
    pub(crate) fn no_healthy_endpoint(verdict: &Verdict) -> Self {
        Self::of_destination(HopError::NoHealthyEndpoint, verdict)
    }

    /// A request that was sent to none of its destination's endpoints.
    pub(crate) fn of_destination(error: HopError, verdict: &Verdict) -> Self {
        let service = verdict.service.as_deref().map_or_else(|| "?".to_owned(), ToString::to_string);
        Self {
            status: failure::status(error),
            code: error.code(),
            message: format!("service `{service}`: {}", failure::words(error)),
            hint: failure::hint(error),
            closes: false,
        }
    }

    fn text(&self) -> String {
        let Self { status, code, message, hint, closes: _ } = self;
        format!("{} {code}: {message}\nhint: {hint}\n", status.as_u16())
    }

    fn json(&self) -> String {
        let Self { status, code, message, hint, closes: _ } = self;
        let status = status.as_u16();
        serde_json::json!({ "status": status, "reason": code, "message": message, "hint": hint }).to_string()
    }

    /// The mapping for responses that gRPC did not make
    /// (<https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>).
    fn grpc_status(&self) -> &'static str {
        // DEADLINE_EXCEEDED, which a mapping of HTTP's statuses does not have.
        if self.code == HopError::DeadlineExceeded.code() || self.code == HopError::RouteTimeout.code() {
            return "4";
        }
        match self.status {
            // INTERNAL
            StatusCode::BAD_REQUEST => "13",
            // UNIMPLEMENTED
            StatusCode::NOT_FOUND => "12",
            // UNAVAILABLE
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => "14",
            // UNKNOWN
            _ => "2",
        }
    }

    /// Percent-encoded, as the protocol's `Status-Message` is.
    fn grpc_message(&self) -> HeaderValue {
        let message = format!("{}: {} (hint: {})", self.code, self.message, self.hint);
        let mut encoded = Vec::with_capacity(message.len());
        for byte in message.bytes() {
            match byte {
                b' '..=b'~' if byte != b'%' => encoded.push(byte),
                _ => encoded.extend_from_slice(format!("%{byte:02X}").as_bytes()),
            }
        }
        HeaderValue::from_bytes(&encoded).expect("printable ASCII is a header value")
    }
}

fn verdict_hint(verdict: &Verdict) -> &'static str {
    // Services' names are labels (RFC 1035), the hosts of ServiceEntries nearly always several.
    let is_entry = verdict.service.as_ref().is_some_and(|service| service.name.contains('.'));
    match verdict.reason {
        Reason::UnknownHost => "check the names in the host; `kubectl get services -A` lists what is there",
        Reason::UnresolvedHost => "check the host's name, and whether this machine resolves it",
        Reason::NotOutside => {
            "run the pod on the shared network (annotation `spur.dev/network: shared`) to reach programs of this machine"
        }
        Reason::UnknownSandbox => "check the sandbox's name; `kubectl get sandboxes -A` lists what is there",
        Reason::UnknownService | Reason::UnknownPort => {
            "check the Service and its ports; `kubectl get services -A` lists what is there"
        }
        Reason::NoRoute => "look at the conditions of the rules: `spur explain` says which one fails",
        Reason::Misdirected => {
            "make another connection for this host: its server may ask for another certificate"
        }
        Reason::UnknownDestination => {
            "compare the rule's destination with the Services and the subsets of the DestinationRule"
        }
        Reason::NoReadyEndpoints if is_entry => {
            "look at the endpoints of the ServiceEntry: a name that cannot be resolved gives none"
        }
        Reason::NoReadyEndpoints => {
            "look at the pods behind the Service: `kubectl get pods`, then `kubectl describe pod`"
        }
        Reason::ForkNotReady => {
            "look at the fork's pods, or let the baseline stand in with `fallback: baseline`"
        }
        Reason::NoKey
        | Reason::Forked
        | Reason::NotForked
        | Reason::UnknownKey
        | Reason::ForkNotReadyFellBack
        | Reason::Outside
        | Reason::Redirected
        | Reason::Responded => "try again",
    }
}
