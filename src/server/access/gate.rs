//! What a browser may be tricked into: a foreign page that reaches this server
//! under a name of its own (DNS rebinding), or across origins.
//!
//! Source: `reliability-and-security` AP-15; Vite's CVE-2025-24010 is this bug in a
//! development server, and `kubectl proxy` has the same list of hosts.

use http::header::{HOST, ORIGIN};
use http::request::Parts;
use http::uri::Authority;
use spur_api::Status;

/// Names under which a server on this machine, and the API inside a cluster, is called.
const HOSTS: [&str; 7] = [
    "localhost",
    "127.0.0.1",
    "[::1]",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
];

/// Refuses a request whose `Host` is none of ours, or that a foreign page has made.
/// The port is not compared: a tunnel leads here from another one.
pub(super) fn check(parts: &Parts, hosts: &[String]) -> Result<(), Status> {
    let Some(authority) = authority(parts)? else {
        // Only HTTP/1.0 has no Host, and no browser speaks that.
        return Ok(());
    };
    let host = authority.host().to_ascii_lowercase();
    if !HOSTS.contains(&host.as_str()) && !hosts.contains(&host) {
        return Err(refused(&format!(
            "host `{host}` is not one of this server's names; hint: use 127.0.0.1 or localhost"
        )));
    }
    if let Some(origin) = text(parts, ORIGIN.as_str())
        && origin.split_once("://").is_none_or(|(_, site)| !site.eq_ignore_ascii_case(authority.as_str()))
    {
        return Err(refused(&format!("origin `{origin}` is another site's")));
    }
    // https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header
    if text(parts, "sec-fetch-site") == Some("cross-site") {
        return Err(refused("the request was made by another site's page"));
    }
    Ok(())
}

/// `Host`, or `:authority` over HTTP/2, which wins where there are both (RFC 9113 8.3.1).
pub(crate) fn authority(parts: &Parts) -> Result<Option<Authority>, Status> {
    if let Some(authority) = parts.uri.authority() {
        return Ok(Some(authority.clone()));
    }
    let mut hosts = parts.headers.get_all(HOST).iter();
    let Some(host) = hosts.next() else { return Ok(None) };
    // RFC 9112 3.2: more than one Host, or a bad one, is a 400.
    let bad = || Status::bad_request("the Host header is not one valid host");
    if hosts.next().is_some() {
        return Err(bad());
    }
    Authority::try_from(host.as_bytes()).map(Some).map_err(|_| bad())
}

fn text<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    // What is no text is no site of ours either.
    parts.headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

fn refused(why: &str) -> Status {
    Status::new(403, "Forbidden", format!("forbidden: {why}"))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn outcome(headers: &[(&str, &str)]) -> u16 {
        let mut request = Request::builder().uri("/api/v1/pods");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        match check(&parts, &["spur.example".to_owned()]) {
            Ok(()) => 200,
            Err(status) => status.code,
        }
    }

    /// AP-15: DNS rebinding.
    #[test]
    fn ap_15_only_our_own_names_are_hosts() {
        for host in ["localhost:6443", "127.0.0.1:1", "[::1]:6443", "LOCALHOST", "spur.example:6443"] {
            assert_eq!(outcome(&[("host", host)]), 200, "{host}");
        }
        for host in ["evil.com", "evil.com:6443", "127.0.0.1.evil.com", "localhost.evil.com", "10.0.0.1"] {
            assert_eq!(outcome(&[("host", host)]), 403, "{host}");
        }
        assert_eq!(outcome(&[]), 200, "HTTP/1.0");
        assert_eq!(outcome(&[("host", "localhost"), ("host", "evil.com")]), 400);
        assert_eq!(outcome(&[("host", "a b")]), 400);
    }

    /// AP-15: pages of other sites, also those that open a WebSocket.
    #[test]
    fn ap_15_only_our_own_pages_have_an_origin() {
        let from = |origin: &str| outcome(&[("host", "localhost:6443"), ("origin", origin)]);
        assert_eq!(from("https://localhost:6443"), 200);
        for origin in ["null", "https://evil.com", "http://localhost:3000", "https://localhost", ""] {
            assert_eq!(from(origin), 403, "{origin}");
        }
        assert_eq!(outcome(&[("host", "localhost"), ("sec-fetch-site", "cross-site")]), 403);
        assert_eq!(outcome(&[("host", "localhost"), ("sec-fetch-site", "same-origin")]), 200);
    }

    /// AP-15: over HTTP/2, too.
    #[test]
    fn over_http2_the_authority_is_the_host() {
        let request = Request::builder().uri("https://evil.com/api").header("host", "localhost");
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        assert_eq!(check(&parts, &[]).map_err(|status| status.code), Err(403));
    }
}
