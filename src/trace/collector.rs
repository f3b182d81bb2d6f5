//! The one task that empties the rings, owns the store and serves its readers.
//!
//! Readers hold a `TraceReader`; they ask over a bounded channel or follow a
//! broadcast in which a slow one loses traces and is told how many.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use spur_route::TraceId;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::aggregate::{Summary, Window};
use crate::capture::Capture;
use crate::limits::Limits;
use crate::query::{Answer, Counts, InFlight, Query};
use crate::ring::{Ring, RingCounts};
use crate::sample::Sampler;
use crate::span::Span;
use crate::span_channel::{SpanReceiver, SpanSender, span_channel};
use crate::store::{Marked, TraceStore};
use crate::trace::Trace;

/// Between two sweeps while records come: short enough to look live, long
/// enough to read many records at once. At 100,000 records a second it is
/// 1,000 per sweep, a sixteenth of a ring.
const SWEEP_BUSY: Duration = Duration::from_millis(10);

/// Between two sweeps while none come: who follows sees it within a blink (a question is a sweep of
/// its own), and 10 wake-ups a second are far below the idle budget of half a percent of a core (20
/// were two fifths of all wake-ups of an idle Spur).
const SWEEP_IDLE: Duration = Duration::from_millis(100);

/// Questions that wait; more readers than that wait to ask.
const QUERIES_MAX: usize = 64;

/// Published traces that a follower may be behind; a terminal drawing 15
/// frames a second falls behind only above 15,000 traces a second.
const LIVE_MAX: usize = 1_024;

/// Spans that are taken in before others get their turn: some milliseconds.
const SPANS_AT_ONCE: usize = 256;

/// Traces that are filtered before others get their turn: about a millisecond of hops by the tens.
const FILTERED_AT_ONCE: usize = 256;

/// Empties rings into a store until it is told to stop.
#[derive(Debug)]
pub struct Collector {
    rings: Vec<Arc<Ring>>,
    store: TraceStore,
    spans: SpanReceiver,
    spans_tx: SpanSender,
    // readers -- questions --> this
    queries_rx: mpsc::Receiver<Question>,
    // this -- finished traces --> followers
    live_tx: broadcast::Sender<Arc<Trace>>,
}

/// A way to ask the collector; cheap to clone.
#[derive(Clone, Debug)]
pub struct TraceReader {
    queries_tx: mpsc::Sender<Question>,
    live: broadcast::WeakSender<Arc<Trace>>,
}

/// A live subscription.
#[derive(Debug)]
pub struct Follow {
    query: Query,
    backlog: std::vec::IntoIter<Arc<Trace>>,
    last_seq: u64,
    live_rx: broadcast::Receiver<Arc<Trace>>,
    sampler: Option<Sampler>,
}

/// What a subscription brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// A trace was finished, or finished again with late hops.
    Trace(Arc<Trace>),
    /// The reader was too slow: so many traces, of any key, went by.
    Lost(u64),
    /// So many ordinary traces were over its budget ([`Follow::sampled`]).
    Sampled(u64),
}

/// The collector has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the trace collector has stopped")]
pub struct CollectorGone;

#[derive(Debug)]
enum Question {
    Traces(Query, oneshot::Sender<Answer>),
    Trace(TraceId, oneshot::Sender<Option<Arc<Trace>>>),
    Summary(Window, oneshot::Sender<Summary>),
    Captures(TraceId, oneshot::Sender<Vec<Arc<Capture>>>),
    Mark(TraceId, Option<Arc<str>>, oneshot::Sender<bool>),
}

/// A collector over these rings, to be [`run`](Collector::run), and the way to ask it.
#[must_use]
pub fn collector(rings: Vec<Arc<Ring>>, limits: Limits) -> (Collector, TraceReader) {
    let (queries_tx, queries_rx) = mpsc::channel(QUERIES_MAX);
    let (live_tx, _) = broadcast::channel(LIVE_MAX);
    let reader = TraceReader { queries_tx, live: live_tx.downgrade() };
    let (spans_tx, spans) = span_channel();
    let store = TraceStore::new(limits);
    let collector = Collector { rings, store, spans, spans_tx, queries_rx, live_tx };
    (collector, reader)
}

// === impl Collector ===

impl Collector {
    /// A way to hand it spans.
    #[must_use]
    pub fn spans(&self) -> SpanSender {
        self.spans_tx.clone()
    }

    /// Every trace that is finished from now on; what is restored is none of them.
    #[must_use]
    pub fn follow(&self) -> Follow {
        Follow {
            query: Query::default(),
            backlog: Vec::new().into_iter(),
            last_seq: 0,
            live_rx: self.live_tx.subscribe(),
            sampler: None,
        }
    }

