//! The tries of one request: at which endpoint, for how long, and whether once more.
//!
//! What has sent nothing (a connection that cannot be made, an idle one that had been closed) is
//! always tried elsewhere. What may have been read is sent again where its method is idempotent and
//! the connection had served before and closed instead of an answer (RFC 9110 9.2.2: it may have been
//! closing already), and else only where the rule's policy says so; both where the beginning was
//! kept and within the budget, and never once the response has begun.

mod deadline;
mod moving;

use std::{pin::pin, rc::Rc, time::Duration};

use http::{HeaderMap, Method, Request, Response};
use http_body::Body as _;
use spur_route::{Endpoint, rules::RetryPolicy};
use spur_trace::HopError;
use tokio::time::{Instant, sleep};

pub(crate) use self::deadline::Deadline;
use self::moving::{Patience, Slow, while_moving};
use crate::{
    body::RequestBody,
    cluster::{Active, Admitted, Cluster, Outcome, RetryTicket},
    connect::Peer,
    failure,
    hop::Hop,
    incoming::Incoming,
    interim::{Interims, Passing},
    pool::{Lease, NotSent, Speak, Terms},
    replay::Replay,
    tls::Origin,
    worker::Worker,
};

/// Endpoints tried for one request while connections cannot be made and the policy asks for fewer:
/// the first and two more, Istio's default number of retries. At 1.5 s each, a client waits 4.5 s
/// at most.
const N_ENDPOINTS_TRIED: usize = 3;

/// Fresh connections to one endpoint that may close before anything was sent. A
/// server that accepts and closes at once is not there.
const N_FRESH_CLOSED: usize = 2;

/// Where a request may be sent, and how often.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// The ready endpoints.
    pub(crate) backends: &'a [Endpoint],
    /// Who chooses among them; `None` where there is one.
    pub(crate) cluster: Option<Rc<Cluster>>,
    /// The endpoint that is tried first.
    pub(crate) first: usize,
    /// What keeps the client at its endpoint.
    pub(crate) hash: Option<u64>,
    /// What is tried again.
    pub(crate) again: Again<'a>,
    /// When all of it must be over.
    pub(crate) deadline: Option<Deadline>,
}

/// What is tried again.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Again<'a> {
    /// Nothing (`attempts: 0`).
    Never,
    /// What has sent nothing.
    Unsent,
    /// That, and what the policy says.
    Policy(&'a RetryPolicy),
}

/// How a request is sent.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) speak: Speak,
    /// The TLS that is spoken with every endpoint.
    pub(crate) origin: Option<Origin>,
    /// How a connection for it is opened and kept.
    pub(crate) terms: Terms,
    /// How long its response may not begin while the request does not move.
    pub(crate) head_timeout: Option<Duration>,
    /// How long no byte of its body may come before that.
    pub(crate) body_timeout: Option<Duration>,
    /// Where interim responses go, if the client is given any.
    pub(crate) interims: Option<Interims>,
}

/// A response that has begun.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) rsp: Response<Incoming>,
    pub(crate) lease: Lease,
    pub(crate) endpoint: Endpoint,
    pub(crate) held: Held,
}

