//! Whether the schema of a CustomResourceDefinition is structural, and otherwise sound.
//!
//! A structural schema says the type of every field outside of `allOf`, `anyOf`, `oneOf` and
//! `not`, which may only narrow it: so that pruning, defaulting and apply have one answer.
//!
//! Follows `k8s.io/apiextensions-apiserver/pkg/apiserver/schema/validation.go` and
//! `ValidateCustomResourceDefinitionOpenAPISchema` in `pkg/apis/apiextensions/validation`.

mod defaults;
mod invariants;
mod keywords;
mod nested;

use serde_json::{Map, Value};

use crate::cel;
use crate::{FieldError, Schemas};

/// What is wrong with the `openAPIV3Schema` at `path`; empty where objects can be held to it.
///
/// Rules and defaults are looked at only in a schema that is otherwise sound.
pub fn structural_faults(document: &Value, path: &str) -> Vec<FieldError> {
    if !document.is_object() {
        return vec![FieldError::required(path, "schemas are required")];
    }
    let mut faults = Vec::new();
    keywords::check(document, path, &mut faults);
    let mut structure = Vec::new();
    invariants::check(document, invariants::Level::Root, path, &mut structure);
    nested::check_completeness(document, path, &mut structure);
    structure.sort_by_key(ToString::to_string);
    faults.extend(structure);
    if faults.is_empty() {
        faults.extend(defaults::check(document, path));
    }
    if faults.is_empty() {
        let alone = Map::from_iter([("schema".to_owned(), document.clone())]);
        let error = Schemas::compile(&alone).err();
        faults.extend(error.map(|error| FieldError::invalid(path, "", error.to_string())));
    }
    if faults.is_empty() {
        let mut sites = Vec::new();
        find_rules(document, path.to_owned(), Around { is_root: true, uncorrelated: None }, &mut sites);
        faults.extend(cel::check(&sites));
    }
    faults
}

/// What a schema stands in.
#[derive(Clone)]
struct Around {
    is_root: bool,
    uncorrelated: Option<String>,
}

/// Every schema with CEL rules.
fn find_rules<'a>(schema: &'a Value, path: String, around: Around, sites: &mut Vec<cel::Site<'a>>) {
    let is_whole = around.is_root || schema["x-kubernetes-embedded-resource"] == true;
    let below = Around { is_root: false, uncorrelated: around.uncorrelated.clone() };
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        find_rules(child, format!("{path}.properties[{name}]"), below.clone(), sites);
    }
    if let Some(child) = schema.get("additionalProperties").filter(|child| child.is_object()) {
        find_rules(child, format!("{path}.additionalProperties"), below.clone(), sites);
    }
    if let Some(child) = schema.get("items") {
        let is_keyed = schema["x-kubernetes-list-type"] == "map";
        let here = (!is_keyed).then(|| path.clone());
        let below = Around { uncorrelated: below.uncorrelated.or(here), ..below };
        find_rules(child, format!("{path}.items"), below, sites);
    }
    if schema.get("x-kubernetes-validations").is_some() {
        sites.push(cel::Site { path, schema, is_whole, uncorrelated: around.uncorrelated });
    }
}

#[cfg(test)]
mod tests;
