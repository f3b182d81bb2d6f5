//! A hop as it is read: all its fields on one level, as they are written.
//!
//! `trace` writes a [`Hop`] by flattening its parts. Reading by flattening would put every field of
//! every hop into a value of its own first, and then look for each part in those.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::uri::PathAndQuery;
use http::{Method, Version as HttpVersion};
use serde::Deserialize;
use spur_route::{Endpoint, SpanId, TraceId};

use crate::capture::Captured;
use crate::carried::Carried;
use crate::record::{Decision, HopEnd, HopError, HopId, HopProgress, HopSource, HopStart};
use crate::text;
use crate::trace::{Hop, JoinedBy};

/// The fields of [`Hop`], [`HopStart`], [`HopId`] and, where it has ended, [`HopEnd`].
#[derive(Deserialize)]
pub(crate) struct HopLine {
    parent: Option<SpanId>,
    joined_by: JoinedBy,
    lost_key: Option<Arc<str>>,
    key_came_by: Option<SpanId>,
    progress: Option<HopProgress>,
    captured: Option<Captured>,

    trace_id: TraceId,
    span_id: SpanId,
    incoming_parent_id: Option<SpanId>,
    #[serde(with = "text::time")]
    started: SystemTime,
    source: Option<HopSource>,
    decision: Decision,
    endpoint: Option<Endpoint>,
    #[serde(with = "text::parsed")]
    method: Method,
    #[serde(default, with = "text::parsed_option")]
    target: Option<PathAndQuery>,
    #[serde(with = "text::http_version")]
    http_version: HttpVersion,
    #[serde(default)]
    carried: Carried,
    replay_of: Option<TraceId>,

    /// There from its end on.
    #[serde(default, rename = "duration_us", with = "text::micros_option")]
    duration: Option<Duration>,
    served_by: Option<Endpoint>,
    status: Option<u16>,
    grpc_status: Option<u32>,
    #[serde(default)]
    request_bytes: u64,
    #[serde(default)]
    response_bytes: u64,
    error: Option<HopError>,
}

impl From<HopLine> for Hop {
    fn from(line: HopLine) -> Self {
        let HopLine { served_by, status, grpc_status, request_bytes, response_bytes, error, .. } = line;
        let end = line.duration.map(|duration| HopEnd {
            duration,
            served_by,
            status,
            grpc_status,
            request_bytes,
            response_bytes,
            error,
        });
        let start = HopStart {
            id: HopId { trace_id: line.trace_id, span_id: line.span_id },
            incoming_parent_id: line.incoming_parent_id,
            started: line.started,
            source: line.source,
            decision: line.decision,
            endpoint: line.endpoint,
            method: line.method,
            target: line.target,
            http_version: line.http_version,
            carried: line.carried,
            replay_of: line.replay_of,
        };
        Self {
            parent: line.parent,
            joined_by: line.joined_by,
            lost_key: line.lost_key,
            key_came_by: line.key_came_by,
            start: Arc::new(start),
            progress: line.progress,
            end: end.map(Arc::new),
            captured: line.captured,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A field that was forgotten would be lost here.
    #[test]
    fn every_field_is_read_as_it_was_written() {
        let endpoint = json!({"address": "127.0.0.1:30000", "pod": "cart-0", "workload": "cart"});
        let written = json!({
            "parent": "00000000000000a1", "joined_by": "span", "lost_key": "pr-1",
            "key_came_by": "00000000000000a1",
            "progress": {"after_us": 1, "status": 200, "request_bytes": 2, "response_bytes": 3},
            "captured": true,
            "trace_id": "000000000000000000000000000000c1", "span_id": "00000000000000b1",
            "incoming_parent_id": "00000000000000a1", "started": "2026-11-30T10:00:00.000001Z",
            "source": {"namespace": "shop", "workload": "web", "pod": "web-0", "sandbox": "s"},
            "decision": {
                "table_revision": 7, "service": {"namespace": "shop", "name": "cart", "port": 80, "wire": "auto"}, "rule": null,
                "version": "baseline", "key": null, "n_disagreeing": 0, "n_malformed": 0, "fell_back": false,
                "reason": "no-key", "asked": "cart",
            },
            "endpoint": endpoint, "method": "GET", "target": "/a?b", "http_version": "HTTP/1.1",
            "carried": ["baggage"], "replay_of": "000000000000000000000000000000c2",
            "duration_us": 9, "served_by": endpoint, "status": 502, "grpc_status": 14,
            "request_bytes": 10, "response_bytes": 11, "error": "upstream-closed",
        });
        let hop: Hop = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(serde_json::to_value(&hop).unwrap(), written);
    }
}
