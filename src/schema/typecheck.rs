//! JSON types as Go's decoder checks them, in its words, for built-in kinds.
//!
//! `json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type
//! int32` is what the API server answers with, since its built-in kinds are Go structs
//! (`sigs.k8s.io/json`, `encoding/json` UnmarshalTypeError). The path has no list indices and no
//! map keys, as there. Custom resources are never decoded so: see `validate`.

mod go_types;
mod quantity;

use serde_json::{Number, Value};

use self::go_types::{go_type, struct_name};
use crate::validate::formats;
use crate::{Schema, Type};

/// The first value, in the order of the document, that Go's decoder refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TypeMismatch {
    /// What Go says.
    pub message: String,
    /// The field as Go names it: `spec.containers.image`; empty for the object itself.
    pub path: String,
}

/// Where the walk is, as Go's `errorContext` knows it.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// The innermost struct with a field on the path.
    owner: Option<&'a str>,
    path: &'a str,
}

/// Checks the JSON type of every value that the schema knows. A null fits everywhere: Go leaves
/// the field alone.
///
/// # Errors
///
/// The first mismatch.
pub fn typecheck(schema: Schema<'_>, value: &Value) -> Result<(), TypeMismatch> {
    check(schema, value, Place { owner: None, path: "" })
}

fn check(schema: Schema<'_>, value: &Value, place: Place<'_>) -> Result<(), TypeMismatch> {
    let Some(kind) = schema.kind() else { return Ok(()) };
    match (kind, value) {
        (_, Value::Null) | (Type::Boolean, Value::Bool(_)) | (Type::Number, Value::Number(_)) => Ok(()),
        (Type::Object, Value::Object(object)) => {
            for (name, value) in object {
                check_field(schema, name, value, place)?;
            }
            Ok(())
        }
        (Type::Object, _) if schema.preserves_unknown() => Ok(()),
        (Type::Array, Value::Array(items)) => {
            let Some(schema) = schema.items() else { return Ok(()) };
            items.iter().try_for_each(|item| check(schema, item, place))
        }
        (Type::String, Value::String(text)) => check_text(schema, text, place),
        (Type::Integer, Value::Number(number)) => check_integer(schema, number, place),
        (Type::IntOrString, Value::String(_)) => Ok(()),
        (Type::IntOrString, Value::Number(number)) if is_i32(number) => Ok(()),
        // IntOrString decodes what is no string into an int32 of its own (`intstr.go`).
        (Type::IntOrString, _) => Err(mismatch(value, "int32", place)),
        (Type::Quantity, Value::String(text)) => quantity::check(text).map_err(|message| raw(message, place)),
        (Type::Quantity, Value::Number(_)) => Ok(()),
        (Type::Quantity, _) => Err(raw(quantity::WRONG_FORMAT, place)),
        (Type::Object | Type::Array | Type::String | Type::Integer | Type::Number | Type::Boolean, _) => {
            Err(mismatch(value, &go_type(schema), place))
        }
    }
}

fn check_field(schema: Schema<'_>, name: &str, value: &Value, place: Place<'_>) -> Result<(), TypeMismatch> {
    let Some(field) = schema.property(name) else {
        // Keys of maps are no part of the path.
        return schema.additional().map_or(Ok(()), |field| check(field, value, place));
    };
    let path = if place.path.is_empty() { name.to_owned() } else { format!("{}.{name}", place.path) };
    let owner = schema.name().map(struct_name).or(place.owner);
    check(field, value, Place { owner, path: &path })
}

