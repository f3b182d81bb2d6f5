//! Spans of OTLP as ours.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span as WireSpan, span};
use spur_trace::{Resource, Scope, Span, SpanEvent, SpanKind, SpanLink, SpanStatus};

use super::values::{attributes, scope, span_id, time, trace_id};
use crate::serve::Shared;

/// The spans, and how many had no id.
pub(super) fn read(shared: &Shared, resources: Vec<ResourceSpans>) -> (Vec<Span>, u64) {
    let (mut spans, mut n_invalid) = (Vec::new(), 0);
    for of_resource in resources {
        let resource = shared.resource_of(of_resource.resource);
        for of_scope in of_resource.scope_spans {
            let scope = scope(of_scope.scope);
            for wire in of_scope.spans {
                match span(wire, &resource, &scope) {
                    Some(mut span) => {
                        shared.limits.bound(&mut span);
                        spans.push(span);
                    }
                    None => n_invalid += 1,
                }
            }
        }
    }
    (spans, n_invalid)
}

/// `None` where it has no id: "an ID with all zeroes is considered invalid" (trace.proto).
fn span(wire: WireSpan, resource: &Arc<Resource>, scope: &Arc<Scope>) -> Option<Span> {
    let n_dropped = [wire.dropped_attributes_count, wire.dropped_events_count, wire.dropped_links_count];
    let status = wire.status.unwrap_or_default();
    let nanos = wire.end_time_unix_nano.saturating_sub(wire.start_time_unix_nano);
    Some(Span {
        trace_id: trace_id(&wire.trace_id)?,
        span_id: span_id(&wire.span_id)?,
        parent_id: span_id(&wire.parent_span_id),
        resource: resource.clone(),
        scope: scope.clone(),
        name: wire.name.into(),
        kind: kind(wire.kind),
        started: time(wire.start_time_unix_nano),
        duration: Duration::from_nanos(nanos),
        status: match StatusCode::try_from(status.code) {
            Ok(StatusCode::Ok) => SpanStatus::Ok,
            Ok(StatusCode::Error) => SpanStatus::Error,
            Ok(StatusCode::Unset) | Err(_) => SpanStatus::Unset,
        },
        status_message: Some(status.message).filter(|message| !message.is_empty()).map(Arc::from),
        attributes: attributes(wire.attributes),
        events: wire.events.into_iter().map(event).collect(),
        links: wire.links.into_iter().filter_map(link).collect(),
        n_dropped: n_dropped.into_iter().map(u64::from).sum(),
    })
}

fn kind(kind: i32) -> SpanKind {
    match span::SpanKind::try_from(kind) {
        Ok(span::SpanKind::Server) => SpanKind::Server,
        Ok(span::SpanKind::Client) => SpanKind::Client,
        Ok(span::SpanKind::Producer) => SpanKind::Producer,
        Ok(span::SpanKind::Consumer) => SpanKind::Consumer,
        Ok(span::SpanKind::Internal | span::SpanKind::Unspecified) | Err(_) => SpanKind::Internal,
    }
}

fn event(event: Event) -> SpanEvent {
    SpanEvent {
        name: event.name.into(),
        at: time(event.time_unix_nano),
        attributes: attributes(event.attributes),
    }
}

fn link(link: Link) -> Option<SpanLink> {
    let (trace_id, span_id) = (trace_id(&link.trace_id)?, span_id(&link.span_id)?);
    Some(SpanLink { trace_id, span_id, attributes: attributes(link.attributes) })
}
