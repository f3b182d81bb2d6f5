//! Bounds of a namespace: LimitRanges and ResourceQuotas.

use serde_json::{Map, Value, json};
use spur_schema::FieldError;

use super::{check, quantities};
use crate::meta;
use crate::registry::{Column, Deleted, Kind, Rules, Subresource};

/// The lists of amounts in an item of a LimitRange.
const AMOUNTS: [&str; 5] = ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"];
/// What a quota may be narrowed to.
const SCOPES: [&str; 7] = [
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
];

pub(crate) const LIMIT_RANGE: Kind = Kind {
    kind: "LimitRange",
    plural: "limitranges",
    singular: "limitrange",
    short_names: &["limits"],
    definition: "io.k8s.api.core.v1.LimitRange",
    rules: Rules {
        default: default_limits,
        validate: validate_limits,
        columns: &[Column::CREATED_AT],
        cells: |object| vec![super::created_at(object)],
        ..Rules::PLAIN
    },
    ..Kind::namespaced("", "v1")
};

pub(crate) const RESOURCE_QUOTA: Kind = Kind {
    kind: "ResourceQuota",
    plural: "resourcequotas",
    singular: "resourcequota",
    short_names: &["quota"],
    definition: "io.k8s.api.core.v1.ResourceQuota",
    subresources: &[Subresource::Status],
    rules: Rules {
        default: |object| quantities::spell_out(object, "/spec/hard"),
        validate: validate_quota,
        columns: &[Column::text("Request"), Column::text("Limit"), Column::AGE],
        cells: |object| {
            let [requests, limits] = used(object);
            vec![json!(requests), json!(limits), super::age(object)]
        },
        deleted: Deleted::Object,
        ..Rules::PLAIN
    },
    ..Kind::namespaced("", "v1")
};

/// A container's default limit is the most it may have; its default request is the
/// default limit, else the least it must have.
///
/// Source: `pkg/apis/core/v1/defaults.SetDefaults_LimitRangeItem`.
fn default_limits(object: &mut Value) {
    let items = object.pointer_mut("/spec/limits").and_then(Value::as_array_mut);
    for item in items.into_iter().flatten() {
        for list in AMOUNTS {
            quantities::spell_out(item, &format!("/{list}"));
        }
        if meta::text(item, "/type") != "Container" {
            continue;
        }
        fill_from(item, "default", "max");
        fill_from(item, "defaultRequest", "default");
        fill_from(item, "defaultRequest", "min");
    }
}

fn fill_from(item: &mut Value, list: &str, source: &str) {
    let Some(amounts) = item.get(source).and_then(Value::as_object).cloned() else { return };
    let filled = meta::map_at(item, list);
    for (resource, amount) in amounts {
        meta::set_default(filled, &resource, amount);
    }
}

/// Source: `pkg/apis/core/validation.ValidateLimitRange`.
fn validate_limits(new: &Value, _old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let mut seen = Vec::new();
    for (index, item) in meta::list(new, "/spec/limits").iter().enumerate() {
        let path = format!("spec.limits[{index}]");
        let type_ = meta::text(item, "/type");
        if type_.is_empty() {
            faults.push(FieldError::required(format!("{path}.type"), ""));
        } else if seen.contains(&type_) {
            faults.push(FieldError::duplicate(format!("{path}.type"), json!("")));
        }
        seen.push(type_);
        if type_ == "Pod" {
            for list in ["default", "defaultRequest"] {
                if !is_empty(item.get(list)) {
                    let why = "may not be specified when `type` is 'Pod'";
                    faults.push(FieldError::forbidden(format!("{path}.{list}"), why));
                }
            }
        }
        let has_bound = ["max", "min"].iter().any(|list| !is_empty(item.get(list)));
        if type_ == "PersistentVolumeClaim" && !has_bound {
            let detail = "either minimum or maximum storage value is required, but neither was provided";
            faults.push(FieldError::required(format!("{path}.limits"), detail));
        }
    }
    faults
}

