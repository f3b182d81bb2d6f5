//! What a request must be before anything else looks at it, and what is taken off it.
//!
//! hyper refuses most of what is malformed; this refuses or repairs what it lets
//! through, so that no two parties can read one request differently. What hyper
//! hides of an HTTP/1 head is seen below it (`spur_net::HeadFault`) and refused
//! with the rest. Over HTTP/2 one thing stays hidden: a `#fragment`, which is cut.
//!
//! Whose keys and addresses count is `trust`'s to say; what of them is taken off,
//! `untrusted`'s.

mod bad_request;
mod hop_by_hop;
mod path;
mod untrusted;

use h2::ext::Protocol;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Version, header,
    request::Parts,
    uri::{Authority, PathAndQuery, Scheme, Uri},
};
use spur_net::Limits;

use self::hop_by_hop::strip_request;
pub(crate) use self::{bad_request::BadRequest, hop_by_hop::strip_response, untrusted::strip_twins};
use crate::fields::{Field, Fields};

/// RFC 6455 11.3.1: once in a request.
pub(crate) const SEC_WEBSOCKET_KEY: HeaderName = HeaderName::from_static("sec-websocket-key");

/// A request in one clean form.
#[derive(Debug)]
pub(crate) struct Clean {
    /// The host it asks for, as it will be sent on; absent for HTTP/1.0 without one.
    pub(crate) host: Option<Authority>,
    /// Path and query, or `*`.
    pub(crate) target: PathAndQuery,
    /// Whether it asks to become something other than HTTP.
    pub(crate) upgrade: Upgrade,
}

/// What a request asks its connection to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Upgrade {
    /// Nothing: an ordinary request.
    No,
    /// A WebSocket (RFC 6455 4.1).
    WebSocket,
    /// A WebSocket in a stream of HTTP/2 (RFC 8441 5).
    WebSocketStream,
}

/// Checks `parts` and takes off what belongs to the client's connection only.
/// What it returns is not in `parts` any more.
pub(crate) fn clean(parts: &mut Parts, fields: Fields, limits: &Limits) -> Result<Clean, BadRequest> {
    // hyper counts for HTTP/1; here it is for HTTP/2, whose lists are bounded in bytes only.
    if parts.headers.len() > limits.n_headers_max {
        return Err(BadRequest::ManyHeaders(limits.n_headers_max));
    }
    let is_stream = parts.method == Method::CONNECT;
    if is_stream {
        extended_connect(parts)?;
    }
    if fields.has(Field::TransferEncoding) {
        check_transfer_encoding(&parts.headers)?;
    }
    let target = target(parts, limits)?;
    let host = match parts.version {
        Version::HTTP_2 => host_of_h2(parts)?,
        _ => host_of_h1(parts)?,
    };
    let upgrade = match is_stream {
        true => Upgrade::WebSocketStream,
        false if fields.has(Field::Upgrade) => upgrade(parts)?,
        false => Upgrade::No,
    };
    strip_request(&mut parts.headers, fields);
    parts.headers.remove(header::HOST);
    if parts.version == Version::HTTP_2 {
        join_cookies(&mut parts.headers);
    }
    Ok(Clean { host, target, upgrade })
}

/// RFC 9112 6.1: a coding that is not understood is answered with 501. hyper
/// takes any list that ends in `chunked`.
fn check_transfer_encoding(headers: &HeaderMap) -> Result<(), BadRequest> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let is_chunked = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"chunked");
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(only), None) if is_chunked(only) => Ok(()),
        _ => Err(BadRequest::TransferEncoding),
    }
}

/// RFC 9112 3.2: origin form, absolute form, or `*` for OPTIONS; the path in its one form, also in
/// `parts`, where it is routed by.
fn target(parts: &mut Parts, limits: &Limits) -> Result<PathAndQuery, BadRequest> {
    let scheme_is_http = parts.uri.scheme().is_none_or(|s| *s == Scheme::HTTP || *s == Scheme::HTTPS);
    let target = parts.uri.path_and_query().filter(|_| scheme_is_http).ok_or(BadRequest::InvalidTarget)?;
    if target.as_str().len() > limits.target_max_bytes {
        return Err(BadRequest::LongTarget(limits.target_max_bytes));
    }
    if target.path() == "*" && parts.method == Method::OPTIONS {
        return Ok(target.clone());
    }
    if !target.path().starts_with('/') {
        return Err(BadRequest::InvalidTarget);
    }
    let target = match path::normalise(target.path(), limits.escaped_slashes)? {
        None => target.clone(),
        Some(path) => {
            let target = with_path(target, path)?;
            let mut uri = std::mem::take(&mut parts.uri).into_parts();
            uri.path_and_query = Some(target.clone());
            parts.uri = Uri::from_parts(uri).map_err(|_| BadRequest::InvalidTarget)?;
            target
        }
    };
    // Over HTTP/2 nothing but confusion begins so: whoever puts scheme, authority and path together
    // again reads another authority. Over HTTP/1 it is a path with an empty segment (RFC 9112 3.2.1).
    if parts.version == Version::HTTP_2 && target.path().starts_with("//") {
        return Err(BadRequest::InvalidTarget);
    }
    Ok(target)
}

