//! The accept loop of the API server: TLS, HTTP/1.1 and HTTP/2, deadlines,
//! a cap, and a drain that leaves nothing behind.
//!
//! Routing and bodies are left to the service; the proxy has its own loop.

mod guarded;

use std::{
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::Body;
use hyper::{body::Incoming, service::Service};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use self::guarded::Guarded;
use crate::{Busy, Client, Ended, Limits, Pace, Paced, Protocol, Rewind, Tls, accept, drive, sniff};

/// What a plain HTTP request to a TLS listener gets, word for word what Go's servers
/// answer (`net/http/server.go`), since people search for it.
const PLAIN_TO_TLS: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// A listener, and what it speaks.
#[derive(Debug)]
pub struct Listening {
    /// The socket.
    pub tcp: TcpListener,
    /// TLS, which every client then has to speak; `None` for plain HTTP.
    pub tls: Option<Tls>,
}

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

/// Serves a listener until `stop` is cancelled, then lets requests in progress
/// finish within `limits.drain_timeout` and cuts the rest. When it returns, all
/// its tasks have ended; only upgraded connections live on, with whoever took them.
///
/// A tower service (an axum router) fits through `hyper_util::service::TowerToHyperService`.
/// Dropping the future cuts everything at once.
pub async fn serve<S, B>(listening: Listening, service: S, limits: Limits, stop: CancellationToken) -> Served
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + 'static,
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let Listening { tcp: listener, tls } = listening;
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
                let service = Connected { service: service.clone(), peer: Peer(peer), client: None };
                connections.spawn(connection(stream, tls.clone(), service, (limits.clone(), stop.clone())));
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

/// A service for one connection: says on each request who sends it.
#[derive(Debug, Clone)]
struct Connected<S> {
    service: S,
    peer: Peer,
    client: Option<Client>,
}

/// The same, keeping the connection's pace.
#[derive(Debug, Clone)]
struct Pacing<S> {
    connected: Connected<S>,
    pace: Pace,
    n_headers_max: usize,
}

/// The future of one request, holding its [`Busy`] guard until the response has a body to hold it.
struct Answer<F> {
    /// Or the status of a refusal, where the service never sees the request.
    answer: Result<Pin<Box<F>>, StatusCode>,
    busy: Option<Busy>,
}

async fn connection<S, B>(
    stream: TcpStream,
    tls: Option<Tls>,
    mut service: Connected<S>,
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
    let peer = service.peer.0;
    let Some((protocol, stream)) = tell(stream, peer, (&limits, &drain)).await else {
        return Ended::Finished;
    };
    let Some(tls) = tls else {
        return http(protocol, stream, service, (limits, drain)).await;
    };
    if protocol != Protocol::Tls {
        refuse_plain(stream, protocol, &limits).await;
        return Ended::Finished;
    }
    let shaken = tokio::select! {
        shaken = tls.accept(stream, limits.first_bytes_timeout) => shaken,
        () = drain.cancelled() => return Ended::Finished,
    };
    let stream = match shaken {
        Ok((stream, client)) => {
            service.client = client;
            stream
        }
        Err(error) => {
            debug!(peer.address = %peer, error.message = %error, "closed a connection whose handshake failed");
            return Ended::Finished;
        }
    };
    match tell(stream, peer, (&limits, &drain)).await {
        Some((protocol, stream)) => http(protocol, stream, service, (limits, drain)).await,
        None => Ended::Finished,
    }
}

/// Closes a connection that does not speak TLS where every client has to; one that speaks HTTP/1 is
/// told.
pub async fn refuse_plain<I>(stream: I, protocol: Protocol, limits: &Limits)
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    if protocol == Protocol::Http1 {
        // It lingers, or the request that is left unread would reset the answer.
        let mut stream = Paced::new(stream, Pace::new(protocol), limits);
        if stream.write_all(PLAIN_TO_TLS).await.is_ok() {
            let _nobody_listens_any_more = stream.shutdown().await;
        }
    }
}

/// What the first bytes say; `None` where too few came, or the drain came first.
async fn tell<I>(
    stream: I,
    peer: SocketAddr,
    (limits, drain): (&Limits, &CancellationToken),
) -> Option<(Protocol, Rewind<I>)>
where
    I: AsyncRead + Unpin,
{
    let sniffed = tokio::select! {
        sniffed = sniff(stream, limits.first_bytes_timeout) => sniffed,
        () = drain.cancelled() => return None,
    };
    sniffed
        .inspect_err(|error| {
            debug!(peer.address = %peer, error.message = %error, "closed a connection that said too little");
        })
        .ok()
}

/// HTTP on a connection that is told to speak it.
async fn http<I, S, B>(
    protocol: Protocol,
    stream: I,
    connected: Connected<S>,
    (limits, drain): (Limits, CancellationToken),
) -> Ended
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + 'static,
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let pace = Pace::new(protocol);
    let io = TokioIo::new(Paced::new(stream, pace.clone(), &limits));
    let service = Pacing { connected, pace: pace.clone(), n_headers_max: limits.n_headers_max };
    match protocol {
        Protocol::Http1 => {
            let connection = limits.http1().serve_connection(io, service).with_upgrades();
            drive(connection, |c| c.graceful_shutdown(), (&pace, &limits), &drain).await
        }
        Protocol::Http2 => {
            let connection = limits.http2(TokioExecutor::new()).serve_connection(io, service);
            drive(connection, |c| c.graceful_shutdown(), (&pace, &limits), &drain).await
        }
        Protocol::Tls | Protocol::Other => Ended::Finished,
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

// === impl Pacing ===

impl<S, B> Service<Request<Incoming>> for Pacing<S>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
{
    type Response = Response<Guarded<B>>;
    type Error = S::Error;
    type Future = Answer<S::Future>;

    fn call(&self, mut req: Request<Incoming>) -> Self::Future {
        let Connected { service, peer, client } = &self.connected;
        let busy = Some(self.pace.begin());
        if let Some(fault) = self.pace.head_fault() {
            debug!(peer.address = %peer.0, error.message = %fault, "refused a request");
            return Answer { answer: Err(StatusCode::BAD_REQUEST), busy };
        }
        // hyper counts for HTTP/1 only.
        if req.headers().len() > self.n_headers_max {
            return Answer { answer: Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE), busy };
        }
        req.extensions_mut().insert(*peer);
        if let Some(client) = client {
            req.extensions_mut().insert(client.clone());
        }
        Answer { answer: Ok(Box::pin(service.call(req))), busy }
    }
}

// === impl Answer ===

impl<F, B, E> Future for Answer<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Guarded<B>>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match &mut self.answer {
            Ok(answer) => answer,
            Err(status) => {
                let status = *status;
                let busy = self.busy.take();
                return Poll::Ready(Ok(refusal(status, Guarded::empty(busy))));
            }
        };
        let Poll::Ready(answer) = answer.as_mut().poll(cx) else {
            return Poll::Pending;
        };
        let busy = self.busy.take();
        Poll::Ready(answer.map(|rsp| rsp.map(|body| Guarded::new(body, busy))))
    }
}

/// As hyper answers heads that it refuses itself: without a body, and closing (over HTTP/2 hyper
/// takes the header off).
fn refusal<B>(status: StatusCode, body: B) -> Response<B> {
    let mut rsp = Response::new(body);
    *rsp.status_mut() = status;
    rsp.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    rsp
}
