//! A fork's workload, from the baseline and the changes: pure.
//!
//! Everything is taken over except what makes the baseline the baseline: its
//! name, labels, selector, number of replicas and whether it is paused. Nothing
//! selects a fork's pods but the fork itself and its Services. Changes are made
//! in this order: images, env, command, args, patch.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::{Map, Value, json};
use spur_api::sandbox::Fork;
use spur_api::selector::LabelSelector;
use spur_api::{definitions, labels, meta};

use super::fork_service::{ForkService, fork_labels};
use super::workload::WorkloadKind;
use super::{env, names};

/// Written by `kubectl apply`, of the baseline; it would only mislead on a fork.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What a fork is made for and among.
#[derive(Clone, Copy)]
pub(super) struct ForkContext<'a> {
    /// The sandbox.
    pub(super) owner: &'a OwnerReference,
    /// The Services of all forks of the sandbox.
    pub(super) fork_services: &'a [ForkService],
    /// The baseline Services of the namespace, which must not select the fork.
    pub(super) baseline_services: &'a [&'a DynamicObject],
}

/// A fork that cannot be made as it is asked for; its user has to change it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidFork {
    /// A change is for a container that is not there.
    #[error("{change}: no container is named `{container}`, found {found}")]
    NoSuchContainer { change: String, container: String, found: String },
    /// An image without a container's name, and not one container.
    #[error("{change}: name the `container`, there are {found}")]
    WhichContainer { change: String, found: String },
    /// A variable wants the URL of a Service that this sandbox does not fork.
    #[error("variable `{variable}`: no fork of this sandbox stands behind service `{service}`")]
    NoSuchForkService { variable: String, service: String },
    /// A variable wants the URL of a port that is not there.
    #[error("variable `{variable}`: service `{service}` has no TCP port {port}")]
    NoSuchPort { variable: String, service: String, port: u16 },
    /// The patch cannot be applied.
    #[error("patch: {0}")]
    BadPatch(String),
    /// The patch has fields that a workload of the kind has not.
    #[error("patch: a {0} has no field {1}")]
    UnknownFields(&'static str, String),
    /// The patch changes what keeps the fork apart from the baseline.
    #[error("patch: `{0}` may not be changed")]
    Protected(String),
    /// The patch's labels make a baseline Service select the fork.
    #[error("patch: with its labels the baseline service `{0}` would select the fork")]
    Selected(String),
}

/// The workload of a fork, which is of the baseline's kind.
pub(super) fn workload(
    (kind, baseline): (WorkloadKind, &DynamicObject),
    fork: &Fork,
    ctx: ForkContext<'_>,
) -> Result<Value, InvalidFork> {
    let mut workload = copy((kind, baseline), ctx);
    for (idx, change) in fork.images.iter().enumerate() {
        let container = container(&mut workload, change.container.as_deref(), &format!("images[{idx}]"))?;
        container.insert("image".to_owned(), json!(change.image));
    }
    for (idx, change) in fork.env.iter().enumerate() {
        match change.container.as_deref() {
            Some(name) => {
                let container = container(&mut workload, Some(name), &format!("env[{idx}]"))?;
                env::change(container, change, ctx.fork_services)?;
            }
            None => {
                for container in containers(&mut workload, "containers") {
                    env::change(container, change, ctx.fork_services)?;
                }
            }
        }
    }
    if let Some(first) = containers(&mut workload, "containers").next() {
        for (field, words) in [("command", &fork.command), ("args", &fork.args)] {
            if !words.is_empty() {
                first.insert(field.to_owned(), json!(words));
            }
        }
    }
    match &fork.patch {
        Some(patch) => patched((kind, workload), patch, ctx),
        None => Ok(workload),
    }
}

fn copy((kind, baseline): (WorkloadKind, &DynamicObject), ctx: ForkContext<'_>) -> Value {
    let owner = ctx.owner;
    let labels = fork_labels(owner, &baseline.name_any());
    let mut spec = baseline.data.get("spec").and_then(Value::as_object).cloned().unwrap_or_default();
    kind.fork_spec(&mut spec, ctx.fork_services);
    spec.insert("selector".to_owned(), json!({"matchLabels": labels}));
    let template = baseline.data.pointer("/spec/template").cloned().unwrap_or_default();
    let mut metadata = Map::from_iter([("labels".to_owned(), json!(labels))]);
    let annotations = template_annotations(&template);
    if !annotations.is_empty() {
        metadata.insert("annotations".to_owned(), Value::Object(annotations));
    }
    let pod_spec = template.get("spec").cloned().unwrap_or_default();
    spec.insert("template".to_owned(), json!({"metadata": metadata, "spec": pod_spec}));
    json!({
        "apiVersion": "apps/v1",
        "kind": kind.name(),
        "metadata": {
            "name": names::workload(&owner.name, &baseline.name_any(), kind.name_max()),
            "namespace": baseline.namespace(),
            "labels": labels,
            "ownerReferences": [owner],
        },
        "spec": spec,
    })
}

