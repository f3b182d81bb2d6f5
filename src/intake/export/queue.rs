//! Spans that wait to be sent, and which were.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use spur_route::{SpanId, TraceId};
use spur_trace::{Span, Trace};

/// Spans of one batch: OpenTelemetry's processors send as many (`OTEL_BSP_MAX_EXPORT_BATCH_SIZE`).
const BATCH_SPANS: usize = 512;

/// Spans that wait: a minute at 300 a second, or 20 MB at a kilobyte each (reckoned).
const MAX_WAITING: usize = 20_000;

/// Traces of which it is known what was sent. Older ones that get a late span are sent again whole.
const MAX_KNOWN: usize = 4_096;

/// See above.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Arc<Span>>,
    sent: HashMap<TraceId, HashSet<SpanId>>,
    /// Of those that are known, the oldest first.
    order: VecDeque<TraceId>,
}

/// What became of a trace's spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Put {
    pub(super) n_new: u64,
    /// Of older ones, which went for these.
    pub(super) n_dropped: u64,
}

// === impl Queue ===

impl Queue {
    /// Puts in what of a trace was not put in before.
    pub(super) fn put(&mut self, trace: &Trace) -> Put {
        if !self.sent.contains_key(&trace.trace_id) {
            self.order.push_back(trace.trace_id);
        }
        let known = self.sent.entry(trace.trace_id).or_default();
        let n_before = self.waiting.len();
        self.waiting.extend(trace.as_spans().into_iter().filter(|span| known.insert(span.span_id)));
        let n_new = self.waiting.len() - n_before;
        while self.order.len() > MAX_KNOWN
            && let Some(oldest) = self.order.pop_front()
        {
            self.sent.remove(&oldest);
        }
        let n_dropped = self.waiting.len().saturating_sub(MAX_WAITING);
        self.waiting.drain(..n_dropped);
        Put { n_new: n_new as u64, n_dropped: n_dropped as u64 }
    }

    pub(super) fn n_waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_batch_full(&self) -> bool {
        self.waiting.len() >= BATCH_SPANS
    }

    /// The oldest, if there are any.
    pub(super) fn batch(&mut self) -> Option<Vec<Arc<Span>>> {
        let n_spans = self.waiting.len().min(BATCH_SPANS);
        (n_spans > 0).then(|| self.waiting.drain(..n_spans).collect())
    }
}
