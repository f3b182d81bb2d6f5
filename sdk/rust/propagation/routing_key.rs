//! Reads the routing key out of a context, for a service's own logs and pages.
//! Which key a request *has* is decided by the proxy, which also knows
//! configured header names and preview hosts; nothing is routed by this.

use http::HeaderMap;

use super::lists;

/// Longer than any key that Spur hands out: a DNS name's length, as keys appear
/// in host names as well (RFC 1035, section 2.3.4).
const KEY_MAX_BYTES: usize = 253;

/// The members of `baggage` that carry a key, first choice first.
const BAGGAGE_MEMBERS: [&str; 2] = ["spur-key", "sd-routing-key"];

/// The members of `tracestate` that carry a key, first choice first.
const TRACESTATE_MEMBERS: [&str; 2] = ["spur", "sd-routing-key"];

/// Headers of older systems that hold a bare key.
const LEGACY: [&str; 2] = ["ot-baggage-sd-routing-key", "uberctx-sd-routing-key"];

/// The key in the order of carriers that the proxy uses; what is not a token
/// counts as absent.
pub(super) fn read(headers: &HeaderMap) -> Option<&str> {
    bare(headers, "spur-key")
        .or_else(|| first_member(headers, "baggage", &BAGGAGE_MEMBERS))
        .or_else(|| first_member(headers, "tracestate", &TRACESTATE_MEMBERS))
        .or_else(|| LEGACY.iter().find_map(|name| bare(headers, name)))
}

fn bare<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    token(headers.get(name)?.as_bytes())
}

fn first_member<'a>(headers: &'a HeaderMap, header: &str, names: &[&str]) -> Option<&'a str> {
    let lines = || headers.get_all(header).iter().map(http::HeaderValue::as_bytes);
    names.iter().find_map(|wanted| {
        lists::members(lines())
            .filter(|member| lists::name(member) == wanted.as_bytes())
            .find_map(member_value)
    })
}

/// `name = value ; properties` without name and properties.
fn member_value(member: &[u8]) -> Option<&str> {
    let start = member.iter().position(|byte| *byte == b'=')? + 1;
    token(member[start..].split(|byte| *byte == b';').next()?)
}

/// A token of RFC 9110, section 5.6.2: it can be printed and logged as it is.
fn token(bytes: &[u8]) -> Option<&str> {
    let bytes = bytes.trim_ascii();
    let is_token = (1..=KEY_MAX_BYTES).contains(&bytes.len())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte));
    if is_token { std::str::from_utf8(bytes).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn check(lines: &[(&'static str, &[u8])], expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let value = HeaderValue::from_bytes(value).unwrap();
            headers.append(HeaderName::from_static(name), value);
        }
        assert_eq!(read(&headers), expected, "{lines:?}");
    }

    #[test]
    fn each_carrier_is_read() {
        check(&[("spur-key", b"pr-1")], Some("pr-1"));
        check(&[("baggage", b"user=7, spur-key = pr-1;ttl=3")], Some("pr-1"));
        check(&[("baggage", b"a=1"), ("baggage", b"sd-routing-key=pr-1")], Some("pr-1"));
        check(&[("tracestate", b"vendor=x,spur=pr-1")], Some("pr-1"));
        check(&[("ot-baggage-sd-routing-key", b"pr-1")], Some("pr-1"));
        check(&[("uberctx-sd-routing-key", b"pr-1")], Some("pr-1"));
        check(&[("x-request-id", b"pr-1")], None);
    }

    #[test]
    fn the_first_carrier_in_order_wins() {
        let all: [(&str, &[u8]); 5] = [
            ("spur-key", b"a"),
            ("baggage", b"sd-routing-key=c,spur-key=b"),
            ("tracestate", b"sd-routing-key=e,spur=d"),
            ("ot-baggage-sd-routing-key", b"f"),
            ("uberctx-sd-routing-key", b"g"),
        ];
        for (skipped, expected) in ["a", "b", "d", "f", "g"].into_iter().enumerate() {
            check(&all[skipped..], Some(expected));
        }
    }

    #[test]
    fn what_is_not_a_token_counts_as_absent() {
        check(&[("spur-key", b"")], None);
        check(&[("spur-key", b"two words")], None);
        check(&[("spur-key", &[b'k'; 254])], None);
        check(&[("spur-key", b"\x9b31m"), ("baggage", b"spur-key=b")], Some("b"));
    }
}
