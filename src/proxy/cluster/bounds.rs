//! Bounds on requests and retries of one destination, over all workers (Envoy's circuit breakers).
//!
//! A request over HTTP/1.1 has a connection to itself, so that bounding the requests that are under
//! way bounds the connections; the next ones wait, up to a number.
//!
//! Source: <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/circuit_breaking>.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use spur_route::policy::ConnectionPool;
use tokio::sync::Notify;

/// The share of the requests under way that may be retries, in percent, and how many always may
/// (Istio's `retryBudget`: 20 and 3).
const RETRY_PERCENT: u32 = 20;
const RETRIES_ALWAYS: u32 = 3;

/// Counters of one destination.
#[derive(Debug, Default)]
pub(crate) struct Bounds {
    counts: Arc<Counts>,
    connections_max: AtomicU32,
    pending_max: AtomicU32,
    requests_max: AtomicU32,
    retries_max: AtomicU32,
}

#[derive(Debug, Default)]
struct Counts {
    n_requests: AtomicU32,
    n_pending: AtomicU32,
    n_retries: AtomicU32,
    /// Told when a request has ended.
    ended: Notify,
}

/// A request under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct Admitted(Arc<Counts>);

/// A retry under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct RetryTicket(Arc<Counts>);

/// One request too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overflow;

// === impl Bounds ===

impl Bounds {
    /// Takes over what the policy says now.
    pub(super) fn set(&self, pool: Option<&ConnectionPool>) {
        let usual = ConnectionPool::default();
        let pool = pool.unwrap_or(&usual);
        self.connections_max.store(pool.connections_max, Relaxed);
        self.pending_max.store(pool.pending_max, Relaxed);
        self.requests_max.store(pool.requests_max, Relaxed);
        self.retries_max.store(pool.retries_max, Relaxed);
    }

    /// Lets a request in, perhaps after others have ended. `has_own_connection` is so over HTTP/1.1.
    ///
    /// # Errors
    /// When there are too many, under way or waiting.
    pub(crate) async fn admit(&self, has_own_connection: bool) -> Result<Admitted, Overflow> {
        if let Some(admitted) = self.admit_at_once(has_own_connection) {
            return Ok(admitted);
        }
        let requests_max = self.requests_max.load(Relaxed);
        let connections_max = self.connections_max(has_own_connection);
        if requests_max <= connections_max {
            return Err(Overflow);
        }
        let _waits = self.wait()?;
        loop {
            let ended = self.counts.ended.notified();
            if let Some(admitted) = self.try_admit(connections_max) {
                return Ok(admitted);
            }
            ended.await;
        }
    }

    /// The same without waiting; `None` where there is no place now.
    pub(crate) fn admit_at_once(&self, has_own_connection: bool) -> Option<Admitted> {
        self.try_admit(self.requests_max.load(Relaxed).min(self.connections_max(has_own_connection)))
    }

    fn connections_max(&self, has_own_connection: bool) -> u32 {
        if has_own_connection { self.connections_max.load(Relaxed) } else { u32::MAX }
    }

    /// Lets a retry go, within the destination's bound and a fifth of the requests under way.
    pub(crate) fn retry(&self) -> Option<RetryTicket> {
        let n_requests = self.counts.n_requests.load(Relaxed);
        let budget = (n_requests.saturating_mul(RETRY_PERCENT) / 100).max(RETRIES_ALWAYS);
        let most = budget.min(self.retries_max.load(Relaxed));
        let is_in = take(&self.counts.n_retries, most);
        is_in.then(|| RetryTicket(Arc::clone(&self.counts)))
    }

    fn try_admit(&self, most: u32) -> Option<Admitted> {
        take(&self.counts.n_requests, most).then(|| Admitted(Arc::clone(&self.counts)))
    }

    fn wait(&self) -> Result<Waiting, Overflow> {
        let is_in = take(&self.counts.n_pending, self.pending_max.load(Relaxed));
        if is_in { Ok(Waiting(Arc::clone(&self.counts))) } else { Err(Overflow) }
    }
}

/// Counts one more, unless there are `most`.
fn take(counter: &AtomicU32, most: u32) -> bool {
    counter.fetch_update(Relaxed, Relaxed, |n| (n < most).then_some(n + 1)).is_ok()
}

/// A request that waits, until it is dropped.
struct Waiting(Arc<Counts>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.n_pending.fetch_sub(1, Relaxed);
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.0.n_requests.fetch_sub(1, Relaxed);
        self.0.ended.notify_one();
    }
}

impl Drop for RetryTicket {
    fn drop(&mut self) {
        self.0.n_retries.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn bounds(connections_max: u32, pending_max: u32, requests_max: u32) -> Bounds {
        let bounds = Bounds::default();
        bounds.set(Some(&ConnectionPool {
            connections_max,
            pending_max,
            requests_max,
            ..ConnectionPool::default()
        }));
        bounds
    }

    #[tokio::test]
    async fn requests_wait_for_a_connection_up_to_a_number() {
        let bounds = bounds(1, 1, u32::MAX);
        let first = bounds.admit(true).await.unwrap();
        let mut second = Box::pin(bounds.admit(true));
        assert!(second.as_mut().now_or_never().is_none(), "it waits");
        assert_eq!(bounds.admit(true).await.unwrap_err(), Overflow);
        drop(first);
        second.await.unwrap();
        // Streams share a connection.
        let bounds = self::bounds(1, 0, u32::MAX);
        let _both = (bounds.admit(false).await.unwrap(), bounds.admit(false).await.unwrap());
    }

    #[tokio::test]
    async fn too_many_requests_are_refused_at_once() {
        let bounds = bounds(u32::MAX, u32::MAX, 1);
        let first = bounds.admit(true).await.unwrap();
        assert_eq!(bounds.admit(true).await.unwrap_err(), Overflow);
        drop(first);
        bounds.admit(true).await.unwrap();
    }

    #[tokio::test]
    async fn a_fifth_of_the_requests_may_be_retries_and_three_always() {
        let bounds = bounds(u32::MAX, u32::MAX, u32::MAX);
        let mut tickets: Vec<RetryTicket> = std::iter::from_fn(|| bounds.retry()).collect();
        assert_eq!(tickets.len(), 3);
        let mut requests = Vec::new();
        for _ in 0..25 {
            requests.push(bounds.admit(true).await.unwrap());
        }
        tickets.extend(std::iter::from_fn(|| bounds.retry()));
        assert_eq!(tickets.len(), 5);
        tickets.clear();
        assert!(bounds.retry().is_some());
    }
}
