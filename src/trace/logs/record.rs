//! A log line as an application reported it.

use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use spur_route::{SpanId, TraceId};

use crate::attributes::{AttributeValue, Attributes};
use crate::span::{Resource, Scope, SpanLimits, is_zero};
use crate::text;

/// A line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRecord {
    /// Its number, rising; given when it is taken in.
    pub seq: u64,
    /// When it was written, or, where its service does not say, when it was seen.
    #[serde(with = "text::time")]
    pub time: SystemTime,
    /// Who wrote it.
    #[serde(flatten)]
    pub resource: Arc<Resource>,
    /// Which library.
    #[serde(default)]
    pub scope: Arc<Scope>,
    /// How bad it is.
    pub severity: Severity,
    /// The same in its service's own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity_text: Option<Arc<str>>,
    /// What it says.
    pub body: AttributeValue,
    /// About it.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
    /// The trace that it was written in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<TraceId>,
    /// The span.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span_id: Option<SpanId>,
    /// Attributes that its service or our bounds left out, and texts that were cut.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub n_dropped: u64,
}

/// How bad, by OpenTelemetry's number: 1–4 trace, 5–8 debug, 9–12 info, 13–16 warn, 17–20 error,
/// 21–24 fatal, 0 not said (<https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Severity(u8);

// === impl LogRecord ===

impl LogRecord {
    /// Leaves out what is too much, and counts it in the record. A line of 8 KiB is what the
    /// terminal shows at most.
    pub fn bound(&mut self, limits: &SpanLimits) {
        let mut n_dropped = 0;
        let body = std::mem::replace(&mut self.body, AttributeValue::Bool(false));
        // A body is bounded as an attribute is.
        let mut alone: Attributes = [("", body)].into_iter().collect();
        limits.bound_attributes(&mut alone, &mut n_dropped);
        self.body = alone.pop().map_or_else(|| "".into(), |(_, body)| body);
        if let Some(text) = &mut self.severity_text {
            limits.cut(text, &mut n_dropped);
        }
        limits.bound_attributes(&mut self.attributes, &mut n_dropped);
        while self.n_bytes() > limits.max_span_bytes && self.attributes.pop().is_some() {
            n_dropped += 1;
        }
        if self.n_bytes() > limits.max_span_bytes {
            self.body = "(too large)".into();
            n_dropped += 1;
        }
        self.n_dropped += n_dropped;
    }

    pub(crate) fn n_bytes(&self) -> usize {
        size_of::<Self>()
            + size_of::<Arc<Self>>()
            + self.severity_text.as_ref().map_or(0, |text| text.len())
            + self.body.n_bytes()
            + self.attributes.n_bytes()
    }
}

// === impl Severity ===

impl Severity {
    /// By number; what is none of the 24 is not said.
    #[must_use]
    pub fn from_number(number: i32) -> Self {
        u8::try_from(number).ok().filter(|number| *number <= 24).map(Self).unwrap_or_default()
    }

    /// By name, such as `warn` or `WARNING`: the lowest number of it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (from, _) = crate::filter::level(name)?;
        u8::try_from(from).ok().map(Self)
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }

    /// The word, in lower case; empty where it is not said.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self.0 {
            1..=4 => "trace",
            5..=8 => "debug",
            9..=12 => "info",
            13..=16 => "warn",
            17..=20 => "error",
            21..=24 => "fatal",
            _ => "",
        }
    }
}
