//! A trace as the store has it: its hops and spans as they came, and what it has told of them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use spur_route::TraceId;

use crate::join::join;
use crate::keep::KeptFor;
use crate::record::{HopEnd, HopStart};
use crate::span::Span;
use crate::span_tree::SpanTree;
use crate::trace::{Hop, Trace};

/// A trace that is kept.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    /// Of its first record.
    pub(crate) number: u64,
    pub(crate) kept_for: Option<KeptFor>,
    pub(crate) mark: Option<Arc<str>>,
    pub(crate) hops: Vec<Hop>,
    pub(crate) spans: Vec<Arc<Span>>,
    pub(crate) n_dropped_spans: u64,
    pub(crate) n_open: usize,
    pub(crate) n_dropped_hops: u64,
    pub(crate) n_bytes: usize,
    pub(crate) touched_in_sweep: u64,
    pub(crate) is_settling: bool,
    pub(crate) published: Option<Arc<Trace>>,
}

// === impl Entry ===

impl Entry {
    /// Whether what was published of it, if anything was, is not all.
    pub(crate) fn is_in_flight(&self) -> bool {
        self.n_open > 0 || self.is_settling
    }

    /// When its first hop began; none of what has spans alone.
    pub(crate) fn began(&self) -> Option<SystemTime> {
        self.hops.first().map(|hop| hop.start.started)
    }

    pub(crate) fn snapshot(&self, trace_id: TraceId, seq: u64) -> Trace {
        let mut hops = self.hops.clone();
        let mut spans = self.spans.clone();
        spans.sort_by_key(|span| (span.started, span.span_id));
        join(&mut hops, &SpanTree::new(&spans));
        let started = match (hops.first(), spans.first()) {
            (Some(hop), _) => hop.start.started,
            (None, Some(span)) => span.started,
            (None, None) => SystemTime::UNIX_EPOCH,
        };
        let ends_of_hops = hops.iter().filter_map(|hop| {
            let end = hop.end.as_ref()?;
            Some(hop.start.started + end.duration)
        });
        let ended = match hops.is_empty() {
            false => ends_of_hops.max(),
            true => spans.iter().map(|span| span.ended()).max(),
        };
        Trace {
            seq,
            trace_id,
            is_finished: self.n_open == 0,
            started,
            duration: ended.and_then(|ended| ended.duration_since(started).ok()).unwrap_or(Duration::ZERO),
            key: hops.iter().find_map(|hop| Some(hop.start.decision.key.as_ref()?.value.clone())),
            kept_for: self.kept_for,
            mark: self.mark.clone(),
            n_dropped_hops: self.n_dropped_hops,
            hops,
            spans,
            n_dropped_spans: self.n_dropped_spans,
        }
    }
}

// === impl HopStart ===

impl HopStart {
    /// What a hop takes: itself twice (kept, and in the published trace, whose
    /// start and end it shares), its end, and the path, which nothing else holds.
    pub(crate) fn n_bytes(&self) -> usize {
        let target = self.target.as_ref().map_or(0, |t| t.as_str().len());
        size_of::<Hop>() * 2 + size_of::<HopStart>() + size_of::<HopEnd>() + target
    }
}
