//! PUT of an object, and the one way in which any write changes a stored object.
//!
//! Source: `apiserver/pkg/registry/generic/registry/store.go`, `Update`.

use http::Method;
use serde_json::{Value, json};
use spur_api::{Status, meta};
use spur_schema::apply::{self, Operation};
use spur_schema::{ErrorKind, FieldError};
use spur_store::Expect;
use tokio::time::Instant;

use super::{Request, came_between, create, last_try};
use crate::answer::{self, Outcome};
use crate::custom_definitions::{self, Fate};
use crate::object::Found;
use crate::pipeline::{self, Part};
use crate::served::Served;
use crate::{body, incoming, negotiate, object, table};

pub(crate) async fn update(request: &Request) -> Outcome {
    let form = negotiate::form(&request.headers)?;
    let kind = request.kind();
    let mut decoded = body::object(&request.headers, &request.body, &kind.api_version(), kind.kind())?;
    let part = part(request);
    incoming::check_kind(kind, &mut decoded.value)?;
    let mut accepted = incoming::check_fields(kind, decoded, request.query.field_validation)?;
    incoming::check_identity(&request.target, &mut accepted.value)?;
    let has_version = !matches!(meta::resource_version(&accepted.value), "" | "0");
    let written = change(request, part, |_| {
        if !has_version && !is_put_without_version(kind) {
            let fault = no_version();
            return Err(Status::invalid(kind.group(), kind.kind(), request.target.object_name(), &[fault]));
        }
        Ok(accepted.value.clone())
    });
    let mut answer = match written.await {
        Err(status) if status.code == 404 && part == Part::Main && is_made_by_put(kind) => {
            meta::metadata_mut(&mut accepted.value).remove("resourceVersion");
            create::store_new(request, accepted.value, Operation::Update).await?.answer(form, kind)
        }
        written => answer::ok(&table::in_form(form, kind, written?)),
    };
    answer::warn(&mut answer, &accepted.warnings);
    Ok(answer)
}

/// Kinds whose objects a PUT makes where there is none (`AllowCreateOnUpdate` of each kind's
/// `strategy.go`).
fn is_made_by_put(kind: &Served) -> bool {
    matches!(
        (kind.group(), kind.plural()),
        ("", "endpoints" | "events" | "limitranges" | "services")
            | ("events.k8s.io", "events")
            | ("coordination.k8s.io", "leases")
            | (
                "rbac.authorization.k8s.io",
                "roles" | "rolebindings" | "clusterroles" | "clusterrolebindings"
            )
    )
}

/// Kinds whose objects may be put without saying which version is meant (`AllowUnconditionalUpdate`
/// of each kind's `strategy.go`).
fn is_put_without_version(kind: &Served) -> bool {
    let is_bundled = !kind.is_structural();
    is_bundled
        && !matches!(
            (kind.group(), kind.plural()),
            ("coordination.k8s.io", "leases")
                | ("policy", "poddisruptionbudgets")
                | ("node.k8s.io", "runtimeclasses")
                | ("apiregistration.k8s.io", "apiservices")
                | ("apiextensions.k8s.io", "customresourcedefinitions")
                | ("admissionregistration.k8s.io", _)
                | (
                    "storage.k8s.io",
                    "csidrivers" | "csinodes" | "csistoragecapacities" | "volumeattachments"
                )
        )
}

/// In the words of upstream, which prints the version as the number it has none of.
fn no_version() -> FieldError {
    FieldError {
        path: "metadata.resourceVersion".to_owned(),
        kind: ErrorKind::Invalid,
        value: None,
        detail: "0x0: must be specified for an update".to_owned(),
    }
}

/// The part of the object that the path lets a write change.
pub(crate) fn part(request: &Request) -> Part {
    Part::of(request.target.subresource).expect("the router gives other subresources to others")
}

/// Reads the object, has it changed and writes it, again when another write came
/// between, unless the change itself named a resourceVersion.
pub(crate) async fn change(
    request: &Request,
    part: Part,
    make: impl Fn(&Value) -> Result<Value, Status>,
) -> Result<Value, Status> {
    let (kind, name) = (request.kind(), request.target.object_name());
    let last_try = last_try();
    loop {
        let old = object::get(&request.state, kind, request.namespace(), name)?;
        let new = make(&old.value)?;
        let wanted = meta::resource_version(&new);
        if !matches!(wanted, "" | "0") && wanted != meta::resource_version(&old.value) {
            return Err(Status::modified(kind.group(), kind.plural(), name));
        }
        match write(request, part, &old, new).await {
            Err(status) if came_between(&status) && Instant::now() < last_try => {}
            outcome => return outcome,
        }
    }
}

