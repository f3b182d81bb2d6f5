//! What came in, and what of it was not taken.

use std::sync::atomic::{AtomicU64, Ordering};

/// What was received so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntakeCounts {
    /// Exports that were read: requests of any protocol and signal.
    pub n_exports: u64,
    /// Requests that could not be read: too large, broken, of an unknown kind.
    pub n_refused: u64,
    /// Spans, lines and points that were not taken because they were not valid.
    pub n_invalid: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) exports: Counter,
    pub(crate) refused: Counter,
    pub(crate) invalid: Counter,
}

/// Rises only. It orders nothing and is read for display.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

// === impl Counters ===

impl Counters {
    pub(crate) fn read(&self) -> IntakeCounts {
        let Self { exports, refused, invalid } = self;
        IntakeCounts { n_exports: exports.get(), n_refused: refused.get(), n_invalid: invalid.get() }
    }
}

// === impl Counter ===

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
