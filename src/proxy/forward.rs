//! Sending a request to one of its endpoints.
//!
//! A request is sent once. What is tried again is only what has sent nothing: a
//! connection that cannot be made, and an idle one that had been closed.

use std::{pin::pin, rc::Rc, time::Duration};

use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, Version, header,
    request::Parts,
    uri::{self, Authority, Scheme},
};
use hyper::body::Incoming;
use spur_route::{Endpoint, TraceParent, Verdict, inject_key, traceparent::TRACEPARENT};
use spur_trace::HopError;
use tokio::time::{Instant, timeout_at};

use crate::{
    body::RequestBody,
    connection::Client,
    failure,
    hop::Hop,
    pool::{Lease, NotSent, Speak},
    sanitise::{Clean, Upgrade},
    worker::Worker,
};

/// Endpoints tried for one request while connections cannot be made: the first
/// and two more, Istio's default number of retries. At 1 s each, a client waits
/// 3 s at most.
const N_ENDPOINTS_TRIED: usize = 3;

/// Fresh connections to one endpoint that may close before anything was sent. A
/// server that accepts and closes at once is not there.
const N_FRESH_CLOSED: usize = 2;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// A request, ready to be sent.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) req: Request<RequestBody>,
    pub(crate) speak: Speak,
    /// How long its response may not begin while the request does not move.
    pub(crate) head_timeout: Option<Duration>,
    /// How long no byte of its body may come before that.
    pub(crate) body_timeout: Option<Duration>,
}

/// A response that has begun.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) rsp: Response<Incoming>,
    pub(crate) lease: Lease,
    pub(crate) endpoint: Endpoint,
}

/// A request that no endpoint answered.
#[derive(Debug)]
pub(crate) struct Undelivered {
    pub(crate) error: HopError,
    /// The endpoint that failed last.
    pub(crate) endpoint: Endpoint,
    pub(crate) n_tried: usize,
}

/// Why there is no response.
#[derive(Debug)]
pub(crate) enum Unanswered {
    Undelivered(Undelivered),
    /// The client did not send its body.
    BodyTimeout,
}

/// How long a request may not move.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// With its upstream.
    head: Option<Duration>,
    /// With its client.
    body: Option<Duration>,
}

/// Whom a request has waited for for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slow {
    Upstream,
    Client,
}

/// What one endpoint did with a request.
enum Tried {
    Answered(Response<Incoming>, Lease),
    /// Nothing was sent: here it is again.
    Unreached(HopError, Request<RequestBody>),
    Failed(HopError),
    BodyTimeout,
}

// === impl Patience ===

impl Patience {
    fn shorter(self) -> Option<Duration> {
        match (self.head, self.body) {
            (Some(head), Some(body)) => Some(head.min(body)),
            (one, other) => one.or(other),
        }
    }
}

/// Writes what the next hop should know into the headers.
pub(crate) fn rewrite(
    headers: &mut HeaderMap,
    client: &Client,
    hop: &Hop,
    (verdict, clean, incoming): (&Verdict, &Clean, Option<TraceParent>),
) {
    headers.insert(&TRACEPARENT, hop.traceparent(incoming).to_header_value());
    if let Some(key) = verdict.key_to_inject() {
        inject_key(headers, key);
    }
    if !client.is_trusted {
        for name in [X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, header::FORWARDED] {
            headers.remove(name);
        }
    }
    forwarded_for(headers, client.forwarded_for(), client.worker.limits.forwarded_for_max_bytes);
    headers.entry(X_FORWARDED_PROTO).or_insert_with(|| HeaderValue::from_static("http"));
    if let Some(host) = clean.host.as_ref().map(host_value) {
        headers.entry(X_FORWARDED_HOST).or_insert(host);
    }
    if clean.upgrade == Upgrade::WebSocket {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
}

/// The request in the form that the upstream's protocol wants. The connection
/// goes to the endpoint whatever is written here; `None` where HTTP/2 has no form
/// for the target.
pub(crate) fn request(
    parts: Parts,
    clean: Clean,
    speak: Speak,
    body: RequestBody,
) -> Option<Request<RequestBody>> {
    let Clean { host, target, upgrade: _ } = clean;
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
            // RFC 9110 10.1.4: TE is named in Connection.
            if req.headers().contains_key(header::TE) && !req.headers().contains_key(header::UPGRADE) {
                req.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("te"));
            }
        }
        Speak::Http2 => {
            let mut form = uri::Parts::default();
            form.scheme = Some(Scheme::HTTP);
            form.authority = Some(host.unwrap_or_else(|| Authority::from_static("localhost")));
            form.path_and_query = Some(target);
            *req.version_mut() = Version::HTTP_2;
            *req.uri_mut() = Uri::from_parts(form).ok()?;
        }
    }
    Some(req)
}

