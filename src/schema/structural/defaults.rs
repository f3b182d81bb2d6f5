//! Defaults have to be values that their own schema takes.
//!
//! Follows `k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting/validation.go`.

use serde_json::{Map, Value, json};

use super::keywords::children;
use crate::{FieldError, Schemas, apply_defaults, unknown_fields, validate};

/// Checks every default of a document.
pub(super) fn check(document: &Value, path: &str) -> Vec<FieldError> {
    let mut faults = Vec::new();
    check_below(document, path, &mut faults);
    faults
}

fn check_below(schema: &Value, path: &str, faults: &mut Vec<FieldError>) {
    if let Some(default) = schema.get("default").filter(|default| !default.is_null()) {
        faults.extend(check_one(schema, default, &format!("{path}.default")));
    }
    for (child, path) in children(schema, path) {
        check_below(child, &path, faults);
    }
}

fn check_one(schema: &Value, default: &Value, path: &str) -> Vec<FieldError> {
    let definitions = Map::from_iter([("T".to_owned(), json!({"properties": {"v": schema}}))]);
    let schemas = match Schemas::compile(&definitions) {
        Ok(schemas) => schemas,
        Err(error) => return vec![FieldError::invalid(path, "", error.to_string())],
    };
    let whole = schemas.get("T").expect("compiled just above");
    let schema = whole.property("v").expect("compiled just above");
    let mut value = default.clone();
    if !unknown_fields(schema, &mut value).is_empty() {
        return vec![FieldError::invalid(path, default.clone(), "must not have unknown fields")];
    }
    apply_defaults(schema, &mut value);
    let faults = validate(schema, &value).into_iter().map(|fault| {
        // The walk began at the value itself, so that paths and messages begin in the middle.
        let place = match fault.path.as_str() {
            "" => path.to_owned(),
            below => format!("{path}.{below}"),
        };
        let detail = match fault.detail.strip_prefix(" in body") {
            Some(rest) => format!("{place} in body{rest}"),
            None => fault.detail.replacen(&format!("{} in body", fault.path), &format!("{place} in body"), 1),
        };
        FieldError { path: place, detail, ..fault }
    });
    faults.collect()
}
