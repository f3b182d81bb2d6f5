//! The small world that the rows of `decide.rs` are asked in.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use spur_route::{
    Ask, CarrierSpec, Destination, EndpointSpec, Explanation, Fallback, ForkSpec, Outcome, PortSpec,
    RoutingTable, SandboxSpec, ServiceSpec, Source, Verdict, Visibility, Wire, decide,
};

/// Both halves are too long for one label.
pub(crate) const LONG_SANDBOX: &str = "feature-checkout-with-a-very-long-name";
pub(crate) const LONG_SERVICE: &str = "recommendation-service-internal-v2";

/// A request being written.
pub(crate) struct Request {
    destination: String,
    is_host: bool,
    is_connection: bool,
    source_sandbox: Option<String>,
    target: Uri,
    headers: HeaderMap,
    carriers: CarrierSpec,
}

/// A request on the listener of `namespace/service:port`.
pub(crate) fn to(destination: &str) -> Request {
    Request {
        destination: destination.to_owned(),
        is_host: false,
        is_connection: false,
        source_sandbox: None,
        target: Uri::from_static("/"),
        headers: HeaderMap::new(),
        carriers: CarrierSpec {
            headers: vec![HeaderName::from_static("x-team")],
            cookie: Some("key".into()),
            query: Some("key".into()),
        },
    }
}

/// A request on the entry listener.
pub(crate) fn to_host(host: &str) -> Request {
    Request { is_host: true, ..to(host) }
}

/// A connection whose bytes are not read.
pub(crate) fn connection(destination: &str, sandbox: Option<&str>) -> Request {
    Request { is_connection: true, source_sandbox: sandbox.map(str::to_owned), ..to(destination) }
}

/// Asks, and compares the verdict in words:
/// `service version reason [key=K@CARRIER] [disagreeing=N] [malformed=N] [fell-back] [inject] → pods|status asked`.
#[track_caller]
pub(crate) fn check(request: Request, expected: &str) {
    let table = table().with_carriers(request.carriers.clone());
    let verdict = request.with_ask(|ask| decide(&table, ask));
    assert_eq!(words(&verdict), expected);
    assert_eq!(request.with_ask(|ask| spur_route::explain(&table, ask)).verdict, verdict);
}

/// Asks for an explanation.
pub(crate) fn explain(request: &Request) -> Explanation {
    let table = table().with_carriers(request.carriers.clone());
    request.with_ask(|ask| spur_route::explain(&table, ask))
}

fn words(verdict: &Verdict) -> String {
    let mut words = vec![
        verdict.service.as_ref().map_or("-".to_owned(), |service| service.to_string()),
        verdict.version.to_string(),
        verdict.reason.to_string(),
    ];
    if let Some(key) = &verdict.key {
        let carrier = serde_json::to_value(key.carrier).unwrap();
        words.push(format!("key={}@{}", key.value, carrier.as_str().unwrap()));
    }
    for (word, n) in [("disagreeing", verdict.n_disagreeing), ("malformed", verdict.n_malformed)] {
        if n > 0 {
            words.push(format!("{word}={n}"));
        }
    }
    if verdict.fell_back {
        words.push("fell-back".to_owned());
    }
    if verdict.key_to_inject().is_some() {
        words.push("inject".to_owned());
    }
    words.push("→".to_owned());
    words.push(match &verdict.outcome {
        Outcome::Forward { backends } => {
            let pods: Vec<_> = backends.iter().map(|backend| &*backend.pod).collect();
            pods.join(",")
        }
        Outcome::Respond { status, location } => {
            format!("{status} {}", location.as_deref().unwrap_or_default()).trim_end().to_owned()
        }
        Outcome::Refuse { status, asked } => format!("{status} {asked}"),
    });
    words.join(" ")
}

