//! Which ordinary traces a follower is told of, where there are more than it can show.
//!
//! Traces worth looking at always are. Of the others as many are as there is room for: a second's
//! worth at once where it was quiet before, and evenly spread under a flood. The first of each route in
//! each second is in any case, so that a busy route hides no quiet one.

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
    /// What one trace takes of a second; `None` where there is room for none.
    cost: Option<Duration>,
    /// What was told fills the time up to here: at most a second from now (a leaky bucket, as ATM's
    /// generic cell rate algorithm has it, ITU-T I.371).
    filled: Instant,
    second_began: Instant,
    routes: HashSet<Edge>,
    n_skipped: u64,
}

// === impl Sampler ===

impl Sampler {
    pub(crate) fn new(max_per_second: usize, now: Instant) -> Self {
        let cost = u32::try_from(max_per_second).unwrap_or(u32::MAX);
        let cost = SECOND.checked_div(cost);
        Self { cost, filled: now, second_began: now, routes: HashSet::new(), n_skipped: 0 }
    }

    /// Whether this one is told; one that is not is counted.
    pub(crate) fn admits(&mut self, trace: &Trace, now: Instant) -> bool {
        if now - self.second_began >= SECOND {
            self.second_began = now;
            self.routes.clear();
        }
        let is_told_anyway = self.is_first(trace) || trace.kept_for.is_some();
        let is_admitted = self.takes(now) || is_told_anyway;
        self.n_skipped += u64::from(!is_admitted);
        is_admitted
    }

    /// Whether there is room for one more, which takes it.
    fn takes(&mut self, now: Instant) -> bool {
        let Some(cost) = self.cost else { return false };
        let filled = self.filled.max(now) + cost;
        let has_room = filled <= now + SECOND;
        if has_room {
            self.filled = filled;
        }
        has_room
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

#[cfg(test)]
mod tests {
    use super::*;

    fn told(
        sampler: &mut Sampler,
        began: Instant,
        millis: std::ops::Range<u64>,
        n_per_milli: usize,
    ) -> usize {
        let times = millis.flat_map(|ms| std::iter::repeat_n(began + Duration::from_millis(ms), n_per_milli));
        times.filter(|now| sampler.takes(*now)).count()
    }

    #[test]
    fn a_burst_is_told_whole_and_a_flood_evenly() {
        let began = Instant::now();
        let mut sampler = Sampler::new(2_000, began);
        assert_eq!(told(&mut sampler, began, 0..1, 2_000), 2_000, "a second's worth at once");
        for tenth in 0..20 {
            let millis = 1 + tenth * 100..1 + (tenth + 1) * 100;
            assert_eq!(told(&mut sampler, began, millis, 10), 200);
        }
        assert_eq!(told(&mut sampler, began, 10_000..10_001, 3_000), 2_000, "quiet before");
    }

    #[test]
    fn there_may_be_room_for_none_or_for_all() {
        let now = Instant::now();
        assert!(!Sampler::new(0, now).takes(now));
        let mut endless = Sampler::new(usize::MAX, now);
        assert!((0..100_000).all(|_| endless.takes(now)));
    }
}
