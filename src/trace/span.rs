//! A span as an application reported it: an operation of its own, beside the hops that the proxy saw.
//!
//! Reading it from OTLP or Zipkin is left to `intake`, its place in a trace to `span_tree`.

mod bound;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use spur_route::{SpanId, TraceId};

use crate::attributes::Attributes;
use crate::text;

pub use bound::SpanLimits;

/// An operation of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The trace that it belongs to.
    pub trace_id: TraceId,
    /// Its own id, which its children name.
    pub span_id: SpanId,
    /// The span or the hop that it belongs under; absent for a root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<SpanId>,
    /// Who reported it.
    #[serde(flatten)]
    pub resource: Arc<Resource>,
    /// What made it.
    #[serde(default, skip_serializing_if = "Scope::is_unnamed")]
    pub scope: Arc<Scope>,
    /// What it is called.
    pub name: Arc<str>,
    /// Which side of a call it is.
    pub kind: SpanKind,
    /// When it began, by the clock of its service.
    #[serde(with = "text::time")]
    pub started: SystemTime,
    /// How long it took.
    #[serde(rename = "duration_us", with = "text::micros")]
    pub duration: Duration,
    /// What its service thinks of it.
    #[serde(default)]
    pub status: SpanStatus,
    /// What its service said, where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_message: Option<Arc<str>>,
    /// About it.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
    /// What happened in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<SpanEvent>,
    /// What it has to do with, besides its parent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<SpanLink>,
    /// Attributes, events and links that its service or our bounds left out, and texts that were cut.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub n_dropped: u64,
}

/// Who reports spans, logs and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// `service.name`; what has none is `unknown_service`
    /// (<https://opentelemetry.io/docs/specs/semconv/resource/#service>).
    pub service: Arc<str>,
    /// What else it says about itself.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub resource: Attributes,
}

/// The library that made a span, a log line or a metric.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Its name.
    #[serde(default)]
    pub name: Arc<str>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Arc<str>>,
}

/// Which side of a call a span is (<https://opentelemetry.io/docs/specs/otel/trace/api/#spankind>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpanKind {
    /// None: it stays within its service.
    #[default]
    Internal,
    /// It answers.
    Server,
    /// It calls.
    Client,
    /// It sends a message.
    Producer,
    /// It takes a message.
    Consumer,
}

/// What a service thinks of its span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpanStatus {
    /// It does not say.
    #[default]
    Unset,
    /// It went well.
    Ok,
    /// It failed.
    Error,
}

/// Something that happened in a span.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpanEvent {
    /// What.
    pub name: Arc<str>,
    /// When.
    #[serde(with = "text::time")]
    pub at: SystemTime,
    /// About it.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
}

/// A span that another has to do with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpanLink {
    /// Its trace.
    pub trace_id: TraceId,
    /// Its id.
    pub span_id: SpanId,
    /// About the link.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
}

// === impl Span ===

impl Span {
    /// Whether its service says that it failed.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        self.status == SpanStatus::Error
    }

    /// How it ended, in a word of four characters at most: the status of HTTP where its service says
    /// one, under the name of today or that of before
    /// (<https://opentelemetry.io/docs/specs/semconv/http/http-spans/#status>,
    /// <https://opentelemetry.io/docs/specs/semconv/non-normative/http-migration/>); else `ok` or
    /// `err`, and `-` where it says neither.
    #[must_use]
    pub fn outcome(&self) -> Cow<'static, str> {
        let names = ["http.response.status_code", "http.status_code"];
        // Zipkin has texts for numbers.
        let code = |name| self.attributes.get(name)?.to_string().parse::<u16>().ok();
        match (names.into_iter().find_map(code).filter(|code| (100..1000).contains(code)), self.status) {
            (Some(code), _) => code.to_string().into(),
            (None, SpanStatus::Ok) => "ok".into(),
            (None, SpanStatus::Error) => "err".into(),
            (None, SpanStatus::Unset) => "-".into(),
        }
    }

    /// When it ended.
    #[must_use]
    pub fn ended(&self) -> SystemTime {
        self.started.checked_add(self.duration).unwrap_or(self.started)
    }

    /// Whether another report is the same span, as exporters send it that had no answer in time.
    /// The two sides of a call share an id with Zipkin (`shared`), and are two spans.
    pub(crate) fn is_again(&self, other: &Self) -> bool {
        self.span_id == other.span_id
            && self.kind == other.kind
            && self.resource.service == other.resource.service
    }

    /// What it takes. Of what it shares with others only the place is counted: exporters send one
    /// resource for hundreds of spans.
    pub(crate) fn n_bytes(&self) -> usize {
        let events = self
            .events
            .iter()
            .map(|event| size_of::<SpanEvent>() + event.name.len() + event.attributes.n_bytes());
        let links = self.links.iter().map(|link| size_of::<SpanLink>() + link.attributes.n_bytes());
        size_of::<Self>()
            // In the store, and in the published trace.
            + 2 * size_of::<Arc<Self>>()
            + self.name.len()
            + self.status_message.as_ref().map_or(0, |message| message.len())
            + self.attributes.n_bytes()
            + events.sum::<usize>()
            + links.sum::<usize>()
    }
}

// === impl Scope ===

impl Scope {
    fn is_unnamed(&self) -> bool {
        self.name.is_empty() && self.version.is_none()
    }
}

pub(crate) fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::attributes::AttributeValue;

    /// A span of trace 1.
    pub(crate) fn span(id: u64, parent: Option<u64>) -> Span {
        Span {
            trace_id: TraceId::new(1).unwrap(),
            span_id: SpanId::new(id).unwrap(),
            parent_id: parent.and_then(SpanId::new),
            resource: Arc::new(Resource { service: "cart".into(), resource: Attributes::default() }),
            scope: Arc::default(),
            name: "work".into(),
            kind: SpanKind::Internal,
            started: SystemTime::UNIX_EPOCH,
            duration: Duration::from_millis(5),
            status: SpanStatus::Unset,
            status_message: None,
            attributes: Attributes::default(),
            events: Vec::new(),
            links: Vec::new(),
            n_dropped: 0,
        }
    }

    #[test]
    fn a_span_is_read_back_from_json() {
        let mut span = span(2, Some(1));
        span.status = SpanStatus::Error;
        span.status_message = Some("no".into());
        span.resource = Arc::new(Resource {
            service: "cart".into(),
            resource: [("host.name", "a")].into_iter().collect(),
        });
        span.scope = Arc::new(Scope { name: "lib".into(), version: Some("1".into()) });
        span.attributes.push("n", 1_i64);
        span.attributes.push("share", 0.5);
        span.attributes.push("whole", 2.0);
        span.attributes.push("none", f64::NAN);
        span.attributes.push("is", true);
        span.attributes.push("list", AttributeValue::List(vec!["a".into(), 2_i64.into()]));
        span.attributes.push("map", AttributeValue::Map([("a", "b")].into_iter().collect()));
        let at = SystemTime::UNIX_EPOCH + Duration::from_micros(1_500_001);
        span.events.push(SpanEvent { name: "thrown".into(), at, attributes: Attributes::default() });
        span.links.push(SpanLink {
            trace_id: span.trace_id,
            span_id: span.span_id,
            attributes: Attributes::default(),
        });
        let json = serde_json::to_string(&span).unwrap();
        assert_eq!(serde_json::from_str::<Span>(&json).unwrap(), span, "{json}");
    }
}