    /// Takes in what an earlier process left, oldest first, before anything else.
    pub fn restore(&mut self, traces: Vec<(Trace, Vec<Capture>)>) {
        for (trace, captures) in traces {
            self.store.restore(trace, captures);
        }
    }

    /// Sweeps and answers until `stop`. Then the rings are read once more, what is
    /// finished is published, and readers are told that it is over.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut pause = pin!(tokio::time::sleep(SWEEP_BUSY));
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = &mut pause => {
                    let next = match self.sweep() {
                        0 => SWEEP_IDLE,
                        _ => SWEEP_BUSY,
                    };
                    pause.as_mut().reset(Instant::now() + next);
                }
                Some(question) = self.queries_rx.recv() => {
                    let spans = self.spans.waiting(SPANS_AT_ONCE);
                    self.take(spans);
                    self.settle();
                    self.answer(question);
                }
                spans = self.spans.some(SPANS_AT_ONCE) => self.take(spans),
            }
        }
        let spans = self.spans.waiting(usize::MAX);
        self.take(spans);
        self.settle();
    }

    /// Publishes all that is over by now, so that who sent a request and then asks for it finds it.
    fn settle(&mut self) {
        // Twice: a trace is published one quiet sweep after its last end.
        self.sweep();
        self.sweep();
    }

    /// Reads what is in the rings now, and says how many records that was.
    fn sweep(&mut self) -> usize {
        let mut n_records = 0;
        for ring in &self.rings {
            // Before the ends that they belong to.
            for _ in 0..ring.n_captures() {
                let Some(capture) = ring.pop_capture() else { break };
                self.store.capture(capture);
            }
            // As many as there are at first: a busy ring must not hold up the others.
            for _ in 0..ring.len() {
                let Some(record) = ring.pop() else { break };
                self.store.apply(record);
                n_records += 1;
            }
        }
        for trace in self.store.end_sweep() {
            // That nobody follows is not an error.
            let _ = self.live_tx.send(trace);
        }
        n_records
    }

    fn take(&mut self, spans: Vec<Span>) {
        for span in spans {
            self.store.apply_span(span);
        }
    }

    /// That the asker has gone is not an error.
    fn answer(&mut self, question: Question) {
        match question {
            Question::Traces(query, answer_tx) => {
                let mut answer = self.store.query(&query);
                self.count_lost(&mut answer.counts);
                answer.counts.n_rejected_spans = self.spans.n_rejected();
                let _ = answer_tx.send(answer);
            }
            Question::Trace(trace_id, answer_tx) => {
                let _ = answer_tx.send(self.store.trace(trace_id));
            }
            Question::Summary(window, answer_tx) => {
                let _ = answer_tx.send(self.store.aggregates().summary(window));
            }
            Question::Captures(trace_id, answer_tx) => {
                let _ = answer_tx.send(self.store.captures(trace_id));
            }
            Question::Mark(trace_id, mark, answer_tx) => {
                let marked = self.store.mark(trace_id, mark);
                let _ = answer_tx.send(marked.is_some());
                if let Some(Marked::Again(trace)) = marked {
                    let _ = self.live_tx.send(trace);
                }
            }
        }
    }

    fn count_lost(&self, counts: &mut Counts) {
        for ring in &self.rings {
            let RingCounts { n_lost, n_lost_captures, .. } = ring.counts();
            counts.n_lost_records += n_lost;
            counts.n_lost_captures += n_lost_captures;
        }
    }
}

// === impl TraceReader ===

impl TraceReader {
    /// The traces that are there now. A filter is asked here, by whoever wants to know, and not
    /// by the collector, whose rings fill up meanwhile.
    ///
    /// # Errors
    /// [`CollectorGone`] once the collector has stopped.
    pub async fn query(&self, query: Query) -> Result<Answer, CollectorGone> {
        if query.filter.is_none() {
            return self.ask(|answer_tx| Question::Traces(query, answer_tx)).await;
        }
        let all = Query { key: None, filter: None, limit: usize::MAX, ..query.clone() };
        let answer = self.ask(|answer_tx| Question::Traces(all, answer_tx)).await?;
        let mut traces = Vec::new();
        for some in answer.traces.rchunks(FILTERED_AT_ONCE) {
            let wanted = some.iter().rev().filter(|trace| query.wants(trace)).cloned();
            traces.extend(wanted.take(query.limit.saturating_sub(traces.len())));
            if traces.len() >= query.limit {
                break;
            }
            tokio::task::yield_now().await;
        }
        traces.reverse();
        Ok(Answer { traces, ..answer })
    }

