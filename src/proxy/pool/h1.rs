//! Idle HTTP/1.1 connections by address and TLS, the most recently used first.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use spur_net::{Alpn, Dial};
use spur_trace::HopError;
use tokio::{task::spawn_local, time::Instant};
use tracing::debug;

use super::{ByPeer, Terms};
use crate::{
    body::RequestBody,
    connect::{Peer, connect},
    stats::{UpstreamOpen, WorkerStats, count},
};

/// Idle connections kept for one address: as many as a busy client opens
/// (wrk and h2load runs use up to 256); one costs about 20 KB.
const N_IDLE_PER_ADDRESS: usize = 256;

/// Idle connections kept by one worker, for all addresses: a sixteenth of the
/// descriptors a process may usually hold (1,048,576 hard, 65,536 raised soft).
const N_IDLE_PER_WORKER: usize = 4096;

/// The read buffer of one connection, and with it the longest response head: as
/// for requests, 64 KiB.
const BUFFER_MAX_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct H1Pool {
    idle: RefCell<IdleByPeer>,
    stats: Arc<WorkerStats>,
    dial: Dial,
}

/// One connection, taken out of the pool for one request.
#[derive(Debug)]
pub(crate) struct H1Lease {
    sender: SendRequest<RequestBody>,
    peer: Peer,
    pool: Rc<H1Pool>,
    /// This request's.
    terms: Terms,
    opened: Instant,
    /// With this one.
    n_requests: u32,
}

#[derive(Debug, Default)]
struct IdleByPeer {
    by_peer: ByPeer<Vec<Idle>>,
    n_idle: usize,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<RequestBody>,
    opened: Instant,
    since: Instant,
    /// Those of the request that it served last.
    terms: Terms,
    n_requests: u32,
}

// === impl H1Pool ===

impl H1Pool {
    pub(super) fn new(stats: Arc<WorkerStats>, dial: Dial) -> Self {
        Self { idle: RefCell::default(), stats, dial }
    }

    /// An idle connection, or a new one.
    pub(super) async fn ready(pool: &Rc<Self>, peer: &Peer, terms: Terms) -> Result<H1Lease, HopError> {
        let Some(idle) = pool.change(|idle| idle.take(peer, terms)) else {
            // Boxed: it is rare, and would make the future of each request larger.
            return Box::pin(Self::fresh(pool, peer, terms)).await;
        };
        count(&pool.stats.n_upstream_reused);
        let Idle { sender, opened, n_requests, .. } = idle;
        let n_requests = n_requests.saturating_add(1);
        Ok(H1Lease { sender, peer: peer.clone(), pool: Rc::clone(pool), terms, opened, n_requests })
    }

    /// A new connection.
    pub(super) async fn fresh(pool: &Rc<Self>, peer: &Peer, terms: Terms) -> Result<H1Lease, HopError> {
        let sender = pool.open(peer, terms.connect_timeout.duration()).await?;
        let opened = Instant::now();
        Ok(H1Lease { sender, peer: peer.clone(), pool: Rc::clone(pool), terms, opened, n_requests: 1 })
    }

    pub(super) fn sweep(&self, now: Instant) {
        self.change(|idle| {
            idle.by_peer.retain(|_, connections| {
                connections.retain(|c| !c.is_over(c.terms, now));
                !connections.is_empty()
            });
            idle.n_idle = idle.by_peer.values().map(Vec::len).sum();
        });
    }

    async fn open(&self, peer: &Peer, deadline: Duration) -> Result<SendRequest<RequestBody>, HopError> {
        let stream = connect(&self.dial, peer, (Alpn::Http1, deadline)).await?;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(BUFFER_MAX_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| HopError::UpstreamClosed)?;
        let (address, is_open) = (peer.address, UpstreamOpen::count(&self.stats));
        // Ends when the sender and the response are dropped; the worker's LocalSet owns it.
        spawn_local(async move {
            let _is_open = is_open;
            if let Err(error) = connection.with_upgrades().await {
                debug!(upstream.address = %address, error.message = %error, "upstream connection ended");
            }
        });
        Ok(sender)
    }

    /// Changes what is idle, and tells how much that is now.
    fn change<T>(&self, change: impl FnOnce(&mut IdleByPeer) -> T) -> T {
        let mut idle = self.idle.borrow_mut();
        let changed = change(&mut idle);
        self.stats.n_upstream_idle.store(idle.n_idle, Relaxed);
        changed
    }
}

// === impl IdleByPeer ===

impl IdleByPeer {
    /// The most recently used connection that can be used now. One whose last message is not quite
    /// finished stays. Those behind it are not looked at: what idles too long is the sweep's.
    fn take(&mut self, peer: &Peer, terms: Terms) -> Option<Idle> {
        let connections = self.by_peer.get_mut(peer)?;
        let now = Instant::now();
        let mut place = connections.len();
        while let Some(idx) = place.checked_sub(1) {
            place = idx;
            let idle = &connections[idx];
            let is_over = idle.is_over(idle.terms, now) || idle.is_over(terms, now);
            if !is_over && !idle.sender.is_ready() {
                continue;
            }
            let taken = connections.remove(idx);
            self.n_idle -= 1;
            if !is_over {
                return Some(taken);
            }
        }
        None
    }

    fn put(&mut self, peer: Peer, idle: Idle) {
        let connections = self.by_peer.entry(peer).or_default();
        // Beyond the bounds the connection is closed by dropping its sender.
        if connections.len() < N_IDLE_PER_ADDRESS && self.n_idle < N_IDLE_PER_WORKER {
            connections.push(idle);
            self.n_idle += 1;
        }
    }
}

// === impl Idle ===

impl Idle {
    /// Whether it serves no more requests by these terms.
    fn is_over(&self, terms: Terms, now: Instant) -> bool {
        self.sender.is_closed()
            || terms.idle_max.are_over(self.since, now)
            || terms.age_max.are_over(self.opened, now)
            || self.n_requests >= terms.requests_max
    }
}

// === impl H1Lease ===

impl H1Lease {
    pub(super) fn sender(&mut self) -> &mut SendRequest<RequestBody> {
        &mut self.sender
    }

    /// Whether the connection had served a request before.
    pub(crate) fn is_reused(&self) -> bool {
        self.n_requests > 1
    }

    pub(super) fn give_back(self) {
        let Self { sender, peer, pool, terms, opened, n_requests } = self;
        let now = Instant::now();
        let idle = Idle { sender, opened, since: now, terms, n_requests };
        if !idle.is_over(terms, now) {
            pool.change(|all| all.put(peer, idle));
        }
    }
}
