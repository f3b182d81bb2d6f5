//! The routing table: specs, checked and indexed once, then only read.
//!
//! It finds Services, ports, sandboxes and forks by name; which of them wins
//! is left to `decide`.

use std::collections::HashMap;
use std::sync::Arc;

use crate::carrier::{CarrierSpec, is_valid_key};
use crate::credential::TlsServer;
use crate::gateway_port::{GatewayPort, PortTakes};
use crate::host::shorten;
use crate::rule_spec::{VirtualServiceSpec, service_host};
use crate::rule_table::{RuleTable, ServicePolicies};
use crate::spec::{EndpointSpec, Fallback, ForkSpec, PortSpec, SandboxSpec, ServiceSpec, Specs};
use crate::verdict::{Endpoint, Rule, RuleKind, SandboxRef, ServicePort};

/// Everything that decides where requests go, at one revision. Immutable; a
/// new one replaces it whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutingTable {
    revision: u64,
    namespaces: HashMap<Arc<str>, Namespace>,
    /// Services by a host that is not the cluster's, as namespace and name.
    hosts: HashMap<Box<str>, (Arc<str>, Arc<str>)>,
    owners: HashMap<Arc<str>, Arc<Sandbox>>,
    rules: RuleTable,
    entry_port: Option<u16>,
    carriers: CarrierSpec,
    rejected: Vec<RejectedSandbox>,
}

/// A sandbox that is not in the table, because its key cannot route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedSandbox {
    /// The sandbox's namespace.
    pub namespace: Arc<str>,
    /// The sandbox's name.
    pub name: Arc<str>,
    /// The key that it asked for.
    pub key: Arc<str>,
    /// Why not.
    pub why: RejectedWhy,
}

/// Why a sandbox is not in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RejectedWhy {
    /// Another sandbox, before it by namespace and name, has the key.
    KeyTaken {
        /// The other's namespace.
        namespace: Arc<str>,
        /// The other's name.
        name: Arc<str>,
    },
    /// The key is not a token of 1 to 253 characters.
    KeyInvalid,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Namespace {
    services: HashMap<Arc<str>, Service>,
    sandboxes: HashMap<Arc<str>, Arc<Sandbox>>,
    /// The names that preview hosts may hold shortened, from that form.
    full_names: HashMap<Box<str>, Arc<str>>,
}

/// A Service, its baseline and its forks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) rule: Arc<Rule>,
    pub(crate) ports: Vec<Port>,
    /// By key.
    pub(crate) forks: HashMap<Arc<str>, Fork>,
    /// Those of the mesh for it; the first that a caller sees counts.
    pub(crate) virtual_services: Vec<Arc<VirtualServiceSpec>>,
    /// What DestinationRules say of it.
    pub(crate) policies: Option<Box<ServicePolicies>>,
}

/// A Service port and its baseline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) service_port: Arc<ServicePort>,
    pub(crate) baseline: Backends,
}

/// A sandbox's version of one Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fork {
    pub(crate) sandbox: Arc<Sandbox>,
    /// By the Service's port number.
    ports: Vec<(u16, Backends)>,
}

/// A sandbox without its forks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sandbox {
    pub(crate) at: Arc<SandboxRef>,
    pub(crate) key: Arc<str>,
    pub(crate) fallback: Fallback,
}

/// The endpoints of one version on one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backends {
    pub(crate) ready: Arc<[Endpoint]>,
    pub(crate) n_not_ready: usize,
}

// === impl RoutingTable ===

impl RoutingTable {
    /// Makes a table.
    ///
    /// Of two Services of one name, the first counts. Of two sandboxes with
    /// one key, the first by namespace and name has it; the other is in
    /// [`rejected`](Self::rejected). Forks of Services that are not there and
    /// endpoints of ports that are not there wait unseen.
    #[must_use]
    pub fn build(revision: u64, services: Vec<ServiceSpec>, sandboxes: Vec<SandboxSpec>) -> Self {
        Self::of(revision, Specs { services, sandboxes, ..Specs::default() })
    }

