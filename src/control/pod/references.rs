//! The ConfigMaps and Secrets that a pod's variables name, read from the API.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ConfigMap, Container, Pod, Secret};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::support;

/// What exists of what the pod names.
#[derive(Debug, Default)]
pub(super) struct References {
    pub(super) config_maps: BTreeMap<String, ConfigMap>,
    pub(super) secrets: BTreeMap<String, Secret>,
}

/// Reads everything that the pod's containers refer to; what is missing is left out.
pub(super) async fn read(client: &Client, pod: &Pod) -> Result<References, kube::Error> {
    let namespace = pod.namespace().unwrap_or_default();
    let containers: Vec<&Container> = pod.spec.iter().flat_map(support::containers).collect();
    Ok(References {
        config_maps: existing(client, &namespace, config_maps(&containers)).await?,
        secrets: existing(client, &namespace, secrets(&containers)).await?,
    })
}

async fn existing<K>(
    client: &Client,
    namespace: &str,
    names: BTreeSet<&str>,
) -> Result<BTreeMap<String, K>, kube::Error>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let mut found = BTreeMap::new();
    for name in names {
        if let Some(object) = api.get_opt(name).await? {
            found.insert(name.to_owned(), object);
        }
    }
    Ok(found)
}

fn config_maps<'a>(containers: &[&'a Container]) -> BTreeSet<&'a str> {
    let whole = containers.iter().flat_map(|container| container.env_from.iter().flatten());
    let whole = whole.filter_map(|from| Some(from.config_map_ref.as_ref()?.name.as_str()));
    let keys = containers.iter().flat_map(|container| container.env.iter().flatten());
    let keys =
        keys.filter_map(|var| Some(var.value_from.as_ref()?.config_map_key_ref.as_ref()?.name.as_str()));
    whole.chain(keys).collect()
}

fn secrets<'a>(containers: &[&'a Container]) -> BTreeSet<&'a str> {
    let whole = containers.iter().flat_map(|container| container.env_from.iter().flatten());
    let whole = whole.filter_map(|from| Some(from.secret_ref.as_ref()?.name.as_str()));
    let keys = containers.iter().flat_map(|container| container.env.iter().flatten());
    let keys = keys.filter_map(|var| Some(var.value_from.as_ref()?.secret_key_ref.as_ref()?.name.as_str()));
    whole.chain(keys).collect()
}
