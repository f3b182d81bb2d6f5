//! Hops written in a few words, and a store that takes them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::uri::PathAndQuery;
use http::{Method, Version as HttpVersion};
use spur_route::{
    Carrier, Endpoint, Reason, RoutingKey, SandboxRef, ServicePort, SpanId, TraceId, Version, Wire,
};
use spur_trace::{
    Attributes, Carried, Decision, HopEnd, HopError, HopId, HopSource, HopStart, KeyHeader, Limits, Record,
    Resource, Span, SpanKind, SpanStatus, Trace, TraceStore,
};

/// A hop being written. By default it comes from outside, takes the baseline, and answers 200.
#[derive(Clone, Debug)]
pub(crate) struct Hop {
    start: HopStart,
    end: Option<HopEnd>,
}

/// A hop of trace 1 to a service; `span` is its own, and it takes from `from_ms` to `to_ms`.
pub(crate) fn hop(span: u64, service: &str, from_ms: u64, to_ms: u64) -> Hop {
    let endpoint = endpoint(service, service);
    Hop {
        start: HopStart {
            id: HopId { trace_id: TraceId::new(1).unwrap(), span_id: SpanId::new(span).unwrap() },
            incoming_parent_id: None,
            started: start_of_day() + Duration::from_millis(from_ms),
            source: None,
            decision: Decision {
                table_revision: 7,
                service: Some(Arc::new(ServicePort {
                    namespace: "shop".into(),
                    name: service.into(),
                    port: 80,
                    wire: Wire::Auto,
                })),
                rule: None,
                subset: None,
                share: None,
                version: Version::Baseline,
                key: None,
                is_injected: false,
                n_disagreeing: 0,
                n_malformed: 0,
                fell_back: false,
                reason: Reason::NoKey,
                asked: None,
            },
            endpoint: Some(endpoint.clone()),
            method: Method::GET,
            target: Some(PathAndQuery::from_static("/")),
            http_version: HttpVersion::HTTP_11,
            carried: Carried::default(),
            replay_of: None,
        },
        end: Some(HopEnd {
            duration: Duration::from_millis(to_ms - from_ms),
            served_by: Some(endpoint),
            status: Some(200),
            grpc_status: None,
            request_bytes: 0,
            response_bytes: 2,
            error: None,
        }),
    }
}

/// 2026-11-20T12:00:00Z, so that snapshots stay.
fn start_of_day() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_176_000)
}

fn endpoint(workload: &str, pod: &str) -> Endpoint {
    Endpoint {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, 30_000)),
        pod: format!("{pod}-0").into(),
        workload: workload.into(),
    }
}

/// A store that has taken these hops in, each with its start and end, and has settled.
pub(crate) fn settled(hops: &[Hop]) -> (TraceStore, Vec<Arc<Trace>>) {
    let mut store = TraceStore::new(Limits::default());
    let mut records: Vec<(SystemTime, Record)> = hops.iter().flat_map(Hop::timed).collect();
    records.sort_by_key(|(time, _)| *time);
    for (_, record) in records {
        store.apply(record);
    }
    let published = settle(&mut store);
    (store, published)
}

/// The one trace of these hops.
pub(crate) fn trace(hops: &[Hop]) -> Arc<Trace> {
    let (_, mut published) = settled(hops);
    assert_eq!(published.len(), 1);
    published.remove(0)
}

/// Two sweeps without news.
pub(crate) fn settle(store: &mut TraceStore) -> Vec<Arc<Trace>> {
    let mut published = store.end_sweep();
    published.extend(store.end_sweep());
    published
}

// === impl Hop ===

impl Hop {
    /// Sent by the baseline of a workload.
    pub(crate) fn from(mut self, workload: &str) -> Self {
        self.start.source = Some(HopSource {
            namespace: "shop".into(),
            workload: workload.into(),
            pod: format!("{workload}-0").into(),
            sandbox: None,
        });
        self
    }

    /// With a `traceparent` that names this span.
    pub(crate) fn parent(mut self, span: u64) -> Self {
        self.start.incoming_parent_id = SpanId::new(span);
        self
    }

    pub(crate) fn key(mut self, key: &str) -> Self {
        self.start.decision.key = Some(RoutingKey { value: key.into(), carrier: Carrier::Baggage });
        self
    }

