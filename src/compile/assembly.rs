//! The fragments of all objects by what they are about, and what they come to.
//!
//! ```text
//!  add, take ──► what depends on the fragment is stale ──► specs: only that is made anew
//! ```
//!
//! A Service's spec depends on the Service, on its slices, and on the labels of the pods that these
//! name. A VirtualService, of which there are thousands, is put in its place among the others; a
//! change of the other rules puts all together anew. What has not changed keeps its `Arc`, by which
//! the next table knows it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use spur_istio::EntrySpec;
use spur_route::{CredentialSpec, ForkSpec, Named, RuleSpecs, SandboxSpec, ServiceSpec, Specs};

use super::external::{self, External};
use super::istio::{RuleContent, RuleFragment};
use super::pod::PodFragment;
use super::sandbox::SandboxFragment;
use super::service::ServiceFragment;
use super::slice::SliceFragment;
use super::{Content, Fragment, is_of};

/// The pods that are known.
pub(super) type Pods = Named<Arc<PodFragment>>;

/// The addresses of names.
pub type Addresses = BTreeMap<Box<str>, Vec<IpAddr>>;

/// A namespace and a name in it.
type At = (Arc<str>, Arc<str>);

/// Fragments, indexed. Of two Services of one name, the first counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Assembly {
    services: Named<Vec<Arc<ServiceFragment>>>,
    /// By the Service that they are of.
    slices: Named<Vec<Arc<SliceFragment>>>,
    pods: Pods,
    sandboxes: Vec<Arc<SandboxFragment>>,
    /// The Services of forks, by the sandbox that they are of.
    forks: Named<Vec<Arc<ServiceFragment>>>,
    /// The older first.
    virtual_services: Vec<Arc<RuleFragment>>,
    /// All other rules, the older first.
    rules: Vec<Arc<RuleFragment>>,
    credentials: Vec<Arc<CredentialSpec>>,
    specs: Named<Arc<ServiceSpec>>,
    /// Those that are names of hosts elsewhere.
    externals: Named<Arc<ServiceFragment>>,
    stale_services: HashSet<At>,
    stale_pods: HashSet<At>,
    /// The addresses of the names that ServiceEntries give endpoints by, as far as they are known.
    addresses: Addresses,
    /// What rules and credentials come to; `None` when they have changed.
    rule_specs: Option<Arc<RuleSpecs>>,
    /// What ServiceEntries and their names come to; `None` when they have changed.
    entries: Option<Entries>,
}

/// The hosts of ServiceEntries.
#[derive(Clone, Debug)]
struct Entries {
    specs: Arc<[Arc<ServiceSpec>]>,
    /// The names by which they give endpoints, and those by which Services do that lead elsewhere.
    names: Arc<BTreeSet<Box<str>>>,
}

// === impl Assembly ===

