//! The rules of a table by host, and what DestinationRules say of each Service: made once from
//! [`RuleSpecs`], then only read.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::credential::Credentials;
use crate::gateway_port::{GatewayHost, GatewayPort};
use crate::host_map::HostMap;
use crate::map::Map;
use crate::policy::Policy;
use crate::rule_spec::{
    DestinationRuleSpec, PortPolicies, ROOT_NAMESPACE, RuleSpecs, ServerHost, SubsetSpec, VirtualServiceSpec,
    Visibility,
};
use crate::rules::MESH;
use crate::service::Backends;
use crate::spec::ServiceSpec;
use crate::verdict::Rule;

/// Rules by where requests come in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RuleTable {
    /// What it was made from.
    specs: Arc<RuleSpecs>,
    /// Those of the mesh, by host; several where not everyone sees the first.
    mesh: HostMap<Vec<Arc<VirtualServiceSpec>>>,
    /// Those of gateways, by port.
    gateways: Arc<BTreeMap<u16, GatewayPort>>,
    /// By the host that they are about.
    destination_rules: HostMap<Vec<Arc<DestinationRuleSpec>>>,
}

/// Which Services a change of rules is about.
pub(crate) enum Affected {
    /// Those with these hosts.
    Hosts(Vec<Box<str>>),
    /// Perhaps all.
    All,
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
    subsets: Map<Arc<str>, Subset>,
}

/// Some of the endpoints of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subset {
    pub(crate) backends: Backends,
    pub(crate) policy: Arc<Policy>,
}

// === impl RuleTable ===

impl RuleTable {
    /// The rules of these specs; `old` itself, where it was made from the very same.
    pub(crate) fn of(specs: Arc<RuleSpecs>, old: &Arc<Self>) -> Arc<Self> {
        if Arc::ptr_eq(&specs, &old.specs) {
            return old.clone();
        }
        Arc::new(old.followed_by(&specs).unwrap_or_else(|| Self::new(specs)))
    }

    fn new(specs: Arc<RuleSpecs>) -> Self {
        let mut table = Self { specs: specs.clone(), ..Self::default() };
        let RuleSpecs { virtual_services, destination_rules, gateways, credentials } = &*specs;
        let credentials = Credentials::new(credentials);
        let mut ports: BTreeMap<u16, GatewayPort> = BTreeMap::new();
        for gateway in gateways {
            for server in &gateway.servers {
                ports.entry(server.port).or_default().open(gateway, server, &credentials);
            }
        }
        for virtual_service in virtual_services {
            for host in virtual_service.mesh_hosts() {
                table.mesh.entry(host, Vec::new).push(virtual_service.clone());
            }
            for gateway in gateways.iter().filter(|gateway| virtual_service.is_bound_to(&gateway.id)) {
                for server in &gateway.servers {
                    ports.entry(server.port).or_default().add(virtual_service, (gateway, server));
                }
            }
        }
        ports.values_mut().for_each(GatewayPort::merge);
        table.gateways = Arc::new(ports);
        for rule in destination_rules {
            let rule = with_credentials(rule, &credentials);
            table.destination_rules.entry(&rule.host, Vec::new).push(rule);
        }
        table
    }

    /// The same as [`new`](Self::new) makes, where only a few VirtualServices of the mesh are
    /// others: the lists of their hosts are made anew. `None` where more has changed.
    fn followed_by(&self, specs: &Arc<RuleSpecs>) -> Option<Self> {
        let old = &self.specs;
        let is_rest_same = are_same(&old.gateways, &specs.gateways)
            && are_same(&old.destination_rules, &specs.destination_rules)
            && old.credentials == specs.credentials;
        if !is_rest_same {
            return None;
        }
        let changed: Vec<_> = differing(&specs.virtual_services, &old.virtual_services).collect();
        let is_at_gateway = |spec: &&Arc<VirtualServiceSpec>| {
            specs.gateways.iter().any(|gateway| spec.is_bound_to(&gateway.id))
        };
        if changed.len() > FEW || changed.iter().any(is_at_gateway) {
            return None;
        }
        let mut table = Self { specs: specs.clone(), ..self.clone() };
        let place = |spec: &Arc<VirtualServiceSpec>| {
            specs.virtual_services.iter().position(|other| Arc::ptr_eq(other, spec))
        };
        for host in changed.iter().flat_map(|spec| spec.mesh_hosts()) {
            let others = table.mesh.of_pattern(host).into_iter().flatten();
            let others = others.filter(|spec| !changed.iter().any(|it| Arc::ptr_eq(it, spec)));
            let of_host = changed.iter().copied().filter(|spec| spec.mesh_hosts().any(|it| it == host));
            // Who is gone has no place.
            let mut all: Vec<_> =
                others.chain(of_host).filter_map(|spec| Some((place(spec)?, spec))).collect();
            all.sort_unstable_by_key(|(place, _)| *place);
            all.dedup_by_key(|(place, _)| *place);
            let all: Vec<_> = all.into_iter().map(|(_, spec)| spec.clone()).collect();
            match all.is_empty() {
                true => table.mesh.remove(host),
                false => *table.mesh.entry(host, Vec::new) = all,
            }
        }
        Some(table)
    }

    /// Which Services are under other rules than `old` had for them.
    pub(crate) fn affected_since(&self, old: &Self) -> Affected {
        let (new, old) = (&self.specs, &old.specs);
        if Arc::ptr_eq(new, old) {
            return Affected::Hosts(Vec::new());
        }
        // They stand in DestinationRules.
        if new.credentials != old.credentials {
            return Affected::All;
        }
        let of_mesh = differing(&new.virtual_services, &old.virtual_services);
        let of_mesh = of_mesh.flat_map(|spec| spec.mesh_hosts());
        let destinations = differing(&new.destination_rules, &old.destination_rules).map(|spec| &spec.host);
        let mut hosts = Vec::new();
        for host in of_mesh.chain(destinations) {
            if host.starts_with('*') || !host.contains('.') {
                return Affected::All;
            }
            hosts.push(host.clone());
        }
        Affected::Hosts(hosts)
    }

