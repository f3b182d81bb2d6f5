//! The kinds' rules: one file per kind, and here what several of them need.

pub mod admission;
pub mod aggregation;
pub mod apiextensions;
pub mod autoscaling;
pub mod certificates;
pub mod check;
pub mod component_status;
pub mod config;
pub mod controller_revision;
pub mod coordination;
pub mod cron_job;
pub mod daemon_set;
pub mod deployment;
pub mod endpoint_slice;
pub mod endpoints;
pub mod event;
pub mod job;
pub mod metrics;
pub mod namespace;
pub mod network_policy;
pub mod networking;
pub mod node;
pub mod pod;
pub mod pod_spec;
pub mod policy;
pub mod quantities;
pub mod quota;
pub mod rbac;
pub mod replica_set;
pub mod replication_controller;
pub mod reviews;
pub mod sandbox;
pub mod scheduling;
pub mod service;
pub mod service_account;
pub mod service_range;
pub mod stateful_set;
pub mod storage;
pub mod volumes;

use serde_json::{Value, json};
use spur_schema::FieldError;

use crate::{meta, names, selector::LabelSelector};

/// How old an object is, as `kubectl` prints it: `5s`, `3m20s`, `2d`.
pub(crate) fn age(object: &Value) -> Value {
    json!(since(meta::text(object, "/metadata/creationTimestamp")))
}

/// How long ago an RFC 3339 time was; `<unknown>` for no time.
pub fn since(time: &str) -> String {
    match time.parse::<jiff::Timestamp>() {
        Ok(time) => {
            let seconds = jiff::Timestamp::now().as_second() - time.as_second();
            human_duration(seconds.max(0).unsigned_abs())
        }
        Err(_) => "<unknown>".to_owned(),
    }
}

/// A duration in the two largest units that matter.
///
/// Source: `apimachinery/pkg/util/duration.HumanDuration`.
pub fn human_duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let pair = |large: u64, large_unit: char, small: u64, small_unit: char| match small {
        0 => format!("{large}{large_unit}"),
        _ => format!("{large}{large_unit}{small}{small_unit}"),
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        _ if minutes < 10 => pair(minutes, 'm', seconds % 60, 's'),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => pair(hours, 'h', minutes % 60, 'm'),
        _ if hours < 48 => format!("{hours}h"),
        _ if hours < 192 => pair(days, 'd', hours % 24, 'h'),
        _ if days < 730 => format!("{days}d"),
        _ if days < 2920 => pair(days / 365, 'y', days % 365, 'd'),
        _ => format!("{}y", days / 365),
    }
}

/// `a=b,c=d` of a map, or `<none>`.
pub(crate) fn pairs(map: Option<&Value>) -> Value {
    let Some(map) = map.and_then(Value::as_object).filter(|map| !map.is_empty()) else {
        return json!("<none>");
    };
    let mut pairs: Vec<String> =
        map.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    pairs.sort();
    json!(pairs.join(","))
}

/// The text at `pointer`, or what stands for its absence.
pub(crate) fn text_or(object: &Value, pointer: &str, absent: &str) -> Value {
    match meta::text(object, pointer) {
        "" => json!(absent),
        text => json!(text),
    }
}

/// The number at `pointer`, or 0.
pub(crate) fn count(object: &Value, pointer: &str) -> Value {
    json!(meta::number(object, pointer).unwrap_or(0))
}

/// Whether there is `true` at `pointer`.
pub(crate) fn is_true(object: &Value, pointer: &str) -> bool {
    meta::at(object, pointer) == Some(&Value::Bool(true))
}

/// When an object was made, for kinds whose table has nothing of its own
/// (`registry/rest/table.go`, `defaultTableConvertor`).
pub(crate) fn created_at(object: &Value) -> Value {
    json!(meta::text(object, "/metadata/creationTimestamp"))
}

/// The texts of a list at `pointer`.
pub(crate) fn texts<'a>(object: &'a Value, pointer: &str) -> Vec<&'a str> {
    meta::list(object, pointer).iter().filter_map(Value::as_str).collect()
}

