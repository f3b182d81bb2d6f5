//! Namespaces. Deleting one empties it first: the namespace controller removes
//! the `kubernetes` finalizer of `spec.finalizers` when nothing is left.

use serde_json::{Value, json};

use crate::meta;
use crate::names::NameRule;
use crate::registry::{Column, Kind, Rules, Scope, SelectableField, Subresource};

/// The finalizer in `spec.finalizers` that holds a namespace until it is empty.
pub const FINALIZER: &str = "kubernetes";

pub(crate) const KIND: Kind = Kind {
    group: "",
    version: "v1",
    kind: "Namespace",
    plural: "namespaces",
    singular: "namespace",
    short_names: &["ns"],
    categories: &[],
    scope: Scope::Cluster,
    definition: "io.k8s.api.core.v1.Namespace",
    subresources: &[Subresource::Status, Subresource::Finalize],
    rules: Rules {
        name: NameRule::Label,
        default,
        prepare_create,
        prepare_update,
        columns: &[Column::text("Status"), Column::AGE],
        cells: |object| vec![json!(meta::text(object, "/status/phase")), super::age(object)],
        fields: &[SelectableField::new("status.phase", "/status/phase")],
        acted_on_by: "namespace controller",
        ..Rules::PLAIN
    },
};

/// Every namespace can be selected by its name (`kubernetes.io/metadata.name`).
fn default(object: &mut Value) {
    let name = meta::name(object).to_owned();
    if name.is_empty() {
        return;
    }
    let metadata = meta::metadata_mut(object);
    let labels = metadata.entry("labels").or_insert_with(|| json!({}));
    if let Some(labels) = labels.as_object_mut() {
        labels.insert("kubernetes.io/metadata.name".to_owned(), json!(name));
    }
}

fn prepare_create(object: &mut Value) {
    meta::map_at(object, "spec").insert("finalizers".to_owned(), json!([FINALIZER]));
    meta::map_at(object, "status").insert("phase".to_owned(), json!("Active"));
}

/// `spec.finalizers` changes through `/finalize` only.
fn prepare_update(new: &mut Value, old: &Value) {
    match old.pointer("/spec/finalizers") {
        Some(finalizers) => meta::map_at(new, "spec").insert("finalizers".to_owned(), finalizers.clone()),
        None => meta::map_at(new, "spec").remove("finalizers"),
    };
}
