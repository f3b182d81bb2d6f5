//! Log records of OTLP as ours.

use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry_proto::tonic::logs::v1::{LogRecord as WireRecord, ResourceLogs};
use spur_trace::{LogRecord, Resource, Scope, Severity};

use super::values::{attributes, scope, span_id, time, trace_id, value};
use crate::serve::Shared;

/// The lines; every one is valid.
pub(super) fn read(shared: &Shared, resources: Vec<ResourceLogs>) -> Vec<LogRecord> {
    let mut lines = Vec::new();
    for of_resource in resources {
        let resource = shared.resource_of(of_resource.resource);
        for of_scope in of_resource.scope_logs {
            let scope = scope(of_scope.scope);
            for wire in of_scope.log_records {
                let mut line = line(wire, &resource, &scope);
                line.bound(&shared.limits);
                lines.push(line);
            }
        }
    }
    lines
}

/// What has a name of an event and says nothing else says that.
fn line(wire: WireRecord, resource: &Arc<Resource>, scope: &Arc<Scope>) -> LogRecord {
    let body = match wire.body {
        None => wire.event_name.into(),
        body => value(body),
    };
    LogRecord {
        seq: 0,
        // "Use Timestamp if it is present, otherwise use ObservedTimestamp" (logs.proto).
        time: match (wire.time_unix_nano, wire.observed_time_unix_nano) {
            (0, 0) => SystemTime::now(),
            (0, observed) => time(observed),
            (written, _) => time(written),
        },
        resource: resource.clone(),
        scope: scope.clone(),
        severity: Severity::from_number(wire.severity_number),
        severity_text: Some(wire.severity_text).filter(|text| !text.is_empty()).map(Arc::from),
        body,
        attributes: attributes(wire.attributes),
        trace_id: trace_id(&wire.trace_id),
        span_id: span_id(&wire.span_id),
        n_dropped: wire.dropped_attributes_count.into(),
    }
}
