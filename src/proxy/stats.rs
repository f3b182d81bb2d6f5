//! Counters of one worker, and their sum.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

/// What a proxy has done since its start, over all workers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Client connections open now.
    pub n_connections_open: usize,
    /// Client connections accepted.
    pub n_connections: u64,
    /// Client connections closed at once because every worker was full.
    pub n_connections_refused: u64,
    /// Client connections closed because they said nothing, or not enough.
    pub n_connections_overdue: u64,
    /// Client connections that did not finish within a drain.
    pub n_connections_cut: u64,
    /// Client connections that failed for another reason than being closed.
    pub n_connections_failed: u64,
    /// Client connections of TLS that were closed before it was set up.
    pub n_handshakes_failed: u64,
    /// Requests and TCP connections that were decided.
    pub n_hops: u64,
    /// Requests refused as they stood, before any decision.
    pub n_bad_requests: u64,
    /// Requests whose routing keys were taken off, since their clients are not trusted.
    pub n_keys_ignored: u64,
    /// Lines that the access log lost because it could not be written fast enough.
    pub n_unlogged: u64,
    /// Upstream connections open now.
    pub n_upstream_open: usize,
    /// Of these, those of HTTP/1.1 that wait for a request.
    pub n_upstream_idle: usize,
    /// Upstream connections opened.
    pub n_upstream_opened: u64,
    /// Times an open upstream connection took another request.
    pub n_upstream_reused: u64,
}

/// One worker's counters. Only the worker and the acceptor write them; relaxed,
/// since they order nothing.
#[derive(Debug, Default)]
pub(crate) struct WorkerStats {
    pub(crate) n_connections_open: AtomicUsize,
    pub(crate) n_connections: AtomicU64,
    pub(crate) n_connections_overdue: AtomicU64,
    pub(crate) n_connections_cut: AtomicU64,
    pub(crate) n_connections_failed: AtomicU64,
    pub(crate) n_handshakes_failed: AtomicU64,
    pub(crate) n_hops: AtomicU64,
    pub(crate) n_bad_requests: AtomicU64,
    pub(crate) n_keys_ignored: AtomicU64,
    pub(crate) n_upstream_open: AtomicUsize,
    pub(crate) n_upstream_idle: AtomicUsize,
    pub(crate) n_upstream_opened: AtomicU64,
    pub(crate) n_upstream_reused: AtomicU64,
}

/// An upstream connection that is open, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct UpstreamOpen(Arc<WorkerStats>);

/// Adds one to a counter.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

// === impl WorkerStats ===

impl WorkerStats {
    /// Adds this worker to `sum`.
    pub(crate) fn add_to(&self, sum: &mut Stats) {
        let Self {
            n_connections_open,
            n_connections,
            n_connections_overdue,
            n_connections_cut,
            n_connections_failed,
            n_handshakes_failed,
            n_hops,
            n_bad_requests,
            n_keys_ignored,
            n_upstream_open,
            n_upstream_idle,
            n_upstream_opened,
            n_upstream_reused,
        } = self;
        sum.n_connections_open += n_connections_open.load(Relaxed);
        sum.n_connections += n_connections.load(Relaxed);
        sum.n_connections_overdue += n_connections_overdue.load(Relaxed);
        sum.n_connections_cut += n_connections_cut.load(Relaxed);
        sum.n_connections_failed += n_connections_failed.load(Relaxed);
        sum.n_handshakes_failed += n_handshakes_failed.load(Relaxed);
        sum.n_hops += n_hops.load(Relaxed);
        sum.n_bad_requests += n_bad_requests.load(Relaxed);
        sum.n_keys_ignored += n_keys_ignored.load(Relaxed);
        sum.n_upstream_open += n_upstream_open.load(Relaxed);
        sum.n_upstream_idle += n_upstream_idle.load(Relaxed);
        sum.n_upstream_opened += n_upstream_opened.load(Relaxed);
        sum.n_upstream_reused += n_upstream_reused.load(Relaxed);
    }
}

// === impl UpstreamOpen ===

impl UpstreamOpen {
    pub(crate) fn count(stats: &Arc<WorkerStats>) -> Self {
        count(&stats.n_upstream_opened);
        stats.n_upstream_open.fetch_add(1, Relaxed);
        Self(Arc::clone(stats))
    }
}

impl Drop for UpstreamOpen {
    fn drop(&mut self) {
        self.0.n_upstream_open.fetch_sub(1, Relaxed);
    }
}
