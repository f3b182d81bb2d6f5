//! What may stand in `allOf`, `anyOf`, `oneOf` and `not`: conditions on fields that are
//! specified outside of them.

use serde_json::{Value, json};

use crate::FieldError;

/// Keywords that only the schema itself may have, and what they have to be in a branch.
const FORBIDDEN: [(&str, &str); 13] = [
    ("type", "must be empty to be structural"),
    ("additionalProperties", "must be undefined to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"),
    ("externalDocs", "must be undefined to be structural"),
    ("x-kubernetes-preserve-unknown-fields", "must be false to be structural"),
    ("x-kubernetes-embedded-resource", "must be false to be structural"),
    ("x-kubernetes-int-or-string", "must be false to be structural"),
    ("x-kubernetes-list-type", "must be undefined to be structural"),
    ("x-kubernetes-map-type", "must be undefined to be structural"),
    ("x-kubernetes-validations", "must be empty to be structural"),
];

/// Checks the branches of a schema that is none itself.
pub(super) fn check_branches(schema: &Value, path: &str, faults: &mut Vec<FieldError>) {
    for (branch, path) in branches(schema, path) {
        check(branch, &path, faults);
    }
}

fn check(branch: &Value, path: &str, faults: &mut Vec<FieldError>) {
    for (keyword, why) in FORBIDDEN {
        let value = &branch[keyword];
        if !(value.is_null() || *value == false || *value == "" || *value == json!([])) {
            faults.push(FieldError::forbidden(format!("{path}.{keyword}"), why));
        }
    }
    for (name, property) in branch["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.properties[{name}]");
        if name == "metadata" {
            faults.push(FieldError::forbidden(&path, "must not be specified in a nested context"));
        }
        check(property, &path, faults);
    }
    if let Some(items) = branch.get("items") {
        check(items, &format!("{path}.items"), faults);
    }
    check_branches(branch, path, faults);
}

/// The branches right below a schema, without the one way to write an int-or-string out.
fn branches<'a>(schema: &'a Value, path: &str) -> Vec<(&'a Value, String)> {
    let mut branches = Vec::new();
    for keyword in ["allOf", "anyOf", "oneOf"] {
        if keyword == "anyOf" && is_int_or_string(schema) {
            continue;
        }
        for (index, branch) in schema[keyword].as_array().into_iter().flatten().enumerate() {
            branches.push((branch, format!("{path}.{keyword}[{index}]")));
        }
    }
    if let Some(branch) = schema.get("not") {
        branches.push((branch, format!("{path}.not")));
    }
    branches
}

/// `anyOf: [{type: integer}, {type: string}]`, right here or in the first `allOf`.
fn is_int_or_string(schema: &Value) -> bool {
    schema["anyOf"] == json!([{"type": "integer"}, {"type": "string"}])
}

/// Checks that every field named in a branch is specified outside as well.
pub(super) fn check_completeness(schema: &Value, path: &str, faults: &mut Vec<FieldError>) {
    for (branch, branch_path) in branches(schema, path) {
        complete(schema, path, branch, &branch_path, faults);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        check_completeness(property, &format!("{path}.properties[{name}]"), faults);
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(child) = schema.get(keyword).filter(|child| child.is_object()) {
            check_completeness(child, &format!("{path}.{keyword}"), faults);
        }
    }
}

fn complete(schema: &Value, path: &str, branch: &Value, branch_path: &str, faults: &mut Vec<FieldError>) {
    let mut below =
        |main: Option<&Value>, main_path: String, branch: &Value, branch_path: String| match main {
            Some(main) => complete(main, &main_path, branch, &branch_path, faults),
            None => faults
                .push(FieldError::required(main_path, format!("because it is defined in {branch_path}"))),
        };
    for (name, property) in branch["properties"].as_object().into_iter().flatten() {
        let main = schema["properties"].get(name).or_else(|| schema.get("additionalProperties"));
        let at = format!(".properties[{name}]");
        below(main, format!("{path}{at}"), property, format!("{branch_path}{at}"));
    }
    if let Some(items) = branch.get("items") {
        below(schema.get("items"), format!("{path}.items"), items, format!("{branch_path}.items"));
    }
    for (inner, inner_path) in branches(branch, branch_path) {
        complete(schema, path, inner, &inner_path, faults);
    }
}
