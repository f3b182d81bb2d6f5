//! Exact counts for every second of the last quarter of an hour: requests, errors, durations, by
//! who called whom, which rule led there, and which key it had.
//!
//! Nothing is sampled. A second is that of a hop's end. What is bounded is the number of series,
//! beyond which hops count under one name, and the bytes of the history, beyond which it is
//! shorter.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::durations::Durations;
use crate::map::HashMap;
use crate::series::{By, Series};
use crate::trace::Hop;

/// How much history is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AggregateLimits {
    /// Seconds before the latest.
    pub max_seconds: u64,
    /// Series that are told apart; the hops of further ones count as [`Series::Others`].
    pub max_series: usize,
    /// Bytes of all seconds; the oldest go.
    pub max_bytes: usize,
}

/// What was counted of one series in some time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Hops that ended.
    pub n: u64,
    /// Those of them that failed.
    pub n_failed: u64,
    /// How long they took.
    pub durations: Durations,
}

/// Tallies of some seconds, by series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The first second that is in it, since 1970; later than asked where history is shorter.
    pub from: u64,
    /// The last one.
    pub to: u64,
    /// By series, in their order.
    pub rows: Vec<(Series, Tally)>,
}

/// Which seconds, and what is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first second, since 1970.
    pub from: u64,
    /// The last one, included.
    pub to: u64,
    /// What is told apart.
    pub by: By,
}

/// What became of the hops that ended: `n = n_kept + n_passed + n_cut + n_late`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AggregateCounts {
    /// Hops that ended.
    pub n: u64,
    /// Those that are in the history.
    pub n_kept: u64,
    /// Those whose second has passed out of it.
    pub n_passed: u64,
    /// Those whose second went early, because all together took too many bytes.
    pub n_cut: u64,
    /// Those that ended before its beginning, as after a clock was set back.
    pub n_late: u64,
    /// Those that counted as others, of all.
    pub n_others: u64,
}

/// The history; one task owns it.
#[derive(Debug)]
pub struct Aggregates {
    limits: AggregateLimits,
    ids: HashMap<Arc<Series>, u32>,
    known: HashMap<u32, Known>,
    next_id: u32,
    /// By their time, rising; those in which nothing ended are not there.
    seconds: VecDeque<Second>,
    n_bytes: usize,
    counts: AggregateCounts,
}

#[derive(Debug)]
struct Known {
    series: Arc<Series>,
    n_seconds: usize,
}

#[derive(Debug)]
struct Second {
    at: u64,
    tallies: HashMap<u32, Tally>,
    n_bytes: usize,
}

// === impl AggregateLimits ===

impl Default for AggregateLimits {
    /// A quarter of an hour can be gone back in the terminal. 1,024 series are 30 services that
    /// call each other with ten keys. 16 MiB hold that quarter for 20 busy series (900 s × 20 ×
    /// about 100 buckets of 8 bytes; reckoned, not measured).
    fn default() -> Self {
        Self { max_seconds: 15 * 60, max_series: 1_024, max_bytes: 16 << 20 }
    }
}

// === impl Aggregates ===

impl Aggregates {
    /// An empty history.
    #[must_use]
    pub fn new(limits: AggregateLimits) -> Self {
        Self {
            limits,
            ids: HashMap::default(),
            known: HashMap::default(),
            next_id: 0,
            seconds: VecDeque::new(),
            n_bytes: 0,
            counts: AggregateCounts::default(),
        }
    }

    /// Counts a hop that has ended; one that has not is not counted.
    pub fn record(&mut self, hop: &Hop) {
        let Some(end) = &hop.end else { return };
        self.counts.n += 1;
        let at = second(hop.start.started + end.duration);
        let Some(place) = self.second(at) else {
            self.counts.n_late += 1;
            return;
        };
        self.counts.n_kept += 1;
        let id = self.id(Series::of(hop));
        let is_new = !self.seconds[place].tallies.contains_key(&id);
        if is_new && let Some(known) = self.known.get_mut(&id) {
            known.n_seconds += 1;
        }
        let second = &mut self.seconds[place];
        let tally = second.tallies.entry(id).or_default();
        let n_bytes_before = if is_new { 0 } else { tally.n_bytes() };
        tally.n += 1;
        tally.n_failed += u64::from(hop.is_failed());
        tally.durations.record(end.duration);
        let n_more = tally.n_bytes() - n_bytes_before;
        second.n_bytes += n_more;
        self.n_bytes += n_more;
        self.forget();
    }

