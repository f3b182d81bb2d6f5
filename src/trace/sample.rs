//! Which ordinary traces a follower is told of, where there are more than it can show.
//!
//! Traces worth looking at always are. Of the others the first ones of each second are, and the
//! first of each route in it, so that a busy route hides no quiet one.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;

use crate::series::Edge;
use crate::trace::Trace;

/// What the budget is for.
const SECOND: Duration = Duration::from_secs(1);

/// Routes that have a first trace in each second; with more of them the first ones have.
const ROUTES_MAX: usize = 1_024;

/// One follower's budget.
#[derive(Debug)]
pub(crate) struct Sampler {
    max_per_second: usize,
    second_began: Instant,
    n_told: usize,
    routes: HashSet<Edge>,
    n_skipped: u64,
}

// === impl Sampler ===

impl Sampler {
    pub(crate) fn new(max_per_second: usize, now: Instant) -> Self {
        Self { max_per_second, second_began: now, n_told: 0, routes: HashSet::new(), n_skipped: 0 }
    }

    /// Whether this one is told; one that is not is counted.
    pub(crate) fn admits(&mut self, trace: &Trace, now: Instant) -> bool {
        if now - self.second_began >= SECOND {
            self.second_began = now;
            self.n_told = 0;
            self.routes.clear();
        }
        let is_first = self.is_first(trace);
        let is_admitted = trace.kept_for.is_some() || self.n_told < self.max_per_second || is_first;
        match is_admitted {
            true => self.n_told += 1,
            false => self.n_skipped += 1,
        }
        is_admitted
    }

    /// When the number of those that were not told is to be told, if there are any.
    pub(crate) fn due(&self) -> Option<Instant> {
        (self.n_skipped > 0).then(|| self.second_began + SECOND)
    }

    /// How many were not told since this was asked.
    pub(crate) fn take_skipped(&mut self) -> u64 {
        std::mem::take(&mut self.n_skipped)
    }

    fn is_first(&mut self, trace: &Trace) -> bool {
        let Some(entry) = trace.entry() else { return false };
        self.routes.len() < ROUTES_MAX && self.routes.insert(Edge::of(entry))
    }
}
