//! The Go type behind a schema, as Go's error messages print it.

use crate::{Schema, Type};

/// `int32`, `[]v1.Container`, `map[string]string`.
pub(super) fn go_type(schema: Schema<'_>) -> String {
    match schema.kind() {
        Some(Type::String) if schema.format() == Some("byte") => "[]uint8".to_owned(),
        Some(Type::String | Type::Quantity) => "string".to_owned(),
        Some(Type::Integer) => integer(schema.format()).to_owned(),
        Some(Type::IntOrString) => "int32".to_owned(),
        Some(Type::Number) if schema.format() == Some("float") => "float32".to_owned(),
        Some(Type::Number) => "float64".to_owned(),
        Some(Type::Boolean) => "bool".to_owned(),
        Some(Type::Array) => format!("[]{}", schema.items().map_or_else(any, go_type)),
        Some(Type::Object) => match (schema.additional(), schema.name()) {
            (Some(value), _) => format!("map[string]{}", go_type(value)),
            (None, Some(name)) => qualified(name),
            (None, None) => format!("map[string]{}", any()),
        },
        None => any(),
    }
}

/// The struct's own name: `DeploymentSpec` of `io.k8s.api.apps.v1.DeploymentSpec`.
pub(super) fn struct_name(definition: &str) -> &str {
    definition.rsplit('.').next().unwrap_or(definition)
}

/// With its package, which is the version: `v1.DeploymentSpec`.
fn qualified(definition: &str) -> String {
    let mut parts = definition.rsplitn(3, '.');
    match (parts.next(), parts.next()) {
        (Some(name), Some(package)) => format!("{package}.{name}"),
        _ => definition.to_owned(),
    }
}

fn integer(format: Option<&str>) -> &str {
    match format {
        Some(format @ ("int32" | "uint8" | "uint16" | "uint32" | "uint64")) => format,
        Some("uint") => "uint64",
        // Go's OpenAPI writes no format for `int`, which is 64 bits wide.
        _ => "int64",
    }
}

fn any() -> String {
    "interface {}".to_owned()
}
