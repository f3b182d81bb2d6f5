//! A trace in the words of OpenTelemetry: each hop is a span of the service that it asked, with what
//! the proxy decided about it, and the spans that applications reported lie below.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::Version as HttpVersion;
use spur_route::{SpanId, Version, Wire};

use crate::attributes::Attributes;
use crate::redact::redact_target;
use crate::span::{Resource, Scope, Span, SpanKind, SpanStatus};
use crate::trace::{Hop, Trace};

/// By which the spans that we make are known.
const SCOPE: &str = "spur.proxy";

// === impl Trace ===

impl Trace {
    /// All of it as spans, by their start. Secrets in queries are left out.
    #[must_use]
    pub fn as_spans(&self) -> Vec<Arc<Span>> {
        let scope = Arc::new(Scope { name: SCOPE.into(), version: Some(env!("CARGO_PKG_VERSION").into()) });
        let mut resources = HashMap::new();
        let reported = |id: SpanId| self.spans.iter().any(|span| span.span_id == id);
        let mut spans: Vec<Arc<Span>> = self
            .hops
            .iter()
            .map(|hop| {
                // What the request named where that is known, else the hop that led here.
                let named = hop.start.incoming_parent_id;
                let parent_id = named.filter(|id| reported(*id)).or(hop.parent).or(named);
                let resource = resource(hop);
                let resource = resources.entry(resource.service.clone()).or_insert(resource).clone();
                Arc::new(span(hop, parent_id, (resource, scope.clone())))
            })
            .collect();
        spans.extend(self.spans.iter().cloned());
        spans.sort_by_key(|span| span.started);
        spans
    }
}

/// That a service's name stands in two namespaces is told by each span.
fn resource(hop: &Hop) -> Arc<Resource> {
    Arc::new(Resource { service: hop.name().into(), resource: Attributes::default() })
}

fn span(hop: &Hop, parent_id: Option<SpanId>, (resource, scope): (Arc<Resource>, Arc<Scope>)) -> Span {
    let (start, end) = (&hop.start, hop.end.as_ref());
    let so_far = hop.progress.map_or(Duration::ZERO, |progress| progress.after);
    let mut attributes = of_http(hop);
    of_spur(hop, &mut attributes);
    let error = end.and_then(|end| end.error);
    Span {
        trace_id: start.id.trace_id,
        span_id: start.id.span_id,
        parent_id,
        resource,
        scope,
        name: name(hop).into(),
        kind: SpanKind::Server,
        started: start.started,
        duration: end.map_or(so_far, |end| end.duration),
        status: if hop.is_failed() { SpanStatus::Error } else { SpanStatus::Unset },
        status_message: error.map(|error| error.code().into()),
        attributes,
        events: Vec::new(),
        links: Vec::new(),
        n_dropped: 0,
    }
}

/// `GET /cart/42`: OpenTelemetry advises against paths in names, for the sake of those who count by
/// them; here somebody looks for the request that they sent.
fn name(hop: &Hop) -> String {
    let method = &hop.start.method;
    match (&hop.start.target, transport(hop)) {
        (Some(target), _) => format!("{method} {}", target.path()),
        (None, Some(transport)) => transport.to_owned(),
        (None, None) => method.to_string(),
    }
}

/// By the names of <https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server>.
fn of_http(hop: &Hop) -> Attributes {
    let (start, end) = (&hop.start, hop.end.as_ref());
    let mut attributes = Attributes::default();
    if let Some(service) = &start.decision.service {
        attributes.push("server.address", format!("{}.{}", service.name, service.namespace));
        attributes.push("server.port", i64::from(service.port));
    }
    if let Some(transport) = transport(hop) {
        attributes.push("network.transport", transport);
    } else {
        attributes.push("http.request.method", start.method.as_str());
        attributes.push("network.protocol.version", version(start.http_version));
    }
    if let Some(target) = &start.target {
        let target = redact_target(target.as_str());
        let (path, query) = target.split_once('?').unwrap_or((&*target, ""));
        attributes.push("url.path", path);
        if !query.is_empty() {
            attributes.push("url.query", query);
        }
    }
    let Some(end) = end else { return attributes };
    if let Some(status) = end.status {
        attributes.push("http.response.status_code", i64::from(status));
    }
    if let Some(status) = end.grpc_status {
        attributes.push("rpc.grpc.status_code", i64::from(status));
    }
    attributes.push("http.request.body.size", i64::try_from(end.request_bytes).unwrap_or(i64::MAX));
    attributes.push("http.response.body.size", i64::try_from(end.response_bytes).unwrap_or(i64::MAX));
    match (end.error, end.status) {
        (Some(error), _) => attributes.push("error.type", error.code()),
        (None, Some(status)) if hop.is_failed() => attributes.push("error.type", status.to_string()),
        (None, _) => {}
    }
    attributes
}

/// What was decided, and why.
fn of_spur(hop: &Hop, attributes: &mut Attributes) {
    let decision = &hop.start.decision;
    attributes.push("spur.reason", decision.reason.code());
    attributes.push("spur.from", hop.caller());
    if let Some(source) = &hop.start.source {
        attributes.push("spur.from.pod", source.pod.clone());
    }
    match &decision.version {
        Version::Sandbox(sandbox) => {
            attributes.push("spur.version", "sandbox");
            attributes.push("spur.sandbox", format!("{}/{}", sandbox.namespace, sandbox.name));
        }
        Version::Baseline => attributes.push("spur.version", "baseline"),
    }
    if let Some(key) = &decision.key {
        attributes.push("spur.key", key.value.clone());
        attributes.push("spur.key.carrier", key.carrier.words());
    }
    if let Some(lost) = &hop.lost_key {
        attributes.push("spur.key.lost", lost.clone());
    }
    if let Some(rule) = &decision.rule {
        attributes.push("spur.rule", rule.to_string());
    }
    if let Some(subset) = &decision.subset {
        attributes.push("spur.subset", subset.clone());
    }
    if decision.fell_back {
        attributes.push("spur.fell_back", true);
    }
    if let Some(asked) = &decision.asked {
        attributes.push("spur.asked", asked.clone());
    }
    if let Some(endpoint) = hop.endpoint() {
        attributes.push("spur.to", endpoint.workload.clone());
        attributes.push("spur.to.pod", endpoint.pod.clone());
        attributes.push("spur.endpoint", endpoint.address.to_string());
    }
    if hop.is_open() {
        attributes.push("spur.in_flight", true);
    }
    attributes.push("spur.routes.revision", i64::try_from(decision.table_revision).unwrap_or(i64::MAX));
}

/// Of what is no HTTP.
fn transport(hop: &Hop) -> Option<&'static str> {
    let wire = hop.start.decision.service.as_ref().map(|service| service.wire);
    match wire {
        Some(Wire::Udp) => Some("udp"),
        Some(Wire::Tcp) if hop.start.target.is_none() => Some("tcp"),
        _ => None,
    }
}

fn version(version: HttpVersion) -> &'static str {
    match version {
        HttpVersion::HTTP_09 => "0.9",
        HttpVersion::HTTP_10 => "1.0",
        HttpVersion::HTTP_2 => "2",
        HttpVersion::HTTP_3 => "3",
        _ => "1.1",
    }
}
