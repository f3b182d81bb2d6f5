//! Plain TCP: bytes both ways, to the baseline or to the fork that the caller implies.
//!
//! A TCP connection carries no key, so the caller's own sandbox is all that can
//! choose a version.

use std::{
    cell::Cell,
    io,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Method, Version};
use spur_net::Alpn;
use spur_route::{Endpoint, Outcome, Verdict};
use spur_trace::{Carried, HopError};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes},
    time::{Instant, sleep_until},
};

use crate::{
    acceptor::Facts,
    access_log::Asked,
    attempts::Undelivered,
    connect::{Peer, Upstream, connect},
    hop::{Begin, Hop},
    request::connect_timeout,
    tls::{self, Origin},
    worker::Worker,
};

/// Bytes held for each direction: two of hyper's usual reads; what does not fit
/// waits in the sender's socket.
const BUFFER_BYTES: usize = 16 * 1024;

/// A connection without bytes is closed after an hour, Envoy's default and Istio's
/// (`connectionPool.tcp.idleTimeout`).
const IDLE_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// Relays one connection to its end. Where the verdict refuses, or no endpoint
/// can be reached, the client sees a closed connection; the reason is in the record.
pub(crate) async fn relay<S>(
    worker: &Rc<Worker>,
    (inlet, peer): (&Facts, SocketAddr),
    client: S,
    verdict: &Verdict,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let cluster = worker.clusters.of(verdict);
    let stays_at = worker.affinities.choose(verdict, (inlet.caller.as_ref(), peer.ip()));
    let first_idx = cluster.as_ref().map_or(0, |cluster| cluster.first(stays_at));
    let hop = Hop::begin(
        worker,
        Begin {
            verdict,
            endpoint: verdict.backends().get(first_idx),
            caller: inlet.caller.as_ref(),
            incoming: None,
            method: &Method::CONNECT,
            target: None,
            // No HTTP at all; the method and the missing target say so.
            version: Version::HTTP_11,
            carried: Carried::default(),
            busy: None,
            replay_of: None,
            captured: None,
            asked: worker.access_log.is_some().then(|| Asked::of_connection(peer)),
        },
    );
    let Outcome::Forward { backends } = &verdict.outcome else {
        hop.end(None);
        return;
    };
    let origin = match tls::origin(worker, verdict, None) {
        Ok(origin) => origin,
        Err(fault) => return hop.end(Some(HopError::TlsFailed(fault))),
    };
    let within = connect_timeout(worker, verdict);
    match reach((worker, &hop), (backends, first_idx), (origin, within)).await {
        Ok(upstream) => copy(&hop, (client, upstream), Span::of(verdict)).await,
        Err(undelivered) => hop.end(Some(undelivered.error)),
    }
}

/// How long a connection may last; `None`: as long as it likes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    /// Without a byte.
    idle_max: Option<Duration>,
    /// Since it was made.
    age_max: Option<Duration>,
}

/// Copies both ways until both sides have closed, each half by itself, one fails, or `span` is
/// over; then ends the hop.
pub(crate) async fn copy<A, B>(hop: &Hop, (client, upstream): (A, B), span: Span)
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let moved = Cell::new(Instant::now());
    let mut client = Counted { stream: client, hop, moved: &moved, has_failed: false };
    let mut upstream = upstream;
    let copied = tokio::select! {
        biased;
        copied = copy_bidirectional_with_sizes(&mut client, &mut upstream, BUFFER_BYTES, BUFFER_BYTES) => copied,
        error = span.end(&moved) => return hop.end(Some(error)),
    };
    let error = if client.has_failed { HopError::ClientGone } else { HopError::ResponseAborted };
    hop.end(copied.err().map(|_| error));
}

/// The client's side of a copy, which counts both ways and knows its own failures.
struct Counted<'a, S> {
    stream: S,
    hop: &'a Hop,
    /// When a byte last went either way.
    moved: &'a Cell<Instant>,
    has_failed: bool,
}

/// The first endpoint that accepts, of all, of which there has to be one.
pub(crate) async fn reach(
    (worker, hop): (&Worker, &Hop),
    (backends, first_idx): (&[Endpoint], usize),
    (origin, within): (Option<Origin>, Duration),
) -> Result<Upstream, Undelivered> {
    let mut nth = 0;
    loop {
        let endpoint = &backends[(first_idx + nth) % backends.len()];
        nth += 1;
        let peer = Peer { address: endpoint.address, origin: origin.clone() };
        match connect(&worker.dial, &peer, (Alpn::None, within)).await {
            Ok(stream) => {
                hop.reached(endpoint);
                return Ok(stream);
            }
            Err(error) if nth == backends.len() => {
                return Err(Undelivered { error, endpoint: endpoint.clone(), n_tried: nth });
            }
            Err(_) => {}
        }
    }
}

// === impl Span ===

impl Span {
    /// What the policy of a verdict says about connections whose bytes are not read.
    pub(crate) fn of(verdict: &Verdict) -> Self {
        let pool = verdict.policy.as_deref().and_then(|policy| policy.connection_pool.as_ref());
        let idle = pool.and_then(|pool| pool.tcp_idle_timeout).unwrap_or(IDLE_TIMEOUT);
        Self {
            idle_max: Some(idle).filter(|idle| !idle.is_zero()),
            age_max: pool.and_then(|pool| pool.connection_duration_max),
        }
    }

    /// Waits until it is over, for a connection that begins now and on which bytes last moved then.
    async fn end(self, moved: &Cell<Instant>) -> HopError {
        let old = self.age_max.and_then(|age| Instant::now().checked_add(age));
        loop {
            let idle = self.idle_max.and_then(|idle| moved.get().checked_add(idle));
            let dues = [old.map(|due| (due, HopError::TooOld)), idle.map(|due| (due, HopError::Idle))];
            let Some((due, error)) = dues.into_iter().flatten().min_by_key(|(due, _)| *due) else {
                return std::future::pending().await;
            };
            if due <= Instant::now() {
                return error;
            }
            sleep_until(due).await;
        }
    }
}

// === impl Counted ===

impl<S: AsyncRead + Unpin> AsyncRead for Counted<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let n_before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        match &polled {
            Poll::Ready(Ok(())) => {
                self.moved.set(Instant::now());
                self.hop.add_request_bytes(buf.filled().len() - n_before);
            }
            Poll::Ready(Err(_)) => self.has_failed = true,
            Poll::Pending => {}
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<'_, S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        match &polled {
            Poll::Ready(Ok(n_bytes)) => {
                self.moved.set(Instant::now());
                self.hop.add_response_bytes(*n_bytes);
            }
            Poll::Ready(Err(_)) => self.has_failed = true,
            Poll::Pending => {}
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
