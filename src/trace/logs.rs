//! Log lines that applications report, the newest of them, numbered as they come.
//!
//! ```text
//!  receivers of telemetry ──append──► ring ──query──► LogAnswer   (since a number, limit, service, trace)
//!                        (the oldest   └────follow──► LogFollow   (live; a slow reader is told how many
//!                         go, counted)                             of any service went by)
//! ```
//!
//! Readers pull: one that is slow costs nothing and delays nobody. What containers write to their
//! output is not here, that is the runtime's.

mod line;
mod record;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use spur_route::TraceId;
use tokio::sync::watch;

pub use line::{InTrace, LINE_MAX_BYTES, LogLine};
pub use record::{LogRecord, Severity};

/// How many lines are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLimits {
    /// Lines.
    pub max_records: usize,
    /// Bytes that they take.
    pub max_bytes: usize,
}

/// Which lines are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogQuery {
    /// Only those after this number.
    pub since_seq: Option<u64>,
    /// At most so many, the newest.
    pub limit: usize,
    /// Only those of this service.
    pub service: Option<Arc<str>>,
    /// Only those of this trace.
    pub trace_id: Option<TraceId>,
}

/// The answer to a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogAnswer {
    /// The lines by number, which is the order in which they came.
    pub records: Vec<Arc<LogRecord>>,
    /// The number of the last line so far; ask again from here.
    pub last_seq: u64,
    /// Whether lines after `since_seq` are gone already.
    pub has_gap: bool,
}

/// What was taken in, is kept, and went: `n_records = n_kept + n_evicted`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogCounts {
    /// Lines taken in.
    pub n_records: u64,
    /// Lines kept now.
    pub n_kept: u64,
    /// Lines that went for newer ones.
    pub n_evicted: u64,
}

/// The lines; cheap to clone, all clones are the same.
#[derive(Clone, Debug)]
pub struct Logs {
    shared: Arc<Shared>,
}

/// A live subscription.
#[derive(Debug)]
pub struct LogFollow {
    shared: Arc<Shared>,
    query: LogQuery,
    /// The number of the last line that was looked at.
    at: u64,
    ready: VecDeque<Arc<LogRecord>>,
    last_seq_rx: watch::Receiver<u64>,
}

/// What a subscription brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogUpdate {
    /// A line.
    Record(Arc<LogRecord>),
    /// The reader was too slow: so many lines, of any service, went by.
    Lost(u64),
}

#[derive(Debug)]
struct Shared {
    limits: LogLimits,
    /// Held for a look or an insertion, and never across an await.
    ring: Mutex<Ring>,
    // writers -- the number of the last line --> followers
    last_seq_tx: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Ring {
    /// By number, without gaps.
    records: VecDeque<Arc<LogRecord>>,
    n_bytes: usize,
    last_seq: u64,
}

/// Lines that a follower takes at once, so that the ring is not held for long.
const TAKEN_AT_ONCE: usize = 256;

// === impl LogLimits ===

impl Default for LogLimits {
    /// 10,000 lines are what Aspire keeps; 16 MiB hold them at 1.6 KiB each, attributes included.
    fn default() -> Self {
        Self { max_records: 10_000, max_bytes: 16 << 20 }
    }
}

// === impl LogQuery ===

impl Default for LogQuery {
    /// The last 100 lines, whoever wrote them.
    fn default() -> Self {
        Self { since_seq: None, limit: 100, service: None, trace_id: None }
    }
}

impl LogQuery {
    fn wants(&self, record: &LogRecord) -> bool {
        let Self { since_seq: _, limit: _, service, trace_id } = self;
        service.as_ref().is_none_or(|service| *service == record.resource.service)
            && trace_id.is_none_or(|id| record.trace_id == Some(id))
    }
}

// === impl Logs ===

impl Logs {
    /// None yet.
    #[must_use]
    pub fn new(limits: LogLimits) -> Self {
        let shared = Shared { limits, ring: Mutex::default(), last_seq_tx: watch::Sender::new(0) };
        Self { shared: Arc::new(shared) }
    }