impl Assembly {
    pub(super) fn of<'a>(fragments: impl IntoIterator<Item = &'a Fragment>) -> Self {
        let mut assembly = Self::default();
        fragments.into_iter().for_each(|fragment| assembly.add(fragment));
        assembly
    }

    pub(super) fn add(&mut self, Fragment(content): &Fragment) {
        self.touch(content);
        match content {
            Content::Service(service) => {
                self.services.add((&service.namespace, &service.name), service);
                self.settle_external((&service.namespace, &service.name));
                if let Some(fork_of) = &service.fork_of {
                    self.forks.add((&service.namespace, &fork_of.sandbox), service);
                }
            }
            Content::Slice(slice) => self.slices.add((&slice.namespace, &slice.service), slice),
            Content::Pod(pod) => self.pods.insert((&pod.namespace, &pod.name), pod.clone()),
            Content::Sandbox(sandbox) => self.sandboxes.push(sandbox.clone()),
            Content::Rules(rules) => self.add_rules(rules),
            Content::Secret(credential) => self.credentials.push(credential.clone()),
        }
    }

    /// Takes away what was added.
    pub(super) fn take(&mut self, Fragment(content): &Fragment) {
        self.touch(content);
        match content {
            Content::Service(service) => {
                self.services.take((&service.namespace, &service.name), service);
                self.settle_external((&service.namespace, &service.name));
                if let Some(fork_of) = &service.fork_of {
                    self.forks.take((&service.namespace, &fork_of.sandbox), service);
                }
            }
            Content::Slice(slice) => self.slices.take((&slice.namespace, &slice.service), slice),
            Content::Pod(pod) => self.pods.remove(&pod.namespace, &pod.name),
            Content::Sandbox(sandbox) => self.sandboxes.retain(|other| !Arc::ptr_eq(other, sandbox)),
            Content::Rules(rules) => self.take_rules(rules),
            Content::Secret(credential) => self.credentials.retain(|other| !Arc::ptr_eq(other, credential)),
        }
    }

    /// What all fragments come to. Their order does not matter.
    pub(super) fn specs(&mut self) -> Specs {
        self.refresh();
        let (rules, entries) = (self.rule_specs(), self.entries().specs);
        Specs { services: self.specs.clone(), entries, sandboxes: self.sandbox_specs(), rules }
    }

    /// The names whose addresses are endpoints.
    pub(super) fn names(&mut self) -> Arc<BTreeSet<Box<str>>> {
        self.entries().names
    }

    /// A name has these addresses. Returns whether that changes anything.
    pub(super) fn resolve(&mut self, name: &str, addresses: Vec<IpAddr>) -> bool {
        let is_wanted = self.names().contains(name);
        let is_other = self.addresses.get(name) != Some(&addresses);
        if is_wanted && is_other {
            self.addresses.insert(name.into(), addresses);
            self.entries = None;
            let leads_there = |service: &&Arc<ServiceFragment>| {
                service.external.as_ref().and_then(External::name) == Some(name)
            };
            let stale = self.externals.values().filter(leads_there);
            self.stale_services.extend(stale.map(|it| (it.namespace.clone(), it.name.clone())));
        }
        is_wanted && is_other
    }

    /// Notes what is stale when this comes or goes.
    fn touch(&mut self, content: &Content) {
        match content {
            Content::Service(service) => {
                self.stale_services.insert((service.namespace.clone(), service.name.clone()));
            }
            Content::Slice(slice) => {
                self.stale_services.insert((slice.namespace.clone(), slice.service.clone()));
            }
            Content::Pod(pod) => drop(self.stale_pods.insert((pod.namespace.clone(), pod.name.clone()))),
            // Put together anew each time: they are few.
            Content::Sandbox(_) => {}
            Content::Rules(rules) => match rules.content {
                RuleContent::ServiceEntry(_) => self.entries = None,
                RuleContent::DestinationRule(_) | RuleContent::Gateway(_) => self.rule_specs = None,
                // Put in its place.
                RuleContent::VirtualService(_) => {}
            },
            Content::Secret(_) => self.rule_specs = None,
        }
    }

    fn refresh(&mut self) {
        if !self.stale_pods.is_empty() {
            let pods = std::mem::take(&mut self.stale_pods);
            let slices = self.slices.values().flatten();
            let stale = slices.filter(|slice| slice.names_one_of(&pods));
            self.stale_services.extend(stale.map(|slice| (slice.namespace.clone(), slice.service.clone())));
        }
        // A Service whose endpoints another one has.
        let leads_to_stale = |service: &&Arc<ServiceFragment>| match &service.external {
            Some(External::Service { namespace, name }) => {
                self.stale_services.contains(&(namespace.clone(), name.clone()))
            }
            Some(External::Host(_)) | None => false,
        };
        let stale = self.externals.values().filter(leads_to_stale);
        let stale: Vec<At> = stale.map(|it| (it.namespace.clone(), it.name.clone())).collect();
        self.stale_services.extend(stale);
        for (namespace, name) in std::mem::take(&mut self.stale_services) {
            match self.spec_of(&namespace, &name) {
                Some(spec) => {
                    if self.specs.get(&namespace, &name).is_none_or(|old| **old != spec) {
                        self.specs.insert((&namespace, &name), Arc::new(spec));
                    }
                }
                None => self.specs.remove(&namespace, &name),
            }
        }
    }

    fn spec_of(&self, namespace: &str, name: &str) -> Option<ServiceSpec> {
        let service = self.services.all(namespace, name).first()?;
        match &service.external {
            None => Some(self.own_spec(service)),
            Some(External::Host(host)) => {
                let bare = service.spec(std::iter::empty(), &self.pods);
                let addresses_of = |name: &str| self.addresses.get(name).map(Vec::as_slice);
                Some(external::at_host(bare, host, addresses_of))
            }
            Some(External::Service { namespace, name }) => {
                let bare = service.spec(std::iter::empty(), &self.pods);
                let to = self.services.all(namespace, name).first().filter(|to| to.external.is_none());
                Some(match to.map(|to| self.own_spec(to)) {
                    // All its ports, as an alias in DNS has them.
                    Some(to) => ServiceSpec {
                        ports: to.ports,
                        endpoints: to.endpoints,
                        datagrams: to.datagrams,
                        ..bare
                    },
                    None => bare,
                })
            }
        }
    }

    /// A Service with the endpoints of its own slices.
    fn own_spec(&self, service: &ServiceFragment) -> ServiceSpec {
        let slices = self.slices.all(&service.namespace, &service.name).iter().map(|slice| &**slice);
        service.spec(slices.filter(|slice| is_of(&slice.owner, &service.uid)), &self.pods)
    }

    /// Notes whether the Service of this name is one that leads elsewhere, and the names with it.
    fn settle_external(&mut self, (namespace, name): (&Arc<str>, &Arc<str>)) {
        let was = self.externals.get(namespace, name).is_some();
        match self.services.all(namespace, name).first().filter(|it| it.external.is_some()).cloned() {
            Some(external) => self.externals.insert((namespace, name), external),
            None if was => self.externals.remove(namespace, name),
            None => return,
        }
        self.entries = None;
    }

    fn rule_specs(&mut self) -> Arc<RuleSpecs> {
        let Self { virtual_services, rules, credentials, .. } = self;
        let make = || Arc::new(rule_specs(virtual_services.iter().chain(&*rules), credentials));
        self.rule_specs.get_or_insert_with(make).clone()
    }

    fn add_rules(&mut self, rules: &Arc<RuleFragment>) {
        let place_in =
            |list: &[Arc<RuleFragment>]| list.partition_point(|other| other.seniority() <= rules.seniority());
        let RuleContent::VirtualService(spec) = &rules.content else {
            return self.rules.insert(place_in(&self.rules), rules.clone());
        };
        let place = place_in(&self.virtual_services);
        self.virtual_services.insert(place, rules.clone());
        if let Some(specs) = &mut self.rule_specs {
            Arc::make_mut(specs).virtual_services.insert(place, spec.clone());
        }
    }

    fn take_rules(&mut self, rules: &Arc<RuleFragment>) {
        let RuleContent::VirtualService(_) = &rules.content else {
            return self.rules.retain(|other| !Arc::ptr_eq(other, rules));
        };
        let place = self.virtual_services.iter().position(|other| Arc::ptr_eq(other, rules));
        let Some(place) = place else { return };
        self.virtual_services.remove(place);
        if let Some(specs) = &mut self.rule_specs {
            Arc::make_mut(specs).virtual_services.remove(place);
        }
    }

    fn entries(&mut self) -> Entries {
        let Self { rules, externals, addresses, .. } = self;
        let names = || externals.values().filter_map(|it| it.external.as_ref()?.name());
        self.entries.get_or_insert_with(|| Entries::of(rules, names().map(Box::from), addresses)).clone()
    }

    /// The sandboxes with their forks. Where two have one key, the older has it.
    fn sandbox_specs(&self) -> Vec<SandboxSpec> {
        let mut sandboxes: Vec<&SandboxFragment> = self.sandboxes.iter().map(|sandbox| &**sandbox).collect();
        sandboxes.sort_by_key(|sandbox| sandbox.seniority());
        let mut keys = HashSet::new();
        let owners = sandboxes.into_iter().filter(|sandbox| keys.insert(&sandbox.key));
        owners.map(|sandbox| sandbox.spec(self.forks_of(sandbox))).collect()
    }

    fn forks_of(&self, sandbox: &SandboxFragment) -> Vec<ForkSpec> {
        let services = self.forks.all(&sandbox.namespace, &sandbox.name).iter();
        let fork = |service: &'_ Arc<ServiceFragment>| {
            let fork_of = service.fork_of.as_ref().filter(|it| is_of(&it.owner, &sandbox.uid))?;
            let spec = self.specs.get(&service.namespace, &service.name)?;
            Some((spec.name.clone(), fork_of.spec(spec)))
        };
        let mut forks: Vec<_> = services.filter_map(fork).collect();
        forks.sort_by(|(a, _), (b, _)| a.cmp(b));
        forks.into_iter().map(|(_, fork)| fork).collect()
    }
}