fn check_text(schema: Schema<'_>, text: &str, place: Place<'_>) -> Result<(), TypeMismatch> {
    match schema.format() {
        // `Time.UnmarshalJSON` takes an empty string for no time at all.
        Some("date-time") if !text.is_empty() && !formats::accepts("date-time", text) => {
            const LAYOUT: &str = r#""\"2006-01-02T15:04:05Z07:00\"""#;
            let message =
                format!(r#"parsing time "\"{text}\"" as {LAYOUT}: cannot parse "{text}\"" as "2006""#);
            Err(raw(&message, place))
        }
        Some("byte") if !formats::accepts("byte", text) => Err(raw("illegal base64 data", place)),
        _ => Ok(()),
    }
}

fn check_integer(schema: Schema<'_>, number: &Number, place: Place<'_>) -> Result<(), TypeMismatch> {
    let kind = go_type(schema);
    let is_right = match kind.as_str() {
        "int32" => is_i32(number),
        "int64" => number.as_i64().is_some(),
        "uint8" => number.as_u64().is_some_and(|value| u8::try_from(value).is_ok()),
        "uint16" => number.as_u64().is_some_and(|value| u16::try_from(value).is_ok()),
        "uint32" => number.as_u64().is_some_and(|value| u32::try_from(value).is_ok()),
        _ => number.as_u64().is_some(),
    };
    if is_right {
        return Ok(());
    }
    Err(worded(&format!("number {number}"), &kind, place))
}

fn is_i32(number: &Number) -> bool {
    number.as_i64().is_some_and(|value| i32::try_from(value).is_ok())
}

fn mismatch(value: &Value, wanted: &str, place: Place<'_>) -> TypeMismatch {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        // Go names the number where it is one but does not fit.
        Value::Number(number) if wanted == "int32" => {
            return worded(&format!("number {number}"), wanted, place);
        }
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    worded(found, wanted, place)
}

fn worded(found: &str, wanted: &str, place: Place<'_>) -> TypeMismatch {
    let into = match place.owner {
        Some(owner) => format!("Go struct field {owner}.{}", place.path),
        None => "Go value".to_owned(),
    };
    raw(&format!("json: cannot unmarshal {found} into {into} of type {wanted}"), place)
}

fn raw(message: &str, place: Place<'_>) -> TypeMismatch {
    TypeMismatch { message: message.to_owned(), path: place.path.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tests::schemas;

    fn check(value: Value, expected: &str) {
        let schemas = schemas(json!({
            "io.k8s.api.apps.v1.Deployment": {"type": "object", "properties": {
                "apiVersion": {"type": "string"},
                "metadata": {"$ref": "#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"},
                "spec": {"allOf": [{"$ref": "#/$defs/io.k8s.api.apps.v1.DeploymentSpec"}]},
            }},
            "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": {"type": "object", "properties": {
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "creationTimestamp": {"$ref": "#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.Time"},
            }},
            "io.k8s.api.apps.v1.DeploymentSpec": {"type": "object", "properties": {
                "replicas": {"type": "integer", "format": "int32"},
                "paused": {"type": "boolean"},
                "containers": {"type": "array", "items": {"$ref": "#/$defs/io.k8s.api.core.v1.Container"}},
            }},
            "io.k8s.api.core.v1.Container": {"type": "object", "properties": {
                "image": {"type": "string"},
                "args": {"type": "array", "items": {"type": "string"}},
                "port": {"$ref": "#/$defs/io.k8s.apimachinery.pkg.util.intstr.IntOrString"},
                "limits": {"type": "object", "additionalProperties":
                    {"$ref": "#/$defs/io.k8s.apimachinery.pkg.api.resource.Quantity"}},
                "raw": {"$ref": "#/$defs/io.k8s.apimachinery.pkg.runtime.RawExtension"},
                "data": {"type": "object", "additionalProperties": {"type": "string", "format": "byte"}},
            }},
        }));
        let result = typecheck(schemas.get("io.k8s.api.apps.v1.Deployment").unwrap(), &value);
        assert_eq!(result.map_or_else(|error| error.message, |()| "fine".to_owned()), expected, "{value}");
    }

    fn container(fields: Value) -> Value {
        json!({"spec": {"containers": [{}, fields]}})
    }

    #[test]
    fn mismatches_are_worded_as_go_words_them() {
        check(json!({"spec": {"replicas": 3, "paused": null}}), "fine");
        check(json!("x"), "json: cannot unmarshal string into Go value of type v1.Deployment");
        check(
            json!({"spec": {"replicas": "3"}}),
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        );
        check(
            json!({"spec": {"replicas": 1.5}}),
            "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
        );
        check(
            json!({"spec": {"replicas": 3_000_000_000_u64}}),
            "json: cannot unmarshal number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32",
        );
        check(
            json!({"spec": {"paused": "yes"}}),
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.paused of type bool",
        );
        check(
            json!({"spec": []}),
            "json: cannot unmarshal array into Go struct field Deployment.spec of type v1.DeploymentSpec",
        );
        check(
            json!({"spec": {"containers": {}}}),
            "json: cannot unmarshal object into Go struct field DeploymentSpec.spec.containers of type []v1.Container",
        );
        check(
            container(json!({"image": 1})),
            "json: cannot unmarshal number into Go struct field Container.spec.containers.image of type string",
        );
        check(
            container(json!({"args": [true]})),
            "json: cannot unmarshal bool into Go struct field Container.spec.containers.args of type string",
        );
        check(
            json!({"metadata": {"labels": {"a": 1}}}),
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
        );
        check(
            json!({"metadata": {"labels": "a"}}),
            "json: cannot unmarshal string into Go struct field ObjectMeta.metadata.labels of type map[string]string",
        );
    }

    #[test]
    fn types_with_decoders_of_their_own_speak_for_themselves() {
        check(container(json!({"port": 80})), "fine");
        check(container(json!({"port": "http"})), "fine");
        check(
            container(json!({"port": true})),
            "json: cannot unmarshal bool into Go struct field Container.spec.containers.port of type int32",
        );
        check(container(json!({"limits": {"cpu": "500m", "memory": 0.5}})), "fine");
        check(container(json!({"limits": {"cpu": "lots"}})), quantity::WRONG_FORMAT);
        check(container(json!({"raw": [1]})), "fine");
        check(container(json!({"data": {"a": "YQ=="}})), "fine");
        check(container(json!({"data": {"a": "?"}})), "illegal base64 data");
        check(json!({"metadata": {"creationTimestamp": "2026-11-20T10:00:00Z"}}), "fine");
        check(
            json!({"metadata": {"creationTimestamp": "now"}}),
            r#"parsing time "\"now\"" as "\"2006-01-02T15:04:05Z07:00\"": cannot parse "now\"" as "2006""#,
        );
    }
}