    /// The same, with rules.
    #[must_use]
    pub fn of(revision: u64, specs: Specs) -> Self {
        let Specs { services, sandboxes, rules } = specs;
        let mut table = Self { revision, rules: RuleTable::build(rules), ..Self::default() };
        for service in services {
            table.add_service(service);
        }
        let mut sandboxes = sandboxes;
        sandboxes.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        for sandbox in sandboxes {
            table.add_sandbox(sandbox);
        }
        table
    }

    /// The same table, reading these carriers as well.
    #[must_use]
    pub fn with_carriers(mut self, carriers: CarrierSpec) -> Self {
        self.carriers = carriers;
        self
    }

    /// The same table; the entry listener stands for this port of gateways, too, beside 80.
    #[must_use]
    pub fn with_entry_port(mut self, port: u16) -> Self {
        self.entry_port = Some(port);
        self
    }

    /// The ports of gateways for which the entry listener does not stand: it speaks HTTP only.
    #[must_use]
    pub fn gateway_ports(&self) -> Vec<u16> {
        let stands_for = |port: u16| port == 80 || Some(port) == self.entry_port;
        let ports = self.rules.gateway_ports();
        ports
            .filter(|(number, port)| !stands_for(*number) || port.wants_a_listener())
            .map(|it| it.0)
            .collect()
    }

    /// What a port of gateways takes; `None` where there is none of that number.
    #[must_use]
    pub fn gateway_takes(&self, port: u16) -> Option<PortTakes> {
        self.rules.gateway_port(port).map(GatewayPort::takes)
    }

    /// The server of gateways for a connection of TLS that asks for this name, in lower case. One
    /// that asks for none gets the server for every name, or else the only one of the port.
    #[must_use]
    pub fn tls_server(&self, port: u16, name: Option<&str>) -> Option<&Arc<TlsServer>> {
        self.rules.gateway_port(port)?.tls_server(name)
    }

    /// The servers of all gateways to which clients speak TLS.
    pub fn tls_servers(&self) -> impl Iterator<Item = &Arc<TlsServer>> {
        self.rules.gateway_ports().flat_map(|(_, port)| port.tls_servers())
    }

    pub(crate) fn entry_port(&self) -> Option<u16> {
        self.entry_port
    }

    /// The revision of the objects that the table was made from.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The sandboxes that are not in the table, for their owners to be told.
    #[must_use]
    pub fn rejected(&self) -> &[RejectedSandbox] {
        &self.rejected
    }

    /// The port of a Service, if there is one; tells what to speak before a
    /// request has been read.
    #[must_use]
    pub fn service_port(&self, namespace: &str, service: &str, port: u16) -> Option<&Arc<ServicePort>> {
        let port = self.service(namespace, service)?.port(port)?;
        Some(&port.service_port)
    }

    /// Whether requests may be sent to this pod: a Service of its namespace has it
    /// among its ready endpoints, in the baseline or in a fork.
    #[must_use]
    pub fn sends_to(&self, namespace: &str, pod: &str) -> bool {
        let services = self.namespaces.get(namespace).into_iter().flat_map(|at| at.services.values());
        services.flat_map(Service::backends).any(|backends| backends.ready.iter().any(|it| &*it.pod == pod))
    }

    /// The sandbox that a workload is a fork of.
    #[must_use]
    pub fn sandbox_of(&self, namespace: &str, workload: &str) -> Option<&Arc<str>> {
        let services = self.namespaces.get(namespace).into_iter().flat_map(|at| at.services.values());
        let mut forks = services.flat_map(|service| service.forks.values());
        let is_of = |fork: &&Fork| fork.ports.iter().any(|(_, backends)| backends.has_workload(workload));
        forks.find(is_of).map(|fork| &fork.sandbox.at.name)
    }

