//! Who is answered: programs of this machine, and no web page.
//!
//! The listener has no credentials. What keeps a page of the web from reading traces is that
//! browsers show answers to their own site only, which a site gets around by naming this machine's
//! address as its own (DNS rebinding); then the request names that site as its host.

use http::uri::Authority;
use http::{HeaderMap, Uri, header};

/// Names under which containers know the machine that they run on, and pods this listener; nobody
/// can have them as names of the internet.
const OF_CONTAINERS: [&str; 5] = [
    "host.docker.internal",
    "host.containers.internal",
    "telemetry.kube-system",
    "telemetry.kube-system.svc",
    "telemetry.kube-system.svc.cluster.local",
];

/// Whether a request is for this machine by its own words. One that names no host is: only HTTP/1.0
/// and hand-written ones do not.
pub(crate) fn is_for_us(uri: &Uri, headers: &HeaderMap) -> bool {
    let named = headers.get(header::HOST).map(|host| host.to_str().ok()?.parse::<Authority>().ok());
    match (uri.authority(), named) {
        (Some(authority), _) => is_ours(authority.host()),
        (None, Some(Some(authority))) => is_ours(authority.host()),
        (None, Some(None)) => false,
        (None, None) => true,
    }
}

/// An address cannot be bound to another one by a name server.
fn is_ours(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    address.parse::<std::net::IpAddr>().is_ok()
        || host == "localhost"
        // RFC 6761, 6.3: these names are this machine's.
        || host.ends_with(".localhost")
        || OF_CONTAINERS.contains(&&*host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine_are_answered_and_no_others() {
        let path = Uri::from_static("/v1/traces");
        for (host, expected) in [
            ("127.0.0.1:4318", true),
            ("[::1]:4318", true),
            ("localhost", true),
            ("a.LOCALHOST:1", true),
            ("host.docker.internal:4318", true),
            ("telemetry.kube-system.svc:4318", true),
            ("evil.example:4318", false),
            ("localhost.evil.example", false),
            ("a b", false),
        ] {
            let headers = HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
            assert_eq!(is_for_us(&path, &headers), expected, "{host}");
        }
        assert!(is_for_us(&path, &HeaderMap::new()));
        assert!(!is_for_us(&Uri::from_static("http://evil.example/v1/traces"), &HeaderMap::new()));
    }
}
