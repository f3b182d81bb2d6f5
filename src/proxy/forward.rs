//! A request in the form in which it is sent on: what the next hop should know, and the target as
//! the upstream's protocol wants it. Sending it is left to `attempts`.

use base64::{Engine, prelude::BASE64_STANDARD as STANDARD};
use h2::ext::Protocol;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header,
    request::Parts,
    uri::{self, Authority, Scheme},
};
use spur_route::{TraceParent, Verdict, inject_key, traceparent::TRACEPARENT};

use crate::{
    body::RequestBody,
    connection::Client,
    fields::{Field, Fields},
    hop::Hop,
    pool::Speak,
    sanitise::{Clean, SEC_WEBSOCKET_KEY, Upgrade},
};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Writes what the next hop should know into the headers.
pub(crate) fn rewrite(
    headers: &mut HeaderMap,
    (client, hop): (&Client, &Hop),
    (verdict, fields, clean, incoming): (&Verdict, Fields, &Clean, Option<TraceParent>),
) {
    let mut traceparent = hop.traceparent(incoming).to_header_value();
    // It comes once: in the table of HPACK it would drive out what comes again (RFC 7541 6.2.3).
    traceparent.set_sensitive(true);
    headers.insert(&TRACEPARENT, traceparent);
    if let Some(key) = verdict.key_to_inject() {
        inject_key(headers, key);
    }
    if !client.is_trusted {
        for name in [X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, header::FORWARDED] {
            headers.remove(name);
        }
    }
    // A rule may have set any of them.
    let may_have = |field| fields.has(field) || verdict.applied.is_some();
    if may_have(Field::XForwardedFor) {
        forwarded_for(headers, client.forwarded_for(), client.worker.limits.forwarded_for_max_bytes);
    } else {
        headers.append(X_FORWARDED_FOR, client.forwarded_for().clone());
    }
    let scheme = HeaderValue::from_static(if client.tls.is_some() { "https" } else { "http" });
    headers.entry(X_FORWARDED_PROTO).or_insert(scheme);
    if let Some(host) = clean.host.as_ref().map(host_value) {
        headers.entry(X_FORWARDED_HOST).or_insert(host);
    }
}

/// The request in the form that the upstream's protocol wants. The connection
/// goes to the endpoint whatever is written here; `None` where HTTP/2 has no form
/// for the target.
pub(crate) fn request(
    parts: Parts,
    clean: Clean,
    (speak, is_tls): (Speak, bool),
    body: RequestBody,
) -> Option<Request<RequestBody>> {
    let Clean { host, target, upgrade } = clean;
    let mut req = Request::new(body);
    *req.method_mut() = parts.method;
    *req.headers_mut() = parts.headers;
    match speak {
        Speak::Http1 => {
            *req.version_mut() = Version::HTTP_11;
            *req.uri_mut() = Uri::from(target);
            if let Some(host) = &host {
                req.headers_mut().insert(header::HOST, host_value(host));
            }
            if upgrade.is_websocket() {
                ask_for_websocket(req.headers_mut(), upgrade);
            }
            // RFC 9110 10.1.4: TE is named in Connection.
            if req.headers().contains_key(header::TE) && !req.headers().contains_key(header::UPGRADE) {
                req.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("te"));
            }
        }
        Speak::Http2 => {
            let mut form = uri::Parts::default();
            form.scheme = Some(if is_tls { Scheme::HTTPS } else { Scheme::HTTP });
            form.authority = Some(host.unwrap_or_else(|| Authority::from_static("localhost")));
            form.path_and_query = Some(target);
            *req.version_mut() = Version::HTTP_2;
            *req.uri_mut() = Uri::from_parts(form).ok()?;
            if upgrade.is_websocket() {
                // RFC 8441 5.
                *req.method_mut() = Method::CONNECT;
                req.extensions_mut().insert(Protocol::from_static("websocket"));
                req.headers_mut().remove(SEC_WEBSOCKET_KEY);
            }
        }
    }
    Some(req)
}

/// RFC 6455 4.1.
fn ask_for_websocket(headers: &mut HeaderMap, upgrade: Upgrade) {
    if upgrade == Upgrade::WebSocketStream {
        // RFC 8441 5: the stream has none, and upstream it is asked for: 16 bytes.
        let nonce = STANDARD.encode(rand::random::<[u8; 16]>());
        headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_str(&nonce).expect("base64 is a header value"));
    }
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

/// Appends the peer to the list that came, which may be of several fields. One of more than
/// `max_bytes` begins anew.
fn forwarded_for(headers: &mut HeaderMap, peer: &HeaderValue, max_bytes: usize) {
    let mut list: Vec<u8> = Vec::new();
    for value in headers.get_all(X_FORWARDED_FOR) {
        list.extend_from_slice(value.as_bytes());
        list.extend_from_slice(b", ");
    }
    if list.is_empty() || list.len() > max_bytes {
        headers.insert(X_FORWARDED_FOR, peer.clone());
        return;
    }
    list.extend_from_slice(peer.as_bytes());
    let list = HeaderValue::from_bytes(&list).expect("header values joined are a header value");
    headers.insert(X_FORWARDED_FOR, list);
}

fn host_value(host: &Authority) -> HeaderValue {
    HeaderValue::from_str(host.as_str()).expect("an authority is a header value")
}
