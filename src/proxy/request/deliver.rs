//! Sending a request that is decided, and handing on what comes back.

use std::rc::Rc;

use http::{HeaderName, HeaderValue, Response, StatusCode, Version, header};
use spur_route::Verdict;
use spur_trace::HopError;
use tokio::time::timeout_at;

use super::{Decided, Leaving, again, refuse};
use crate::{
    apply,
    attempts::{self, Answered, Deadline, Plan, Unanswered},
    body::{Means, ResponseBody, UpstreamBody},
    cluster::Overflow,
    connection::Client,
    fields::{Field, Fields},
    grpc_web::GrpcWeb,
    hop::Hop,
    pool::{Lease, Speak},
    respond::{Refusal, Shape},
    sanitise::{self, BadRequest},
    upgrade::{self, Wanted},
};

/// What Envoy answers with where a bound of the connection pool is reached
/// (`circuit_breaking.rst`).
const OVERLOADED: HeaderName = HeaderName::from_static("x-envoy-overloaded");

/// Sends it where it was decided to go, and answers.
pub(super) async fn deliver(client: &Client, (decided, req): Leaving) -> Response<ResponseBody> {
    let has_own_connection = decided.outgoing.speak == Speak::Http1;
    let admitted = match &decided.cluster {
        Some(cluster) => match cluster.shared.bounds.admit_at_once(has_own_connection) {
            Some(admitted) => Some(admitted),
            None => {
                let admit = cluster.shared.bounds.admit(has_own_connection);
                match Box::pin(within(decided.deadline, admit)).await {
                    Ok(Ok(admitted)) => Some(admitted),
                    Ok(Err(Overflow)) => return decided.overflow(),
                    Err(error) => return decided.refused(error),
                }
            }
        },
        None => None,
    };
    let plan = Plan {
        backends: decided.verdict.backends(),
        cluster: decided.cluster.clone(),
        first: decided.first,
        hash: decided.sticky.hash,
        again: again(&decided.verdict, decided.shape, decided.outgoing.speak),
        deadline: decided.deadline,
    };
    match attempts::send(&client.worker, &decided.hop, &plan, (&decided.outgoing, req)).await {
        Ok(mut answered) => {
            answered.held.admitted = admitted;
            decided.pass_on(client, answered)
        }
        Err(unanswered) => decided.unanswered(&unanswered),
    }
}

/// The wait for a place counts, too (Envoy: the route's timeout begins with the request).
async fn within<F: Future>(deadline: Option<Deadline>, admit: F) -> Result<F::Output, HopError> {
    match deadline {
        None => Ok(admit.await),
        Some(Deadline { at, error }) => timeout_at(at, admit).await.map_err(|_| error),
    }
}

// === impl Decided ===

impl Decided {
    /// It was sent nowhere.
    fn refused(&self, error: HopError) -> Response<ResponseBody> {
        let refusal = Refusal::of_destination(error, &self.verdict);
        refuse(&self.hop, &refusal, (self.shape, Some(error)))
    }

    fn overflow(&self) -> Response<ResponseBody> {
        let mut rsp = self.refused(HopError::OverLimit);
        rsp.headers_mut().insert(OVERLOADED, HeaderValue::from_static("true"));
        rsp
    }

    fn unanswered(&self, unanswered: &Unanswered) -> Response<ResponseBody> {
        let (refusal, error) = match unanswered {
            Unanswered::BodyTimeout => {
                (Refusal::bad_request(BadRequest::BodyTimeout), HopError::BadRequestBody)
            }
            Unanswered::Undelivered(undelivered) => {
                (Refusal::undelivered(undelivered, &self.verdict), undelivered.error)
            }
        };
        refuse(&self.hop, &refusal, (self.shape, Some(error)))
    }

    fn pass_on(mut self: Box<Self>, client: &Client, mut answered: Answered) -> Response<ResponseBody> {
        if let Some(cookie) = self.sticky.cookie.take() {
            answered.rsp.headers_mut().append(header::SET_COOKIE, cookie);
        }
        let means = match (self.shape, self.version) {
            _ if self.wanted.is_some() => Means::Declined,
            (Shape::Grpc, Version::HTTP_2) => Means::Grpc,
            _ if self.web.is_some() => Means::Grpc,
            _ => Means::Usual,
        };
        let Self { hop, verdict, shape, deadline, web, wanted, .. } = *self;
        pass_on(client, hop, (answered, means, web, deadline), (&verdict, shape, wanted))
    }
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
        // As hyper's client has it.
        Lease::Http2(..) => rsp.status() == StatusCode::OK,
    };
    // A success says to a stream that it is what it asked to be (RFC 8441 5).
    let is_stream = wanted.as_ref().is_some_and(|wanted| lease.is_stream() || wanted.is_stream());
    if is_switched || is_stream && rsp.status().is_success() {
        return match wanted {
            Some(wanted) if has_agreed => wanted.switch(client, (&hop, lease, held), &mut rsp),
            // RFC 9110 15.2.2: only what was asked for. The connection is not HTTP any more.
            _ => {
                let error = HopError::BadResponse;
                let undelivered = attempts::Undelivered { error, endpoint, n_tried: 1 };
                let refusal = Refusal::undelivered(&undelivered, verdict);
                refuse(&hop, &refusal, (shape, Some(error)))
            }
        };
    }
    let (mut head, incoming) = rsp.into_parts();
    let fields = Fields::of(&head.headers);
    sanitise::strip_response(&mut head.headers, fields);
    if fields.has(Field::GrpcStatus) {
        hop.set_grpc_status(&head.headers);
    }
    if let Some(applied) = &verdict.applied {
        apply::to_response(applied, &mut head.headers);
    }
    if let Some(web) = web {
        web.to_web(&mut head.headers);
    }
    hop.set_head(head.status, &head.headers);
    let body = UpstreamBody::new(incoming, (hop, lease, held), (means, web, deadline));
    let mut rsp = Response::new(ResponseBody::Upstream(body));
    *rsp.status_mut() = head.status;
    *rsp.headers_mut() = head.headers;
    rsp
}
