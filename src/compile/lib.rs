//! Objects into a routing table, in two pure steps: an object becomes a
//! [`Fragment`], fragments become a [`RoutingTable`].
//!
//! ```text
//!  Service, EndpointSlice, Pod ┐                       ┌─► ServiceSpec ─┐
//!  Sandbox, Secret ────────────┼─► Fragment ─► compile ┼─► SandboxSpec ─┼─► RoutingTable::of
//!  VirtualService, … ──────────┘   (cached by uid      └─► RuleSpecs ───┘
//!                                   and resourceVersion)
//! ```
//!
//! A fragment is what an object says about routing, read once; [`FragmentCache`]
//! keeps them while objects change. Objects are taken in their typed form: what
//! a field is called is then checked by the compiler, and they are read once at
//! the edge. Watching the API is left to `routes`, deciding to `spur-route`.

pub mod files;

mod cache;
mod istio;
mod pod;
mod sandbox;
mod secret;
mod service;
mod slice;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use spur_api::sandbox::Sandbox;
use spur_route::{CredentialSpec, ForkSpec, RoutingTable, RuleSpecs, SandboxSpec, ServiceSpec, Specs};

pub use cache::FragmentCache;
pub use istio::{DestinationRule, Gateway, Istio, IstioKind, ServiceEntry, VirtualService};
use istio::{RuleContent, RuleFragment};
use pod::PodFragment;
use sandbox::SandboxFragment;
use service::ServiceFragment;
use slice::SliceFragment;

/// What one object says about routing. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment(Content);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Service(Arc<ServiceFragment>),
    Slice(Arc<SliceFragment>),
    Pod(Arc<PodFragment>),
    Sandbox(Arc<SandboxFragment>),
    Rules(Arc<RuleFragment>),
    Secret(Arc<CredentialSpec>),
}

/// A kind of object that routing is made from.
pub trait Source: kube::Resource<DynamicType = ()> + DeserializeOwned {
    /// Which kind it is.
    const KIND: SourceKind;

    /// What the object says about routing; `None` where it says nothing, as a
    /// sandbox without a key does.
    fn fragment(&self) -> Option<Fragment>;
}

/// The kinds of objects that routing is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// `v1 Service`.
    Service,
    /// `discovery.k8s.io/v1 EndpointSlice`.
    EndpointSlice,
    /// `v1 Pod`.
    Pod,
    /// `v1 Secret`.
    Secret,
    /// `spur.dev/v1alpha1 Sandbox`.
    Sandbox,
    /// `networking.istio.io VirtualService`.
    VirtualService,
    /// `networking.istio.io DestinationRule`.
    DestinationRule,
    /// `networking.istio.io Gateway`.
    Gateway,
    /// `networking.istio.io ServiceEntry`.
    ServiceEntry,
}

/// A fork as its own Service tells of it.
struct Fork {
    service: Arc<str>,
    /// The uid of the sandbox that made the Service.
    owner: Option<Arc<str>>,
    spec: ForkSpec,
}

/// A namespace and a name in it.
type At<'a> = (&'a str, &'a str);

/// The labels of pods.
type PodLabels<'a> = HashMap<At<'a>, &'a Arc<BTreeMap<String, String>>>;

/// Makes the table that the fragments of all objects come to. Their order does
/// not matter. The revision is the highest resourceVersion that they were read at.
#[must_use]
pub fn compile<'a>(revision: u64, fragments: impl IntoIterator<Item = &'a Fragment>) -> RoutingTable {
    let mut services = Vec::new();
    let mut slices: HashMap<At<'_>, Vec<&SliceFragment>> = HashMap::new();
    let mut pods = PodLabels::new();
    let mut sandboxes = Vec::new();
    let mut rules = Vec::new();
    let mut credentials = Vec::new();
    for Fragment(content) in fragments {
        match content {
            Content::Service(service) => services.push(&**service),
            Content::Slice(slice) => {
                slices.entry((&slice.namespace, &slice.service)).or_default().push(slice);
            }
            Content::Pod(pod) => drop(pods.insert((&pod.namespace, &pod.name), &pod.labels)),
            Content::Sandbox(sandbox) => sandboxes.push(&**sandbox),
            Content::Rules(rule) => rules.push(&**rule),
            Content::Secret(credential) => credentials.push((**credential).clone()),
        }
    }
    let mut specs = Vec::with_capacity(services.len());
    let mut forks: HashMap<At<'_>, Vec<Fork>> = HashMap::new();
    for service in services {
        let slices = slices.get(&(&*service.namespace, &*service.name)).map_or(&[][..], Vec::as_slice);
        let slices = slices.iter().copied().filter(|slice| is_of(&slice.owner, &service.uid));
        let spec = service.spec(slices, &pods);
        if let Some(fork_of) = &service.fork_of {
            let fork =
                Fork { service: spec.name.clone(), owner: fork_of.owner.clone(), spec: fork_of.spec(&spec) };
            forks.entry((&service.namespace, &fork_of.sandbox)).or_default().push(fork);
        }
        specs.push(spec);
    }
    let rules = RuleSpecs { credentials, ..rule_specs(rules, &mut specs) };
    let sandboxes = sandbox_specs(sandboxes, forks);
    RoutingTable::of(revision, Specs { services: specs, sandboxes, rules })
}

