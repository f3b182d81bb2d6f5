//! Jobs.

use serde_json::{Value, json};
use spur_schema::FieldError;

use super::{check, pod_spec};
use crate::meta;
use crate::registry::{Column, Kind, Rules, SelectableField, Subresource};

/// On a job's pods and in its selector: the job's uid.
pub const CONTROLLER_UID: &str = "batch.kubernetes.io/controller-uid";
/// On a job's pods: the job's name.
pub const JOB_NAME: &str = "batch.kubernetes.io/job-name";
/// What the two were called before 1.27; still written.
const OLD_NAMES: [&str; 2] = ["controller-uid", "job-name"];

pub(crate) const KIND: Kind = Kind {
    kind: "Job",
    plural: "jobs",
    singular: "job",
    categories: &["all"],
    definition: "io.k8s.api.batch.v1.Job",
    subresources: &[Subresource::Status],
    rules: Rules {
        default,
        prepare_create: generate_selector,
        validate,
        columns: &[
            Column::text("Status"),
            Column::text("Completions"),
            Column::text("Duration"),
            Column::AGE,
            Column::wide("Containers"),
            Column::wide("Images"),
            Column::wide("Selector"),
        ],
        cells,
        fields: &[SelectableField { label: "status.successful", pointer: "/status/succeeded", absent: "0" }],
        has_generation: true,
        acted_on_by: "job controller",
        ..Rules::PLAIN
    },
    ..Kind::namespaced("batch", "v1")
};

/// Source of the values: `pkg/apis/batch/v1/defaults.SetDefaults_Job`.
fn default(object: &mut Value) {
    let spec = meta::map_at(object, "spec");
    let is_set = |field: &str| spec.get(field).is_some_and(|value| !value.is_null());
    // A job with neither runs one pod; one that only says how many run at once has no count.
    if !is_set("completions") && !is_set("parallelism") {
        spec.insert("completions".to_owned(), json!(1));
    }
    meta::set_default(spec, "parallelism", 1);
    let per_index = spec.get("backoffLimitPerIndex").is_some_and(|limit| !limit.is_null());
    meta::set_default(spec, "backoffLimit", if per_index { i32::MAX } else { 6 });
    meta::set_default(spec, "completionMode", "NonIndexed");
    meta::set_default(spec, "suspend", false);
    meta::set_default(spec, "manualSelector", false);
    let has_policy = spec.get("podFailurePolicy").is_some_and(|policy| !policy.is_null());
    meta::set_default(
        spec,
        "podReplacementPolicy",
        if has_policy { "Failed" } else { "TerminatingOrFailed" },
    );
    let rules = spec.get_mut("podFailurePolicy").and_then(|policy| policy.pointer_mut("/rules"));
    for rule in rules.and_then(Value::as_array_mut).into_iter().flatten() {
        let conditions = rule.get_mut("onPodConditions").and_then(Value::as_array_mut);
        for condition in conditions.into_iter().flatten().filter_map(Value::as_object_mut) {
            meta::set_default(condition, "status", "True");
        }
    }
    copy_labels(object);
    pod_spec::default_template(object);
}

/// A job without labels has those of its template.
fn copy_labels(object: &mut Value) {
    let labels = object.pointer("/spec/template/metadata/labels").cloned();
    if let Some(labels) = labels.filter(|labels| labels.as_object().is_some_and(|map| !map.is_empty())) {
        meta::set_default(meta::metadata_mut(object), "labels", labels);
    }
}

/// A job selects its pods by its uid, unless its user manages the selector.
///
/// Source: `pkg/registry/batch/job/strategy.go`, `generateSelector`.
fn generate_selector(object: &mut Value) {
    let (uid, name) = (meta::uid(object).to_owned(), meta::name(object).to_owned());
    if super::is_true(object, "/spec/manualSelector") || name.is_empty() {
        return;
    }
    let spec = meta::map_at(object, "spec");
    meta::set_default(spec, "template", json!({}));
    let Some(template) = spec.get_mut("template").filter(|template| template.is_object()) else { return };
    let metadata = meta::metadata_mut(template);
    meta::set_default(metadata, "labels", json!({}));
    if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
        let [old_uid, old_name] = OLD_NAMES;
        for (label, value) in [(CONTROLLER_UID, &uid), (JOB_NAME, &name), (old_uid, &uid), (old_name, &name)]
        {
            meta::set_default(labels, label, value.as_str());
        }
    }
    meta::set_default(spec, "selector", json!({}));
    if let Some(selector) = spec.get_mut("selector").filter(|selector| selector.is_object()) {
        meta::set_default(meta::map_at(selector, "matchLabels"), CONTROLLER_UID, uid);
    }
    // They came too late for the defaults.
    copy_labels(object);
}

/// Source: `pkg/apis/batch/validation.ValidateJob` and `ValidateJobSpecUpdate`.
fn validate(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = validate_spec(new, "spec");
    faults.extend(super::validate_selector(new, "job").into_iter().filter(|fault| {
        // What a job selects by its own uid was made to match.
        old.is_none() || fault.path != "spec.selector"
    }));
    for path in ["completions", "selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex"] {
        let is_elastic = path == "completions" && check::text(new, "spec.completionMode") == "Indexed";
        if !is_elastic {
            faults.extend(check::immutable(new, old, &format!("spec.{path}")));
        }
    }
    // The template of a job that never started may still be changed.
    let is_fixed = old.is_some_and(|old| {
        !super::is_true(old, "/spec/suspend") || old.pointer("/status/startTime").is_some()
    });
    if is_fixed {
        faults.extend(check::immutable(new, old, "spec.template"));
    }
    faults
}

