//! HorizontalPodAutoscalers, in the shapes of `autoscaling/v2`, which is stored, and `v1`.

mod convert;

use serde_json::{Value, json};
use spur_schema::FieldError;

use super::check;
use crate::meta;
use crate::registry::{Column, Conversion, Kind, Rules, Subresource};

/// How many metrics the column shows.
const SHOWN_MAX: usize = 2;

pub(crate) const V2: Kind = Kind {
    kind: "HorizontalPodAutoscaler",
    plural: "horizontalpodautoscalers",
    singular: "horizontalpodautoscaler",
    short_names: &["hpa"],
    categories: &["all"],
    definition: "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler",
    subresources: &[Subresource::Status],
    rules: Rules { default, validate, columns: COLUMNS, cells, ..Rules::PLAIN },
    ..Kind::namespaced("autoscaling", "v2")
};

pub(crate) const V1: Kind = Kind {
    definition: "io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler",
    version: "v1",
    rules: Rules {
        // What else is filled in is filled in where it is stored.
        default: |object| meta::set_default(meta::map_at(object, "spec"), "minReplicas", 1),
        prepare_update: convert::keep_status,
        validate: |new, old| {
            let in_v2 = |object: &Value| {
                let mut object = object.clone();
                V1.to_stored(&mut object);
                object
            };
            validate(&in_v2(new), old.map(in_v2).as_ref())
        },
        cells: |object| {
            let mut stored = object.clone();
            V1.to_stored(&mut stored);
            cells(&stored)
        },
        stored_as: Some(Conversion { row: &V2, to_stored: convert::to_v2, from_stored: convert::to_v1 }),
        ..V2.rules
    },
    ..V2
};

const COLUMNS: &[Column] = &[
    Column::text("Reference"),
    Column::text("Targets"),
    Column::text("MinPods"),
    Column::text("MaxPods"),
    Column::text("Replicas"),
    Column::AGE,
];

/// Source of the values: `pkg/apis/autoscaling/v2/defaults.go`.
fn default(object: &mut Value) {
    let spec = meta::map_at(object, "spec");
    meta::set_default(spec, "minReplicas", 1);
    if spec.get("metrics").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        let target = json!({"type": "Utilization", "averageUtilization": 80});
        spec.insert(
            "metrics".to_owned(),
            json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]),
        );
    }
    let Some(behavior) = spec.get_mut("behavior").filter(|behavior| behavior.is_object()) else { return };
    let percent = json!({"type": "Percent", "value": 100, "periodSeconds": 15});
    let pods = json!({"type": "Pods", "value": 4, "periodSeconds": 15});
    let up = meta::map_at(behavior, "scaleUp");
    meta::set_default(up, "stabilizationWindowSeconds", 0);
    meta::set_default(up, "selectPolicy", "Max");
    meta::set_default(up, "policies", json!([pods, percent]));
    let down = meta::map_at(behavior, "scaleDown");
    meta::set_default(down, "selectPolicy", "Max");
    meta::set_default(down, "policies", json!([percent]));
}

/// Source: `pkg/apis/autoscaling/validation.ValidateHorizontalPodAutoscaler`.
fn validate(new: &Value, _old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let least = meta::number(new, "/spec/minReplicas");
    if least.is_some_and(|least| least < 1) {
        let why = "must be greater than or equal to 1";
        faults.push(FieldError::invalid("spec.minReplicas", json!(least), why));
    }
    let most = meta::number(new, "/spec/maxReplicas").unwrap_or(0);
    if most < 1 {
        faults.push(FieldError::invalid("spec.maxReplicas", json!(most), "must be greater than 0"));
    }
    if least.is_some_and(|least| most < least) {
        let why = "must be greater than or equal to `minReplicas`";
        faults.push(FieldError::invalid("spec.maxReplicas", json!(most), why));
    }
    for field in ["kind", "name"] {
        faults.extend(check::required(new, &format!("spec.scaleTargetRef.{field}"), ""));
    }
    for (index, metric) in meta::list(new, "/spec/metrics").iter().enumerate() {
        faults.extend(validate_metric(metric, &format!("spec.metrics[{index}]")));
    }
    for direction in ["scaleUp", "scaleDown"] {
        let path = format!("spec.behavior.{direction}");
        let policies = ["Disabled", "Max", "Min"];
        faults.extend(check::one_of(new, &format!("{path}.selectPolicy"), &policies));
        faults.extend(check::within(new, &format!("{path}.stabilizationWindowSeconds"), 0, 3600));
    }
    faults
}