    /// The tallies of some seconds.
    #[must_use]
    pub fn summary(&self, window: Window) -> Summary {
        let mut rows: HashMap<Series, Tally> = HashMap::default();
        let wanted = self.seconds.iter().filter(|second| (window.from..=window.to).contains(&second.at));
        for (id, tally) in wanted.flat_map(|second| &second.tallies) {
            let known = self.known.get(id).filter(|known| known.series.counts_by(window.by));
            let Some(known) = known else { continue };
            rows.entry(known.series.by(window.by)).or_default().merge(tally);
        }
        let mut rows: Vec<_> = rows.into_iter().collect();
        rows.sort_by(|(left, _), (right, _)| left.cmp(right));
        let first = self.seconds.front().map_or(window.from, |second| second.at);
        Summary { from: window.from.max(first), to: window.to, rows }
    }

    /// What became of what was recorded.
    #[must_use]
    pub fn counts(&self) -> AggregateCounts {
        self.counts
    }

    /// The place of a second, made where it is missing; `None` where it is before the history.
    fn second(&mut self, at: u64) -> Option<usize> {
        let newest = self.seconds.back().map_or(at, |second| second.at);
        if at + self.limits.max_seconds <= newest {
            return None;
        }
        // From the back: nearly every hop ended in the latest second, or in the one before.
        let after = self.seconds.iter().rposition(|second| second.at <= at);
        match after {
            Some(place) if self.seconds[place].at == at => Some(place),
            after => {
                let place = after.map_or(0, |place| place + 1);
                let n_bytes = size_of::<Second>();
                self.n_bytes += n_bytes;
                self.seconds.insert(place, Second { at, tallies: HashMap::default(), n_bytes });
                Some(place)
            }
        }
    }

    fn id(&mut self, series: Series) -> u32 {
        if let Some(id) = self.ids.get(&series) {
            self.counts.n_others += u64::from(series == Series::Others);
            return *id;
        }
        // The others have a place of their own.
        if self.ids.len() >= self.limits.max_series && series != Series::Others {
            return self.id(Series::Others);
        }
        self.counts.n_others += u64::from(series == Series::Others);
        let (id, series) = (self.next_id, Arc::new(series));
        self.next_id = self.next_id.wrapping_add(1);
        self.ids.insert(series.clone(), id);
        self.known.insert(id, Known { series, n_seconds: 0 });
        id
    }

    /// Lets go what is too old, or too much. The latest second stays.
    fn forget(&mut self) {
        while let [first, .., last] = self.seconds.make_contiguous() {
            let n: u64 = first.tallies.values().map(|tally| tally.n).sum();
            if first.at + self.limits.max_seconds <= last.at {
                self.counts.n_passed += n;
            } else if self.n_bytes > self.limits.max_bytes {
                self.counts.n_cut += n;
            } else {
                return;
            }
            self.counts.n_kept -= n;
            let second = self.seconds.pop_front().expect("there are two");
            self.n_bytes -= second.n_bytes;
            second.tallies.into_keys().for_each(|id| self.release(id));
        }
    }

    /// A series that no second has any more makes room for another.
    fn release(&mut self, id: u32) {
        let Some(known) = self.known.get_mut(&id) else { return };
        known.n_seconds -= 1;
        if known.n_seconds == 0 {
            self.ids.remove(&known.series);
            self.known.remove(&id);
        }
    }
}

// === impl Tally ===

impl Tally {
    /// Adds what another has counted.
    pub fn merge(&mut self, other: &Self) {
        let Self { n, n_failed, durations } = other;
        self.n += n;
        self.n_failed += n_failed;
        self.durations.merge(durations);
    }

    fn n_bytes(&self) -> usize {
        size_of::<(u32, Self)>() + self.durations.n_bytes()
    }
}

/// The second of a time, since 1970.
pub(crate) fn second(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
