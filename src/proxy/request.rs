//! The way of one request: clean, decide, send, answer.

use std::{rc::Rc, sync::LazyLock, time::Duration};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version, header,
    request::Parts,
};
use hyper::body::Incoming;
use spur_net::{Caller, Destination};
use spur_route::{
    Ask, Outcome, Source, TraceParent, Verdict, Wire, decide,
    policy::ConnectionPool,
    rules::{Retries, RetryPolicy},
};
use spur_trace::HopError;
use tokio::time::Instant;

use crate::{
    access_log::Asked,
    apply,
    attempts::{self, Again, Answered, Deadline, Outgoing, Plan, Unanswered},
    body::{Guard, Means, RequestBody, ResponseBody, UpstreamBody},
    cluster::Overflow,
    connection::Client,
    forward,
    grpc_web::GrpcWeb,
    hop::{Begin, Hop},
    pool::{Lease, Speak, Terms},
    respond::{Refusal, Shape, respond},
    sanitise::{self, BadRequest, Clean},
    stats::count,
    sticky::Sticky,
    tls, tunnel,
    upgrade::{self, Wanted},
    worker::Worker,
};

/// What Envoy answers with where a bound of the connection pool is reached
/// (`circuit_breaking.rst`).
const OVERLOADED: HeaderName = HeaderName::from_static("x-envoy-overloaded");

/// What is tried again where no rule says otherwise.
static USUAL_RETRIES: LazyLock<RetryPolicy> = LazyLock::new(RetryPolicy::default);