fn is_empty(amounts: Option<&Value>) -> bool {
    amounts.and_then(Value::as_object).is_none_or(Map::is_empty)
}

/// Source: `pkg/apis/core/validation.ValidateResourceQuota`.
fn validate_quota(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = check::each_one_of(new, "spec.scopes", &SCOPES);
    let scopes = super::texts(new, "/spec/scopes");
    let clash = |a: &str, b: &str| scopes.contains(&a) && scopes.contains(&b);
    if clash("Terminating", "NotTerminating") || clash("BestEffort", "NotBestEffort") {
        faults.push(FieldError::invalid("spec.scopes", json!(scopes), "conflicting scopes"));
    }
    for (resource, amount) in new.pointer("/spec/hard").and_then(Value::as_object).into_iter().flatten() {
        if amount.as_str().is_some_and(|amount| amount.starts_with('-')) {
            let why = "must be greater than or equal to 0";
            faults.push(FieldError::invalid(format!("spec.hard[{resource}]"), amount.clone(), why));
        }
    }
    faults.extend(check::immutable(new, old, "spec.scopes"));
    faults
}

/// What is used of what may be, requests and limits apart.
fn used(object: &Value) -> [String; 2] {
    let hard = object.pointer("/status/hard").and_then(Value::as_object);
    let mut resources: Vec<&String> = hard.into_iter().flatten().map(|(resource, _)| resource).collect();
    resources.sort();
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    for resource in resources {
        let amount = |list: &str| match quantities::amount(object, list, resource) {
            text if text.is_empty() => "0".to_owned(),
            text => text,
        };
        let text = format!("{resource}: {}/{}", amount("/status/used"), amount("/status/hard"));
        let column = if resource.starts_with("limits.") { &mut limits } else { &mut requests };
        column.push(text);
    }
    [requests.join(", "), limits.join(", ")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_of_containers_follow_from_the_bounds() {
        let mut object = json!({"spec": {"limits": [
            {"type": "Container", "max": {"cpu": 2}, "min": {"cpu": "100m", "memory": "1Mi"}},
            {"type": "Pod", "max": {"cpu": "4"}},
        ]}});
        default_limits(&mut object);
        let items = &object["spec"]["limits"];
        assert_eq!(items[0]["default"], json!({"cpu": "2"}));
        assert_eq!(items[0]["defaultRequest"], json!({"cpu": "2", "memory": "1Mi"}));
        assert_eq!(items[1].get("default"), None);
        assert_eq!(validate_limits(&object, None), []);
    }

    #[test]
    fn a_type_has_one_item_and_pods_have_no_defaults() {
        let object = json!({"spec": {"limits": [
            {"type": "Pod", "default": {"cpu": "1"}}, {"type": "Pod"}, {"type": "PersistentVolumeClaim"},
        ]}});
        let places: Vec<String> =
            validate_limits(&object, None).into_iter().map(|fault| fault.path).collect();
        assert_eq!(places, ["spec.limits[0].default", "spec.limits[1].type", "spec.limits[2].limits"]);
    }

    #[test]
    fn quotas_show_requests_and_limits_apart() {
        let object = json!({"status": {
            "hard": {"pods": "10", "limits.cpu": "4", "requests.cpu": "2"},
            "used": {"pods": "1", "limits.cpu": "0"},
        }});
        assert_eq!(used(&object), ["pods: 1/10, requests.cpu: 0/2", "limits.cpu: 0/4"]);
    }

    #[test]
    fn scopes_are_known_and_stay() {
        let old = json!({"spec": {"scopes": ["BestEffort"]}});
        let new = json!({"spec": {"scopes": ["BestEffort", "NotBestEffort", "Odd"]}});
        let places: Vec<String> =
            validate_quota(&new, Some(&old)).into_iter().map(|fault| fault.path).collect();
        assert_eq!(places, ["spec.scopes[2]", "spec.scopes", "spec.scopes"]);
    }
}
