//! Interim responses (1xx) of upstreams, passed on to clients of HTTP/1.1 and HTTP/2 (RFC 9110 15.2).
//!
//! Not `100 Continue`, which we say ourselves as soon as the body is wanted.

use std::sync::Arc;

use http::{HeaderMap, Response, StatusCode, header};
use spur_net::{Interim, Pace};

use crate::{fields::Fields, http2::Responding, sanitise::strip_response};

/// Whom a request's interim responses are for.
#[derive(Clone, Debug)]
pub(crate) enum Interims {
    /// A connection of HTTP/1.1.
    Connection(Pace),
    /// A stream of HTTP/2.
    Stream(Arc<Responding>),
}

/// One try of a request is under way; when this is dropped, its interim responses come too late.
#[derive(Debug)]
pub(crate) enum Passing {
    Connection(spur_net::Passing),
    /// With its number.
    Stream(Arc<Responding>, u32),
}

/// Where the interim responses to one try go.
#[derive(Debug)]
pub(crate) enum Sink {
    Connection(Interim),
    /// With the try's number.
    Stream(Arc<Responding>, u32),
}

// === impl Interims ===

impl Interims {
    /// A try begins.
    pub(crate) fn begin(&self) -> Passing {
        match self {
            Self::Connection(pace) => Passing::Connection(pace.pass_interims()),
            Self::Stream(responding) => Passing::Stream(Arc::clone(responding), responding.begin()),
        }
    }
}

// === impl Passing ===

impl Passing {
    pub(crate) fn sink(&self) -> Sink {
        match self {
            Self::Connection(passing) => Sink::Connection(passing.interim()),
            Self::Stream(responding, number) => Sink::Stream(Arc::clone(responding), *number),
        }
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        if let Self::Stream(responding, _) = self {
            responding.end();
        }
    }
}

// === impl Sink ===

impl Sink {
    /// Passes one on; it may be left out.
    pub(crate) fn pass(&self, status: StatusCode, headers: &HeaderMap) {
        // To switch is agreed upon otherwise, and not at all in streams (RFC 9113 8.6).
        if matches!(status, StatusCode::CONTINUE | StatusCode::SWITCHING_PROTOCOLS) {
            return;
        }
        let mut headers = headers.clone();
        let fields = Fields::of(&headers);
        strip_response(&mut headers, fields);
        // It has no body (RFC 9110 8.6, 15.2).
        headers.remove(header::CONTENT_LENGTH);
        let _may_be_left_out = match self {
            Self::Connection(interim) => interim.pass(&head(status, &headers)),
            Self::Stream(responding, number) => {
                let mut interim = Response::new(());
                *interim.status_mut() = status;
                *interim.headers_mut() = headers;
                responding.pass(*number, interim)
            }
        };
    }
}

/// A head as HTTP/1 has it.
fn head(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let reason = status.canonical_reason().unwrap_or_default();
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    head.extend_from_slice(b"\r\n");
    head
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_head_is_written_as_it_stands_on_the_wire() {
        let mut headers = HeaderMap::new();
        headers.append("link", HeaderValue::from_static("</a.css>; rel=preload"));
        headers.append("link", HeaderValue::from_static("</b.js>; rel=preload"));
        let written = head(StatusCode::EARLY_HINTS, &headers);
        let wanted = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\
                      link: </b.js>; rel=preload\r\n\r\n";
        assert_eq!(String::from_utf8(written).unwrap(), wanted);
    }
}
