//! The accept loop of the API server: plain TCP, HTTP/1.1 and HTTP/2, deadlines,
//! a cap, and a drain that leaves nothing behind.
//!
//! TLS, routing and bodies are left to the service; the proxy has its own loop.

mod guarded;

use std::{
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use hyper::{body::Incoming, service::Service};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use self::guarded::Guarded;
use crate::{Busy, Ended, Limits, Pace, Paced, Protocol, accept, drive, sniff};

/// The address a request's connection came from; an extension of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// What a serve loop did, for the log line at its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Served {
    /// Connections accepted.
    pub n_accepted: u64,
    /// Connections that did not finish within the drain and were cut.
    pub n_cut: u64,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Serves `listener` until `stop` is cancelled, then lets requests in progress
/// finish within `limits.drain_timeout` and cuts the rest. When it returns, all
/// its tasks have ended; only upgraded connections live on, with whoever took them.
///
/// A tower service (an axum router) fits through `hyper_util::service::TowerToHyperService`.
/// Dropping the future cuts everything at once.
pub async fn serve<S, B>(listener: TcpListener, service: S, limits: Limits, stop: CancellationToken) -> Served
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + 'static,
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let mut served = Served::default();
    // Bounded by `n_connections_max`: beyond it nothing is accepted.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(ended) = connections.join_next() => served.count(ended),
            (stream, peer) = accept(&listener), if connections.len() < limits.n_connections_max => {
                served.n_accepted += 1;
                connections.spawn(connection(stream, peer, service.clone(), (limits.clone(), stop.clone())));
            }
        }
    }
    // Connections still in the kernel's queue are refused from here on.
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        served.count(ended);
    }
    served
}

/// A service for one connection: adds [`Peer`] and keeps its pace.
#[derive(Debug, Clone)]
struct Connected<S> {
    service: S,
    peer: Peer,
    pace: Pace,
}

/// The future of one request, holding its [`Busy`] guard until the response has a body to hold it.
struct Answer<F> {
    answer: Pin<Box<F>>,
    busy: Option<Busy>,
}

async fn connection<S, B>(
    stream: TcpStream,
    peer: SocketAddr,
    service: S,
    (limits, drain): (Limits, CancellationToken),
) -> Ended
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + 'static,
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    // Small answers must not wait for an acknowledgement (Nagle); failing to say so is no fault.
    let _ = stream.set_nodelay(true);
    let sniffed = tokio::select! {
        sniffed = sniff(stream, limits.first_bytes_timeout) => sniffed,
        () = drain.cancelled() => return Ended::Finished,
    };
    let (protocol, stream) = match sniffed {
        Ok(sniffed) => sniffed,
        Err(error) => {
            debug!(peer.address = %peer, error.message = %error, "closed a connection that said too little");
            return Ended::Finished;
        }
    };
    let pace = Pace::new(protocol);
    let io = TokioIo::new(Paced::new(stream, pace.clone()));
    let service = Connected { service, peer: Peer(peer), pace: pace.clone() };
    match protocol {
        Protocol::Http1 => {
            let connection = limits.http1().serve_connection(io, service).with_upgrades();
            drive(connection, |c| c.graceful_shutdown(), (&pace, &limits), &drain).await
        }
        Protocol::Http2 => {
            let connection = limits.http2(TokioExecutor::new()).serve_connection(io, service);
            drive(connection, |c| c.graceful_shutdown(), (&pace, &limits), &drain).await
        }
        Protocol::Other => Ended::Finished,
    }
}

// === impl Served ===

impl Served {
    fn count(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        match ended {
            Ok(Ended::Cut) => self.n_cut += 1,
            Ok(Ended::Finished | Ended::Failed(_) | Ended::Overdue(_)) => {}
            // A panic in a service was reported by the panic hook; its connection is gone.
            Err(_) => self.n_cut += 1,
        }
    }
}

// === impl Connected ===

impl<S, B> Service<Request<Incoming>> for Connected<S>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
{
    type Response = Response<Guarded<B>>;
    type Error = S::Error;
    type Future = Answer<S::Future>;

    fn call(&self, mut req: Request<Incoming>) -> Self::Future {
        req.extensions_mut().insert(self.peer);
        Answer { busy: Some(self.pace.begin()), answer: Box::pin(self.service.call(req)) }
    }
}

// === impl Answer ===

impl<F, B, E> Future for Answer<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Guarded<B>>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Poll::Ready(answer) = self.answer.as_mut().poll(cx) else {
            return Poll::Pending;
        };
        let busy = self.busy.take();
        Poll::Ready(answer.map(|rsp| rsp.map(|body| Guarded::new(body, busy))))
    }
}