/// `target` with another path before its query.
fn with_path(target: &PathAndQuery, mut path: Vec<u8>) -> Result<PathAndQuery, BadRequest> {
    if let Some(query) = target.query() {
        path.push(b'?');
        path.extend_from_slice(query.as_bytes());
    }
    PathAndQuery::from_maybe_shared(path).map_err(|_| BadRequest::InvalidTarget)
}

/// RFC 9112 3.2: exactly one Host, valid; 3.2.2: an absolute form beats it.
fn host_of_h1(parts: &Parts) -> Result<Option<Authority>, BadRequest> {
    let header = match one_host(&parts.headers)? {
        Some(header) => Some(authority(header.as_bytes())?),
        None if parts.version == Version::HTTP_10 => None,
        None => return Err(BadRequest::NoHost),
    };
    match parts.uri.authority() {
        Some(absolute) => Ok(Some(without_userinfo(absolute.clone())?)),
        None => Ok(header),
    }
}

/// RFC 9113 8.3.1: `:authority`, or Host; both only if they are the same.
fn host_of_h2(parts: &Parts) -> Result<Option<Authority>, BadRequest> {
    let header = match one_host(&parts.headers)? {
        Some(header) => Some(authority(header.as_bytes())?),
        None => None,
    };
    let pseudo = match parts.uri.authority() {
        Some(pseudo) => Some(without_userinfo(pseudo.clone())?),
        None => None,
    };
    match (pseudo, header) {
        (None, None) => Err(BadRequest::NoHost),
        // `Authority` compares without regard to case.
        (Some(pseudo), Some(header)) if pseudo != header => Err(BadRequest::HostDiffers),
        (Some(host), _) | (None, Some(host)) => Ok(Some(host)),
    }
}

fn one_host(headers: &HeaderMap) -> Result<Option<&HeaderValue>, BadRequest> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (_, Some(_)) => Err(BadRequest::ManyHosts),
        (host, None) => Ok(host),
    }
}

fn authority(value: &[u8]) -> Result<Authority, BadRequest> {
    let authority = Authority::try_from(value).map_err(|_| BadRequest::InvalidHost)?;
    without_userinfo(authority)
}

/// RFC 9110 4.2.4: user information in an authority is an error.
fn without_userinfo(authority: Authority) -> Result<Authority, BadRequest> {
    if authority.as_str().contains('@') {
        return Err(BadRequest::InvalidHost);
    }
    Ok(authority)
}

/// RFC 8441 4: a CONNECT with `:protocol` has a path, too, and is routed like the GET that asks for
/// the same over HTTP/1.1; any other CONNECT is not taken.
fn extended_connect(parts: &mut Parts) -> Result<(), BadRequest> {
    let protocol = parts.extensions.get::<Protocol>();
    if !protocol.is_some_and(|protocol| protocol.as_str().eq_ignore_ascii_case("websocket")) {
        return Err(BadRequest::Connect);
    }
    if parts.headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0") {
        return Err(BadRequest::InvalidUpgrade);
    }
    parts.method = Method::GET;
    Ok(())
}

/// Whether the head says that something follows it (RFC 9112 6.3).
pub(crate) fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0")
}

/// RFC 9110 7.8: an upgrade is an offer, and one that we do not pass on is ignored.
fn upgrade(parts: &Parts) -> Result<Upgrade, BadRequest> {
    let headers = &parts.headers;
    let asks = parts.version == Version::HTTP_11
        && hop_by_hop::tokens(headers, header::CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"))
        && hop_by_hop::tokens(headers, header::UPGRADE).eq_by_ignoring_case("websocket");
    if !asks {
        return Ok(Upgrade::No);
    }
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let has_key = keys.next().is_some() && keys.next().is_none();
    if parts.method != Method::GET || has_body(headers) || !has_key {
        return Err(BadRequest::InvalidUpgrade);
    }
    Ok(Upgrade::WebSocket)
}

// === impl Upgrade ===

impl Upgrade {
    /// Whether it is a WebSocket, by whichever version of HTTP it came.
    pub(crate) fn is_websocket(self) -> bool {
        match self {
            Self::No => false,
            Self::WebSocket | Self::WebSocketStream => true,
        }
    }
}

/// A list of exactly one token.
trait OnlyToken {
    fn eq_by_ignoring_case(self, token: &str) -> bool;
}

impl<'a, I: Iterator<Item = &'a str>> OnlyToken for I {
    fn eq_by_ignoring_case(mut self, token: &str) -> bool {
        self.next().is_some_and(|first| first.eq_ignore_ascii_case(token)) && self.next().is_none()
    }
}

/// RFC 9113 8.2.3: cookies that came in several fields are joined before they
/// leave HTTP/2.
fn join_cookies(headers: &mut HeaderMap) {
    let mut cookies = headers.get_all(header::COOKIE).iter();
    if cookies.next().is_none() || cookies.next().is_none() {
        return;
    }
    let all: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    let joined = HeaderValue::from_bytes(&all.join(&b"; "[..]))
        .expect("header values joined by a semicolon are a header value");
    headers.insert(header::COOKIE, joined);
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
