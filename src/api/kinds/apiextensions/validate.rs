//! What is wrong with a CustomResourceDefinition.
//!
//! Source: `apiextensions-apiserver/pkg/apis/apiextensions/validation/validation.go`.

use serde_json::{Value, json};
use spur_schema::FieldError;

use super::{status, version};
use crate::{meta, names};

const SCOPES: [&str; 2] = ["Cluster", "Namespaced"];

/// Groups that belong to Kubernetes; a definition in one says who approved it.
const PROTECTED: [&str; 2] = ["k8s.io", "kubernetes.io"];
const APPROVED: &str = "api-approved.kubernetes.io";

/// Everything wrong with a definition.
pub(super) fn validate(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let (group, plural) = (meta::text(new, "/spec/group"), meta::text(new, "/spec/names/plural"));
    let name = meta::name(new);
    if name != format!("{plural}.{group}") {
        let why = "must be spec.names.plural+\".\"+spec.group";
        faults.push(FieldError::invalid("metadata.name", json!(name), why));
    }
    // Rules take time to read, and most writes are about the status.
    if old.is_none_or(|old| old["spec"] != new["spec"]) {
        faults.extend(validate_group(new, group));
        faults.extend(validate_names(&new["spec"]["names"]));
        match meta::text(new, "/spec/scope") {
            "" => faults.push(FieldError::required("spec.scope", "")),
            scope if SCOPES.contains(&scope) => {}
            scope => faults.push(FieldError::not_supported("spec.scope", json!(scope), SCOPES)),
        }
        if new["spec"]["preserveUnknownFields"] == true {
            let why = "must be false in order to use apiextensions.k8s.io/v1: set x-kubernetes-preserve-unknown-fields in the schema";
            faults.push(FieldError::invalid("spec.preserveUnknownFields", true, why));
        }
        // There is nobody to convert: such a definition would serve objects of the wrong shape.
        match meta::text(new, "/spec/conversion/strategy") {
            "" | "None" => {}
            other => {
                faults.push(FieldError::not_supported("spec.conversion.strategy", json!(other), ["None"]));
            }
        }
        faults.extend(validate_versions(new));
    }
    if let Some(old) = old {
        faults.extend(validate_update(new, old));
    }
    faults
}

fn validate_group(new: &Value, group: &str) -> Vec<FieldError> {
    if group.is_empty() {
        return vec![FieldError::required("spec.group", "")];
    }
    if let Some(why) = names::subdomain(group) {
        return vec![FieldError::invalid("spec.group", json!(group), why)];
    }
    if !group.contains('.') {
        let why = "should be a domain with at least one dot";
        return vec![FieldError::invalid("spec.group", json!(group), why)];
    }
    let is_protected = PROTECTED.iter().any(|owner| group == *owner || group.ends_with(&format!(".{owner}")));
    let approval = new["metadata"]["annotations"].get(APPROVED).and_then(Value::as_str).unwrap_or_default();
    if is_protected && approval.is_empty() {
        let path = format!("metadata.annotations[{APPROVED}]");
        let why = format!(
            "protected groups must have approval annotation \"{APPROVED}\", see https://github.com/kubernetes/enhancements/pull/1111"
        );
        return vec![FieldError::required(path, why)];
    }
    Vec::new()
}

fn validate_names(wanted: &Value) -> Vec<FieldError> {
    let mut faults = Vec::new();
    for field in ["plural", "singular", "kind", "listKind"] {
        let path = format!("spec.names.{field}");
        let text = wanted[field].as_str().unwrap_or_default();
        let is_kind = matches!(field, "kind" | "listKind");
        match names::label_1035(&text.to_lowercase()) {
            _ if text.is_empty() => faults.push(FieldError::required(path, "")),
            Some(why) if is_kind => {
                let why = format!("may have mixed case, but should otherwise match: {why}");
                faults.push(FieldError::invalid(path, json!(text), why));
            }
            _ if !is_kind => {
                faults.extend(names::label_1035(text).map(|why| FieldError::invalid(path, json!(text), why)));
            }
            _ => {}
        }
    }
    for field in ["shortNames", "categories"] {
        for (index, name) in wanted[field].as_array().into_iter().flatten().enumerate() {
            if let Some(why) = names::label_1035(name.as_str().unwrap_or_default()) {
                faults.push(FieldError::invalid(format!("spec.names.{field}[{index}]"), name.clone(), why));
            }
        }
    }
    if wanted["kind"] == wanted["listKind"] && wanted["kind"].is_string() {
        let why = "kind and listKind may not be the same";
        faults.push(FieldError::invalid("spec.names.listKind", wanted["listKind"].clone(), why));
    }
    faults
}

