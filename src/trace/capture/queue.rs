//! The way of captures from a worker to the collector, bounded by number and by bytes.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crossbeam_queue::ArrayQueue;

use super::Capture;

/// Captures that may wait: a sweep is 10 ms apart from the next, so that 25,000 captured requests
/// a second fit.
const CAPACITY: usize = 256;

/// What those that wait may take: 8 MiB are 64 pairs of bodies at their cap.
const MAX_BYTES: usize = 8 << 20;

/// Captures of one worker. As in the ring of records the oldest goes where there is no room.
#[derive(Debug)]
pub(crate) struct CaptureQueue {
    queue: ArrayQueue<Box<Capture>>,
    n_bytes: AtomicUsize,
    n_produced: AtomicU64,
    n_lost: AtomicU64,
}

// === impl CaptureQueue ===

impl CaptureQueue {
    pub(crate) fn new() -> Self {
        Self {
            queue: ArrayQueue::new(CAPACITY),
            n_bytes: AtomicUsize::new(0),
            n_produced: AtomicU64::new(0),
            n_lost: AtomicU64::new(0),
        }
    }

    /// Adds one, in the place of the oldest where it is too much.
    pub(crate) fn push(&self, capture: Box<Capture>) {
        self.n_produced.fetch_add(1, Ordering::Relaxed);
        let n_bytes = capture.n_bytes();
        // One worker pushes, so that nobody else adds in between; who pops makes more room.
        while self.n_bytes.load(Ordering::Relaxed) + n_bytes > MAX_BYTES {
            let Some(_oldest) = self.pop() else { break };
            self.n_lost.fetch_add(1, Ordering::Relaxed);
        }
        self.n_bytes.fetch_add(n_bytes, Ordering::Relaxed);
        if let Some(oldest) = self.queue.force_push(capture) {
            self.n_bytes.fetch_sub(oldest.n_bytes(), Ordering::Relaxed);
            self.n_lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes the oldest.
    pub(crate) fn pop(&self) -> Option<Box<Capture>> {
        let oldest = self.queue.pop()?;
        self.n_bytes.fetch_sub(oldest.n_bytes(), Ordering::Relaxed);
        Some(oldest)
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// How many were pushed, and how many of them were lost.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.n_produced.load(Ordering::Relaxed), self.n_lost.load(Ordering::Relaxed))
    }
}
