//! Traces for tests, made as the server writes them.
//!
//! Times are counted from 2026-11-20T12:04:00Z; ids from 1.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use spur_trace::{LogLine, Trace};

use crate::event::{Ask, Event, Told, Watched};
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
    /// The reported span that its request names.
    named_by: Option<usize>,
    is_captured: bool,
}

/// A span to be, reported by a service, of 5 ms.
#[derive(Clone)]
pub(crate) struct MadeSpan(Value);

/// Under the hop of that place; where there is none, under what is not there.
pub(crate) fn span(service: &str, name: &str, hop_idx: usize) -> MadeSpan {
    MadeSpan(json!({
        "service": service, "name": name, "kind": "internal", "started": null, "duration_us": 5_000,
        "status": "unset", "parent": {"hop": hop_idx},
        "attributes": {"db.system": "postgresql", "db.statement": "select 1"},
    }))
}

fn span_id(n: usize) -> String {
    format!("{:016x}", 0xa000 + n)
}

/// A trace with what applications reported of it; each span begins a millisecond after the last.
pub(crate) fn with_spans(trace: &Trace, spans: &[MadeSpan]) -> Arc<Trace> {
    let mut value = serde_json::to_value(trace).unwrap();
    let start: jiff::Timestamp = value["started"].as_str().unwrap().parse().unwrap();
    let spans = spans.iter().enumerate().map(|(n, MadeSpan(span))| {
        let mut span = span.clone();
        let started = start + jiff::SignedDuration::from_millis(1 + i64::try_from(n).unwrap());
        span["started"] = json!(format!("{started:.6}"));
        span["trace_id"] = value["trace_id"].clone();
        span["span_id"] = json!(span_id(n));
        let parent = span["parent"].take();
        span["parent_id"] = match (parent["hop"].as_u64(), parent["span"].as_u64()) {
            (Some(hop), _) => {
                let hop = value["hops"].get(usize::try_from(hop).unwrap());
                hop.map_or_else(|| json!("00000000000000ee"), |hop| hop["span_id"].clone())
            }
            (None, span) => json!(span_id(usize::try_from(span.unwrap()).unwrap())),
        };
        span.as_object_mut().unwrap().remove("parent");
        span
    });
    value["spans"] = spans.collect();
    Arc::new(serde_json::from_value(value).unwrap())
}

/// A line that a service printed, in its pod.
pub(crate) fn log_line(service: &str, message: &str) -> LogLine {
    let mut line = LogLine::read(at(7), message.as_bytes());
    (line.service, line.pod) = (service.into(), Some(format!("{service}-1").into()));
    line
}

/// A checkout by a fork that fails, captured, with what applications reported of it.
pub(crate) fn exchange() -> Arc<Trace> {
    let hops = vec![
        hop("gw", "front")
            .method("POST")
            .target("/checkout")
            .key("pr-421")
            .status(503)
            .lasting(30_000)
            .captured(),
        hop("front", "payments")
            .method("POST")
            .target("/charge")
            .fork("pr-421")
            .status(503)
            .lasting(20_000)
            .under(0, 4_000)
            .captured(),
        hop("front", "stock").under(0, 25_000),
    ];
    let hops: Vec<Made> =
        hops.into_iter().map(|hop| Made { starts_us: hop.starts_us + 5_000_000, ..hop }).collect();
    with_spans(&trace(12, hops), &[span("payments", "db.query", 1), span("front", "render", 0)])
}

