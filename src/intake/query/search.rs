//! Which traces are wanted, whoever's words the question is in.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use spur_trace::{Span, Trace};

/// Of one span of a trace all of it has to hold, but for the time, which is of any.
#[derive(Clone, Debug, Default)]
pub(super) struct Search {
    pub(super) service: Option<String>,
    pub(super) operation: Option<String>,
    pub(super) tags: Vec<(String, String)>,
    pub(super) min_duration: Option<Duration>,
    pub(super) max_duration: Option<Duration>,
    pub(super) from: Option<SystemTime>,
    pub(super) to: Option<SystemTime>,
    /// Whether some span of the trace failed.
    pub(super) has_error: Option<bool>,
    pub(super) limit: usize,
}

/// Traces in one answer: as many as `/spur/v1/traces` gives.
pub(super) const LIMIT_MAX: usize = 10_000;

// === impl Search ===

impl Search {
    /// The newest that fit.
    pub(super) fn among(&self, traces: &[Arc<Trace>]) -> Vec<Vec<Arc<Span>>> {
        let newest_first = traces.iter().rev().filter(|trace| self.may_want(trace));
        let spans = newest_first.map(|trace| trace.as_spans()).filter(|spans| self.wants(spans));
        spans.take(self.limit.min(LIMIT_MAX)).collect()
    }

    /// What can be told before spans are made of it.
    fn may_want(&self, trace: &Trace) -> bool {
        self.service.as_deref().is_none_or(|service| {
            trace.hops.iter().any(|hop| hop.name() == service)
                || trace.spans.iter().any(|span| &*span.resource.service == service)
        })
    }

    fn wants(&self, spans: &[Arc<Span>]) -> bool {
        self.has_error.is_none_or(|has| spans.iter().any(|span| span.is_failed()) == has)
            && spans.iter().any(|span| self.is_in_time(span))
            && spans.iter().any(|span| self.fits(span))
    }

    fn is_in_time(&self, span: &Span) -> bool {
        self.from.is_none_or(|from| span.started >= from) && self.to.is_none_or(|to| span.started <= to)
    }

    pub(super) fn fits(&self, span: &Span) -> bool {
        self.service.as_deref().is_none_or(|service| &*span.resource.service == service)
            && self.operation.as_deref().is_none_or(|operation| &*span.name == operation)
            && self.min_duration.is_none_or(|min| span.duration >= min)
            && self.max_duration.is_none_or(|max| span.duration <= max)
            && self.tags.iter().all(|(name, value)| has_tag(span, name, value))
    }
}

/// `error` is what Jaeger and Zipkin call a failed span; a name without a value asks for the name.
fn has_tag(span: &Span, name: &str, value: &str) -> bool {
    if name == "error" && span.is_failed() {
        return value.is_empty() || value == "true" || span.status_message.as_deref() == Some(value);
    }
    let found = span.attributes.get(name).or_else(|| span.resource.resource.get(name));
    found.is_some_and(|found| value.is_empty() || found.to_string() == value)
}
