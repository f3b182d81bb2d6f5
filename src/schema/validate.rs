//! Whether a value keeps its schema: type, required, enum, format, ranges, combinations.
//!
//! Follows kube-openapi's validator (`k8s.io/kube-openapi/pkg/validation/validate`) and how the
//! API server turns its findings into field errors (`k8s.io/apiextensions-apiserver/pkg/
//! apiserver/validation/validation.go`), word for word, since clients assert them. Rules across
//! fields (CEL, and the rules of built-in kinds) are others' business.

mod branches;
mod embedded;
pub(crate) mod formats;
mod lists;
mod numbers;
mod objects;

use serde_json::Value;

pub use self::embedded::embedded_resources;
pub(crate) use self::lists::old_item;
pub use self::lists::repeated_items;
use crate::equal::same;
use crate::path::Path;
use crate::schema::Rules;
use crate::{FieldError, Schema, Type};

/// Everything in `value` that breaks `schema`, in the order of the document; empty where it
/// is valid. Unknown fields are no error here.
pub fn validate(schema: Schema<'_>, value: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    check(schema, value, None, &mut Path::default(), &mut errors);
    errors
}

/// As [`validate`] for a value that takes the place of `old`: what was invalid and did not
/// change is no error, so that a schema may grow stricter under objects that are there.
///
/// Follows `ratcheting.go` beside the validator: fields of objects are compared by name and items
/// of lists of type `map` by their keys; items of other lists are new where the list changed.
pub fn validate_change(schema: Schema<'_>, value: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    check(schema, value, Some(old), &mut Path::default(), &mut errors);
    errors
}

