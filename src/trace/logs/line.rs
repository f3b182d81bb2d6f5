//! A line of a log, wherever it comes from: what a container printed, or what an application
//! reported.
//!
//! Of what is printed, level and ids are read where programs write them: as members of a JSON
//! object, as `name=value`, or, for the level, as a word near the beginning.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use spur_route::{SpanId, TraceId};

use super::{LogRecord, Severity};
use crate::attributes::Attributes;
use crate::filter::{Field, Fields, Part, Value};
use crate::text;
use crate::trace::Trace;

/// Longer lines are cut: some programs write a megabyte of JSON on one (lazydocker#221 froze on
/// 90,000 characters).
pub const LINE_MAX_BYTES: usize = 8 << 10;

/// How far a level may stand from the beginning of a line: behind a time and a logger's name.
const LEVEL_WITHIN_WORDS: usize = 6;

/// How much later than it was written a line may be read, which is when it gets its time: a tenth of
/// a second on a machine that has more to do than it can.
const READ_WITHIN: Duration = Duration::from_millis(100);

/// Names of ids, as OpenTelemetry's libraries, Spring, Datadog and Google write them, without `_`,
/// `-` and `.`, in lower case.
const TRACE_NAMES: [&str; 4] = ["traceid", "oteltraceid", "ddtraceid", "logginggoogleapiscom/trace"];
const SPAN_NAMES: [&str; 3] = ["spanid", "otelspanid", "ddspanid"];

/// Names of levels, of messages and of times in JSON.
const LEVEL_NAMES: [&str; 5] = ["level", "severity", "lvl", "loglevel", "levelname"];

/// A line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When it was written.
    #[serde(with = "text::time")]
    pub time: SystemTime,
    /// Who wrote it: the workload, or the service that an application says it is.
    pub service: Arc<str>,
    /// Its namespace, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Arc<str>>,
    /// The pod, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Arc<str>>,
    /// The container that printed it; absent where an application reported it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Arc<str>>,
    /// The sandbox that its pod is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Arc<str>>,
    /// How bad it is; 0 where it does not say.
    pub severity: Severity,
    /// What it says, as it was written.
    pub message: String,
    /// The trace that it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<TraceId>,
    /// The span.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span_id: Option<SpanId>,
    /// What else was reported with it.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
}

/// Why a line belongs to a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InTrace {
    /// It names it.
    ById,
    /// It names none, and was written by a pod while it answered for the trace, or read a moment
    /// later.
    ByTime,
}

// === impl LogLine ===

impl LogLine {
    /// Reads what was printed at a time; who printed it is for the caller to add.
    #[must_use]
    pub fn read(time: SystemTime, printed: &[u8]) -> Self {
        let cut = &printed[..printed.len().min(LINE_MAX_BYTES)];
        let mut message = String::from_utf8_lossy(cut).trim_end_matches(['\r', '\n']).to_owned();
        if printed.len() > LINE_MAX_BYTES {
            message.push('…');
        }
        let found = Found::in_json(&message).unwrap_or_else(|| Found::in_text(&message));
        Self {
            time,
            service: "".into(),
            namespace: None,
            pod: None,
            container: None,
            sandbox: None,
            severity: found.severity.unwrap_or_default(),
            trace_id: found.trace_id,
            span_id: found.span_id,
            message,
            attributes: Attributes::default(),
        }
    }

    /// Why it belongs to a trace, if it does.
    #[must_use]
    pub fn in_trace(&self, trace: &Trace) -> Option<InTrace> {
        if let Some(trace_id) = self.trace_id {
            return (trace_id == trace.trace_id).then_some(InTrace::ById);
        }
        let pod = self.pod.as_deref()?;
        let is_during = trace.hops.iter().any(|hop| {
            let is_its = hop.endpoint().is_some_and(|endpoint| *endpoint.pod == *pod);
            let read = hop.end.as_ref().map(|end| hop.start.started + end.duration + READ_WITHIN);
            is_its && self.time >= hop.start.started && read.is_none_or(|read| self.time <= read)
        });
        is_during.then_some(InTrace::ByTime)
    }
}

