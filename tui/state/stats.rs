//! Figures of the last seconds: exact counts, whatever the list keeps.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use spur_trace::Trace;

use super::traces::quantile;

/// What the figures are of: long enough to be calm, short enough to see a change.
const WINDOW_SECONDS: u64 = 10;

/// Durations that are kept of each second, the first ones: quantiles of ten
/// thousand are as good as of all.
const DURATIONS_MAX: usize = 1_000;

/// Counts by the second in which requests began.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    seconds: BTreeMap<u64, Second>,
}

#[derive(Clone, Debug, Default)]
struct Second {
    n: u64,
    n_failed: u64,
    durations: Vec<Duration>,
}

/// See above.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Stats {
    pub(crate) per_second: f64,
    /// From 0 to 1.
    pub(crate) failed: f64,
    pub(crate) p50: Duration,
    pub(crate) p95: Duration,
}

// === impl Counts ===

impl Counts {
    /// Counts a trace that is told for the first time.
    pub(crate) fn count(&mut self, trace: &Trace) {
        let second = self.seconds.entry(second_of(trace.started)).or_default();
        second.n += 1;
        second.n_failed += u64::from(trace.is_failed());
        if second.durations.len() < DURATIONS_MAX {
            second.durations.push(trace.duration);
        }
        // Twice what is looked at, since clocks differ a little and requests take a while.
        while self.seconds.len() as u64 > 2 * WINDOW_SECONDS {
            self.seconds.pop_first();
        }
    }

    /// The figures of the last whole seconds; the one that goes on would make them jump.
    pub(crate) fn stats(&self, now: SystemTime) -> Stats {
        let until = second_of(now);
        let window = until.saturating_sub(WINDOW_SECONDS)..until;
        let recent = || self.seconds.range(window.clone()).map(|(_, second)| second);
        let n: u64 = recent().map(|second| second.n).sum();
        if n == 0 {
            return Stats::default();
        }
        let n_failed: u64 = recent().map(|second| second.n_failed).sum();
        let mut durations: Vec<Duration> = recent().flat_map(|second| &second.durations).copied().collect();
        durations.sort_unstable();
        Stats {
            per_second: n as f64 / WINDOW_SECONDS as f64,
            failed: n_failed as f64 / n as f64,
            p50: quantile(&durations, 0.5),
            p95: quantile(&durations, 0.95),
        }
    }
}

fn second_of(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made::{at, hop, trace};

    #[test]
    fn figures_are_of_the_last_seconds() {
        let mut counts = Counts::default();
        for n in 1..=20 {
            let status = if n <= 5 { 503 } else { 200 };
            counts.count(&trace(n, vec![hop("gw", "front").lasting(n * 1000).status(status)]));
        }
        let stats = counts.stats(at(10));
        assert_eq!((stats.per_second, stats.failed), (2.0, 0.25));
        assert_eq!((stats.p50, stats.p95), (Duration::from_millis(10), Duration::from_millis(19)));
        assert_eq!(counts.stats(at(60)), Stats::default());
    }

    /// The list keeps 5,000: five seconds of these.
    #[test]
    fn a_flood_is_counted_to_the_last_and_kept_small() {
        let mut counts = Counts::default();
        for n in 0..30_000 {
            counts.count(&trace(n, vec![hop("gw", "front").after(u64::from(n) * 1_000)]));
        }
        assert_eq!(counts.stats(at(30)).per_second, 1_000.0);
        assert!(counts.seconds.len() as u64 <= 2 * WINDOW_SECONDS);
        assert!(counts.seconds.values().all(|second| second.durations.len() <= DURATIONS_MAX));
    }
}
