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

use super::{faults, object, of_type};

#[track_caller]
fn accepted(schema: &Value, rules: &[&str]) {
    for rule in rules {
        assert_eq!(faults(schema, false, json!({"rule": rule})), [""; 0], "{rule}");
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
