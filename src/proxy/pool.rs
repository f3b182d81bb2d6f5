//! One worker's connections to upstreams. Nothing in here is shared between threads.
//!
//! Which endpoint is asked is decided elsewhere (`pick`); what is said on a
//! connection, too (`forward`).

mod h1;
mod h2;

use std::{collections::HashMap, rc::Rc, sync::Arc, time::Duration};

use http::{Request, Response};
use spur_net::Dial;
use spur_route::policy::ConnectionPool;
use spur_trace::HopError;
use tokio::time::Instant;
use tokio_util::either::Either;

use self::{
    h1::{H1Lease, H1Pool},
    h2::{H2Pool, H2Stream},
};
use crate::{
    body::RequestBody,
    connect::Peer,
    http2,
    incoming::{Broken, Incoming},
    interim::Sink,
    stats::WorkerStats,
};

/// All of a worker's upstream connections.
#[derive(Debug)]
pub(crate) struct Pool {
    h1: Rc<H1Pool>,
    h2: H2Pool,
}

/// How a connection is opened and for how long it is kept, as the asking request's policy says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) connect_timeout: Millis,
    /// Without a request it is closed after this long.
    pub(crate) idle_max: Millis,
    /// It is closed after so many requests.
    pub(crate) requests_max: u32,
    /// It takes no request when it is older.
    pub(crate) age_max: Millis,
}

/// A time in milliseconds; as many as there can be are for ever. A fourth of a [`Duration`]: the
/// future of each request holds several copies of its [`Terms`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Millis(u32);

/// By upstream, with a hash that is fast on little: who sends requests chooses none of them.
type ByPeer<T> = HashMap<Peer, T, foldhash::fast::RandomState>;

/// What an upstream speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speak {
    Http1,
    Http2,
}

/// A connection on which one request can be sent.
#[derive(Debug)]
pub(crate) enum Ready {
    Http1(H1Lease),
    Http2(H2Stream),
}

/// Held while a response is read. Dropped early, an HTTP/1 connection is closed
/// and an HTTP/2 stream reset; given back, the connection serves again.
#[derive(Debug)]
pub(crate) enum Lease {
    Http1(H1Lease),
    Http2(#[expect(dead_code, reason = "held for its drop")] h2::StreamCount, http2::Sending),
}

/// Why a request was not answered.
#[derive(Debug)]
pub(crate) enum NotSent {
    /// No byte of it was written: here it is again. Boxed, since it is rare.
    Unsent(Box<Request<RequestBody>>),
    /// It may have been read, so it must not be sent again.
    Failed(Broken),
}

/// Unused connections are closed after 60 s: below nginx's `keepalive_timeout` of
/// 75 s. Servers that close earlier (Node.js after 5 s) are noticed by their FIN.
const IDLE_MAX: Duration = Duration::from_secs(60);

// === impl Terms ===

impl Terms {
    pub(crate) fn of(policy: Option<&ConnectionPool>, connect_timeout: Duration) -> Self {
        let idle_max = match policy.and_then(|policy| policy.idle_timeout) {
            None => Some(IDLE_MAX),
            // As in Envoy: never.
            Some(Duration::ZERO) => None,
            some => some,
        };
        let requests_max = policy.map_or(0, |policy| policy.requests_per_connection);
        let requests_max = if requests_max == 0 { u32::MAX } else { requests_max };
        let age_max = policy.and_then(|policy| policy.connection_duration_max);
        let [connect_timeout, idle_max, age_max] = [Some(connect_timeout), idle_max, age_max].map(Millis::of);
        Self { connect_timeout, idle_max, requests_max, age_max }
    }
}

// === impl Millis ===

impl Millis {
    /// `None` is for ever; a part of a millisecond counts as one.
    fn of(time: Option<Duration>) -> Self {
        let millis = time.and_then(|time| u32::try_from(time.as_nanos().div_ceil(1_000_000)).ok());
        Self(millis.unwrap_or(u32::MAX))
    }

    /// As long as may be waited, where it is for ever: seven weeks.
    pub(crate) fn duration(self) -> Duration {
        Duration::from_millis(self.0.into())
    }