    /// A ready pod of a workload that some Service has.
    #[must_use]
    pub fn pod_of(&self, namespace: &str, workload: &str) -> Option<&Arc<str>> {
        let services = self.namespaces.get(namespace).into_iter().flat_map(|at| at.services.values());
        let mut endpoints = services.flat_map(Service::backends).flat_map(|backends| &*backends.ready);
        endpoints.find(|endpoint| &*endpoint.workload == workload).map(|endpoint| &endpoint.pod)
    }

    pub(crate) fn rules(&self) -> &RuleTable {
        &self.rules
    }

    /// The Service that has this host, which is not the cluster's.
    pub(crate) fn service_of_host(&self, host: &str) -> Option<&Service> {
        let (namespace, name) = self.hosts.get(host)?;
        self.service(namespace, name)
    }

    pub(crate) fn carriers(&self) -> &CarrierSpec {
        &self.carriers
    }

    pub(crate) fn service(&self, namespace: &str, name: &str) -> Option<&Service> {
        self.namespaces.get(namespace)?.services.get(name)
    }

    pub(crate) fn sandbox(&self, namespace: &str, name: &str) -> Option<&Arc<Sandbox>> {
        self.namespaces.get(namespace)?.sandboxes.get(name)
    }

    pub(crate) fn owner(&self, key: &str) -> Option<&Arc<Sandbox>> {
        self.owners.get(key)
    }

    /// The name whose shortened form this is, or the text itself.
    pub(crate) fn full_name<'a>(&'a self, namespace: &str, half: &'a str) -> &'a str {
        self.namespaces
            .get(namespace)
            .and_then(|namespace| namespace.full_names.get(half))
            .map_or(half, |name| &**name)
    }

    fn add_service(&mut self, spec: ServiceSpec) {
        for host in &spec.hosts {
            let at = (spec.namespace.clone(), spec.name.clone());
            self.hosts.entry(host.clone()).or_insert(at);
        }
        let namespace = self.namespaces.entry(spec.namespace.clone()).or_default();
        namespace.note_full_name(&spec.name);
        namespace.services.entry(spec.name.clone()).or_insert_with(|| Service::new(&spec, &self.rules));
    }

    fn add_sandbox(&mut self, spec: SandboxSpec) {
        if let Some(why) = self.why_rejected(&spec) {
            self.rejected.push(RejectedSandbox {
                namespace: spec.namespace,
                name: spec.name,
                key: spec.key,
                why,
            });
            return;
        }
        let sandbox = Arc::new(Sandbox {
            at: Arc::new(SandboxRef {
                namespace: spec.namespace.clone(),
                name: spec.name.clone(),
                revision: spec.revision,
            }),
            key: spec.key.clone(),
            fallback: spec.fallback,
        });
        self.owners.insert(spec.key, sandbox.clone());
        let namespace = self.namespaces.entry(spec.namespace).or_default();
        namespace.note_full_name(&spec.name);
        namespace.sandboxes.insert(spec.name, sandbox.clone());
        for fork in &spec.forks {
            if let Some(service) = namespace.services.get_mut(&fork.service) {
                service.add_fork(&sandbox, fork);
            }
        }
    }

    fn why_rejected(&self, spec: &SandboxSpec) -> Option<RejectedWhy> {
        if !is_valid_key(spec.key.as_bytes()) {
            return Some(RejectedWhy::KeyInvalid);
        }
        let SandboxRef { namespace, name, revision: _ } = &*self.owner(&spec.key)?.at;
        Some(RejectedWhy::KeyTaken { namespace: namespace.clone(), name: name.clone() })
    }
}

// === impl Namespace ===

impl Namespace {
    fn note_full_name(&mut self, name: &Arc<str>) {
        let short = shorten(name);
        if *short != **name {
            self.full_names.insert(short.into(), name.clone());
        }
    }
}

// === impl Service ===

