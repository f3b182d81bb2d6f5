//! Taking routing keys off a request, from whichever header they stand in.
//!
//! What is left of `baggage` and `tracestate` stays as it was written. The key that a preview host
//! names stays, since a host is an address; so do carriers that the routing table adds.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::carrier::{BAGGAGE_KEYS, TRACESTATE_KEYS, key_headers};
use crate::{baggage, tracestate};

/// Takes routing keys off; whether there were any.
pub fn strip_keys(headers: &mut HeaderMap) -> bool {
    let mut had_keys = false;
    for name in key_headers() {
        had_keys |= headers.remove(name).is_some();
    }
    let is_key = |member: &baggage::Member<'_>| BAGGAGE_KEYS.iter().any(|key| key.as_bytes() == member.name);
    if baggage::members(headers).any(|member| is_key(&member)) {
        let kept: Vec<&[u8]> =
            baggage::members(headers).filter(|member| !is_key(member)).map(|member| member.raw).collect();
        let kept = kept.join(&b","[..]);
        replace(headers, &baggage::BAGGAGE, &kept);
        had_keys = true;
    }
    let is_key =
        |member: &tracestate::Member<'_>| TRACESTATE_KEYS.iter().any(|key| key.as_bytes() == member.key);
    if tracestate::members(headers).any(|member| is_key(&member)) {
        let kept: Vec<&[u8]> =
            tracestate::members(headers).filter(|member| !is_key(member)).map(|member| member.raw).collect();
        let kept = kept.join(&b","[..]);
        replace(headers, &tracestate::TRACESTATE, &kept);
        had_keys = true;
    }
    had_keys
}

fn replace(headers: &mut HeaderMap, name: &HeaderName, list: &[u8]) {
    if list.is_empty() {
        headers.remove(name);
        return;
    }
    let list = HeaderValue::from_bytes(list).expect("parts of header values joined are a header value");
    headers.insert(name, list);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn keys_are_taken_off_and_other_members_stay_as_they_are() {
        let mut found = headers(&[
            ("spur-key", "a"),
            ("ot-baggage-sd-routing-key", "a"),
            ("uberctx-sd-routing-key", "a"),
            ("baggage", "user=7;p=1 , spur-key=a"),
            ("baggage", "sd-routing-key=a,z=%20"),
            ("tracestate", "spur=a,vendor=x"),
            ("x-kept", "1"),
        ]);
        assert!(strip_keys(&mut found));
        assert_eq!(
            found,
            headers(&[("baggage", "user=7;p=1,z=%20"), ("tracestate", "vendor=x"), ("x-kept", "1")])
        );
        assert!(!strip_keys(&mut found));
        let mut only = headers(&[("baggage", "spur-key=a")]);
        assert!(strip_keys(&mut only));
        assert_eq!(only, HeaderMap::new());
    }
}
