//! Finished traces on disk, so that they are there after a restart.
//!
//! ```text
//!  Collector::follow ───► Spill::run ─lines─► a thread ─► traces-00000007.jsonl   (segments; the
//!                (the collector waits for        │          oldest goes where all are too many)
//!                 nobody; what is lost           └─ a full disk loses lines, counted, and no more
//!                 on the way is counted)
//!  at the next start: `restore`, the newest first ─► Collector::restore
//! ```
//!
//! A line is a trace as readers get it, with its `captures`, without secrets: nothing secret is
//! written. A trace that is published again is written again, and its last line holds. A line that
//! was torn by a crash is left out.

mod segments;
mod thread;

use std::collections::HashSet;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use self::segments::Segments;
pub use self::thread::SpillCounts;
use crate::capture::Capture;
use crate::collector::{Collector, Follow, TraceReader, Update};
use crate::redact::Redaction;
use crate::trace::Trace;

/// Lines that wait for the disk: a second of it at 1,000 requests a second.
const N_WAITING: usize = 1_024;

/// Where traces are written, and how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpillTo {
    /// A directory of our own; it is made where it is not there.
    pub dir: PathBuf,
    /// Bytes of all segments together.
    pub max_bytes: u64,
}

/// A line.
#[derive(Serialize, Deserialize)]
struct Line<T> {
    #[serde(flatten)]
    trace: T,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    captures: Vec<Capture>,
}

/// What was found on disk.
#[derive(Debug, Default)]
pub struct Restored {
    /// The traces, oldest first, each with what was captured of it.
    pub traces: Vec<(Trace, Vec<Capture>)>,
    /// Lines that could not be read.
    pub n_broken: u64,
}

/// Writes finished traces.
#[derive(Debug)]
pub struct Spill {
    follow: Follow,
    reader: TraceReader,
    redaction: Arc<Redaction>,
    counts: Arc<SpillCounts>,
    // this -- lines --> the thread
    lines_tx: mpsc::Sender<Vec<u8>>,
    thread: std::thread::JoinHandle<()>,
}

/// Reads what is there, the newest `max_traces` of it.
///
/// # Errors
/// When the directory or a file of it cannot be read.
pub fn restore(from: &SpillTo, max_traces: usize) -> io::Result<Restored> {
    let mut restored = Restored::default();
    let mut known = HashSet::new();
    for path in Segments::list(&from.dir)?.into_iter().rev() {
        if known.len() >= max_traces {
            break;
        }
        let mut lines = Vec::new();
        for line in BufReader::new(std::fs::File::open(path)?).split(b'\n') {
            lines.push(line?);
        }
        for line in lines.into_iter().rev().filter(|line| !line.is_empty()) {
            match serde_json::from_slice::<Line<Trace>>(&line) {
                Ok(Line { trace, captures }) => {
                    if known.len() < max_traces && known.insert(trace.trace_id) {
                        restored.traces.push((trace, captures));
                    }
                }
                Err(_) => restored.n_broken += 1,
            }
        }
    }
    restored.traces.reverse();
    Ok(restored)
}

// === impl Spill ===

impl Spill {
    /// Opens the directory and starts the thread that writes, of a collector that does not run yet.
    ///
    /// # Errors
    /// When the directory cannot be made or read, or no thread can be started.
    pub fn start(
        to: &SpillTo,
        (collector, reader): (&Collector, TraceReader),
        redaction: Arc<Redaction>,
    ) -> io::Result<Self> {
        let segments = Segments::open(to)?;
        let (lines_tx, lines_rx) = mpsc::channel(N_WAITING);
        let counts = Arc::new(SpillCounts::default());
        let thread = thread::start(segments, lines_rx, counts.clone())?;
        Ok(Self { follow: collector.follow(), reader, redaction, counts, lines_tx, thread })
    }

    /// What was written and lost so far.
    #[must_use]
    pub fn counts(&self) -> Arc<SpillCounts> {
        self.counts.clone()
    }

    /// Writes until the collector has stopped; what waits then is written.
    pub async fn run(self) {
        let Self { mut follow, reader, redaction, counts, lines_tx, thread } = self;
        while let Some(update) = follow.next().await {
            match update {
                Update::Trace(trace) => {
                    let line = line(&reader, &redaction, &trace).await;
                    if lines_tx.try_send(line).is_err() {
                        counts.lost(1);
                    }
                }
                Update::Lost(n_traces) | Update::Sampled(n_traces) => counts.lost(n_traces),
            }
        }
        drop(lines_tx);
        // It ends with the last line; a panic of it was reported when it happened.
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
}

async fn line(reader: &TraceReader, redaction: &Redaction, trace: &Trace) -> Vec<u8> {
    let is_captured = trace.hops.iter().any(|hop| hop.captured.is_some());
    let captures = match is_captured {
        // A collector that has stopped has none any more.
        true => reader.captures(trace.trace_id).await.unwrap_or_default(),
        false => Vec::new(),
    };
    let captures = captures.iter().map(|capture| redaction.capture(capture)).collect();
    let mut line = serde_json::to_vec(&Line { trace, captures }).expect("a trace can always be written");
    line.push(b'\n');
    line
}
