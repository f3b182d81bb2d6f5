//! Expressions with schemas: the fault that each of them has, or none.

mod accepted;
mod hostile;
mod refused;

use serde_json::{Value, json};

use super::super::check::{Site, check};

/// What is wrong with a rule below a schema.
fn faults(schema: &Value, is_whole: bool, rule: Value) -> Vec<String> {
    let mut schema = schema.clone();
    schema["x-kubernetes-validations"] = json!([rule]);
    let site = Site { path: "s".to_owned(), schema: &schema, is_whole, uncorrelated: None };
    check(&[site]).into_iter().map(|fault| fault.detail).collect()
}

/// A schema of an object with these fields.
fn object(properties: Value) -> Value {
    json!({"type": "object", "properties": properties})
}

fn list(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

fn map(values: Value) -> Value {
    json!({"type": "object", "additionalProperties": values})
}

fn of_type(name: &str) -> Value {
    json!({"type": name})
}

fn text_of_format(format: &str) -> Value {
    json!({"type": "string", "format": format})
}

fn int_or_string() -> Value {
    json!({"x-kubernetes-int-or-string": true})
}

/// A schema with something of everything.
fn everything() -> Value {
    let int = || of_type("integer");
    let text = || of_type("string");
    object(json!({
        "n": int(), "max": int(), "s": text(), "b": of_type("boolean"), "d": of_type("number"),
        "at": text_of_format("date-time"), "day": text_of_format("date"),
        "span": text_of_format("duration"), "raw": text_of_format("byte"),
        "any": int_or_string(),
        "ints": list(int()), "texts": list(text()), "doubles": list(of_type("number")),
        "spans": list(text_of_format("duration")), "days": list(text_of_format("date")),
        "lists": list(list(int())),
        "o": object(json!({"n": int(), "s": text()})),
        "p": object(json!({"n": int(), "s": text()})),
        "os": list(object(json!({"n": int(), "s": text()}))),
        "m": map(int()), "mo": map(object(json!({"n": int()}))), "ml": map(list(text())),
        "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
            "properties": {"known": int()}},
        "blank": {"x-kubernetes-preserve-unknown-fields": true},
        "whole": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"spec": object(json!({}))}},
    }))
}
