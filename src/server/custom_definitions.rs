//! What a write of a CustomResourceDefinition makes the server do.
//!
//! Writes take turns: each settles the names among those of all other definitions, and before it
//! is answered the snapshot of served kinds is replaced, so that discovery is right at once.

use serde_json::{Value, json};
use spur_api::kinds::apiextensions::{self, status};
use spur_api::{REGISTRY, Status, bundled, meta};
use spur_store::{Expect, ListRange, Store};

use crate::served::Served;
use crate::state::State;
use crate::{api_services, object};

/// The kind of definitions.
pub(crate) fn kind() -> Served {
    Served::bundled("apiextensions.k8s.io", "v1", "customresourcedefinitions")
}

/// Whether a kind is that of definitions.
pub(crate) fn is_of(kind: &Served) -> bool {
    kind.plural() == "customresourcedefinitions" && kind.group() == "apiextensions.k8s.io"
}

/// Every definition that can be read, the older first: who came first has the names.
pub(crate) fn all(store: &Store) -> Vec<Value> {
    let kind = kind();
    let everything = ListRange { namespace: None, after: None, limit: None, at: None };
    let listed = match store.list(&kind.resource(), everything) {
        Ok(listed) => listed,
        Err(error) => {
            tracing::error!(%error, "failed to read the custom resource definitions: {error}");
            return Vec::new();
        }
    };
    for key in &listed.corrupt {
        tracing::error!(%key, "custom resource definition `{key}` is damaged and not served");
    }
    let found = listed.items.iter().filter_map(|stored| object::found(&kind, stored).ok());
    let mut all: Vec<Value> = found.map(|found| found.value).collect();
    all.sort_by(|a, b| {
        let age = |value: &Value| meta::text(value, "/metadata/creationTimestamp").to_owned();
        age(a).cmp(&age(b)).then_with(|| meta::name(a).cmp(meta::name(b)))
    });
    all
}

/// Settles what is to become of a definition before it is stored; other kinds stay as they are.
pub(crate) fn settle(state: &State, kind: &Served, object: &mut Value) {
    if is_of(kind) && !meta::is_deleting(object) {
        settle_among(object, &all(&state.store));
    }
}

/// Settles one definition; true where that changed it.
fn settle_among(definition: &mut Value, all: &[Value]) -> bool {
    let before = definition["status"].clone();
    let name = meta::name(definition).to_owned();
    let mut others: Vec<Value> = all.iter().filter(|other| meta::name(other) != name).cloned().collect();
    others.extend(bundled_names(definition));
    status::settle(definition, &others);
    definition["status"] != before
}

/// The names of bundled kinds, in the form of definitions. A kind that only follows its schema may
/// be replaced by a definition of the same name.
fn bundled_names(definition: &Value) -> Vec<Value> {
    let of = |field: &str| meta::text(definition, field);
    let (group, plural) = (of("/spec/group"), of("/spec/names/plural"));
    let rows =
        REGISTRY.iter().filter(|row| row.group == group && !(row.is_structural() && row.plural == plural));
    let rows = rows.map(|row| (row.plural, row.singular, row.short_names, row.kind));
    let others = bundled::all().filter(|other| other.group == group && other.plural != plural);
    let others = others.map(|other| (other.plural, other.singular, other.short_names, other.kind));
    let as_definition = |(plural, singular, short_names, kind)| {
        let accepted = json!({
            "plural": plural, "singular": singular, "shortNames": short_names,
            "kind": kind, "listKind": format!("{kind}List"),
        });
        json!({"spec": {"group": group}, "status": {"acceptedNames": accepted}})
    };
    rows.chain(others).map(as_definition).collect()
}

/// Serves what a definition says a moment before it is stored, or what is left without it: who
/// sees the write in a watch finds its kind. A write that fails is taken back by [`refresh`].
pub(crate) fn foretell(state: &State, kind: &Served, object: &Value, fate: Fate) {
    if !is_of(kind) {
        return;
    }
    let mut all = all(&state.store);
    all.retain(|other| meta::name(other) != meta::name(object));
    match fate {
        Fate::Stays => all.push(object.clone()),
        Fate::Goes => {}
    }
    state.serve(&all);
}

/// What a write does to a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Stays,
    Goes,
}

/// What a delete makes of a definition first: it waits until its objects are gone.
///
/// Source: `apiextensions-apiserver/pkg/registry/customresourcedefinition/etcd.go`, `Delete`.
pub(crate) fn begin_deletion(definition: &mut Value) {
    let metadata = meta::metadata_mut(definition);
    let finalizers = metadata.entry("finalizers").or_insert_with(|| json!([]));
    if let Some(finalizers) = finalizers.as_array_mut()
        && !finalizers.iter().any(|finalizer| finalizer == apiextensions::CLEANUP)
    {
        finalizers.push(json!(apiextensions::CLEANUP));
    }
    let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
    status::set_condition(definition, "Terminating", true, "InstanceDeletionPending", message);
}

/// Refuses to make an object of a kind that is going away.
pub(crate) fn admit_create(state: &State, kind: &Served) -> Result<(), Status> {
    if state.kinds().is_terminating(&kind.resource()) {
        let why = "create not allowed while custom resource definition is terminating";
        return Err(Status::new(405, "MethodNotAllowed", why).about(kind.group(), kind.plural(), ""));
    }
    Ok(())
}

/// Serves what the definitions say now. Names that a write has set free go to those that waited.
pub(crate) async fn refresh(state: &State) {
    let mut all = all(&state.store);
    for index in 0..all.len() {
        let mut definition = all[index].clone();
        if meta::is_deleting(&definition) || !settle_among(&mut definition, &all) {
            continue;
        }
        let kind = kind();
        let Ok(revision) = object::revision(meta::resource_version(&definition)) else { continue };
        let key = object::key(&kind, None, meta::name(&definition));
        let bytes = object::encode(&kind, &definition);
        match state.store.put(key, Expect::Revision(revision), bytes).await {
            Ok(revision) => {
                object::set_resource_version(&mut definition, revision);
                all[index] = definition;
            }
            Err(error) => tracing::warn!(%error, "failed to write which names a definition has: {error}"),
        }
    }
    state.serve(&all);
    api_services::follow(&state.store, &all).await;
}
