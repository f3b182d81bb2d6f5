//! HTTP/2 connections by address and TLS: normally one, multiplexed, replaced once the
//! upstream says GOAWAY or closes.

mod settings;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use spur_net::{Alpn, Dial};
use spur_trace::HopError;
use tokio::{sync::Semaphore, task::spawn_local, time::Instant};
use tracing::debug;

use self::settings::{FirstFrame, WebSockets};
use super::{ByPeer, Terms};
use crate::{
    connect::{Peer, connect},
    stats::{UpstreamOpen, WorkerStats, count},
};

/// Streams on one connection before another is opened, so that a hundred
/// long-lived streams do not hold up the next request. 100 is what RFC 9113 6.5.2
/// wants a server to allow at least; where a server allows fewer, requests wait in
/// h2's queue, which this bounds.
const N_STREAMS_PER_CONNECTION: usize = 100;

/// The flow-control windows are those of the server side: 64 KiB a stream, 1 MiB
/// a connection, so that an upstream is read as fast as its client reads us.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// Request bytes buffered for one stream whose upstream is slow: one window.
const SEND_BUFFER_MAX_BYTES: usize = 64 * 1024;
/// Response head and trailers, as with HTTP/1.1.
const HEADER_LIST_MAX_BYTES: u32 = 64 * 1024;
/// Streams that we reset for what their upstream sent, before its connection is given up
/// (CVE-2023-44487's kin); hyper's number.
const LOCAL_RESETS_MAX: usize = 1024;

#[derive(Debug)]
pub(super) struct H2Pool {
    /// Entries without a connection are swept.
    by_peer: RefCell<ByPeer<Rc<Slot>>>,
    stats: Arc<WorkerStats>,
    dial: Dial,
}

/// A connection with room for one more stream.
#[derive(Debug)]
pub(crate) struct H2Stream {
    pub(super) sender: SendRequest<Bytes>,
    pub(super) count: StreamCount,
    pub(super) is_reused: bool,
}

/// One stream in progress.
#[derive(Debug)]
pub(crate) struct StreamCount(Rc<Usage>);

/// The connections to one address. One request at a time opens a new one; the
/// others wait for it and share it, or its failure.
#[derive(Debug)]
struct Slot {
    connections: RefCell<Vec<Shared>>,
    opening: Semaphore,
    last_failure: Cell<Option<(Instant, HopError)>>,
}

#[derive(Debug)]
struct Shared {
    sender: SendRequest<Bytes>,
    usage: Rc<Usage>,
}

#[derive(Debug)]
struct Usage {
    websockets: Rc<WebSockets>,
    n_streams: Cell<usize>,
    /// With those that have ended.
    n_requests: Cell<u32>,
    opened: Instant,
    idle_since: Cell<Instant>,
    /// Those of the request that came last.
    terms: Cell<Terms>,
}

// === impl H2Pool ===

impl H2Pool {
    pub(super) fn new(stats: Arc<WorkerStats>, dial: Dial) -> Self {
        Self { by_peer: RefCell::default(), stats, dial }
    }

    /// A stream on a connection that is there, or on a new one.
    pub(super) async fn ready(&self, peer: &Peer, terms: Terms) -> Result<H2Stream, HopError> {
        let slot = self.slot(peer);
        if let Some(stream) = slot.take(terms) {
            count(&self.stats.n_upstream_reused);
            return Ok(stream);
        }
        // Boxed: it is rare, and would make the future of each request larger.
        Box::pin(self.open_once(&slot, peer, terms)).await
    }

    /// A stream on a new connection, which all share that wait for one.
    async fn open_once(&self, slot: &Slot, peer: &Peer, terms: Terms) -> Result<H2Stream, HopError> {
        let asked = Instant::now();
        let _permit = slot.opening.acquire().await.expect("the semaphore of a slot is never closed");
        // Whoever held the permit may have opened one, or failed to.
        if let Some(stream) = slot.take(terms) {
            count(&self.stats.n_upstream_reused);
            return Ok(stream);
        }
        if let Some((when, failure)) = slot.last_failure.get()
            && when >= asked
        {
            return Err(failure);
        }
        match self.open(peer, terms.connect_timeout.duration()).await {
            Ok(opened) => Ok(slot.put(opened, terms)),
            Err(failure) => {
                slot.last_failure.set(Some((Instant::now(), failure)));
                Err(failure)
            }
        }
    }

