//! The part that pods and pod templates share: defaults and validation of a
//! pod's spec.
//!
//! Source of the values: `pkg/apis/core/v1/defaults.go`; of the checks:
//! `pkg/apis/core/validation/validation.go`. One deviation: `image` may be
//! absent where `command` is given, since a process needs none.

use std::collections::HashSet;

use serde_json::{Map, Value, json};
use spur_schema::FieldError;

use super::{check, quantities};
use crate::{meta, names};

/// Fills in a pod template under `spec.template`.
pub(crate) fn default_template(object: &mut Value) {
    default_template_at(object, "/spec/template");
}

/// Fills in a pod template that stands elsewhere.
pub(crate) fn default_template_at(object: &mut Value, pointer: &str) {
    if let Some(spec) = object.pointer_mut(&format!("{pointer}/spec")).and_then(Value::as_object_mut) {
        default_spec(spec);
    }
}

/// What is wrong with the pod template under `spec.template` of something that
/// keeps its pods running.
pub(crate) fn validate_template(object: &Value) -> Vec<FieldError> {
    validate_template_at(object, "spec.template", &["Always"])
}

/// What is wrong with the pod template at `path`, whose pods may restart by these policies.
pub(crate) fn validate_template_at(object: &Value, path: &str, policies: &[&str]) -> Vec<FieldError> {
    let path = format!("{path}.spec");
    let Some(spec) = check::at(object, &path) else {
        return vec![FieldError::required(format!("{path}.containers"), "")];
    };
    let mut faults = validate_spec(spec, &path);
    if !meta::list(spec, "/ephemeralContainers").is_empty() {
        let why = "ephemeral containers not allowed in pod template";
        faults.push(FieldError::forbidden(format!("{path}.ephemeralContainers"), why));
    }
    let policy = meta::text(spec, "/restartPolicy");
    if !policy.is_empty() && !policies.contains(&policy) {
        faults.push(FieldError::not_supported(format!("{path}.restartPolicy"), json!(policy), policies));
    }
    faults
}

/// Fills in a pod's spec.
pub(crate) fn default_spec(spec: &mut Map<String, Value>) {
    meta::set_default(spec, "restartPolicy", "Always");
    meta::set_default(spec, "terminationGracePeriodSeconds", 30);
    meta::set_default(spec, "dnsPolicy", "ClusterFirst");
    meta::set_default(spec, "securityContext", json!({}));
    meta::set_default(spec, "schedulerName", "default-scheduler");
    name_account_twice(spec);
    for field in ["initContainers", "containers", "ephemeralContainers"] {
        meta::maps_at(spec, field).for_each(default_container);
    }
    meta::maps_at(spec, "volumes").for_each(default_volume);
}

/// `serviceAccount` is an older name of `serviceAccountName`, which wins where they differ
/// (`pkg/apis/core/v1/conversion.go`, `Convert_v1_PodSpec_To_core_PodSpec` and back).
pub(crate) fn name_account_twice(spec: &mut Map<String, Value>) {
    let names = ["serviceAccountName", "serviceAccount"];
    let mut known = names.into_iter().filter_map(|name| spec.get(name));
    let Some(account) = known.find(|account| *account != "").cloned() else { return };
    for name in names {
        spec.insert(name.to_owned(), account.clone());
    }
}

fn default_container(container: &mut Map<String, Value>) {
    for port in meta::maps_at(container, "ports") {
        meta::set_default(port, "protocol", "TCP");
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(probe).and_then(Value::as_object_mut) {
            default_probe(probe);
        }
    }
    let env = container.get_mut("env").and_then(Value::as_array_mut);
    for variable in env.into_iter().flatten() {
        if let Some(field) = variable.pointer_mut("/valueFrom/fieldRef").and_then(Value::as_object_mut) {
            meta::set_default(field, "apiVersion", "v1");
        }
    }
    meta::set_default(container, "resources", json!({}));
    if let Some(resources) = container.get_mut("resources") {
        quantities::spell_out(resources, "/limits");
        quantities::spell_out(resources, "/requests");
    }
    meta::set_default(container, "terminationMessagePath", "/dev/termination-log");
    meta::set_default(container, "terminationMessagePolicy", "File");
    if let Some(image) = container.get("image").and_then(Value::as_str) {
        let policy = if is_latest(image) { "Always" } else { "IfNotPresent" };
        meta::set_default(container, "imagePullPolicy", policy);
    }
}

