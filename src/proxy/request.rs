//! The way of one request: clean, decide, send, answer.
//!
//! All that needs no waiting is done before the first wait, in `decided`; what remains is a future
//! that is small, since it is moved whole when the connection takes it up and is touched again with
//! each of its wake-ups (11 KB of it made a third of what a request cost).

mod deliver;

use std::{
    pin::Pin,
    rc::Rc,
    sync::{Arc, LazyLock},
    time::Duration,
};

use http::{HeaderMap, HeaderValue, Method, Request, Response, Version, header, request::Parts};
use http_body::Body as _;
use spur_net::{Busy, Caller, Destination};
use spur_route::{
    Ask, Outcome, Source, TraceId, TraceParent, Verdict, Wire, b3, decide,
    policy::ConnectionPool,
    rules::{Retries, RetryOn, RetryPolicy},
    strip_keys,
};
use spur_trace::{HopError, SPUR_REPLAY_OF};
use tokio::time::Instant;

use crate::{
    access_log::Asked,
    apply,
    attempts::{self, Again, Deadline, Outgoing},
    body::{Guard, RequestBody, ResponseBody},
    capture,
    cluster::Cluster,
    connection::Client,
    egress,
    fields::{Field, Fields},
    forward,
    grpc_web::GrpcWeb,
    hop::{Begin, Hop},
    http2::Responding,
    incoming::Incoming,
    interim::Interims,
    pool::{Speak, Terms},
    respond::{Refusal, Shape, respond},
    sanitise::{self, BadRequest, Clean},
    stats::count,
    sticky::Sticky,
    switch::Switching,
    tls, tunnel,
    upgrade::Wanted,
    worker::Worker,
};

/// What is tried again where no rule says otherwise.
static USUAL_RETRIES: LazyLock<RetryPolicy> = LazyLock::new(RetryPolicy::default);

/// The same for what is no gRPC, over HTTP/2: a connection that cannot be made is tried elsewhere in
/// any case.
static REFUSED_STREAMS: LazyLock<RetryPolicy> = LazyLock::new(|| RetryPolicy {
    on: RetryOn { refused_stream: true, ..RetryOn::default() },
    ..RetryPolicy::default()
});

/// A request of which everything is decided but the answer.
struct Decided {
    hop: Rc<Hop>,
    verdict: Verdict,
    cluster: Option<Rc<Cluster>>,
    /// The endpoint that is tried first.
    first: usize,
    sticky: Sticky,
    shape: Shape,
    /// In which it came.
    version: Version,
    outgoing: Outgoing,
    deadline: Option<Deadline>,
    web: Option<GrpcWeb>,
    wanted: Option<Wanted>,
}

/// A decided request, and its form for its upstream.
type Leaving = (Box<Decided>, Box<Request<RequestBody>>);

/// What comes next.
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
enum Next {
    /// Sending it.
    Send(Leaving),
    /// A tunnel, or a host that is looked up first; both are rare.
    Wait(Pin<Box<dyn Future<Output = Response<ResponseBody>>>>),
    /// Nothing: here is our answer.
    Answer(Response<ResponseBody>),
}

/// Answers one request, by an upstream or by ourselves. `stream` is where the answer will be
/// written, where it came over HTTP/2.
pub(crate) async fn answer(
    client: Rc<Client>,
    req: Request<Incoming>,
    stream: Option<&Arc<Responding>>,
) -> Response<ResponseBody> {
    match next(&client, req, stream) {
        Next::Send(leaving) => deliver::deliver(&client, leaving).await,
        Next::Wait(rare) => rare.await,
        Next::Answer(rsp) => rsp,
    }
}

