//! Objects as a user writes them, and questions about objects as the server gives them.

use serde_json::{Value, json};
use spur_runtime::PodId;

/// A Deployment in `default` whose pods are ready as soon as they run.
pub(in crate::tests) fn deployment(name: &str, replicas: i32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}, "annotations": {"spur.dev/readiness": "none"}},
                "spec": {"containers": [container("v1")]},
            },
        },
    })
}

/// A container that runs this version.
pub(in crate::tests) fn container(version: &str) -> Value {
    json!({"name": "c", "command": ["serve", version], "ports": [{"name": "http", "containerPort": 8080}]})
}

/// A change to another version; a merge patch replaces lists whole.
pub(in crate::tests) fn version(version: &str) -> Value {
    json!({"spec": {"template": {"spec": {"containers": [container(version)]}}}})
}

/// A container that is ready once `check <version>` succeeds.
pub(in crate::tests) fn checked(version: &str) -> Value {
    let mut container = container(version);
    container["readinessProbe"] = json!({
        "exec": {"command": ["check", version]}, "periodSeconds": 1, "failureThreshold": 1,
    });
    container
}

pub(in crate::tests) fn service(name: &str, ports: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": ports},
    })
}

pub(in crate::tests) fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

pub(in crate::tests) fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

/// The same object in another namespace.
pub(in crate::tests) fn within(namespace: &str, mut object: Value) -> Value {
    object["metadata"]["namespace"] = json!(namespace);
    object
}

/// An owner reference to an object as the server gave it.
pub(in crate::tests) fn owned_by(owner: &Value) -> Value {
    json!({
        "apiVersion": owner["apiVersion"], "kind": owner["kind"],
        "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
    })
}

pub(in crate::tests) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().expect("an object has a name")
}

pub(in crate::tests) fn is_rolled_out(deployment: &Value) -> bool {
    let (spec, status) = (&deployment["spec"], &deployment["status"]);
    let wanted = spec["replicas"].as_i64().unwrap_or(1);
    let count = |field: &str| status[field].as_i64().unwrap_or(0);
    status["observedGeneration"] == deployment["metadata"]["generation"]
        && ["replicas", "updatedReplicas", "availableReplicas"].iter().all(|field| count(field) == wanted)
}

pub(in crate::tests) fn is_ready(pod: &Value) -> bool {
    condition(pod, "Ready")["status"] == "True" && pod["metadata"]["deletionTimestamp"].is_null()
}

pub(in crate::tests) fn is_deleting(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

/// A condition of an object, or null.
pub(in crate::tests) fn condition(object: &Value, type_: &str) -> Value {
    let conditions = object["status"]["conditions"].as_array();
    conditions.into_iter().flatten().find(|one| one["type"] == type_).cloned().unwrap_or_default()
}

pub(in crate::tests) fn revision(object: &Value) -> &str {
    object["metadata"]["annotations"]["deployment.kubernetes.io/revision"].as_str().unwrap_or("none")
}

pub(in crate::tests) fn pod_id(pod: &Value) -> PodId {
    let text = |field: &str| pod["metadata"][field].as_str().expect("a pod has it").to_owned();
    PodId::new(&text("namespace"), &text("name"), &text("uid"))
}
