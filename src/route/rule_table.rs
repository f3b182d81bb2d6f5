//! The rules of a table by host, and what DestinationRules say of each Service: made once from
//! [`RuleSpecs`], then only read.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::host_map::{HostMap, intersection};
use crate::policy::Policy;
use crate::rule_spec::{
    DestinationRuleSpec, GatewaySpec, ROOT_NAMESPACE, RuleSpecs, ServerHost, SubsetSpec, VirtualServiceSpec,
    Visibility, service_host,
};
use crate::rules::MESH;
use crate::spec::ServiceSpec;
use crate::table::Backends;
use crate::verdict::Rule;
use crate::virtual_host::Rules;

/// Rules by where requests come in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RuleTable {
    /// Those of the mesh, by host; several where not everyone sees the first.
    mesh: HostMap<Vec<Arc<VirtualServiceSpec>>>,
    /// Those of gateways, by port and host.
    gateways: BTreeMap<u16, HostMap<GatewayHost>>,
    /// By the host that they are about.
    destination_rules: HostMap<Vec<Arc<DestinationRuleSpec>>>,
}

/// One host at one port of gateways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GatewayHost {
    /// The gateways by which it is reached there.
    pub(crate) gateways: Vec<Arc<str>>,
    pub(crate) redirects_to_https: bool,
    sources: Vec<Arc<VirtualServiceSpec>>,
    /// Those of one VirtualService are shared with it.
    merged: Option<Arc<Rules>>,
}

/// What DestinationRules say of one Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServicePolicies {
    /// For callers from these namespaces.
    by_caller: Vec<(Arc<str>, Arc<Destinations>)>,
    usual: Option<Arc<Destinations>>,
}

/// A Service's ports and subsets under one DestinationRule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destinations {
    pub(crate) rule: Arc<Rule>,
    ports: Vec<(u16, PortDestinations)>,
}

/// One port, whole and by subset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PortDestinations {
    pub(crate) policy: Arc<Policy>,
    subsets: HashMap<Arc<str>, Subset>,
}

/// Some of the endpoints of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subset {
    pub(crate) backends: Backends,
    pub(crate) policy: Arc<Policy>,
}

// === impl RuleTable ===

impl RuleTable {
    pub(crate) fn build(specs: RuleSpecs) -> Self {
        let RuleSpecs { virtual_services, destination_rules, gateways } = specs;
        let mut table = Self::default();
        for gateway in &gateways {
            table.open(gateway);
        }
        for virtual_service in &virtual_services {
            table.add(virtual_service, &gateways);
        }
        for port in table.gateways.values_mut() {
            port.values_mut().for_each(GatewayHost::merge);
        }
        for rule in destination_rules {
            table.destination_rules.entry(&rule.host, Vec::new).push(rule.clone());
        }
        table
    }

    /// The VirtualServices of the mesh for a Service, the nearest host's.
    pub(crate) fn of_service(&self, namespace: &str, name: &str) -> &[Arc<VirtualServiceSpec>] {
        self.of_mesh_host(&service_host(namespace, name))
    }

    /// The VirtualServices of the mesh for a host, in lower case and without a port.
    pub(crate) fn of_mesh_host(&self, host: &str) -> &[Arc<VirtualServiceSpec>] {
        self.mesh.exact(host).or_else(|| self.mesh.wildcard(host)).map_or(&[], Vec::as_slice)
    }

    /// What the gateways say of this very host at a port.
    pub(crate) fn at_gateway(&self, port: u16, host: &str) -> Option<&GatewayHost> {
        self.gateways.get(&port)?.exact(host)
    }

    /// What the gateways say of hosts that nobody names.
    pub(crate) fn at_gateway_wildcard(&self, port: u16, host: &str) -> Option<&GatewayHost> {
        self.gateways.get(&port)?.wildcard(host)
    }

    pub(crate) fn gateway_ports(&self) -> impl Iterator<Item = u16> {
        self.gateways.keys().copied()
    }

    /// What DestinationRules say of a Service.
    pub(crate) fn policies(&self, service: &ServiceSpec) -> Option<ServicePolicies> {
        let host = service_host(&service.namespace, &service.name);
        let own = self.destination_rules.exact(&service.name);
        let rules = self.destination_rules.exact(&host).or(own);
        let rules = rules.or_else(|| self.destination_rules.wildcard(&host))?;
        Some(ServicePolicies::of(service, rules))
    }

    /// The hosts of a gateway's servers are there before any VirtualService names them, so that
    /// a request for one finds no rule instead of no host.
    fn open(&mut self, gateway: &Arc<GatewaySpec>) {
        for server in &gateway.servers {
            let port = self.gateways.entry(server.port).or_default();
            for ServerHost { host, namespace: _ } in &server.hosts {
                port.entry(host, GatewayHost::default).reached_by(&gateway.id, server.redirects_to_https);
            }
        }
    }

