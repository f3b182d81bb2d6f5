//! Traces for tests, made as the server writes them.
//!
//! Times are counted from 2026-11-20T12:04:00Z; ids from 1.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use spur_trace::Trace;

use crate::event::{Event, Told, Watched};
use crate::state::{State, ThemeName};

/// Seconds since the beginning of the tests' time.
pub(crate) fn at(seconds: u64) -> SystemTime {
    SystemTime::from(START.parse::<jiff::Timestamp>().unwrap()) + Duration::from_secs(seconds)
}

const START: &str = "2026-11-20T12:04:00Z";

/// A hop to be; a trace gives it its ids.
#[derive(Clone)]
pub(crate) struct Made {
    value: Value,
    starts_us: u64,
    parent: Option<usize>,
}

/// A finished hop of 4.2 ms; from `gw` is from the entry.
pub(crate) fn hop(caller: &str, service: &str) -> Made {
    let source = match caller {
        "gw" => Value::Null,
        _ => json!({"namespace": "shop", "workload": caller, "pod": format!("{caller}-1"), "sandbox": null}),
    };
    let endpoint = json!({"address": "127.0.0.1:32771", "pod": format!("{service}-1"), "workload": service});
    let value = json!({
        "joined_by": "span", "lost_key": null, "incoming_parent_id": null, "source": source,
        "decision": {
            "table_revision": 118,
            "service": {"namespace": "shop", "name": service, "port": 80, "wire": "http1"},
            "rule": {"kind": "Service", "namespace": "shop", "name": service, "revision": 7},
            "version": "baseline", "key": null, "n_disagreeing": 0, "n_malformed": 0,
            "fell_back": false, "reason": "no-key", "asked": null,
        },
        "endpoint": endpoint, "method": "GET", "target": format!("/{service}"), "http_version": "HTTP/1.1",
        "duration_us": 4200, "served_by": endpoint, "status": 200, "grpc_status": null,
        "request_bytes": 0, "response_bytes": 1024, "error": null,
    });
    Made { value, starts_us: 0, parent: None }
}

/// A finished trace, begun at the beginning of the tests' time.
pub(crate) fn trace(id: u32, hops: Vec<Made>) -> Arc<Trace> {
    made(id, hops, true)
}

/// One that goes on.
pub(crate) fn unfinished(id: u32, hops: Vec<Made>) -> Arc<Trace> {
    made(id, hops, false)
}

fn made(id: u32, hops: Vec<Made>, is_finished: bool) -> Arc<Trace> {
    let start: jiff::Timestamp = START.parse().unwrap();
    let time = |us: u64| {
        let time = start + jiff::SignedDuration::from_micros(us.try_into().unwrap());
        json!(format!("{time:.6}"))
    };
    let span = |n: usize| json!(format!("{id:08x}{:08x}", n + 1));
    let trace_id = json!(format!("4f2a{id:028x}"));
    let first = hops.iter().map(|hop| hop.starts_us).min().unwrap_or(0);
    let ends = hops.iter().map(|hop| hop.starts_us + hop.value["duration_us"].as_u64().unwrap_or(0));
    let end = ends.max().unwrap_or(0);
    let key = hops.iter().find_map(|hop| hop.value["decision"]["key"]["value"].as_str());
    let key = json!(key);
    let hops: Vec<Value> = hops
        .iter()
        .enumerate()
        .map(|(n, hop)| {
            let mut value = hop.value.clone();
            value["trace_id"] = trace_id.clone();
            value["span_id"] = span(n);
            value["parent"] = hop.parent.map_or(Value::Null, span);
            if hop.parent.is_none() {
                value["joined_by"] = json!("root");
            }
            value["started"] = time(hop.starts_us);
            value
        })
        .collect();
    let trace = json!({
        "seq": if is_finished { id } else { 0 }, "trace_id": trace_id, "is_finished": is_finished,
        "started": time(first), "duration_us": end - first, "key": key, "n_dropped_hops": 0, "hops": hops,
    });
    Arc::new(serde_json::from_value(trace).unwrap())
}

// === impl Made ===

impl Made {
    fn with(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        *self.value.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value.into();
        self
    }

    pub(crate) fn method(self, method: &str) -> Self {
        self.with("/method", method)
    }

    pub(crate) fn target(self, target: &str) -> Self {
        self.with("/target", target)
    }

    pub(crate) fn status(self, status: u16) -> Self {
        self.with("/status", status)
    }

    pub(crate) fn error(self, code: &str) -> Self {
        self.with("/error", code)
    }

    pub(crate) fn lasting(self, us: u32) -> Self {
        self.with("/duration_us", us)
    }

    /// Under the hop at that place of the trace, so much after the trace's start.
    pub(crate) fn under(mut self, parent: usize, starts_us: u64) -> Self {
        self.parent = Some(parent);
        self.starts_us = starts_us;
        self
    }

    pub(crate) fn after(mut self, starts_us: u64) -> Self {
        self.starts_us = starts_us;
        self
    }

    pub(crate) fn key(self, key: &str) -> Self {
        let key = json!({"value": key, "carrier": "baggage"});
        self.with("/decision/key", key).with("/decision/reason", "not-forked")
    }

    pub(crate) fn fork(self, sandbox: &str) -> Self {
        let version = json!({"sandbox": {"namespace": "shop", "name": sandbox, "revision": 42}});
        self.key(sandbox).with("/decision/version", version).with("/decision/reason", "forked")
    }

