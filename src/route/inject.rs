//! Writing a routing key into a request, so that whatever of it a service
//! forwards, the key goes along.

use http::{HeaderMap, HeaderValue};

use crate::carrier::{BAGGAGE_KEY, SPUR_KEY, TRACESTATE_KEY, is_valid_key};
use crate::{baggage, tracestate};

/// Sets the `spur-key` header and merges `spur-key` into `baggage` and `spur`
/// into `tracestate`. Other members stay, except whole ones beyond the limits
/// of the W3C; their number is returned. A key that is not valid
/// ([`is_valid_key`]) is not written.
///
/// `tracestate` counts only beside a `traceparent`
/// (<https://www.w3.org/TR/trace-context-2/#tracestate-header>), which the
/// caller sees to.
pub fn inject_key(headers: &mut HeaderMap, key: &str) -> usize {
    if !is_valid_key(key.as_bytes()) {
        return 0;
    }
    let value = HeaderValue::from_str(key).expect("a token is a header value");
    headers.insert(&SPUR_KEY, value);
    baggage::merge(headers, BAGGAGE_KEY, key) + tracestate::merge(headers, TRACESTATE_KEY, key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_into_all_three() {
        let mut headers = HeaderMap::new();
        headers.append("spur-key", HeaderValue::from_static("old"));
        headers.append("spur-key", HeaderValue::from_static("older"));
        headers.append("baggage", HeaderValue::from_static("user=1"));
        headers.append("tracestate", HeaderValue::from_static("vendor=x"));
        assert_eq!(inject_key(&mut headers, "pr-421"), 0);
        assert_eq!(headers.get_all("spur-key").iter().count(), 1);
        assert_eq!(headers["spur-key"], "pr-421");
        assert_eq!(headers["baggage"], "spur-key=pr-421,user=1");
        assert_eq!(headers["tracestate"], "spur=pr-421,vendor=x");
    }

    #[test]
    fn injecting_twice_is_injecting_once() {
        let mut headers = HeaderMap::new();
        inject_key(&mut headers, "pr-421");
        let once = headers.clone();
        inject_key(&mut headers, "pr-421");
        assert_eq!(headers, once);
    }

    #[test]
    fn what_is_no_key_is_not_written() {
        let mut headers = HeaderMap::new();
        inject_key(&mut headers, "a,b=c");
        inject_key(&mut headers, "");
        assert!(headers.is_empty());
    }
}
