//! A proxy with a table made of upstreams, all in namespace `shop`.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use spur_istio::Spec;
use spur_net::{Caller, Callers, Destination, Dial, Inlet, bind_loopback};
use spur_proxy::{AccessLog, Config, Drained, Handle, Proxy};
use spur_route::{
    CredentialSpec, DatagramPortSpec, EndpointSpec, Fallback, ForkSpec, PortSpec, RoutingTable, RuleSpecs,
    SandboxSpec, ServiceSpec, Specs, Visibility,
};
use spur_trace::{HopEnd, HopStart, Record};
use tokio_util::sync::CancellationToken;

use super::{Client, Pair, Upstream};

pub(crate) const NAMESPACE: &str = "shop";
const PORT: u16 = 80;

/// What the table is made from.
#[derive(Clone, Default)]
pub(crate) struct Plan {
    services: Vec<ServiceSpec>,
    sandboxes: Vec<SandboxSpec>,
    rules: RuleSpecs,
    workers: Option<usize>,
    change: Option<fn(&mut Config)>,
    access_log: Option<AccessLog>,
    dial: Dial,
}

/// A running proxy.
pub(crate) struct World {
    pub(crate) handle: Handle,
    pub(crate) table: Arc<ArcSwap<RoutingTable>>,
    entry: SocketAddr,
    pub(crate) entry_closed: CancellationToken,
}

pub(crate) fn world() -> Plan {
    Plan::default()
}

/// A pod of `workload`, perhaps a sandbox's.
pub(crate) fn caller(workload: &str, sandbox: Option<&str>) -> Caller {
    Caller {
        namespace: NAMESPACE.into(),
        workload: workload.into(),
        pod: format!("{workload}-1").into(),
        labels: Arc::default(),
        sandbox: sandbox.map(Into::into),
    }
}

fn endpoint(upstream: &Upstream, is_ready: bool) -> EndpointSpec {
    EndpointSpec {
        port: PORT,
        address: upstream.address,
        pod: format!("{}-1", upstream.name).into(),
        workload: upstream.name.into(),
        labels: Arc::default(),
        is_ready,
    }
}

fn datagram_port(number: u16, addresses: &[SocketAddr]) -> DatagramPortSpec {
    let endpoint = |(idx, address): (usize, &SocketAddr)| EndpointSpec {
        port: number,
        address: *address,
        pod: format!("dns-{idx}").into(),
        workload: "dns".into(),
        labels: Arc::default(),
        is_ready: true,
    };
    DatagramPortSpec { number, endpoints: addresses.iter().enumerate().map(endpoint).collect() }
}

impl Plan {
    /// A Service on port 80 whose endpoints are `upstreams`, in their order.
    pub(crate) fn service(mut self, name: &str, upstreams: &[&Upstream]) -> Self {
        self.services.push(ServiceSpec {
            namespace: NAMESPACE.into(),
            name: name.into(),
            revision: 1,
            hosts: Vec::new(),
            export_to: Visibility::Everyone,
            affinity: None,
            datagrams: Vec::new(),
            ports: vec![PortSpec {
                number: PORT,
                name: "http".into(),
                wire: upstreams.first().map_or(spur_route::Wire::Http1, |u| u.wire),
            }],
            endpoints: upstreams.iter().map(|u| endpoint(u, true)).collect(),
        });
        self
    }

    /// A Service whose one port takes datagrams, with these endpoints.
    pub(crate) fn datagrams(mut self, name: &str, number: u16, addresses: &[SocketAddr]) -> Self {
        self.services.push(ServiceSpec {
            namespace: NAMESPACE.into(),
            name: name.into(),
            revision: 1,
            hosts: Vec::new(),
            export_to: Visibility::Everyone,
            affinity: None,
            datagrams: vec![datagram_port(number, addresses)],
            ports: Vec::new(),
            endpoints: Vec::new(),
        });
        self
    }

    /// A sandbox that forks it.
    pub(crate) fn datagram_fork(mut self, sandbox: &str, name: &str, number: u16, to: SocketAddr) -> Self {
        self.sandboxes.push(SandboxSpec {
            namespace: NAMESPACE.into(),
            name: sandbox.into(),
            revision: 1,
            key: sandbox.into(),
            fallback: Fallback::Baseline,
            forks: vec![ForkSpec {
                service: name.into(),
                workload: name.into(),
                datagrams: vec![datagram_port(number, &[to])],
                endpoints: Vec::new(),
            }],
        });
        self
    }

    /// Clients of `service` stay with their endpoint for an hour.
    pub(crate) fn affinity(mut self, service: &str) -> Self {
        for spec in self.services.iter_mut().filter(|spec| &*spec.name == service) {
            spec.affinity = Some(Duration::from_secs(3600));
        }
        self
    }

    /// Says what the ports of `service` speak.
    pub(crate) fn wire(mut self, service: &str, wire: spur_route::Wire) -> Self {
        for spec in self.services.iter_mut().filter(|spec| &*spec.name == service) {
            spec.ports[0].wire = wire;
        }
        self
    }

    /// A sandbox that forks `service` with `upstream`, its name being its key.
    pub(crate) fn fork(self, sandbox: &str, service: &str, upstream: &Upstream) -> Self {
        self.sandbox(sandbox, service, (upstream, true), Fallback::Baseline)
    }

    pub(crate) fn sandbox(
        mut self,
        sandbox: &str,
        service: &str,
        (upstream, is_ready): (&Upstream, bool),
        fallback: Fallback,
    ) -> Self {
        self.sandboxes.push(SandboxSpec {
            namespace: NAMESPACE.into(),
            name: sandbox.into(),
            revision: 1,
            key: sandbox.into(),
            fallback,
            forks: vec![ForkSpec {
                service: service.into(),
                workload: upstream.name.into(),
                datagrams: Vec::new(),
                endpoints: vec![endpoint(upstream, is_ready)],
            }],
        });
        self
    }