/// The server's answer about captured hops, each a POST with a secret that is left out.
pub(crate) fn captures(trace: &Trace) -> Value {
    let captured = trace.hops.iter().filter(|hop| hop.captured.is_some()).map(|hop| {
        let target = hop.start.target.as_ref().map_or("/", |target| target.as_str());
        json!({
            "trace_id": trace.trace_id.to_string(), "span_id": hop.start.id.span_id.to_string(),
            "request": {
                "method": hop.start.method.as_str(), "authority": "payments.shop", "target": target,
                "http_version": "HTTP/1.1", "ended_us": 300,
                "headers": [
                    {"name": "content-type", "text": "application/json"},
                    {"name": "authorization", "text": "REDACTED"},
                ],
                "body": {"text": "{\"order\":42,\"amount\":19.90}", "n_bytes": 27, "has_ended": true},
            },
            "response": {
                "status": hop.end.as_ref().and_then(|end| end.status).unwrap_or(200), "began_us": 3_000,
                "headers": [{"name": "x-version", "text": hop.key().unwrap_or("v1")}],
                "body": {"text": format!("{{\"by\":\"{}\"}}", hop.key().unwrap_or("v1")),
                    "n_bytes": 100_000, "has_ended": true},
            },
        })
    });
    json!({"captures": captured.collect::<Vec<_>>(), "isRedacted": true, "nDropped": 0, "nHops": trace.hops.len()})
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
    Made { value, starts_us: 0, parent: None, named_by: None, is_captured: false }
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
            if let Some(n) = hop.named_by {
                value["incoming_parent_id"] = json!(span_id(n));
            }
            if hop.is_captured {
                value["captured"] = json!(true);
            }
            value
        })
        .collect();
    let trace = json!({
        "seq": if is_finished { id } else { 0 }, "trace_id": trace_id, "is_finished": is_finished,
        "started": time(first), "duration_us": end - first, "key": key, "n_dropped_hops": 0, "hops": hops,
    });
    Arc::new(serde_json::from_value(trace).unwrap())
}

// === impl MadeSpan ===

impl MadeSpan {
    /// Under another span, by its place.
    pub(crate) fn inside(mut self, span: usize) -> Self {
        self.0["parent"] = json!({"span": span});
        self
    }
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

    /// Called by a reported span.
    pub(crate) fn named_by(mut self, span: usize) -> Self {
        self.named_by = Some(span);
        self
    }

    /// Heads and bodies were kept.
    pub(crate) fn captured(mut self) -> Self {
        self.is_captured = true;
        self
    }

    /// Sent again, for the request of a trace.
    pub(crate) fn replay_of(mut self, id: u32) -> Self {
        self.value["replay_of"] = json!(format!("4f2a{id:028x}"));
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

    /// Drawn by weight, of 100.
    pub(crate) fn drawn(mut self, workload: &str, subset: &str, weight: u32) -> Self {
        let decision = &mut self.value["decision"];
        decision["rule"] = json!({"kind": "VirtualService", "namespace": "shop", "name": "catalog",
            "revision": 8812, "route": "http[1] `canary`"});
        decision["subset"] = json!(subset);
        decision["share"] = json!({"weight": weight, "of": 100});
        self.with("/endpoint/workload", workload).with("/served_by/workload", workload)
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
    let rates = json!({"from": 1_795_176_241, "to": 1_795_176_250, "rows": [
        {"n": 4, "n_failed": 1, "p50_us": 48_000, "p95_us": 3_100_000, "p99_us": 3_100_000},
    ]});
    told(&mut state, Told::Answered(Ask::Rates, Ok(rates)));
    told(&mut state, Told::InFlight(vec![unfinished(9, vec![hop("gw", "report").after(9_000_000).open()])]));
    told(&mut state, Told::Listed(Watched::Sandboxes, sandboxes()));
    told(&mut state, Told::Listed(Watched::Events, events()));
    told(&mut state, Told::Listed(Watched::Pods, pods()));
    told(&mut state, Told::Answered(Ask::Edges { ago_s: 0 }, Ok(edges())));
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

/// A row of `/spur/v1/traces/summary?by=edge-version`, of calls of 4 ms.
pub(crate) fn edge_row(from: &str, to: &str, workload: &str, n: u64, n_failed: u64) -> Value {
    let place = |name: &str| json!({"namespace": "shop", "name": name});
    let from = if from == "gw" { Value::Null } else { place(from) };
    json!({
        "edge": {"from": from, "to": place(to)}, "workload": workload, "n": n, "n_failed": n_failed,
        "p50_us": 4_000, "p95_us": 96_000, "p99_us": 210_000,
    })
}

/// The same for a fork of a service.
pub(crate) fn fork_row(from: &str, (service, sandbox): (&str, &str), n: u64, n_failed: u64) -> Value {
    let mut row = edge_row(from, service, service, n, n_failed);
    row["sandbox"] = json!(sandbox);
    row
}

/// Who called whom in the minute before 12:04:10.
pub(crate) fn edges() -> Value {
    let mut from_fork = fork_row("checkout", ("payments", "pr-421"), 180, 110);
    from_fork["from_sandbox"] = json!("pr-421");
    let rows = vec![
        edge_row("gw", "front", "front", 24_720, 0),
        edge_row("front", "checkout", "checkout", 13_980, 56),
        fork_row("front", ("checkout", "pr-421"), 180, 110),
        edge_row("front", "cart", "cart", 10_680, 0),
        edge_row("front", "catalog", "catalog", 6_480, 0),
        edge_row("front", "catalog", "catalog-v2", 720, 0),
        edge_row("cart", "inventory", "inventory", 600, 0),
        edge_row("checkout", "inventory", "inventory", 30, 0),
        edge_row("checkout", "payments", "payments", 12_600, 240),
        from_fork,
    ];
    json!({"from": 1_795_176_191, "to": 1_795_176_250, "rows": rows})
}

/// A rule for `/admin`, and one that splits the rest.
pub(crate) fn virtual_service(resource_version: &str, weights: [u32; 2]) -> Value {
    let to = |subset: &str, weight: u32| json!({"destination": {"host": "catalog.shop.svc.cluster.local", "subset": subset}, "weight": weight});
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"namespace": "shop", "name": "catalog", "uid": "vs-1", "resourceVersion": resource_version},
        "spec": {"hosts": ["catalog"], "http": [
            {"match": [{"uri": {"prefix": "/admin"}}], "route": [{"destination": {"host": "catalog"}}]},
            {"name": "canary", "route": [to("v1", weights[0]), to("v2", weights[1])]},
        ]},
    })
}

