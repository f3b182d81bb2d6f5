//! A Service as the table has it: its ports, its endpoints, the rules about it, its forks.

use std::sync::Arc;
use std::time::Duration;

use crate::map::Map;
use crate::rule_spec::{DestinationRuleSpec, VirtualServiceSpec, service_host};
use crate::rule_table::{RuleTable, ServicePolicies, are_same};
use crate::spec::{DatagramPortSpec, EndpointSpec, ForkSpec, PortSpec, ServiceSpec};
use crate::table::Sandbox;
use crate::verdict::{Endpoint, Rule, RuleKind, ServicePort};
use crate::wire::Wire;

/// A Service, its baseline and its forks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Service {
    /// What it was made from, beside the rules.
    spec: Arc<ServiceSpec>,
    pub(crate) rule: Arc<Rule>,
    pub(crate) ports: Vec<Port>,
    /// Those of UDP.
    pub(crate) datagrams: Vec<Port>,
    /// How long a client stays with one endpoint.
    pub(crate) affinity: Option<Duration>,
    /// By key.
    pub(crate) forks: Map<Arc<str>, Fork>,
    /// Those of the mesh for it; the first that a caller sees counts.
    pub(crate) virtual_services: Box<[Arc<VirtualServiceSpec>]>,
    /// Those for it.
    destination_rules: Box<[Arc<DestinationRuleSpec>]>,
    /// What these say of it.
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
    /// Those of UDP.
    datagrams: Vec<(u16, Backends)>,
}

/// The endpoints of one version on one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backends {
    pub(crate) ready: Arc<[Endpoint]>,
    pub(crate) n_not_ready: usize,
}

// === impl Service ===

impl Service {
    /// The Service of a spec under rules, without forks: `old` itself, where nothing of it has
    /// changed.
    pub(crate) fn of(spec: &Arc<ServiceSpec>, rules: &RuleTable, old: Option<&Arc<Self>>) -> Arc<Self> {
        let host = service_host(&spec.namespace, &spec.name);
        let (kind, virtual_services) = match &spec.hosts[..] {
            [] => (RuleKind::Service, rules.of_mesh_host(&host)),
            [host, ..] => (RuleKind::ServiceEntry, rules.of_mesh_host(host)),
        };
        let destination_rules = rules.destination_rules(&spec.name, &host);
        if let Some(old) = old
            && Arc::ptr_eq(&old.spec, spec)
            && are_same(&old.virtual_services, virtual_services)
            && are_same(&old.destination_rules, destination_rules)
        {
            return old.without_forks();
        }
        Arc::new(Self {
            rule: Arc::new(Rule {
                kind,
                namespace: spec.namespace.clone(),
                name: spec.name.clone(),
                revision: spec.revision,
                route: None,
            }),
            ports: spec.ports.iter().map(|port| Port::new(spec, port)).collect(),
            datagrams: spec.datagrams.iter().map(|port| Port::of_datagrams(spec, port)).collect(),
            affinity: spec.affinity,
            forks: Map::default(),
            virtual_services: virtual_services.into(),
            destination_rules: destination_rules.into(),
            policies: ServicePolicies::of(spec, destination_rules).map(Box::new),
            spec: spec.clone(),
        })
    }

    pub(crate) fn without_forks(self: &Arc<Self>) -> Arc<Self> {
        if self.forks.is_empty() {
            return self.clone();
        }
        Arc::new(Self { forks: Map::default(), ..(**self).clone() })
    }

    /// Those of every port, of the baseline and of every fork.
    pub(crate) fn backends(&self) -> impl Iterator<Item = &Backends> {
        let baseline = self.ports.iter().chain(&self.datagrams).map(|port| &port.baseline);
        let forks = self.forks.values().flat_map(|fork| fork.ports.iter().chain(&fork.datagrams));
        baseline.chain(forks.map(|(_, backends)| backends))
    }

    pub(crate) fn port(&self, number: u16) -> Option<&Port> {
        self.ports.iter().find(|port| port.service_port.port == number)
    }

    /// A port of UDP.
    pub(crate) fn datagram_port(&self, number: u16) -> Option<&Port> {
        self.datagrams.iter().find(|port| port.service_port.port == number)
    }

    /// The port that a host without a port means: 80, the one of `http://`,
    /// and otherwise the first.
    pub(crate) fn default_port(&self) -> Option<&Port> {
        self.port(80).or_else(|| self.ports.first())
    }

    /// Two forks of one Service in one sandbox (two workloads behind it) are one version.
    pub(crate) fn add_fork(&mut self, sandbox: &Arc<Sandbox>, spec: &ForkSpec) {
        let fork = self.forks.entry(sandbox.key.clone()).or_insert_with(|| Fork {
            sandbox: sandbox.clone(),
            ports: Vec::new(),
            datagrams: Vec::new(),
        });
        for port in &self.ports {
            let number = port.service_port.port;
            add(&mut fork.ports, number, Backends::new(&spec.endpoints, number));
        }
        for port in &self.datagrams {
            let number = port.service_port.port;
            let of_port = spec.datagrams.iter().find(|port| port.number == number);
            let endpoints = of_port.map_or(&[][..], |port| &port.endpoints);
            add(&mut fork.datagrams, number, Backends::new(endpoints, number));
        }
    }
}

fn add(ports: &mut Vec<(u16, Backends)>, number: u16, added: Backends) {
    match ports.iter_mut().find(|(other, _)| *other == number) {
        Some((_, backends)) => backends.extend(added),
        None => ports.push((number, added)),
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

    fn of_datagrams(service: &ServiceSpec, spec: &DatagramPortSpec) -> Self {
        Self {
            service_port: Arc::new(ServicePort {
                namespace: service.namespace.clone(),
                name: service.name.clone(),
                port: spec.number,
                wire: Wire::Udp,
            }),
            baseline: Backends::new(&spec.endpoints, spec.number),
        }
    }

    pub(crate) fn takes_datagrams(&self) -> bool {
        self.service_port.wire == Wire::Udp
    }
}

// === impl Fork ===

impl Fork {
    pub(crate) fn has_workload(&self, workload: &str) -> bool {
        let mut all = self.ports.iter().chain(&self.datagrams);
        all.any(|(_, backends)| backends.has_workload(workload))
    }

    /// The fork's endpoints for a port of its Service.
    pub(crate) fn backends(&self, port: &Port) -> &Backends {
        let number = port.service_port.port;
        let ports = if port.takes_datagrams() { &self.datagrams } else { &self.ports };
        ports
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