/// What a request takes up until its response has ended.
#[derive(Debug, Default)]
pub(crate) struct Held {
    _active: Option<Active>,
    _retry: Option<RetryTicket>,
    pub(crate) admitted: Option<Admitted>,
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

/// What one endpoint did with a request.
#[expect(clippy::large_enum_variant, reason = "nearly every try is answered")]
enum Tried {
    Answered(Response<Incoming>, Lease),
    /// Nothing was sent: here it is again.
    Unreached(HopError, Box<Request<RequestBody>>),
    /// It may have been read. `is_stale`: a connection that had served before closed instead of an
    /// answer.
    Failed {
        error: HopError,
        is_stale: bool,
    },
    BodyTimeout,
}

/// A request once more, with its place in the budget where there is one.
type Once = (Box<Request<RequestBody>>, Option<RetryTicket>);

/// Which tries there were.
struct Tries<'p, 'a> {
    plan: &'p Plan<'a>,
    /// What the request was, where it may be wanted once more. Boxed: it would be a tenth of the future
    /// of each request.
    replay: Option<Box<Replay>>,
    /// Whether it may be sent again after a stale connection.
    is_idempotent: bool,
    /// A stale connection was met: what follows is sent on fresh ones.
    was_stale: bool,
    /// The places of the endpoints that were tried.
    tried: Vec<usize>,
    /// Tries after which the request had perhaps been read.
    n_retries: u32,
}

/// Sends a request until an endpoint answers or nothing more may be tried.
pub(crate) async fn send(
    worker: &Worker,
    hop: &Rc<Hop>,
    plan: &Plan<'_>,
    (outgoing, mut req): (&Outgoing, Box<Request<RequestBody>>),
) -> Result<Answered, Unanswered> {
    let policy = plan.again.policy();
    let patience = Patience {
        head: least(outgoing.head_timeout, policy.and_then(|policy| policy.per_try_timeout)),
        body: outgoing.body_timeout,
        until: plan.deadline.as_ref().map(|deadline| deadline.at),
    };
    let is_idempotent = plan.again.may_repeat(req.method());
    let replay = Replay::of(&req).map(Box::new);
    let mut tries = Tries { plan, replay, is_idempotent, was_stale: false, tried: Vec::new(), n_retries: 0 };
    let mut index = plan.first;
    let mut ticket = None;
    loop {
        let endpoint = &plan.backends[index];
        tries.tried.push(index);
        let active = plan.cluster.as_ref().map(|cluster| cluster.begin(index));
        let outcome = send_to((worker, hop), (endpoint, tries.was_stale), (outgoing, patience, req)).await;
        if !hop.has_client_failed() {
            tries.report(index, &outcome);
        }
        let is_at_once = matches!(outcome, Tried::Unreached(..) | Tried::Failed { is_stale: true, .. });
        req = match outcome {
            Tried::Answered(rsp, lease) => {
                let wants_more = policy.is_some_and(|policy| wants_again(policy, &rsp));
                let Some((again, taken)) = wants_more.then(|| tries.again()).flatten() else {
                    let held = Held { _active: active, _retry: ticket, admitted: None };
                    return Ok(Answered { rsp, lease, endpoint: endpoint.clone(), held });
                };
                ticket = taken;
                again
            }
            Tried::BodyTimeout => return Err(Unanswered::BodyTimeout),
            Tried::Unreached(_, back) if tries.may_try_elsewhere() => back,
            Tried::Unreached(error, _) => return Err(tries.undelivered(error, endpoint, hop)),
            Tried::Failed { error, is_stale } => {
                // A body that broke off is not whole the next time.
                let is_over = hop.has_client_failed()
                    || plan.deadline.as_ref().is_some_and(|deadline| deadline.at <= Instant::now());
                let wants_more = policy.is_some_and(|policy| wants_after(policy, error));
                let again = match is_over {
                    true => None,
                    false if is_stale && tries.is_idempotent && !tries.was_stale => tries.again_after_stale(),
                    false => wants_more.then(|| tries.again()).flatten(),
                };
                let Some((again, taken)) = again else {
                    let error = match &plan.deadline {
                        Some(deadline) if is_over && error == HopError::ResponseTimeout => deadline.error,
                        _ => error,
                    };
                    return Err(tries.undelivered(error, endpoint, hop));
                };
                ticket = taken;
                again
            }
        };
        index = match tries.next() {
            Some(next) => next,
            None => return Err(tries.undelivered(HopError::NoHealthyEndpoint, endpoint, hop)),
        };
        if let Some(policy) = policy.filter(|_| !is_at_once || tries.tried.contains(&index)) {
            let pause = policy.pause(tries.n_retries.max(1), rand::random());
            let left =
                plan.deadline.as_ref().map(|deadline| deadline.at.saturating_duration_since(Instant::now()));
            sleep(left.map_or(pause, |left| left.min(pause))).await;
        }
        hop.begins_again();
    }
}

async fn send_to(
    (worker, hop): (&Worker, &Hop),
    (endpoint, wants_fresh): (&Endpoint, bool),
    (outgoing, patience, mut req): (&Outgoing, Patience, Box<Request<RequestBody>>),
) -> Tried {
    let peer = Peer { address: endpoint.address, origin: outgoing.origin.clone() };
    let mut n_fresh_closed = 0;
    loop {
        let ready = match wants_fresh {
            true => Box::pin(worker.pool.fresh(&peer, outgoing.speak, outgoing.terms)).await,
            false => worker.pool.ready(&peer, outgoing.speak, outgoing.terms).await,
        };
        let ready = match ready {
            Ok(ready) => ready,
            Err(error) => return Tried::Unreached(error, req),
        };
        hop.reached(endpoint);
        let is_reused = ready.is_reused();
        if req.method() == Method::CONNECT {
            match Box::pin(ready.takes_websockets()).await {
                Some(true) => {}
                Some(false) => return failed(HopError::WebSocketOverH2),
                None => return Tried::Unreached(HopError::UpstreamClosed, req),
            }
        }
        let passing = outgoing.interims.as_ref().map(Interims::begin);
        let mut sent = pin!(ready.send(*req, passing.as_ref().map(Passing::sink)));
        match while_moving(hop, patience, sent.as_mut()).await {
            Err(Slow::Upstream) => return failed(HopError::ResponseTimeout),
            Err(Slow::Client) => return Tried::BodyTimeout,
            Ok(Ok((rsp, lease))) => return Tried::Answered(rsp, lease),
            Ok(Err(NotSent::Failed(error))) => {
                let (may_be_stale, error) = (failure::may_be_stale(&error), failure::before_response(&error));
                let is_stale = is_reused && may_be_stale;
                return Tried::Failed { error, is_stale };
            }
            Ok(Err(NotSent::Unsent(back))) => {
                req = back;
                n_fresh_closed += usize::from(!is_reused);
                if n_fresh_closed == N_FRESH_CLOSED {
                    return Tried::Unreached(HopError::UpstreamClosed, req);
                }
            }
        }
    }
}

/// It may have been read, and the connection is not to blame.
fn failed(error: HopError) -> Tried {
    Tried::Failed { error, is_stale: false }
}

// === impl Again ===

impl<'a> Again<'a> {
    fn policy(self) -> Option<&'a RetryPolicy> {
        match self {
            Self::Policy(policy) => Some(policy),
            Self::Never | Self::Unsent => None,
        }
    }

