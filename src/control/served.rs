//! Which kinds the API serves: the bundled ones, and those of CustomResourceDefinitions.

use std::sync::Arc;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use kube::api::{Api, ApiResource, GroupVersionKind, ListParams};
use spur_api::{Kind, Scope, bundled, registry};

use crate::run::Failure;

/// A kind that is served, in one version; cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Served(Arc<Inner>);

#[derive(Debug, PartialEq)]
struct Inner {
    resource: ApiResource,
    scope: Scope,
}

// === impl Served ===

impl Served {
    /// A row of the registry.
    pub(crate) fn bundled(kind: &Kind) -> Self {
        let gvk = GroupVersionKind::gvk(kind.group, kind.version, kind.kind);
        Self::new(ApiResource::from_gvk_with_plural(&gvk, kind.plural), kind.scope)
    }

    /// Every bundled kind: the rows of the registry and the bundled definitions.
    pub(crate) fn all_bundled() -> Vec<Self> {
        registry::stored().map(Self::bundled).chain(bundled::all().map(Self::of_bundled)).collect()
    }

    /// What a bundled definition has the API serve, in the version that objects are stored in.
    pub(crate) fn of_bundled(definition: &bundled::Definition) -> Self {
        let gvk = GroupVersionKind::gvk(definition.group, definition.storage_version, definition.kind);
        Self::new(ApiResource::from_gvk_with_plural(&gvk, definition.plural), definition.scope)
    }

    /// What a definition has the API serve: the version that objects are stored in, else the first.
    pub(crate) fn of(definition: &CustomResourceDefinition) -> Option<Self> {
        let conditions = definition.status.as_ref().and_then(|status| status.conditions.as_deref());
        let mut conditions = conditions.unwrap_or(&[]).iter();
        if !conditions.any(|one| one.type_ == "Established" && one.status == "True") {
            return None;
        }
        let spec = &definition.spec;
        let served = || spec.versions.iter().filter(|version| version.served);
        let version = served().find(|version| version.storage).or_else(|| served().next())?;
        let gvk = GroupVersionKind::gvk(&spec.group, &version.name, &spec.names.kind);
        let scope = if spec.scope == "Namespaced" { Scope::Namespaced } else { Scope::Cluster };
        Some(Self::new(ApiResource::from_gvk_with_plural(&gvk, &spec.names.plural), scope))
    }

    /// Every kind that is served now.
    pub(crate) async fn all(client: &Client) -> Result<Vec<Self>, Failure> {
        let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
        let definitions = definitions.list(&ListParams::default()).await?;
        let custom: Vec<Self> = definitions.iter().filter_map(Self::of).collect();
        let mut all = Self::all_bundled();
        // A definition takes the place of the bundled kind of its name.
        all.retain(|bundled| !custom.iter().any(|custom| custom.name() == bundled.name()));
        all.extend(custom);
        Ok(all)
    }

    /// As the client names it.
    pub(crate) fn resource(&self) -> &ApiResource {
        &self.0.resource
    }

    /// `pods.` or `deployments.apps`, whatever the version.
    pub(crate) fn name(&self) -> String {
        format!("{}.{}", self.0.resource.plural, self.0.resource.group)
    }

    /// Whether objects live in a namespace.
    pub(crate) fn is_namespaced(&self) -> bool {
        self.0.scope == Scope::Namespaced
    }

    /// Whether an owner reference with these means this kind, in any of its versions.
    pub(crate) fn is_kind(&self, api_version: &str, kind: &str) -> bool {
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        self.0.resource.group == group && self.0.resource.kind == kind
    }

    fn new(resource: ApiResource, scope: Scope) -> Self {
        Self(Arc::new(Inner { resource, scope }))
    }
}
