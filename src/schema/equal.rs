//! When two values are the same: as JSON has but one sort of number, 1 and 1.0 are.
//!
//! Follows `value.Equals` of structured-merge-diff (`value/value.go`).

use serde_json::Value;

/// Whether two values are the same, whatever the order of their fields.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        // Two integers are compared as such: as floats, large ones would run together.
        (Value::Number(a), Value::Number(b)) => {
            a == b || (a.is_f64() || b.is_f64()) && a.as_f64() == b.as_f64()
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_whole_float_equals_its_integer() {
        assert!(same(&json!({"a": [1, 2.0], "b": 1}), &json!({"b": 1, "a": [1.0, 2]})));
        assert!(!same(&json!(u64::MAX), &json!(u64::MAX - 1)));
        assert!(!same(&json!(1), &json!("1")));
        assert!(!same(&json!([1]), &json!([1, 1])));
    }
}