/// Sends to the endpoint at `first_idx`, and to the ones after it as long as no
/// connection can be made.
pub(crate) async fn send(
    worker: &Worker,
    hop: &Rc<Hop>,
    (backends, first_idx): (&[Endpoint], usize),
    outgoing: Outgoing,
) -> Result<Answered, Unanswered> {
    let n_tries = backends.len().min(N_ENDPOINTS_TRIED);
    let Outgoing { mut req, speak, head_timeout, body_timeout } = outgoing;
    let patience = Patience { head: head_timeout, body: body_timeout };
    let mut n_tried = 0;
    loop {
        let endpoint = &backends[(first_idx + n_tried) % backends.len()];
        n_tried += 1;
        match send_to(worker, hop, endpoint, (req, speak, patience)).await {
            Tried::Answered(rsp, lease) => {
                let endpoint = endpoint.clone();
                return Ok(Answered { rsp, lease, endpoint });
            }
            Tried::BodyTimeout => return Err(Unanswered::BodyTimeout),
            Tried::Unreached(_, back) if n_tried < n_tries => req = back,
            Tried::Unreached(error, _) | Tried::Failed(error) => {
                let endpoint = endpoint.clone();
                let error = hop.blame(error);
                return Err(Unanswered::Undelivered(Undelivered { error, endpoint, n_tried }));
            }
        }
    }
}

async fn send_to(
    worker: &Worker,
    hop: &Hop,
    endpoint: &Endpoint,
    (mut req, speak, patience): (Request<RequestBody>, Speak, Patience),
) -> Tried {
    let mut n_fresh_closed = 0;
    loop {
        let ready = match worker.pool.ready(endpoint.address, speak).await {
            Ok(ready) => ready,
            Err(error) => return Tried::Unreached(error, req),
        };
        hop.reached(endpoint);
        let is_reused = ready.is_reused();
        match while_moving(hop, patience, ready.send(req)).await {
            Err(Slow::Upstream) => return Tried::Failed(HopError::ResponseTimeout),
            Err(Slow::Client) => return Tried::BodyTimeout,
            Ok(Ok((rsp, lease))) => return Tried::Answered(rsp, lease),
            Ok(Err(NotSent::Failed(error))) => {
                return Tried::Failed(failure::before_response(&error));
            }
            Ok(Err(NotSent::Unsent(back))) => {
                req = *back;
                n_fresh_closed += usize::from(!is_reused);
                if n_fresh_closed == N_FRESH_CLOSED {
                    return Tried::Unreached(HopError::UpstreamClosed, req);
                }
            }
        }
    }
}

/// `future`'s output, or whom the request has waited for once it has not moved for as long as
/// `patience` has for them.
async fn while_moving<F: Future>(hop: &Hop, patience: Patience, future: F) -> Result<F::Output, Slow> {
    let Some(look_after) = patience.shorter() else {
        return Ok(future.await);
    };
    let mut future = pin!(future);
    let mut look = hop.request_moved() + look_after;
    loop {
        if let Ok(output) = timeout_at(look, future.as_mut()).await {
            return Ok(output);
        }
        let now = Instant::now();
        let (slow, limit) = match hop.awaits_client() {
            true => (Slow::Client, patience.body),
            false => (Slow::Upstream, patience.head),
        };
        match limit.map(|limit| hop.request_moved() + limit) {
            Some(due) if due <= now => return Err(slow),
            // Whom it waits for may change before then.
            Some(due) => look = due.min(now + look_after),
            None => look = now + look_after,
        }
    }
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
