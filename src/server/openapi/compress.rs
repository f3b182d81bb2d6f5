//! Large documents compressed, for clients that take that: they are asked for once and kept.
//!
//! No other answer is compressed: clients are on this machine, where it costs more than it saves.
//! For Go's clients, which ask for gzip unasked and unpack it unseen, nothing changes.
//!
//! Source: `apiserver/pkg/endpoints/handlers/responsewriters/writers.go`.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, ETAG, HeaderValue, VARY};

use crate::answer::{self, Answer};

/// Smallest document that is compressed: 128 KiB (`defaultGzipThresholdBytes`).
const THRESHOLD_BYTES: usize = 128 * 1024;

/// A document under its tag, as [`answer::with_tag`].
pub(super) fn with_tag(
    headers: &HeaderMap,
    media_type: &'static str,
    tag: &str,
    make: impl FnOnce() -> Vec<u8>,
) -> Answer {
    let mut is_compressed = false;
    let mut answer = answer::with_tag(headers, media_type, tag, || {
        let bytes = make();
        if bytes.len() < THRESHOLD_BYTES || !takes_gzip(headers) {
            return bytes;
        }
        is_compressed = true;
        gzip(&bytes)
    });
    answer.headers_mut().insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if is_compressed {
        answer.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        // The same document in other bytes (RFC 9110 section 8.8.1).
        let weak = HeaderValue::from_str(&format!("W/{tag}")).expect("hex digits in quotes");
        answer.headers_mut().insert(ETAG, weak);
    }
    answer
}

/// RFC 9110 section 12.5.3; `*` is not taken for it, as in Kubernetes.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let all = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|part| part.strip_prefix("q=")).unwrap_or("1");
        is_gzip && weight.parse().is_ok_and(|weight: f32| weight > 0.0)
    })
}

/// At the level that Kubernetes takes (`defaultGzipContentEncodingLevel`): 1, the fastest.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes every byte")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(accept: &str, expected: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, accept.parse().expect("a header value"));
        assert_eq!(takes_gzip(&headers), expected, "{accept}");
    }

    #[test]
    fn only_who_names_gzip_gets_it() {
        check("gzip", true);
        check("deflate, GZIP;q=0.5", true);
        check("gzip;q=0, identity", false);
        check("br, *", false);
    }
}