/// Completes, validates and stores a changed object.
pub(crate) async fn write(
    request: &Request,
    part: Part,
    old: &Found,
    mut new: Value,
) -> Result<Value, Status> {
    prepare(request, part, old, &mut new)?;
    let manager = request.manager(Operation::Update);
    let new = apply::update(request.kind().written(), Some(&old.value), new, &manager)
        .map_err(|error| Status::bad_request(error.to_string()))?;
    store(request, old, new).await
}

/// Completes and validates a changed object.
pub(crate) fn prepare(request: &Request, part: Part, old: &Found, new: &mut Value) -> Result<(), Status> {
    check_uid(request, new, &old.value)?;
    let kind = request.kind();
    let before = pipeline::as_stored_now(kind, part, &old.value);
    pipeline::prepare_update(kind, part, new, &before);
    object::set_resource_version(new, old.revision);
    pipeline::validate(kind, part, new, Some(&before))
}

/// Who puts an object with a uid means that one and no other of its name; who patches would
/// change it.
fn check_uid(request: &Request, new: &Value, old: &Value) -> Result<(), Status> {
    let (sent, found) = (meta::uid(new), meta::uid(old));
    if sent.is_empty() || sent == found {
        return Ok(());
    }
    let (kind, name) = (request.kind(), request.target.object_name());
    if request.method == Method::PATCH {
        let fault = FieldError::invalid("metadata.uid", json!(sent), "field is immutable");
        return Err(Status::invalid(kind.group(), kind.kind(), name, &[fault]));
    }
    let why = format!("Precondition failed: UID in precondition: {sent}, UID in object meta: {found}");
    Err(Status::conflict(kind.group(), kind.plural(), name, &why))
}

/// Stores a complete object over the old one. What changes nothing is not
/// written, and what nothing holds any more is deleted.
pub(crate) async fn store(request: &Request, old: &Found, mut new: Value) -> Result<Value, Status> {
    let (kind, name) = (request.kind(), request.target.object_name());
    let state = &request.state;
    let _address = state.addresses().fill_in(&state.store, kind, &mut new)?;
    let _ports = state.node_ports().fill_in(&state.store, kind, &mut new)?;
    new = object::in_order(new);
    custom_definitions::settle(&request.state, kind, &mut new);
    if is_same(&new, &old.value) && old.is_current {
        return Ok(old.value.clone());
    }
    if request.query.is_dry_run {
        return Ok(new);
    }
    let key = object::key(kind, request.namespace(), name);
    let expect = Expect::Revision(old.revision);
    let bytes = object::encode(kind, &new);
    let is_finished = is_finished(&new);
    let fate = if is_finished { Fate::Goes } else { Fate::Stays };
    custom_definitions::foretell(&request.state, kind, &new, fate);
    let written = if is_finished {
        request.state.store.delete(key, expect, Some(bytes)).await.map(|(revision, _)| revision)
    } else {
        request.state.store.put(key, expect, bytes).await
    };
    let revision = written.map_err(|error| object::unwritten(&error, kind, name))?;
    object::set_resource_version(&mut new, revision);
    Ok(new)
}

/// Whether an object waits for its deletion and nothing holds it any more.
///
/// Source: `registry/generic/registry/store.go`, `ShouldDeleteDuringUpdate`; for
/// namespaces `pkg/registry/core/namespace/storage`.
pub(crate) fn is_finished(object: &Value) -> bool {
    let is_graceful =
        meta::number(object, "/metadata/deletionGracePeriodSeconds").is_some_and(|seconds| seconds > 0);
    let is_held = meta::finalizers(object).next().is_some()
        || (meta::text(object, "/kind") == "Namespace" && !meta::list(object, "/spec/finalizers").is_empty());
    meta::is_deleting(object) && !is_graceful && !is_held
}

/// Whether two states differ in nothing but the times in `managedFields`.
fn is_same(new: &Value, old: &Value) -> bool {
    let timeless = |object: &Value| {
        let mut object = object.clone();
        let entries = object.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut);
        for entry in entries.into_iter().flatten().filter_map(Value::as_object_mut) {
            entry.shift_remove("time");
        }
        object
    };
    timeless(new) == timeless(old)
}
