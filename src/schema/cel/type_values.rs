//! Types as values: what `type(x)` gives, and what it may be compared with.

use std::collections::HashMap;
use std::sync::Arc;

use kube_cel::cel::objects::{Map, Opaque, Value};
use kube_cel::cel::{Context, ResolveResult};

/// The types that a rule may compare `type(x)` with.
const TYPES: [&str; 10] =
    ["bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type"];
/// Types in the package `google.protobuf`, with their whole names.
const MESSAGES: [(&str, &str); 2] =
    [("Timestamp", "google.protobuf.Timestamp"), ("Duration", "google.protobuf.Duration")];

/// A type as a value.
#[derive(Debug, PartialEq, Eq)]
struct TypeValue(&'static str);

impl Opaque for TypeValue {
    fn runtime_type_name(&self) -> &str {
        "type"
    }
}

/// Adds `type(x)` and the types that rules may name.
pub(super) fn add(context: &mut Context<'static>) {
    context.add_function("type", type_of);
    for name in TYPES {
        context.add_variable_from_value(name, type_value(name));
    }
    context.add_variable_from_value("google", package());
}

fn type_value(name: &'static str) -> Value {
    Value::Opaque(Arc::new(TypeValue(name)))
}

/// `google`, below which the evaluator looks for `google.protobuf.Duration`.
fn package() -> Value {
    let messages = MESSAGES.map(|(name, whole_name)| (name.into(), type_value(whole_name)));
    let protobuf = Value::Map(Map { map: Arc::new(HashMap::from(messages)) });
    Value::Map(Map { map: Arc::new(HashMap::from([("protobuf".into(), protobuf)])) })
}

/// Whether a type that a rule may name has this name.
pub(super) fn is_type(name: &str) -> bool {
    TYPES.contains(&name)
}

/// `type(x)`.
fn type_of(value: Value) -> ResolveResult {
    Ok(type_value(type_name(&value)))
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::List(_) => "list",
        Value::Map(_) => "map",
        Value::Int(_) => "int",
        Value::UInt(_) => "uint",
        Value::Float(_) => "double",
        Value::String(_) => "string",
        Value::Bytes(_) => "bytes",
        Value::Bool(_) => "bool",
        Value::Duration(_) => "google.protobuf.Duration",
        Value::Timestamp(_) => "google.protobuf.Timestamp",
        Value::Null => "null_type",
        Value::Function(..) | Value::Opaque(_) => "type",
    }
}
