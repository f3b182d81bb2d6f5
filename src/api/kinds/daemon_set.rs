//! DaemonSets.

use serde_json::{Value, json};
use spur_schema::FieldError;

use super::deployment::{Amount, int_or_percent};
use super::{check, pod_spec};
use crate::meta;
use crate::registry::{Column, Kind, Rules, Subresource};

pub(crate) const KIND: Kind = Kind {
    kind: "DaemonSet",
    plural: "daemonsets",
    singular: "daemonset",
    short_names: &["ds"],
    categories: &["all"],
    definition: "io.k8s.api.apps.v1.DaemonSet",
    subresources: &[Subresource::Status],
    rules: Rules {
        default,
        validate,
        columns: &[
            Column::integer("Desired"),
            Column::integer("Current"),
            Column::integer("Ready"),
            Column::integer("Up-to-date"),
            Column::integer("Available"),
            Column::text("Node Selector"),
            Column::AGE,
            Column::wide("Containers"),
            Column::wide("Images"),
            Column::wide("Selector"),
        ],
        cells,
        has_generation: true,
        acted_on_by: "daemon set controller",
        ..Rules::PLAIN
    },
    ..Kind::namespaced("apps", "v1")
};

/// Source of the values: `pkg/apis/apps/v1/defaults.SetDefaults_DaemonSet`.
fn default(object: &mut Value) {
    let spec = meta::map_at(object, "spec");
    meta::set_default(spec, "revisionHistoryLimit", 10);
    meta::set_default(spec, "updateStrategy", json!({}));
    if let Some(strategy) = spec.get_mut("updateStrategy").and_then(Value::as_object_mut) {
        meta::set_default(strategy, "type", "RollingUpdate");
        if strategy["type"] == "RollingUpdate" {
            meta::set_default(strategy, "rollingUpdate", json!({}));
            if let Some(rolling) = strategy.get_mut("rollingUpdate").and_then(Value::as_object_mut) {
                meta::set_default(rolling, "maxUnavailable", 1);
                meta::set_default(rolling, "maxSurge", 0);
            }
        }
    }
    pod_spec::default_template(object);
}

/// Source: `pkg/apis/apps/validation.ValidateDaemonSetSpec`.
fn validate(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = super::validate_selector(new, "daemonset");
    faults.extend(super::validate_same_selector(new, old));
    faults.extend(check::not_negative(new, "spec.minReadySeconds"));
    faults.extend(check::not_negative(new, "spec.revisionHistoryLimit"));
    faults.extend(check::one_of(new, "spec.updateStrategy.type", &["OnDelete", "RollingUpdate"]));
    let amount = |field: &str| {
        let found = check::at(new, &format!("spec.updateStrategy.rollingUpdate.{field}"));
        found.and_then(int_or_percent)
    };
    let is_zero = |field| matches!(amount(field), None | Some(Amount::Count(0) | Amount::Percent(0)));
    let rolls = check::text(new, "spec.updateStrategy.type") == "RollingUpdate";
    let path = "spec.updateStrategy.rollingUpdate";
    if rolls && is_zero("maxUnavailable") && is_zero("maxSurge") {
        let detail = "cannot be 0 when maxSurge is 0";
        faults.push(FieldError::required(format!("{path}.maxUnavailable"), detail));
    }
    if rolls && !is_zero("maxUnavailable") && !is_zero("maxSurge") {
        let found = new["spec"]["updateStrategy"]["rollingUpdate"]["maxSurge"].clone();
        let why = "may not be set when maxUnavailable is non-zero";
        faults.push(FieldError::invalid(format!("{path}.maxSurge"), found, why));
    }
    faults.extend(pod_spec::validate_template(new));
    faults
}

fn cells(object: &Value) -> Vec<Value> {
    let [names, images] = super::container_cells(object);
    vec![
        super::count(object, "/status/desiredNumberScheduled"),
        super::count(object, "/status/currentNumberScheduled"),
        super::count(object, "/status/numberReady"),
        super::count(object, "/status/updatedNumberScheduled"),
        super::count(object, "/status/numberAvailable"),
        super::pairs(object.pointer("/spec/template/spec/nodeSelector")),
        super::age(object),
        names,
        images,
        super::workload_selector(object),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> Value {
        let mut object = json!({"spec": {
            "selector": {"matchLabels": {"app": "agent"}},
            "template": {
                "metadata": {"labels": {"app": "agent"}},
                "spec": {"containers": [{"name": "agent", "image": "agent:1"}], "nodeSelector": {"disk": "ssd"}},
            },
        }});
        default(&mut object);
        object
    }

    #[test]
    fn one_pod_at_a_time_is_replaced_unless_told_otherwise() {
        let object = set();
        assert_eq!(validate(&object, None), []);
        let rolling = &object["spec"]["updateStrategy"]["rollingUpdate"];
        assert_eq!(*rolling, json!({"maxUnavailable": 1, "maxSurge": 0}));
        assert_eq!(cells(&object)[5], "disk=ssd");
    }

    #[test]
    fn a_surge_takes_the_place_of_the_unavailable() {
        let mut object = set();
        object["spec"]["updateStrategy"]["rollingUpdate"] = json!({"maxUnavailable": 0, "maxSurge": 0});
        assert!(validate(&object, None)[0].path.ends_with("maxUnavailable"));
        object["spec"]["updateStrategy"]["rollingUpdate"] = json!({"maxUnavailable": 1, "maxSurge": "10%"});
        assert!(validate(&object, None)[0].path.ends_with("maxSurge"));
        object["spec"]["updateStrategy"]["rollingUpdate"] = json!({"maxUnavailable": 0, "maxSurge": 1});
        assert_eq!(validate(&object, None), []);
    }
}
