//! Where a client is sent instead.
//!
//! Source: Istio's `route.go`, `ApplyRedirect`, and Envoy's `RedirectAction`.

use std::fmt::Write as _;

use http::uri::PathAndQuery;

use super::http_match::HttpMatch;
use super::rewrite::{replace_matched, with_query};

/// Another place for the client to ask (`HTTPRedirect`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// Another path; `None`: the same.
    pub path: Option<RedirectPath>,
    /// Another host; `None`: the same.
    pub authority: Option<Box<str>>,
    /// Another port; `None`: the one of the host that was asked for.
    pub port: Option<RedirectPort>,
    /// `http` or `https`; `None`: the same.
    pub scheme: Option<Box<str>>,
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
}

/// Another path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedirectPath {
    /// In the place of the whole path.
    Full(Box<str>),
    /// In the place of the prefix that the rule matched.
    Prefix(Box<str>),
}

/// Another port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectPort {
    /// This one.
    Number(u16),
    /// 80 or 443, by the scheme that the client is sent to.
    OfScheme,
    /// The one that the request came in on.
    OfRequest,
}

/// The request that is redirected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Redirected<'a> {
    pub(crate) target: &'a PathAndQuery,
    pub(crate) scheme: &'a str,
    /// With its port, where it has one.
    pub(crate) authority: &'a str,
    pub(crate) port: u16,
    pub(crate) matched: Option<&'a HttpMatch>,
}

// === impl Redirect ===

impl Redirect {
    /// The same place, over TLS (`tls.httpsRedirect` of a Gateway): 301.
    pub(crate) fn to_https() -> Self {
        Self { path: None, authority: None, port: None, scheme: Some("https".into()), status: 301 }
    }

    /// The `Location` of the answer.
    pub(crate) fn location(&self, request: Redirected<'_>) -> String {
        let Redirected { target, scheme, authority, port, matched } = request;
        let scheme = self.scheme.as_deref().unwrap_or(scheme);
        let (asked_host, asked_port) = split_port(authority);
        let (host, host_port) = self.authority.as_deref().map_or((asked_host, asked_port), split_port);
        let port = match self.port {
            Some(RedirectPort::Number(port)) => Some(port),
            Some(RedirectPort::OfRequest) => Some(port),
            Some(RedirectPort::OfScheme) => None,
            // Another scheme has another port than the one that was asked for.
            None if self.scheme.is_some() && self.authority.is_none() => None,
            None => host_port,
        };
        let path = match &self.path {
            Some(RedirectPath::Full(path)) => path.to_string(),
            Some(RedirectPath::Prefix(to)) => {
                replace_matched(target.path(), to, matched.and_then(|matched| matched.uri.as_ref()))
            }
            None => target.path().to_owned(),
        };
        let mut location = format!("{scheme}://{host}");
        if let Some(port) = port.filter(|port| !is_default(scheme, *port)) {
            let _infallible = write!(location, ":{port}");
        }
        location.push_str(&with_query(path, target.query()));
        location
    }
}

fn is_default(scheme: &str, port: u16) -> bool {
    matches!((scheme, port), ("http", 80) | ("https", 443))
}

/// A host and its port; IPv6 addresses stand in brackets.
fn split_port(authority: &str) -> (&str, Option<u16>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (authority, None),
        },
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::super::string_match::StringMatch;
    use super::*;

    #[track_caller]
    fn check(redirect: Redirect, expected: &str) {
        let matched = HttpMatch { uri: Some(StringMatch::Prefix("/old".into())), ..HttpMatch::default() };
        let location = redirect.location(Redirected {
            target: &"/old/x?q=1".parse().unwrap(),
            scheme: "http",
            authority: "shop.example.com:8080",
            port: 8080,
            matched: Some(&matched),
        });
        assert_eq!(location, expected);
    }

    fn redirect() -> Redirect {
        Redirect { path: None, authority: None, port: None, scheme: None, status: 301 }
    }

    #[test]
    fn what_is_not_said_stays() {
        check(redirect(), "http://shop.example.com:8080/old/x?q=1");
        let path = Some(RedirectPath::Full("/new".into()));
        check(Redirect { path, ..redirect() }, "http://shop.example.com:8080/new?q=1");
        let path = Some(RedirectPath::Prefix("/new".into()));
        check(Redirect { path, ..redirect() }, "http://shop.example.com:8080/new/x?q=1");
        check(Redirect { authority: Some("other.com".into()), ..redirect() }, "http://other.com/old/x?q=1");
    }

    #[test]
    fn the_port_of_a_scheme_is_not_written() {
        let https = || Redirect { scheme: Some("https".into()), ..redirect() };
        check(https(), "https://shop.example.com/old/x?q=1");
        check(
            Redirect { port: Some(RedirectPort::Number(443)), ..https() },
            "https://shop.example.com/old/x?q=1",
        );
        check(
            Redirect { port: Some(RedirectPort::Number(80)), ..redirect() },
            "http://shop.example.com/old/x?q=1",
        );
        check(
            Redirect { port: Some(RedirectPort::OfScheme), ..redirect() },
            "http://shop.example.com/old/x?q=1",
        );
        let of_request = Redirect { port: Some(RedirectPort::OfRequest), ..https() };
        check(of_request, "https://shop.example.com:8080/old/x?q=1");
    }
}
