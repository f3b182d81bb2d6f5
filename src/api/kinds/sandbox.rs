//! Sandboxes (`spur.dev/v1alpha1`).

use std::collections::HashSet;

use serde_json::{Value, json};
use spur_schema::FieldError;

use crate::names::NameRule;
use crate::registry::{Column, Kind, Rules, Scope, Subresource};
use crate::sandbox::KEY_MAX;
use crate::{duration, meta, names};

pub(crate) const KIND: Kind = Kind {
    group: "spur.dev",
    version: "v1alpha1",
    kind: "Sandbox",
    plural: "sandboxes",
    singular: "sandbox",
    short_names: &["sb"],
    categories: &["all", "spur"],
    scope: Scope::Namespaced,
    definition: "dev.spur.v1alpha1.Sandbox",
    subresources: &[Subresource::Status],
    rules: Rules {
        name: NameRule::Label,
        default,
        validate,
        columns: &[
            Column::text("Key"),
            Column::text("Status"),
            Column::text("Forks"),
            Column::AGE,
            Column::wide("Expires"),
            Column::wide("Message"),
        ],
        cells,
        has_generation: true,
        acted_on_by: "sandbox controller",
        ..Rules::PLAIN
    },
};

/// Workloads a fork can be made of.
const FORK_KINDS: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];

fn default(object: &mut Value) {
    // A spec of another type is left for the schema to refuse.
    let spec = object.as_object_mut().map(|map| map.entry("spec").or_insert_with(|| json!({})));
    let Some(spec) = spec.and_then(Value::as_object_mut) else { return };
    meta::set_default(spec, "fallback", "baseline");
    let forks = spec.get_mut("forks").and_then(Value::as_array_mut).into_iter().flatten();
    for of in forks.filter_map(|fork| fork.get_mut("of")?.as_object_mut()) {
        meta::set_default(of, "kind", "Deployment");
    }
    if let Some(ttl) = spec.get_mut("ttl").and_then(Value::as_object_mut) {
        meta::set_default(ttl, "from", "created");
    }
}

fn validate(new: &Value, _old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    // A preview host is `<sandbox>--<service>.<namespace>.localhost`.
    let name = meta::name(new);
    if name.contains("--") {
        let why = "must not contain `--`, which separates sandbox and service in preview hosts";
        faults.push(FieldError::invalid("metadata.name", json!(name), why));
    }
    if let Some(key) = new.pointer("/spec/routingKey").and_then(Value::as_str) {
        faults.extend(validate_key(key));
    }
    if let Some(ttl) = new.pointer("/spec/ttl/duration").and_then(Value::as_str)
        && let Err(error) = duration::parse(ttl)
    {
        faults.push(FieldError::invalid("spec.ttl.duration", json!(ttl), error.to_string()));
    }
    let mut seen = HashSet::new();
    for (index, fork) in meta::list(new, "/spec/forks").iter().enumerate() {
        let path = format!("spec.forks[{index}]");
        // The pods of two of one name would have the same labels, whatever their kinds.
        let name = meta::text(fork, "/of/name");
        if !name.is_empty() && !seen.insert(name) {
            faults.push(FieldError::duplicate(format!("{path}.of"), fork["of"].clone()));
        }
        faults.extend(validate_fork(fork, &path));
    }
    let mut endpoints = HashSet::new();
    for (index, endpoint) in meta::list(new, "/spec/endpoints").iter().enumerate() {
        let name = meta::text(endpoint, "/name");
        if !endpoints.insert(name) {
            faults.push(FieldError::duplicate(format!("spec.endpoints[{index}].name"), json!(name)));
        }
    }
    faults
}

/// A key must survive every carrier unescaped: a header value, a member of
/// `baggage` and of `tracestate`.
fn validate_key(key: &str) -> Option<FieldError> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let is_valid = !key.is_empty() && key.len() <= KEY_MAX && key.bytes().all(is_plain);
    (!is_valid).then(|| {
        let why = format!("must be 1 to {KEY_MAX} letters, digits, '-', '_' or '.'");
        FieldError::invalid("spec.routingKey", json!(key), why)
    })
}

fn validate_fork(fork: &Value, path: &str) -> Vec<FieldError> {
    let mut faults = Vec::new();
    match meta::text(fork, "/of/kind") {
        "" => faults.push(FieldError::required(format!("{path}.of.kind"), "")),
        kind if FORK_KINDS.contains(&kind) => {}
        kind => faults.push(FieldError::not_supported(format!("{path}.of.kind"), json!(kind), FORK_KINDS)),
    }
    if meta::text(fork, "/of/name").is_empty() {
        faults.push(FieldError::required(format!("{path}.of.name"), ""));
    }
    for (index, change) in meta::list(fork, "/env").iter().enumerate() {
        let path = format!("{path}.env[{index}]");
        faults.extend(validate_env(change, &path));
    }
    for (index, change) in meta::list(fork, "/images").iter().enumerate() {
        if meta::text(change, "/image").is_empty() {
            faults.push(FieldError::required(format!("{path}.images[{index}].image"), ""));
        }
    }
    faults
}

