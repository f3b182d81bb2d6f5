//! What readers can ask of a store, and what they are told.
//!
//! Finding it is left to `store`.

use std::sync::Arc;
use std::time::SystemTime;

use crate::filter::Filter;
use crate::trace::Trace;

/// Which traces are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Only those with a hop that carries this key.
    pub key: Option<Arc<str>>,
    /// Only those that fit it; `None`: all.
    pub filter: Option<Arc<Filter>>,
    /// At most so many, the newest.
    pub limit: usize,
    /// Only those published after this number.
    pub since_seq: Option<u64>,
    /// Whether those that are not finished are wanted too.
    pub in_flight: InFlight,
}

/// What becomes of traces that are not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InFlight {
    /// They are left out.
    Without,
    /// They come after the finished ones, oldest first. One that was published
    /// and goes on comes once, here.
    With,
}

/// The answer to a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The traces: the finished ones by `seq`, then those in flight.
    pub traces: Vec<Arc<Trace>>,
    /// The number of the last publication so far; ask again from here.
    pub last_seq: u64,
    /// Whether traces published after `since_seq` are gone already.
    pub has_gap: bool,
    /// What the store saw and dropped.
    pub counts: Counts,
}

/// What a store saw, keeps and dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records taken in.
    pub n_records: u64,
    /// Records overwritten in the rings before they were read.
    pub n_lost_records: u64,
    /// Traces kept now.
    pub n_traces: u64,
    /// Traces dropped for newer ones.
    pub n_evicted_traces: u64,
    /// Hops dropped because their trace has too many.
    pub n_dropped_hops: u64,
    /// Ends and progress whose start never came: it was lost, or its trace dropped.
    pub n_unmatched: u64,
}

// === impl Query ===

impl Default for Query {
    /// The last 100 finished traces, whatever their key: a few screens.
    fn default() -> Self {
        Self { key: None, filter: None, limit: 100, since_seq: None, in_flight: InFlight::Without }
    }
}

impl Query {
    pub(crate) fn wants(&self, trace: &Trace) -> bool {
        let has_key = self.key.as_deref().is_none_or(|key| trace.has_key(key));
        has_key && self.filter.as_ref().is_none_or(|filter| filter.matches(&trace.at(SystemTime::now())))
    }
}
