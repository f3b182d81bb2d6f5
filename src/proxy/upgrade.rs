//! A connection that becomes a WebSocket: from the upstream's 101 on, bytes go
//! both ways and nobody looks at them.
//!
//! Nothing after the head of the request is forwarded before the 101
//! (CVE-2026-2833): hyper keeps what the client sent early until both sides have
//! switched. Other upgrades are never passed on (RFC 9110 7.8).

use std::rc::Rc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;

use crate::{
    attempts::Held,
    body::{Guard, ResponseBody},
    connection::Client,
    hop::Hop,
    relay::copy,
    sanitise::{self, Upgrade},
};

/// Whether a 101 is for a WebSocket.
pub(crate) fn is_websocket(headers: &HeaderMap) -> bool {
    headers.get(header::UPGRADE).is_some_and(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Answers the client that it has what it asked for, and copies both ways once both sides have switched.
pub(crate) fn switch(
    client: &Client,
    (hop, held): (&Rc<Hop>, Held),
    (on_upgrade, asked): (OnUpgrade, Upgrade),
    rsp: &mut Response<Incoming>,
) -> Response<ResponseBody> {
    let upstream = hyper::upgrade::on(&mut *rsp);
    // RFC 8441 5: a stream is answered as every CONNECT is.
    let is_stream = asked == Upgrade::WebSocketStream;
    let status = if is_stream { StatusCode::OK } else { StatusCode::SWITCHING_PROTOCOLS };
    hop.set_status(status);
    let tunnel = tunnel(Rc::clone(hop), on_upgrade, upstream);
    let open = Rc::clone(&client.open);
    client.worker.tasks.spawn_local(async move {
        tunnel.await;
        drop((open, held));
    });

    let mut headers = std::mem::take(rsp.headers_mut());
    sanitise::strip_response(&mut headers);
    if is_stream {
        headers.remove(header::SEC_WEBSOCKET_ACCEPT);
    } else {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
    let empty = Full::new(Bytes::new());
    let mut switched = Response::new(ResponseBody::Own(empty, Guard::Hop(Rc::clone(hop))));
    *switched.status_mut() = status;
    *switched.headers_mut() = headers;
    switched
}

async fn tunnel(hop: Rc<Hop>, client: OnUpgrade, upstream: OnUpgrade) {
    // Either side may go before it has switched; the hop then ends as dropped.
    let Ok(upstream) = upstream.await else {
        return;
    };
    let Ok(client) = client.await else {
        return;
    };
    let (client, upstream): (TokioIo<Upgraded>, TokioIo<Upgraded>) =
        (TokioIo::new(client), TokioIo::new(upstream));
    copy(&hop, (client, upstream), None).await;
}