    /// An object of Istio's, its spec in YAML.
    pub(crate) fn istio(mut self, kind: &str, spec: &str) -> Self {
        let spec = spur_api::yaml::document(spec).unwrap();
        let metadata = serde_json::json!({"namespace": NAMESPACE, "name": "it"});
        let reading = spur_istio::read(&serde_json::json!({
            "apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec,
        }));
        let reading = reading.unwrap();
        assert_eq!(reading.faults, []);
        match reading.spec.unwrap() {
            Spec::VirtualService(spec) => self.rules.virtual_services.push(Arc::new(spec)),
            Spec::DestinationRule(spec) => self.rules.destination_rules.push(Arc::new(spec)),
            Spec::Gateway(mut spec) => {
                // Every one has a name of its own: `shop/it`, `shop/it-1`, …
                if let n @ 1.. = self.rules.gateways.len() {
                    spec.id = format!("{NAMESPACE}/it-{n}").into();
                }
                self.rules.gateways.push(Arc::new(spec));
            }
            Spec::ServiceEntry(entries) => {
                self.services.extend(entries.iter().map(|entry| (*entry.service).clone()));
            }
        }
        self
    }

    /// A Secret with this certificate, or a newer one in its place.
    pub(crate) fn secret(mut self, name: &str, pair: &Pair) -> Self {
        self.rules.credentials.retain(|known| &*known.name != name);
        self.rules.credentials.push(CredentialSpec {
            namespace: NAMESPACE.into(),
            name: name.into(),
            credential: pair.credential(),
        });
        self
    }

    pub(crate) fn workers(mut self, n: usize) -> Self {
        self.workers = Some(n);
        self
    }

    /// Bounds and timeouts other than the usual ones.
    pub(crate) fn config(mut self, change: fn(&mut Config)) -> Self {
        self.change = Some(change);
        self
    }

    /// Where requests are logged.
    pub(crate) fn access_log(mut self, log: AccessLog) -> Self {
        self.access_log = Some(log);
        self
    }

    /// How addresses are reached.
    pub(crate) fn dial(mut self, dial: Dial) -> Self {
        self.dial = dial;
        self
    }

    pub(crate) fn table(&self, revision: u64) -> RoutingTable {
        let (sandboxes, rules) = (self.sandboxes.clone(), self.rules.clone().into());
        RoutingTable::of(revision, Specs { sandboxes, rules, ..Specs::of_services(self.services.clone()) })
    }

    pub(crate) async fn start(self) -> World {
        let table = Arc::new(ArcSwap::from_pointee(self.table(1)));
        let mut config = Config::new(self.workers.unwrap_or(1), Arc::clone(&table));
        if let Some(change) = self.change {
            change(&mut config);
        }
        config.access_log = self.access_log;
        config.dial = self.dial;
        let handle = Proxy::start(config).unwrap();
        let entry_closed = CancellationToken::new();
        let entry = open(&handle, None, Destination::Entry, &entry_closed).await;
        World { handle, table, entry, entry_closed }
    }
}

impl World {
    /// A client of the entry listener that asks for `host`.
    pub(crate) fn client(&self, host: &str) -> Client {
        Client::new(self.entry, host)
    }

    pub(crate) fn entry(&self) -> SocketAddr {
        self.entry
    }

    /// A listener of `service` for `caller`.
    pub(crate) async fn inlet(&self, caller: Option<Caller>, service: &str) -> SocketAddr {
        let destination =
            Destination::ServicePort { namespace: NAMESPACE.into(), service: service.into(), port: PORT };
        open(&self.handle, caller, destination, &CancellationToken::new()).await
    }

    /// The way out of a pod's network.
    pub(crate) async fn egress(&self, caller: Caller) -> SocketAddr {
        open(&self.handle, Some(caller), Destination::Egress, &CancellationToken::new()).await
    }

    /// A listener for a port of gateways.
    pub(crate) async fn gateway(&self, port: u16) -> SocketAddr {
        open(&self.handle, None, Destination::Gateway { port }, &CancellationToken::new()).await
    }

    pub(crate) async fn drain(self, deadline: Duration) -> Drained {
        self.handle.drain(deadline).await
    }

    /// All records so far.
    pub(crate) fn records(&self) -> Vec<Record> {
        let rings = self.handle.rings();
        rings.iter().flat_map(|ring| std::iter::from_fn(|| ring.pop())).collect()
    }

    /// The one hop there was, once it has ended.
    pub(crate) async fn only_hop(&self) -> (HopStart, HopEnd) {
        let mut records = Vec::new();
        super::eventually("the hop ends", || {
            records.extend(self.records());
            records.iter().any(|record| matches!(record, Record::End(..)))
        })
        .await;
        let mut start = None;
        let mut end = None;
        for record in records {
            match record {
                Record::Start(one) => {
                    assert!(start.replace(Arc::unwrap_or_clone(one)).is_none(), "one hop only");
                }
                Record::End(_, one) => {
                    assert!(end.replace(Arc::unwrap_or_clone(one)).is_none(), "one hop only");
                }
                Record::Progress(..) => {}
            }
        }
        (start.unwrap(), end.unwrap())
    }
}

async fn open(
    handle: &Handle,
    caller: Option<Caller>,
    destination: Destination,
    closed: &CancellationToken,
) -> SocketAddr {
    let listener = bind_loopback().unwrap();
    let address = listener.local_addr().unwrap();
    let callers = caller.map_or(Callers::Anybody, Callers::One);
    let inlet = Inlet { listener, callers, destination, closed: closed.clone() };
    handle.inlets().send(inlet).await.unwrap();
    address
}
