//! StatefulSets.

use serde_json::{Value, json};
use spur_schema::FieldError;

use super::{check, pod_spec, volumes};
use crate::meta;
use crate::names::NameRule;
use crate::registry::{Column, Kind, Rules, Subresource};

/// What an update may change.
const CHANGEABLE: [&str; 7] = [
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

pub(crate) const KIND: Kind = Kind {
    kind: "StatefulSet",
    plural: "statefulsets",
    singular: "statefulset",
    short_names: &["sts"],
    categories: &["all"],
    definition: "io.k8s.api.apps.v1.StatefulSet",
    subresources: &[Subresource::Status, Subresource::Scale],
    rules: Rules {
        // The pods' names, and their hostnames, begin with it.
        name: NameRule::Label,
        default,
        prepare_create: |object| {
            // Optional in the schema, and never left out all the same.
            meta::map_at(object, "status").insert("availableReplicas".to_owned(), json!(0));
        },
        validate,
        columns: &[Column::text("Ready"), Column::AGE, Column::wide("Containers"), Column::wide("Images")],
        cells: |object| {
            let count = |pointer: &str| meta::number(object, pointer).unwrap_or(0);
            let ready = format!("{}/{}", count("/status/readyReplicas"), count("/spec/replicas"));
            let [names, images] = super::container_cells(object);
            vec![json!(ready), super::age(object), names, images]
        },
        has_generation: true,
        acted_on_by: "stateful set controller",
        ..Rules::PLAIN
    },
    ..Kind::namespaced("apps", "v1")
};

/// Source of the values: `pkg/apis/apps/v1/defaults.SetDefaults_StatefulSet`.
fn default(object: &mut Value) {
    let spec = meta::map_at(object, "spec");
    meta::set_default(spec, "podManagementPolicy", "OrderedReady");
    meta::set_default(spec, "replicas", 1);
    meta::set_default(spec, "revisionHistoryLimit", 10);
    meta::set_default(spec, "updateStrategy", json!({}));
    meta::set_default(spec, "persistentVolumeClaimRetentionPolicy", json!({}));
    if let Some(strategy) = spec.get_mut("updateStrategy").and_then(Value::as_object_mut) {
        meta::set_default(strategy, "type", "RollingUpdate");
        if strategy["type"] == "RollingUpdate" {
            meta::set_default(strategy, "rollingUpdate", json!({}));
            if let Some(rolling) = strategy.get_mut("rollingUpdate").and_then(Value::as_object_mut) {
                meta::set_default(rolling, "partition", 0);
            }
        }
    }
    if let Some(policy) = spec.get_mut("persistentVolumeClaimRetentionPolicy").and_then(Value::as_object_mut)
    {
        meta::set_default(policy, "whenDeleted", "Retain");
        meta::set_default(policy, "whenScaled", "Retain");
    }
    let claims = spec.get_mut("volumeClaimTemplates").and_then(Value::as_array_mut);
    for claim in claims.into_iter().flatten().filter(|claim| claim.is_object()) {
        default_claim(claim);
    }
    pod_spec::default_template(object);
}

/// A template of a claim is a whole claim.
fn default_claim(claim: &mut Value) {
    volumes::default_claim(meta::map_at(claim, "spec"));
    meta::set_default(meta::map_at(claim, "status"), "phase", "Pending");
    if let Some(map) = claim.as_object_mut() {
        meta::set_default(map, "apiVersion", "v1");
        meta::set_default(map, "kind", "PersistentVolumeClaim");
    }
}

/// Source: `pkg/apis/apps/validation.ValidateStatefulSetSpec` and `…Update`.
fn validate(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let policies = ["OrderedReady", "Parallel"];
    faults.extend(check::one_of(new, "spec.podManagementPolicy", &policies));
    faults.extend(validate_strategy(new));
    for field in ["whenDeleted", "whenScaled"] {
        let path = format!("spec.persistentVolumeClaimRetentionPolicy.{field}");
        faults.extend(check::one_of(new, &path, &["Delete", "Retain"]));
    }
    for path in ["spec.replicas", "spec.minReadySeconds", "spec.ordinals.start", "spec.revisionHistoryLimit"]
    {
        faults.extend(check::not_negative(new, path));
    }
    faults.extend(super::validate_selector(new, "statefulset"));
    faults.extend(pod_spec::validate_template(new));
    if old.is_some_and(|old| fixed(new) != fixed(old)) {
        let why = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
        faults.push(FieldError::forbidden("spec", why));
    }
    faults
}

fn validate_strategy(object: &Value) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let path = "spec.updateStrategy";
    match check::text(object, "spec.updateStrategy.type") {
        "RollingUpdate" => {
            faults.extend(check::not_negative(object, "spec.updateStrategy.rollingUpdate.partition"));
        }
        "OnDelete" if check::at(object, "spec.updateStrategy.rollingUpdate").is_some() => {
            let why = "only allowed for updateStrategy 'RollingUpdate'";
            let found = object["spec"]["updateStrategy"]["rollingUpdate"].clone();
            faults.push(FieldError::invalid(format!("{path}.rollingUpdate"), found, why));
        }
        "OnDelete" => {}
        other => {
            let why = "must be 'RollingUpdate' or 'OnDelete'";
            faults.push(FieldError::invalid(path, json!({"type": other}), why));
        }
    }
    faults
}

fn fixed(object: &Value) -> Value {
    let mut spec = object.get("spec").cloned().unwrap_or_default();
    if let Some(spec) = spec.as_object_mut() {
        spec.retain(|field, _| !CHANGEABLE.contains(&field.as_str()));
    }
    spec
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> Value {
        let mut object = json!({
            "metadata": {"name": "db"},
            "spec": {
                "serviceName": "db",
                "selector": {"matchLabels": {"app": "db"}},
                "template": {
                    "metadata": {"labels": {"app": "db"}},
                    "spec": {"containers": [{"name": "db", "image": "db:1"}]},
                },
                "volumeClaimTemplates": [{
                    "metadata": {"name": "data"},
                    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
                }],
            },
        });
        default(&mut object);
        object
    }

    #[test]
    fn a_plain_set_is_valid_and_gets_the_usual_defaults() {
        let object = set();
        assert_eq!(validate(&object, None), []);
        let spec = &object["spec"];
        assert_eq!(
            spec["updateStrategy"],
            json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})
        );
        assert_eq!(spec["volumeClaimTemplates"][0]["kind"], "PersistentVolumeClaim");
        assert_eq!(spec["volumeClaimTemplates"][0]["spec"]["volumeMode"], "Filesystem");
        assert_eq!((KIND.rules.cells)(&object)[0], "0/1");
    }

    #[test]
    fn only_some_fields_may_change() {
        let old = set();
        let mut new = set();
        new["spec"]["replicas"] = json!(3);
        assert_eq!(validate(&new, Some(&old)), []);
        new["spec"]["serviceName"] = json!("other");
        assert_eq!(validate(&new, Some(&old))[0].path, "spec");
    }

    #[test]
    fn a_strategy_is_one_of_two() {
        let mut object = set();
        object["spec"]["updateStrategy"] = json!({"type": "Recreate"});
        assert_eq!(validate(&object, None)[0].path, "spec.updateStrategy");
        object["spec"]["updateStrategy"] = json!({"type": "OnDelete", "rollingUpdate": {}});
        assert_eq!(validate(&object, None)[0].path, "spec.updateStrategy.rollingUpdate");
    }
}
