//! When a probe is tried.
//!
//! Kubernetes tries once a period. Readiness and startup get extra tries until
//! their first success, so that a service which listens after 20 ms is ready
//! after 30 and not after ten seconds (design, section 5). A failed extra try
//! counts for nothing, so thresholds mean what they mean in Kubernetes.

use std::time::Duration;

use tokio::time::Instant;

use super::{Kind, Plan};

/// The first pause between extra tries; it doubles up to the period.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// Whether a failure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Try {
    /// One of Kubernetes' tries, one a period.
    Counted,
    /// One of ours in between: only its success counts.
    Extra,
}

/// The times of one probe of one start of a container.
#[derive(Debug)]
pub(super) struct Schedule {
    period: Duration,
    longest_pause: Option<Duration>,
    counted_at: Instant,
    extra: Option<Extra>,
}

#[derive(Debug)]
struct Extra {
    at: Instant,
    pause: Duration,
}

// === impl Schedule ===

impl Schedule {
    /// For a container that was started at `started_at`; `now` is later where the probe
    /// had to wait for the startup probe.
    pub(super) fn new(plan: &Plan, started_at: Instant, now: Instant) -> Self {
        let first = (started_at + plan.initial_delay).max(now);
        let Plan { period, longest_pause, .. } = *plan;
        match plan.kind {
            Kind::Startup | Kind::Readiness => Self {
                period,
                longest_pause,
                counted_at: first + period,
                extra: Some(Extra { at: first, pause: FIRST_PAUSE }),
            },
            // The kubelet's first try comes up to a period after the delay; without a delay
            // the latest of these, since at once nothing could answer yet.
            Kind::Liveness if plan.initial_delay.is_zero() => {
                Self { period, longest_pause, counted_at: first + period, extra: None }
            }
            Kind::Liveness => Self { period, longest_pause, counted_at: first, extra: None },
        }
    }

    /// The next try.
    pub(super) fn next(&self) -> (Instant, Try) {
        match &self.extra {
            Some(extra) if extra.at < self.counted_at => (extra.at, Try::Extra),
            Some(_) | None => (self.counted_at, Try::Counted),
        }
    }

    /// A try has ended at `now`.
    pub(super) fn tried(&mut self, which: Try, is_success: bool, now: Instant) {
        if which == Try::Counted {
            // Ticks that a slow try has missed are left out, as by Go's ticker.
            while self.counted_at <= now {
                self.counted_at += self.period;
            }
        }
        self.extra = match self.extra.take() {
            Some(_) if is_success => None,
            Some(extra) if which == Try::Extra => {
                let pause = extra.pause * 2;
                let pause = self.longest_pause.map_or(pause, |longest| pause.min(longest));
                let next = Extra { at: now + extra.pause, pause };
                (extra.pause <= self.period).then_some(next)
            }
            kept => kept,
        };
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{Container, Pod};
    use serde_json::json;

    use super::*;
    use crate::pod::ports::PodPorts;

    fn plan(kind: Kind, initial_delay: u64, period: u64) -> Plan {
        let probe = json!({
            "exec": {"command": ["x"]}, "initialDelaySeconds": initial_delay, "periodSeconds": period,
        });
        let field = match kind {
            Kind::Startup => "startupProbe",
            Kind::Liveness => "livenessProbe",
            Kind::Readiness => "readinessProbe",
        };
        let container: Container = serde_json::from_value(json!({"name": "a", field: probe})).unwrap();
        Plan::all(&Pod::default(), &container, &PodPorts::default()).remove(0)
    }

    /// The first tries in milliseconds from the start, `+` before an extra one; the try at
    /// `succeeds_ms` and everything after it succeed.
    fn tries(plan: &Plan, n_tries: usize, succeeds_ms: u128) -> Vec<String> {
        let start = Instant::now();
        let mut schedule = Schedule::new(plan, start, start);
        let mut tries = Vec::new();
        for _ in 0..n_tries {
            let (at, which) = schedule.next();
            let at_ms = (at - start).as_millis();
            let sign = if which == Try::Extra { "+" } else { "" };
            tries.push(format!("{sign}{at_ms}"));
            schedule.tried(which, at_ms >= succeeds_ms, at);
        }
        tries
    }

    #[test]
    fn readiness_is_tried_from_ten_milliseconds_doubling_to_the_period() {
        let never = u128::MAX;
        assert_eq!(
            tries(&plan(Kind::Readiness, 0, 1), 12, never),
            ["+0", "+10", "+30", "+70", "+150", "+310", "+630", "1000", "+1270", "2000", "3000", "4000"]
        );
        assert_eq!(
            tries(&plan(Kind::Startup, 2, 1), 4, never),
            ["+2000", "+2010", "+2030", "+2070"],
            "the delay comes first"
        );
    }

    #[test]
    fn a_guessed_check_is_made_every_second_until_it_succeeds() {
        let container = json!({"name": "a", "ports": [{"containerPort": 80, "name": "http"}]});
        let container: Container = serde_json::from_value(container).unwrap();
        let plan = Plan::all(&Pod::default(), &container, &PodPorts::default()).remove(0);
        let tries = tries(&plan, 20, u128::MAX);
        let last: Vec<&str> = tries[5..12].iter().map(String::as_str).collect();
        assert_eq!(last, ["+310", "+630", "+1270", "+2270", "+3270", "+4270", "+5270"]);
        assert_eq!(tries[15..18], ["+9270", "10000", "+10270"]);
    }

    #[test]
    fn after_the_first_success_only_the_period_counts() {
        assert_eq!(tries(&plan(Kind::Readiness, 0, 10), 5, 30), ["+0", "+10", "+30", "10000", "20000"]);
    }

    #[test]
    fn liveness_keeps_kubernetes_timing() {
        assert_eq!(tries(&plan(Kind::Liveness, 0, 10), 3, 0), ["10000", "20000", "30000"]);
        assert_eq!(tries(&plan(Kind::Liveness, 5, 10), 3, u128::MAX), ["5000", "15000", "25000"]);
    }

    #[test]
    fn a_slow_try_leaves_ticks_out() {
        let start = Instant::now();
        let mut schedule = Schedule::new(&plan(Kind::Liveness, 5, 1), start, start);
        schedule.tried(Try::Counted, false, start + Duration::from_millis(7_500));
        assert_eq!(schedule.next(), (start + Duration::from_secs(8), Try::Counted));
    }

    #[test]
    fn what_waited_for_startup_begins_at_once() {
        let start = Instant::now();
        let now = start + Duration::from_secs(60);
        let schedule = Schedule::new(&plan(Kind::Readiness, 5, 10), start, now);
        assert_eq!(schedule.next(), (now, Try::Extra));
        let schedule = Schedule::new(&plan(Kind::Liveness, 5, 10), start, now);
        assert_eq!(schedule.next(), (now, Try::Counted));
    }
}
