//! Header fields that belong to one connection and end there (RFC 9110 7.6.1).

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Fields of one connection, whether or not `Connection` names them.
static CONNECTION_FIELDS: [HeaderName; 6] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    // hyper frames the body anew.
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    // Part of the upgrade to h2c, which RFC 9113 3.1 withdrew.
    HeaderName::from_static("http2-settings"),
];

/// Fields that `Connection` may not take away: whoever could would switch off
/// authentication, routing or framing for the next hop.
static END_TO_END_FIELDS: [&str; 16] = [
    "host",
    "content-length",
    "content-type",
    "authorization",
    "cookie",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "traceparent",
    "tracestate",
    "baggage",
    "spur-key",
    "grpc-timeout",
    "expect",
    "trailer",
];

/// Takes the connection's fields off a request. `TE: trailers` stays, since
/// gRPC demands it and we pass trailers on.
pub(super) fn strip_request(headers: &mut HeaderMap) {
    let has_te = headers.contains_key(header::TE);
    let accepts_trailers =
        has_te && tokens(headers, header::TE).any(|token| token.eq_ignore_ascii_case("trailers"));
    strip(headers);
    if has_te {
        headers.remove(header::TE);
    }
    if accepts_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}

/// Takes the connection's fields off a response. A length beside a transfer coding is none
/// (RFC 9112 6.3: a proxy has to take it off); hyper's client leaves it.
pub(crate) fn strip_response(headers: &mut HeaderMap) {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    strip(headers);
}

/// The elements of a comma-separated header, over all its fields; what is not
/// text is passed over.
pub(super) fn tokens(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

fn strip(headers: &mut HeaderMap) {
    // Most messages have none, and a look at a few names costs less than one search for each field.
    if !headers.keys().any(|name| CONNECTION_FIELDS.contains(name)) {
        return;
    }
    if headers.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> = tokens(headers, header::CONNECTION)
            .filter(|name| !is_plain_option(name))
            .filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok())
            .filter(|name| !END_TO_END_FIELDS.contains(&name.as_str()))
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in &CONNECTION_FIELDS {
        headers.remove(name);
    }
}

/// Options that name no field or one that goes anyway; most requests have no other.
fn is_plain_option(option: &str) -> bool {
    ["keep-alive", "close", "upgrade", "te"].iter().any(|plain| option.eq_ignore_ascii_case(plain))
}