fn validate_env(change: &Value, path: &str) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let name = meta::text(change, "/name");
    if name.is_empty() {
        faults.push(FieldError::required(format!("{path}.name"), ""));
    } else if let Some(message) = names::env_name(name) {
        faults.push(FieldError::invalid(format!("{path}.name"), json!(name), message));
    }
    let has_value = change.get("value").is_some_and(|value| !value.is_null());
    let from = change.get("valueFrom").filter(|from| !from.is_null());
    let is_delete = meta::text(change, "/operation") == "delete";
    if is_delete && (has_value || from.is_some()) {
        faults.push(FieldError::forbidden(path, "`operation: delete` takes no value"));
    }
    if has_value && from.is_some() {
        faults.push(FieldError::forbidden(
            format!("{path}.valueFrom"),
            "may not be given together with `value`",
        ));
    }
    if let Some(from) = from {
        let sources = ["configMap", "secret", "service"];
        let n_sources =
            sources.iter().filter(|source| from.get(**source).is_some_and(|s| !s.is_null())).count();
        if n_sources != 1 {
            let why = "give exactly one of `configMap`, `secret` and `service`";
            faults.push(FieldError::invalid(format!("{path}.valueFrom"), from.clone(), why));
        }
    }
    faults
}

fn cells(object: &Value) -> Vec<Value> {
    let forks = meta::list(object, "/status/forks");
    let n_ready = forks.iter().filter(|fork| fork.get("ready") == Some(&Value::Bool(true))).count();
    let n_forks = meta::list(object, "/spec/forks").len();
    let ready = meta::list(object, "/status/conditions").iter().find(|c| meta::text(c, "/type") == "Ready");
    vec![
        json!(meta::text(object, "/status/routingKey")),
        json!(if meta::is_deleting(object) { "Terminating" } else { meta::text(object, "/status/phase") }),
        json!(format!("{n_ready}/{n_forks}")),
        super::age(object),
        json!(match meta::text(object, "/status/deletionTime") {
            "" => "never",
            time => time,
        }),
        json!(ready.map_or("", |condition| meta::text(condition, "/message"))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(spec: Value) -> Vec<String> {
        let object = json!({"metadata": {"name": "s"}, "spec": spec});
        validate(&object, None).into_iter().map(|fault| fault.path).collect()
    }

    #[test]
    fn a_fork_names_a_supported_workload_once() {
        assert!(places(json!({"forks": [{"of": {"kind": "Deployment", "name": "a"}}]})).is_empty());
        for kind in FORK_KINDS {
            assert!(places(json!({"forks": [{"of": {"kind": kind, "name": "a"}}]})).is_empty());
        }
        let mut unnamed = json!({"spec": {"forks": [{"of": {"name": "a"}}]}});
        default(&mut unnamed);
        assert_eq!(unnamed["spec"]["forks"][0]["of"]["kind"], "Deployment");
        let twice = json!({"forks": [{"of": {"kind": "Deployment", "name": "a"}}, {"of": {"kind": "StatefulSet", "name": "a"}}]});
        assert_eq!(places(twice), ["spec.forks[1].of"]);
        assert_eq!(
            places(json!({"forks": [{"of": {"kind": "Job", "name": "a"}}]})),
            ["spec.forks[0].of.kind"]
        );
        assert_eq!(places(json!({"forks": [{"of": {"kind": "Deployment"}}]})), ["spec.forks[0].of.name"]);
    }

    #[test]
    fn keys_and_durations_are_checked() {
        assert_eq!(places(json!({"routingKey": "a b"})), ["spec.routingKey"]);
        assert_eq!(places(json!({"routingKey": ""})), ["spec.routingKey"]);
        assert_eq!(places(json!({"ttl": {"duration": "soon"}})), ["spec.ttl.duration"]);
    }

    #[test]
    fn a_variable_has_one_source() {
        let fork = |env: Value| json!({"forks": [{"of": {"kind": "Deployment", "name": "a"}, "env": [env]}]});
        assert_eq!(
            places(fork(json!({"name": "A", "operation": "delete", "value": "1"}))),
            ["spec.forks[0].env[0]"]
        );
        assert_eq!(places(fork(json!({"name": "A", "valueFrom": {}}))), ["spec.forks[0].env[0].valueFrom"]);
        assert!(places(fork(json!({"name": "A", "value": ""}))).is_empty());
    }
}
