//! Hops as the proxy writes them, of a trace of a few services.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use http::uri::PathAndQuery;
use http::{Method, Version as HttpVersion};
use spur_route::{Endpoint, Reason, ServicePort, SpanId, TraceId, Version, Wire};
use spur_trace::{Carried, Decision, HopEnd, HopId, HopSource, HopStart, Record, Ring};

/// The shop's services, with twenty more, as a developer's environment has.
static SERVICES: LazyLock<Vec<Arc<ServicePort>>> = LazyLock::new(|| {
    let service = |n: usize| ServicePort {
        namespace: "shop".into(),
        name: format!("service-{n}").into(),
        port: 80,
        wire: Wire::Auto,
    };
    (0..25).map(|n| Arc::new(service(n))).collect()
});

/// The last id that was given; none is given twice.
static LAST_ID: AtomicU64 = AtomicU64::new(0);

fn next_id() -> u64 {
    LAST_ID.fetch_add(1, Ordering::Relaxed) + 1
}

/// Writes a trace of so many hops, each below the one before; how many were written.
pub(crate) fn trace(ring: &Ring, n_hops: u64, first: u64) -> u64 {
    let trace_id = TraceId::new(u128::from(next_id())).unwrap();
    let started = SystemTime::now();
    let ids: Vec<SpanId> = (0..n_hops).map(|_| SpanId::new(next_id()).unwrap()).collect();
    for (n, span_id) in ids.iter().enumerate() {
        let place = |n: usize| &SERVICES[(usize::try_from(first).unwrap() + n) % SERVICES.len()];
        let service = place(n).clone();
        let source = n.checked_sub(1).map(|above| HopSource {
            namespace: "shop".into(),
            workload: place(above).name.clone(),
            pod: place(above).name.clone(),
            sandbox: None,
        });
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        let endpoint = Endpoint { address, pod: service.name.clone(), workload: service.name.clone() };
        ring.push(Record::Start(Arc::new(HopStart {
            id: HopId { trace_id, span_id: *span_id },
            incoming_parent_id: n.checked_sub(1).map(|above| ids[above]),
            started,
            source,
            decision: Decision {
                table_revision: 7,
                service: Some(service),
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
            endpoint: Some(endpoint),
            method: Method::GET,
            target: Some(PathAndQuery::from_static("/api/cart?n=1")),
            http_version: HttpVersion::HTTP_11,
            carried: Carried::default(),
            replay_of: None,
        })));
    }
    for (n, span_id) in ids.iter().enumerate().rev() {
        let took = Duration::from_micros(900 * (n_hops - n as u64));
        ring.push(Record::End(
            HopId { trace_id, span_id: *span_id },
            Arc::new(HopEnd {
                duration: took,
                served_by: None,
                status: Some(200),
                grpc_status: None,
                request_bytes: 0,
                response_bytes: 355,
                error: None,
            }),
        ));
    }
    n_hops
}
