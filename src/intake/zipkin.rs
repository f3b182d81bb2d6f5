//! Spans of Zipkin's second version (<https://zipkin.io/zipkin-api/#/default/post_spans>), read as
//! clients write them: `"kind": null`, numbers as texts, ids of any length up to their full one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::request::Parts;
use http::{StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use serde::Deserialize;
use serde_json::Value;
use spur_route::{SpanId, TraceId};
use spur_trace::{AttributeValue, Attributes, Scope, Span, SpanEvent, SpanKind, SpanStatus};

use crate::body::{self, Coding};
use crate::otlp::{Export, Held, Partial, Refusal, json};
use crate::reply::{self, JSON, Reply};
use crate::serve::{Intake, Shared};

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ZipkinSpan {
    trace_id: String,
    id: String,
    parent_id: Option<String>,
    kind: Option<String>,
    name: Option<String>,
    timestamp: Option<Micros>,
    duration: Option<Micros>,
    local_endpoint: Option<Endpoint>,
    remote_endpoint: Option<Endpoint>,
    annotations: Option<Vec<Annotation>>,
    tags: Option<BTreeMap<String, Value>>,
    debug: Option<bool>,
    shared: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Endpoint {
    service_name: Option<String>,
    ipv4: Option<String>,
    ipv6: Option<String>,
    port: Option<u16>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Annotation {
    timestamp: Option<Micros>,
    value: Option<String>,
}

/// Microseconds: a whole number, which some clients write with a point or as a text.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "Value")]
struct Micros(u64);

// === impl Micros ===

impl TryFrom<Value> for Micros {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let number = match &value {
            Value::Number(number) => {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
                let whole = |number: f64| number as u64;
                number.as_u64().or_else(|| number.as_f64().map(whole))
            }
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        number.map(Self).ok_or_else(|| format!("`{value}` is no number of microseconds"))
    }
}

impl From<Micros> for Duration {
    fn from(micros: Micros) -> Self {
        Self::from_micros(micros.0)
    }
}

// === impl Intake ===

impl Intake {
    /// `POST /api/v2/spans`: 202 and nothing else, or why not.
    pub(crate) async fn zipkin_spans<B>(&self, head: &Parts, body: B) -> Reply
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let kind = head.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        // Zipkin's own server takes JSON where nothing is said.
        let kind = kind.unwrap_or(JSON);
        if !kind.starts_with(JSON) {
            self.shared.counters.refused.add(1);
            let text = format!("content type `{kind}` is not supported\nhint: send {JSON}");
            return reply::text(StatusCode::UNSUPPORTED_MEDIA_TYPE, text);
        }
        match self.zipkin_taken(head, body).await {
            Ok(Partial { n_rejected: 0, .. }) => {
                let mut reply = Reply::new(Empty::new().boxed_unsync());
                *reply.status_mut() = StatusCode::ACCEPTED;
                reply
            }
            // Zipkin has no word for a part of it: what was taken is taken, and sent again once.
            Ok(Partial { n_rejected, why }) => reply::text(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("{n_rejected} spans were not taken: {why}"),
            ),
            Err(refusal) => {
                self.shared.counters.refused.add(1);
                reply::text(refusal.status, refusal.message)
            }
        }
    }

    async fn zipkin_taken<B>(&self, head: &Parts, body: B) -> Result<Partial, Refusal>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let coding = Coding::named(head.headers.get(header::CONTENT_ENCODING))?;
        let _turn = self.turn().await.ok_or_else(Refusal::busy)?;
        let bytes = body::read(body).await?;
        let n_bytes = bytes.len();
        let read = move |shared: &Shared| {
            let spans: Vec<ZipkinSpan> = json(&body::decompress(bytes, coding)?)?;
            spans.into_iter().map(|zipkin| span(shared, zipkin)).collect::<Result<Vec<_>, _>>()
        };
        let spans = self.worked(n_bytes, read).await?;
        Ok(self.take(Export { held: Held::Spans(spans), n_invalid: 0, why: None }).await)
    }
}

fn span(shared: &Shared, zipkin: ZipkinSpan) -> Result<Span, Refusal> {
    let ZipkinSpan {
        trace_id,
        id,
        parent_id,
        kind,
        name,
        timestamp,
        duration,
        local_endpoint,
        remote_endpoint,
        annotations,
        tags,
        // Says that it is to be kept, as all are.
        debug: _,
        // Two spans of one id differ in kind or service.
        shared: _,
    } = zipkin;
    let (status, status_message) = status(tags.as_ref());
    let mut span = Span {
        trace_id: self::trace_id(&trace_id).ok_or_else(|| invalid("traceId", &trace_id))?,
        span_id: span_id(&id).ok_or_else(|| invalid("id", &id))?,
        parent_id: parent_id.as_deref().and_then(span_id),
        resource: shared.resource(resource(local_endpoint.unwrap_or_default())),
        scope: Arc::new(Scope::default()),
        name: name.unwrap_or_default().into(),
        kind: match kind.as_deref().unwrap_or_default().to_ascii_uppercase().as_str() {
            "SERVER" => SpanKind::Server,
            "CLIENT" => SpanKind::Client,
            "PRODUCER" => SpanKind::Producer,
            "CONSUMER" => SpanKind::Consumer,
            _ => SpanKind::Internal,
        },
        started: UNIX_EPOCH + timestamp.map(Duration::from).unwrap_or_default(),
        duration: duration.map(Duration::from).unwrap_or_default(),
        status,
        status_message,
        attributes: tags.into_iter().flatten().map(|(name, value)| (name, tag(value))).collect(),
        events: annotations.into_iter().flatten().map(event).collect(),
        links: Vec::new(),
        n_dropped: 0,
    };
    if let Some(remote) = remote_endpoint {
        peer(remote, &mut span.attributes);
    }
    shared.limits.bound(&mut span);
    Ok(span)
}

/// A span failed if it has the tag `error`, whatever its value
/// (<https://zipkin.io/zipkin-api/#/default/post_spans>).
fn status(tags: Option<&BTreeMap<String, Value>>) -> (SpanStatus, Option<Arc<str>>) {
    match tags.and_then(|tags| tags.get("error")) {
        Some(Value::String(text)) if !text.is_empty() => (SpanStatus::Error, Some(text.as_str().into())),
        Some(_) => (SpanStatus::Error, None),
        None => (SpanStatus::Unset, None),
    }
}

fn resource(local: Endpoint) -> Attributes {
    let mut attributes = Attributes::default();
    if let Some(name) = local.service_name {
        attributes.push("service.name", name);
    }
    attributes
}

/// By the names that OpenTelemetry has for it.
fn peer(remote: Endpoint, attributes: &mut Attributes) {
    if let Some(name) = remote.service_name {
        attributes.push("peer.service", name);
    }
    if let Some(address) = remote.ipv4.or(remote.ipv6) {
        attributes.push("network.peer.address", address);
    }
    if let Some(port) = remote.port {
        attributes.push("network.peer.port", i64::from(port));
    }
}

fn event(annotation: Annotation) -> SpanEvent {
    SpanEvent {
        name: annotation.value.unwrap_or_default().into(),
        at: UNIX_EPOCH + annotation.timestamp.map(Duration::from).unwrap_or_default(),
        attributes: Attributes::default(),
    }
}

fn tag(value: Value) -> AttributeValue {
    match value {
        Value::String(text) => text.into(),
        other => other.to_string().into(),
    }
}

pub(crate) fn span_id(text: &str) -> Option<SpanId> {
    SpanId::new(u64::try_from(hex(text, 16)?).ok()?)
}

pub(crate) fn trace_id(text: &str) -> Option<TraceId> {
    TraceId::new(hex(text, 32)?)
}

/// Shorter ones lack zeros on the left: 64 bits of a trace's 128 are what older clients have.
fn hex(text: &str, max_digits: usize) -> Option<u128> {
    let is_hex =
        !text.is_empty() && text.len() <= max_digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

fn invalid(name: &str, value: &str) -> Refusal {
    let value: String = value.chars().take(64).collect();
    Refusal::unreadable(format!("`{name}` is no id: `{value}`"))
}
