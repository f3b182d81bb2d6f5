//! Why a request is refused as it stands: in words, as a status, and as a stable code.
//!
//! Making the answer is `respond`'s.

use http::StatusCode;
use spur_net::HeadFault;

/// A request that is refused as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadRequest {
    #[error("the request has no Host header, and HTTP/1.1 wants exactly one")]
    NoHost,
    #[error("the request has several Host headers, and HTTP wants exactly one")]
    ManyHosts,
    #[error("the host is not of the form `host` or `host:port`")]
    InvalidHost,
    #[error("the Host header differs from `:authority`")]
    HostDiffers,
    #[error("the request target is neither a path nor an `http` URL")]
    InvalidTarget,
    #[error("the request target is longer than {0} bytes")]
    LongTarget(usize),
    #[error("the path has an escaped slash or backslash")]
    EscapedSlash,
    #[error("the request has more than {0} headers")]
    ManyHeaders(usize),
    #[error(transparent)]
    Head(#[from] HeadFault),
    #[error("no byte of the request's body came in time")]
    BodyTimeout,
    #[error("the transfer encoding is not exactly `chunked`")]
    TransferEncoding,
    #[error(
        "the method CONNECT is not supported, unless it is for a WebSocket over HTTP/2 or, with `--limit connect=services`, for a port of a Service"
    )]
    Connect,
    #[error("a CONNECT is for `host:port`, and has no body")]
    InvalidConnect,
    #[error("a WebSocket handshake is a GET of HTTP/1.1 without a body and with one `sec-websocket-key`")]
    InvalidUpgrade,
}

// === impl BadRequest ===

impl BadRequest {
    /// The status of the answer (RFC 9110 15.5, 15.6).
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::NoHost
            | Self::ManyHosts
            | Self::InvalidHost
            | Self::HostDiffers
            | Self::InvalidTarget
            | Self::EscapedSlash
            | Self::InvalidConnect
            | Self::InvalidUpgrade => StatusCode::BAD_REQUEST,
            Self::LongTarget(_) => StatusCode::URI_TOO_LONG,
            // RFC 6585 5.
            Self::ManyHeaders(_) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Head(HeadFault::TransferEncoding) | Self::TransferEncoding | Self::Connect => {
                StatusCode::NOT_IMPLEMENTED
            }
            Self::Head(
                HeadFault::LengthAndCoding
                | HeadFault::ManyLengths
                | HeadFault::InvalidLength
                | HeadFault::BareLineFeed
                | HeadFault::Fragment
                | HeadFault::AfterBadBody,
            ) => StatusCode::BAD_REQUEST,
        }
    }

    /// The stable code for `spur-reason`.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::NoHost => "no-host",
            Self::ManyHosts => "many-hosts",
            Self::InvalidHost => "invalid-host",
            Self::HostDiffers => "host-differs",
            Self::InvalidTarget => "invalid-target",
            Self::LongTarget(_) => "long-target",
            Self::EscapedSlash => "escaped-slash",
            Self::ManyHeaders(_) => "many-headers",
            Self::BodyTimeout => "body-timeout",
            Self::Head(HeadFault::LengthAndCoding) => "length-and-coding",
            Self::Head(HeadFault::ManyLengths) => "many-lengths",
            Self::Head(HeadFault::InvalidLength) => "invalid-length",
            Self::Head(HeadFault::BareLineFeed) => "bare-line-feed",
            Self::Head(HeadFault::Fragment) => "fragment",
            Self::Head(HeadFault::AfterBadBody) => "after-bad-body",
            Self::Head(HeadFault::TransferEncoding) | Self::TransferEncoding => "transfer-encoding",
            Self::Connect => "connect-not-supported",
            Self::InvalidConnect => "invalid-connect",
            Self::InvalidUpgrade => "invalid-upgrade",
        }
    }

    /// What is left of the connection cannot be told apart, so it has to be closed (RFC 9112 6.3).
    pub(crate) fn closes(self) -> bool {
        matches!(self, Self::Head(_) | Self::BodyTimeout)
    }
}
