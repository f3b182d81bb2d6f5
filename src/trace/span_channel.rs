//! The way of spans from whoever receives them to the collector.
//!
//! Unlike a worker's ring it tells who sends what was not taken, because exporters are to know
//! (`partial_success`). It waits a moment for the collector, and never longer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::span::Span;

/// Spans that wait: two batches of OpenTelemetry's processors, which hold 2,048 at most
/// (`OTEL_BSP_MAX_QUEUE_SIZE`).
const MAX_WAITING: usize = 4_096;

/// Bytes of those that wait. The collector takes them within milliseconds.
const MAX_WAITING_BYTES: usize = 16 << 20;

/// How long all spans of one export wait for room: a tenth of the ten seconds after which exporters
/// give up and send again (`OTEL_EXPORTER_OTLP_TIMEOUT`).
const WAITS_FOR: Duration = Duration::from_secs(1);

/// Hands spans to the collector; cheap to clone.
#[derive(Clone, Debug)]
pub struct SpanSender {
    // receivers of telemetry -- spans --> the collector
    spans_tx: mpsc::Sender<Span>,
    waiting: Arc<Waiting>,
}

/// The collector's end.
#[derive(Debug)]
pub(crate) struct SpanReceiver {
    spans_rx: mpsc::Receiver<Span>,
    waiting: Arc<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    n_bytes: AtomicUsize,
    n_rejected: AtomicU64,
}

pub(crate) fn span_channel() -> (SpanSender, SpanReceiver) {
    let (spans_tx, spans_rx) = mpsc::channel(MAX_WAITING);
    let waiting = Arc::<Waiting>::default();
    (SpanSender { spans_tx, waiting: waiting.clone() }, SpanReceiver { spans_rx, waiting })
}

// === impl SpanSender ===

impl SpanSender {
    /// Hands over what the collector takes within a second, and says how many it did not.
    pub async fn send(&self, spans: impl IntoIterator<Item = Span>) -> u64 {
        let deadline = Instant::now() + WAITS_FOR;
        let mut n_rejected = 0;
        for span in spans {
            if !self.send_one(span, deadline).await {
                n_rejected += 1;
            }
        }
        self.waiting.n_rejected.fetch_add(n_rejected, Ordering::Relaxed);
        n_rejected
    }

    /// Past the deadline what there is no room for is turned away at once.
    async fn send_one(&self, span: Span, deadline: Instant) -> bool {
        let n_bytes = span.n_bytes();
        if self.waiting.n_bytes.load(Ordering::Relaxed) + n_bytes > MAX_WAITING_BYTES {
            return false;
        }
        self.waiting.n_bytes.fetch_add(n_bytes, Ordering::Relaxed);
        let sent = match self.spans_tx.try_send(span) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(span)) => {
                matches!(timeout_at(deadline, self.spans_tx.send(span)).await, Ok(Ok(())))
            }
        };
        if !sent {
            self.waiting.n_bytes.fetch_sub(n_bytes, Ordering::Relaxed);
        }
        sent
    }
}

// === impl SpanReceiver ===

impl SpanReceiver {
    /// Takes some that wait; where none do, the first that comes. None once nobody can send any more.
    pub(crate) async fn some(&mut self, max: usize) -> Vec<Span> {
        let mut spans = Vec::new();
        self.spans_rx.recv_many(&mut spans, max).await;
        self.took(&spans);
        spans
    }

    /// What waits now, at most so many.
    pub(crate) fn waiting(&mut self, n_max: usize) -> Vec<Span> {
        let spans: Vec<Span> =
            std::iter::from_fn(|| self.spans_rx.try_recv().ok()).take(n_max.min(MAX_WAITING)).collect();
        self.took(&spans);
        spans
    }

    pub(crate) fn n_rejected(&self) -> u64 {
        self.waiting.n_rejected.load(Ordering::Relaxed)
    }

    fn took(&self, spans: &[Span]) {
        let n_bytes = spans.iter().map(Span::n_bytes).sum();
        self.waiting.n_bytes.fetch_sub(n_bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::tests::span;

    #[tokio::test(start_paused = true)]
    async fn what_nobody_takes_within_a_second_is_told_and_counted() {
        let (sender, receiver) = span_channel();
        let before = Instant::now();
        let n = MAX_WAITING as u64 + 10;
        assert_eq!(sender.send((1..=n).map(|id| span(id, None))).await, 10);
        assert_eq!((Instant::now() - before, receiver.n_rejected()), (WAITS_FOR, 10));
    }

    #[tokio::test]
    async fn bytes_that_wait_are_bounded_and_free_again_once_taken() {
        let (sender, mut receiver) = span_channel();
        let mut large = span(1, None);
        large.attributes.push("text", "x".repeat(MAX_WAITING_BYTES / 2));
        assert_eq!(sender.send([large.clone(), large.clone()]).await, 1);
        assert_eq!(receiver.some(10).await.len(), 1);
        assert_eq!(sender.send([large]).await, 0);
        assert_eq!(receiver.waiting(usize::MAX).len(), 1);
        assert_eq!(receiver.waiting.n_bytes.load(Ordering::Relaxed), 0);
    }
}