    /// The VirtualServices of the mesh for a host, in lower case and without a port: the nearest
    /// pattern's.
    pub(crate) fn of_mesh_host(&self, host: &str) -> &[Arc<VirtualServiceSpec>] {
        self.mesh.exact(host).or_else(|| self.mesh.wildcard(host)).map_or(&[], Vec::as_slice)
    }

    /// What the gateways say of this very host at a port.
    pub(crate) fn at_gateway(&self, (port, is_tls): (u16, bool), host: &str) -> Option<&GatewayHost> {
        self.gateways.get(&port)?.hosts(is_tls).exact(host)
    }

    /// What the gateways say of hosts that nobody names.
    pub(crate) fn at_gateway_wildcard(
        &self,
        (port, is_tls): (u16, bool),
        host: &str,
    ) -> Option<&GatewayHost> {
        self.gateways.get(&port)?.hosts(is_tls).wildcard(host)
    }

    pub(crate) fn gateway_port(&self, port: u16) -> Option<&GatewayPort> {
        self.gateways.get(&port)
    }

    pub(crate) fn gateway_ports(&self) -> impl Iterator<Item = (u16, &GatewayPort)> {
        self.gateways.iter().map(|(number, port)| (*number, port))
    }

    /// The DestinationRules for a Service, whose name and full host are given.
    pub(crate) fn destination_rules(&self, name: &str, host: &str) -> &[Arc<DestinationRuleSpec>] {
        let rules = &self.destination_rules;
        let found = rules.exact(host).or_else(|| rules.exact(name)).or_else(|| rules.wildcard(host));
        found.map_or(&[], Vec::as_slice)
    }
}

/// VirtualServices that count as few: beyond it a whole table is made sooner.
const FEW: usize = 64;

/// Whether they are the very same, one by one.
pub(crate) fn are_same<T>(a: &[Arc<T>], b: &[Arc<T>]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| Arc::ptr_eq(a, b))
}

/// What is in one of the lists and not, as the very same, in the other. Both are in one order, so
/// that nearly always only a part in the middle is to be looked at.
fn differing<'a, T>(new: &'a [Arc<T>], old: &'a [Arc<T>]) -> impl Iterator<Item = &'a Arc<T>> {
    let is_same = |(a, b): &(&Arc<T>, &Arc<T>)| Arc::ptr_eq(a, b);
    let n_first = new.iter().zip(old).take_while(is_same).count();
    let (new, old) = (&new[n_first..], &old[n_first..]);
    let n_last = new.iter().rev().zip(old.iter().rev()).take_while(is_same).count();
    let (new, old) = (&new[..new.len() - n_last], &old[..old.len() - n_last]);
    let set = |list: &[Arc<T>]| list.iter().map(Arc::as_ptr).collect::<HashSet<_>>();
    let (in_new, in_old) = (set(new), set(old));
    let added = new.iter().filter(move |it| !in_old.contains(&Arc::as_ptr(it)));
    added.chain(old.iter().filter(move |it| !in_new.contains(&Arc::as_ptr(it))))
}

/// The rule with what the Secrets that it names hold; the same one where it names none.
fn with_credentials(rule: &Arc<DestinationRuleSpec>, credentials: &Credentials) -> Arc<DestinationRuleSpec> {
    let mut policies = std::iter::once(&rule.policy).chain(rule.subsets.iter().map(|subset| &subset.policy));
    if !policies.any(PortPolicies::names_credentials) {
        return rule.clone();
    }
    let namespace = rule.rule.namespace.clone();
    let mut rule = (**rule).clone();
    rule.policy.look_up(credentials, &namespace);
    for subset in &mut rule.subsets {
        subset.policy.look_up(credentials, &namespace);
    }
    Arc::new(rule)
}

// === impl VirtualServiceSpec ===

impl VirtualServiceSpec {
    /// The hosts that it has rules for in the mesh.
    fn mesh_hosts(&self) -> impl Iterator<Item = &Box<str>> {
        let is_of_mesh = self.is_bound_to(MESH);
        self.hosts.iter().filter(move |host| is_of_mesh && ***host != *"*")
    }

    /// Whether it, or one of its conditions, names a gateway.
    fn is_bound_to(&self, gateway: &str) -> bool {
        let names = |all: &[Arc<str>]| all.iter().any(|name| **name == *gateway);
        let mut conditions = self.http().iter().flat_map(|route| &route.matches);
        let connections = self.connections.tls.iter().chain(&self.connections.tcp);
        let mut of_connections = connections.flat_map(|route| &route.matches);
        names(&self.gateways)
            || conditions.any(|condition| names(&condition.gateways))
            || of_connections.any(|condition| names(&condition.gateways))
    }
}

// === impl ServerHost ===

impl ServerHost {
    pub(crate) fn takes_from(&self, namespace: &str) -> bool {
        self.namespace.as_deref().is_none_or(|wanted| wanted == namespace)
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

    /// What DestinationRules say of a Service; `None` where there are none.
    pub(crate) fn of(service: &ServiceSpec, rules: &[Arc<DestinationRuleSpec>]) -> Option<Self> {
        if rules.is_empty() {
            return None;
        }
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
        Some(Self { by_caller: by_caller.collect(), usual })
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
            let mut subsets = Map::default();
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
