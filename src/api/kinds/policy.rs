//! PodDisruptionBudgets, and the evictions that they may refuse.

use serde_json::{Value, json};
use spur_schema::FieldError;

use super::check;
use super::deployment::int_or_percent;
use crate::registry::{Column, Kind, Rules, Subresource};

pub(crate) const POD_DISRUPTION_BUDGET: Kind = Kind {
    kind: "PodDisruptionBudget",
    plural: "poddisruptionbudgets",
    singular: "poddisruptionbudget",
    short_names: &["pdb"],
    definition: "io.k8s.api.policy.v1.PodDisruptionBudget",
    subresources: &[Subresource::Status],
    rules: Rules {
        prepare_create: |object| {
            // Optional in the schema, and never left out all the same.
            object["status"] = json!({
                "currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0,
            });
        },
        validate,
        columns: &[
            Column::text("Min Available"),
            Column::text("Max Unavailable"),
            Column::integer("Allowed Disruptions"),
            Column::AGE,
        ],
        cells: |object| {
            vec![
                json!(amount(object, "minAvailable")),
                json!(amount(object, "maxUnavailable")),
                super::count(object, "/status/disruptionsAllowed"),
                super::age(object),
            ]
        },
        has_generation: true,
        acted_on_by: "disruption controller, whom evictions ask",
        ..Rules::PLAIN
    },
    ..Kind::namespaced("policy", "v1")
};

/// What `pods/<name>/eviction` takes; it has no path of its own.
pub static EVICTION: Kind = Kind {
    kind: "Eviction",
    plural: "evictions",
    singular: "eviction",
    definition: "io.k8s.api.policy.v1.Eviction",
    ..Kind::namespaced("policy", "v1")
};

/// Source: `pkg/apis/policy/validation.ValidatePodDisruptionBudgetSpec`.
fn validate(new: &Value, _old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let bounds = ["minAvailable", "maxUnavailable"];
    let found = bounds.map(|field| check::at(new, &format!("spec.{field}")));
    if found.iter().all(Option::is_some) {
        let why = "minAvailable and maxUnavailable cannot be both set";
        faults.push(FieldError::invalid("spec", new["spec"].clone(), why));
    }
    for (field, value) in bounds.into_iter().zip(found) {
        if let Some(value) = value.filter(|value| int_or_percent(value).is_none()) {
            let why = match value {
                Value::Number(_) => "must be greater than or equal to 0",
                _ => {
                    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
                }
            };
            faults.push(FieldError::invalid(format!("spec.{field}"), value.clone(), why));
        }
    }
    faults.extend(check::selector(new, "spec.selector"));
    let policies = ["AlwaysAllow", "IfHealthyBudget"];
    faults.extend(check::one_of(new, "spec.unhealthyPodEvictionPolicy", &policies));
    faults
}

fn amount(object: &Value, field: &str) -> String {
    match object.pointer(&format!("/spec/{field}")) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => "N/A".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_has_one_bound() {
        let budget = |spec: Value| json!({"spec": spec});
        let object = budget(json!({"minAvailable": "50%", "selector": {"matchLabels": {"app": "a"}}}));
        assert_eq!(validate(&object, None), []);
        let row = (POD_DISRUPTION_BUDGET.rules.cells)(&object);
        assert_eq!(row[..3], [json!("50%"), json!("N/A"), json!(0)]);
        let both = budget(json!({"minAvailable": 1, "maxUnavailable": 1}));
        assert_eq!(validate(&both, None)[0].path, "spec");
        assert_eq!(validate(&budget(json!({"minAvailable": "half"})), None)[0].path, "spec.minAvailable");
        assert_eq!(validate(&budget(json!({"minAvailable": -1})), None)[0].path, "spec.minAvailable");
    }
}