    /// Whether a request of this method that may have been read is sent again after a stale
    /// connection: twice is as good as once for it (RFC 9110 9.2.2).
    pub(crate) fn may_repeat(self, method: &Method) -> bool {
        !matches!(self, Self::Never) && method.is_idempotent()
    }
}

// === impl Tries ===

impl Tries<'_, '_> {
    /// The request once more, with its place in the budget; `None` where the policy, what was kept
    /// of the request or the budget does not allow it.
    fn again(&mut self) -> Option<Once> {
        self.plan.again.policy().filter(|policy| self.n_retries < policy.attempts)?;
        let again = self.once_more()?;
        self.n_retries += 1;
        Some(again)
    }

    /// The same after a stale connection, whatever the policy says, once.
    fn again_after_stale(&mut self) -> Option<Once> {
        self.was_stale = true;
        self.once_more()
    }

    fn once_more(&self) -> Option<Once> {
        let again = self.replay.as_ref()?.again()?;
        Some((Box::new(again), self.ticket()?))
    }

    /// Whether a request of which nothing was sent may go elsewhere; it goes back to an endpoint
    /// that refused it only where the rule itself asks for tries.
    fn may_try_elsewhere(&self) -> bool {
        let n_tried = self.tried.len();
        let n_endpoints = self.plan.backends.len().min(N_ENDPOINTS_TRIED);
        match self.plan.again {
            Again::Never => false,
            Again::Policy(policy) if policy.on.wants_connect_failure() => {
                let most = usize::try_from(policy.attempts).unwrap_or(usize::MAX).saturating_add(1);
                n_tried < most.max(n_endpoints)
            }
            Again::Unsent | Again::Policy(_) => n_tried < n_endpoints,
        }
    }

    /// A place among the retries that may be under way; `None` where there is none.
    #[expect(clippy::option_option, reason = "no cluster, no budget")]
    fn ticket(&self) -> Option<Option<RetryTicket>> {
        match &self.plan.cluster {
            Some(cluster) => cluster.shared.bounds.retry().map(Some),
            None => Some(None),
        }
    }

    fn next(&self) -> Option<usize> {
        let Some(cluster) = &self.plan.cluster else { return Some(0) };
        let policy = self.plan.again.policy();
        let avoids = policy.is_none_or(|policy| policy.avoids_previous) && self.plan.hash.is_none();
        let last = self.tried.last().copied();
        // A keyed request stays where it is unless it cannot: then the last one is avoided.
        let avoided = if avoids { &self.tried[..] } else { last.as_slice() };
        cluster.choose(self.plan.hash, avoided)
    }

    fn report(&self, index: usize, outcome: &Tried) {
        let Some(cluster) = &self.plan.cluster else { return };
        match outcome {
            Tried::Answered(rsp, _) => cluster.report(index, Outcome::Status(rsp.status().as_u16())),
            // It works as it is.
            Tried::Failed { error: HopError::WebSocketOverH2, .. } => {}
            // Closing what is idle is no fault.
            Tried::Failed { is_stale: true, .. } if self.is_idempotent => {}
            Tried::Failed { is_stale: true, error: HopError::StreamRefused } => {}
            Tried::Unreached(..) | Tried::Failed { .. } => cluster.report(index, Outcome::Local),
            // The client's doing.
            Tried::BodyTimeout => {}
        }
    }

    fn undelivered(&self, error: HopError, endpoint: &Endpoint, hop: &Hop) -> Unanswered {
        let (endpoint, n_tried) = (endpoint.clone(), self.tried.len());
        Unanswered::Undelivered(Undelivered { error: hop.blame(error), endpoint, n_tried })
    }
}

/// Whether a response is to be asked for again.
fn wants_again(policy: &RetryPolicy, rsp: &Response<Incoming>) -> bool {
    if policy.on.wants_status(rsp.status().as_u16()) {
        return true;
    }
    // A status of gRPC in the headers: the response is nothing but trailers.
    let status = grpc_status(rsp.headers()).filter(|_| rsp.body().is_end_stream());
    status.is_some_and(|status| policy.on.wants_grpc_status(status))
}

fn grpc_status(headers: &HeaderMap) -> Option<u32> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

/// Whether a try that ended so, after the request may have been read, is made again.
fn wants_after(policy: &RetryPolicy, error: HopError) -> bool {
    match error {
        HopError::StreamRefused => policy.on.wants_refused_stream(),
        HopError::UpstreamClosed | HopError::ResponseTimeout | HopError::BadResponse => {
            policy.on.wants_reset()
        }
        _ => false,
    }
}

fn least(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}
