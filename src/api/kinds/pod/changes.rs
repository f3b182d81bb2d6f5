//! What may change of a pod that is there: little by its own path, and by two others what their
//! names say.
//!
//! Source: `pkg/registry/core/pod/strategy.go` and `pkg/apis/core/validation/validation.go`.

use std::collections::HashSet;

use serde_json::{Map, Value, json};
use spur_schema::FieldError;

use super::qos;
use crate::kinds::pod_spec;
use crate::meta;

/// What an ephemeral container may say of itself (`allowedEphemeralContainerFields`), besides the
/// container whose namespaces it enters.
const EPHEMERAL_FIELDS: [&str; 16] = [
    "name",
    "image",
    "command",
    "args",
    "workingDir",
    "envFrom",
    "env",
    "volumeMounts",
    "volumeDevices",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "imagePullPolicy",
    "securityContext",
    "stdin",
    "stdinOnce",
    "tty",
];

/// A pod's spec stays, but for images, the deadline and tolerations (`ValidatePodUpdate`).
pub(super) fn validate(new: &Value, old: &Value) -> Vec<FieldError> {
    let fixed = |object: &Value| {
        let mut spec = object.get("spec").cloned().unwrap_or_default();
        if let Some(map) = spec.as_object_mut() {
            map.remove("activeDeadlineSeconds");
            map.remove("tolerations");
            map.remove("terminationGracePeriodSeconds");
            for field in ["containers", "initContainers"] {
                meta::maps_at(map, field).for_each(|container| drop(container.remove("image")));
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

/// The old pod with the ephemeral containers of the new one (`dropNonEphemeralContainerUpdates`).
pub fn with_ephemeral_containers(old: &Value, new: &Value) -> Value {
    let mut kept = old.clone();
    let spec = meta::map_at(&mut kept, "spec");
    match new.pointer("/spec/ephemeralContainers") {
        Some(containers) => spec.insert("ephemeralContainers".to_owned(), containers.clone()),
        None => spec.shift_remove("ephemeralContainers"),
    };
    kept
}

/// The old pod with the resources of the new one's containers (`dropNonResizeUpdates`).
pub fn with_resources(old: &Value, new: &Value) -> Value {
    let mut kept = old.clone();
    let spec = meta::map_at(&mut kept, "spec");
    for field in ["containers", "initContainers"] {
        for container in meta::maps_at(spec, field) {
            let name = container.get("name").cloned();
            let of_name = |other: &&Value| other.get("name") == name.as_ref();
            let Some(wanted) = meta::list(new, &format!("/spec/{field}")).iter().find(of_name) else {
                continue;
            };
            for part in ["resources", "resizePolicy"] {
                match wanted.get(part) {
                    Some(value) => container.insert(part.to_owned(), value.clone()),
                    None => container.shift_remove(part),
                };
            }
        }
    }
    kept
}

/// Takes out of what is applied to `/ephemeralcontainers` all that it cannot change.
pub fn keep_ephemeral_containers(applied: &mut Value) {
    meta::keep_fields(applied, &["apiVersion", "kind", "metadata", "spec"]);
    if let Some(spec) = applied.get_mut("spec") {
        meta::keep_fields(spec, &["ephemeralContainers"]);
    }
}

/// The same of what is applied to `/resize`.
pub fn keep_resources(applied: &mut Value) {
    meta::keep_fields(applied, &["apiVersion", "kind", "metadata", "spec"]);
    let Some(spec) = applied.get_mut("spec") else { return };
    meta::keep_fields(spec, &["containers", "initContainers"]);
    for list in spec.as_object_mut().into_iter().flat_map(Map::values_mut) {
        for container in list.as_array_mut().into_iter().flatten() {
            meta::keep_fields(container, &["name", "resources", "resizePolicy"]);
        }
    }
}

/// Everything wrong with a pod whose ephemeral containers changed: there may be more of them, and
/// those that are there stay (`ValidatePodEphemeralContainersUpdate`).
pub fn validate_ephemeral_containers(new: &Value, old: &Value) -> Vec<FieldError> {
    const PATH: &str = "spec.ephemeralContainers";
    let containers = meta::list(new, "/spec/ephemeralContainers");
    let mut faults = validate_each_ephemeral(new, containers);
    for before in meta::list(old, "/spec/ephemeralContainers") {
        let name = meta::text(before, "/name");
        match containers.iter().find(|container| meta::text(container, "/name") == name) {
            Some(after) if after == before => {}
            Some(_) => {
                let why = format!("existing ephemeral containers {name:?} may not be changed\n");
                faults.push(FieldError::forbidden(PATH, why));
            }
            None => {
                let why = format!("existing ephemeral containers {name:?} may not be removed\n");
                faults.push(FieldError::forbidden(PATH, why));
            }
        }
    }
    faults
}

/// Source: `validateEphemeralContainers`.
fn validate_each_ephemeral(pod: &Value, containers: &[Value]) -> Vec<FieldError> {
    let all = ["containers", "initContainers"].map(|field| meta::list(pod, &format!("/spec/{field}")));
    let others: HashSet<&str> =
        all.into_iter().flatten().map(|container| meta::text(container, "/name")).collect();
    let mut seen = others.clone();
    let mut faults = Vec::new();
    for (index, container) in containers.iter().enumerate() {
        let path = format!("spec.ephemeralContainers[{index}]");
        faults.extend(pod_spec::validate_container(container, &path));
        let name = meta::text(container, "/name");
        if !name.is_empty() && !seen.insert(name) {
            faults.push(FieldError::duplicate(format!("{path}.name"), json!(name)));
        }
        let target = meta::text(container, "/targetContainerName");
        if !target.is_empty() && !others.contains(target) {
            faults.push(FieldError::not_found(format!("{path}.targetContainerName"), target));
        }
        let fields = container.as_object().into_iter().flatten();
        for (field, value) in fields.filter(|(field, _)| *field != "targetContainerName") {
            if !EPHEMERAL_FIELDS.contains(&field.as_str()) && !is_empty(value) {
                let why = "cannot be set for an Ephemeral Container";
                faults.push(FieldError::forbidden(format!("{path}.{field}"), why));
            }
        }
    }
    faults
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Everything wrong with a pod whose containers' resources changed: what is asked for may be more
/// or less, and its quality of service stays (`ValidatePodResize`).
pub fn validate_resize(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut faults = pod_spec::validate_spec(&new["spec"], "spec");
    if qos::class(new) != qos::class(old) {
        let why = "Pod QOS Class may not change as a result of resizing";
        faults.push(FieldError::invalid("spec", json!(qos::class(new)), why));
    }
    for field in ["containers", "initContainers"] {
        let pointer = format!("/spec/{field}");
        let pairs = meta::list(new, &pointer).iter().zip(meta::list(old, &pointer));
        for (index, (after, before)) in pairs.enumerate() {
            let path = format!("spec.{field}[{index}].resources");
            faults.extend(validate_resources(after, before, &path));
        }
    }
    faults
}

fn validate_resources(after: &Value, before: &Value, path: &str) -> Vec<FieldError> {
    let mut faults = Vec::new();
    for list in ["limits", "requests"] {
        let amounts = |container: &Value| -> Map<String, Value> {
            let found = container.pointer(&format!("/resources/{list}")).and_then(Value::as_object);
            found.cloned().unwrap_or_default()
        };
        let (after, before) = (amounts(after), amounts(before));
        let path = format!("{path}.{list}");
        if before.keys().any(|resource| !after.contains_key(resource)) {
            faults.push(FieldError::forbidden(&path, format!("resource {list} cannot be removed")));
        }
        let is_fixed = |resource: &&String| !matches!(resource.as_str(), "cpu" | "memory");
        let resources: HashSet<&String> = after.keys().chain(before.keys()).collect();
        if resources.into_iter().filter(is_fixed).any(|resource| after.get(resource) != before.get(resource))
        {
            faults.push(FieldError::forbidden(&path, "only cpu and memory resources are mutable"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(faults: Vec<FieldError>) -> Vec<String> {
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_pods_command_cannot_change_but_its_image_can() {
        let old = json!({"spec": {"containers": [{"name": "a", "image": "a:1", "command": ["x"]}]}});
        let mut new = old.clone();
        new["spec"]["containers"][0]["image"] = json!("a:2");
        assert_eq!(validate(&new, &old), vec![]);
        new["spec"]["containers"][0]["command"] = json!(["y"]);
        assert_eq!(validate(&new, &old).len(), 1);
    }

    #[test]
    fn ephemeral_containers_come_and_stay() {
        let old = json!({"spec": {"containers": [{"name": "a", "image": "a"}]}});
        let debug = json!({"name": "debug", "image": "b", "targetContainerName": "a"});
        let sent = json!({"spec": {"ephemeralContainers": [debug], "containers": []}});
        let with_debug = with_ephemeral_containers(&old, &sent);
        assert_eq!(with_debug["spec"]["containers"], old["spec"]["containers"], "nothing else changes");
        assert_eq!(validate_ephemeral_containers(&with_debug, &old), []);
        assert_eq!(
            texts(validate_ephemeral_containers(&old, &with_debug)),
            [
                "spec.ephemeralContainers: Forbidden: existing ephemeral containers \"debug\" may not be removed\n"
            ]
        );
        let mut changed = with_debug.clone();
        changed["spec"]["ephemeralContainers"][0]["image"] = json!("c");
        assert_eq!(validate_ephemeral_containers(&changed, &with_debug).len(), 1);
    }

    #[test]
    fn an_ephemeral_container_has_no_ports_and_a_name_of_its_own() {
        let wrong = json!({"name": "a", "image": "b", "targetContainerName": "c", "ports": [{"containerPort": 1, "protocol": "TCP"}]});
        let pod = json!({"spec": {"containers": [{"name": "a"}], "ephemeralContainers": [wrong]}});
        assert_eq!(
            texts(validate_ephemeral_containers(&pod, &json!({}))),
            [
                "spec.ephemeralContainers[0].name: Duplicate value: \"a\"",
                "spec.ephemeralContainers[0].targetContainerName: Not found: \"c\"",
                "spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container",
            ]
        );
    }

    #[test]
    fn a_resize_changes_amounts_and_no_quality() {
        let pod = |limit: &str, request: &str| {
            let resources = json!({"limits": {"cpu": limit}, "requests": {"cpu": request}});
            json!({"spec": {"containers": [{"name": "a", "image": "a", "resources": resources}]}})
        };
        let old = pod("1", "500m");
        let sent = json!({"spec": {"containers": [{"name": "a", "image": "other", "resources": pod("2", "1")["spec"]["containers"][0]["resources"]}]}});
        let new = with_resources(&old, &sent);
        assert_eq!(new["spec"]["containers"][0]["image"], "a", "nothing else changes");
        assert_eq!(new["spec"]["containers"][0]["resources"]["limits"]["cpu"], "2");
        assert_eq!(validate_resize(&new, &old), []);
        let bare = json!({"spec": {"containers": [{"name": "a", "image": "a"}]}});
        assert_eq!(
            texts(validate_resize(&bare, &old)),
            [
                "spec: Invalid value: \"BestEffort\": Pod QOS Class may not change as a result of resizing",
                "spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed",
                "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed",
            ]
        );
    }
}