fn default_probe(probe: &mut Map<String, Value>) {
    meta::set_default(probe, "timeoutSeconds", 1);
    meta::set_default(probe, "periodSeconds", 10);
    meta::set_default(probe, "successThreshold", 1);
    meta::set_default(probe, "failureThreshold", 3);
    if let Some(http) = probe.get_mut("httpGet").and_then(Value::as_object_mut) {
        meta::set_default(http, "path", "/");
        meta::set_default(http, "scheme", "HTTP");
    }
}

fn default_volume(volume: &mut Map<String, Value>) {
    if volume.len() == 1 {
        volume.insert("emptyDir".to_owned(), json!({}));
    }
    for source in ["configMap", "secret", "projected", "downwardAPI"] {
        if let Some(source) = volume.get_mut(source).and_then(Value::as_object_mut) {
            meta::set_default(source, "defaultMode", 0o644);
        }
    }
}

/// An image without a tag and a digest, or with the tag `latest`.
fn is_latest(image: &str) -> bool {
    let last = image.rsplit('/').next().unwrap_or(image);
    !image.contains('@') && last.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

/// What is wrong with a pod's spec that stands at `path`.
pub(crate) fn validate_spec(spec: &Value, path: &str) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let mut seen = HashSet::new();
    for field in ["initContainers", "containers"] {
        for (index, container) in meta::list(spec, &format!("/{field}")).iter().enumerate() {
            let path = format!("{path}.{field}[{index}]");
            faults.extend(validate_container(container, &path));
            let name = meta::text(container, "/name");
            if !name.is_empty() && !seen.insert(name) {
                faults.push(FieldError::duplicate(format!("{path}.name"), json!(name)));
            }
        }
    }
    if meta::list(spec, "/containers").is_empty() {
        faults.push(FieldError::required(format!("{path}.containers"), ""));
    }
    match meta::text(spec, "/restartPolicy") {
        "Always" | "OnFailure" | "Never" | "" => {}
        other => {
            let known = ["Always", "OnFailure", "Never"];
            faults.push(FieldError::not_supported(format!("{path}.restartPolicy"), json!(other), known));
        }
    }
    if meta::number(spec, "/terminationGracePeriodSeconds").is_some_and(|seconds| seconds < 0) {
        let path = format!("{path}.terminationGracePeriodSeconds");
        let value = spec["terminationGracePeriodSeconds"].clone();
        faults.push(FieldError::invalid(path, value, "must be greater than or equal to 0"));
    }
    faults
}

/// What is wrong with a container that stands at `path`.
pub(crate) fn validate_container(container: &Value, path: &str) -> Vec<FieldError> {
    let mut faults = Vec::new();
    match meta::text(container, "/name") {
        "" => faults.push(FieldError::required(format!("{path}.name"), "")),
        name => {
            if let Some(message) = names::label(name) {
                faults.push(FieldError::invalid(format!("{path}.name"), json!(name), message));
            }
        }
    }
    if meta::text(container, "/image").is_empty() && meta::list(container, "/command").is_empty() {
        let hint = "give an image, or a command to run as a process";
        faults.push(FieldError::required(format!("{path}.image"), hint));
    }
    faults.extend(validate_ports(container, path));
    for (index, variable) in meta::list(container, "/env").iter().enumerate() {
        let path = format!("{path}.env[{index}]");
        let name = meta::text(variable, "/name");
        if name.is_empty() {
            faults.push(FieldError::required(format!("{path}.name"), ""));
        } else if let Some(message) = names::env_name(name) {
            faults.push(FieldError::invalid(format!("{path}.name"), json!(name), message));
        }
        let has_value = !meta::text(variable, "/value").is_empty();
        if has_value && variable.get("valueFrom").is_some_and(|from| !from.is_null()) {
            let why = "may not be specified when `value` is not empty";
            faults.push(FieldError::invalid(format!("{path}.valueFrom"), json!(""), why));
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(found) = container.get(probe).filter(|found| !found.is_null()) {
            faults.extend(validate_probe(found, &format!("{path}.{probe}"), probe));
        }
    }
    faults
}

fn validate_ports(container: &Value, path: &str) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let mut seen = HashSet::new();
    for (index, port) in meta::list(container, "/ports").iter().enumerate() {
        let path = format!("{path}.ports[{index}]");
        match meta::number(port, "/containerPort") {
            Some(1..=65535) => {}
            Some(number) => {
                let why = "must be between 1 and 65535, inclusive";
                faults.push(FieldError::invalid(format!("{path}.containerPort"), json!(number), why));
            }
            None => faults.push(FieldError::required(format!("{path}.containerPort"), "")),
        }
        let name = meta::text(port, "/name");
        if !name.is_empty() && !seen.insert(name) {
            faults.push(FieldError::duplicate(format!("{path}.name"), json!(name)));
        }
        match meta::text(port, "/protocol") {
            "TCP" | "UDP" | "SCTP" => {}
            "" => faults.push(FieldError::required(format!("{path}.protocol"), "")),
            other => {
                let known = ["SCTP", "TCP", "UDP"];
                faults.push(FieldError::not_supported(format!("{path}.protocol"), json!(other), known));
            }
        }
    }
    faults
}

