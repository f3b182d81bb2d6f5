//! Rules that a real apiserver takes, with their schemas.
//!
//! From `validation_test.go` and `compilation_test.go` in
//! `k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel`, with shorter names. What the
//! evaluator does not know stands in `libraries::taken_by_kubernetes_only`.

mod composites;
mod in_use;
mod libraries;
mod names;
mod scalars;

use serde_json::{Value, json};

use super::super::super::broken_rules;
use super::{faults, object, of_type};
use crate::tests::schemas;

#[track_caller]
fn accepted(schema: &Value, rules: &[&str]) {
    for rule in rules {
        assert_eq!(faults(schema, false, json!({"rule": rule})), [""; 0], "{rule}");
        may_run(schema, rule);
    }
}

/// Whether it holds is not asked: only that it is run on a value, and comes to an end.
#[track_caller]
fn may_run(schema: &Value, rule: &str) {
    let value = sample(schema);
    let mut schema = schema.clone();
    schema["x-kubernetes-validations"] = json!([{"rule": rule}]);
    let schemas = schemas(json!({"T": schema}));
    let found = broken_rules(schemas.get("T").unwrap(), &value, Some(&value));
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    let is_kept_from_it = |fault: &String| fault.contains("cost budget") || fault.contains("evaluator");
    assert!(!found.iter().any(is_kept_from_it), "{rule}: {found:?}");
}

/// A value with something in every field.
fn sample(schema: &Value) -> Value {
    let text = match schema["format"].as_str() {
        Some("date-time") => "2026-01-01T00:00:00Z".to_owned(),
        Some("date") => "2026-01-01".to_owned(),
        Some("duration") => "1h".to_owned(),
        Some("byte") => "YWJj".to_owned(),
        _ => "a text, ".repeat(25),
    };
    match schema["type"].as_str() {
        Some("object") => {
            let fields = schema["properties"].as_object().into_iter().flatten();
            let fields = fields.map(|(name, schema)| (name.clone(), sample(schema)));
            let others = schema.get("additionalProperties").filter(|others| others.is_object());
            let others = others.map(|others| ('a'..='j').map(|key| (key.to_string(), sample(others))));
            Value::Object(fields.chain(others.into_iter().flatten()).collect())
        }
        Some("array") => json!(vec![sample(&schema["items"]); 10]),
        Some("integer") => json!(7),
        Some("number") => json!(1.5),
        Some("boolean") => json!(true),
        _ => json!(text),
    }
}

#[track_caller]
fn accepted_of_whole(schema: &Value, rules: &[&str]) {
    for rule in rules {
        assert_eq!(faults(schema, true, json!({"rule": rule})), [""; 0], "{rule}");
    }
}

fn int() -> Value {
    of_type("integer")
}

fn double() -> Value {
    of_type("number")
}

fn text() -> Value {
    of_type("string")
}

fn flag() -> Value {
    of_type("boolean")
}

/// A schema of `a`, `b` and so on.
fn fields<const N: usize>(schemas: [Value; N]) -> Value {
    let names = ('a'..='z').map(|name| name.to_string());
    object(Value::Object(names.zip(schemas).collect()))
}