fn table() -> RoutingTable {
    RoutingTable::build(
        7,
        vec![
            service("shop", "frontend", &[80], &["frontend-0"]),
            service("shop", "pricing", &[80, 9090], &["pricing-0", "pricing-1 down"]),
            service("shop", "cart", &[80], &["cart-0 down"]),
            service("shop", "tools--ui", &[80], &["tools-0"]),
            service("shop", LONG_SERVICE, &[80], &["long-0"]),
            service("other", "pricing", &[80], &["other-pricing-0"]),
            service("default", "web", &[3000], &["web-0"]),
        ],
        vec![
            sandbox(
                "pr-421",
                Fallback::Baseline,
                vec![
                    fork("pricing", &[80, 9090], &["pr-421-pricing-0"]),
                    fork("cart", &[80], &["pr-421-cart-a-0"]),
                    fork("cart", &[80], &["pr-421-cart-b-0"]),
                    fork("not-there", &[80], &["pr-421-not-there-0"]),
                ],
            ),
            sandbox(
                "qa",
                Fallback::Baseline,
                vec![fork("pricing", &[80, 9090], &["qa-pricing-0 down"]), fork("cart", &[80], &[])],
            ),
            sandbox("strict", Fallback::Fail, vec![fork("pricing", &[9090], &["strict-pricing-0"])]),
            sandbox(LONG_SANDBOX, Fallback::Baseline, vec![]),
        ],
    )
}

fn service(namespace: &str, name: &str, ports: &[u16], pods: &[&str]) -> ServiceSpec {
    ServiceSpec {
        namespace: namespace.into(),
        name: name.into(),
        revision: 3,
        hosts: Vec::new(),
        export_to: Visibility::Everyone,
        affinity: None,
        datagrams: Vec::new(),
        ports: ports
            .iter()
            .map(|number| PortSpec { number: *number, name: Arc::default(), wire: Wire::Auto })
            .collect(),
        endpoints: endpoints(name, ports, pods),
    }
}

fn sandbox(name: &str, fallback: Fallback, forks: Vec<ForkSpec>) -> SandboxSpec {
    SandboxSpec {
        namespace: "shop".into(),
        name: name.into(),
        revision: 5,
        key: name.into(),
        fallback,
        forks,
    }
}

fn fork(service: &str, ports: &[u16], pods: &[&str]) -> ForkSpec {
    ForkSpec {
        service: service.into(),
        workload: service.into(),
        datagrams: Vec::new(),
        endpoints: endpoints(service, ports, pods),
    }
}

/// `pod` is ready, `pod down` is not.
fn endpoints(workload: &str, ports: &[u16], pods: &[&str]) -> Vec<EndpointSpec> {
    let endpoint = |port: u16, pod: &str| EndpointSpec {
        port,
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, 30_000 + port)),
        pod: pod.trim_end_matches(" down").into(),
        workload: workload.into(),
        labels: Arc::default(),
        is_ready: !pod.ends_with(" down"),
    };
    ports.iter().flat_map(|port| pods.iter().map(|pod| endpoint(*port, pod))).collect()
}

// === impl Request ===

impl Request {
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        self.headers.append(name, value);
        self
    }

    pub(crate) fn target(mut self, target: &str) -> Self {
        self.target = target.parse().unwrap();
        self
    }

    pub(crate) fn sent_by_sandbox(mut self, sandbox: &str) -> Self {
        self.source_sandbox = Some(sandbox.to_owned());
        self
    }

    /// Without configured carriers.
    pub(crate) fn by_default(mut self) -> Self {
        self.carriers = CarrierSpec::default();
        self
    }

    fn with_ask<T>(&self, ask: impl FnOnce(&Ask<'_>) -> T) -> T {
        let source = self.source_sandbox.as_ref().map(|sandbox| Source {
            namespace: "shop",
            workload: "caller",
            labels: None,
            sandbox: Some(sandbox),
        });
        let destination = self.destination();
        if self.is_connection {
            return ask(&Ask::connection(destination, source));
        }
        ask(&Ask {
            destination,
            source,
            method: &Method::GET,
            uri: &self.target,
            host: if self.is_host { &self.destination } else { "" },
            headers: &self.headers,
            is_tls: false,
            server: None,
            lot: 0,
            is_connection: false,
        })
    }

    fn destination(&self) -> Destination<'_> {
        if self.is_host {
            return Destination::Host(&self.destination);
        }
        let (namespace, rest) = self.destination.split_once('/').unwrap();
        let (service, port) = rest.split_once(':').unwrap();
        Destination::Service { namespace, service, port: port.parse().unwrap() }
    }
}