impl From<&LogRecord> for LogLine {
    fn from(record: &LogRecord) -> Self {
        let attribute = |name: &str| {
            let value = record.resource.resource.get(name);
            value.and_then(|value| value.as_text()).map(Arc::from)
        };
        Self {
            time: record.time,
            service: record.resource.service.clone(),
            namespace: attribute("k8s.namespace.name").or_else(|| attribute("service.namespace")),
            pod: attribute("k8s.pod.name"),
            container: None,
            sandbox: attribute("spur.sandbox"),
            severity: record.severity,
            message: match record.body.as_text() {
                Some(text) => text.to_owned(),
                None => record.body.to_string(),
            },
            trace_id: record.trace_id,
            span_id: record.span_id,
            attributes: record.attributes.clone(),
        }
    }
}

impl Fields for LogLine {
    fn some(&self, _: Part, field: &Field, passes: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
        let mut text = |text: Option<&str>| text.is_some_and(|text| passes(Value::Text(text)));
        match field {
            Field::Svc | Field::From => text(Some(&self.service)),
            Field::To => text(self.pod.as_deref()),
            Field::Sandbox => text(self.sandbox.as_deref()),
            Field::Msg => text(Some(&self.message)),
            Field::Trace => self.trace_id.is_some_and(|id| text(Some(&id.to_string()))),
            Field::Level => {
                self.severity.number() > 0 && passes(Value::Number(self.severity.number().into()))
            }
            Field::Age => {
                let age = SystemTime::now().duration_since(self.time).unwrap_or_default();
                passes(Value::Number(u64::try_from(age.as_micros()).unwrap_or(u64::MAX)))
            }
            Field::Attr(name) => match self.attributes.get(name) {
                Some(value) => match value.as_text() {
                    Some(value) => text(Some(value)),
                    None => text(Some(&value.to_string())),
                },
                None => false,
            },
            _ => false,
        }
    }

    fn words(&self) -> &[Field] {
        &[Field::Msg, Field::Svc, Field::Trace]
    }
}

/// What a line tells of itself.
#[derive(Debug, Default)]
struct Found {
    severity: Option<Severity>,
    trace_id: Option<TraceId>,
    span_id: Option<SpanId>,
}

// === impl Found ===

impl Found {
    fn in_json(message: &str) -> Option<Self> {
        if !message.starts_with('{') {
            return None;
        }
        let Ok(Json::Object(object)) = serde_json::from_str::<Json>(message) else { return None };
        let mut found = Self::default();
        for (name, value) in &object {
            match value {
                Json::String(text) => found.take(name, text),
                // pino and bunyan: 10 trace, 20 debug, 30 info, 40 warn, 50 error, 60 fatal.
                Json::Number(number) if found.severity.is_none() && is_one_of(name, &LEVEL_NAMES) => {
                    let names = ["trace", "debug", "info", "warn", "error", "fatal"];
                    let place = number.as_u64().and_then(|number| usize::try_from(number / 10).ok());
                    let name = place.and_then(|place| names.get(place.checked_sub(1)?));
                    found.severity = name.and_then(|name| Severity::named(name));
                }
                _ => {}
            }
        }
        Some(found)
    }

    fn in_text(message: &str) -> Self {
        let mut found = Self::default();
        for word in message.split([' ', '\t', ',', ';']).filter(|word| !word.is_empty()) {
            if let Some((name, value)) = word.split_once('=') {
                found
                    .take(name.trim_start_matches(['[', '{', '(']), value.trim_matches(['"', ']', '}', ')']));
            }
        }
        let words = message.split_ascii_whitespace().take(LEVEL_WITHIN_WORDS);
        for word in words.flat_map(|word| word.split(['|', ':', '[', ']', '(', ')', '<', '>'])) {
            // `Error` may begin a sentence, and a level is mostly in capitals; klog's are letters.
            let is_level = word.len() > 2 && (word.bytes().all(|byte| byte.is_ascii_uppercase()));
            if found.severity.is_none() && is_level {
                found.severity = Severity::named(word);
            }
        }
        found
    }

