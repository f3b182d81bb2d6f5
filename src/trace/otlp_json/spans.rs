//! `TracesData` of traces.

use std::sync::Arc;

use serde::Serialize;
use spur_route::{SpanId, TraceId};

use super::{KeyValue, Resource, Scope, as_text, attributes, nanos};
use crate::span::{Span as OurSpan, SpanEvent, SpanKind, SpanLink, SpanStatus};
use crate::trace::Trace;

/// `opentelemetry.proto.trace.v1.TracesData`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TracesData {
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans {
    resource: Resource,
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, Debug, Serialize)]
struct ScopeSpans {
    scope: Scope,
    spans: Vec<Span>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Span {
    trace_id: TraceId,
    span_id: SpanId,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<SpanId>,
    name: String,
    kind: u8,
    #[serde(serialize_with = "as_text")]
    start_time_unix_nano: u64,
    #[serde(serialize_with = "as_text")]
    end_time_unix_nano: u64,
    attributes: Vec<KeyValue>,
    dropped_attributes_count: u32,
    events: Vec<Event>,
    links: Vec<Link>,
    status: Status,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(serialize_with = "as_text")]
    time_unix_nano: u64,
    name: String,
    attributes: Vec<KeyValue>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Link {
    trace_id: TraceId,
    span_id: SpanId,
    attributes: Vec<KeyValue>,
}

#[derive(Clone, Debug, Serialize)]
struct Status {
    code: u8,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
}

/// Of whole traces: hops as spans of the proxy, with what applications reported below.
#[must_use]
pub fn traces_data<'a>(traces: impl IntoIterator<Item = &'a Trace>) -> TracesData {
    spans_data(traces.into_iter().flat_map(Trace::as_spans))
}

/// Of these spans; those that share a resource, and in it a scope, stand together.
#[must_use]
pub fn spans_data(spans: impl IntoIterator<Item = Arc<OurSpan>>) -> TracesData {
    let mut spans: Vec<Arc<OurSpan>> = spans.into_iter().collect();
    spans.sort_by_key(|span| (Arc::as_ptr(&span.resource), Arc::as_ptr(&span.scope)));
    let of_resources = spans.chunk_by(|left, right| Arc::ptr_eq(&left.resource, &right.resource));
    let resource_spans = of_resources.map(|spans| ResourceSpans {
        resource: Resource::from(&*spans[0].resource),
        scope_spans: spans
            .chunk_by(|left, right| Arc::ptr_eq(&left.scope, &right.scope))
            .map(ScopeSpans::from)
            .collect(),
    });
    let mut data = TracesData { resource_spans: resource_spans.collect() };
    // Places in memory are no order to show.
    data.resource_spans.sort_by_key(|of_resource| of_resource.first());
    data
}

// === impl ResourceSpans ===

impl ResourceSpans {
    fn first(&self) -> Option<(u64, SpanId)> {
        let spans = self.scope_spans.iter().flat_map(|of_scope| &of_scope.spans);
        spans.map(|span| (span.start_time_unix_nano, span.span_id)).min()
    }
}

// === impl ScopeSpans ===

impl From<&[Arc<OurSpan>]> for ScopeSpans {
    fn from(ours: &[Arc<OurSpan>]) -> Self {
        Self {
            scope: Scope::from(&*ours[0].scope),
            spans: ours.iter().map(|span| Span::from(&**span)).collect(),
        }
    }
}

// === impl Span ===

impl From<&OurSpan> for Span {
    fn from(ours: &OurSpan) -> Self {
        Self {
            trace_id: ours.trace_id,
            span_id: ours.span_id,
            parent_span_id: ours.parent_id,
            name: ours.name.to_string(),
            // `SpanKind` of trace.proto; 0 is not said.
            kind: match ours.kind {
                SpanKind::Internal => 1,
                SpanKind::Server => 2,
                SpanKind::Client => 3,
                SpanKind::Producer => 4,
                SpanKind::Consumer => 5,
            },
            start_time_unix_nano: nanos(ours.started),
            end_time_unix_nano: nanos(ours.ended()),
            attributes: attributes(&ours.attributes),
            dropped_attributes_count: u32::try_from(ours.n_dropped).unwrap_or(u32::MAX),
            events: ours.events.iter().map(Event::from).collect(),
            links: ours.links.iter().map(Link::from).collect(),
            status: Status {
                code: match ours.status {
                    SpanStatus::Unset => 0,
                    SpanStatus::Ok => 1,
                    SpanStatus::Error => 2,
                },
                message: ours.status_message.as_deref().unwrap_or_default().to_owned(),
            },
        }
    }
}

// === impl Event ===

impl From<&SpanEvent> for Event {
    fn from(ours: &SpanEvent) -> Self {
        Self {
            time_unix_nano: nanos(ours.at),
            name: ours.name.to_string(),
            attributes: attributes(&ours.attributes),
        }
    }
}

// === impl Link ===

impl From<&SpanLink> for Link {
    fn from(ours: &SpanLink) -> Self {
        Self { trace_id: ours.trace_id, span_id: ours.span_id, attributes: attributes(&ours.attributes) }
    }
}
