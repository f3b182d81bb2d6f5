//! What happens to every object on its way into the store: identity given,
//! defaults filled in, rules applied. That its fields are right was checked
//! before, in `incoming`.
//!
//! Source: `apiserver/pkg/registry/rest` (create.go, update.go).

use std::borrow::Cow;

use serde_json::{Value, json};
use spur_api::kinds::pod::changes;
use spur_api::kinds::validate_metadata;
use spur_api::{Status, Subresource, meta, names};
use spur_schema::FieldError;

use crate::served::Served;

/// The part of an object that a write may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Everything but `status`.
    Main,
    /// `status` only.
    Status,
    /// A namespace's `spec.finalizers` only.
    Finalizers,
    /// A signing request's `status.conditions` only.
    Approval,
    /// A pod's `spec.ephemeralContainers` only.
    EphemeralContainers,
    /// The `resources` of a pod's containers only.
    Resources,
}

// === impl Part ===

impl Part {
    /// What a write to this path may change; `None` where it is about something else than the
    /// object.
    pub(crate) fn of(subresource: Option<Subresource>) -> Option<Self> {
        match subresource {
            None => Some(Self::Main),
            Some(Subresource::Status) => Some(Self::Status),
            Some(Subresource::Finalize) => Some(Self::Finalizers),
            Some(Subresource::Approval) => Some(Self::Approval),
            Some(Subresource::EphemeralContainers) => Some(Self::EphemeralContainers),
            Some(Subresource::Resize) => Some(Self::Resources),
            Some(
                Subresource::Scale
                | Subresource::Log
                | Subresource::Exec
                | Subresource::Attach
                | Subresource::PortForward
                | Subresource::Token
                | Subresource::Eviction
                | Subresource::Binding
                | Subresource::Proxy,
            ) => None,
        }
    }
}

/// Makes a new object complete: identity, defaults, what the server decides.
pub(crate) fn prepare_create(kind: &Served, value: &mut Value) {
    identify(kind, value);
    kind.prepare_create(value);
}

/// Gives a new object its identity and its defaults.
pub(crate) fn identify(kind: &Served, value: &mut Value) {
    kind.omit_empty(value);
    let metadata = meta::metadata_mut(value);
    for field in ["resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"] {
        metadata.shift_remove(field);
    }
    // `new_v4` asks the kernel each time.
    let uid = uuid::Builder::from_random_bytes(rand::random()).into_uuid();
    metadata.insert("uid".to_owned(), json!(uid.to_string()));
    metadata.insert("creationTimestamp".to_owned(), json!(meta::now()));
    metadata.shift_remove("generation");
    if kind.has_generation() {
        metadata.insert("generation".to_owned(), json!(1));
    }
    if kind.has(Subresource::Status)
        && let Some(map) = value.as_object_mut()
    {
        map.shift_remove("status");
    }
    kind.default(value);
}

/// An object as it would be stored today. The version of Spur that stored it may have kept empty
/// values or known fewer defaults; what that leaves between the old object and the new one is no
/// change, neither to what must not change nor to the generation. Upstream gets there by decoding
/// each object into the same Go types.
pub(crate) fn as_stored_now<'a>(kind: &Served, part: Part, old: &'a Value) -> Cow<'a, Value> {
    match part {
        Part::Main | Part::EphemeralContainers | Part::Resources => {
            let mut now = old.clone();
            kind.omit_empty(&mut now);
            kind.default(&mut now);
            Cow::Owned(now)
        }
        // All else is taken from the old object as it is.
        Part::Status | Part::Finalizers | Part::Approval => Cow::Borrowed(old),
    }
}