fn next(client: &Rc<Client>, mut req: Request<Incoming>, stream: Option<&Arc<Responding>>) -> Next {
    let busy = client.pace.begin();
    let fields = Fields::of(req.headers());
    let may_upgrade = fields.has(Field::Upgrade) || req.method() == Method::CONNECT;
    let switching = may_upgrade.then(|| Switching::of_request(&mut req));
    let (mut parts, body) = req.into_parts();
    let shape = match parts.method {
        // A refusal in gRPC's shape has status 200, which is consent.
        Method::CONNECT => Shape::Text,
        _ => Shape::of(&parts.headers, fields),
    };
    let fault = client.pace.head_fault().map(BadRequest::from);
    let switching = match switching {
        Some(switching) if fault.is_none() && tunnel::is_wanted(client, &parts) => {
            return Next::Wait(Box::pin(tunnel::answer(Rc::clone(client), parts, (switching, busy))));
        }
        other => other,
    };
    match fault.map_or_else(|| sanitise::clean(&mut parts, fields, &client.worker.limits), Err) {
        Ok(clean) => {
            strip(client, &mut parts, fields);
            let verdict = verdict(client, &parts, &clean);
            let interims = match (stream, parts.version) {
                (Some(stream), _) => Some(Interims::Stream(Arc::clone(stream))),
                (None, Version::HTTP_11) => Some(Interims::Connection(client.pace.clone())),
                (None, _) => None,
            };
            let (asked, how) = ((parts, fields, clean, body), How { shape, switching, busy, interims });
            if egress::leaves(client, &verdict) {
                return Next::Wait(Box::pin(leave(Rc::clone(client), verdict, asked, how)));
            }
            match decided(client, verdict, asked, how) {
                Ok(leaving) => Next::Send(leaving),
                Err(rsp) => Next::Answer(rsp),
            }
        }
        Err(bad) => {
            count(&client.worker.stats.n_bad_requests);
            let rsp = respond(&Refusal::bad_request(bad), shape, Guard::Busy(busy));
            if let Some(log) = &client.worker.access_log {
                log.write_refused(Asked::of_request(client.peer, &parts, None), rsp.status());
            }
            Next::Answer(rsp)
        }
    }
}

/// Takes off what this client may not say.
fn strip(client: &Client, parts: &mut Parts, fields: Fields) {
    if !client.is_trusted && strip_keys(&mut parts.headers) {
        count(&client.worker.stats.n_keys_ignored);
    }
    if client.inlet.caller.is_none() && fields.has(Field::Underscore) {
        sanitise::strip_twins(&mut parts.headers);
    }
}

/// The trace that a request says it belongs to. Older services say so by B3.
fn incoming(headers: &HeaderMap, fields: Fields) -> Option<TraceParent> {
    match (fields.has(Field::Traceparent), fields.has(Field::B3)) {
        (true, _) => TraceParent::from_headers(headers),
        (false, true) => b3::from_headers(headers),
        (false, false) => None,
    }
}

/// A clean request, and how it is answered.
type Asking = (Parts, Fields, Clean, Incoming);
struct How {
    shape: Shape,
    switching: Option<Switching>,
    busy: Busy,
    interims: Option<Interims>,
}

/// Answers a request for a host outside.
async fn leave(client: Rc<Client>, verdict: Verdict, asking: Asking, how: How) -> Response<ResponseBody> {
    let verdict = match &asking.2.host {
        Some(host) => egress::find(verdict, host).await,
        None => verdict,
    };
    match decided(&client, verdict, asking, how) {
        Ok(leaving) => deliver::deliver(&client, leaving).await,
        Err(rsp) => rsp,
    }
}

