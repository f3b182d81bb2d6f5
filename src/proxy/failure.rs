//! What a failed hop means for the client: which status, in which words, with
//! which hint. The failures themselves are trace's [`HopError`].

use http::StatusCode;
use spur_trace::{HopError, TlsFault};

use crate::incoming::Broken;

/// What an error means that comes before the response has begun.
pub(crate) fn before_response(error: &Broken) -> HopError {
    match error {
        Broken::Http1(error) if error.is_parse() => HopError::BadResponse,
        Broken::Http2(error) if is_unprocessed(error) => HopError::StreamRefused,
        // HTTP/2 was spoken to something that answers otherwise.
        Broken::Http2(error) if error.is_library() && error.reason().is_some() => HopError::BadResponse,
        Broken::Http1(_) | Broken::Http2(_) | Broken::NotKept => HopError::UpstreamClosed,
    }
}

/// Whether the upstream says that it did nothing with a request: it refused the stream, or goes and
/// takes no more (RFC 9113 6.8, 8.7).
fn is_unprocessed(error: &h2::Error) -> bool {
    let reason = error.reason();
    let is_refused = error.is_reset() && reason == Some(h2::Reason::REFUSED_STREAM);
    let is_going = error.is_go_away() && reason == Some(h2::Reason::NO_ERROR);
    error.is_remote() && (is_refused || is_going)
}

/// Whether a connection that had served before may have been closing already when the request was
/// sent, of which nobody is at fault. A stream that is reset is an answer.
pub(crate) fn may_be_stale(error: &Broken) -> bool {
    match error {
        Broken::Http1(error) => !error.is_parse(),
        Broken::Http2(error) => error.is_io() || error.is_go_away(),
        Broken::NotKept => false,
    }
}

/// The status of our answer (RFC 9110 15.6.3, 15.6.5).
pub(crate) fn status(error: HopError) -> StatusCode {
    match error {
        HopError::ConnectTimeout
        | HopError::ResponseTimeout
        | HopError::RouteTimeout
        | HopError::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        HopError::ConnectRefused
        | HopError::ConnectFailed
        | HopError::UpstreamClosed
        | HopError::BadResponse
        | HopError::ResponseAborted => StatusCode::BAD_GATEWAY,
        HopError::WebSocketOverH2 => StatusCode::NOT_IMPLEMENTED,
        HopError::ClientGone | HopError::BadRequestBody | HopError::RejectedRequest => {
            StatusCode::BAD_REQUEST
        }
        // Envoy's `UF` (upstream connection failure) is a 503.
        HopError::TlsFailed(_)
        | HopError::StreamRefused
        | HopError::NoHealthyEndpoint
        | HopError::OverLimit
        | HopError::Idle
        | HopError::TooOld
        | HopError::Draining => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// What happened, to follow the endpoint's name.
pub(crate) fn words(error: HopError) -> &'static str {
    match error {
        HopError::ConnectRefused => "the connection was refused",
        HopError::ConnectTimeout => "the connection was not accepted in time",
        HopError::ConnectFailed => "the connection failed",
        HopError::TlsFailed(fault) => tls_words(fault),
        HopError::Idle => "no byte came for too long",
        HopError::TooOld => "the connection was open for longer than `maxConnectionDuration`",
        HopError::UpstreamClosed => "it closed the connection before it answered",
        HopError::BadResponse => "its answer is not a valid response",
        HopError::ResponseTimeout => "its response did not begin in time",
        HopError::ResponseAborted => "it broke off its response",
        HopError::ClientGone => "the client went away",
        HopError::BadRequestBody => "the request's body broke off or is not valid",
        HopError::RejectedRequest => "the request was not acceptable",
        HopError::RouteTimeout => "all of it took longer than the rule's `timeout`",
        HopError::DeadlineExceeded => "all of it took longer than the client's `grpc-timeout`",
        HopError::StreamRefused => "it refused the stream",
        HopError::WebSocketOverH2 => "it speaks HTTP/2 and takes no WebSockets there (RFC 8441)",
        HopError::NoHealthyEndpoint => "every endpoint has failed too often and is left out for a while",
        HopError::OverLimit => "a limit of the proxy or of the destination's connection pool was reached",
        HopError::Draining => "the proxy was stopped",
    }
}

/// What somebody could do about it.
pub(crate) fn hint(error: HopError) -> &'static str {
    match error {
        HopError::ConnectRefused => {
            "the pod counts as ready but nothing listens on its port; compare the Service's `targetPort` with the port that the process binds"
        }
        HopError::ConnectTimeout | HopError::ConnectFailed => {
            "the pod's address cannot be reached; look at the pod's status and events"
        }
        HopError::TlsFailed(fault) => tls_hint(fault),
        HopError::UpstreamClosed => {
            "the process may have crashed, or its port speaks another protocol; look at its logs, and at `appProtocol` of the Service's port"
        }
        HopError::BadResponse => {
            "the port may speak another protocol; set `appProtocol` (`http`, `kubernetes.io/h2c`, `grpc`, `tcp`) on the Service's port"
        }
        HopError::WebSocketOverH2 => {
            "give the Service a port with `appProtocol: http` for WebSockets, or let the server say SETTINGS_ENABLE_CONNECT_PROTOCOL"
        }
        HopError::RouteTimeout | HopError::DeadlineExceeded => {
            "the process is busy or stuck, or the time is short; look at its logs"
        }
        HopError::NoHealthyEndpoint => {
            "look at why the pods answer with errors; `outlierDetection` of the DestinationRule leaves them out"
        }
        HopError::ResponseTimeout => "the process is busy or stuck; look at its logs",
        HopError::BadRequestBody | HopError::RejectedRequest => "look at what the client sends",
        HopError::ResponseAborted
        | HopError::ClientGone
        | HopError::StreamRefused
        | HopError::OverLimit
        | HopError::Idle
        | HopError::TooOld
        | HopError::Draining => "try again",
    }
}

fn tls_words(fault: TlsFault) -> &'static str {
    match fault {
        TlsFault::Expired => "its certificate has expired",
        TlsFault::NotValidYet => "its certificate does not hold yet",
        TlsFault::UnknownIssuer => "its certificate is of no authority that is trusted",
        TlsFault::OtherName => "its certificate is for another name",
        TlsFault::BadCertificate => "its certificate is not valid",
        TlsFault::Refused => "it refused the TLS handshake",
        TlsFault::NoTls => "it does not speak TLS",
        TlsFault::Credential => "the certificates that its DestinationRule names cannot be used",
        TlsFault::Broken => "the connection failed during the TLS handshake",
    }
}

fn tls_hint(fault: TlsFault) -> &'static str {
    match fault {
        TlsFault::Expired | TlsFault::NotValidYet | TlsFault::BadCertificate => {
            "renew the certificate of the upstream; `openssl s_client` shows it"
        }
        TlsFault::UnknownIssuer => {
            "put the authority into `ca.crt` of the Secret that `tls.credentialName` of the DestinationRule names"
        }
        TlsFault::OtherName => {
            "set `tls.sni` or `tls.subjectAltNames` of the DestinationRule to a name in the certificate"
        }
        TlsFault::Refused => {
            "the upstream may want a client's certificate: `tls.mode: MUTUAL` of the DestinationRule shows one"
        }
        TlsFault::NoTls => {
            "remove `tls` from the DestinationRule, or set its port to the one that speaks TLS"
        }
        TlsFault::Credential => {
            "look whether the Secret is there, beside the DestinationRule, with `tls.crt`, `tls.key` and `ca.crt`"
        }
        TlsFault::Broken => "look at the upstream's logs",
    }
}
