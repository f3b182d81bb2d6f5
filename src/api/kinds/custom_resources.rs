//! CustomResourceDefinitions: the row, its defaults and the checks that need nothing
//! but the object. What a definition makes the server do is the server's.

use std::collections::HashSet;

use serde_json::{Value, json};
use spur_schema::FieldError;

use super::check;
use crate::meta;
use crate::registry::{Column, Kind, Rules, Subresource};

pub(crate) const DEFINITION: Kind = Kind {
    kind: "CustomResourceDefinition",
    plural: "customresourcedefinitions",
    singular: "customresourcedefinition",
    short_names: &["crd", "crds"],
    categories: &["api-extensions"],
    definition: "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition",
    subresources: &[Subresource::Status],
    rules: Rules {
        default,
        validate,
        columns: &[Column::CREATED_AT],
        cells: |object| vec![super::created_at(object)],
        has_generation: true,
        ..Rules::PLAIN
    },
    ..Kind::cluster("apiextensions.k8s.io", "v1")
};

/// Source of the values: `apiextensions/v1/defaults.go`.
fn default(object: &mut Value) {
    let spec = meta::map_at(object, "spec");
    if let Some(names) = spec.get_mut("names").and_then(Value::as_object_mut)
        && let Some(kind) = names.get("kind").and_then(Value::as_str).map(str::to_owned)
    {
        meta::set_default(names, "singular", kind.to_lowercase());
        meta::set_default(names, "listKind", format!("{kind}List"));
    }
    meta::set_default(spec, "conversion", json!({}));
    if let Some(conversion) = spec.get_mut("conversion").and_then(Value::as_object_mut) {
        meta::set_default(conversion, "strategy", "None");
        let service =
            conversion.get_mut("webhook").and_then(|found| found.pointer_mut("/clientConfig/service"));
        if let Some(service) = service.and_then(Value::as_object_mut) {
            meta::set_default(service, "port", 443);
        }
    }
}

/// Source: `apiextensions/validation.ValidateCustomResourceDefinition`.
fn validate(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let (name, plural) = (meta::name(new), check::text(new, "spec.names.plural"));
    let group = check::text(new, "spec.group");
    if name != format!("{plural}.{group}") {
        let why = "must be spec.names.plural+\".\"+spec.group";
        faults.push(FieldError::invalid("metadata.name", json!(name), why));
    }
    faults.extend(check::required(new, "spec.group", ""));
    if !group.is_empty() && group.split('.').count() < 2 {
        let why = "should be a domain with at least one dot";
        faults.push(FieldError::invalid("spec.group", json!(group), why));
    }
    for field in ["plural", "singular", "kind", "listKind"] {
        faults.extend(check::required(new, &format!("spec.names.{field}"), ""));
    }
    faults.extend(check::required_one_of(new, "spec.scope", &["Cluster", "Namespaced"]));
    faults.extend(check::one_of(new, "spec.conversion.strategy", &["None", "Webhook"]));
    faults.extend(validate_versions(new));
    for path in ["spec.group", "spec.names.plural"] {
        faults.extend(check::immutable(new, old, path));
    }
    faults
}

fn validate_versions(new: &Value) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let versions = meta::list(new, "/spec/versions");
    let mut seen = HashSet::new();
    for (index, version) in versions.iter().enumerate() {
        let name = meta::text(version, "/name");
        let path = format!("spec.versions[{index}]");
        if let Some(why) = crate::names::label_1035(name) {
            faults.push(FieldError::invalid(format!("{path}.name"), json!(name), why));
        }
        if !seen.insert(name) {
            let why = "must contain unique version names";
            faults.push(FieldError::invalid("spec.versions", json!(versions), why));
        }
        if check::at(version, "schema.openAPIV3Schema").is_none() {
            let detail = "schemas are required";
            faults.push(FieldError::required(format!("{path}.schema.openAPIV3Schema"), detail));
        }
    }
    let n_stored = versions.iter().filter(|version| super::is_true(version, "/storage")).count();
    if n_stored != 1 {
        let why = "must have exactly one version marked as storage version";
        faults.push(FieldError::invalid("spec.versions", json!(versions), why));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition() -> Value {
        let mut object = json!({
            "metadata": {"name": "widgets.example.com"},
            "spec": {
                "group": "example.com", "scope": "Namespaced",
                "names": {"plural": "widgets", "kind": "Widget"},
                "versions": [{
                    "name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object"}},
                }],
            },
        });
        default(&mut object);
        object
    }

    #[test]
    fn names_follow_from_the_kind() {
        let object = definition();
        assert_eq!(validate(&object, None), []);
        assert_eq!(object["spec"]["names"]["listKind"], "WidgetList");
        assert_eq!(object["spec"]["names"]["singular"], "widget");
        assert_eq!(object["spec"]["conversion"], json!({"strategy": "None"}));
    }

    #[test]
    fn one_version_is_stored_and_the_name_says_the_rest() {
        let mut object = definition();
        object["metadata"]["name"] = json!("widgets");
        object["spec"]["versions"][0]["storage"] = json!(false);
        let places: Vec<String> = validate(&object, None).into_iter().map(|fault| fault.path).collect();
        assert_eq!(places, ["metadata.name", "spec.versions"]);
    }
}
