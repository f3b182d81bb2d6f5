//! CONNECT (RFC 9110 9.3.6) on the entry listener, where it is allowed, and on a private pod's egress: a
//! tunnel to a port of a Service, or outside. Its bytes are not read; the key of its head chooses the
//! version, as for a request.

use std::rc::Rc;

use bytes::Bytes;
use h2::ext::Protocol;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request::Parts, uri::Authority};
use http_body_util::Full;
use spur_net::{Busy, Connect, Destination};
use spur_route::{Ask, Outcome, TraceParent, Verdict, decide, strip_keys};
use spur_trace::HopError;

use crate::{
    access_log::Asked,
    attempts::Undelivered,
    body::{Guard, ResponseBody},
    connect::Upstream,
    connection::Client,
    egress,
    fields::Fields,
    hop::{Begin, Hop},
    relay::{Span, copy, reach},
    request::{connect_timeout, source},
    respond::{Refusal, Shape, respond},
    sanitise::{self, BadRequest},
    stats::count,
    switch::Switching,
    tls,
};

/// Whether a request opens a tunnel, and not a WebSocket (RFC 8441 4).
pub(crate) fn is_wanted(client: &Client, parts: &Parts) -> bool {
    parts.method == Method::CONNECT
        && match client.inlet.destination {
            Destination::Entry => client.worker.limits.connect == Connect::Services,
            Destination::Egress => true,
            Destination::Gateway { .. } | Destination::ServicePort { .. } => false,
        }
        && parts.extensions.get::<Protocol>().is_none()
}

/// Opens the tunnel, or says why not.
pub(crate) async fn answer(
    client: Rc<Client>,
    mut parts: Parts,
    (switching, busy): (Switching, Busy),
) -> Response<ResponseBody> {
    // The statuses of gRPC come with a 200, which would open the tunnel.
    let shape = Shape::Text;
    let authority = match authority(&parts, client.worker.limits.n_headers_max) {
        Ok(authority) => authority,
        Err(bad) => {
            count(&client.worker.stats.n_bad_requests);
            if let Some(log) = &client.worker.access_log {
                log.write_refused(Asked::of_request(client.peer, &parts, None), bad.status());
            }
            return closing(respond(&Refusal::bad_request(bad), shape, Guard::Busy(busy)));
        }
    };
    if !client.is_trusted && strip_keys(&mut parts.headers) {
        count(&client.worker.stats.n_keys_ignored);
    }
    let verdict = verdict(&client, &parts, &authority);
    let verdict = match egress::leaves(&client, &verdict) {
        true => egress::find(verdict, &authority).await,
        false => verdict,
    };
    let cluster = client.worker.clusters.of(&verdict);
    let caller = client.inlet.caller.as_ref();
    let stays_at = client.worker.affinities.choose(&verdict, (caller, client.peer.ip()));
    let first = cluster.as_ref().map_or(0, |cluster| cluster.first(stays_at));
    let is_logged = client.worker.access_log.is_some();
    let hop = Hop::begin(
        &client.worker,
        Begin {
            verdict: &verdict,
            endpoint: verdict.backends().get(first),
            caller: client.inlet.caller.as_ref(),
            incoming: TraceParent::from_headers(&parts.headers),
            method: &parts.method,
            target: None,
            version: parts.version,
            carried: Fields::of(&parts.headers).carried(),
            busy: Some(busy),
            replay_of: None,
            captured: None,
            asked: is_logged.then(|| Asked::of_request(client.peer, &parts, Some(authority.as_str()))),
        },
    );
    let refuse = |refusal: &Refusal, error: Option<HopError>| {
        let rsp = closing(respond(refusal, shape, Guard::Hop(Rc::clone(&hop))));
        hop.set_head(rsp.status(), rsp.headers());
        hop.end(error);
        rsp
    };
    let Outcome::Forward { backends } = &verdict.outcome else {
        return refuse(&Refusal::verdict(&verdict), None);
    };
    let within = connect_timeout(&client.worker, &verdict);
    let reached = match tls::origin(&client.worker, &verdict, None) {
        Ok(origin) => reach((&client.worker, &hop), (backends, first), (origin, within)).await,
        Err(fault) => {
            let error = HopError::TlsFailed(fault);
            Err(Undelivered { error, endpoint: backends[first].clone(), n_tried: 1 })
        }
    };
    match reached {
        Ok(upstream) => opened(&client, &hop, (switching, upstream), &verdict),
        Err(undelivered) => refuse(&Refusal::undelivered(&undelivered, &verdict), Some(undelivered.error)),
    }
}

fn verdict(client: &Client, parts: &Parts, authority: &Authority) -> Verdict {
    let destination = spur_route::Destination::Host(authority.as_str());
    let ask = Ask {
        host: authority.as_str(),
        headers: &parts.headers,
        lot: rand::random(),
        ..Ask::connection(destination, client.inlet.caller.as_ref().map(source))
    };
    decide(&client.worker.table.load(), &ask)
}

/// What is asked for: a name or an address, and a port (RFC 9112 3.2.3).
fn authority(parts: &Parts, n_headers_max: usize) -> Result<Authority, BadRequest> {
    let headers = &parts.headers;
    // hyper counts for HTTP/1.
    if headers.len() > n_headers_max {
        return Err(BadRequest::ManyHeaders(n_headers_max));
    }
    let authority = parts.uri.authority().filter(|authority| {
        authority.port().is_some()
            && !authority.as_str().contains('@')
            && parts.uri.path_and_query().is_none()
    });
    authority.filter(|_| !sanitise::has_body(headers)).cloned().ok_or(BadRequest::InvalidConnect)
}

/// The answer that opens the tunnel, which then is its own.
fn opened(
    client: &Client,
    hop: &Rc<Hop>,
    (switching, upstream): (Switching, Upstream),
    verdict: &Verdict,
) -> Response<ResponseBody> {
    hop.set_head(StatusCode::OK, &HeaderMap::new());
    let (tunnel, span) = (Rc::clone(hop), Span::of(verdict));
    let open = Rc::clone(&client.open);
    client.worker.tasks.spawn_local(async move {
        // The client may go before it has its answer; the hop then ends as dropped.
        if let Some(switched) = switching.switched().await {
            copy(&tunnel, (switched, upstream), span).await;
        }
        drop(open);
    });
    Response::new(ResponseBody::Own(Full::new(Bytes::new()), Guard::Hop(Rc::clone(hop))))
}

/// What follows a CONNECT may have been meant for the tunnel. Over HTTP/2 this is taken off.
fn closing(mut rsp: Response<ResponseBody>) -> Response<ResponseBody> {
    rsp.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    rsp
}
