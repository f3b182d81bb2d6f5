//! Istio's objects as sources of rules.
//!
//! They are kept as JSON: `spur-istio` reads them, and says what is wrong with them to others.

use std::borrow::Cow;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use serde::Deserialize;
use serde_json::{Value, json};
use spur_istio::{EntrySpec, Spec};
use spur_route::{DestinationRuleSpec, GatewaySpec, VirtualServiceSpec};

use super::{Content, Fragment, Source, SourceKind};

/// An object of one of Istio's kinds.
#[derive(Clone, Debug, Deserialize)]
pub struct Istio<K> {
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Value,
    #[serde(default)]
    status: Value,
    #[serde(skip)]
    kind: PhantomData<K>,
}

/// Which of Istio's kinds.
pub trait IstioKind: Clone + Debug + Send + Sync + 'static {
    /// `VirtualService`.
    const KIND: &'static str;
    /// `virtualservices`.
    const PLURAL: &'static str;
    /// The same, as a source.
    const SOURCE: SourceKind;
}

/// `networking.istio.io VirtualService`.
#[derive(Clone, Debug)]
pub struct VirtualService;

/// `networking.istio.io DestinationRule`.
#[derive(Clone, Debug)]
pub struct DestinationRule;

/// `networking.istio.io Gateway`.
#[derive(Clone, Debug)]
pub struct Gateway;

/// `networking.istio.io ServiceEntry`.
#[derive(Clone, Debug)]
pub struct ServiceEntry;

/// What an object says, and which of two comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RuleFragment {
    created: Option<Timestamp>,
    namespace: Arc<str>,
    name: Arc<str>,
    pub(super) content: RuleContent,
}

/// What an object says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RuleContent {
    VirtualService(Arc<VirtualServiceSpec>),
    DestinationRule(Arc<DestinationRuleSpec>),
    Gateway(Arc<GatewaySpec>),
    ServiceEntry(Vec<EntrySpec>),
}

// === impl IstioKind ===

impl IstioKind for VirtualService {
    const KIND: &'static str = "VirtualService";
    const PLURAL: &'static str = "virtualservices";
    const SOURCE: SourceKind = SourceKind::VirtualService;
}

impl IstioKind for DestinationRule {
    const KIND: &'static str = "DestinationRule";
    const PLURAL: &'static str = "destinationrules";
    const SOURCE: SourceKind = SourceKind::DestinationRule;
}

impl IstioKind for Gateway {
    const KIND: &'static str = "Gateway";
    const PLURAL: &'static str = "gateways";
    const SOURCE: SourceKind = SourceKind::Gateway;
}

impl IstioKind for ServiceEntry {
    const KIND: &'static str = "ServiceEntry";
    const PLURAL: &'static str = "serviceentries";
    const SOURCE: SourceKind = SourceKind::ServiceEntry;
}

// === impl Istio ===

impl<K: IstioKind> kube::Resource for Istio<K> {
    type DynamicType = ();
    type Scope = kube::core::NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        K::KIND.into()
    }

    fn group((): &()) -> Cow<'_, str> {
        spur_istio::GROUP.into()
    }

    fn version((): &()) -> Cow<'_, str> {
        VERSION.into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        K::PLURAL.into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// The version that is asked for; all have one shape.
const VERSION: &str = "v1";

impl<K: IstioKind> Istio<K> {
    /// The object as `spur-istio` reads it.
    #[must_use]
    pub fn as_value(&self) -> Value {
        let Self { metadata, spec, status: _, kind: _ } = self;
        json!({
            "apiVersion": format!("{}/{VERSION}", spur_istio::GROUP),
            "kind": K::KIND,
            "metadata": {
                "namespace": metadata.namespace, "name": metadata.name,
                "resourceVersion": metadata.resource_version,
            },
            "spec": spec,
        })
    }

    /// Its metadata.
    #[must_use]
    pub fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }

    /// Its status, whatever it holds.
    #[must_use]
    pub fn status(&self) -> &Value {
        &self.status
    }
}

impl<K: IstioKind> Source for Istio<K> {
    const KIND: SourceKind = K::SOURCE;

    /// `None` for an object with a fault: admission has let none through, so that it is from
    /// before a rule of it, or the user's own definition of the kind knows others.
    fn fragment(&self) -> Option<Fragment> {
        let reading = spur_istio::read(&self.as_value())?;
        if let Some(fault) = reading.faults.first() {
            let (namespace, name) = (self.namespace().unwrap_or_default(), self.name_any());
            tracing::warn!(kind = K::KIND, namespace, name, %fault, "left a faulty object out of the routing table: {fault}");
            return None;
        }
        let content = match reading.spec? {
            Spec::VirtualService(spec) => RuleContent::VirtualService(Arc::new(spec)),
            Spec::DestinationRule(spec) => RuleContent::DestinationRule(Arc::new(spec)),
            Spec::Gateway(spec) => RuleContent::Gateway(Arc::new(spec)),
            Spec::ServiceEntry(entries) => RuleContent::ServiceEntry(entries),
        };
        let (namespace, name) = super::place(self);
        let created = self.creation_timestamp().map(|time| time.0);
        Some(Fragment(Content::Rules(Arc::new(RuleFragment { created, namespace, name, content }))))
    }

    /// Only the spec counts, whose changes the server numbers: what is written to the status of a
    /// rule, which is after each change, makes no other table.
    fn content_version(&self) -> Option<String> {
        self.metadata.generation.map(|generation| generation.to_string()).or_else(|| self.resource_version())
    }
}

// === impl RuleFragment ===

impl RuleFragment {
    /// The order in which objects count: the older first (`sortConfigByCreationTime` in Istio).
    pub(super) fn seniority(&self) -> (Option<Timestamp>, &str, &str) {
        (self.created, &self.namespace, &self.name)
    }
}
