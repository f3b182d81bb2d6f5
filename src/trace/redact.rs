//! Takes secrets out of what is kept or told of requests.
//!
//! What a secret is, is decided by names: of parameters, headers and fields. Their values are
//! replaced; names stay, so that whoever reads knows what was there.

mod json;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, PROXY_AUTHORIZATION, SET_COOKIE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::capture::{Capture, CapturedResponse};

/// What stands in the place of a secret.
const REDACTED: &str = "REDACTED";

/// Names whose values are secrets, in lower case, without `-`, `_` and `.`: those of OAuth 2 (RFC
/// 6749, RFC 6750), OpenID Connect, pre-signed addresses of object stores, common API gateways and
/// frameworks, and what people call their own.
const SECRET_NAMES: [&str; 33] = [
    "accesstoken",
    "apikey",
    "apitoken",
    "auth",
    "authorization",
    "authtoken",
    "clientassertion",
    "clientsecret",
    "codeverifier",
    "cookie",
    "credential",
    "csrftoken",
    "idtoken",
    "jwt",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "proxyauthorization",
    "pwd",
    "refreshtoken",
    "secret",
    "secretkey",
    "session",
    "sessionid",
    "setcookie",
    "sig",
    "signature",
    "token",
    "xamzsecuritytoken",
    "xapikey",
    "xauthtoken",
    "xcsrftoken",
];

/// The rules of an environment in which nobody said more.
static USUAL: LazyLock<Redaction> = LazyLock::new(Redaction::default);

/// What is taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redaction {
    names: BTreeSet<Box<str>>,
}

/// A path with its query, in which the values of secret parameters are replaced by the usual
/// rules. Other text is borrowed as it is.
#[must_use]
pub fn redact_target(target: &str) -> Cow<'_, str> {
    USUAL.target(target)
}

// === impl Redaction ===

impl Default for Redaction {
    /// The usual names.
    fn default() -> Self {
        Self { names: SECRET_NAMES.into_iter().map(Box::from).collect() }
    }
}

impl Redaction {
    /// These rules, and further names of headers, parameters and fields. Case, `-`, `_` and `.` in
    /// names do not matter.
    #[must_use]
    pub fn with(mut self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.names.extend(names.into_iter().map(|name| normalized(name.as_ref()).into_boxed_str()));
        self
    }

    /// Whether the value of what has this name is not to be told.
    #[must_use]
    pub fn is_secret(&self, name: &str) -> bool {
        let name = normalized(name);
        // Object stores' signatures and credentials, beside which their dates and algorithms stand.
        let bare = ["xamz", "xgoog"].iter().find_map(|prefix| name.strip_prefix(prefix));
        self.names.contains(&*name) || bare.is_some_and(|bare| self.names.contains(bare))
    }

    /// A path with its query, in which the values of secret parameters are replaced. Other text is
    /// borrowed as it is.
    #[must_use]
    pub fn target<'a>(&self, target: &'a str) -> Cow<'a, str> {
        let Some((path, query)) = target.split_once('?') else { return Cow::Borrowed(target) };
        match self.pairs(query) {
            Cow::Borrowed(_) => Cow::Borrowed(target),
            Cow::Owned(query) => Cow::Owned(format!("{path}?{query}")),
        }
    }

    /// Replaces the values of secret headers. Of `Authorization` the scheme stays, of cookies the
    /// names.
    pub fn headers(&self, headers: &mut HeaderMap) {
        for (name, value) in headers.iter_mut() {
            if self.is_secret(name.as_str()) {
                *value = told(name, value);
            }
        }
    }

    /// A body in which the values of secret fields are replaced, where it is JSON or a form; it may
    /// be cut anywhere. Other bodies are borrowed as they are.
    #[must_use]
    pub fn body<'a>(&self, content_type: Option<&HeaderValue>, body: &'a [u8]) -> Cow<'a, [u8]> {
        let media_type = content_type.map_or(&b""[..], HeaderValue::as_bytes);
        let media_type = media_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        if media_type.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
            let Ok(form) = std::str::from_utf8(body) else { return Cow::Borrowed(body) };
            return match self.pairs(form) {
                Cow::Borrowed(_) => Cow::Borrowed(body),
                Cow::Owned(form) => Cow::Owned(form.into_bytes()),
            };
        }
        let is_json = media_type.to_ascii_lowercase().ends_with(b"json")
            || body.trim_ascii_start().first().is_some_and(|first| matches!(first, b'{' | b'['));
        if is_json { json::redact(body, |name| self.is_secret(name)) } else { Cow::Borrowed(body) }
    }

    /// A capture without secrets.
    #[must_use]
    pub fn capture(&self, capture: &Capture) -> Capture {
        let mut told = capture.clone();
        let request = &mut told.request;
        if let Cow::Owned(target) = self.target(request.target.as_str()) {
            request.target = PathAndQuery::try_from(target).unwrap_or(PathAndQuery::from_static("/"));
        }
        self.captured_body(&request.headers, &mut request.body.bytes);
        self.headers(&mut request.headers);
        told.response = told.response.as_ref().map(|response| self.response(response));
        told
    }

    /// A response without secrets.
    #[must_use]
    pub fn response(&self, response: &CapturedResponse) -> CapturedResponse {
        let mut told = response.clone();
        self.captured_body(&told.headers, &mut told.body.bytes);
        self.headers(&mut told.headers);
        told
    }

    fn captured_body(&self, headers: &HeaderMap, bytes: &mut Vec<u8>) {
        if let Cow::Owned(body) = self.body(headers.get(CONTENT_TYPE), bytes) {
            *bytes = body;
        }
    }

    /// `a=b&c=d` without the values of secrets.
    fn pairs<'a>(&self, query: &'a str) -> Cow<'a, str> {
        if !query.split('&').any(|pair| self.is_secret_pair(pair)) {
            return Cow::Borrowed(query);
        }
        let pairs = query.split('&').map(|pair| match pair.split_once('=') {
            Some((name, _)) if self.is_secret_pair(pair) => Cow::Owned(format!("{name}={REDACTED}")),
            _ => Cow::Borrowed(pair),
        });
        Cow::Owned(pairs.collect::<Vec<_>>().join("&"))
    }

    /// Whether a pair has a value that nobody is to see. Names are compared as they are meant:
    /// `%74oken` is `token`.
    fn is_secret_pair(&self, pair: &str) -> bool {
        let Some((name, value)) = pair.split_once('=') else { return false };
        let name: Vec<u8> = decoded(name.as_bytes()).collect();
        !value.is_empty() && self.is_secret(&String::from_utf8_lossy(&name))
    }
}