/// What is wrong with a job's spec that stands at `path`, without its selector.
pub(crate) fn validate_spec(object: &Value, path: &str) -> Vec<FieldError> {
    let mut faults = Vec::new();
    for field in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ] {
        faults.extend(check::not_negative(object, &format!("{path}.{field}")));
    }
    let mode = format!("{path}.completionMode");
    faults.extend(check::one_of(object, &mode, &["Indexed", "NonIndexed"]));
    let completions = format!("{path}.completions");
    if check::text(object, &mode) == "Indexed" && check::at(object, &completions).is_none() {
        let detail = "when completion mode is Indexed";
        faults.push(FieldError::required(completions, detail));
    }
    let policy = format!("{path}.podReplacementPolicy");
    faults.extend(check::one_of(object, &policy, &["Failed", "TerminatingOrFailed"]));
    let template = format!("{path}.template");
    faults.extend(pod_spec::validate_template_at(object, &template, &["OnFailure", "Never"]));
    faults
}

fn cells(object: &Value) -> Vec<Value> {
    let [names, images] = super::container_cells(object);
    vec![
        json!(status(object)),
        json!(completions(object)),
        json!(duration(object)),
        super::age(object),
        names,
        images,
        super::workload_selector(object),
    ]
}

/// The word in the STATUS column.
///
/// Source: `pkg/printers/internalversion/printers.go`, `printJob`.
fn status(object: &Value) -> &'static str {
    let has = |type_: &str| {
        meta::list(object, "/status/conditions").iter().any(|condition| {
            meta::text(condition, "/type") == type_ && meta::text(condition, "/status") == "True"
        })
    };
    if has("Complete") {
        return "Complete";
    }
    if has("Failed") {
        return "Failed";
    }
    if meta::is_deleting(object) {
        return "Terminating";
    }
    let rest = ["Suspended", "FailureTarget", "SuccessCriteriaMet"];
    rest.into_iter().find(|type_| has(type_)).unwrap_or("Running")
}

fn completions(object: &Value) -> String {
    let succeeded = meta::number(object, "/status/succeeded").unwrap_or(0);
    if let Some(wanted) = meta::number(object, "/spec/completions") {
        return format!("{succeeded}/{wanted}");
    }
    match meta::number(object, "/spec/parallelism").unwrap_or(0) {
        at_once @ 2.. => format!("{succeeded}/1 of {at_once}"),
        _ => format!("{succeeded}/1"),
    }
}

fn duration(object: &Value) -> String {
    let time = |pointer: &str| meta::text(object, pointer).parse::<jiff::Timestamp>().ok();
    let Some(start) = time("/status/startTime") else { return String::new() };
    let end = time("/status/completionTime").unwrap_or_else(jiff::Timestamp::now);
    super::human_duration((end.as_second() - start.as_second()).max(0).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Value {
        let mut object = json!({
            "metadata": {"name": "load", "uid": "u-1"},
            "spec": {"template": {"spec": {
                "restartPolicy": "Never",
                "containers": [{"name": "load", "image": "load:1"}],
            }}},
        });
        default(&mut object);
        generate_selector(&mut object);
        object
    }

    #[test]
    fn a_job_selects_its_pods_by_its_uid() {
        let object = job();
        assert_eq!(validate(&object, None), []);
        assert_eq!(object["spec"]["selector"], json!({"matchLabels": {CONTROLLER_UID: "u-1"}}));
        let labels = &object["spec"]["template"]["metadata"]["labels"];
        assert_eq!(labels["job-name"], "load");
        assert_eq!(labels[CONTROLLER_UID], "u-1");
        assert_eq!(object["spec"]["completions"], 1);
        assert_eq!(object["spec"]["backoffLimit"], 6);
    }

    #[test]
    fn a_job_ends_so_its_pods_do_not_always_restart() {
        let mut object = job();
        object["spec"]["template"]["spec"]["restartPolicy"] = json!("Always");
        assert_eq!(
            validate(&object, None)[0].to_string(),
            r#"spec.template.spec.restartPolicy: Unsupported value: "Always": supported values: "OnFailure", "Never""#
        );
    }

    #[test]
    fn the_template_stays_once_a_job_runs() {
        let old = job();
        let mut new = job();
        new["spec"]["parallelism"] = json!(2);
        assert_eq!(validate(&new, Some(&old)), []);
        new["spec"]["template"]["spec"]["containers"][0]["image"] = json!("load:2");
        assert_eq!(validate(&new, Some(&old))[0].path, "spec.template");
        let mut waiting = job();
        waiting["spec"]["suspend"] = json!(true);
        assert_eq!(validate(&new, Some(&waiting)), []);
    }

    #[test]
    fn the_columns_tell_how_far_it_is() {
        let mut object = job();
        assert_eq!((status(&object), completions(&object).as_str()), ("Running", "0/1"));
        assert_eq!(duration(&object), "");
        object["status"] = json!({
            "succeeded": 1, "startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:00:07Z",
            "conditions": [{"type": "Complete", "status": "True"}],
        });
        assert_eq!((status(&object), completions(&object).as_str()), ("Complete", "1/1"));
        assert_eq!(duration(&object), "7s");
        object["spec"] = json!({"parallelism": 3});
        assert_eq!(completions(&object), "1/1 of 3");
    }
}