    fn are_over(self, since: Instant, now: Instant) -> bool {
        self.0 != u32::MAX && now.duration_since(since) >= self.duration()
    }
}

// === impl Pool ===

impl Pool {
    pub(crate) fn new(stats: &Arc<WorkerStats>, dial: &Dial) -> Self {
        Self {
            h1: Rc::new(H1Pool::new(Arc::clone(stats), dial.clone())),
            h2: H2Pool::new(Arc::clone(stats), dial.clone()),
        }
    }

    /// A connection to `peer`: an idle one, or a new one, which may take its `connect_timeout`.
    pub(crate) async fn ready(&self, peer: &Peer, speak: Speak, terms: Terms) -> Result<Ready, HopError> {
        match speak {
            Speak::Http1 => H1Pool::ready(&self.h1, peer, terms).await.map(Ready::Http1),
            Speak::Http2 => self.h2.ready(peer, terms).await.map(Ready::Http2),
        }
    }

    /// The same, but over HTTP/1 a new connection in any case. One of HTTP/2 that has closed is not
    /// there to be used again: all its streams end with it.
    pub(crate) async fn fresh(&self, peer: &Peer, speak: Speak, terms: Terms) -> Result<Ready, HopError> {
        match speak {
            Speak::Http1 => H1Pool::fresh(&self.h1, peer, terms).await.map(Ready::Http1),
            Speak::Http2 => self.ready(peer, speak, terms).await,
        }
    }

    /// Closes what has been idle for too long.
    pub(crate) fn sweep(&self, now: Instant) {
        self.h1.sweep(now);
        self.h2.sweep(now);
    }
}

// === impl Ready ===

impl Ready {
    /// Whether the connection had served a request before, and so may have been
    /// closed in the meantime.
    pub(crate) fn is_reused(&self) -> bool {
        match self {
            Self::Http1(lease) => lease.is_reused(),
            Self::Http2(stream) => stream.is_reused,
        }
    }

    /// Whether a WebSocket may be asked for here: over HTTP/2 the server says so. `None`: it said
    /// nothing, so that it is not there.
    pub(crate) async fn takes_websockets(&self) -> Option<bool> {
        match self {
            Self::Http1(_) => Some(true),
            Self::Http2(stream) => stream.takes_websockets().await,
        }
    }

    /// Sends `req`, and then waits for the head of its response; interim ones go to `interims`.
    pub(crate) fn send(
        self,
        mut req: Request<RequestBody>,
        interims: Option<Sink>,
    ) -> impl Future<Output = Result<(Response<Incoming>, Lease), NotSent>> {
        match self {
            Self::Http1(mut lease) => {
                if let Some(interims) = interims {
                    hyper::ext::on_informational(&mut req, move |rsp| {
                        interims.pass(rsp.status(), rsp.headers());
                    });
                }
                let sent = lease.sender().try_send_request(req);
                Either::Left(async move {
                    {
                        let rsp = sent.await.map_err(not_sent)?;
                        Ok((rsp.map(Incoming::Http1), Lease::Http1(lease)))
                    }
                })
            }
            // Boxed: it would make the future of each request larger, also over HTTP/1.
            Self::Http2(H2Stream { sender, count, .. }) => Either::Right(Box::pin(async move {
                let (rsp, sending) = http2::exchange(sender, req, interims).await?;
                Ok((rsp, Lease::Http2(count, sending)))
            })),
        }
    }
}

fn not_sent(mut error: hyper::client::conn::TrySendError<Request<RequestBody>>) -> NotSent {
    match error.take_message() {
        Some(req) => NotSent::Unsent(Box::new(req)),
        None => NotSent::Failed(error.into_error().into()),
    }
}

// === impl Lease ===

impl Lease {
    /// It is a stream of HTTP/2.
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self, Self::Http2(..))
    }

    /// The response was read to its end.
    pub(crate) fn give_back(self) {
        match self {
            Self::Http1(lease) => lease.give_back(),
            Self::Http2(_, sending) => sending.goes_on(),
        }
    }
}