fn validate_metric(metric: &Value, path: &str) -> Vec<FieldError> {
    let type_ = meta::text(metric, "/type");
    let Some((_, source)) = convert::SOURCES.iter().find(|(known, _)| *known == type_) else {
        if type_.is_empty() {
            let detail = "must specify a metric source type";
            return vec![FieldError::required(format!("{path}.type"), detail)];
        }
        let mut known: Vec<&str> = convert::SOURCES.iter().map(|(known, _)| *known).collect();
        known.sort_unstable();
        return vec![FieldError::not_supported(format!("{path}.type"), json!(type_), known)];
    };
    if check::at(metric, source).is_none() {
        let detail = "must populate information for the given metric source";
        return vec![FieldError::required(format!("{path}.{source}"), detail)];
    }
    let mut faults = Vec::new();
    let target = format!("{source}.target");
    let has = |field: &str| check::at(metric, &format!("{target}.{field}")).is_some();
    if !["averageUtilization", "averageValue", "value"].into_iter().any(has) {
        let detail = "must set either a target raw value or a target utilization";
        faults.push(FieldError::required(format!("{path}.{target}"), detail));
    }
    faults
}

fn cells(object: &Value) -> Vec<Value> {
    let target = |field: &str| meta::text(object, &format!("/spec/scaleTargetRef/{field}"));
    let least = meta::number(object, "/spec/minReplicas");
    vec![
        json!(format!("{}/{}", target("kind"), target("name"))),
        json!(targets(object)),
        json!(least.map_or("<unset>".to_owned(), |least| least.to_string())),
        super::count(object, "/spec/maxReplicas"),
        super::count(object, "/status/currentReplicas"),
        super::age(object),
    ]
}

/// Each metric as it is of what is wanted: `cpu: 12%/80%`.
///
/// Source: `pkg/printers/internalversion/printers.go`, `formatHPAMetrics`.
fn targets(object: &Value) -> String {
    let metrics = meta::list(object, "/spec/metrics");
    if metrics.is_empty() {
        return "<none>".to_owned();
    }
    let statuses = meta::list(object, "/status/currentMetrics");
    let texts: Vec<String> =
        metrics.iter().enumerate().map(|(index, metric)| target(metric, statuses.get(index))).collect();
    let shown = texts[..texts.len().min(SHOWN_MAX)].join(", ");
    match texts.len().saturating_sub(SHOWN_MAX) {
        0 => shown,
        more => format!("{shown} + {more} more..."),
    }
}

fn target(metric: &Value, status: Option<&Value>) -> String {
    let type_ = meta::text(metric, "/type");
    let Some((_, source)) = convert::SOURCES.iter().find(|(known, _)| *known == type_) else {
        return "<unknown type>".to_owned();
    };
    let wanted = |field: &str| check::at(metric, &format!("{source}.target.{field}"));
    let current = |field: &str| {
        let found = status.and_then(|status| check::at(status, &format!("{source}.current.{field}")));
        found.map_or("<unknown>".to_owned(), plain)
    };
    let name = match check::text(metric, &format!("{source}.name")) {
        "" => String::new(),
        name => format!("{name}: "),
    };
    let is_resource = matches!(*source, "resource" | "containerResource");
    match wanted("averageValue") {
        Some(value) if is_resource || *source == "pods" => {
            format!("{name}{}/{}", current("averageValue"), plain(value))
        }
        Some(value) => format!("{}/{} (avg)", current("averageValue"), plain(value)),
        None if is_resource => {
            let percent = |text: String| if text.starts_with('<') { text } else { format!("{text}%") };
            let wanted = wanted("averageUtilization").map_or("<auto>".to_owned(), plain);
            format!("{name}{}/{}", percent(current("averageUtilization")), percent(wanted))
        }
        None => format!("{}/{}", current("value"), wanted("value").map_or("0".to_owned(), plain)),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests;
