//! How spans and hops of one trace lie under each other.
//!
//! The proxy forwards `traceparent` with its hop's span as the parent, so a service's span names
//! the hop that it answers, and a hop names the span that called.

use std::sync::Arc;

use spur_route::SpanId;

use crate::map::HashMap;
use crate::span::Span;
use crate::trace::Trace;

/// The way up from each span.
#[derive(Debug)]
pub(crate) struct SpanTree<'a> {
    /// Of several with one id (the two sides of a call with Zipkin) the first.
    by_id: HashMap<SpanId, &'a Span>,
}

// === impl SpanTree ===

impl<'a> SpanTree<'a> {
    pub(crate) fn new(spans: &'a [Arc<Span>]) -> Self {
        let mut by_id = HashMap::with_capacity_and_hasher(spans.len(), Default::default());
        for span in spans {
            by_id.entry(span.span_id).or_insert(&**span);
        }
        Self { by_id }
    }

    pub(crate) fn has(&self, id: SpanId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// The first id at this one or above it that is a hop's; spans stand on the way. Spans that name
    /// each other in a ring, which only made-up ones do, lead nowhere.
    pub(crate) fn hop_at_or_above(&self, id: SpanId, is_hop: impl Fn(SpanId) -> bool) -> Option<SpanId> {
        let mut at = id;
        for _ in 0..=self.by_id.len() {
            if is_hop(at) {
                return Some(at);
            }
            at = self.by_id.get(&at)?.parent_id?;
        }
        None
    }
}

// === impl Trace ===

impl Trace {
    /// For each span the place of the hop that it lies under, at once or through other spans.
    #[must_use]
    pub fn hops_of_spans(&self) -> Vec<Option<usize>> {
        let tree = SpanTree::new(&self.spans);
        let places: HashMap<SpanId, usize> =
            self.hops.iter().enumerate().map(|(idx, hop)| (hop.start.id.span_id, idx)).collect();
        let of_span = |span: &Arc<Span>| {
            let hop = tree.hop_at_or_above(span.parent_id?, |id| places.contains_key(&id))?;
            places.get(&hop).copied()
        };
        self.spans.iter().map(of_span).collect()
    }

    /// The span that a hop lies under: the one that its request named, where it was reported.
    #[must_use]
    pub fn span_above(&self, hop: usize) -> Option<usize> {
        let named = self.hops.get(hop)?.start.incoming_parent_id?;
        self.spans.iter().position(|span| span.span_id == named)
    }

    /// The span that the others followed from: the first without a parent, or the first of all where
    /// that one was not reported.
    #[must_use]
    pub fn root_span(&self) -> Option<&Span> {
        let root = self.spans.iter().find(|span| span.parent_id.is_none());
        root.or(self.spans.first()).map(|span| &**span)
    }

    /// Spans whose parent is neither a span nor a hop of this trace: it was not sampled, not sent,
    /// or not yet.
    #[must_use]
    pub fn n_orphan_spans(&self) -> usize {
        let tree = SpanTree::new(&self.spans);
        let is_hop = |id| self.hops.iter().any(|hop| hop.start.id.span_id == id);
        let is_orphan = |span: &&Arc<Span>| span.parent_id.is_some_and(|id| !tree.has(id) && !is_hop(id));
        self.spans.iter().filter(is_orphan).count()
    }
}