/// Keeps what an update may not change and counts the generation.
pub(crate) fn prepare_update(kind: &Served, part: Part, new: &mut Value, old: &Value) {
    kind.omit_empty(new);
    match part {
        Part::Main => {
            if kind.has(Subresource::Status) {
                copy_field(new, old, "status");
            }
            keep_identity(new, old);
            kind.default(new);
            kind.prepare_update(new, old);
            count_generation(kind, new, old);
        }
        Part::Status => {
            let status = new.get("status").cloned();
            *new = old.clone();
            set_field(new, "status", status);
            kind.prepare_status(new, old);
        }
        Part::Approval => {
            let conditions = new.pointer("/status/conditions").cloned();
            *new = old.clone();
            meta::map_at(new, "status");
            set_field(&mut new["status"], "conditions", conditions);
        }
        Part::EphemeralContainers => {
            *new = changes::with_ephemeral_containers(old, new);
            kind.default(new);
            count_generation(kind, new, old);
        }
        Part::Resources => {
            *new = changes::with_resources(old, new);
            kind.default(new);
            count_generation(kind, new, old);
        }
        Part::Finalizers => {
            let finalizers = new.pointer("/spec/finalizers").cloned();
            *new = old.clone();
            meta::map_at(new, "spec");
            set_field(&mut new["spec"], "finalizers", finalizers);
        }
    }
}

/// Everything wrong with an object, as one failure.
pub(crate) fn validate(kind: &Served, part: Part, new: &Value, old: Option<&Value>) -> Result<(), Status> {
    let mut faults = Vec::new();
    let name = meta::name(new);
    if name.is_empty() {
        faults.push(FieldError::required("metadata.name", "name or generateName is required"));
    } else if let Some(message) = names::check(kind.name_rule(), name) {
        faults.push(FieldError::invalid("metadata.name", json!(name), message));
    }
    faults.extend(validate_metadata(new));
    if let Some(old) = old {
        faults.extend(new_finalizers_while_deleting(new, old));
    }
    faults.extend(match (part, old) {
        (Part::EphemeralContainers, Some(old)) => changes::validate_ephemeral_containers(new, old),
        (Part::Resources, Some(old)) => changes::validate_resize(new, old),
        _ => kind.validate(new, old),
    });
    if faults.is_empty() { Ok(()) } else { Err(Status::invalid(kind.group(), kind.kind(), name, &faults)) }
}

fn count_generation(kind: &Served, new: &mut Value, old: &Value) {
    if !kind.has_generation() {
        return;
    }
    let intent = |object: &Value| {
        let mut intent = object.clone();
        if let Some(map) = intent.as_object_mut() {
            map.shift_remove("metadata");
            // Without a door of its own, the status is the author's as well.
            if kind.has(Subresource::Status) {
                map.shift_remove("status");
            }
        }
        intent
    };
    let generation = meta::number(old, "/metadata/generation").unwrap_or(1);
    let changed = i64::from(intent(new) != intent(old));
    meta::metadata_mut(new).insert("generation".to_owned(), json!(generation + changed));
}

/// `metadata` that only the server writes.
fn keep_identity(new: &mut Value, old: &Value) {
    let kept = [
        "uid",
        "creationTimestamp",
        "generation",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generateName",
    ];
    let metadata = meta::metadata_mut(new);
    metadata.shift_remove("selfLink");
    for field in kept {
        match old.get("metadata").and_then(|metadata| metadata.get(field)) {
            Some(value) => metadata.insert(field.to_owned(), value.clone()),
            None => metadata.shift_remove(field),
        };
    }
}

fn copy_field(new: &mut Value, old: &Value, field: &str) {
    set_field(new, field, old.get(field).cloned());
}

fn set_field(object: &mut Value, field: &str, value: Option<Value>) {
    let Some(map) = object.as_object_mut() else { return };
    match value {
        Some(value) => map.insert(field.to_owned(), value),
        None => map.shift_remove(field),
    };
}

/// Source: `apimachinery/pkg/api/validation.ValidateObjectMetaAccessorUpdate`.
fn new_finalizers_while_deleting(new: &Value, old: &Value) -> Option<FieldError> {
    if !meta::is_deleting(old) {
        return None;
    }
    let known: Vec<&str> = meta::finalizers(old).collect();
    let added: Vec<&str> = meta::finalizers(new).filter(|finalizer| !known.contains(finalizer)).collect();
    (!added.is_empty()).then(|| {
        let why = format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers {added:?}"
        );
        FieldError::forbidden("metadata.finalizers", why)
    })
}
