//! Between `autoscaling/v1` and `v2`. The older shape has a field for the CPU alone;
//! the rest stands in annotations, so that nothing is lost on the way through it.
//!
//! Source: `pkg/apis/autoscaling/v1/conversion.go`, `pkg/apis/autoscaling/annotations.go`.

use serde_json::{Map, Value, json};

use super::check;
use crate::meta;

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

/// Types of metrics, and the field that each stands in.
pub(super) const SOURCES: [(&str, &str); 5] = [
    ("Resource", "resource"),
    ("ContainerResource", "containerResource"),
    ("Pods", "pods"),
    ("Object", "object"),
    ("External", "external"),
];

/// A metric's fields: the source, where it stands in `v2`, what it is called in `v1`.
const SPEC: &[(&str, &str, &str)] = &[
    ("resource", "/name", "name"),
    ("resource", "/target/averageUtilization", "targetAverageUtilization"),
    ("resource", "/target/averageValue", "targetAverageValue"),
    ("containerResource", "/name", "name"),
    ("containerResource", "/container", "container"),
    ("containerResource", "/target/averageUtilization", "targetAverageUtilization"),
    ("containerResource", "/target/averageValue", "targetAverageValue"),
    ("pods", "/metric/name", "metricName"),
    ("pods", "/metric/selector", "selector"),
    ("pods", "/target/averageValue", "targetAverageValue"),
    ("object", "/describedObject", "target"),
    ("object", "/metric/name", "metricName"),
    ("object", "/metric/selector", "selector"),
    ("object", "/target/value", "targetValue"),
    ("object", "/target/averageValue", "averageValue"),
    ("external", "/metric/name", "metricName"),
    ("external", "/metric/selector", "metricSelector"),
    ("external", "/target/value", "targetValue"),
    ("external", "/target/averageValue", "targetAverageValue"),
];

/// The same of what a metric is now.
const STATUS: &[(&str, &str, &str)] = &[
    ("resource", "/name", "name"),
    ("resource", "/current/averageUtilization", "currentAverageUtilization"),
    ("resource", "/current/averageValue", "currentAverageValue"),
    ("containerResource", "/name", "name"),
    ("containerResource", "/container", "container"),
    ("containerResource", "/current/averageUtilization", "currentAverageUtilization"),
    ("containerResource", "/current/averageValue", "currentAverageValue"),
    ("pods", "/metric/name", "metricName"),
    ("pods", "/metric/selector", "selector"),
    ("pods", "/current/averageValue", "currentAverageValue"),
    ("object", "/describedObject", "target"),
    ("object", "/metric/name", "metricName"),
    ("object", "/metric/selector", "selector"),
    ("object", "/current/value", "currentValue"),
    ("object", "/current/averageValue", "averageValue"),
    ("external", "/metric/name", "metricName"),
    ("external", "/metric/selector", "metricSelector"),
    ("external", "/current/value", "currentValue"),
    ("external", "/current/averageValue", "currentAverageValue"),
];

/// An object of `v2` in the shape of `v1`.
pub(super) fn to_v1(object: &mut Value) {
    let mut kept = Map::new();
    let mut keep = |annotation: &str, value: Value| {
        kept.insert(annotation.to_owned(), json!(value.to_string()));
    };
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        let metrics = list(spec.shift_remove("metrics"));
        if let Some(percent) = metrics.iter().find_map(|metric| cpu(metric, "target")) {
            spec.insert("targetCPUUtilizationPercentage".to_owned(), percent);
        }
        let others: Vec<Value> = metrics
            .iter()
            .filter(|metric| cpu(metric, "target").is_none())
            .map(|metric| flat(metric, SPEC))
            .collect();
        if !others.is_empty() {
            keep(METRICS, json!(others));
        }
        if let Some(behavior) = spec.shift_remove("behavior").filter(|behavior| !behavior.is_null()) {
            keep(BEHAVIOR, with_initials(&behavior, |initial| initial.to_ascii_uppercase()));
        }
    }
    if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
        let metrics = list(status.shift_remove("currentMetrics"));
        if let Some(percent) = metrics.iter().find_map(|metric| cpu(metric, "current")) {
            status.insert("currentCPUUtilizationPercentage".to_owned(), percent);
        }
        // The CPU is kept as well: its raw value has no field.
        if !metrics.is_empty() {
            let flat: Vec<Value> = metrics.iter().map(|metric| flat(metric, STATUS)).collect();
            keep(CURRENT_METRICS, json!(flat));
        }
        let conditions = list(status.shift_remove("conditions"));
        if !conditions.is_empty() {
            keep(CONDITIONS, json!(conditions));
        }
    }
    if !kept.is_empty() {
        let metadata = meta::metadata_mut(object);
        let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
        if let Some(annotations) = annotations.as_object_mut() {
            annotations.extend(kept);
        }
    }
}

