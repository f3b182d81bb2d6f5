//! The schema of a custom resource: what its definition says, completed to a whole object.

use serde_json::{Map, Value, json};

use super::OBJECT_META;

/// Completes the `openAPIV3Schema` of a CustomResourceDefinition with the fields that every
/// object has: `apiVersion`, `kind`, and `metadata` as a reference to ObjectMeta, which has to
/// be compiled beside it. What the definition itself asks of `metadata` holds as well.
///
/// Follows the OpenAPI builder (`k8s.io/apiextensions-apiserver/pkg/controller/openapi/builder/
/// builder.go`).
pub fn custom_resource(document: &Value) -> Value {
    let mut document = match document {
        Value::Object(object) => object.clone(),
        // `x-kubernetes-preserve-unknown-fields` at the root without more, or no schema at all.
        _ => Map::new(),
    };
    document.entry("type").or_insert_with(|| json!("object"));
    let properties = document.entry("properties").or_insert_with(|| json!({}));
    if let Value::Object(properties) = properties {
        for (name, what) in
            [("apiVersion", "The versioned schema of this object."), ("kind", "The kind of this object.")]
        {
            properties.entry(name).or_insert_with(|| json!({"type": "string", "description": what}));
        }
        let mut metadata = match properties.shift_remove("metadata") {
            Some(Value::Object(restriction)) => restriction,
            _ => Map::new(),
        };
        metadata.insert("$ref".to_owned(), json!(format!("#/components/schemas/{OBJECT_META}")));
        properties.insert("metadata".to_owned(), Value::Object(metadata));
    }
    Value::Object(document)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tests::schemas;
    use crate::{unknown_fields, validate};

    #[test]
    fn a_custom_resource_has_the_metadata_of_every_object() {
        let crd = json!({"type": "object", "properties": {
            "spec": {"type": "object", "properties": {"n": {"type": "integer"}}},
            "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 3}}},
        }});
        let meta = json!({"type": "object", "properties": {"name": {"type": "string"}, "namespace": {"type": "string"}}});
        let schemas = schemas(json!({"T": custom_resource(&crd), OBJECT_META: meta}));
        let schema = schemas.get("T").unwrap();
        let mut value = json!({
            "apiVersion": "a/v1", "kind": "T", "metadata": {"name": "abcd", "namespace": "n", "x": 1}, "spec": {"n": 1, "y": 2},
        });
        assert_eq!(unknown_fields(schema, &mut value), ["metadata.x", "spec.y"]);
        let errors = validate(schema, &value);
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].to_string(), "metadata.name: Too long: may not be more than 3 bytes");
    }
}
