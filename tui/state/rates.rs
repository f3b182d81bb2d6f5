//! What the server counted: figures of the entry, and how many ordinary requests are left out.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;

/// What the figures are of: long enough to be calm, short enough to see a change.
pub(crate) const WINDOW_SECONDS: u64 = 10;

/// Figures of the requests that came in, exact whatever the list keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Rates {
    pub(crate) per_second: f64,
    /// From 0 to 1.
    pub(crate) failed: f64,
    pub(crate) p50: Duration,
    pub(crate) p95: Duration,
}

/// A row of a summary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) n: u64,
    pub(crate) n_failed: u64,
    pub(crate) p50: Duration,
    pub(crate) p95: Duration,
    pub(crate) p99: Duration,
}

/// How many traces were told and how many were not, by the last seconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sampling {
    /// Told and left out, in each of the last seconds; the latest is being counted.
    seconds: VecDeque<(u64, u64)>,
    /// Left out since the filter was given to the server.
    pub(crate) n_left_out: u64,
}

// === impl Figures ===

impl Figures {
    pub(crate) fn read(row: &Value) -> Self {
        let number = |field: &str| row[field].as_u64().unwrap_or(0);
        let micros = |field| Duration::from_micros(number(field));
        Self {
            n: number("n"),
            n_failed: number("n_failed"),
            p50: micros("p50_us"),
            p95: micros("p95_us"),
            p99: micros("p99_us"),
        }
    }

    /// From 0 to 1.
    pub(crate) fn failed(&self) -> f64 {
        if self.n == 0 { 0.0 } else { self.n_failed as f64 / self.n as f64 }
    }
}

// === impl Rates ===

impl Rates {
    /// From an answer of `/spur/v1/traces/summary?by=entry`.
    pub(crate) fn read(summary: &Value) -> Self {
        let Some(row) = summary["rows"].get(0) else { return Self::default() };
        let figures = Figures::read(row);
        Self {
            per_second: figures.n as f64 / seconds(summary),
            failed: figures.failed(),
            p50: figures.p50,
            p95: figures.p95,
        }
    }
}

/// How long a summary is, which is less than asked for where history is.
pub(crate) fn seconds(summary: &Value) -> f64 {
    let at = |field: &str| summary[field].as_u64().unwrap_or(0);
    (at("to") + 1).saturating_sub(at("from")).max(1) as f64
}

// === impl Sampling ===

impl Sampling {
    pub(crate) fn told(&mut self) {
        self.latest().0 += 1;
    }

    pub(crate) fn left_out(&mut self, n: u64) {
        self.latest().1 += n;
        self.n_left_out += n;
    }

    /// A second is over.
    pub(crate) fn tick(&mut self) {
        self.seconds.push_back((0, 0));
        while self.seconds.len() as u64 > WINDOW_SECONDS {
            self.seconds.pop_front();
        }
    }

    /// Of so many one is told, rounded.
    pub(crate) fn one_of(&self) -> u64 {
        let (told, left_out) = self.seconds.iter().fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
        (told + left_out + told / 2) / told.max(1)
    }

    fn latest(&mut self) -> &mut (u64, u64) {
        if self.seconds.is_empty() {
            self.seconds.push_back((0, 0));
        }
        self.seconds.back_mut().expect("there is one")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rates_are_read_from_a_summary() {
        let summary = json!({"from": 91, "to": 100, "rows": [
            {"n": 20, "n_failed": 5, "p50_us": 10_000, "p95_us": 19_000, "p99_us": 20_000},
        ]});
        let ms = Duration::from_millis;
        let expected = Rates { per_second: 2.0, failed: 0.25, p50: ms(10), p95: ms(19) };
        assert_eq!(Rates::read(&summary), expected);
        assert_eq!(Rates::read(&json!({"from": 91, "to": 100, "rows": []})), Rates::default());
    }

    #[test]
    fn one_of_how_many_is_told() {
        let mut sampling = Sampling::default();
        assert_eq!(sampling.one_of(), 0);
        (0..20).for_each(|_| sampling.told());
        assert_eq!(sampling.one_of(), 1);
        sampling.left_out(80);
        assert_eq!((sampling.one_of(), sampling.n_left_out), (5, 80));
        (0..20).for_each(|_| sampling.tick());
        assert_eq!((sampling.one_of(), sampling.n_left_out), (0, 80));
    }
}