/// An object of `v1` in the shape of `v2`. An annotation that is no JSON is left out.
pub(super) fn to_v2(object: &mut Value) {
    let [metrics, current, conditions, behavior] =
        [METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR].map(|annotation| take(object, annotation));
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        let mut all: Vec<Value> = list(metrics).iter().map(|metric| nested(metric, SPEC)).collect();
        let percent = spec.shift_remove("targetCPUUtilizationPercentage");
        if let Some(percent) = percent.filter(|percent| !percent.is_null()) {
            let target = json!({"type": "Utilization", "averageUtilization": percent});
            all.push(json!({"type": "Resource", "resource": {"name": "cpu", "target": target}}));
        }
        if !all.is_empty() {
            spec.insert("metrics".to_owned(), json!(all));
        }
        if let Some(behavior) = behavior {
            let behavior = with_initials(&behavior, |initial| initial.to_ascii_lowercase());
            spec.insert("behavior".to_owned(), behavior);
        }
    }
    let of_cpu = object.get_mut("status").and_then(Value::as_object_mut);
    let of_cpu = of_cpu.and_then(|status| status.shift_remove("currentCPUUtilizationPercentage"));
    let mut all: Vec<Value> = list(current).iter().map(|metric| nested(metric, STATUS)).collect();
    if let Some(percent) = of_cpu.filter(|percent| all.is_empty() && !percent.is_null()) {
        let current = json!({"averageUtilization": percent});
        all.push(json!({"type": "Resource", "resource": {"name": "cpu", "current": current}}));
    }
    if !all.is_empty() {
        meta::map_at(object, "status").insert("currentMetrics".to_owned(), json!(all));
    }
    if let Some(conditions) = conditions {
        meta::map_at(object, "status").insert("conditions".to_owned(), conditions);
    }
}

/// The parts of a `v1` object's status that stand in annotations stay on an update.
pub(super) fn keep_status(new: &mut Value, old: &Value) {
    for annotation in [CURRENT_METRICS, CONDITIONS] {
        let known = old.pointer("/metadata/annotations").and_then(|found| found.get(annotation)).cloned();
        let metadata = meta::metadata_mut(new);
        match known {
            Some(known) => {
                meta::set_default(metadata, "annotations", json!({}));
                if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
                    annotations.insert(annotation.to_owned(), known);
                }
            }
            None => {
                if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
                    annotations.shift_remove(annotation);
                }
            }
        }
    }
}

fn list(value: Option<Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}

/// The share of the CPU that a metric is about, the one that `v1` has a field for.
fn cpu(metric: &Value, part: &str) -> Option<Value> {
    if meta::text(metric, "/type") != "Resource" || check::text(metric, "resource.name") != "cpu" {
        return None;
    }
    check::at(metric, &format!("resource.{part}.averageUtilization")).cloned()
}

/// A metric of `v2` with its fields side by side, as `v1` writes them.
fn flat(metric: &Value, fields: &[(&str, &str, &str)]) -> Value {
    let mut flat = json!({"type": meta::text(metric, "/type")});
    for (source, pointer, name) in fields {
        let found = metric.get(source).and_then(|source| source.pointer(pointer));
        if let Some(found) = found.filter(|found| !found.is_null()) {
            flat[*source][*name] = found.clone();
        }
    }
    flat
}

/// A metric of `v1` with its fields where `v2` has them.
fn nested(metric: &Value, fields: &[(&str, &str, &str)]) -> Value {
    let mut nested = json!({"type": meta::text(metric, "/type")});
    for (source, pointer, name) in fields {
        let found = metric.get(source).and_then(|source| source.get(name));
        let Some(found) = found.filter(|found| !found.is_null()) else { continue };
        let mut place = &mut nested[*source];
        for field in pointer.split('/').skip(1) {
            place = &mut place[field];
        }
        *place = found.clone();
        let type_ = match *pointer {
            "/target/averageUtilization" => "Utilization",
            "/target/averageValue" => "AverageValue",
            "/target/value" => "Value",
            _ => continue,
        };
        nested[*source]["target"]["type"] = json!(type_);
    }
    nested
}

/// The annotation's value, which is taken off the object.
fn take(object: &mut Value, annotation: &str) -> Option<Value> {
    let metadata = object.get_mut("metadata")?.as_object_mut()?;
    let annotations = metadata.get_mut("annotations")?.as_object_mut()?;
    let text = annotations.shift_remove(annotation)?;
    if annotations.is_empty() {
        metadata.shift_remove("annotations");
    }
    serde_json::from_str(text.as_str()?).ok()
}

/// Every key with its first letter changed: the annotation holds Go's names, `ScaleUp`.
fn with_initials(value: &Value, change: fn(&char) -> char) -> Value {
    match value {
        Value::Object(map) => {
            let renamed = map.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| {
                let mut letters = key.chars();
                let initial = letters.next().map(|initial| change(&initial));
                (initial.into_iter().chain(letters).collect(), with_initials(value, change))
            });
            Value::Object(renamed.collect())
        }
        Value::Array(items) => items.iter().map(|item| with_initials(item, change)).collect(),
        other => other.clone(),
    }
}
