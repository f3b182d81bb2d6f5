//! PATCH: JSON patch, merge patch, strategic merge patch, server-side apply.
//!
//! Source: `apiserver/pkg/endpoints/handlers/patch.go`.

use std::sync::Mutex;

use serde_json::Value;
use spur_api::kinds::pod::changes;
use spur_api::status::Cause;
use spur_api::{Status, Subresource, meta};
use spur_schema::FieldError;
use spur_schema::apply::{self, ApplyError, OnConflict, Operation};
use spur_schema::decode::{self, Decoded};
use spur_schema::patch::{self, JsonPatchError};
use tokio::time::Instant;

use super::{Request, came_between, create, last_try, update};
use crate::answer::{self, Outcome};
use crate::body::{self, Media};
use crate::incoming::{self, Incoming};
use crate::pipeline::Part;
use crate::{negotiate, object, table};

pub(crate) async fn patch(request: &Request) -> Outcome {
    let form = negotiate::form(&request.headers)?;
    let media = body::patch_media(&request.headers, request.kind().is_structural())?;
    let part = update::part(request);
    if media == Media::Apply {
        return apply_patch(request, part, form).await;
    }
    if request.query.force.is_some() {
        let why = "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch";
        return Err(Status::new(422, "Invalid", why));
    }
    let decoded = body::decode(media, &request.body)?;
    let faults = faults_of(media, &decoded);
    let warnings = Mutex::new(Vec::new());
    let written = update::change(request, part, |old| {
        let mut new = old.clone();
        run(request, media, &mut new, &decoded.value)?;
        check_is_object(&new)?;
        incoming::check_kind(request.kind(), &mut new)?;
        let validation = request.query.field_validation;
        let mut accepted = incoming::check_patched(request.kind(), new, &faults, validation)?;
        *warnings.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = accepted.warnings;
        incoming::check_identity(&request.target, &mut accepted.value)?;
        Ok(accepted.value)
    })
    .await?;
    let mut answer = answer::ok(&table::in_form(form, request.kind(), written));
    answer::warn(&mut answer, &warnings.into_inner().unwrap_or_default());
    Ok(answer)
}

/// What is wrong with a patch itself, and no reason to refuse it unless somebody is strict.
fn faults_of(media: Media, patch: &Decoded) -> Vec<String> {
    if media != Media::JsonPatch {
        return decode::strict_warnings(&patch.duplicates, &[]);
    }
    let unknown = patch::unknown_in_operations(&patch.value);
    let faults = decode::strict_warnings(&patch.duplicates, &unknown);
    faults.into_iter().map(|fault| format!("json patch {fault}")).collect()
}

/// Runs a patch that is no apply.
pub(crate) fn run(request: &Request, media: Media, target: &mut Value, patch: &Value) -> Result<(), Status> {
    let kind = request.kind();
    match media {
        Media::JsonPatch => patch::json(target, patch).map_err(|error| match error {
            JsonPatchError::TooManyOperations { .. } | JsonPatchError::CopiesTooMuch { .. } => {
                Status::new(413, "RequestEntityTooLarge", error.to_string())
            }
            JsonPatchError::Malformed(_) => Status::bad_request(error.to_string()),
            error => Status::new(422, "Invalid", error.to_string()),
        }),
        Media::StrategicPatch => patch::strategic(kind.schema(), target, patch)
            .map_err(|error| Status::bad_request(error.to_string())),
        Media::MergePatch | Media::Json | Media::Yaml | Media::Apply => {
            if !patch.is_object() {
                return Err(Status::bad_request("a merge patch is a JSON object"));
            }
            patch::merge(target, patch);
            Ok(())
        }
    }
}

fn check_is_object(value: &Value) -> Result<(), Status> {
    if value.is_object() { Ok(()) } else { Err(Status::bad_request("the patch leaves no object")) }
}