/// Checks one value and everything below it, unless it is still the old one.
fn check(
    schema: Schema<'_>,
    value: &Value,
    old: Option<&Value>,
    path: &mut Path,
    errors: &mut Vec<FieldError>,
) {
    if old.is_some_and(|old| same(old, value)) {
        return;
    }
    check_type(schema, value, path, errors);
    for rules in schema.rules() {
        if value.is_null() {
            if !schema.is_nullable() {
                check_enum(rules, value, path, errors);
            }
            continue;
        }
        branches::check(schema, rules, value, path, errors);
        match value {
            Value::String(text) => check_text(schema, rules, text, path, errors),
            Value::Number(number) => numbers::check(schema, rules, number, path, errors),
            Value::Array(items) => lists::check_rules(rules, items, path, errors),
            Value::Object(_) | Value::Null | Value::Bool(_) => {}
        }
        check_enum(rules, value, path, errors);
        if let Value::Object(object) = value {
            objects::check_rules(rules, object, path, errors);
        }
    }
    match value {
        Value::Array(items) => lists::check_items(schema, items, old, path, errors),
        Value::Object(object) => objects::check_fields(schema, object, old, path, errors),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn check_type(schema: Schema<'_>, value: &Value, path: &Path, errors: &mut Vec<FieldError>) {
    let Some(kind) = schema.kind() else { return };
    let is_right = match (kind, value) {
        (_, Value::Null) => schema.is_nullable(),
        (Type::Object, Value::Object(_))
        | (Type::Array, Value::Array(_))
        | (Type::String | Type::IntOrString | Type::Quantity, Value::String(_))
        | (Type::Boolean, Value::Bool(_))
        | (Type::Number | Type::Quantity, Value::Number(_)) => true,
        // 3.0 is an integer too (`swag.IsFloat64AJSONInteger`).
        (Type::Integer | Type::IntOrString, Value::Number(number)) => numbers::is_integer(number),
        (
            Type::Object
            | Type::Array
            | Type::String
            | Type::Boolean
            | Type::Number
            | Type::Quantity
            | Type::Integer
            | Type::IntOrString,
            _,
        ) => false,
    };
    if !is_right {
        let found = json_type(value);
        let detail = format!("{} in body must be of type {}: \"{found}\"", path.as_str(), type_name(kind));
        errors.push(FieldError::type_invalid(path.as_str(), found, detail));
    }
}

fn check_text(schema: Schema<'_>, rules: &Rules, text: &str, path: &Path, errors: &mut Vec<FieldError>) {
    let at = path.as_str();
    let n_chars = text.chars().count() as u64;
    if let Some(max) = rules.max_length
        && n_chars > max
    {
        errors.push(FieldError::too_long(at, max));
    }
    if let Some(min) = rules.min_length
        && n_chars < min
    {
        errors.push(FieldError::invalid(
            at,
            text,
            format!("{at} in body should be at least {min} chars long"),
        ));
    }
    if let Some(pattern) = &rules.pattern
        && !pattern.is_match(text)
    {
        errors.push(FieldError::invalid(at, text, format!("{at} in body should match '{pattern}'")));
    }
    if let Some(format) = &rules.format
        && schema.kind().is_none_or(|kind| kind == Type::String)
        && !formats::accepts(format, text)
    {
        let detail = format!("{at} in body must be of type {format}: {}", crate::field_error::go_quote(text));
        errors.push(FieldError::type_invalid(at, text, detail));
    }
}

fn check_enum(rules: &Rules, value: &Value, path: &Path, errors: &mut Vec<FieldError>) {
    let Some(allowed) = &rules.enum_values else { return };
    if allowed.iter().any(|one| same(one, value)) {
        return;
    }
    let names = allowed.iter().map(|one| match one {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    errors.push(FieldError::not_supported(path.as_str(), value.clone(), names));
}

fn type_name(kind: Type) -> &'static str {
    match kind {
        Type::Object => "object",
        Type::Array => "array",
        Type::String => "string",
        Type::Integer => "integer",
        Type::Number => "number",
        Type::Boolean => "boolean",
        Type::IntOrString => "integer,string",
        Type::Quantity => "number,string",
    }
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tests::schemas;

    /// `definition` is the schema of the field `field`, and `value` its value.
    fn check(definition: Value, value: Value, expected: &[&str]) {
        let schemas = schemas(json!({"T": {"type": "object", "properties": {"field": definition}}}));
        let errors = validate(schemas.get("T").unwrap(), &json!({"field": value}));
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(errors, expected);
    }

    // The cases up to `enum` are upstream's (`validation_test.go`, TestValidateCustomResource).

    #[test]
    fn types_are_checked() {
        let wrong = |found: &str| {
            format!(r#"field: Invalid value: "{found}": field in body must be of type object: "{found}""#)
        };
        for (value, found) in [
            (json!("foo"), "string"),
            (json!(42), "integer"),
            (json!(true), "boolean"),
            (json!(1.2), "number"),
            (json!([]), "array"),
            (json!(null), "null"),
        ] {
            check(json!({"type": "object"}), value, &[&wrong(found)]);
        }
        check(json!({"type": "object", "nullable": true}), json!(null), &[]);
        check(json!({"nullable": true}), json!([1]), &[]);
        check(json!({"type": "integer"}), json!(3.0), &[]);
        check(json!({"type": "number"}), json!(3), &[]);
    }

    #[test]
    fn int_or_string_takes_both() {
        let wrong = |found: &str| {
            format!(
                r#"field: Invalid value: "{found}": field in body must be of type integer,string: "{found}""#
            )
        };
        for document in [
            json!({"x-kubernetes-int-or-string": true}),
            json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]}),
            json!({"$ref": "#/$defs/io.k8s.apimachinery.pkg.util.intstr.IntOrString"}),
        ] {
            check(document.clone(), json!(42), &[]);
            check(document.clone(), json!("foo"), &[]);
            check(document.clone(), json!(1.2), &[&wrong("number")]);
            check(document, json!(true), &[&wrong("boolean")]);
        }
        check(json!({"$ref": "#/$defs/io.k8s.apimachinery.pkg.api.resource.Quantity"}), json!(0.5), &[]);
    }

    #[test]
    fn required_fields_are_missed() {
        check(
            json!({"type": "object", "required": ["nested"]}),
            json!({}),
            &["field.nested: Required value"],
        );
        check(json!({"type": "object", "required": ["nested"]}), json!({"nested": null}), &[]);
    }

    #[test]
    fn values_outside_an_enum_are_not_supported() {
        check(
            json!({"type": "integer", "enum": [1, 2]}),
            json!("x"),
            &[
                r#"field: Invalid value: "string": field in body must be of type integer: "string""#,
                r#"field: Unsupported value: "x": supported values: "1", "2""#,
            ],
        );
        check(json!({"type": "string", "enum": ["a", "b"]}), json!("a"), &[]);
        check(json!({"type": "string", "enum": ["a", null]}), json!(null), &[]);
        check(
            json!({"const": "a"}),
            json!("b"),
            &[r#"field: Unsupported value: "b": supported values: "a""#],
        );
    }

    #[test]
    fn text_has_a_length_a_pattern_and_a_format() {
        check(
            json!({"type": "string", "maxLength": 2}),
            json!("abc"),
            &["field: Too long: may not be more than 2 bytes"],
        );
        check(
            json!({"type": "string", "minLength": 3}),
            json!("é"),
            &[r#"field: Invalid value: "é": field in body should be at least 3 chars long"#],
        );
        check(
            json!({"type": "string", "pattern": "^[a-z]+$"}),
            json!("A"),
            &[r#"field: Invalid value: "A": field in body should match '^[a-z]+$'"#],
        );
        check(
            json!({"type": "string", "format": "date-time"}),
            json!("now"),
            &[r#"field: Invalid value: "now": field in body must be of type date-time: "now""#],
        );
        check(json!({"type": "string", "format": "of-my-own"}), json!("x"), &[]);
    }

    #[test]
    fn what_was_invalid_may_stay_as_it_is() {
        let item = json!({"type": "object", "required": ["v"], "properties": {"v": {"type": "string", "maxLength": 1}}});
        let schemas = schemas(json!({"T": {"type": "object", "required": ["new"], "properties": {
            "a": {"type": "string", "maxLength": 1},
            "b": {"type": "string"},
            "atomic": {"type": "array", "items": item},
            "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": item},
        }}}));
        let schema = schemas.get("T").unwrap();
        let changed = |old: Value, new: Value| {
            let errors = validate_change(schema, &new, &old);
            errors.iter().map(|error| error.path.clone()).collect::<Vec<_>>()
        };
        let old = json!({"a": "long", "atomic": [{"v": "long"}], "map": [{"k": 1, "v": "long"}]});
        assert_eq!(changed(old.clone(), old.clone()), [""; 0], "nothing changed");
        let mut new = old.clone();
        new["b"] = json!("x");
        assert_eq!(changed(old.clone(), new), ["new"], "the object changed, its other fields did not");
        let mut new = old.clone();
        new["a"] = json!("longer");
        new["atomic"] = json!([{"v": "long"}, {"v": "x"}]);
        new["map"] = json!([{"k": 2}, {"k": 1, "v": "long"}]);
        assert_eq!(changed(old, new), ["new", "a", "atomic[0].v", "map[0].v"]);
    }

    #[test]
    fn rules_beside_a_reference_hold() {
        let schemas = schemas(json!({
            "Name": {"type": "string", "minLength": 1},
            "T": {"type": "object", "properties": {"field": {"$ref": "#/$defs/Name", "maxLength": 2}}},
        }));
        let schema = schemas.get("T").unwrap();
        assert_eq!(validate(schema, &json!({"field": "ab"})), []);
        assert_eq!(validate(schema, &json!({"field": ""})).len(), 1);
        assert_eq!(validate(schema, &json!({"field": "abc"})).len(), 1);
    }
}