fn validate_probe(probe: &Value, path: &str, kind: &str) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let handlers = ["httpGet", "tcpSocket", "exec", "grpc"];
    let n_handlers =
        handlers.iter().filter(|handler| probe.get(**handler).is_some_and(|h| !h.is_null())).count();
    match n_handlers {
        1 => {}
        0 => faults.push(FieldError::required(path, "must specify a handler type")),
        _ => faults.push(FieldError::forbidden(path, "may not specify more than 1 handler type")),
    }
    let successes = meta::number(probe, "/successThreshold").unwrap_or(1);
    if kind != "readinessProbe" && successes != 1 {
        faults.push(FieldError::invalid(format!("{path}.successThreshold"), json!(successes), "must be 1"));
    }
    for field in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "failureThreshold"] {
        if let Some(number) = meta::number(probe, &format!("/{field}")).filter(|number| *number < 0) {
            let why = "must be greater than or equal to 0";
            faults.push(FieldError::invalid(format!("{path}.{field}"), json!(number), why));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(container: Value) -> Vec<String> {
        let mut spec = json!({"containers": [container]});
        default_spec(spec.as_object_mut().expect("a map"));
        validate_spec(&spec, "spec").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_command_stands_in_for_an_image() {
        assert_eq!(faults(json!({"name": "a", "command": ["true"]})), Vec::<String>::new());
        assert_eq!(faults(json!({"name": "a"})).len(), 1);
    }

    #[test]
    fn faults_name_their_place() {
        let found = faults(json!({
            "name": "A", "image": "x",
            "ports": [{"containerPort": 0}, {"containerPort": 80, "protocol": "QUIC"}],
            "env": [{"name": "a=b"}],
            "livenessProbe": {"successThreshold": 2},
        }));
        let places: Vec<&str> = found.iter().map(|text| text.split(": ").next().expect("a path")).collect();
        assert_eq!(
            places,
            [
                "spec.containers[0].name",
                "spec.containers[0].ports[0].containerPort",
                "spec.containers[0].ports[1].protocol",
                "spec.containers[0].env[0].name",
                "spec.containers[0].livenessProbe",
                "spec.containers[0].livenessProbe.successThreshold",
            ]
        );
    }

    #[test]
    fn quantities_written_as_numbers_become_text() {
        let mut container = json!({"name": "c", "resources": {"limits": {"cpu": 1, "memory": "1Gi"}, "requests": {"cpu": 0.5}}});
        default_container(container.as_object_mut().expect("a map"));
        assert_eq!(
            container["resources"],
            json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "0.5"}})
        );
    }

    #[test]
    fn images_without_a_fixed_tag_are_always_pulled() {
        for (image, policy) in [
            ("a", "Always"),
            ("r:5000/a", "Always"),
            ("a:latest", "Always"),
            ("a:1", "IfNotPresent"),
            ("a@sha256:0", "IfNotPresent"),
        ] {
            let mut container = json!({"name": "c", "image": image});
            default_container(container.as_object_mut().expect("a map"));
            assert_eq!(container["imagePullPolicy"], policy, "{image}");
        }
    }
}
