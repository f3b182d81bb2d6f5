//! The traces of the last while, joined by id; one task owns it.
//!
//! Records go in, a finished trace comes out once nothing of it is open and
//! one more sweep over all rings has brought nothing new for it: a child's
//! start may wait in one ring while its parent's end is read from another.
//! Rings and readers are left to `collector`, and what goes where there is no
//! room to `keep`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use spur_route::TraceId;

use crate::aggregate::Aggregates;
use crate::capture::{Capture, Kept};
use crate::entry::Entry;
use crate::keep::{KeptFor, Shelves};
use crate::limits::Limits;
use crate::map::HashMap;
use crate::query::{Answer, Counts, InFlight, Query};
use crate::record::{HopEnd, HopId, HopProgress, HopStart, Record};
use crate::series::Edge;
use crate::slow::Usual;
use crate::span::Span;
use crate::trace::{Hop, JoinedBy, Trace};

/// What became of a mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Marked {
    /// The trace is not finished, and will be published with it.
    InFlight,
    /// It was published anew.
    Again(Arc<Trace>),
}

/// The traces, by id.
#[derive(Debug)]
pub struct TraceStore {
    limits: Limits,
    traces: HashMap<TraceId, Entry>,
    shelves: Shelves,
    aggregates: Aggregates,
    captures: Kept,
    usual: Usual,
    n_started: u64,
    published: BTreeMap<u64, TraceId>,
    /// Traces in which nothing is open, until the next sweep.
    settling: Vec<TraceId>,
    early_ends: HashMap<HopId, Arc<HopEnd>>,
    early_order: VecDeque<HopId>,
    sweep: u64,
    last_seq: u64,
    last_evicted_seq: u64,
    counts: Counts,
}

// === impl TraceStore ===