/// Answers one request, by an upstream or by ourselves.
pub(crate) async fn answer(client: &Rc<Client>, mut req: Request<Incoming>) -> Response<ResponseBody> {
    let busy = client.pace.begin();
    let may_upgrade = req.headers().contains_key(header::UPGRADE) || req.method() == Method::CONNECT;
    let on_upgrade = may_upgrade.then(|| hyper::upgrade::on(&mut req));
    let (mut parts, body) = req.into_parts();
    let shape = Shape::of(&parts.headers);
    let fault = client.pace.head_fault().map(BadRequest::from);
    let on_upgrade = match on_upgrade {
        Some(on_upgrade) if fault.is_none() && tunnel::is_wanted(client, &parts) => {
            return tunnel::answer(client, parts, (on_upgrade, busy)).await;
        }
        other => other,
    };
    let mut clean = match fault.map_or_else(|| sanitise::clean(&mut parts, &client.worker.limits), Err) {
        Ok(clean) => clean,
        Err(bad) => {
            count(&client.worker.stats.n_bad_requests);
            let rsp = respond(&Refusal::bad_request(bad), shape, Guard::Busy(busy));
            if let Some(log) = &client.worker.access_log {
                log.write_refused(Asked::of_request(client.peer, &parts, None), rsp.status());
            }
            return rsp;
        }
    };
    if !client.is_trusted && sanitise::strip_keys(&mut parts.headers) {
        count(&client.worker.stats.n_keys_ignored);
    }
    if client.inlet.caller.is_none() {
        sanitise::strip_twins(&mut parts.headers);
    }
    let verdict = verdict(client, &parts, &clean);
    let cluster = client.worker.clusters.of(&verdict);
    let mut sticky = Sticky::of(cluster.as_deref(), client, (&parts.headers, &clean));
    let first = match &cluster {
        Some(cluster) => cluster.choose(sticky.hash, &[]),
        None => Some(0),
    };
    let incoming = TraceParent::from_headers(&parts.headers);
    let host = || clean.host.as_ref().map(|host| host.as_str());
    let is_logged = client.worker.access_log.is_some();
    let asked = is_logged.then(|| Asked::of_request(client.peer, &parts, host()));
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
            busy: Some(busy),
            asked,
        },
    );
    if let Some(rsp) = apply::response(&verdict, Guard::Hop(Rc::clone(&hop))) {
        return answered(&hop, rsp, None);
    }
    let Outcome::Forward { backends } = &verdict.outcome else {
        return refuse(&hop, &Refusal::verdict(&verdict), shape);
    };
    if let Some(applied) = &verdict.applied
        && let Err(bad) = apply::to_request(applied, &mut parts, &mut clean)
    {
        return refuse(&hop, &Refusal::bad_request(bad), shape);
    }
    let speak = speak(&verdict, parts.version, shape);
    let Some(first) = first else {
        return refuse_with(
            &hop,
            &Refusal::no_healthy_endpoint(&verdict),
            shape,
            Some(HopError::NoHealthyEndpoint),
        );
    };
    let admitted = match &cluster {
        Some(cluster) => match cluster.shared.bounds.admit(speak == Speak::Http1).await {
            Ok(admitted) => Some(admitted),
            Err(Overflow) => {
                let mut rsp =
                    refuse_with(&hop, &Refusal::overflow(&verdict), shape, Some(HopError::OverLimit));
                rsp.headers_mut().insert(OVERLOADED, HeaderValue::from_static("true"));
                return rsp;
            }
        },
        None => None,
    };
    let wanted = on_upgrade.and_then(|on_upgrade| Wanted::of(on_upgrade, clean.upgrade, &parts.headers));
    let is_upgrade = wanted.is_some();
    let again = again(&verdict, shape);
    let rule_timeout = verdict.applied.as_ref().and_then(|applied| applied.route.timeout);
    let deadline = match is_upgrade {
        true => None,
        false => Deadline::of(rule_timeout, &parts.headers, Instant::now()),
    };
    let origin = match tls::origin(&client.worker, &verdict, clean.host.as_ref()) {
        Ok(origin) => origin,
        Err(fault) => {
            let error = HopError::TlsFailed(fault);
            let undelivered = attempts::Undelivered { error, endpoint: backends[first].clone(), n_tried: 1 };
            return refuse_with(&hop, &Refusal::undelivered(&undelivered, &verdict), shape, Some(error));
        }
    };
    forward::rewrite(&mut parts.headers, client, &hop, (&verdict, &clean, incoming));
    let version = parts.version;
    let web = match speak {
        Speak::Http1 => None,
        Speak::Http2 => GrpcWeb::of(&parts.headers),
    };
    if let Some(web) = web {
        web.to_grpc(&mut parts.headers);
    }
    let body = match again {
        Again::Policy(_) => RequestBody::keeping(body, Rc::clone(&hop)),
        Again::Never | Again::Unsent => RequestBody::new(body, Rc::clone(&hop)),
    };
    let body = if web.is_some_and(|web| web.sends_text) { body.decoding() } else { body };
    let Some(req) = forward::request(parts, clean, (speak, origin.is_some()), body) else {
        return refuse(&hop, &Refusal::bad_request(BadRequest::InvalidTarget), shape);
    };
    // gRPC brings its own deadline, and its streams may be silent; an upgrade may take its time,
    // too.
    let may_time_out = !shape.is_grpc() && !is_upgrade;
    let outgoing = Outgoing {
        req,
        speak,
        origin,
        terms: Terms::of(connection_pool(&verdict), connect_timeout(&client.worker, &verdict)),
        head_timeout: may_time_out.then_some(client.worker.limits.response_timeout),
        body_timeout: client.worker.limits.body_timeout.filter(|_| may_time_out),
        interims: (version == Version::HTTP_11 && speak == Speak::Http1).then(|| client.pace.clone()),
    };
    let plan = Plan { backends, cluster, first, hash: sticky.hash, again, deadline };
    match attempts::send(&client.worker, &hop, &plan, outgoing).await {
        Ok(mut answered) => {
            answered.held.admitted = admitted;
            if let Some(cookie) = sticky.cookie.take() {
                answered.rsp.headers_mut().append(header::SET_COOKIE, cookie);
            }
            let means = match (shape, version) {
                _ if is_upgrade => Means::Declined,
                (Shape::Grpc, Version::HTTP_2) => Means::Grpc,
                _ if web.is_some() => Means::Grpc,
                _ => Means::Usual,
            };
            pass_on(client, hop, (answered, means, web, deadline), (&verdict, shape, wanted))
        }
        Err(Unanswered::BodyTimeout) => {
            let refusal = Refusal::bad_request(BadRequest::BodyTimeout);
            refuse_with(&hop, &refusal, shape, Some(HopError::BadRequestBody))
        }
        Err(Unanswered::Undelivered(undelivered)) => {
            let error = undelivered.error;
            let refusal = Refusal::undelivered(&undelivered, &verdict);
            refuse_with(&hop, &refusal, shape, Some(error))
        }
    }
}

