//! ReplicaSets.

use serde_json::{Value, json};
use spur_schema::FieldError;

use super::{check, pod_spec};
use crate::meta;
use crate::registry::{Column, Kind, Rules, Scope, SelectableField, Subresource};

pub(crate) const KIND: Kind = Kind {
    group: "apps",
    version: "v1",
    kind: "ReplicaSet",
    plural: "replicasets",
    singular: "replicaset",
    short_names: &["rs"],
    categories: &["all"],
    scope: Scope::Namespaced,
    definition: "io.k8s.api.apps.v1.ReplicaSet",
    subresources: &[Subresource::Status, Subresource::Scale],
    rules: Rules {
        default,
        validate,
        columns: &[
            Column::integer("Desired"),
            Column::integer("Current"),
            Column::integer("Ready"),
            Column::AGE,
            Column::wide("Containers"),
            Column::wide("Images"),
            Column::wide("Selector"),
        ],
        cells,
        fields: &[SelectableField { label: "status.replicas", pointer: "/status/replicas", absent: "0" }],
        has_generation: true,
        acted_on_by: "replica set controller",
        ..Rules::PLAIN
    },
};

fn default(object: &mut Value) {
    meta::set_default(meta::map_at(object, "spec"), "replicas", 1);
    pod_spec::default_template(object);
}

fn validate(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = super::validate_selector(new, "deployment");
    faults.extend(super::validate_same_selector(new, old));
    faults.extend(check::not_negative(new, "spec.replicas"));
    faults.extend(pod_spec::validate_template(new));
    faults
}

fn cells(object: &Value) -> Vec<Value> {
    let count = |pointer: &str| json!(meta::number(object, pointer).unwrap_or(0));
    let [names, images] = super::container_cells(object);
    vec![
        count("/spec/replicas"),
        count("/status/replicas"),
        count("/status/readyReplicas"),
        super::age(object),
        names,
        images,
        super::workload_selector(object),
    ]
}