    fn add(&mut self, spec: &Arc<VirtualServiceSpec>, gateways: &[Arc<GatewaySpec>]) {
        if spec.is_bound_to(MESH) {
            for host in spec.hosts.iter().filter(|host| ***host != *"*") {
                self.mesh.entry(host, Vec::new).push(spec.clone());
            }
        }
        for gateway in gateways.iter().filter(|gateway| spec.is_bound_to(&gateway.id)) {
            for server in &gateway.servers {
                let port = self.gateways.entry(server.port).or_default();
                let wanted = server.hosts.iter().filter(|it| it.takes_from(&spec.namespace));
                let common =
                    wanted.flat_map(|it| spec.hosts.iter().filter_map(|host| intersection(&it.host, host)));
                for host in common {
                    let at = port.entry(host, GatewayHost::default);
                    at.reached_by(&gateway.id, server.redirects_to_https);
                    if !at.sources.iter().any(|other| Arc::ptr_eq(other, spec)) {
                        at.sources.push(spec.clone());
                    }
                }
            }
        }
    }
}

// === impl VirtualServiceSpec ===

impl VirtualServiceSpec {
    /// Whether it, or one of its conditions, names a gateway.
    fn is_bound_to(&self, gateway: &str) -> bool {
        let names = |all: &[Arc<str>]| all.iter().any(|name| **name == *gateway);
        let mut conditions = self.http().iter().flat_map(|route| &route.matches);
        names(&self.gateways) || conditions.any(|condition| names(&condition.gateways))
    }
}

// === impl ServerHost ===

impl ServerHost {
    fn takes_from(&self, namespace: &str) -> bool {
        self.namespace.as_deref().is_none_or(|wanted| wanted == namespace)
    }
}

// === impl GatewayHost ===

impl GatewayHost {
    /// The rules, in order.
    pub(crate) fn rules(&self) -> Option<&Rules> {
        match (&self.merged, &self.sources[..]) {
            (Some(merged), _) => Some(merged),
            (None, [only, ..]) => Some(&only.rules),
            (None, []) => None,
        }
    }

    fn reached_by(&mut self, gateway: &Arc<str>, redirects_to_https: bool) {
        if !self.gateways.contains(gateway) {
            self.gateways.push(gateway.clone());
        }
        self.redirects_to_https |= redirects_to_https;
    }

    fn merge(&mut self) {
        if self.sources.len() > 1 {
            self.merged = Some(Arc::new(Rules::merged(self.sources.iter().map(|source| &source.rules))));
        }
    }
}

// === impl ServicePolicies ===

impl ServicePolicies {
    /// What holds for callers from this namespace: what is said there, else beside the Service,
    /// else in the root namespace.
    pub(crate) fn for_caller(&self, namespace: Option<&str>) -> Option<&Arc<Destinations>> {
        let own =
            namespace.and_then(|namespace| self.by_caller.iter().find(|(caller, _)| **caller == *namespace));
        own.map(|(_, found)| found).or(self.usual.as_ref())
    }

    fn of(service: &ServiceSpec, rules: &[Arc<DestinationRuleSpec>]) -> Self {
        let mut by_namespace: BTreeMap<&str, Vec<&DestinationRuleSpec>> = BTreeMap::new();
        for rule in rules {
            by_namespace.entry(&rule.rule.namespace).or_default().push(rule);
        }
        let is_seen = |rules: &&Vec<&DestinationRuleSpec>| {
            rules.iter().any(|rule| rule.export_to == Visibility::Everyone)
        };
        let usual = by_namespace.get(&*service.namespace).filter(is_seen);
        let usual = usual.or_else(|| by_namespace.get(ROOT_NAMESPACE).filter(is_seen));
        let usual = usual.map(|rules| Arc::new(Destinations::of(service, rules)));
        // Callers see what is in their own namespace, whatever it is exported to.
        let by_caller = by_namespace
            .iter()
            .map(|(namespace, rules)| (Arc::from(*namespace), Arc::new(Destinations::of(service, rules))));
        Self { by_caller: by_caller.collect(), usual }
    }
}

// === impl Destinations ===

impl Destinations {
    /// What is said of a port of the Service.
    pub(crate) fn port(&self, number: u16) -> Option<&PortDestinations> {
        self.ports.iter().find(|(port, _)| *port == number).map(|(_, destinations)| destinations)
    }

    /// Of several DestinationRules in one namespace the first has the policy, and of two subsets
    /// of one name the first counts (`destination_rule.go`, `mergeDestinationRule`).
    fn of(service: &ServiceSpec, rules: &[&DestinationRuleSpec]) -> Self {
        let first = rules[0];
        let subsets = |number: u16| {
            let mut subsets = HashMap::new();
            for subset in rules.iter().flat_map(|rule| &rule.subsets) {
                let policy = subset.policy.of_subset(&first.policy, number);
                let backends = Backends::filtered(&service.endpoints, number, |it| subset.has(&it.labels));
                subsets
                    .entry(subset.name.clone())
                    .or_insert_with(|| Subset { backends, policy: Arc::new(policy) });
            }
            subsets
        };
        let ports = service.ports.iter().map(|port| {
            let policy = Arc::new(first.policy.of(port.number).clone());
            (port.number, PortDestinations { policy, subsets: subsets(port.number) })
        });
        Self { rule: first.rule.clone(), ports: ports.collect() }
    }
}

// === impl PortDestinations ===

impl PortDestinations {
    pub(crate) fn subset(&self, name: &str) -> Option<&Subset> {
        self.subsets.get(name)
    }
}

// === impl SubsetSpec ===

impl SubsetSpec {
    fn has(&self, labels: &BTreeMap<String, String>) -> bool {
        self.labels.iter().all(|(name, wanted)| labels.get(&**name).is_some_and(|found| **found == **wanted))
    }
}