    /// The trace of an id, as it is now; `None` where there is none, or none any more.
    ///
    /// # Errors
    /// [`CollectorGone`] once the collector has stopped.
    pub async fn trace(&self, trace_id: TraceId) -> Result<Option<Arc<Trace>>, CollectorGone> {
        self.ask(|answer_tx| Question::Trace(trace_id, answer_tx)).await
    }

    /// Exact counts of some seconds.
    ///
    /// # Errors
    /// [`CollectorGone`] once the collector has stopped.
    pub async fn summary(&self, window: Window) -> Result<Summary, CollectorGone> {
        self.ask(|answer_tx| Question::Summary(window, answer_tx)).await
    }

    /// Sets or takes off the mark of a trace, and says whether there is such a trace. Followers
    /// get it again.
    ///
    /// # Errors
    /// [`CollectorGone`] once the collector has stopped.
    pub async fn mark(&self, trace_id: TraceId, mark: Option<Arc<str>>) -> Result<bool, CollectorGone> {
        self.ask(|answer_tx| Question::Mark(trace_id, mark, answer_tx)).await
    }

    /// What is kept of a trace's heads and bodies, in the order of its hops, secrets included.
    ///
    /// # Errors
    /// [`CollectorGone`] once the collector has stopped.
    pub async fn captures(&self, trace_id: TraceId) -> Result<Vec<Arc<Capture>>, CollectorGone> {
        self.ask(|answer_tx| Question::Captures(trace_id, answer_tx)).await
    }

    async fn ask<A>(
        &self,
        question: impl FnOnce(oneshot::Sender<A>) -> Question,
    ) -> Result<A, CollectorGone> {
        let (answer_tx, answer_rx) = oneshot::channel();
        self.queries_tx.send(question(answer_tx)).await.map_err(|_| CollectorGone)?;
        answer_rx.await.map_err(|_| CollectorGone)
    }

    /// What was seen, kept and dropped so far.
    ///
    /// # Errors
    /// [`CollectorGone`] once the collector has stopped.
    pub async fn counts(&self) -> Result<Counts, CollectorGone> {
        Ok(self.query(Query { limit: 0, ..Query::default() }).await?.counts)
    }

    /// The finished traces that the query names, and then every further one,
    /// with no gap in between. `in_flight` is not looked at.
    ///
    /// # Errors
    /// [`CollectorGone`] once the collector has stopped.
    pub async fn follow(&self, query: Query) -> Result<Follow, CollectorGone> {
        let query = Query { in_flight: InFlight::Without, ..query };
        // First subscribe, then ask: what is published in between comes twice
        // and is left out by its number.
        let live_rx = self.live.upgrade().ok_or(CollectorGone)?.subscribe();
        let answer = self.query(query.clone()).await?;
        Ok(Follow {
            query,
            backlog: answer.traces.into_iter(),
            last_seq: answer.last_seq,
            live_rx,
            sampler: None,
        })
    }
}

// === impl Follow ===

impl Follow {
    /// Tells of so many ordinary traces a second at most, of the first of each route in it, and
    /// of all that are worth looking at. What was told, sampled and lost together is everything
    /// that fits the query, and what of the lost does not.
    #[must_use]
    pub fn sampled(self, max_per_second: usize) -> Self {
        Self { sampler: Some(Sampler::new(max_per_second, Instant::now())), ..self }
    }

    /// The next trace or loss; `None` once the collector has stopped. May be
    /// dropped while it waits without losing anything.
    pub async fn next(&mut self) -> Option<Update> {
        if let Some(trace) = self.backlog.next() {
            return Some(Update::Trace(trace));
        }
        loop {
            let due = self.sampler.as_ref().and_then(Sampler::due);
            let received = tokio::select! {
                // What is due is told before what comes after it.
                biased;
                () = until(due) => return Some(Update::Sampled(self.take_skipped())),
                received = self.live_rx.recv() => received,
            };
            match received {
                Ok(trace) if trace.seq <= self.last_seq => {}
                Ok(trace) if self.query.wants(&trace) => {
                    let admits = |sampler: &mut Sampler| sampler.admits(&trace, Instant::now());
                    if self.sampler.as_mut().is_none_or(admits) {
                        return Some(Update::Trace(trace));
                    }
                }
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(n)) => return Some(Update::Lost(n)),
                Err(broadcast::error::RecvError::Closed) => {
                    // The last second is told, too.
                    let n_skipped = self.take_skipped();
                    return (n_skipped > 0).then_some(Update::Sampled(n_skipped));
                }
            }
        }
    }

    fn take_skipped(&mut self) -> u64 {
        self.sampler.as_mut().map_or(0, Sampler::take_skipped)
    }
}

/// Waits for a time, and where there is none for ever.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