async fn apply_patch(request: &Request, part: Part, form: negotiate::Form) -> Outcome {
    let kind = request.kind();
    check_manager(request)?;
    let mut decoded = body::decode_object(Media::Apply, &request.body)?;
    incoming::check_names_its_kind(&decoded.value)?;
    incoming::check_kind(kind, &mut decoded.value)?;
    let Incoming { value: mut applied, warnings } =
        incoming::check_fields(kind, decoded, request.query.field_validation)?;
    incoming::check_identity(&request.target, &mut applied)?;
    keep_part(request, part, &mut applied);
    if applied.pointer("/metadata/managedFields").is_some() {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    let name = request.target.object_name();
    // Who names a version wants that one or none.
    let may_retry = meta::resource_version(&applied).is_empty();
    let last_try = last_try();
    let mut answer = loop {
        let found = object::find(&request.state, kind, request.namespace(), name)?;
        let merged = merge(request, found.as_ref().map(|found| &found.value), &applied)?;
        let outcome = match &found {
            None if part == Part::Main && !meta::uid(&applied).is_empty() => {
                let uid = meta::uid(&applied);
                let why = format!(
                    "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                );
                return Err(Status::conflict(kind.group(), kind.plural(), name, &why));
            }
            None if part == Part::Main => {
                let created = create::store_new(request, merged, Operation::Apply).await;
                created.map(|created| created.answer(form, kind))
            }
            None => Err(Status::not_found(kind.group(), kind.plural(), name)),
            Some(old) => {
                let written = store_applied(request, part, old, &applied, merged).await;
                written.map(|written| answer::ok(&table::in_form(form, kind, written)))
            }
        };
        match outcome {
            // Another write came between: apply again to what is there now.
            Err(status) if may_retry && is_late(&status) && Instant::now() < last_try => {}
            outcome => break outcome?,
        }
    };
    answer::warn(&mut answer, &warnings);
    Ok(answer)
}

/// Applies to an object that is there: what a subresource is a part of.
pub(crate) async fn apply_to(request: &Request, applied: &Value) -> Result<Value, Status> {
    check_manager(request)?;
    let may_retry = meta::resource_version(applied).is_empty();
    let last_try = last_try();
    loop {
        let name = request.target.object_name();
        let old = object::get(&request.state, request.kind(), request.namespace(), name)?;
        let merged = merge(request, Some(&old.value), applied)?;
        match store_applied(request, Part::Main, &old, applied, merged).await {
            Err(status) if may_retry && came_between(&status) && Instant::now() < last_try => {}
            outcome => return outcome,
        }
    }
}

fn check_manager(request: &Request) -> Result<(), Status> {
    if request.query.field_manager.is_empty() {
        let fault = FieldError::required("fieldManager", "is required for apply patch");
        return Err(Status::invalid("meta.k8s.io", "PatchOptions", "", &[fault]));
    }
    Ok(())
}

/// Whether another write came between, be it the object's first.
fn is_late(status: &Status) -> bool {
    came_between(status) || status.reason == "AlreadyExists"
}

/// Takes out what the path does not let a write change, so that nobody comes to own it.
fn keep_part(request: &Request, part: Part, applied: &mut Value) {
    match part {
        Part::Main if request.kind().has(Subresource::Status) => {
            applied.as_object_mut().map(|map| map.shift_remove("status"));
        }
        Part::Main | Part::Finalizers => {}
        Part::EphemeralContainers => changes::keep_ephemeral_containers(applied),
        Part::Resources => changes::keep_resources(applied),
        Part::Status | Part::Approval => {
            meta::keep_fields(applied, &["apiVersion", "kind", "metadata", "status"]);
        }
    }
}

/// Stores what applying to an object has made of it; who names a version means that one.
async fn store_applied(
    request: &Request,
    part: Part,
    old: &object::Found,
    applied: &Value,
    mut new: Value,
) -> Result<Value, Status> {
    let sent = meta::resource_version(applied);
    if !sent.is_empty() && sent != meta::resource_version(&old.value) {
        let kind = request.kind();
        return Err(Status::modified(kind.group(), kind.plural(), request.target.object_name()));
    }
    let managed = new.pointer("/metadata/managedFields").cloned();
    update::prepare(request, part, old, &mut new)?;
    if let Some(managed) = managed {
        meta::metadata_mut(&mut new).insert("managedFields".to_owned(), managed);
    }
    update::store(request, old, new).await
}

fn merge(request: &Request, live: Option<&Value>, applied: &Value) -> Result<Value, Status> {
    let manager = request.manager(Operation::Apply);
    let on_conflict =
        if request.query.force.unwrap_or(false) { OnConflict::Force } else { OnConflict::Refuse };
    let kind = request.kind().written();
    apply::apply(kind, live, applied, &manager, on_conflict).map_err(|error| match error {
        ApplyError::Malformed(why) => {
            let (kind, name) = (request.kind(), request.target.object_name());
            let namespace = request.namespace().unwrap_or_default();
            let api_version = kind.api_version();
            Status::bad_request(format!(
                "failed to create typed patch object ({namespace}/{name}; {api_version}, Kind={}): {why}",
                kind.kind()
            ))
        }
        ApplyError::Conflicts(conflicts) => {
            let mut status = Status::new(409, "Conflict", conflicts.to_string());
            status.details.causes = conflicts
                .causes
                .iter()
                .map(|conflict| Cause {
                    reason: "FieldManagerConflict".to_owned(),
                    message: format!("conflict with {}", conflict.manager),
                    field: conflict.path.clone(),
                })
                .collect();
            status
        }
    })
}
