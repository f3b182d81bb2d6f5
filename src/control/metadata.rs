//! The metadata of objects, for watches that want nothing else.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use kube::Resource;
use serde::{Deserialize, Deserializer};

/// The metadata of an object of kind `K`, without `managedFields`: half of it, and no controller
/// reads them.
///
/// Instead of kube's `PartialObjectMeta`, which keeps each object in pieces before it reads it
/// (`#[serde(flatten)]`): a watch of every kind reads every object that is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(bound = "")]
pub(crate) struct Metadata<K> {
    #[serde(default, deserialize_with = "without_entries")]
    pub(crate) metadata: ObjectMeta,
    #[serde(skip)]
    of: PhantomData<K>,
}

/// What is read of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    annotations: Option<BTreeMap<String, String>>,
    creation_timestamp: Option<Time>,
    deletion_grace_period_seconds: Option<i64>,
    deletion_timestamp: Option<Time>,
    finalizers: Option<Vec<String>>,
    generate_name: Option<String>,
    generation: Option<i64>,
    labels: Option<BTreeMap<String, String>>,
    name: Option<String>,
    namespace: Option<String>,
    owner_references: Option<Vec<OwnerReference>>,
    resource_version: Option<String>,
    uid: Option<String>,
}

fn without_entries<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let read = Read::deserialize(deserializer)?;
    Ok(ObjectMeta {
        annotations: read.annotations,
        creation_timestamp: read.creation_timestamp,
        deletion_grace_period_seconds: read.deletion_grace_period_seconds,
        deletion_timestamp: read.deletion_timestamp,
        finalizers: read.finalizers,
        generate_name: read.generate_name,
        generation: read.generation,
        labels: read.labels,
        managed_fields: None,
        name: read.name,
        namespace: read.namespace,
        owner_references: read.owner_references,
        resource_version: read.resource_version,
        self_link: None,
        uid: read.uid,
    })
}

// === impl Metadata ===

impl<K: Resource> Resource for Metadata<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn metadata_api() -> bool {
        true
    }

    fn kind(of: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(of)
    }

    fn group(of: &Self::DynamicType) -> Cow<'_, str> {
        K::group(of)
    }

    fn version(of: &Self::DynamicType) -> Cow<'_, str> {
        K::version(of)
    }

    fn plural(of: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(of)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Pod;
    use kube::core::PartialObjectMeta;
    use serde_json::json;

    /// All that kube reads, but for the entries.
    #[test]
    fn everything_but_managed_fields_is_read() {
        let object = json!({
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
            "metadata": {
                "name": "a", "generateName": "a-", "namespace": "b", "uid": "u", "resourceVersion": "7",
                "generation": 3, "creationTimestamp": "2026-01-01T00:00:00Z",
                "deletionTimestamp": "2026-01-02T00:00:00Z", "deletionGracePeriodSeconds": 30,
                "labels": {"l": "1"}, "annotations": {"n": "2"}, "finalizers": ["f"],
                "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "o", "uid": "p"}],
                "managedFields": [{"manager": "m", "operation": "Apply", "fieldsV1": {"f:a": {}}}],
            },
        });
        let of_kube: PartialObjectMeta<Pod> = serde_json::from_value(object.clone()).expect("readable");
        let ours: Metadata<Pod> = serde_json::from_value(object).expect("readable");
        assert_eq!(ours.metadata, ObjectMeta { managed_fields: None, ..of_kube.metadata });
        let nothing: Metadata<Pod> = serde_json::from_value(json!({})).expect("readable");
        assert_eq!(nothing.metadata, ObjectMeta::default());
    }
}
