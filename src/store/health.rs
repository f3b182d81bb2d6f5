//! What the store says about itself: for `/readyz` and metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Whether writes are taken. Reads go on in every state but [`Health::Closed`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Writes are taken.
    Ready,
    /// The disk is full: deletes are taken, puts are refused until there is room again.
    DiskFull,
    /// An input/output error closed the database; it is being opened again.
    Reopening {
        /// What went wrong last.
        cause: Arc<str>,
        /// Failed attempts so far.
        attempts: u32,
    },
    /// Opening again was given up: only a restart can help.
    Failed {
        /// What went wrong last.
        cause: Arc<str>,
    },
    /// The store was closed.
    Closed,
}

/// Counters since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Transactions made durable.
    pub commits: u64,
    /// Writes in them.
    pub writes: u64,
    /// Times the database was opened again after an error.
    pub reopens: u64,
}

/// The live counters; relaxed, since each is read alone.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) reopens: AtomicU64,
}

// === impl Counters ===

impl Counters {
    pub(crate) fn snapshot(&self) -> Stats {
        Stats {
            commits: self.commits.load(Ordering::Relaxed),
            writes: self.writes.load(Ordering::Relaxed),
            reopens: self.reopens.load(Ordering::Relaxed),
        }
    }
}
