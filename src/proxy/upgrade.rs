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
    sanitise,
};

/// Whether a 101 is for a WebSocket.
pub(crate) fn is_websocket(headers: &HeaderMap) -> bool {
    headers.get(header::UPGRADE).is_some_and(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Answers 101 to the client, and copies both ways once both sides have switched.
pub(crate) fn switch(
    client: &Client,
    (hop, held): (&Rc<Hop>, Held),
    on_upgrade: OnUpgrade,
    rsp: &mut Response<Incoming>,
) -> Response<ResponseBody> {
    let upstream = hyper::upgrade::on(&mut *rsp);
    hop.set_status(StatusCode::SWITCHING_PROTOCOLS);
    let tunnel = tunnel(Rc::clone(hop), on_upgrade, upstream);
    let open = Rc::clone(&client.open);
    client.worker.tasks.spawn_local(async move {
        tunnel.await;
        drop((open, held));
    });

    let mut headers = std::mem::take(rsp.headers_mut());
    sanitise::strip_response(&mut headers);
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let empty = Full::new(Bytes::new());
    let mut switched = Response::new(ResponseBody::Own(empty, Guard::Hop(Rc::clone(hop))));
    *switched.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
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
