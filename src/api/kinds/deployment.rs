//! Deployments.

use serde_json::{Value, json};
use spur_schema::FieldError;

use super::{check, pod_spec};
use crate::meta;
use crate::registry::{Column, Kind, Rules, Scope, Subresource};

pub(crate) const KIND: Kind = Kind {
    group: "apps",
    version: "v1",
    kind: "Deployment",
    plural: "deployments",
    singular: "deployment",
    short_names: &["deploy"],
    categories: &["all"],
    scope: Scope::Namespaced,
    definition: "io.k8s.api.apps.v1.Deployment",
    subresources: &[Subresource::Status, Subresource::Scale],
    rules: Rules {
        default,
        validate,
        columns: &[
            Column::text("Ready"),
            Column::text("Up-to-date"),
            Column::text("Available"),
            Column::AGE,
            Column::wide("Containers"),
            Column::wide("Images"),
            Column::wide("Selector"),
        ],
        cells,
        has_generation: true,
        acted_on_by: "deployment controller",
        ..Rules::PLAIN
    },
};

/// Source of the values: `pkg/apis/apps/v1/defaults.SetDefaults_Deployment`.
fn default(object: &mut Value) {
    let spec = meta::map_at(object, "spec");
    meta::set_default(spec, "replicas", 1);
    meta::set_default(spec, "revisionHistoryLimit", 10);
    meta::set_default(spec, "progressDeadlineSeconds", 600);
    let strategy = spec.entry("strategy").or_insert_with(|| json!({}));
    if strategy.is_null() {
        *strategy = json!({});
    }
    if let Some(strategy) = strategy.as_object_mut() {
        meta::set_default(strategy, "type", "RollingUpdate");
        if strategy["type"] == "RollingUpdate" {
            let rolling = strategy.entry("rollingUpdate").or_insert_with(|| json!({}));
            if let Some(rolling) = rolling.as_object_mut() {
                meta::set_default(rolling, "maxUnavailable", "25%");
                meta::set_default(rolling, "maxSurge", "25%");
            }
        }
    }
    pod_spec::default_template(object);
}

fn validate(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = super::validate_selector(new, "deployment");
    faults.extend(super::validate_same_selector(new, old));
    faults.extend(check::not_negative(new, "spec.replicas"));
    faults.extend(validate_strategy(new));
    faults.extend(pod_spec::validate_template(new));
    faults
}

fn validate_strategy(object: &Value) -> Vec<FieldError> {
    match meta::text(object, "/spec/strategy/type") {
        "RollingUpdate" => {}
        "Recreate" if object.pointer("/spec/strategy/rollingUpdate").is_some_and(|v| !v.is_null()) => {
            let why = "may not be specified when strategy `type` is 'Recreate'";
            return vec![FieldError::forbidden("spec.strategy.rollingUpdate", why)];
        }
        "Recreate" => return Vec::new(),
        other => {
            let known = ["Recreate", "RollingUpdate"];
            return vec![FieldError::not_supported("spec.strategy.type", json!(other), known)];
        }
    }
    let read = |field: &str| object.pointer(&format!("/spec/strategy/rollingUpdate/{field}"));
    let mut faults = Vec::new();
    for field in ["maxUnavailable", "maxSurge"] {
        if let Some(value) = read(field).filter(|value| int_or_percent(value).is_none()) {
            let path = format!("spec.strategy.rollingUpdate.{field}");
            let why = "must be a whole number of at least 0 or a percentage such as '25%'";
            faults.push(FieldError::invalid(path, value.clone(), why));
        }
    }
    let is_zero = |field: &str| {
        matches!(read(field).and_then(int_or_percent), Some(Amount::Count(0) | Amount::Percent(0)))
    };
    if is_zero("maxUnavailable") && is_zero("maxSurge") {
        let why = "may not be 0 when `maxSurge` is 0";
        faults.push(FieldError::invalid("spec.strategy.rollingUpdate.maxUnavailable", json!(0), why));
    }
    faults
}

/// A count or a share of the replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// So many pods.
    Count(u32),
    /// So many percent of the replicas.
    Percent(u32),
}

/// Reads an int-or-percent value: `1` or `"25%"`.
pub fn int_or_percent(value: &Value) -> Option<Amount> {
    match value {
        Value::Number(number) => number.as_u64()?.try_into().ok().map(Amount::Count),
        Value::String(text) => text.strip_suffix('%')?.parse().ok().map(Amount::Percent),
        _ => None,
    }
}

fn cells(object: &Value) -> Vec<Value> {
    let count = |pointer: &str| meta::number(object, pointer).unwrap_or(0);
    let [names, images] = super::container_cells(object);
    vec![
        json!(format!("{}/{}", count("/status/readyReplicas"), count("/spec/replicas"))),
        json!(count("/status/updatedReplicas")),
        json!(count("/status/availableReplicas")),
        super::age(object),
        names,
        images,
        super::workload_selector(object),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment() -> Value {
        let mut object = json!({
            "metadata": {"name": "web"},
            "spec": {
                "selector": {"matchLabels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {"containers": [{"name": "web", "image": "web:1"}]},
                },
            },
        });
        default(&mut object);
        object
    }

    #[test]
    fn a_plain_deployment_is_valid_and_gets_the_usual_defaults() {
        let object = deployment();
        assert_eq!(validate(&object, None), vec![]);
        assert_eq!(object["spec"]["replicas"], 1);
        assert_eq!(object["spec"]["strategy"]["rollingUpdate"]["maxSurge"], "25%");
        assert_eq!(object["spec"]["template"]["spec"]["restartPolicy"], "Always");
    }

    #[test]
    fn defaults_are_applied_once() {
        let once = deployment();
        let mut twice = once.clone();
        default(&mut twice);
        assert_eq!(once, twice);
    }

    #[test]
    fn the_selector_must_match_and_stay() {
        let mut object = deployment();
        object["spec"]["template"]["metadata"]["labels"] = json!({"app": "other"});
        assert_eq!(validate(&object, None)[0].path, "spec.template.metadata.labels");
        let old = deployment();
        let mut new = deployment();
        new["spec"]["selector"]["matchLabels"]["tier"] = json!("x");
        new["spec"]["template"]["metadata"]["labels"]["tier"] = json!("x");
        assert_eq!(validate(&new, Some(&old))[0].path, "spec.selector");
    }
}