/// A label selector in words, or `<none>`.
pub(crate) fn selector_text(selector: Option<&Value>) -> Value {
    let Some(selector) = selector else { return json!("<none>") };
    let mut parts: Vec<String> = Vec::new();
    let labels = selector.get("matchLabels").and_then(Value::as_object);
    parts.extend(labels.into_iter().flatten().map(|(key, value)| {
        let value = value.as_str().unwrap_or_default();
        format!("{key}={value}")
    }));
    for expression in meta::list(selector, "/matchExpressions") {
        let key = meta::text(expression, "/key");
        let values = texts(expression, "/values").join(",");
        parts.push(match meta::text(expression, "/operator") {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    parts.sort();
    if parts.is_empty() { json!("<none>") } else { json!(parts.join(",")) }
}

/// The pods that a workload has, as `Scale` tells it; empty where there is no selector.
/// A ReplicationController's selector is a plain map.
pub fn selector_of_scale(object: &Value) -> String {
    let is_plain = meta::text(object, "/kind") == "ReplicationController";
    let selector = object.pointer("/spec/selector");
    let shown = if is_plain { pairs(selector) } else { selector_text(selector) };
    shown.as_str().filter(|text| *text != "<none>").unwrap_or_default().to_owned()
}

/// The `spec.selector` of a workload as its column shows it.
pub(crate) fn workload_selector(object: &Value) -> Value {
    selector_text(object.pointer("/spec/selector"))
}

/// Names and images of the containers in a workload's template, comma separated.
pub(crate) fn container_cells(object: &Value) -> [Value; 2] {
    container_cells_at(object, "/spec/template")
}

/// The same of a template that stands elsewhere.
pub(crate) fn container_cells_at(object: &Value, template: &str) -> [Value; 2] {
    let containers = meta::list(object, &format!("{template}/spec/containers"));
    let join = |pointer: &str| {
        let texts: Vec<&str> = containers.iter().map(|container| meta::text(container, pointer)).collect();
        json!(texts.join(","))
    };
    [join("/name"), join("/image")]
}

/// What is wrong with a workload's selector and template labels; `of` is what
/// messages call the workload.
///
/// Source: `pkg/apis/apps/validation.ValidateDeploymentSpec`.
pub(crate) fn validate_selector(object: &Value, of: &str) -> Vec<FieldError> {
    let Some(selector) = object.pointer("/spec/selector").filter(|selector| !selector.is_null()) else {
        return vec![FieldError::required("spec.selector", "")];
    };
    let Some(parsed) = LabelSelector::from_object(Some(selector)).filter(|parsed| !parsed.is_empty()) else {
        return vec![FieldError::invalid(
            "spec.selector",
            selector.clone(),
            format!("empty selector is invalid for {of}"),
        )];
    };
    let labels = object.pointer("/spec/template/metadata/labels");
    if parsed.matches(labels.and_then(Value::as_object)) {
        return Vec::new();
    }
    let shown = labels.cloned().unwrap_or_else(|| json!({}));
    vec![FieldError::invalid(
        "spec.template.metadata.labels",
        shown,
        "`selector` does not match template `labels`",
    )]
}

/// An error where a selector changed: it is immutable.
pub(crate) fn validate_same_selector(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let Some(old) = old else { return Vec::new() };
    let at = |object: &Value| object.pointer("/spec/selector").cloned().unwrap_or_default();
    if at(new) == at(old) {
        return Vec::new();
    }
    vec![FieldError::invalid("spec.selector", at(new), "field is immutable")]
}

/// What is wrong with any object's metadata beyond its name.
///
/// Source: `apimachinery/pkg/api/validation.ValidateObjectMeta`.
pub fn validate_metadata(object: &Value) -> Vec<FieldError> {
    let mut faults = Vec::new();
    for (key, value) in meta::labels(object).into_iter().flatten() {
        if let Some(message) = names::qualified_name(key) {
            faults.push(FieldError::invalid("metadata.labels", json!(key), message));
        }
        if let Some(message) = names::label_value(value.as_str().unwrap_or_default()) {
            faults.push(FieldError::invalid("metadata.labels", value.clone(), message));
        }
    }
    let annotations = meta::at(object, "/metadata/annotations").and_then(Value::as_object);
    let mut total = 0;
    for (key, value) in annotations.into_iter().flatten() {
        total += key.len() + value.as_str().map_or(0, str::len);
        if let Some(message) = names::qualified_name(&key.to_lowercase()) {
            faults.push(FieldError::invalid("metadata.annotations", json!(key), message));
        }
    }
    if total as u64 > ANNOTATIONS_MAX_BYTES {
        faults.push(FieldError::too_long("metadata.annotations", ANNOTATIONS_MAX_BYTES));
    }
    for finalizer in meta::finalizers(object) {
        if let Some(message) = names::qualified_name(finalizer) {
            faults.push(FieldError::invalid("metadata.finalizers", json!(finalizer), message));
        }
    }
    faults.extend(validate_owners(object));
    faults
}

/// Source: `apimachinery/pkg/api/validation.ValidateOwnerReferences`.
fn validate_owners(object: &Value) -> Vec<FieldError> {
    let owners = meta::list(object, "/metadata/ownerReferences");
    let mut faults = Vec::new();
    for (index, owner) in owners.iter().enumerate() {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if meta::text(owner, &format!("/{field}")).is_empty() {
                let path = format!("metadata.ownerReferences[{index}].{field}");
                faults.push(FieldError::required(&path, "must not be empty"));
            }
        }
    }
    let n_controllers = owners.iter().filter(|owner| owner.get("controller") == Some(&json!(true))).count();
    if n_controllers > 1 {
        let why = "Only one reference can have Controller set to true";
        faults.push(FieldError::invalid("metadata.ownerReferences", json!(owners), why));
    }
    faults
}

/// All annotations of an object together: 256 KiB, as Kubernetes' `TotalAnnotationSizeLimitB`.
const ANNOTATIONS_MAX_BYTES: u64 = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_kubectl_prints_them() {
        let cases = [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (11_000, "3h3m"),
            (86_400, "24h"),
            (172_800, "2d"),
            (180_000, "2d2h"),
            (691_200, "8d"),
            (63_072_000, "2y"),
        ];
        for (seconds, text) in cases {
            assert_eq!(human_duration(seconds), text, "{seconds}");
        }
    }
}
