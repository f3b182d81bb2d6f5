//! The thread that writes lines, so that nobody else waits for the disk.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use super::segments::Segments;

/// What was written and lost.
#[derive(Debug, Default)]
pub struct SpillCounts {
    n_written: AtomicU64,
    n_lost: AtomicU64,
    /// Why the last line could not be written.
    fault: Mutex<Option<String>>,
}

/// Starts it; it ends when nobody can send lines any more.
pub(super) fn start(
    mut segments: Segments,
    mut lines_rx: mpsc::Receiver<Vec<u8>>,
    counts: Arc<SpillCounts>,
) -> io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name("spur-spill".to_owned()).spawn(move || {
        while let Some(line) = lines_rx.blocking_recv() {
            let mut written = segments.write(&line);
            // Nothing else waits: what is written is there for whoever looks.
            if written.is_ok() && lines_rx.is_empty() {
                written = segments.flush();
            }
            counts.took(written);
        }
    })
}

// === impl SpillCounts ===

impl SpillCounts {
    /// Traces written so far, again where they were published again.
    #[must_use]
    pub fn n_written(&self) -> u64 {
        self.n_written.load(Ordering::Relaxed)
    }

    /// Traces that were not written: the disk was too slow, or full.
    #[must_use]
    pub fn n_lost(&self) -> u64 {
        self.n_lost.load(Ordering::Relaxed)
    }

    /// Why the last one could not be written, if it could not.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn lost(&self, n_traces: u64) {
        self.n_lost.fetch_add(n_traces, Ordering::Relaxed);
    }

    fn took(&self, written: io::Result<()>) {
        let fault = written.err().map(|error| error.to_string());
        match fault {
            None => self.n_written.fetch_add(1, Ordering::Relaxed),
            Some(_) => self.n_lost.fetch_add(1, Ordering::Relaxed),
        };
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }
}