/// Who answered by the rule above in five minutes, and a fork that is no part of it.
pub(crate) fn shares() -> Value {
    let rule = json!({"kind": "VirtualService", "namespace": "shop", "name": "catalog", "route": "http[1] `canary`"});
    let row = |workload: &str, n: u64, n_failed: u64, p95_us: u64| {
        json!({"rule": rule, "workload": workload, "n": n, "n_failed": n_failed, "p50_us": 12_000,
            "p95_us": p95_us, "p99_us": 90_000})
    };
    let rows = vec![
        row("catalog-v1", 4_480, 9, 41_000),
        row("catalog-v2", 520, 2, 38_000),
        row("pr-1-catalog", 7, 0, 1),
    ];
    json!({"from": 1_795_175_951, "to": 1_795_176_250, "rows": rows})
}

/// The server's answer for a request to a service, by a fork or not.
pub(crate) fn explanation(service: &str, fork: Option<&str>) -> Value {
    let version = match fork {
        Some(sandbox) => json!({"sandbox": {"namespace": "shop", "name": sandbox, "revision": 42}}),
        None => json!("baseline"),
    };
    let backend = json!({"address": "127.0.0.1:32771", "pod": format!("{service}-1"), "workload": service});
    let rule = |name: &str| {
        json!({"kind": "VirtualService", "namespace": "shop", "name": name, "revision": 7,
        "route": "http[0]"})
    };
    json!({
        "asked": {"method": "GET", "target": "/cart/42", "destination": format!("{service}.shop.localhost"),
            "source": null, "source_sandbox": null},
        "carriers": [{"carrier": "header", "name": "spur-key", "value": "pr-421", "outcome": "won"}],
        "rules": [
            {"rule": rule("mobile"), "why_not": ["header `x-app` is absent, want `ios`"]},
            {"rule": rule(service), "why_not": []},
        ],
        "candidates": [
            {"version": {"sandbox": {"namespace": "shop", "name": "qa-all", "revision": 40}},
                "outcome": {"wants-key": "qa-all"}},
            {"version": version, "outcome": "taken"},
        ],
        "sentence": "baseline: no key",
        "verdict": {
            "table_revision": 121,
            "service": {"namespace": "shop", "name": service, "port": 80, "wire": "http1"},
            "rule": rule(service), "version": version, "key": null, "n_disagreeing": 0, "n_malformed": 0,
            "fell_back": false, "wants_injection": false, "reason": "no-key",
            "outcome": {"forward": {"backends": [backend]}},
        },
    })
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