/// What is told of a secret header.
fn told(name: &HeaderName, value: &HeaderValue) -> HeaderValue {
    let text = value.to_str().unwrap_or_default();
    let told = if [AUTHORIZATION, PROXY_AUTHORIZATION].contains(name) {
        // RFC 9110 11.4: a scheme, then the credentials.
        text.split_once(' ').map(|(scheme, _)| format!("{scheme} {REDACTED}"))
    } else if *name == COOKIE {
        let names = text.split(';').map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name).trim());
        Some(names.map(|name| format!("{name}={REDACTED}")).collect::<Vec<_>>().join("; "))
    } else if *name == SET_COOKIE {
        let (pair, attributes) = text.split_once(';').map_or((text, None), |(pair, rest)| (pair, Some(rest)));
        let name = pair.split_once('=').map(|(name, _)| name);
        name.map(|name| match attributes {
            Some(attributes) => format!("{name}={REDACTED};{attributes}"),
            None => format!("{name}={REDACTED}"),
        })
    } else {
        None
    };
    let told = told.and_then(|told| HeaderValue::from_str(&told).ok());
    told.unwrap_or(HeaderValue::from_static(REDACTED))
}

/// A name as names are compared.
fn normalized(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_' | '.')).map(|c| c.to_ascii_lowercase()).collect()
}

/// Bytes with their percent-encoding undone; what is none stays.
fn decoded(mut bytes: &[u8]) -> impl Iterator<Item = u8> + '_ {
    std::iter::from_fn(move || {
        let (first, rest) = bytes.split_first()?;
        let digits = rest.get(..2).filter(|_| *first == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes = &rest[2..];
                Some(byte)
            }
            None => {
                bytes = rest;
                Some(*first)
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_a_query_are_replaced_however_they_are_written() {
        for (target, shown) in [
            ("/a?token=t1", "/a?token=REDACTED"),
            ("/a?x=1&access_token=t&y=2", "/a?x=1&access_token=REDACTED&y=2"),
            ("/a?%74oken=t", "/a?%74oken=REDACTED"),
            ("/a?API-Key=k", "/a?API-Key=REDACTED"),
            ("/a?X-Amz-Signature=s&X-Amz-Date=d", "/a?X-Amz-Signature=REDACTED&X-Amz-Date=d"),
            ("/a?X-Goog-Signature=s", "/a?X-Goog-Signature=REDACTED"),
            ("/a?X-Amz-Security-Token=s", "/a?X-Amz-Security-Token=REDACTED"),
        ] {
            assert_eq!(redact_target(target), shown);
        }
    }

    #[test]
    fn what_is_no_secret_is_borrowed() {
        for target in ["/", "/token", "/a?tokens=3", "/a?token", "/a?token=", "/a?b=token", "/a?%", "*"] {
            assert!(matches!(redact_target(target), Cow::Borrowed(same) if same == target), "{target}");
        }
    }

    #[test]
    fn headers_keep_what_is_no_secret_in_them() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer abc"),
            ("cookie", "a=1; b=2"),
            ("set-cookie", "sid=x; Path=/; HttpOnly"),
            ("x-api-key", "k"),
            ("x-team", "a"),
            ("x-mine", "m"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        Redaction::default().with(["X-Mine"]).headers(&mut headers);
        let told: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(
            told,
            [
                ("authorization", "Bearer REDACTED"),
                ("cookie", "a=REDACTED; b=REDACTED"),
                ("set-cookie", "sid=REDACTED; Path=/; HttpOnly"),
                ("x-api-key", "REDACTED"),
                ("x-team", "a"),
                ("x-mine", "REDACTED"),
            ]
        );
    }

    #[test]
    fn bodies_are_read_by_their_type() {
        let redaction = Redaction::default();
        let told = |media_type: &'static str, body: &'static str| {
            let media_type = HeaderValue::from_static(media_type);
            String::from_utf8(redaction.body(Some(&media_type), body.as_bytes()).into_owned()).unwrap()
        };
        assert_eq!(told("application/json", r#"{"password":"p"}"#), r#"{"password":"REDACTED"}"#);
        assert_eq!(
            told("application/problem+json; charset=utf-8", r#"{"token":1}"#),
            r#"{"token":"REDACTED"}"#
        );
        assert_eq!(
            told("application/x-www-form-urlencoded", "user=u&password=p"),
            "user=u&password=REDACTED"
        );
        assert_eq!(told("text/plain", "password=p"), "password=p");
    }
}
