//! The ring between a proxy worker and the collector.
//!
//! Pushing never waits and never fails: where the collector is behind, the
//! oldest record is overwritten, and counted.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_queue::ArrayQueue;

use crate::capture::{Capture, CaptureQueue};
use crate::record::Record;

/// Records of one worker, at most as many as its capacity.
#[derive(Debug)]
pub struct Ring {
    queue: ArrayQueue<Record>,
    n_produced: AtomicU64,
    n_lost: AtomicU64,
    captures: CaptureQueue,
}

/// What went through a ring: produced = taken by the collector + lost + still inside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingCounts {
    /// Records pushed.
    pub n_produced: u64,
    /// Records overwritten before the collector took them.
    pub n_lost: u64,
    /// Captures pushed.
    pub n_captures: u64,
    /// Captures dropped before the collector took them.
    pub n_lost_captures: u64,
}

// === impl Ring ===

impl Ring {
    /// 16,384 records: a worker at 50,000 hops per second writes 100,000 a
    /// second, so this bridges 160 ms in which the collector gets no turn. It
    /// takes about 1 MB.
    pub const DEFAULT_CAPACITY: usize = 16_384;

    /// A ring of at least one record.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            queue: ArrayQueue::new(capacity.max(1)),
            n_produced: AtomicU64::new(0),
            n_lost: AtomicU64::new(0),
            captures: CaptureQueue::new(),
        }
    }

    /// Adds a record, in place of the oldest where the ring is full.
    pub fn push(&self, record: Record) {
        // Relaxed: the counters order nothing; they are read for display.
        self.n_produced.fetch_add(1, Ordering::Relaxed);
        if self.queue.force_push(record).is_some() {
            self.n_lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes the oldest record.
    #[must_use]
    pub fn pop(&self) -> Option<Record> {
        self.queue.pop()
    }

    /// Adds what a hop's client sent and got, before the record of the hop's end.
    pub fn push_capture(&self, capture: Box<Capture>) {
        self.captures.push(capture);
    }

    /// Takes the oldest capture.
    #[must_use]
    pub fn pop_capture(&self) -> Option<Box<Capture>> {
        self.captures.pop()
    }

    /// How many captures are inside now.
    #[must_use]
    pub fn n_captures(&self) -> usize {
        self.captures.len()
    }

    /// How many records are inside now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// What went through so far.
    #[must_use]
    pub fn counts(&self) -> RingCounts {
        let (n_captures, n_lost_captures) = self.captures.counts();
        RingCounts {
            n_captures,
            n_lost_captures,
            n_produced: self.n_produced.load(Ordering::Relaxed),
            n_lost: self.n_lost.load(Ordering::Relaxed),
        }
    }
}

impl Default for Ring {
    fn default() -> Self {
        Self::new(Self::DEFAULT_CAPACITY)
    }
}