impl Service {
    fn new(spec: &ServiceSpec, rules: &RuleTable) -> Self {
        let host = service_host(&spec.namespace, &spec.name);
        let (kind, virtual_services) = match &spec.hosts[..] {
            [] => (RuleKind::Service, rules.of_mesh_host(&host)),
            [host, ..] => (RuleKind::ServiceEntry, rules.of_mesh_host(host)),
        };
        Self {
            rule: Arc::new(Rule {
                kind,
                namespace: spec.namespace.clone(),
                name: spec.name.clone(),
                revision: spec.revision,
                route: None,
            }),
            ports: spec.ports.iter().map(|port| Port::new(spec, port)).collect(),
            forks: HashMap::new(),
            virtual_services: virtual_services.to_vec(),
            policies: rules.policies(spec, &host).map(Box::new),
        }
    }

    /// Those of every port, of the baseline and of every fork.
    fn backends(&self) -> impl Iterator<Item = &Backends> {
        let baseline = self.ports.iter().map(|port| &port.baseline);
        let forks = self.forks.values().flat_map(|fork| &fork.ports);
        baseline.chain(forks.map(|(_, backends)| backends))
    }

    pub(crate) fn port(&self, number: u16) -> Option<&Port> {
        self.ports.iter().find(|port| port.service_port.port == number)
    }

    /// The port that a host without a port means: 80, the one of `http://`,
    /// and otherwise the first.
    pub(crate) fn default_port(&self) -> Option<&Port> {
        self.port(80).or_else(|| self.ports.first())
    }

    /// Two forks of one Service in one sandbox (two workloads behind it) are one version.
    fn add_fork(&mut self, sandbox: &Arc<Sandbox>, spec: &ForkSpec) {
        let fork = self
            .forks
            .entry(sandbox.key.clone())
            .or_insert_with(|| Fork { sandbox: sandbox.clone(), ports: Vec::new() });
        for port in &self.ports {
            let number = port.service_port.port;
            let added = Backends::new(&spec.endpoints, number);
            match fork.ports.iter_mut().find(|(other, _)| *other == number) {
                Some((_, backends)) => backends.extend(added),
                None => fork.ports.push((number, added)),
            }
        }
    }
}

// === impl Port ===

impl Port {
    fn new(service: &ServiceSpec, spec: &PortSpec) -> Self {
        Self {
            service_port: Arc::new(ServicePort {
                namespace: service.namespace.clone(),
                name: service.name.clone(),
                port: spec.number,
                wire: spec.wire,
            }),
            baseline: Backends::new(&service.endpoints, spec.number),
        }
    }
}

// === impl Fork ===

impl Fork {
    /// The fork's endpoints for a port of its Service.
    pub(crate) fn backends(&self, port: &Port) -> &Backends {
        let number = port.service_port.port;
        self.ports
            .iter()
            .find(|(other, _)| *other == number)
            .map(|(_, backends)| backends)
            .expect("a fork has an entry for every port of its service")
    }
}

// === impl Backends ===

impl Backends {
    fn new(endpoints: &[EndpointSpec], port: u16) -> Self {
        Self::filtered(endpoints, port, |_| true)
    }

    /// Those of a port that are wanted.
    pub(crate) fn filtered(
        endpoints: &[EndpointSpec],
        port: u16,
        is_wanted: impl Fn(&EndpointSpec) -> bool,
    ) -> Self {
        let endpoints = endpoints.iter().filter(|endpoint| endpoint.port == port && is_wanted(endpoint));
        let (ready, not_ready): (Vec<_>, Vec<_>) = endpoints.partition(|endpoint| endpoint.is_ready);
        Self { ready: ready.into_iter().map(Endpoint::from).collect(), n_not_ready: not_ready.len() }
    }

    fn has_workload(&self, workload: &str) -> bool {
        self.ready.iter().any(|endpoint| &*endpoint.workload == workload)
    }

    fn extend(&mut self, other: Self) {
        self.ready = self.ready.iter().chain(&*other.ready).cloned().collect();
        self.n_not_ready += other.n_not_ready;
    }
}

impl From<&EndpointSpec> for Endpoint {
    fn from(spec: &EndpointSpec) -> Self {
        Self { address: spec.address, pod: spec.pod.clone(), workload: spec.workload.clone() }
    }
}
