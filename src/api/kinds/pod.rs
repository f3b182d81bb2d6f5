//! Pods.

use serde_json::{Value, json};
use spur_schema::FieldError;

use super::pod_spec;
use crate::meta;
use crate::registry::{Column, Deleted, Kind, Rules, Scope, SelectableField, Subresource};

pub(crate) const KIND: Kind = Kind {
    group: "",
    version: "v1",
    kind: "Pod",
    plural: "pods",
    singular: "pod",
    short_names: &["po"],
    categories: &["all"],
    scope: Scope::Namespaced,
    definition: "io.k8s.api.core.v1.Pod",
    subresources: &[
        Subresource::Status,
        Subresource::Log,
        Subresource::Exec,
        Subresource::Attach,
        Subresource::PortForward,
        Subresource::Eviction,
    ],
    rules: Rules {
        default,
        prepare_create,
        validate,
        columns: &[
            Column::text("Ready"),
            Column::text("Status"),
            Column::text("Restarts"),
            Column::AGE,
            Column::wide("IP"),
            Column::wide("Node"),
            Column::wide("Nominated Node"),
            Column::wide("Readiness Gates"),
        ],
        cells,
        fields: FIELDS,
        deleted: Deleted::Object,
        has_generation: true,
        acted_on_by: "pod worker, which runs it",
        ..Rules::PLAIN
    },
};

/// The one node's name, to which every pod is bound when it is made.
pub const NODE: &str = "spur";

const FIELDS: &[SelectableField] = &[
    SelectableField::new("spec.nodeName", "/spec/nodeName"),
    SelectableField::new("spec.restartPolicy", "/spec/restartPolicy"),
    SelectableField::new("spec.schedulerName", "/spec/schedulerName"),
    SelectableField::new("spec.serviceAccountName", "/spec/serviceAccountName"),
    SelectableField { label: "spec.hostNetwork", pointer: "/spec/hostNetwork", absent: "false" },
    SelectableField::new("status.phase", "/status/phase"),
    SelectableField::new("status.podIP", "/status/podIP"),
    SelectableField::new("status.nominatedNodeName", "/status/nominatedNodeName"),
];

fn default(object: &mut Value) {
    let spec = meta::map_at(object, "spec");
    pod_spec::default_spec(spec);
    meta::set_default(spec, "enableServiceLinks", true);
}

/// A new pod is `Pending`; there is one node, so it is bound at once.
fn prepare_create(object: &mut Value) {
    let spec = meta::map_at(object, "spec");
    meta::set_default(spec, "nodeName", NODE);
    meta::set_default(spec, "serviceAccountName", "default");
    meta::map_at(object, "status").insert("phase".to_owned(), json!("Pending"));
}

fn validate(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let Some(spec) = new.get("spec") else {
        return vec![FieldError::required("spec.containers", "")];
    };
    let mut faults = pod_spec::validate_spec(spec, "spec");
    if let Some(old) = old {
        faults.extend(validate_update(new, old));
    }
    faults
}

/// A running pod's spec stays, but for images, the deadline and tolerations.
fn validate_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let fixed = |object: &Value| {
        let mut spec = object.get("spec").cloned().unwrap_or_default();
        if let Some(map) = spec.as_object_mut() {
            map.remove("activeDeadlineSeconds");
            map.remove("tolerations");
            map.remove("terminationGracePeriodSeconds");
        }
        for field in ["containers", "initContainers"] {
            let containers = spec.get_mut(field).and_then(Value::as_array_mut);
            for container in containers.into_iter().flatten().filter_map(Value::as_object_mut) {
                container.remove("image");
            }
        }
        spec
    };
    if fixed(new) == fixed(old) {
        return Vec::new();
    }
    let why = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
    vec![FieldError::forbidden("spec", why)]
}

fn cells(object: &Value) -> Vec<Value> {
    let statuses = meta::list(object, "/status/containerStatuses");
    let n_ready = statuses.iter().filter(|status| status.get("ready") == Some(&Value::Bool(true))).count();
    let n_containers = meta::list(object, "/spec/containers").len();
    let or_none = |text: &str| if text.is_empty() { "<none>".to_owned() } else { text.to_owned() };
    vec![
        json!(format!("{n_ready}/{n_containers}")),
        json!(status(object)),
        json!(restarts(statuses)),
        super::age(object),
        json!(or_none(meta::text(object, "/status/podIP"))),
        json!(or_none(meta::text(object, "/spec/nodeName"))),
        json!(or_none(meta::text(object, "/status/nominatedNodeName"))),
        json!("<none>"),
    ]
}

/// The word in the STATUS column.
///
/// Source: `pkg/printers/internalversion/printers.go`, `printPod`.
pub fn status(object: &Value) -> String {
    let mut word = meta::text(object, "/status/phase").to_owned();
    let reason = meta::text(object, "/status/reason");
    if !reason.is_empty() {
        reason.clone_into(&mut word);
    }
    let mut has_running = false;
    for status in meta::list(object, "/status/containerStatuses").iter().rev() {
        let waiting = meta::text(status, "/state/waiting/reason");
        let terminated = meta::text(status, "/state/terminated/reason");
        if !waiting.is_empty() {
            waiting.clone_into(&mut word);
        } else if !terminated.is_empty() {
            terminated.clone_into(&mut word);
        } else if status.pointer("/state/terminated").is_some() {
            word = terminated_word(status);
        } else if status.pointer("/state/running").is_some() && status["ready"] == true {
            has_running = true;
        }
    }
    if word == "Completed" && has_running {
        word = "Running".to_owned();
    }
    if meta::is_deleting(object) {
        word = "Terminating".to_owned();
    }
    word
}

fn terminated_word(status: &Value) -> String {
    match meta::number(status, "/state/terminated/signal").filter(|signal| *signal != 0) {
        Some(signal) => format!("Signal:{signal}"),
        None => format!("ExitCode:{}", meta::number(status, "/state/terminated/exitCode").unwrap_or(0)),
    }
}

fn restarts(statuses: &[Value]) -> String {
    let count: i64 = statuses.iter().filter_map(|status| meta::number(status, "/restartCount")).sum();
    let last = statuses.iter().map(|status| meta::text(status, "/lastState/terminated/finishedAt")).max();
    match last.filter(|last| !last.is_empty() && count > 0) {
        Some(last) => format!("{count} ({} ago)", super::since(last)),
        None => count.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_column_says_what_is_wrong() {
        let with =
            |state: Value| json!({"status": {"phase": "Running", "containerStatuses": [{"state": state}]}});
        assert_eq!(status(&with(json!({"waiting": {"reason": "CrashLoopBackOff"}}))), "CrashLoopBackOff");
        assert_eq!(status(&with(json!({"terminated": {"exitCode": 3}}))), "ExitCode:3");
        assert_eq!(status(&with(json!({"running": {}}))), "Running");
        let mut deleting = with(json!({"running": {}}));
        deleting["metadata"] = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
        assert_eq!(status(&deleting), "Terminating");
    }

    #[test]
    fn a_pods_command_cannot_change_but_its_image_can() {
        let old = json!({"spec": {"containers": [{"name": "a", "image": "a:1", "command": ["x"]}]}});
        let mut new = old.clone();
        new["spec"]["containers"][0]["image"] = json!("a:2");
        assert_eq!(validate_update(&new, &old), vec![]);
        new["spec"]["containers"][0]["command"] = json!(["y"]);
        assert_eq!(validate_update(&new, &old).len(), 1);
    }
}