impl TraceStore {
    /// An empty store.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            traces: HashMap::default(),
            shelves: Shelves::default(),
            aggregates: Aggregates::new(limits.aggregates),
            captures: Kept::default(),
            usual: Usual::default(),
            n_started: 0,
            published: BTreeMap::new(),
            settling: Vec::new(),
            early_ends: HashMap::default(),
            early_order: VecDeque::new(),
            sweep: 0,
            last_seq: 0,
            last_evicted_seq: 0,
            counts: Counts::default(),
        }
    }

    /// Takes one record in. Records of one hop may come in any order.
    pub fn apply(&mut self, record: Record) {
        self.counts.n_records += 1;
        match record {
            Record::Start(start) => self.start(start),
            Record::Progress(id, progress) => self.progress(id, progress),
            Record::End(id, end) => self.end(id, end),
        }
    }

    /// Takes in what a hop's client sent and got, before the record of its end.
    pub fn capture(&mut self, capture: Box<Capture>) {
        self.captures.insert(capture, self.limits.max_capture_bytes);
    }

    /// What is kept of a trace's heads and bodies, in the order of its hops.
    #[must_use]
    pub fn captures(&self, trace_id: TraceId) -> Vec<Arc<Capture>> {
        let hops = self.traces.get(&trace_id).map_or(&[][..], |entry| &entry.hops);
        hops.iter().filter_map(|hop| self.captures.get(hop.start.id).cloned()).collect()
    }

    /// Takes in what an application reported. A trace that was published is so again; one of which
    /// nothing is known yet begins with it.
    pub fn apply_span(&mut self, span: Span) {
        self.counts.n_spans += 1;
        let trace_id = span.trace_id;
        let (max_spans, sweep) = (self.limits.max_spans_per_trace, self.sweep);
        let entry = self.entry(trace_id);
        // First: what is too much is not looked through.
        if entry.spans.len() >= max_spans {
            entry.n_dropped_spans += 1;
            self.counts.n_dropped_spans += 1;
            return;
        }
        if entry.spans.iter().any(|known| known.is_again(&span)) {
            self.counts.n_repeated_spans += 1;
            return;
        }
        let n_bytes = span.n_bytes();
        entry.spans.push(Arc::new(span));
        entry.n_bytes += n_bytes;
        entry.touched_in_sweep = sweep;
        let settles = entry.n_open == 0 && !std::mem::replace(&mut entry.is_settling, true);
        let kept_for = entry.kept_for;
        self.shelves.grow(kept_for, n_bytes);
        if settles {
            self.settling.push(trace_id);
        }
        self.evict();
    }

    /// The trace of an id, as it is now.
    #[must_use]
    pub fn trace(&self, trace_id: TraceId) -> Option<Arc<Trace>> {
        let entry = self.traces.get(&trace_id)?;
        match &entry.published {
            Some(published) if !entry.is_in_flight() => Some(published.clone()),
            _ => Some(Arc::new(entry.snapshot(trace_id, 0))),
        }
    }

    /// Takes in a finished trace of an earlier process; what was open when that ended stays so in
    /// what is told of it.
    pub fn restore(&mut self, trace: Trace, captures: Vec<Capture>) {
        let Trace { trace_id, kept_for, mark, n_dropped_hops, hops, spans, .. } = trace;
        if self.traces.contains_key(&trace_id) {
            return;
        }
        for capture in captures {
            self.capture(Box::new(capture));
        }
        self.counts.n_hops += hops.len() as u64 + n_dropped_hops;
        self.counts.n_dropped_hops += n_dropped_hops;
        self.counts.n_spans += spans.len() as u64;
        let n_bytes = hops.iter().map(|hop| hop.start.n_bytes()).sum::<usize>()
            + spans.iter().map(|span| span.n_bytes()).sum::<usize>();
        let entry = self.entry(trace_id);
        entry.hops = hops;
        entry.spans = spans;
        entry.mark = mark;
        entry.n_dropped_hops = n_dropped_hops;
        entry.n_bytes = n_bytes;
        self.shelves.grow(None, n_bytes);
        if let Some(reason) = kept_for {
            self.keep(trace_id, reason);
        }
        self.publish(trace_id);
        self.evict();
    }

    /// Every ring has been read once: publishes the traces that have settled,
    /// and gives them back in order.
    pub fn end_sweep(&mut self) -> Vec<Arc<Trace>> {
        let candidates = std::mem::take(&mut self.settling);
        let sweep = self.sweep;
        self.sweep += 1;
        let mut published = Vec::new();
        for trace_id in candidates {
            let Some(entry) = self.traces.get_mut(&trace_id) else {
                continue;
            };
            if entry.n_open > 0 {
                entry.is_settling = false;
            } else if entry.touched_in_sweep == sweep {
                self.settling.push(trace_id);
            } else {
                entry.is_settling = false;
                published.push(self.publish(trace_id));
            }
        }
        self.evict();
        published
    }

    /// Answers from what is there now.
    #[must_use]
    pub fn query(&self, query: &Query) -> Answer {
        let since = query.since_seq.unwrap_or(0);
        let mut traces: Vec<Arc<Trace>> = match query.in_flight {
            InFlight::Without => Vec::new(),
            InFlight::With => self.in_flight(query, None),
            InFlight::BegunBefore(time) => self.in_flight(query, Some(time)),
        };
        let finished = self
            .published
            .range(since.saturating_add(1)..)
            .rev()
            .filter_map(|(_, trace_id)| self.traces.get(trace_id))
            // One that goes on is not told twice.
            .filter(|entry| query.in_flight == InFlight::Without || !entry.is_in_flight())
            .filter_map(|entry| entry.published.as_ref())
            .filter(|trace| query.wants(trace))
            .take(query.limit.saturating_sub(traces.len()))
            .cloned();
        // Newest first so far, and the ones in flight are newer than all.
        traces.extend(finished);
        traces.reverse();
        Answer {
            traces,
            last_seq: self.last_seq,
            has_gap: query.since_seq.is_some_and(|since| since < self.last_evicted_seq),
            counts: self.counts(),
        }
    }

    /// What the store saw and dropped. Losses in rings are the collector's to add.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            n_started_traces: self.n_started,
            n_traces: self.traces.len() as u64,
            n_kept_apart: self.shelves.n_apart() as u64,
            n_captures: self.captures.len() as u64,
            n_capture_bytes: self.captures.n_bytes() as u64,
            n_evicted_captures: self.captures.n_evicted(),
            ..self.counts
        }
    }

    /// Exact counts by the second.
    #[must_use]
    pub fn aggregates(&self) -> &Aggregates {
        &self.aggregates
    }

    /// Sets or takes off the mark of a trace, which is published anew where it was before. `None`
    /// where there is no such trace.
    pub fn mark(&mut self, trace_id: TraceId, mark: Option<Arc<str>>) -> Option<Marked> {
        let entry = self.traces.get_mut(&trace_id)?;
        entry.mark = mark;
        let is_marked = entry.mark.is_some();
        let published = entry.published.is_some();
        if is_marked {
            self.keep(trace_id, KeptFor::Mark);
        }
        let marked = match published {
            true => Marked::Again(self.publish(trace_id)),
            false => Marked::InFlight,
        };
        self.evict();
        Some(marked)
    }

    /// The latest of those in flight, newest first.
    fn in_flight(&self, query: &Query, before: Option<SystemTime>) -> Vec<Arc<Trace>> {
        let is_wanted = |entry: &Entry| {
            let is_old = || before.is_none_or(|before| entry.began().is_none_or(|began| began < before));
            entry.is_in_flight() && is_old()
        };
        let mut entries: Vec<_> = self.traces.iter().filter(|(_, entry)| is_wanted(entry)).collect();
        entries.sort_by_key(|(_, entry)| std::cmp::Reverse(entry.number));
        entries
            .into_iter()
            .map(|(trace_id, entry)| entry.snapshot(*trace_id, 0))
            .filter(|trace| query.wants(trace))
            .take(query.limit)
            .map(Arc::new)
            .collect()
    }

    fn start(&mut self, start: Arc<HopStart>) {
        let id = start.id;
        self.counts.n_hops += 1;
        let early = self.take_early(id);
        let max_hops = self.limits.max_hops_per_trace;
        let sweep = self.sweep;
        let entry = self.entry(id.trace_id);
        if entry.hops.len() >= max_hops {
            entry.n_dropped_hops += 1;
            self.counts.n_dropped_hops += 1;
            self.counts.n_unmatched += u64::from(early.is_some());
            return;
        }
        let n_bytes = start.n_bytes();
        let has_key = start.decision.key.is_some();
        entry.hops.push(Hop {
            parent: None,
            joined_by: JoinedBy::Root,
            lost_key: None,
            key_came_by: None,
            start,
            progress: None,
            end: None,
            captured: None,
        });
        entry.touched_in_sweep = sweep;
        entry.n_open += 1;
        entry.n_bytes += n_bytes;
        let kept_for = entry.kept_for;
        self.shelves.grow(kept_for, n_bytes);
        if has_key {
            self.keep(id.trace_id, KeptFor::Key);
        }
        match early {
            Some(end) => self.end(id, end),
            None => self.evict(),
        }
    }

    fn progress(&mut self, id: HopId, progress: HopProgress) {
        match self.open_hop(id) {
            Some(hop) => hop.progress = Some(progress),
            None => self.counts.n_unmatched += 1,
        }
    }

    fn end(&mut self, id: HopId, end: Arc<HopEnd>) {
        let Some(hop) = self.open_hop(id) else {
            self.keep_early(id, end);
            return;
        };
        hop.progress = None;
        hop.end = Some(end);
        let hop = hop.clone();
        self.ended(id.trace_id, &hop);
        let sweep = self.sweep;
        let entry = self.entry(id.trace_id);
        entry.touched_in_sweep = sweep;
        entry.n_open -= 1;
        if entry.n_open == 0 && !entry.is_settling {
            entry.is_settling = true;
            self.settling.push(id.trace_id);
        }
        // Last: it may be this trace that goes.
        self.evict();
    }

    /// Counts a hop that has ended, and keeps its trace where it is worth it.
    fn ended(&mut self, trace_id: TraceId, hop: &Hop) {
        let Some(end) = &hop.end else { return };
        self.aggregates.record(hop);
        let ended = hop.start.started + end.duration;
        let is_slow = self.usual.is_slow(Edge::of(hop), ended, end.duration);
        if is_slow {
            self.keep(trace_id, KeptFor::Slow);
        }
        if hop.is_failed() {
            self.keep(trace_id, KeptFor::Failed);
        }
    }

    /// Puts a trace on a better shelf, if this reason is better than what it has.
    fn keep(&mut self, trace_id: TraceId, reason: KeptFor) {
        let Some(entry) = self.traces.get_mut(&trace_id) else { return };
        if entry.kept_for >= Some(reason) {
            return;
        }
        self.shelves.take(entry.kept_for, entry.number, entry.n_bytes);
        entry.kept_for = Some(reason);
        self.shelves.put(entry.kept_for, (entry.number, trace_id), entry.n_bytes);
    }

    fn entry(&mut self, trace_id: TraceId) -> &mut Entry {
        let (shelves, n_started) = (&mut self.shelves, &mut self.n_started);
        self.traces.entry(trace_id).or_insert_with(|| {
            let number = *n_started;
            *n_started += 1;
            shelves.put(None, (number, trace_id), 0);
            Entry { number, ..Entry::default() }
        })
    }

    fn open_hop(&mut self, id: HopId) -> Option<&mut Hop> {
        let entry = self.traces.get_mut(&id.trace_id)?;
        // From the back: what ends began lately.
        entry.hops.iter_mut().rev().find(|hop| hop.start.id.span_id == id.span_id && hop.is_open())
    }

    fn keep_early(&mut self, id: HopId, end: Arc<HopEnd>) {
        match self.early_ends.insert(id, end) {
            None => self.early_order.push_back(id),
            Some(_) => self.counts.n_unmatched += 1,
        }
        if self.early_order.len() > self.limits.max_early_ends
            && let Some(oldest) = self.early_order.pop_front()
        {
            self.early_ends.remove(&oldest);
            self.counts.n_unmatched += 1;
        }
    }

    fn take_early(&mut self, id: HopId) -> Option<Arc<HopEnd>> {
        let end = self.early_ends.remove(&id)?;
        // From the back: a start is seldom far behind its end.
        let position = self.early_order.iter().rposition(|other| *other == id);
        let position = position.expect("every early end is in the order");
        self.early_order.remove(position);
        Some(end)
    }

    fn publish(&mut self, trace_id: TraceId) -> Arc<Trace> {
        self.last_seq += 1;
        let entry = self.traces.get(&trace_id).expect("a trace is published while it is kept");
        let mut trace = entry.snapshot(trace_id, self.last_seq);
        if trace.lost_key_hops().next().is_some() {
            self.keep(trace_id, KeptFor::LostKey);
        }
        // Here, not with the end of a hop, which may be read a sweep earlier.
        for hop in &mut trace.hops {
            hop.captured = self.captures.told(hop.start.id);
        }
        let entry = self.traces.get_mut(&trace_id).expect("it is there still");
        trace.kept_for = entry.kept_for;
        let trace = Arc::new(trace);
        if let Some(earlier) = entry.published.replace(trace.clone()) {
            self.published.remove(&earlier.seq);
        }
        self.published.insert(self.last_seq, trace_id);
        trace
    }

    fn evict(&mut self) {
        while let Some(trace_id) = self.shelves.excess(&self.limits) {
            let entry = self.traces.remove(&trace_id).expect("what is on a shelf is kept");
            self.shelves.take(entry.kept_for, entry.number, entry.n_bytes);
            self.counts.n_evicted_traces += 1;
            self.counts.n_evicted_apart += u64::from(entry.kept_for.is_some());
            self.counts.n_evicted_hops += entry.hops.len() as u64;
            self.counts.n_evicted_spans += entry.spans.len() as u64;
            if let Some(published) = entry.published {
                self.published.remove(&published.seq);
                self.last_evicted_seq = self.last_evicted_seq.max(published.seq);
            }
        }
    }
}
