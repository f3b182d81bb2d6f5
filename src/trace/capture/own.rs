//! Heads in memory of their own.
//!
//! What was read from a connection is a part of the buffer that it came in, and holds all of it: 8 KiB
//! and more for a value of ten bytes. 31,000 captures that counted as 32 MiB took 230 MB so (release
//! build, 30 Nov 2026).

use bytes::{Bytes, BytesMut};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue};

/// A copy of headers that holds nothing else.
///
/// # Panics
/// Never: the bytes of a value are a value.
#[must_use]
pub fn own_headers(headers: &HeaderMap) -> HeaderMap {
    let mut own = headers.clone();
    let n_bytes = headers.values().map(HeaderValue::len).sum();
    let mut texts = BytesMut::with_capacity(n_bytes);
    for value in own.values_mut() {
        texts.extend_from_slice(value.as_bytes());
        let text = texts.split().freeze();
        let mut copy = HeaderValue::from_maybe_shared(text).expect("a value is one");
        copy.set_sensitive(value.is_sensitive());
        *value = copy;
    }
    own
}

/// A copy of a target that holds nothing else.
///
/// # Panics
/// Never: the text of a target is a target.
#[must_use]
pub fn own_target(target: &str) -> PathAndQuery {
    PathAndQuery::from_maybe_shared(Bytes::copy_from_slice(target.as_bytes())).expect("a target is one")
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    #[test]
    fn a_copy_holds_nothing_of_the_buffer() {
        let buffer = Bytes::from(b"/a?b secret of a head".repeat(1_000));
        let mut headers = HeaderMap::new();
        for range in [0..4, 5..11, 5..11] {
            let value = HeaderValue::from_maybe_shared(buffer.slice(range)).unwrap();
            headers.append(header::COOKIE, value);
        }
        headers.get_mut(header::COOKIE).unwrap().set_sensitive(true);
        let target = PathAndQuery::from_maybe_shared(buffer.slice(0..4)).unwrap();

        let (own, own_target) = (own_headers(&headers), own_target(target.as_str()));
        assert_eq!((&own, &own_target), (&headers, &target));
        let is_sensitive: Vec<bool> = own.values().map(HeaderValue::is_sensitive).collect();
        assert_eq!(is_sensitive, [true, false, false]);
        drop((headers, target));
        assert!(buffer.is_unique(), "the copies hold none of it");
    }
}
