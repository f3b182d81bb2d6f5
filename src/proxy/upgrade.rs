//! A connection that becomes a WebSocket: from the upstream's consent on, bytes go both ways and
//! nobody looks at them. Each side has its own form: an upgrade of HTTP/1.1 (RFC 6455 4), or a
//! CONNECT in a stream of HTTP/2 (RFC 8441 5).
//!
//! Nothing after the head of the request is forwarded before it
//! (CVE-2026-2833): hyper keeps what the client sent early until both sides have
//! switched. Other upgrades are never passed on (RFC 9110 7.8).

use std::rc::Rc;

use base64::{Engine, prelude::BASE64_STANDARD as STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use sha1::{Digest, Sha1};

use crate::{
    attempts::Held,
    body::{Guard, ResponseBody},
    connection::Client,
    fields::Fields,
    hop::Hop,
    incoming::Incoming,
    pool::Lease,
    relay::{Span, copy},
    sanitise::{self, SEC_WEBSOCKET_KEY, Upgrade},
    switch::Switching,
};

/// Whether a 101 is for a WebSocket.
pub(crate) fn is_websocket(headers: &HeaderMap) -> bool {
    headers.get(header::UPGRADE).is_some_and(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// A WebSocket that a client wants.
#[derive(Debug)]
pub(crate) struct Wanted {
    switching: Switching,
    is_stream: bool,
    /// What proves to the client that its key was read, where its upstream reads none; a stream of
    /// HTTP/2 has none.
    accept: Option<HeaderValue>,
}

// === impl Wanted ===

impl Wanted {
    /// `None` where something else is wanted, or nothing.
    pub(crate) fn of(switching: Switching, upgrade: Upgrade, headers: &HeaderMap) -> Option<Self> {
        let is_stream = match upgrade {
            Upgrade::No => return None,
            Upgrade::WebSocket => false,
            Upgrade::WebSocketStream => true,
        };
        let accept = headers.get(SEC_WEBSOCKET_KEY).filter(|_| !is_stream).map(accept);
        Some(Self { switching, is_stream, accept })
    }

    /// It is to be in a stream of HTTP/2.
    pub(crate) fn is_stream(&self) -> bool {
        self.is_stream
    }

    /// Answers the client that it has what it asked for, and copies both ways once both sides have
    /// switched.
    pub(crate) fn switch(
        self,
        client: &Client,
        (hop, lease, held): (&Rc<Hop>, Lease, Held),
        rsp: &mut Response<Incoming>,
    ) -> Response<ResponseBody> {
        let upstream = Switching::of_response(rsp);
        // RFC 8441 5: a stream is answered as every CONNECT is.
        let status = if self.is_stream() { StatusCode::OK } else { StatusCode::SWITCHING_PROTOCOLS };
        let accept = self.accept.filter(|_| lease.is_stream());
        let tunnel = tunnel(Rc::clone(hop), self.switching, upstream);
        let open = Rc::clone(&client.open);
        client.worker.tasks.spawn_local(async move {
            tunnel.await;
            drop((open, lease, held));
        });

        let mut headers = std::mem::take(rsp.headers_mut());
        let fields = Fields::of(&headers);
        sanitise::strip_response(&mut headers, fields);
        if self.is_stream {
            headers.remove(header::SEC_WEBSOCKET_ACCEPT);
        } else {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        }
        // Asked in a stream, the upstream saw no key.
        if let Some(accept) = accept {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        hop.set_head(status, &headers);
        let empty = Full::new(Bytes::new());
        let mut switched = Response::new(ResponseBody::Own(empty, Guard::Hop(Rc::clone(hop))));
        *switched.status_mut() = status;
        *switched.headers_mut() = headers;
        switched
    }
}

/// RFC 6455 4.2.2, point 5.4.
fn accept(key: &HeaderValue) -> HeaderValue {
    let mut sha = Sha1::new();
    sha.update(key.as_bytes().trim_ascii());
    sha.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    HeaderValue::from_str(&STANDARD.encode(sha.finalize())).expect("base64 is a header value")
}

async fn tunnel(hop: Rc<Hop>, client: Switching, upstream: Switching) {
    // Either side may go before it has switched; the hop then ends as dropped.
    let Some(upstream) = upstream.switched().await else { return };
    let Some(client) = client.switched().await else { return };
    copy(&hop, (client, upstream), Span::default()).await;
}