/// What the inlet, or the Host, asks for.
pub(crate) fn destination<'a>(destination: &'a Destination, host: &'a str) -> spur_route::Destination<'a> {
    match destination {
        Destination::Entry => spur_route::Destination::Host(host),
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

/// What is tried again. Without a rule that says so only gRPC's own statuses are, beside what has
/// sent nothing: the usual policy has no other condition that HTTP/1.1 can meet.
fn again(verdict: &Verdict, shape: Shape) -> Again<'_> {
    match verdict.applied.as_ref().map_or(&Retries::Default, |applied| &applied.route.retries) {
        Retries::Off => Again::Never,
        Retries::Policy(policy) => Again::Policy(policy),
        Retries::Default if shape.is_grpc() => Again::Policy(&USUAL_RETRIES),
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
        Some(Wire::Auto | Wire::Http1 | Wire::Tcp) | None => Speak::Http1,
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

/// The upstream's response, ready for the client.
fn pass_on(
    client: &Client,
    hop: Rc<Hop>,
    (answered, means, web, deadline): (Answered, Means, Option<GrpcWeb>, Option<Deadline>),
    (verdict, shape, wanted): (&Verdict, Shape, Option<Wanted>),
) -> Response<ResponseBody> {
    let Answered { mut rsp, lease, endpoint, held } = answered;
    let is_switched = rsp.status() == StatusCode::SWITCHING_PROTOCOLS;
    let has_agreed = match lease {
        Lease::Http1(_) => is_switched && upgrade::is_websocket(rsp.headers()),
        Lease::Http2(_) => rsp.status().is_success(),
    };
    // A success says to a stream that it is what it asked to be (RFC 8441 5).
    let says_so = wanted.as_ref().is_some_and(|wanted| has_agreed || wanted.is_stream());
    if is_switched || says_so && rsp.status().is_success() {
        return match wanted {
            Some(wanted) if has_agreed => wanted.switch(client, (&hop, lease, held), &mut rsp),
            // RFC 9110 15.2.2: only what was asked for. The connection is not HTTP any more.
            _ => {
                let error = HopError::BadResponse;
                let undelivered = attempts::Undelivered { error, endpoint, n_tried: 1 };
                let refusal = Refusal::undelivered(&undelivered, verdict);
                refuse_with(&hop, &refusal, shape, Some(error))
            }
        };
    }
    let (mut head, incoming) = rsp.into_parts();
    sanitise::strip_response(&mut head.headers);
    hop.set_status(head.status);
    hop.set_grpc_status(&head.headers);
    if let Some(applied) = &verdict.applied {
        apply::to_response(applied, &mut head.headers);
    }
    if let Some(web) = web {
        web.to_web(&mut head.headers);
    }
    let body = UpstreamBody::new(incoming, (hop, lease, held), (means, web, deadline));
    let mut rsp = Response::new(ResponseBody::Upstream(body));
    *rsp.status_mut() = head.status;
    *rsp.headers_mut() = head.headers;
    rsp
}

/// Answers a request that a verdict or a rule refused.
fn refuse(hop: &Rc<Hop>, refusal: &Refusal, shape: Shape) -> Response<ResponseBody> {
    refuse_with(hop, refusal, shape, None)
}

fn refuse_with(
    hop: &Rc<Hop>,
    refusal: &Refusal,
    shape: Shape,
    error: Option<HopError>,
) -> Response<ResponseBody> {
    answered(hop, respond(refusal, shape, Guard::Hop(Rc::clone(hop))), error)
}

/// Ends the hop of a request that was answered by us.
fn answered(hop: &Hop, rsp: Response<ResponseBody>, error: Option<HopError>) -> Response<ResponseBody> {
    hop.set_status(rsp.status());
    hop.set_grpc_status(rsp.headers());
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
