//! CustomResourceDefinitions: kinds that users bring along.
//!
//! What the server makes of a definition is its own business; here is what a definition is, what
//! is wrong with one ([`validate`]), and which names it gets ([`status`]).

pub mod status;
mod validate;
mod version;

use serde_json::{Value, json};

use crate::meta;
use crate::registry::{Column, Kind, Rules, Scope, Subresource};

/// The finalizer that holds a definition until all its objects are gone.
pub const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

pub(crate) const KIND: Kind = Kind {
    group: "apiextensions.k8s.io",
    version: "v1",
    kind: "CustomResourceDefinition",
    plural: "customresourcedefinitions",
    singular: "customresourcedefinition",
    short_names: &["crd", "crds"],
    categories: &["api-extensions"],
    scope: Scope::Cluster,
    definition: "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition",
    subresources: &[Subresource::Status],
    rules: Rules {
        default,
        validate: validate::validate,
        columns: &[Column::CREATED_AT],
        cells: |object| vec![super::created_at(object)],
        has_generation: true,
        acted_on_by: "the API server, which serves the kind",
        ..Rules::PLAIN
    },
};

/// Source: `apiextensions/v1/defaults.go`.
fn default(object: &mut Value) {
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if let Some(names) = spec.get_mut("names").and_then(Value::as_object_mut) {
        let kind = names.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        if !kind.is_empty() {
            default_text(names, "singular", kind.to_lowercase());
            default_text(names, "listKind", format!("{kind}List"));
        }
    }
    let conversion = spec.entry("conversion").or_insert_with(|| json!({}));
    if let Some(conversion) = conversion.as_object_mut() {
        default_text(conversion, "strategy", "None".to_owned());
        let service =
            conversion.get_mut("webhook").and_then(|found| found.pointer_mut("/clientConfig/service"));
        if let Some(service) = service.and_then(Value::as_object_mut) {
            meta::set_default(service, "port", 443);
        }
    }
}

fn default_text(map: &mut serde_json::Map<String, Value>, field: &str, text: String) {
    if map.get(field).is_none_or(|found| found.is_null() || *found == "") {
        map.insert(field.to_owned(), json!(text));
    }
}

/// The version in which objects are stored.
pub fn storage_version(definition: &Value) -> &str {
    let versions = meta::list(definition, "/spec/versions");
    let stored = versions.iter().find(|version| version["storage"] == true);
    stored.map_or("", |version| meta::text(version, "/name"))
}