    /// Takes lines in, and gives them their numbers. The oldest make room.
    pub fn append(&self, records: impl IntoIterator<Item = LogRecord>) {
        let last_seq = {
            let mut ring = self.shared.ring();
            for record in records {
                ring.push(record, self.shared.limits);
            }
            ring.last_seq
        };
        self.shared.last_seq_tx.send_replace(last_seq);
    }

    /// The lines that are there now.
    #[must_use]
    pub fn query(&self, query: &LogQuery) -> LogAnswer {
        let ring = self.shared.ring();
        let since = query.since_seq.unwrap_or(0);
        let wanted = ring.after(since).rev().filter(|record| query.wants(record));
        let mut records: Vec<_> = wanted.take(query.limit).cloned().collect();
        records.reverse();
        let has_gap = query.since_seq.is_some_and(|since| since < ring.last_evicted());
        LogAnswer { records, last_seq: ring.last_seq, has_gap }
    }

    /// The lines that the query names, and then every further one, with no gap in between.
    #[must_use]
    pub fn follow(&self, query: LogQuery) -> LogFollow {
        let last_seq_rx = self.shared.last_seq_tx.subscribe();
        let answer = self.query(&query);
        LogFollow {
            shared: self.shared.clone(),
            query,
            at: answer.last_seq,
            ready: answer.records.into(),
            last_seq_rx,
        }
    }

    /// What was taken in and what went.
    #[must_use]
    pub fn counts(&self) -> LogCounts {
        let ring = self.shared.ring();
        LogCounts {
            n_records: ring.last_seq,
            n_kept: ring.records.len() as u64,
            n_evicted: ring.last_evicted(),
        }
    }
}

impl Default for Logs {
    fn default() -> Self {
        Self::new(LogLimits::default())
    }
}

// === impl LogFollow ===

impl LogFollow {
    /// The next line or loss; where none comes it waits for ever. May be dropped while it waits
    /// without losing anything.
    pub async fn next(&mut self) -> LogUpdate {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return LogUpdate::Record(record);
            }
            // Before the look, so that what comes after it wakes us.
            self.last_seq_rx.mark_unchanged();
            if let Some(n_lost) = self.look() {
                return LogUpdate::Lost(n_lost);
            }
            if self.ready.is_empty() && self.at >= *self.last_seq_rx.borrow() {
                // The sender is in `shared`, which we hold.
                let _ = self.last_seq_rx.changed().await;
            }
        }
    }

    /// Takes what has come, and says how many lines went before they were looked at.
    fn look(&mut self) -> Option<u64> {
        let ring = self.shared.ring();
        let last_evicted = ring.last_evicted();
        if last_evicted > self.at {
            let n_lost = last_evicted - self.at;
            self.at = last_evicted;
            return Some(n_lost);
        }
        for record in ring.after(self.at).take(TAKEN_AT_ONCE) {
            self.at = record.seq;
            if self.query.wants(record) {
                self.ready.push_back(record.clone());
            }
        }
        None
    }
}

// === impl Shared ===

impl Shared {
    /// What a panic left is whole: a line is in the ring or not.
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Ring ===

impl Ring {
    fn push(&mut self, mut record: LogRecord, limits: LogLimits) {
        self.last_seq += 1;
        record.seq = self.last_seq;
        self.n_bytes += record.n_bytes();
        self.records.push_back(Arc::new(record));
        // The newest stays, whatever its size: each is bounded.
        while self.records.len() > 1
            && (self.records.len() > limits.max_records || self.n_bytes > limits.max_bytes)
            && let Some(oldest) = self.records.pop_front()
        {
            self.n_bytes -= oldest.n_bytes();
        }
    }

    fn after(&self, seq: u64) -> impl DoubleEndedIterator<Item = &Arc<LogRecord>> {
        let n_before = seq.saturating_sub(self.last_evicted());
        let skipped = usize::try_from(n_before).unwrap_or(usize::MAX).min(self.records.len());
        self.records.range(skipped..)
    }

    /// Lines are numbered from 1 and go in their order.
    fn last_evicted(&self) -> u64 {
        self.last_seq - self.records.len() as u64
    }
}
