//! Finished traces, sent on to a collector of OTLP.
//!
//! ```text
//!  TraceReader::follow ─► Queue ─batch─► protobuf, gzip ─► POST …/v1/traces ─┬─► taken, or rejected for good
//!                      (bounded; the     (one at a time)                     └─► tried again, waiting longer
//!                       oldest go)                                               each time, or as it is told
//! ```
//!
//! A trace that is published again brings only what was not sent yet. Whatever is not delivered is
//! counted, and why is said in the log.

mod queue;
mod retry;
mod send;
mod target;

use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use spur_trace::otlp_json::spans_data;
use spur_trace::{Follow, Query, Span, TraceReader, Update};
use tokio::time::Instant;

use crate::counts::Counter;
use queue::Queue;
use retry::Retry;
use send::Attempt;
pub use target::{ExportTarget, TargetError};

/// How long spans wait for more to go with them: a fifth of what OpenTelemetry's own processors wait
/// (`OTEL_BSP_SCHEDULE_DELAY`), since somebody looks at the other end.
const WAITS_FOR: Duration = Duration::from_secs(1);

/// What is sent at the end gets so long: a terminal waits for its prompt.
const LAST_WAITS_FOR: Duration = Duration::from_secs(2);

/// What became of the spans: `n_spans = n_sent + n_rejected + n_failed + n_dropped` and what waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportCounts {
    /// Spans to be sent.
    pub n_spans: u64,
    /// Those that the collector took.
    pub n_sent: u64,
    /// Those that it took the rest without.
    pub n_rejected: u64,
    /// Those of batches that it refused, or that could not be delivered in time.
    pub n_failed: u64,
    /// Those that went for newer ones, because too many waited.
    pub n_dropped: u64,
    /// Traces that went by before they were read.
    pub n_lost_traces: u64,
}

/// Sends what is published, until the collector of traces ends.
#[derive(Debug)]
pub struct Exporter {
    target: ExportTarget,
    traces: TraceReader,
    counters: Arc<Counters>,
}

/// What an exporter has done; cheap to clone.
#[derive(Clone, Debug)]
pub struct ExportProgress(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    spans: Counter,
    sent: Counter,
    rejected: Counter,
    failed: Counter,
    dropped: Counter,
    lost_traces: Counter,
}

/// A batch on its way.
type Sending = Pin<Box<dyn Future<Output = ()> + Send>>;

// === impl Exporter ===

impl Exporter {
    /// To this collector, from these traces.
    #[must_use]
    pub fn new(target: ExportTarget, traces: TraceReader) -> Self {
        Self { target, traces, counters: Arc::default() }
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> ExportProgress {
        ExportProgress(self.counters.clone())
    }

    /// Sends what is published from now on. Once nothing is published any more, what waits is sent
    /// within two seconds, and the rest counts as failed.
    pub async fn run(self) {
        // Nothing of what was before: it may have been sent already.
        let Ok(mut follow) = self.traces.follow(Query { limit: 0, ..Query::default() }).await else { return };
        let mut queue = Queue::default();
        self.while_published(&mut follow, &mut queue).await;
        let last = async {
            while let Some(batch) = queue.batch() {
                self.deliver(batch).await;
            }
        };
        let _ = tokio::time::timeout(LAST_WAITS_FOR, last).await;
        self.counters.failed.add(queue.n_waiting() as u64);
    }

    async fn while_published(&self, follow: &mut Follow, queue: &mut Queue) {
        let mut sending: Option<Sending> = None;
        let mut due: Option<Instant> = None;
        loop {
            if sending.is_none() && (queue.is_batch_full() || due.is_some_and(|due| due <= Instant::now())) {
                due = None;
                sending = queue.batch().map(|batch| self.delivery(batch));
            }
            tokio::select! {
                update = follow.next() => match update {
                    Some(Update::Trace(trace)) => {
                        let put = queue.put(&trace);
                        self.counters.spans.add(put.n_new);
                        self.counters.dropped.add(put.n_dropped);
                        due = due.or(Some(Instant::now() + WAITS_FOR));
                    }
                    Some(Update::Lost(n)) => self.counters.lost_traces.add(n),
                    Some(Update::Sampled(_)) => {}
                    None => break,
                },
                () = done(&mut sending) => {
                    sending = None;
                    // What came meanwhile waits no longer than it has.
                    due = (queue.n_waiting() > 0).then(|| due.unwrap_or_else(Instant::now));
                }
                () = until(due), if sending.is_none() => {}
            }
        }
        if let Some(sending) = sending {
            // It counts for itself; what is cut off here has failed.
            let _ = tokio::time::timeout(LAST_WAITS_FOR, sending).await;
        }
    }

    fn delivery(&self, batch: Vec<Arc<Span>>) -> Sending {
        let (target, counters) = (self.target.clone(), self.counters.clone());
        Box::pin(async move { deliver(&target, &counters, batch).await })
    }

    async fn deliver(&self, batch: Vec<Arc<Span>>) {
        deliver(&self.target, &self.counters, batch).await;
    }
}

/// Counts spans as failed unless they are counted otherwise, also where the future is dropped.
struct Fate<'a> {
    counters: &'a Counters,
    n_spans: u64,
}