/// The rules, the older first; what ServiceEntries add to the Services goes to these.
fn rule_specs(mut fragments: Vec<&RuleFragment>, services: &mut Vec<ServiceSpec>) -> RuleSpecs {
    fragments.sort_by_key(|fragment| fragment.seniority());
    let mut specs = RuleSpecs::default();
    for fragment in fragments {
        match &fragment.content {
            RuleContent::VirtualService(spec) => specs.virtual_services.push(spec.clone()),
            RuleContent::DestinationRule(spec) => specs.destination_rules.push(spec.clone()),
            RuleContent::Gateway(spec) => specs.gateways.push(spec.clone()),
            RuleContent::ServiceEntry(hosts) => services.extend(hosts.iter().cloned()),
        }
    }
    specs
}

/// The sandboxes with their forks. Where two have one key, the older has it.
fn sandbox_specs<'a>(
    mut sandboxes: Vec<&'a SandboxFragment>,
    mut forks: HashMap<At<'a>, Vec<Fork>>,
) -> Vec<SandboxSpec> {
    sandboxes.sort_by_key(|sandbox| sandbox.seniority());
    let mut keys = HashSet::new();
    sandboxes
        .into_iter()
        .filter(|sandbox| keys.insert(&sandbox.key))
        .map(|sandbox| {
            let mut forks = forks.remove(&(&*sandbox.namespace, &*sandbox.name)).unwrap_or_default();
            forks.retain(|fork| is_of(&fork.owner, &sandbox.uid));
            forks.sort_by(|a, b| a.service.cmp(&b.service));
            sandbox.spec(forks.into_iter().map(|fork| fork.spec).collect())
        })
        .collect()
}

/// Whether an object that names its owner by uid belongs to the one with this uid. What an
/// owner of the same name has left behind does not: nobody keeps it true any more. Objects
/// from files have no uid, and slices made by hand no owner: there the name decides.
fn is_of(owner: &Option<Arc<str>>, uid: &Option<Arc<str>>) -> bool {
    match (owner, uid) {
        (Some(owner), Some(uid)) => owner == uid,
        _ => true,
    }
}

/// The uid of the object of this kind that an object belongs to.
fn owner_uid(object: &impl ResourceExt, kind: &str) -> Option<Arc<str>> {
    let owner = object.owner_references().iter().find(|owner| owner.kind == kind);
    owner.map(|owner| owner.uid.as_str().into())
}

// === impl Fragment ===

impl Fragment {
    /// Reads an object of any kind, as it stands in a file; `None` for kinds that
    /// routing is not made from, and for objects that say nothing about it.
    ///
    /// # Errors
    /// When an object of one of the [`SourceKind`]s does not have its shape.
    pub fn of(object: &Value) -> Result<Option<Self>, serde_json::Error> {
        fn read<K: Source>(object: &Value) -> Result<Option<Fragment>, serde_json::Error> {
            Ok(serde_json::from_value::<K>(object.clone())?.fragment())
        }
        let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
        match (text("apiVersion"), text("kind")) {
            ("v1", "Service") => read::<Service>(object),
            ("discovery.k8s.io/v1", "EndpointSlice") => read::<EndpointSlice>(object),
            ("v1", "Pod") => read::<Pod>(object),
            ("v1", "Secret") => read::<Secret>(object),
            ("spur.dev/v1alpha1", "Sandbox") => read::<Sandbox>(object),
            (version, kind) if version.starts_with(spur_istio::GROUP) => match kind {
                "VirtualService" => read::<Istio<VirtualService>>(object),
                "DestinationRule" => read::<Istio<DestinationRule>>(object),
                "Gateway" => read::<Istio<Gateway>>(object),
                "ServiceEntry" => read::<Istio<ServiceEntry>>(object),
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }
}

// === impl SourceKind ===

impl SourceKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Service,
        Self::EndpointSlice,
        Self::Pod,
        Self::Secret,
        Self::Sandbox,
        Self::VirtualService,
        Self::DestinationRule,
        Self::Gateway,
        Self::ServiceEntry,
    ];
}

// === impl Source ===

impl Source for Service {
    const KIND: SourceKind = SourceKind::Service;

    fn fragment(&self) -> Option<Fragment> {
        Some(Fragment(Content::Service(Arc::new(ServiceFragment::of(self)?))))
    }
}

impl Source for EndpointSlice {
    const KIND: SourceKind = SourceKind::EndpointSlice;

    fn fragment(&self) -> Option<Fragment> {
        Some(Fragment(Content::Slice(Arc::new(SliceFragment::of(self)?))))
    }
}

impl Source for Pod {
    const KIND: SourceKind = SourceKind::Pod;

    fn fragment(&self) -> Option<Fragment> {
        Some(Fragment(Content::Pod(Arc::new(PodFragment::of(self)))))
    }
}

impl Source for Secret {
    const KIND: SourceKind = SourceKind::Secret;

    fn fragment(&self) -> Option<Fragment> {
        Some(Fragment(Content::Secret(Arc::new(secret::credential(self)?))))
    }
}

impl Source for Sandbox {
    const KIND: SourceKind = SourceKind::Sandbox;

    fn fragment(&self) -> Option<Fragment> {
        Some(Fragment(Content::Sandbox(Arc::new(SandboxFragment::of(self)?))))
    }
}

/// The resourceVersion as the revision that it is here; 0 for objects from files.
fn revision(meta: &ObjectMeta) -> u64 {
    meta.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0)
}

/// Where an object stands, in shared text.
fn place(object: &impl ResourceExt) -> (Arc<str>, Arc<str>) {
    (object.namespace().unwrap_or_default().into(), object.name_any().into())
}
