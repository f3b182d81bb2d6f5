//! The parts of a capture.

use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use serde::{Deserialize, Serialize};

use super::{BODY_MAX_BYTES, octets};
use crate::record::HopId;
use crate::text;

/// What a header takes beside its text: its place in the map (`http` 1: name, value, hash and links)
/// and in the index.
const HEADER_BYTES: usize = size_of::<HeaderName>() + size_of::<HeaderValue>() + 48;

/// One hop's request and response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// Of which hop.
    #[serde(flatten)]
    pub id: HopId,
    /// Whether secrets were taken out of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_redacted: bool,
    /// What the client sent.
    pub request: CapturedRequest,
    /// What it got; absent where it got nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<CapturedResponse>,
}

/// A request as it came, without what belongs to its connection (RFC 9110 7.6.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapturedRequest {
    /// The HTTP method.
    #[serde(with = "text::parsed")]
    pub method: Method,
    /// Whether it came over TLS.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_tls: bool,
    /// The host and port that it names; absent for HTTP/1.0 without one.
    pub authority: Option<Arc<str>>,
    /// The path and query.
    #[serde(with = "text::parsed")]
    pub target: PathAndQuery,
    /// The HTTP version.
    #[serde(with = "text::http_version")]
    pub http_version: Version,
    /// The headers.
    #[serde(with = "octets::headers")]
    pub headers: HeaderMap,
    /// The body.
    pub body: CapturedBody,
    /// From the hop's start to the end of the body, where that came.
    #[serde(rename = "ended_us", with = "text::micros_option", default)]
    pub ended: Option<Duration>,
}

/// A response as the client got it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapturedResponse {
    /// The HTTP status.
    pub status: u16,
    /// From the hop's start to the response's head.
    #[serde(rename = "began_us", with = "text::micros")]
    pub began: Duration,
    /// The headers.
    #[serde(with = "octets::headers")]
    pub headers: HeaderMap,
    /// The body.
    pub body: CapturedBody,
    /// The trailers, where there are any.
    #[serde(with = "octets::headers", default, skip_serializing_if = "HeaderMap::is_empty")]
    pub trailers: HeaderMap,
}

/// The beginning of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapturedBody {
    /// Its first bytes, [`BODY_MAX_BYTES`] at most.
    #[serde(flatten, with = "octets::bytes")]
    pub bytes: Vec<u8>,
    /// How long it is, as far as it came.
    pub n_bytes: u64,
    /// Whether it came to its end.
    pub has_ended: bool,
}

// === impl Capture ===

impl Capture {
    /// What it takes in memory.
    pub(crate) fn n_bytes(&self) -> usize {
        let headers = |headers: &HeaderMap| -> usize {
            headers.iter().map(|(name, value)| HEADER_BYTES + name.as_str().len() + value.len()).sum()
        };
        let Self { id: _, is_redacted: _, request, response } = self;
        let of_request = headers(&request.headers) + request.body.bytes.capacity();
        let of_response = response.as_ref().map_or(0, |response| {
            headers(&response.headers) + headers(&response.trailers) + response.body.bytes.capacity()
        });
        size_of::<Self>() + request.target.as_str().len() + of_request + of_response
    }
}

// === impl CapturedBody ===

impl CapturedBody {
    /// Takes further bytes in, as far as there is room.
    pub fn add(&mut self, bytes: &[u8]) {
        self.n_bytes += bytes.len() as u64;
        let room = BODY_MAX_BYTES.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Whether there was more than is kept.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.n_bytes > self.bytes.len() as u64
    }

    /// Whether it is kept from beginning to end, so that it can be sent again.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.has_ended && !self.is_cut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_kept_up_to_its_bound_and_counted_beyond() {
        let mut body = CapturedBody::default();
        body.add(&[1; BODY_MAX_BYTES - 1]);
        assert!(!body.is_cut() && !body.is_whole());
        body.add(&[2, 3, 4]);
        body.has_ended = true;
        assert_eq!((body.bytes.len(), body.n_bytes), (BODY_MAX_BYTES, BODY_MAX_BYTES as u64 + 2));
        assert!(body.bytes.ends_with(&[1, 2]) && body.is_cut() && !body.is_whole());
    }
}
