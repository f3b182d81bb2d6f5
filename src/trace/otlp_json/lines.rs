//! `LogsData` of log lines.

use std::sync::Arc;

use serde::Serialize;
use spur_route::{SpanId, TraceId};

use super::{KeyValue, Resource, Scope, Value, as_text, attributes, nanos};
use crate::logs::LogRecord as OurRecord;

/// `opentelemetry.proto.logs.v1.LogsData`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogsData {
    resource_logs: Vec<ResourceLogs>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceLogs {
    resource: Resource,
    scope_logs: Vec<ScopeLogs>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ScopeLogs {
    scope: Scope,
    log_records: Vec<LogRecord>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LogRecord {
    #[serde(serialize_with = "as_text")]
    time_unix_nano: u64,
    severity_number: u8,
    #[serde(skip_serializing_if = "String::is_empty")]
    severity_text: String,
    body: Value,
    attributes: Vec<KeyValue>,
    dropped_attributes_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<TraceId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span_id: Option<SpanId>,
}

/// Of these lines, in their order; neighbours of one resource and scope stand together.
#[must_use]
pub fn logs_data(lines: &[Arc<OurRecord>]) -> LogsData {
    let together = |left: &Arc<OurRecord>, right: &Arc<OurRecord>| {
        left.resource == right.resource && left.scope == right.scope
    };
    let resource_logs = lines.chunk_by(together).map(|lines| ResourceLogs {
        resource: Resource::from(&*lines[0].resource),
        scope_logs: vec![ScopeLogs {
            scope: Scope::from(&*lines[0].scope),
            log_records: lines.iter().map(|line| LogRecord::from(&**line)).collect(),
        }],
    });
    LogsData { resource_logs: resource_logs.collect() }
}

// === impl LogRecord ===

impl From<&OurRecord> for LogRecord {
    fn from(ours: &OurRecord) -> Self {
        Self {
            time_unix_nano: nanos(ours.time),
            severity_number: ours.severity.number(),
            severity_text: ours.severity_text.as_deref().unwrap_or_default().to_owned(),
            body: Value::from(&ours.body),
            attributes: attributes(&ours.attributes),
            dropped_attributes_count: u32::try_from(ours.n_dropped).unwrap_or(u32::MAX),
            trace_id: ours.trace_id,
            span_id: ours.span_id,
        }
    }
}
