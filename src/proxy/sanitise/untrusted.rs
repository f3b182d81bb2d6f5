//! What is taken off requests of clients whose word does not count (`trust`), and of clients of
//! whom nothing is known.
//!
//! Routing keys are taken off, not just ignored: what is sent on is handed on by the services, and
//! their calls are trusted. The key that a preview host names stays, since a host is an address
//! and no word about one. Carriers that the routing table adds (a cookie, a query parameter,
//! headers) are its configuration's own decision and stay.

use http::{HeaderMap, HeaderName, HeaderValue};
use spur_route::{BAGGAGE_KEYS, TRACESTATE_KEYS, baggage, key_headers, tracestate};

/// Headers that the proxy sets or reads, so that a name with `_` in the place of `-` would be taken
/// for ours by a service that reads CGI variables.
const OURS: [&str; 13] = [
    "content-length",
    "content-type",
    "grpc-timeout",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "sec-websocket-key",
    "spur-key",
    "transfer-encoding",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
];

/// Takes routing keys off; whether there were any.
pub(crate) fn strip_keys(headers: &mut HeaderMap) -> bool {
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

/// Takes off names with `_` that a service could take for another header: their twin with `-` is
/// there, or is one of ours. nginx drops all names with `_` (`underscores_in_headers`), Envoy may
/// (`headers_with_underscores_action`); most of them are harmless, and some are an application's.
pub(crate) fn strip_twins(headers: &mut HeaderMap) {
    let twins: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().contains('_'))
        .filter(|name| {
            let twin = name.as_str().replace('_', "-");
            OURS.contains(&&*twin) || headers.keys().any(|other| *other != **name && is_twin(other, &twin))
        })
        .cloned()
        .collect();
    for name in twins {
        headers.remove(name);
    }
}

/// Whether a name is read as `twin`, which has no `_`. `a_b-c` and `a-b_c` are twins, too.
fn is_twin(name: &HeaderName, twin: &str) -> bool {
    let name = name.as_str().bytes().map(|byte| if byte == b'_' { b'-' } else { byte });
    name.eq(twin.bytes())
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

    #[test]
    fn names_that_could_be_taken_for_others_are_taken_off() {
        let mut found = headers(&[
            ("x_forwarded_for", "1"),
            ("x-forwarded_host", "1"),
            ("spur_key", "a"),
            ("x-user-id", "1"),
            ("x_user_id", "2"),
            ("app_version", "3"),
        ]);
        strip_twins(&mut found);
        assert_eq!(found, headers(&[("x-user-id", "1"), ("app_version", "3")]));
        let mut both = headers(&[("a_b-c", "1"), ("a-b_c", "1")]);
        strip_twins(&mut both);
        assert!(both.is_empty(), "neither is the right one");
    }
}