/// Where a clean request goes and in which form; or what it is answered with at once.
#[expect(clippy::result_large_err, reason = "the error is the answer, which goes on as it is")]
fn decided(
    client: &Rc<Client>,
    verdict: Verdict,
    (mut parts, fields, mut clean, body): Asking,
    How { shape, switching, busy, interims }: How,
) -> Result<Leaving, Response<ResponseBody>> {
    let cluster = client.worker.clusters.of(&verdict);
    let sticky = Sticky::of(cluster.as_deref(), client, (&parts.headers, &clean));
    let first = match &cluster {
        Some(cluster) => {
            let caller = client.inlet.caller.as_ref();
            let stays_at = client.worker.affinities.choose(&verdict, (caller, client.peer.ip()));
            let stays_at = stays_at.filter(|index| cluster.is_in(*index));
            stays_at.or_else(|| cluster.choose(sticky.hash, &[]))
        }
        None => Some(0),
    };
    let incoming = incoming(&parts.headers, fields);
    let host = || clean.host.as_ref().map(|host| host.as_str());
    let is_logged = client.worker.access_log.is_some();
    let asked = is_logged.then(|| Asked::of_request(client.peer, &parts, host()));
    let replay_of = fields.has(Field::SpurReplayOf).then(|| take_replay_of(client, &mut parts.headers));
    let is_captured = client.worker.ring.is_some() && client.worker.capture.wants(verdict.key.is_some());
    let captured =
        is_captured.then(|| capture::head(&parts, &clean, (!body.is_end_stream(), client.tls.is_some())));
    let hop = Hop::begin(
        &client.worker,
        Begin {
            verdict: &verdict,
            endpoint: first.and_then(|first| verdict.backends().get(first)),
            caller: client.inlet.caller.as_ref(),
            incoming,
            method: &parts.method,
            target: Some(&clean.target),
            version: parts.version,
            carried: fields.carried(),
            busy: Some(busy),
            replay_of: replay_of.flatten(),
            captured,
            asked,
        },
    );
    if let Some(rsp) = apply::response(&verdict, Guard::Hop(Rc::clone(&hop))) {
        return Err(answered(&hop, rsp, None));
    }
    let Outcome::Forward { backends } = &verdict.outcome else {
        return Err(refuse(&hop, &Refusal::verdict(&verdict), (shape, None)));
    };
    if let Some(applied) = &verdict.applied
        && let Err(bad) = apply::to_request(applied, &mut parts, &mut clean)
    {
        return Err(refuse(&hop, &Refusal::bad_request(bad), (shape, None)));
    }
    let speak = speak(&verdict, parts.version, shape);
    let Some(first) = first else {
        let refusal = Refusal::no_healthy_endpoint(&verdict);
        return Err(refuse(&hop, &refusal, (shape, Some(HopError::NoHealthyEndpoint))));
    };
    let wanted = switching.and_then(|switching| Wanted::of(switching, clean.upgrade, &parts.headers));
    let is_upgrade = wanted.is_some();
    let rule_timeout = verdict.applied.as_ref().and_then(|applied| applied.route.timeout);
    let deadline = match is_upgrade {
        true => None,
        false => {
            // A rule may have set it.
            let may_have = fields.has(Field::GrpcTimeout) || verdict.applied.is_some();
            let grpc = may_have.then_some(&parts.headers);
            Deadline::of(rule_timeout, grpc, Instant::now())
        }
    };
    let origin = match tls::origin(&client.worker, &verdict, clean.host.as_ref()) {
        Ok(origin) => origin,
        Err(fault) => {
            let error = HopError::TlsFailed(fault);
            let undelivered = attempts::Undelivered { error, endpoint: backends[first].clone(), n_tried: 1 };
            return Err(refuse(&hop, &Refusal::undelivered(&undelivered, &verdict), (shape, Some(error))));
        }
    };
    forward::rewrite(&mut parts.headers, (client, &hop), (&verdict, fields, &clean, incoming));
    let version = parts.version;
    let web = match speak {
        Speak::Http1 => None,
        Speak::Http2 => GrpcWeb::of(&parts.headers),
    };
    if let Some(web) = web {
        web.to_grpc(&mut parts.headers);
    }
    let again = again(&verdict, shape, speak);
    let body = match matches!(again, Again::Policy(_)) || again.may_repeat(&parts.method) {
        true => RequestBody::keeping(body, Rc::clone(&hop)),
        false => RequestBody::new(body, Rc::clone(&hop)),
    };
    let body = if web.is_some_and(|web| web.sends_text) { body.decoding() } else { body };
    let Some(req) = forward::request(parts, clean, (speak, origin.is_some()), body) else {
        return Err(refuse(&hop, &Refusal::bad_request(BadRequest::InvalidTarget), (shape, None)));
    };
    // gRPC brings its own deadline, and its streams may be silent; an upgrade may take its time,
    // too.
    let may_time_out = !shape.is_grpc() && !is_upgrade;
    let outgoing = Outgoing {
        speak,
        origin,
        terms: Terms::of(connection_pool(&verdict), connect_timeout(&client.worker, &verdict)),
        head_timeout: may_time_out.then_some(client.worker.limits.response_timeout),
        body_timeout: client.worker.limits.body_timeout.filter(|_| may_time_out),
        interims,
    };
    let decided =
        Decided { hop, verdict, cluster, first, sticky, shape, version, outgoing, deadline, web, wanted };
    Ok((Box::new(decided), Box::new(req)))
}

/// The trace that the request repeats, where its sender may say so; upstreams are not told, so that
/// they get what they got before.
fn take_replay_of(client: &Client, headers: &mut HeaderMap) -> Option<TraceId> {
    let value = headers.remove(SPUR_REPLAY_OF)?;
    value.to_str().ok().filter(|_| client.is_trusted)?.parse().ok()
}

