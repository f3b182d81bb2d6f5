//! What is taken off requests of clients whose word does not count (`trust`), and of clients of
//! whom nothing is known.
//!
//! Routing keys are taken off ([`strip_keys`](spur_route::strip_keys)), not just ignored: what is
//! sent on is handed on by the services, and their calls are trusted. Carriers that the routing
//! table adds (a cookie, a query parameter, headers) are its configuration's own decision and stay.

use http::{HeaderMap, HeaderName};

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

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
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
