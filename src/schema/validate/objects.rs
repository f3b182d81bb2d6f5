//! Objects: how many fields, which must be there, and what each holds.
//!
//! Follows `object_validator.go` of kube-openapi's validator.

use serde_json::{Map, Value};

use super::check;
use crate::path::Path;
use crate::schema::Rules;
use crate::{FieldError, Schema};

/// Checks the rules about an object as a whole.
pub(super) fn check_rules(
    rules: &Rules,
    object: &Map<String, Value>,
    path: &Path,
    errors: &mut Vec<FieldError>,
) {
    let at = path.as_str();
    let n_fields = object.len() as u64;
    if let Some(min) = rules.min_properties
        && n_fields < min
    {
        errors.push(FieldError::invalid(
            at,
            n_fields,
            format!("{at} in body should have at least {min} properties"),
        ));
    }
    if let Some(max) = rules.max_properties
        && n_fields > max
    {
        errors.push(FieldError::too_many(at, n_fields, max));
    }
    for name in &rules.required {
        if !object.contains_key(&**name) {
            errors.push(FieldError::required(path.field(name), ""));
        }
    }
}

/// Checks every field that has a schema of its own.
///
/// Properties that only a branch names are checked with that branch.
pub(super) fn check_fields(
    schema: Schema<'_>,
    object: &Map<String, Value>,
    old: Option<&Value>,
    path: &mut Path,
    errors: &mut Vec<FieldError>,
) {
    for (name, value) in object {
        if schema.denies(name) {
            let detail = format!("{} in body is a forbidden property", path.field(name));
            errors.push(FieldError::invalid(path.as_str(), name.as_str(), detail));
        }
        for field in schema.own_fields(name) {
            let mark = path.enter_field(name);
            check(field, value, old.and_then(|old| old.get(name)), path, errors);
            path.leave(mark);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tests::schemas;

    fn check(definition: Value, value: Value, expected: &[&str]) {
        let schemas = schemas(json!({"T": {"type": "object", "properties": {"o": definition}}}));
        let errors = crate::validate(schemas.get("T").unwrap(), &json!({"o": value}));
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(errors, expected);
    }

    #[test]
    fn objects_have_a_size() {
        let object = json!({"type": "object", "minProperties": 1, "maxProperties": 1});
        check(object.clone(), json!({"a": 1}), &[]);
        check(
            object.clone(),
            json!({}),
            &["o: Invalid value: 0: o in body should have at least 1 properties"],
        );
        check(object, json!({"a": 1, "b": 1}), &["o: Too many: 2: must have at most 1 item"]);
    }

    #[test]
    fn values_of_a_map_are_checked() {
        check(
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            json!({"a": "x", "b": 1}),
            &[r#"o.b: Invalid value: "integer": o.b in body must be of type string: "integer""#],
        );
    }

    #[test]
    fn a_closed_object_refuses_other_fields() {
        check(
            json!({"type": "object", "properties": {"a": {}}, "additionalProperties": false}),
            json!({"a": 1, "b": 1}),
            &[r#"o: Invalid value: "b": o.b in body is a forbidden property"#],
        );
    }
}