impl Drop for Fate<'_> {
    fn drop(&mut self) {
        self.counters.failed.add(self.n_spans);
    }
}

/// Tries until it is taken, refused, or has taken too long.
async fn deliver(target: &ExportTarget, counters: &Counters, batch: Vec<Arc<Span>>) {
    let mut fate = Fate { counters, n_spans: batch.len() as u64 };
    let Some(body) = packed(batch) else {
        tracing::error!("spans could not be written as protobuf");
        return;
    };
    let mut retry = Retry::begin(Instant::now());
    loop {
        match send::attempt(target, body.clone()).await {
            Attempt::Taken { n_rejected } => {
                let n_rejected = n_rejected.min(fate.n_spans);
                counters.rejected.add(n_rejected);
                counters.sent.add(fate.n_spans - n_rejected);
                fate.n_spans = 0;
                return;
            }
            Attempt::Refused(why) => {
                tracing::warn!(otlp.export = %target, n_spans = fate.n_spans, "`{target}` refused spans: {why}");
                return;
            }
            Attempt::Failed { why, after } => match retry.next(Instant::now(), after) {
                Some(pause) => {
                    if retry.is_first() {
                        tracing::warn!(otlp.export = %target, "spans are sent to `{target}` again: {why}");
                    }
                    tokio::time::sleep(pause).await;
                }
                None => {
                    tracing::warn!(otlp.export = %target, n_spans = fate.n_spans, "spans were not delivered to `{target}`: {why}");
                    return;
                }
            },
        }
    }
}

/// The same types as on the way in: OTLP's JSON is read as its messages.
fn packed(batch: Vec<Arc<Span>>) -> Option<Bytes> {
    let json = serde_json::to_value(spans_data(batch)).ok()?;
    let request: ExportTraceServiceRequest = serde_json::from_value(json).ok()?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&request.encode_to_vec()).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

async fn done(sending: &mut Option<Sending>) {
    match sending {
        Some(sending) => sending.await,
        None => std::future::pending().await,
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

// === impl ExportProgress ===

impl ExportProgress {
    /// What became of the spans.
    #[must_use]
    pub fn counts(&self) -> ExportCounts {
        let Counters { spans, sent, rejected, failed, dropped, lost_traces } = &*self.0;
        ExportCounts {
            n_spans: spans.get(),
            n_sent: sent.get(),
            n_rejected: rejected.get(),
            n_failed: failed.get(),
            n_dropped: dropped.get(),
            n_lost_traces: lost_traces.get(),
        }
    }
}
