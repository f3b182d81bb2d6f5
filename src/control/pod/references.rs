//! The ConfigMaps and Secrets that a pod's variables and volumes name, read from the API.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, PodSpec, Secret, VolumeProjection};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::support::containers;

/// What exists of what the pod names.
#[derive(Debug, Default)]
pub(super) struct References {
    pub(super) config_maps: BTreeMap<String, ConfigMap>,
    pub(super) secrets: BTreeMap<String, Secret>,
}

/// Reads everything that the pod refers to; what is missing is left out.
pub(super) async fn read(client: &Client, pod: &Pod) -> Result<References, kube::Error> {
    let namespace = pod.namespace().unwrap_or_default();
    let Some(spec) = &pod.spec else { return Ok(References::default()) };
    Ok(References {
        config_maps: existing(client, &namespace, config_maps(spec)).await?,
        secrets: existing(client, &namespace, secrets(spec)).await?,
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

fn config_maps(spec: &PodSpec) -> BTreeSet<&str> {
    let whole = containers(spec).flat_map(|container| container.env_from.iter().flatten());
    let whole = whole.filter_map(|from| Some(from.config_map_ref.as_ref()?.name.as_str()));
    let keys = containers(spec).flat_map(|container| container.env.iter().flatten());
    let keys =
        keys.filter_map(|var| Some(var.value_from.as_ref()?.config_map_key_ref.as_ref()?.name.as_str()));
    let volumes = spec.volumes.iter().flatten();
    let volumes = volumes.filter_map(|volume| Some(volume.config_map.as_ref()?.name.as_str()));
    let projected = projections(spec).filter_map(|source| Some(source.config_map.as_ref()?.name.as_str()));
    whole.chain(keys).chain(volumes).chain(projected).collect()
}

fn secrets(spec: &PodSpec) -> BTreeSet<&str> {
    let whole = containers(spec).flat_map(|container| container.env_from.iter().flatten());
    let whole = whole.filter_map(|from| Some(from.secret_ref.as_ref()?.name.as_str()));
    let keys = containers(spec).flat_map(|container| container.env.iter().flatten());
    let keys = keys.filter_map(|var| Some(var.value_from.as_ref()?.secret_key_ref.as_ref()?.name.as_str()));
    let volumes = spec.volumes.iter().flatten();
    let volumes = volumes.filter_map(|volume| volume.secret.as_ref()?.secret_name.as_deref());
    let projected = projections(spec).filter_map(|source| Some(source.secret.as_ref()?.name.as_str()));
    whole.chain(keys).chain(volumes).chain(projected).collect()
}

fn projections(spec: &PodSpec) -> impl Iterator<Item = &VolumeProjection> {
    let projected = spec.volumes.iter().flatten().filter_map(|volume| volume.projected.as_ref());
    projected.flat_map(|projected| projected.sources.iter().flatten())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn everything_that_a_pod_names_is_read() {
        let from = |what: &str| {
            json!([{"name": "A", "valueFrom": {
            "configMapKeyRef": {"name": format!("{what}-key"), "key": "k"},
        }}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": format!("{what}-secret-key"), "key": "k"}}}])
        };
        let spec: PodSpec = serde_json::from_value(json!({
            "containers": [{"name": "a", "env": from("own"), "envFrom": [
                {"configMapRef": {"name": "all"}}, {"secretRef": {"name": "all-secret"}},
            ]}],
            "initContainers": [{"name": "i", "env": from("init")}],
            "volumes": [
                {"name": "c", "configMap": {"name": "files"}},
                {"name": "s", "secret": {"secretName": "secret-files"}},
                {"name": "p", "projected": {"sources": [
                    {"configMap": {"name": "part"}}, {"secret": {"name": "secret-part"}}, {"downwardAPI": {}},
                ]}},
                {"name": "e", "emptyDir": {}},
            ],
        }))
        .unwrap();
        let sorted = |names: BTreeSet<&str>| names.into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(sorted(config_maps(&spec)), "all files init-key own-key part");
        let wanted = "all-secret init-secret-key own-secret-key secret-files secret-part";
        assert_eq!(sorted(secrets(&spec)), wanted);
    }
}