    async fn open(
        &self,
        peer: &Peer,
        deadline: Duration,
    ) -> Result<(SendRequest<Bytes>, Rc<WebSockets>), HopError> {
        let stream = connect(&self.dial, peer, (Alpn::Http2, deadline)).await?;
        let websockets = Rc::new(WebSockets::opened_now());
        let stream = FirstFrame::new(stream, Rc::clone(&websockets));
        let (sender, connection) = Builder::new()
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_send_buffer_size(SEND_BUFFER_MAX_BYTES)
            .max_header_list_size(HEADER_LIST_MAX_BYTES)
            .max_local_error_reset_streams(Some(LOCAL_RESETS_MAX))
            .handshake(stream)
            .await
            .map_err(|_| HopError::UpstreamClosed)?;
        let (address, is_open) = (peer.address, UpstreamOpen::count(&self.stats));
        let told = Rc::clone(&websockets);
        // Ends when the senders and streams are dropped; the worker's LocalSet owns it.
        spawn_local(async move {
            let _is_open = is_open;
            if let Err(error) = connection.await {
                debug!(upstream.address = %address, error.message = %error, "upstream connection ended");
            }
            told.end();
        });
        Ok((sender, websockets))
    }

    fn slot(&self, peer: &Peer) -> Rc<Slot> {
        let mut by_peer = self.by_peer.borrow_mut();
        if let Some(slot) = by_peer.get(peer) {
            return Rc::clone(slot);
        }
        Rc::clone(by_peer.entry(peer.clone()).or_insert_with(|| Rc::new(Slot::new())))
    }

    pub(super) fn sweep(&self, now: Instant) {
        self.by_peer.borrow_mut().retain(|_, slot| {
            let mut connections = slot.connections.borrow_mut();
            connections.retain_mut(|c| !c.is_closed() && !c.usage.is_expired(now));
            // A slot that somebody is waiting on is held elsewhere, too.
            !connections.is_empty() || Rc::strong_count(slot) > 1
        });
    }
}

// === impl Slot ===

impl Slot {
    fn new() -> Self {
        Self { connections: RefCell::default(), opening: Semaphore::new(1), last_failure: Cell::new(None) }
    }

    fn take(&self, terms: Terms) -> Option<H2Stream> {
        let mut connections = self.connections.borrow_mut();
        let now = Instant::now();
        // One that has served its time ends with its last stream.
        connections
            .retain_mut(|c| !c.is_closed() && !c.usage.is_expired(now) && !c.usage.is_over(terms, now));
        connections
            .iter()
            .find(|c| c.usage.n_streams.get() < N_STREAMS_PER_CONNECTION)
            .map(|shared| H2Stream { is_reused: true, ..shared.stream(terms) })
    }

    fn put(&self, (sender, websockets): (SendRequest<Bytes>, Rc<WebSockets>), terms: Terms) -> H2Stream {
        let now = Instant::now();
        let usage = Rc::new(Usage {
            websockets,
            n_streams: Cell::new(0),
            n_requests: Cell::new(0),
            opened: now,
            idle_since: Cell::new(now),
            terms: Cell::new(terms),
        });
        let shared = Shared { sender, usage };
        let stream = shared.stream(terms);
        self.connections.borrow_mut().push(shared);
        stream
    }
}

// === impl Shared ===

impl Shared {
    /// It has ended, or takes no more requests (GOAWAY).
    fn is_closed(&mut self) -> bool {
        // Nothing is waited for: this sender has no stream that has yet to open.
        let taken = self.sender.poll_ready(&mut Context::from_waker(Waker::noop()));
        matches!(taken, Poll::Ready(Err(_)))
    }

    fn stream(&self, terms: Terms) -> H2Stream {
        let Usage { n_streams, n_requests, terms: last, .. } = &*self.usage;
        n_streams.set(n_streams.get() + 1);
        n_requests.set(n_requests.get().saturating_add(1));
        last.set(terms);
        H2Stream { sender: self.sender.clone(), count: StreamCount(Rc::clone(&self.usage)), is_reused: false }
    }
}

// === impl H2Stream ===

impl H2Stream {
    pub(super) async fn takes_websockets(&self) -> Option<bool> {
        self.count.0.websockets.are_taken().await
    }
}

// === impl Usage ===

impl Usage {
    /// Whether it has nothing to do any more.
    fn is_expired(&self, now: Instant) -> bool {
        let terms = self.terms.get();
        let is_idle = terms.idle_max.are_over(self.idle_since.get(), now);
        self.n_streams.get() == 0 && (is_idle || self.is_over(terms, now))
    }

    /// Whether it takes no more requests by these terms.
    fn is_over(&self, terms: Terms, now: Instant) -> bool {
        self.n_requests.get() >= terms.requests_max || terms.age_max.are_over(self.opened, now)
    }
}

// === impl StreamCount ===

impl Drop for StreamCount {
    fn drop(&mut self) {
        let Self(usage) = self;
        usage.n_streams.set(usage.n_streams.get() - 1);
        usage.idle_since.set(Instant::now());
    }
}
