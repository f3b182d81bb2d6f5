//! Leaving endpoints out that fail, by Envoy's algorithm.
//!
//! Failures in a row are counted as they come, not at the interval; a success begins anew. The
//! nth time in a row an endpoint is out n times as long. Counters are shared by all workers.
//!
//! Source: <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier>.

use std::{
    net::SocketAddr,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use spur_route::policy::OutlierDetection;
use tokio::time::Instant;

/// The longest time out (`outlier_detection.proto`, `max_ejection_time`).
const EJECTION_MAX: Duration = Duration::from_secs(300);

/// What is known of one endpoint's failures. Relaxed: the counters order nothing.
#[derive(Debug, Default)]
pub(crate) struct Health {
    n_5xx: AtomicU32,
    n_gateway: AtomicU32,
    n_local: AtomicU32,
    /// How often in a row it was left out; one less after each interval that it was in.
    n_ejections: AtomicU32,
    /// Milliseconds since [`START`] until which it is out; 0: it is in.
    out_until_ms: AtomicU64,
    /// Milliseconds since [`START`] when `n_ejections` was last lowered.
    lowered_ms: AtomicU64,
}

/// How a try ended, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A response with this status.
    Status(u16),
    /// No response: the connection failed or broke, or the time was up.
    Local,
}

/// An endpoint that is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ejected {
    /// `namespace/service:port`.
    pub service: String,
    /// The subset through which it failed.
    pub subset: Option<Arc<str>>,
    /// The endpoint.
    pub address: SocketAddr,
    /// For how long.
    pub left: Duration,
}

/// What milliseconds are counted from.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

// === impl Health ===

impl Health {
    pub(super) fn is_in(&self, now: Instant) -> bool {
        self.out_for(now).is_none()
    }

    pub(super) fn out_for(&self, now: Instant) -> Option<Duration> {
        let until = self.out_until_ms.load(Relaxed);
        let left = until.checked_sub(millis(now)).filter(|left| *left > 0)?;
        Some(Duration::from_millis(left))
    }

    /// Counts an outcome, and leaves the endpoint out where it is one too many; of `(n_out, n)`
    /// endpoints some are out already.
    pub(super) fn record(
        &self,
        outlier: &OutlierDetection,
        outcome: Outcome,
        (n_out, n): (usize, usize),
        now: Instant,
    ) {
        self.lower(outlier, now);
        let is_5xx = match outcome {
            Outcome::Status(status) => (500..=599).contains(&status),
            // Without a split a failed connection counts as the 503 that the client sees.
            Outcome::Local => outlier.consecutive_local.is_none(),
        };
        let is_gateway = is_5xx && !matches!(outcome, Outcome::Status(500 | 501 | 505..));
        let counts = [
            (&self.n_5xx, is_5xx, outlier.consecutive_5xx),
            (&self.n_gateway, is_gateway, outlier.consecutive_gateway),
            (&self.n_local, outcome == Outcome::Local, outlier.consecutive_local.unwrap_or(0)),
        ];
        let mut is_one_too_many = false;
        for (counter, has_failed, most) in counts {
            // A response says nothing good about connections that fail, and the other way round.
            let is_other_sort = outlier.consecutive_local.is_some()
                && std::ptr::eq(counter, &self.n_local) != (outcome == Outcome::Local);
            if has_failed {
                is_one_too_many |= most > 0 && counter.fetch_add(1, Relaxed) + 1 >= most;
            } else if !is_other_sort {
                counter.store(0, Relaxed);
            }
        }
        if is_one_too_many && self.is_in(now) && may_eject(outlier, n_out, n) {
            self.eject(outlier, now);
        }
    }

    fn eject(&self, outlier: &OutlierDetection, now: Instant) {
        for counter in [&self.n_5xx, &self.n_gateway, &self.n_local] {
            counter.store(0, Relaxed);
        }
        let n_ejections = self.n_ejections.fetch_add(1, Relaxed) + 1;
        let time = ejection_time(outlier, n_ejections);
        self.out_until_ms.store(millis(now + time), Relaxed);
        self.lowered_ms.store(millis(now + time), Relaxed);
    }

    /// Each interval in which the endpoint was in makes its next time out shorter.
    fn lower(&self, outlier: &OutlierDetection, now: Instant) {
        let since = self.lowered_ms.load(Relaxed);
        let interval = u64::try_from(outlier.interval.as_millis()).unwrap_or(u64::MAX).max(1);
        let n_intervals = millis(now).saturating_sub(since) / interval;
        if n_intervals == 0 || !self.is_in(now) {
            return;
        }
        self.lowered_ms.store(since + n_intervals * interval, Relaxed);
        let n_fewer = u32::try_from(n_intervals).unwrap_or(u32::MAX);
        let _always = self.n_ejections.fetch_update(Relaxed, Relaxed, |n| Some(n.saturating_sub(n_fewer)));
    }
}