fn rule_specs<'a>(
    rules: impl Iterator<Item = &'a Arc<RuleFragment>>,
    credentials: &[Arc<CredentialSpec>],
) -> RuleSpecs {
    let mut specs = RuleSpecs::default();
    for rule in rules {
        match &rule.content {
            RuleContent::VirtualService(spec) => specs.virtual_services.push(spec.clone()),
            RuleContent::DestinationRule(spec) => specs.destination_rules.push(spec.clone()),
            RuleContent::Gateway(spec) => specs.gateways.push(spec.clone()),
            RuleContent::ServiceEntry(_) => {}
        }
    }
    specs.credentials = credentials.iter().map(|credential| (**credential).clone()).collect();
    specs
}

// === impl Entries ===

impl Entries {
    /// Forgets the addresses of names that are not wanted any more: who wants them again later
    /// gets those of then.
    fn of(
        rules: &[Arc<RuleFragment>],
        others: impl Iterator<Item = Box<str>>,
        addresses: &mut Addresses,
    ) -> Self {
        let entries = rules.iter().filter_map(|rule| match &rule.content {
            RuleContent::ServiceEntry(entries) => Some(entries),
            _ => None,
        });
        let entries: Vec<&EntrySpec> = entries.flatten().collect();
        let names = entries.iter().flat_map(|entry| &entry.named).map(|named| named.name.clone());
        let names: BTreeSet<Box<str>> = names.chain(others).collect();
        addresses.retain(|name, _| names.contains(name));
        let addresses_of = |name: &str| addresses.get(name).map(Vec::as_slice);
        let specs = entries.iter().map(|entry| entry.resolved(addresses_of)).collect();
        Self { specs, names: Arc::new(names) }
    }
}