/// What the inlet, or the Host, asks for.
pub(crate) fn destination<'a>(destination: &'a Destination, host: &'a str) -> spur_route::Destination<'a> {
    match destination {
        Destination::Entry | Destination::Egress => spur_route::Destination::Host(host),
        Destination::Gateway { port } => spur_route::Destination::Gateway { port: *port, host },
        Destination::ServicePort { namespace, service, port } => {
            spur_route::Destination::Service { namespace, service, port: *port }
        }
    }
}

/// The caller in route's words.
pub(crate) fn source(caller: &Caller) -> Source<'_> {
    Source {
        namespace: &caller.namespace,
        workload: &caller.workload,
        labels: Some(&caller.labels),
        sandbox: caller.sandbox.as_deref(),
    }
}

fn verdict(client: &Client, parts: &Parts, clean: &Clean) -> Verdict {
    let host = clean.host.as_ref().map_or("", |host| host.as_str());
    decide(
        &client.worker.table.load(),
        &Ask {
            destination: destination(&client.inlet.destination, host),
            source: client.inlet.caller.as_ref().map(source),
            method: &parts.method,
            uri: &parts.uri,
            host,
            headers: &parts.headers,
            is_tls: client.tls.is_some(),
            server: client.tls.as_deref(),
            lot: rand::random(),
            is_connection: false,
        },
    )
}

/// What is tried again. Without a rule that says so only gRPC's own statuses and refused streams are,
/// beside what has sent nothing: no other condition of the usual policy can be met.
fn again(verdict: &Verdict, shape: Shape, speak: Speak) -> Again<'_> {
    match verdict.applied.as_ref().map_or(&Retries::Default, |applied| &applied.route.retries) {
        Retries::Off => Again::Never,
        Retries::Policy(policy) => Again::Policy(policy),
        Retries::Default if shape.is_grpc() => Again::Policy(&USUAL_RETRIES),
        Retries::Default if speak == Speak::Http2 => Again::Policy(&REFUSED_STREAMS),
        Retries::Default => Again::Unsent,
    }
}

/// What to speak with the upstream. A port of which nothing was said gets HTTP/1.1,
/// which everything understands, except gRPC, which HTTP/1.1 cannot carry.
fn speak(verdict: &Verdict, version: Version, shape: Shape) -> Speak {
    let policy = verdict.policy.as_deref().and_then(|policy| policy.connection_pool.as_ref());
    if policy.is_some_and(|pool| pool.upgrades_to_h2) {
        return Speak::Http2;
    }
    match verdict.service.as_deref().map(|port| port.wire) {
        Some(Wire::Http2) => Speak::Http2,
        Some(Wire::Auto) if version == Version::HTTP_2 && shape == Shape::Grpc => Speak::Http2,
        Some(Wire::Auto | Wire::Http1 | Wire::Tcp | Wire::Udp) | None => Speak::Http1,
    }
}

/// How long a connection to the destination may take.
pub(crate) fn connect_timeout(worker: &Worker, verdict: &Verdict) -> Duration {
    let asked = connection_pool(verdict).and_then(|pool| pool.connect_timeout);
    asked.unwrap_or(worker.limits.connect_timeout)
}

fn connection_pool(verdict: &Verdict) -> Option<&ConnectionPool> {
    verdict.policy.as_deref()?.connection_pool.as_ref()
}

/// Answers a request that is not sent, or was not answered.
fn refuse(
    hop: &Rc<Hop>,
    refusal: &Refusal,
    (shape, error): (Shape, Option<HopError>),
) -> Response<ResponseBody> {
    answered(hop, respond(refusal, shape, Guard::Hop(Rc::clone(hop))), error)
}

/// Ends the hop of a request that was answered by us.
fn answered(hop: &Hop, rsp: Response<ResponseBody>, error: Option<HopError>) -> Response<ResponseBody> {
    hop.set_head(rsp.status(), rsp.headers());
    hop.set_grpc_status(rsp.headers());
    hop.answered_with(rsp.body());
    hop.end(error);
    rsp
}

/// Whether a request or response is gRPC
/// (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>, Content-Type).
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .map(HeaderValue::as_bytes)
        .and_then(|value| value.strip_prefix(b"application/grpc"))
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<F>(_: fn(Rc<Client>, Request<Incoming>) -> F) -> usize {
        size_of::<F>()
    }

    /// It is copied whole into its connection, and all of it is touched again with each wake-up.
    #[test]
    fn the_future_of_a_request_is_small() {
        let n_bytes = size_of_future(|client, req| answer(client, req, None));
        assert!(n_bytes <= 3_200, "{n_bytes}");
    }
}
