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
    /// The same of those that began before this: of many quick requests most are over by the time
    /// that somebody reads of them.
    BegunBefore(SystemTime),
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

/// What a store saw, keeps and dropped. Nothing is missing in it:
/// - records: what the rings produced = `n_records` + `n_lost_records` + what is in the rings;
/// - traces: `n_started_traces` = `n_traces` + `n_evicted_traces`;
/// - hops: `n_hops` = those of the traces that are kept + `n_dropped_hops` + `n_evicted_hops`;
/// - spans: `n_spans` = those of the traces that are kept + `n_dropped_spans` + `n_evicted_spans` +
///   `n_repeated_spans`, and all that were received are `n_spans` + `n_rejected_spans` + what waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records taken in.
    pub n_records: u64,
    /// Records overwritten in the rings before they were read.
    pub n_lost_records: u64,
    /// Hops that began.
    pub n_hops: u64,
    /// Traces that began; one that comes back after it was dropped begins again.
    pub n_started_traces: u64,
    /// Traces kept now.
    pub n_traces: u64,
    /// Those of them that are worth looking at, in a ring of their own.
    pub n_kept_apart: u64,
    /// Traces dropped for newer ones.
    pub n_evicted_traces: u64,
    /// Those of them that were worth looking at.
    pub n_evicted_apart: u64,
    /// Hops of the traces that were dropped.
    pub n_evicted_hops: u64,
    /// Hops dropped because their trace has too many.
    pub n_dropped_hops: u64,
    /// Captures kept now.
    pub n_captures: u64,
    /// Bytes that they take.
    pub n_capture_bytes: u64,
    /// Captures dropped for newer ones.
    pub n_evicted_captures: u64,
    /// Captures that went by before they were read.
    pub n_lost_captures: u64,
    /// Spans taken in.
    pub n_spans: u64,
    /// Spans turned away because too many waited; who sent them was told.
    pub n_rejected_spans: u64,
    /// Spans that were there already: an exporter that got no answer in time sends again.
    pub n_repeated_spans: u64,
    /// Spans of the traces that were dropped.
    pub n_evicted_spans: u64,
    /// Spans dropped because their trace has too many.
    pub n_dropped_spans: u64,
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