/// The baseline's annotations, and its labels as one.
fn template_annotations(template: &Value) -> Map<String, Value> {
    let given = template.pointer("/metadata/annotations").and_then(Value::as_object);
    let mut annotations = given.cloned().unwrap_or_default();
    annotations.shift_remove(LAST_APPLIED);
    if let Some(labels) = template.pointer("/metadata/labels") {
        annotations.insert(labels::BASELINE_LABELS.to_owned(), json!(labels.to_string()));
    }
    annotations
}

/// The containers, or the init containers, of a workload.
fn containers<'a>(workload: &'a mut Value, list: &str) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    let containers = workload.pointer_mut(&format!("/spec/template/spec/{list}"));
    containers.and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

fn container_names(workload: &mut Value) -> String {
    let name = |container: &mut Map<String, Value>| {
        container.get("name").and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let mut names: Vec<String> = containers(workload, "containers").map(name).collect();
    names.extend(containers(workload, "initContainers").map(name));
    quoted(&names)
}

/// The container of this name, or the only one where none is named.
fn container<'a>(
    workload: &'a mut Value,
    name: Option<&str>,
    change: &str,
) -> Result<&'a mut Map<String, Value>, InvalidFork> {
    let change = change.to_owned();
    let Some(name) = name else {
        if containers(workload, "containers").count() != 1 {
            return Err(InvalidFork::WhichContainer { change, found: container_names(workload) });
        }
        return Ok(containers(workload, "containers").next().expect("counted just above"));
    };
    let is_named =
        |container: &Map<String, Value>| container.get("name").and_then(Value::as_str) == Some(name);
    for list in ["containers", "initContainers"] {
        if containers(workload, list).any(|container| is_named(container)) {
            let found = containers(workload, list).find(|container| is_named(container));
            return Ok(found.expect("found just above"));
        }
    }
    let found = container_names(workload);
    Err(InvalidFork::NoSuchContainer { change, container: name.to_owned(), found })
}

fn quoted(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    if quoted.is_empty() { "none".to_owned() } else { quoted.join(", ") }
}

/// The workload with the patch, which may add anything but change nothing
/// that tells the fork from the baseline.
fn patched(
    (kind, workload): (WorkloadKind, Value),
    patch: &Value,
    ctx: ForkContext<'_>,
) -> Result<Value, InvalidFork> {
    let mut patched = workload.clone();
    definitions::strategic_merge(kind.definition(), &mut patched, patch).map_err(InvalidFork::BadPatch)?;
    let unknown =
        definitions::drop_unknown_fields(kind.definition(), &mut patched).map_err(InvalidFork::BadPatch)?;
    if !unknown.is_empty() {
        return Err(InvalidFork::UnknownFields(kind.noun(), quoted(&unknown)));
    }
    if let Some(map) = patched.as_object_mut() {
        map.shift_remove("status");
    }
    if let Some(field) = protected_change(&workload, &patched) {
        return Err(InvalidFork::Protected(field));
    }
    match selecting(&patched, ctx.baseline_services) {
        Some(service) => Err(InvalidFork::Selected(service)),
        None => Ok(patched),
    }
}

/// The first protected field in which two workloads differ.
fn protected_change(before: &Value, after: &Value) -> Option<String> {
    let differs = |pointer: &str| before.pointer(pointer) != after.pointer(pointer);
    let path = |pointer: &str| pointer.trim_start_matches('/').replace('/', ".");
    let whole = ["/apiVersion", "/kind", "/spec/selector"].into_iter().find(|pointer| differs(pointer));
    if let Some(pointer) = whole {
        return Some(path(pointer));
    }
    let fields = |object: &Value| -> Vec<String> {
        object.get("metadata").and_then(Value::as_object).into_iter().flat_map(Map::keys).cloned().collect()
    };
    let metadata = fields(before).into_iter().chain(fields(after));
    let mut free = metadata.filter(|field| !matches!(field.as_str(), "labels" | "annotations"));
    if let Some(field) = free.find(|field| differs(&format!("/metadata/{field}"))) {
        return Some(format!("metadata.{field}"));
    }
    let ours = before.pointer("/metadata/labels").and_then(Value::as_object);
    for pointer in ["/metadata/labels", "/spec/template/metadata/labels"] {
        let after = after.pointer(pointer).and_then(Value::as_object);
        let lost = ours
            .into_iter()
            .flatten()
            .find(|(key, value)| after.and_then(|all| all.get(*key)) != Some(*value));
        if let Some((key, _)) = lost {
            return Some(format!("{}['{key}']", path(pointer)));
        }
    }
    None
}

/// The baseline Service that selects the pods of a workload.
fn selecting(workload: &Value, services: &[&DynamicObject]) -> Option<String> {
    let labels = workload.pointer("/spec/template/metadata/labels").and_then(Value::as_object);
    services.iter().find(|service| selects(service, labels)).map(|service| service.name_any())
}

/// Whether a Service selects pods with these labels.
pub(super) fn selects(service: &DynamicObject, labels: Option<&Map<String, Value>>) -> bool {
    if meta::text(&service.data, "/spec/type") == "ExternalName" {
        return false;
    }
    let selector = LabelSelector::from_object(service.data.pointer("/spec/selector"));
    selector.is_some_and(|selector| selector.matches(labels))
}
