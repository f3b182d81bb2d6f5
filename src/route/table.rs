//! The routing table: specs, checked and indexed once, then only read.
//!
//! It finds Services, ports, sandboxes and forks by name; which of them wins
//! is left to `decide`. A table that follows another shares with it what was made from the same
//! specs: a change of one Service of thousands makes one anew.

use std::borrow::Cow;
use std::sync::Arc;

use crate::carrier::{CarrierSpec, is_valid_key};
use crate::credential::TlsServer;
use crate::gateway_port::{GatewayPort, PortTakes};
use crate::host::shorten;
use crate::map::Map;
use crate::named::Named;
use crate::rule_spec::{Visibility, split_service_host};
use crate::rule_table::{Affected, RuleTable};
use crate::service::Service;
use crate::spec::{Fallback, SandboxSpec, ServiceSpec, Specs};
use crate::verdict::{SandboxRef, ServicePort};

/// Everything that decides where requests go, at one revision. Immutable; a
/// new one replaces it whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutingTable {
    revision: u64,
    /// What the Services were made from, but for those of ServiceEntries.
    specs: Named<Arc<ServiceSpec>>,
    /// What those were made from.
    entries: Arc<[Arc<ServiceSpec>]>,
    services: Named<Arc<Service>>,
    /// The names of Services that preview hosts may hold shortened, from that form.
    full_names: Named<Arc<str>>,
    /// Those that have a host that is not the cluster's, the older first.
    hosts: Map<Box<str>, Vec<Arc<ServiceSpec>>>,
    sandboxes: Map<Arc<str>, Sandboxes>,
    owners: Map<Arc<str>, Arc<Sandbox>>,
    /// The Services that have forks.
    forked: Vec<At>,
    rules: Arc<RuleTable>,
    entry_port: Option<u16>,
    carriers: CarrierSpec,
    rejected: Vec<RejectedSandbox>,
}

/// A namespace and a name in it.
type At = (Arc<str>, Arc<str>);

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

/// The sandboxes of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sandboxes {
    by_name: Map<Arc<str>, Arc<Sandbox>>,
    /// Those that preview hosts may hold shortened, from that form.
    full_names: Map<Box<str>, Arc<str>>,
}

