//! Defaults for absent fields, and nulls that mean absence.
//!
//! Follows structural defaulting (`k8s.io/apiextensions-apiserver/pkg/apiserver/schema/
//! defaulting/algorithm.go` and `prunenulls.go`). Defaults that depend on other fields (a
//! container's pull policy on its image) belong to the kind.

use serde_json::{Map, Value};

use crate::Schema;

/// Gives every absent field its default, below objects that are there or were just given one.
///
/// A null where the schema does not take one counts as absent.
pub fn apply_defaults(schema: Schema<'_>, value: &mut Value) {
    match value {
        Value::Object(object) => default_object(schema, object),
        Value::Array(items) => {
            let Some(schema) = schema.items() else { return };
            for item in items {
                replace_null(schema, item);
                apply_defaults(schema, item);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Removes fields whose value is a null that their schema does not take, at every depth.
///
/// Fields without a schema keep theirs, and so do items of lists. A value of a map that has a
/// default stays for [`apply_defaults`].
pub fn drop_nulls(schema: Schema<'_>, value: &mut Value) {
    match value {
        Value::Object(object) => object.retain(|key, value| {
            let property = schema.property(key);
            let Some(field) = property.or_else(|| schema.additional()) else { return true };
            if !value.is_null() {
                drop_nulls(field, value);
                return true;
            }
            field.is_nullable() || (property.is_none() && field.default_value().is_some())
        }),
        Value::Array(items) => {
            let Some(schema) = schema.items() else { return };
            items.iter_mut().for_each(|item| drop_nulls(schema, item));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn default_object(schema: Schema<'_>, object: &mut Map<String, Value>) {
    for (name, property) in schema.properties() {
        let Some(default) = property.default_value() else { continue };
        let is_absent = match object.get(name) {
            None => true,
            Some(value) => value.is_null() && !property.is_nullable(),
        };
        if is_absent {
            object.insert(name.to_owned(), default.clone());
        }
    }
    for (key, value) in object.iter_mut() {
        if let Some(property) = schema.property(key) {
            apply_defaults(property, value);
        } else if let Some(additional) = schema.additional() {
            replace_null(additional, value);
            apply_defaults(additional, value);
        }
    }
}

fn replace_null(schema: Schema<'_>, value: &mut Value) {
    if value.is_null()
        && !schema.is_nullable()
        && let Some(default) = schema.default_value()
    {
        *value = default.clone();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tests::schemas;

    fn check(act: fn(Schema<'_>, &mut Value), definition: Value, mut value: Value, expected: Value) {
        let schemas = schemas(json!({"T": definition}));
        act(schemas.get("T").unwrap(), &mut value);
        assert_eq!(value, expected);
    }

    #[test]
    fn absent_fields_get_their_default() {
        check(
            apply_defaults,
            json!({"type": "object", "properties": {
                "a": {"type": "string", "default": "x"},
                "b": {"type": "object", "properties": {"c": {"type": "integer", "default": 1}}},
                "d": {"type": "object", "default": {}, "properties": {"e": {"type": "integer", "default": 2}}},
                "l": {"type": "array", "items": {"type": "object", "properties": {"p": {"type": "string", "default": "TCP"}}}},
                "m": {"type": "object", "additionalProperties": {"type": "object", "properties": {"q": {"default": true}}}},
            }}),
            json!({"l": [{}, {"p": "UDP"}], "m": {"k": {}}}),
            json!({"l": [{"p": "TCP"}, {"p": "UDP"}], "m": {"k": {"q": true}}, "a": "x", "d": {"e": 2}}),
        );
    }

    #[test]
    fn a_null_is_replaced_unless_it_is_a_value() {
        check(
            apply_defaults,
            json!({"type": "object", "properties": {
                "a": {"type": "string", "default": "x"},
                "b": {"type": "string", "default": "x", "nullable": true},
                "m": {"type": "object", "additionalProperties": {"type": "string", "default": "y"}},
            }}),
            json!({"a": null, "b": null, "m": {"k": null}}),
            json!({"a": "x", "b": null, "m": {"k": "y"}}),
        );
    }

    #[test]
    fn nulls_that_are_no_values_are_absent() {
        check(
            drop_nulls,
            json!({"type": "object", "properties": {
                "a": {"type": "string"},
                "b": {"type": ["string", "null"]},
                "c": {"anyOf": [{"$ref": "#/$defs/T"}, {"type": "null"}]},
                "d": {"type": "object", "properties": {"e": {"type": "string"}}},
                "l": {"type": "array", "items": {"type": "object", "properties": {"e": {"type": "string"}}}},
            }}),
            json!({"a": null, "b": null, "c": null, "d": {"e": null}, "l": [{"e": null}, null], "unknown": null}),
            json!({"b": null, "c": null, "d": {}, "l": [{}, null], "unknown": null}),
        );
    }
}