/// One endpoint may always be out, more only below the bound.
fn may_eject(outlier: &OutlierDetection, n_out: usize, n: usize) -> bool {
    n_out == 0 || n_out * 100 < n * outlier.max_ejection_percent as usize
}

fn ejection_time(outlier: &OutlierDetection, n_ejections: u32) -> Duration {
    let base = outlier.base_ejection_time;
    base.saturating_mul(n_ejections).min(EJECTION_MAX.max(base))
}

/// Whether so few endpoints are in that all count as in (Envoy's panic threshold).
pub(super) fn is_panicking(outlier: &OutlierDetection, n_in: usize, n: usize) -> bool {
    n_in * 100 < n * outlier.min_health_percent as usize
}

fn millis(at: Instant) -> u64 {
    // One more, so that no time is 0.
    u64::try_from(at.saturating_duration_since(*START).as_millis()).unwrap_or(u64::MAX - 1) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outlier() -> OutlierDetection {
        OutlierDetection { consecutive_5xx: 3, max_ejection_percent: 50, ..OutlierDetection::default() }
    }

    fn record(health: &Health, outlier: &OutlierDetection, statuses: &[u16], now: Instant) {
        for status in statuses {
            health.record(outlier, Outcome::Status(*status), (0, 4), now);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_leave_an_endpoint_out_for_longer_each_time() {
        let (health, outlier, mut now) = (Health::default(), outlier(), Instant::now());
        record(&health, &outlier, &[500, 500, 200, 500, 503], now);
        assert!(health.is_in(now));
        record(&health, &outlier, &[502], now);
        assert_eq!(health.out_for(now), Some(Duration::from_secs(30)));
        now += Duration::from_secs(31);
        assert!(health.is_in(now));
        record(&health, &outlier, &[500, 500, 500], now);
        assert_eq!(health.out_for(now), Some(Duration::from_secs(60)));
        // Long enough in, and it begins anew.
        now += Duration::from_secs(90);
        record(&health, &outlier, &[200, 500, 500, 500], now);
        assert_eq!(health.out_for(now), Some(Duration::from_secs(30)));
    }

    #[tokio::test(start_paused = true)]
    async fn failed_connections_count_as_5xx_unless_they_are_split() {
        let now = Instant::now();
        let local = |outlier: &OutlierDetection, n: usize| {
            let health = Health::default();
            (0..n).for_each(|_| health.record(outlier, Outcome::Local, (0, 4), now));
            health.is_in(now)
        };
        assert!(local(&outlier(), 2) && !local(&outlier(), 3));
        let split = OutlierDetection { consecutive_local: Some(5), ..outlier() };
        assert!(local(&split, 4) && !local(&split, 5));
        let off = OutlierDetection { consecutive_5xx: 0, ..outlier() };
        assert!(local(&off, 100));
    }

    #[tokio::test(start_paused = true)]
    async fn gateway_errors_are_502_to_504() {
        let now = Instant::now();
        let gateway = OutlierDetection { consecutive_5xx: 0, consecutive_gateway: 2, ..outlier() };
        let health = Health::default();
        record(&health, &gateway, &[500, 500, 502, 500, 503], now);
        assert!(health.is_in(now));
        record(&health, &gateway, &[504], now);
        assert!(!health.is_in(now));
    }

    #[test]
    fn one_endpoint_may_always_be_out_and_more_below_the_bound() {
        let outlier = OutlierDetection { max_ejection_percent: 10, ..outlier() };
        assert!(may_eject(&outlier, 0, 3));
        assert!(!may_eject(&outlier, 1, 3));
        assert!(may_eject(&outlier, 1, 20));
        assert!(!may_eject(&outlier, 2, 20));
    }

    #[test]
    fn no_time_out_is_over_five_minutes_unless_the_first_is() {
        assert_eq!(ejection_time(&outlier(), 100), EJECTION_MAX);
        let long = OutlierDetection { base_ejection_time: Duration::from_secs(400), ..outlier() };
        assert_eq!(ejection_time(&long, 3), Duration::from_secs(400));
    }

    #[test]
    fn with_too_few_in_all_are_in() {
        let half = OutlierDetection { min_health_percent: 50, ..outlier() };
        assert!(is_panicking(&half, 1, 4) && !is_panicking(&half, 2, 4));
        assert!(!is_panicking(&outlier(), 0, 4));
    }
}
