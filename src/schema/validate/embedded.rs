//! Objects inside objects (`x-kubernetes-embedded-resource`): each says what it is.
//!
//! Follows `k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta/validation.go`.

use serde_json::Value;

use crate::path::Path;
use crate::{FieldError, Schema};

/// What embedded objects lack: `apiVersion`, `kind`, metadata that is an object.
pub fn embedded_resources(schema: Schema<'_>, value: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    check(schema, value, &mut Path::default(), &mut errors);
    errors
}

fn check(schema: Schema<'_>, value: &Value, path: &mut Path, errors: &mut Vec<FieldError>) {
    match value {
        Value::Object(object) => {
            if schema.is_embedded() {
                check_identity(value, path, errors);
            }
            for (key, value) in object {
                let Some(field) = schema.field(key) else { continue };
                let mark = path.enter_field(key);
                check(field, value, path, errors);
                path.leave(mark);
            }
        }
        Value::Array(items) => {
            let Some(schema) = schema.items() else { return };
            for (index, item) in items.iter().enumerate() {
                let mark = path.enter_item(index);
                check(schema, item, path, errors);
                path.leave(mark);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn check_identity(object: &Value, path: &Path, errors: &mut Vec<FieldError>) {
    for name in ["apiVersion", "kind"] {
        match object.get(name) {
            Some(Value::String(text)) if !text.is_empty() => {}
            Some(Value::String(_)) | None => {
                errors.push(FieldError::required(path.field(name), "must not be empty"));
            }
            Some(other) => {
                errors.push(FieldError::type_invalid(path.field(name), other.clone(), "must be a string"));
            }
        }
    }
    if object.get("metadata").is_some_and(|metadata| !metadata.is_object()) {
        let found = object["metadata"].clone();
        errors.push(FieldError::type_invalid(path.field("metadata"), found, "must be an object"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tests::schemas;

    #[test]
    fn an_object_inside_an_object_says_what_it_is() {
        let embedded = json!({"type": "object", "x-kubernetes-embedded-resource": true,
            "x-kubernetes-preserve-unknown-fields": true});
        let list = json!({"type": "object", "properties": {"l": {"type": "array", "items": embedded}}});
        let schemas = schemas(json!({"T": list}));
        let check = |item: Value| {
            let errors = embedded_resources(schemas.get("T").unwrap(), &json!({"l": [item]}));
            errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(check(json!({"apiVersion": "v1", "kind": "Pod", "x": 1})), "");
        assert_eq!(
            check(json!({"kind": ""})),
            "l[0].apiVersion: Required value: must not be empty; l[0].kind: Required value: must not be empty"
        );
        let wrong = check(json!({"apiVersion": "v1", "kind": 1, "metadata": []}));
        assert_eq!(
            wrong,
            "l[0].kind: Invalid value: 1: must be a string; l[0].metadata: Invalid value: []: must be an object"
        );
    }
}
