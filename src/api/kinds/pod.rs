//! Pods: what they are made with and how they are shown. What may change of them is in
//! [`changes`], what they may use in [`qos`].

pub mod changes;
mod qos;

use serde_json::{Map, Value, json};
use spur_schema::FieldError;

use super::pod_spec;
use crate::meta;
use crate::registry::{Column, Deleted, Kind, Life, Rules, Scope, SelectableField, Subresource};

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
        Subresource::Binding,
        Subresource::EphemeralContainers,
        Subresource::Resize,
        Subresource::Proxy,
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

/// What gives a pod its node: made at `pods/<name>/binding`, or in its own collection under the
/// pod's name. Never kept.
pub const BINDING: Kind = Kind {
    kind: "Binding",
    plural: "bindings",
    singular: "binding",
    definition: "io.k8s.api.core.v1.Binding",
    rules: Rules { life: Life::Answered, acted_on_by: "answered by the server, never kept", ..Rules::PLAIN },
    ..Kind::namespaced("", "v1")
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
    for field in ["containers", "initContainers"] {
        meta::maps_at(spec, field).for_each(default_requests);
    }
}

/// Who says how much it may have asks for as much (`SetDefaults_Pod`).
fn default_requests(container: &mut Map<String, Value>) {
    let Some(resources) = container.get_mut("resources") else { return };
    let limits = resources.get("limits").and_then(Value::as_object).cloned();
    let Some(limits) = limits.filter(|limits| !limits.is_empty()) else { return };
    let requests = meta::map_at(resources, "requests");
    for (resource, limit) in limits {
        meta::set_default(requests, &resource, limit);
    }
}

/// A new pod is `Pending`; there is one node, so it is bound at once.
fn prepare_create(object: &mut Value) {
    let spec = meta::map_at(object, "spec");
    meta::set_default(spec, "nodeName", NODE);
    meta::set_default(spec, "serviceAccountName", "default");
    pod_spec::name_account_twice(spec);
    let class = qos::class(object);
    let status = meta::map_at(object, "status");
    status.insert("phase".to_owned(), json!("Pending"));
    status.insert("qosClass".to_owned(), json!(class));
}

fn validate(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let Some(spec) = new.get("spec") else {
        return vec![FieldError::required("spec.containers", "")];
    };
    let mut faults = pod_spec::validate_spec(spec, "spec");
    match old {
        Some(old) => faults.extend(changes::validate(new, old)),
        None if meta::list(spec, "/ephemeralContainers").is_empty() => {}
        None => faults.push(FieldError::forbidden("spec.ephemeralContainers", "cannot be set on create")),
    }
    faults
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
}