    pub(crate) fn lost(self, key: &str) -> Self {
        self.with("/lost_key", key)
    }

    /// Its end has not been seen.
    pub(crate) fn open(mut self) -> Self {
        let hop = self.value.as_object_mut().unwrap();
        for field in
            ["duration_us", "served_by", "status", "grpc_status", "request_bytes", "response_bytes", "error"]
        {
            hop.remove(field);
        }
        self
    }
}

/// What everybody has seen who draws: a few requests, a trace that is opened, sandboxes,
/// events, pods and a log, at 12:04:10.
pub(crate) fn world() -> State {
    let mut state = State::new("https://127.0.0.1:7443".to_owned(), ThemeName::Ansi, at(10));
    let told = |state: &mut State, told| drop(state.update(Event::Told(told)));
    told(&mut state, Told::Connected);
    told(
        &mut state,
        Told::Facts(json!({
            "entry": "http://127.0.0.1:8080", "routesRevision": 121, "traces": {"lostRecords": 0},
        })),
    );
    for trace in traces() {
        told(&mut state, Told::Trace(trace));
    }
    told(&mut state, Told::InFlight(vec![unfinished(9, vec![hop("gw", "report").after(9_000_000).open()])]));
    told(&mut state, Told::Listed(Watched::Sandboxes, sandboxes()));
    told(&mut state, Told::Listed(Watched::Events, events()));
    told(&mut state, Told::Listed(Watched::Pods, pods()));
    state.update(Event::Time(at(10)));
    state
}

/// Requests: plain, by a fork that fails, without the key further on, refused, strange.
pub(crate) fn traces() -> Vec<Arc<Trace>> {
    vec![
        trace(
            1,
            vec![
                hop("gw", "front").target("/products?p=2").lasting(12_000),
                hop("front", "catalog").under(0, 2_000).lasting(8_000),
            ],
        ),
        trace(
            2,
            vec![
                hop("gw", "front")
                    .method("POST")
                    .target("/checkout")
                    .key("pr-421")
                    .status(503)
                    .lasting(842_000),
                hop("front", "checkout")
                    .method("POST")
                    .target("/orders")
                    .fork("pr-421")
                    .status(503)
                    .under(0, 9_000)
                    .lasting(811_000),
                hop("checkout", "inventory").target("/stock").lost("pr-421").under(1, 12_000).lasting(6_000),
                hop("checkout", "payments")
                    .method("POST")
                    .target("/charge")
                    .fork("pr-421")
                    .status(503)
                    .error("upstream-closed")
                    .under(1, 20_000)
                    .lasting(790_000),
            ],
        ),
        trace(3, vec![hop("gw", "front").target("/cart/日本語の長い名前").after(1_500_000).lasting(48_000)]),
        trace(
            4,
            vec![
                hop("gw", "front")
                    .target("/search?q=\u{202e}evil")
                    .after(4_000_000)
                    .lasting(3_100_000)
                    .status(404),
            ],
        ),
    ]
}

fn sandboxes() -> Vec<Value> {
    let sandbox = |name: &str, made: &str, status: Value| {
        json!({
            "metadata": {"namespace": "shop", "name": name, "uid": name, "creationTimestamp": made},
            "spec": {"forks": [{"of": {"kind": "Deployment", "name": "payments"}}, {"of": {"name": "checkout"}}]},
            "status": status,
        })
    };
    let forks = json!([
        {"of": {"name": "payments"}, "workload": "pr-421-payments", "ready": true, "services": ["payments"]},
        {"of": {"name": "checkout"}, "workload": "pr-421-checkout", "ready": true, "services": ["checkout"]},
    ]);
    let ready = json!([{"type": "Ready", "status": "True", "reason": "Ready", "message": ""}]);
    let waiting = json!([{"type": "Ready", "status": "False", "reason": "ForksNotReady",
        "message": "fork `payments` is not ready: pulling the image"}]);
    vec![
        sandbox(
            "pr-421",
            "2026-11-20T10:04:00Z",
            json!({"routingKey": "pr-421", "conditions": ready, "forks": forks}),
        ),
        sandbox(
            "pr-430",
            "2026-11-20T12:03:58Z",
            json!({"routingKey": "k2j5x8q1m4t7", "conditions": waiting}),
        ),
        sandbox("qa-all", "2026-11-20T12:04:09Z", json!({})),
    ]
}

fn events() -> Vec<Value> {
    let event = |uid: &str, last: &str, kind: &str, reason: &str, message: &str, count: u32| {
        json!({
            "metadata": {"uid": uid, "namespace": "shop"}, "lastTimestamp": last, "type": kind, "reason": reason,
            "message": message, "count": count,
            "involvedObject": {"kind": "Pod", "name": "payments-7d9f"},
        })
    };
    vec![
        event("a", "2026-11-20T12:01:00Z", "Normal", "Started", "Started container payments", 1),
        event(
            "b",
            "2026-11-20T12:04:05Z",
            "Warning",
            "Unhealthy",
            "Readiness probe failed: HTTP probe failed with statuscode: 503",
            7,
        ),
    ]
}

fn pods() -> Vec<Value> {
    let pod = |name: &str, phase: &str| {
        json!({
            "metadata": {"namespace": "shop", "name": name, "uid": name,
                "creationTimestamp": "2026-11-20T12:00:00Z"},
            "spec": {"containers": [{"name": "main"}, {"name": "side"}]},
            "status": {"phase": phase},
        })
    };
    vec![pod("front-1", "Running"), pod("payments-1", "Pending")]
}
