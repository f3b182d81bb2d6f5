//! Objects into a routing table, in two pure steps: an object becomes a
//! [`Fragment`], fragments become a [`RoutingTable`].
//!
//! ```text
//!  Service, EndpointSlice, Pod ┐                        ┌─► ServiceSpec ─┐
//!  Sandbox, Secret ────────────┼─► Fragment ─► Assembly ┼─► SandboxSpec ─┼─► RoutingTable
//!  VirtualService, … ──────────┘   (cached by uid       └─► RuleSpecs ───┘
//!                                   and version)
//! ```
//!
//! A fragment is what an object says about routing, read once; [`FragmentCache`]
//! keeps them while objects change, and with them the specs of what has not changed. Objects are taken in their typed form: what
//! a field is called is then checked by the compiler, and they are read once at
//! the edge. Watching the API is left to `routes`, deciding to `spur-route`.

pub mod files;

mod assembly;
mod cache;
mod external;
mod istio;
mod pod;
mod sandbox;
mod secret;
mod service;
mod slice;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use spur_api::sandbox::Sandbox;
use spur_route::CredentialSpec;

pub use cache::FragmentCache;
pub use external::{External, ports};
use istio::RuleFragment;
pub use istio::{DestinationRule, Gateway, Istio, IstioKind, ServiceEntry, VirtualService};
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

    /// Changes when what the object says may have changed; `None` where that is not known, as of
    /// objects from files.
    fn content_version(&self) -> Option<String> {
        self.resource_version()
    }
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