    fn take(&mut self, name: &str, value: &str) {
        if self.severity.is_none() && is_one_of(name, &LEVEL_NAMES) {
            self.severity = Severity::named(value);
        }
        if self.trace_id.is_none() && is_one_of(name, &TRACE_NAMES) {
            // Google's is a path.
            self.trace_id = value.rsplit('/').next().and_then(|id| id.to_ascii_lowercase().parse().ok());
        }
        if self.span_id.is_none() && is_one_of(name, &SPAN_NAMES) {
            self.span_id = value.to_ascii_lowercase().parse().ok();
        }
    }
}

/// Whether a name is one of these, however it is written.
fn is_one_of(name: &str, names: &[&str]) -> bool {
    let bytes =
        name.bytes().filter(|byte| !matches!(byte, b'_' | b'-' | b'.')).map(|byte| byte.to_ascii_lowercase());
    names.iter().any(|known| bytes.clone().eq(known.bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0af7651916cd43dd8448eb211c80319c";

    fn read(printed: &str) -> (&'static str, bool, LogLine) {
        let line = LogLine::read(SystemTime::UNIX_EPOCH, printed.as_bytes());
        (line.severity.word(), line.trace_id.is_some_and(|id| id.to_string() == ID), line)
    }

    #[test]
    fn levels_are_read_where_programs_write_them() {
        for (printed, level) in [
            (r#"{"level":"warning","msg":"a"}"#, "warn"),
            (r#"{"severity":"ERROR"}"#, "error"),
            (r#"{"level":50}"#, "error"),
            (r#"{"level":1000}"#, ""),
            ("time=x level=debug msg=a", "debug"),
            ("2026-11-30T08:00:00Z  WARN app: slow", "warn"),
            ("[INFO] started", "info"),
            ("2026-11-30 08:00:00,123 ERROR root - no", "error"),
            ("INFO:     Uvicorn running", "info"),
            ("Error opening the door", ""),
            ("an info desk", ""),
            ("GET / 200", ""),
        ] {
            assert_eq!(read(printed).0, level, "{printed}");
        }
    }

    #[test]
    fn ids_are_read_where_programs_write_them() {
        for printed in [
            format!(r#"{{"trace_id":"{ID}"}}"#),
            format!(r#"{{"traceId":"{}"}}"#, ID.to_uppercase()),
            format!(r#"{{"logging.googleapis.com/trace":"projects/p/traces/{ID}"}}"#),
            format!("INFO [otelTraceID={ID} otelSpanID=b7ad6b7169203331] done"),
            format!("level=info trace_id=\"{ID}\" msg=x"),
        ] {
            assert!(read(&printed).1, "{printed}");
        }
        let (.., line) = read(&format!("[trace_id={ID},span_id=b7ad6b7169203331]"));
        assert_eq!(line.span_id.unwrap().to_string(), "b7ad6b7169203331");
        assert!(!read("trace_id=00000000000000000000000000000000").1);
        assert!(!read(ID).1, "any digits may stand alone");
    }

    #[test]
    fn long_lines_and_bytes_that_are_no_text_are_survived() {
        let line = LogLine::read(SystemTime::UNIX_EPOCH, &[b'x'; LINE_MAX_BYTES + 1]);
        assert_eq!(line.message.len(), LINE_MAX_BYTES + '…'.len_utf8());
        let line = LogLine::read(SystemTime::UNIX_EPOCH, b"a\xff\r\n");
        assert_eq!(line.message, "a\u{fffd}");
    }
}
