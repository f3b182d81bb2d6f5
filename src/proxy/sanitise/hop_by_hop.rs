//! Header fields that belong to one connection and end there (RFC 9110 7.6.1).

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::fields::{Field, Fields};

/// Fields of one connection, whether or not `Connection` names them.
static CONNECTION_FIELDS: [(Field, HeaderName); 6] = [
    (Field::Connection, header::CONNECTION),
    (Field::KeepAlive, HeaderName::from_static("keep-alive")),
    (Field::ProxyConnection, HeaderName::from_static("proxy-connection")),
    // hyper frames the body anew.
    (Field::TransferEncoding, header::TRANSFER_ENCODING),
    (Field::Upgrade, header::UPGRADE),
    // Part of the upgrade to h2c, which RFC 9113 3.1 withdrew.
    (Field::Http2Settings, HeaderName::from_static("http2-settings")),
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
pub(super) fn strip_request(headers: &mut HeaderMap, fields: Fields) {
    let has_te = fields.has(Field::Te);
    let accepts_trailers =
        has_te && tokens(headers, header::TE).any(|token| token.eq_ignore_ascii_case("trailers"));
    strip(headers, fields);
    if has_te {
        headers.remove(header::TE);
    }
    if accepts_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}

/// Takes the connection's fields off a response. A length beside a transfer coding is none
/// (RFC 9112 6.3: a proxy has to take it off); hyper's client leaves it.
pub(crate) fn strip_response(headers: &mut HeaderMap, fields: Fields) {
    if fields.has(Field::TransferEncoding) {
        headers.remove(header::CONTENT_LENGTH);
    }
    strip(headers, fields);
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

fn strip(headers: &mut HeaderMap, fields: Fields) {
    if fields.has(Field::Connection) {
        let named: Vec<HeaderName> = tokens(headers, header::CONNECTION)
            .filter(|name| !is_plain_option(name))
            .filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok())
            .filter(|name| !END_TO_END_FIELDS.contains(&name.as_str()))
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for (_, name) in CONNECTION_FIELDS.iter().filter(|(field, _)| fields.has(*field)) {
        headers.remove(name);
    }
}

/// Options that name no field or one that goes anyway; most requests have no other.
fn is_plain_option(option: &str) -> bool {
    ["keep-alive", "close", "upgrade", "te"].iter().any(|plain| option.eq_ignore_ascii_case(plain))
}