fn validate_versions(new: &Value) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let versions = meta::list(new, "/spec/versions");
    let shown = || json!(versions.iter().map(|version| version["name"].clone()).collect::<Vec<_>>());
    let names: Vec<&str> = versions.iter().map(|version| meta::text(version, "/name")).collect();
    for (index, name) in names.iter().enumerate() {
        if let Some(why) = names::label_1035(name) {
            faults.push(FieldError::invalid(format!("spec.versions[{index}].name"), json!(name), why));
        }
        if names[..index].contains(name) {
            faults.push(FieldError::invalid("spec.versions", shown(), "must contain unique version names"));
        }
    }
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let why = "must have exactly one version marked as storage version";
        faults.push(FieldError::invalid("spec.versions", shown(), why));
    }
    for (index, version) in versions.iter().enumerate() {
        faults.extend(version::validate(version, &format!("spec.versions[{index}]")));
    }
    faults
}

/// What is stored keeps its place and its meaning.
fn validate_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let mut fixed = vec!["/spec/group", "/spec/names/plural"];
    if status::is_established(old) {
        fixed.extend(["/spec/scope", "/spec/names/kind"]);
    }
    for pointer in fixed {
        let at = |object: &Value| object.pointer(pointer).cloned().unwrap_or_default();
        if at(new) != at(old) {
            let path = pointer.trim_start_matches('/').replace('/', ".");
            faults.push(FieldError::invalid(path, at(new), "field is immutable"));
        }
    }
    let versions = meta::list(new, "/spec/versions");
    for (index, stored) in meta::list(new, "/status/storedVersions").iter().enumerate() {
        if !versions.iter().any(|version| version["name"] == *stored) {
            let stored = stored.as_str().unwrap_or_default();
            let why = format!(
                "missing from spec.versions; {stored} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in {stored} and removes {stored} from status.storedVersions"
            );
            faults.push(FieldError::invalid(format!("status.storedVersions[{index}]"), json!(stored), why));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition() -> Value {
        let mut definition = json!({
            "metadata": {"name": "widgets.example.com"},
            "spec": {
                "group": "example.com", "scope": "Namespaced",
                "names": {"plural": "widgets", "kind": "Widget"},
                "versions": [{"name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object"}}}],
            },
        });
        super::super::default(&mut definition);
        definition
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Value), expected: &[&str]) {
        let mut definition = definition();
        change(&mut definition);
        let faults: Vec<String> = validate(&definition, None).iter().map(ToString::to_string).collect();
        assert_eq!(faults.len(), expected.len(), "{faults:?}");
        for (fault, expected) in faults.iter().zip(expected) {
            assert!(fault.contains(expected), "{fault}");
        }
    }

    #[test]
    fn a_definition_is_named_after_its_resource() {
        check(|_| {}, &[]);
        check(
            |crd| crd["metadata"]["name"] = json!("x.example.com"),
            &["metadata.name: Invalid value: \"x.example.com\": must be spec.names.plural+\".\"+spec.group"],
        );
    }

    #[test]
    fn one_version_is_stored() {
        check(
            |crd| crd["spec"]["versions"][0]["storage"] = json!(false),
            &["must have exactly one version marked as storage version"],
        );
        check(
            |crd| {
                let first = crd["spec"]["versions"][0].clone();
                crd["spec"]["versions"].as_array_mut().unwrap().push(first);
            },
            &["must contain unique version names", "must have exactly one version marked as storage version"],
        );
        check(
            |crd| crd["spec"]["versions"][0]["schema"] = json!(null),
            &["spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required"],
        );
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        check(
            |crd| crd["spec"]["conversion"]["strategy"] = json!("Webhook"),
            &["spec.conversion.strategy: Unsupported value: \"Webhook\": supported values: \"None\""],
        );
        check(
            |crd| crd["spec"]["preserveUnknownFields"] = json!(true),
            &["spec.preserveUnknownFields: Invalid value: true"],
        );
        check(|crd| crd["spec"]["scope"] = json!("Galaxy"), &["spec.scope: Unsupported value: \"Galaxy\""]);
    }

    #[test]
    fn groups_of_kubernetes_need_its_word() {
        let protected = |crd: &mut Value| {
            crd["spec"]["group"] = json!("x.k8s.io");
            crd["metadata"]["name"] = json!("widgets.x.k8s.io");
        };
        check(protected, &["protected groups must have approval annotation"]);
        check(
            |crd| {
                protected(crd);
                crd["metadata"]["annotations"] = json!({APPROVED: "https://example.com/1"});
            },
            &[],
        );
    }

    #[test]
    fn what_is_stored_keeps_its_place() {
        let mut old = definition();
        status::settle(&mut old, &[]);
        let mut new = old.clone();
        new["spec"]["scope"] = json!("Cluster");
        new["spec"]["versions"][0]["name"] = json!("v2");
        let faults: Vec<String> = validate(&new, Some(&old)).iter().map(ToString::to_string).collect();
        assert_eq!(faults[0], "spec.scope: Invalid value: \"Cluster\": field is immutable");
        assert!(
            faults[1]
                .starts_with("status.storedVersions[0]: Invalid value: \"v1\": missing from spec.versions")
        );
    }
}
