//! What there is: services, their operations, and who calls whom.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use spur_trace::{Span, SpanKind, Trace};

/// Calls of one service by another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Calls {
    pub(super) n: u64,
    pub(super) n_failed: u64,
}

/// The services of which there are spans.
pub(super) fn services(traces: &[Arc<Trace>]) -> BTreeSet<String> {
    let mut services = BTreeSet::new();
    for trace in traces {
        let names = trace.hops.iter().map(|hop| hop.name());
        for name in names.chain(trace.spans.iter().map(|span| &*span.resource.service)) {
            if !services.contains(name) {
                services.insert(name.to_owned());
            }
        }
    }
    services
}

/// The names of a service's spans, with their kinds.
pub(super) fn operations(traces: &[Arc<Trace>], service: &str) -> BTreeSet<(String, &'static str)> {
    let spans = traces.iter().flat_map(|trace| trace.as_spans());
    let of_service = spans.filter(|span| &*span.resource.service == service);
    of_service.map(|span| (span.name.to_string(), kind(span.kind))).collect()
}

/// Who called whom, by the spans that lie under spans of another service.
pub(super) fn calls<'a>(
    traces: impl IntoIterator<Item = &'a Arc<Trace>>,
) -> BTreeMap<(String, String), Calls> {
    let mut all: BTreeMap<(String, String), Calls> = BTreeMap::new();
    for trace in traces {
        let spans = trace.as_spans();
        let by_id: HashMap<_, &Arc<Span>> = spans.iter().rev().map(|span| (span.span_id, span)).collect();
        for span in &spans {
            let Some(parent) = span.parent_id.and_then(|id| by_id.get(&id)) else { continue };
            let (from, to) = (&parent.resource.service, &span.resource.service);
            if from == to {
                continue;
            }
            let calls = all.entry((from.to_string(), to.to_string())).or_default();
            calls.n += 1;
            calls.n_failed += u64::from(span.is_failed());
        }
    }
    all
}

pub(super) fn kind(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Internal => "internal",
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
    }
}
