//! Traces for tests, made as the server writes them.

use serde_json::{Value, json};
use spur_trace::Trace;

/// A finished hop; the target tells the service, and a root comes from the entry.
pub(crate) fn hop(span: &str, parent: Option<&str>, service: &str, sandbox: Option<&str>) -> Value {
    let version = match sandbox {
        Some(name) => json!({"sandbox": {"namespace": "default", "name": name, "revision": 1}}),
        None => json!("baseline"),
    };
    let is_entry = parent.is_none();
    json!({
        "parent": parent, "joined_by": if is_entry { "root" } else { "span" }, "lost_key": null,
        "trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": span, "incoming_parent_id": parent,
        "started": "2026-11-20T22:14:49.123000Z",
        "source": if is_entry { Value::Null } else {
            json!({"namespace": "default", "workload": "x", "pod": "x-1", "sandbox": null})
        },
        "decision": {
            "table_revision": 1,
            "service": {"namespace": "default", "name": service, "port": 80, "wire": "http1"},
            "rule": null, "version": version, "key": null, "n_disagreeing": 0, "n_malformed": 0,
            "fell_back": false, "reason": if sandbox.is_some() { "forked" } else { "no-key" }, "asked": null,
        },
        "endpoint": null, "method": "GET", "target": format!("/{service}?q=1"),
        "http_version": "HTTP/1.1",
        "duration_us": 4200, "served_by": null, "status": 200, "grpc_status": null,
        "request_bytes": 0, "response_bytes": 10, "error": null,
    })
}

/// A span of 2.5 ms.
pub(crate) fn span(id: &str, parent: Option<&str>, service: &str, name: &str) -> Value {
    json!({
        "trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": id, "parent_id": parent,
        "service": service, "name": name, "kind": "internal",
        "started": "2026-11-20T22:14:49.123000Z", "duration_us": 2500,
    })
}

/// A finished trace of these hops.
pub(crate) fn trace(hops: Vec<Value>) -> Trace {
    let trace = json!({
        "seq": 1, "trace_id": "0af7651916cd43dd8448eb211c80319c", "is_finished": true,
        "started": "2026-11-20T22:14:49.123000Z", "duration_us": 12_345, "key": null,
        "n_dropped_hops": 0, "hops": hops,
    });
    serde_json::from_value(trace).unwrap()
}