    /// Served by the fork of sandbox `pr-421`, whose workload is `fork`.
    pub(crate) fn fork(mut self, fork: &str) -> Self {
        let decision = &mut self.start.decision;
        decision.reason = Reason::Forked;
        decision.version = Version::Sandbox(Arc::new(SandboxRef {
            namespace: "shop".into(),
            name: "pr-421".into(),
            revision: 5,
        }));
        self.start.endpoint = Some(endpoint(fork, fork));
        if let Some(end) = &mut self.end {
            end.served_by = self.start.endpoint.clone();
        }
        self.key("pr-421")
    }

    /// With this carrier of its key, which the proxy writes into all headers.
    pub(crate) fn injected(mut self, key: &str, carrier: Carrier) -> Self {
        self.start.decision.key = Some(RoutingKey { value: key.into(), carrier });
        self.start.decision.is_injected = true;
        self
    }

    pub(crate) fn carrying(mut self, header: KeyHeader) -> Self {
        self.start.carried = self.start.carried.with(header);
        self
    }

    pub(crate) fn path(mut self, path: &'static str) -> Self {
        self.start.target = Some(PathAndQuery::from_static(path));
        self
    }

    pub(crate) fn fell_back(mut self) -> Self {
        self.start.decision.fell_back = true;
        self.start.decision.reason = Reason::ForkNotReadyFellBack;
        self
    }

    pub(crate) fn status(self, status: u16) -> Self {
        self.ending(|end| end.status = Some(status))
    }

    pub(crate) fn grpc_status(self, status: u32) -> Self {
        self.ending(|end| end.grpc_status = Some(status))
    }

    pub(crate) fn error(self, error: HopError) -> Self {
        self.ending(|end| end.error = Some(error))
    }

    /// Refused by verdict.
    pub(crate) fn refused(mut self, reason: Reason, asked: &str) -> Self {
        self.start.decision.reason = reason;
        self.start.decision.asked = Some(asked.into());
        self.start.endpoint = None;
        if reason.refusal_status() == Some(404) {
            self.start.decision.service = None;
        }
        self.ending(|end| {
            end.served_by = None;
            end.status = reason.refusal_status();
        })
    }

    /// It never ends.
    pub(crate) fn hung(mut self) -> Self {
        self.end = None;
        self
    }

    /// In another trace than 1.
    pub(crate) fn in_trace(mut self, trace: u128) -> Self {
        self.start.id.trace_id = TraceId::new(trace).unwrap();
        self
    }

    /// With this span instead.
    pub(crate) fn span(mut self, span: u64) -> Self {
        self.start.id.span_id = SpanId::new(span).unwrap();
        self
    }

    pub(crate) fn id(&self) -> HopId {
        self.start.id
    }

    pub(crate) fn start(&self) -> Record {
        Record::Start(Arc::new(self.start.clone()))
    }

    pub(crate) fn end(&self) -> Record {
        let end = self.end.clone().expect("this hop ends");
        Record::End(self.start.id, Arc::new(end))
    }

    fn ending(mut self, change: impl FnOnce(&mut HopEnd)) -> Self {
        change(self.end.as_mut().expect("this hop ends"));
        self
    }

    fn timed(&self) -> Vec<(SystemTime, Record)> {
        let started = self.start.started;
        let mut records = vec![(started, self.start())];
        if let Some(end) = &self.end {
            records.push((started + end.duration, self.end()));
        }
        records
    }
}

/// A span of trace 1 that a service reported, within a millisecond of its id.
pub(crate) fn span(id: u64, service: &str, parent: u64) -> Span {
    Span {
        trace_id: TraceId::new(1).unwrap(),
        span_id: SpanId::new(id).unwrap(),
        parent_id: SpanId::new(parent),
        resource: Arc::new(Resource { service: service.into(), resource: Attributes::default() }),
        scope: Arc::default(),
        name: "work".into(),
        kind: SpanKind::Internal,
        started: start_of_day() + Duration::from_millis(id),
        duration: Duration::from_millis(3),
        status: SpanStatus::Unset,
        status_message: None,
        attributes: Attributes::default(),
        events: Vec::new(),
        links: Vec::new(),
        n_dropped: 0,
    }
}
