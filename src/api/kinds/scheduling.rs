//! Classes that pods name: how important they are, and what runs them.

use serde_json::{Value, json};
use spur_schema::FieldError;

use super::check;
use crate::registry::{Column, Kind, Rules};
use crate::{meta, names};

/// Highest value that a user may give; what is above is the system's.
const USER_MAX: i64 = 1_000_000_000;
/// The system's own classes and their values (`pkg/apis/scheduling/v1/helpers.go`).
const SYSTEM: [(&str, i64); 2] =
    [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];

pub(crate) const PRIORITY_CLASS: Kind = Kind {
    kind: "PriorityClass",
    plural: "priorityclasses",
    singular: "priorityclass",
    short_names: &["pc"],
    definition: "io.k8s.api.scheduling.v1.PriorityClass",
    rules: Rules {
        default: |object| {
            if let Some(map) = object.as_object_mut() {
                meta::set_default(map, "preemptionPolicy", "PreemptLowerPriority");
            }
        },
        validate: validate_priority,
        columns: &[
            Column::integer("Value"),
            Column::boolean("Global-Default"),
            Column::AGE,
            Column::text("PreemptionPolicy"),
        ],
        cells: |object| {
            vec![
                super::count(object, "/value"),
                json!(super::is_true(object, "/globalDefault")),
                super::age(object),
                super::text_or(object, "/preemptionPolicy", ""),
            ]
        },
        has_generation: true,
        ..Rules::PLAIN
    },
    ..Kind::cluster("scheduling.k8s.io", "v1")
};

pub(crate) const RUNTIME_CLASS: Kind = Kind {
    kind: "RuntimeClass",
    plural: "runtimeclasses",
    singular: "runtimeclass",
    definition: "io.k8s.api.node.v1.RuntimeClass",
    rules: Rules {
        validate: validate_runtime,
        columns: &[Column::text("Handler"), Column::AGE],
        cells: |object| vec![json!(meta::text(object, "/handler")), super::age(object)],
        ..Rules::PLAIN
    },
    ..Kind::cluster("node.k8s.io", "v1")
};

/// Source: `pkg/apis/scheduling/validation.ValidatePriorityClass` and `…Update`.
fn validate_priority(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let (name, value) = (meta::name(new), meta::number(new, "/value").unwrap_or(0));
    if let Some(old) = old {
        for field in ["value", "preemptionPolicy"] {
            if new.get(field) != old.get(field) {
                faults.push(FieldError::forbidden(field, "may not be changed in an update."));
            }
        }
        return faults;
    }
    let is_system = SYSTEM.contains(&(name, value)) && !super::is_true(new, "/globalDefault");
    if name.starts_with("system-") && !is_system {
        let why = "priority class names with 'system-' prefix are reserved for system use only. error: this name is not a known system priority class";
        faults.push(FieldError::forbidden("metadata.name", why));
    }
    if value > USER_MAX && !is_system {
        let why = format!("maximum allowed value of a user defined priority is {USER_MAX}");
        faults.push(FieldError::forbidden("value", why));
    }
    let policies = ["Never", "PreemptLowerPriority"];
    faults.extend(check::one_of(new, "preemptionPolicy", &policies));
    faults
}

/// Source: `pkg/apis/node/validation.ValidateRuntimeClass` and `…Update`.
fn validate_runtime(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let handler = meta::text(new, "/handler");
    if let Some(why) = names::label(handler) {
        faults.push(FieldError::invalid("handler", json!(handler), why));
    }
    faults.extend(check::immutable(new, old, "handler"));
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(name: &str, value: i64) -> Value {
        json!({"metadata": {"name": name}, "value": value, "preemptionPolicy": "Never"})
    }

    #[test]
    fn what_is_the_systems_is_not_the_users() {
        let place = |object: Value| validate_priority(&object, None).first().map(|fault| fault.path.clone());
        assert_eq!(place(class("high", 1000)), None);
        assert_eq!(place(class("system-cluster-critical", 2_000_000_000)), None);
        assert_eq!(place(class("system-mine", 1)).as_deref(), Some("metadata.name"));
        assert_eq!(place(class("higher", USER_MAX + 1)).as_deref(), Some("value"));
    }

    #[test]
    fn a_class_keeps_its_value_and_its_handler() {
        let (old, new) = (class("high", 1), class("high", 2));
        assert_eq!(
            validate_priority(&new, Some(&old))[0].to_string(),
            "value: Forbidden: may not be changed in an update."
        );
        assert_eq!((PRIORITY_CLASS.rules.cells)(&new)[..2], [json!(2), json!(false)]);
        let (old, new) = (json!({"handler": "runc"}), json!({"handler": "gvisor"}));
        assert_eq!(validate_runtime(&new, Some(&old))[0].path, "handler");
        assert_eq!(validate_runtime(&json!({}), None)[0].path, "handler");
    }
}