/// A sandbox without its forks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sandbox {
    pub(crate) at: Arc<SandboxRef>,
    pub(crate) key: Arc<str>,
    pub(crate) fallback: Fallback,
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
        Self::of(revision, Specs { sandboxes, ..Specs::of_services(services) })
    }

    /// The same, with rules.
    #[must_use]
    pub fn of(revision: u64, specs: Specs) -> Self {
        Self::default().next(revision, specs)
    }

    /// The table of these specs, as [`of`](Self::of) makes it, by one that was made before: what
    /// comes from the very same specs is shared with it. Carriers and the entry's port are not
    /// handed on.
    #[must_use]
    pub fn next(&self, revision: u64, specs: Specs) -> Self {
        let Specs { services: specs, entries, mut sandboxes, rules } = specs;
        let mut table = Self {
            revision,
            services: self.services.clone(),
            full_names: self.full_names.clone(),
            rules: RuleTable::of(rules, &self.rules),
            specs,
            entries,
            ..Self::default()
        };
        table.settle_services(self);
        table.settle_entries(self);
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

    /// Whether rules of the mesh for this port of a Service choose by the name that TLS asks for, so
    /// that the first message of its connections has to be read.
    #[must_use]
    pub fn chooses_by_server_name(&self, namespace: &str, service: &str, port: u16) -> bool {
        let Some(service) = self.service(namespace, service) else { return false };
        let mut rules = service.virtual_services.iter().flat_map(|it| &it.connections.tls);
        rules.any(|rule| rule.matches.iter().any(|it| it.port.is_none_or(|wanted| wanted == port)))
    }

    /// Whether requests may be sent to this pod: a Service of its namespace has it
    /// among its ready endpoints, in the baseline or in a fork.
    #[must_use]
    pub fn sends_to(&self, namespace: &str, pod: &str) -> bool {
        self.services_of(namespace)
            .flat_map(Service::backends)
            .any(|backends| backends.ready.iter().any(|it| &*it.pod == pod))
    }

    /// The sandbox that a workload is a fork of.
    #[must_use]
    pub fn sandbox_of(&self, namespace: &str, workload: &str) -> Option<&Arc<str>> {
        let mut forks = self.services_of(namespace).flat_map(|service| service.forks.values());
        forks.find(|fork| fork.has_workload(workload)).map(|fork| &fork.sandbox.at.name)
    }

    /// A ready pod of a workload that some Service has.
    #[must_use]
    pub fn pod_of(&self, namespace: &str, workload: &str) -> Option<&Arc<str>> {
        let mut endpoints =
            self.services_of(namespace).flat_map(Service::backends).flat_map(|backends| &*backends.ready);
        endpoints.find(|endpoint| &*endpoint.workload == workload).map(|endpoint| &endpoint.pod)
    }

    pub(crate) fn rules(&self) -> &RuleTable {
        &self.rules
    }

    /// The Service that has this host, which is not the cluster's, for a caller from this namespace.
    /// Of those that the caller sees, what its own namespace keeps to some comes first, then what
    /// others share with it by name, then what everybody sees; the older before the newer (Istio's
    /// `servicesExportedToNamespace`, `push_context.go`).
    pub(crate) fn service_of_host(&self, host: &str, caller: Option<&str>) -> Option<&Service> {
        let seen = self.hosts.get(host)?.iter().filter(|spec| spec.export_to.includes(caller));
        let spec = seen.min_by_key(|spec| match &spec.export_to {
            Visibility::Namespaces(_) if caller == Some(&*spec.namespace) => 0,
            Visibility::Namespaces(_) => 1,
            Visibility::Everyone => 2,
        })?;
        self.service(&spec.namespace, &spec.name)
    }

    pub(crate) fn carriers(&self) -> &CarrierSpec {
        &self.carriers
    }

    pub(crate) fn service(&self, namespace: &str, name: &str) -> Option<&Service> {
        self.services.get(namespace, name).map(|service| &**service)
    }

    fn services_of(&self, namespace: &str) -> impl Iterator<Item = &Service> {
        self.services.values_in(namespace).map(|service| &**service)
    }

    pub(crate) fn sandbox(&self, namespace: &str, name: &str) -> Option<&Arc<Sandbox>> {
        self.sandboxes.get(namespace)?.by_name.get(name)
    }

    pub(crate) fn owner(&self, key: &str) -> Option<&Arc<Sandbox>> {
        self.owners.get(key)
    }

    /// The name whose shortened form this is, or the text itself.
    pub(crate) fn full_name<'a>(&'a self, namespace: &str, half: &'a str) -> &'a str {
        let of_sandbox = || self.sandboxes.get(namespace)?.full_names.get(half);
        self.full_names.get(namespace, half).or_else(of_sandbox).map_or(half, |name| &**name)
    }

    /// The Services as they are without forks and without entries, from those of the table before.
    fn settle_services(&mut self, old: &Self) {
        for (namespace, name) in &old.forked {
            if let Some(service) = old.services.get(namespace, name) {
                self.services.insert((namespace, name), service.without_forks());
            }
        }
        let specs = self.specs.clone();
        match self.rules.affected_since(&old.rules) {
            Affected::All => specs.values().for_each(|spec| self.put(spec)),
            Affected::Hosts(hosts) => {
                let named = hosts.iter().filter_map(|host| split_service_host(host));
                let named = named.filter_map(|(namespace, name)| specs.get(namespace, name));
                named.for_each(|spec| self.put(spec));
            }
        }
        for (namespace, name, spec) in specs.differences(&old.specs) {
            match spec {
                Some(spec) => self.put(spec),
                None => self.forget(namespace, name),
            }
        }
    }

    /// The Services of ServiceEntries beside them.
    fn settle_entries(&mut self, old: &Self) {
        let entries = self.entries.clone();
        let is_service =
            |table: &Self, spec: &ServiceSpec| table.specs.get(&spec.namespace, &spec.name).is_some();
        for gone in old.entries.iter().filter(|old| !entries.iter().any(|new| Arc::ptr_eq(new, old))) {
            if !is_service(self, gone) {
                self.forget(&gone.namespace, &gone.name);
            }
        }
        // Of two of one name, the first counts, and the other is seen by nobody.
        for entry in &*entries {
            for host in &entry.hosts {
                let of_host = self.hosts.entry(host.clone()).or_default();
                if of_host.iter().all(|other| other.namespace != entry.namespace) {
                    of_host.push(entry.clone());
                }
            }
        }
        for entry in entries.iter().rev() {
            if !is_service(self, entry) {
                self.put(entry);
            }
        }
    }

    /// Puts the Service of a spec in its place, unless that is there.
    fn put(&mut self, spec: &Arc<ServiceSpec>) {
        let old = self.services.get(&spec.namespace, &spec.name);
        let service = Service::of(spec, &self.rules, old);
        if old.is_some_and(|old| Arc::ptr_eq(old, &service)) {
            return;
        }
        self.services.insert((&spec.namespace, &spec.name), service);
        if let Cow::Owned(short) = shorten(&spec.name) {
            self.full_names.insert((&spec.namespace, &short.into()), spec.name.clone());
        }
    }

    fn forget(&mut self, namespace: &str, name: &str) {
        self.services.remove(namespace, name);
        self.full_names.remove(namespace, &shorten(name));
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
        for fork in &spec.forks {
            let Some(service) = self.services.get_mut(&spec.namespace, &fork.service) else { continue };
            // Copied once, where an earlier table has it, too: not for each of its forks.
            Arc::make_mut(service).add_fork(&sandbox, fork);
            self.forked.push((spec.namespace.clone(), fork.service.clone()));
        }
        let beside = self.sandboxes.entry(spec.namespace).or_default();
        if let Cow::Owned(short) = shorten(&spec.name) {
            beside.full_names.insert(short.into(), spec.name.clone());
        }
        beside.by_name.insert(spec.name, sandbox);
    }

    fn why_rejected(&self, spec: &SandboxSpec) -> Option<RejectedWhy> {
        if !is_valid_key(spec.key.as_bytes()) {
            return Some(RejectedWhy::KeyInvalid);
        }
        let SandboxRef { namespace, name, revision: _ } = &*self.owner(&spec.key)?.at;
        Some(RejectedWhy::KeyTaken { namespace: namespace.clone(), name: name.clone() })
    }
}
