//! Checks that many kinds share, in apimachinery's words. A field is named by
//! its path, `spec.template`, and found by the same path.

use std::net::IpAddr;

use serde_json::{Value, json};
use spur_schema::FieldError;

use crate::meta;

/// What a field that was changed is told.
pub(crate) const IMMUTABLE: &str = "field is immutable";
/// What a count below nothing is told (`apimachinery/pkg/api/validation`, `IsNegativeErrorMsg`).
const NEGATIVE: &str = "must be greater than or equal to 0";

/// The value at `path`; null counts as absent.
pub(crate) fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    let mut found = object;
    for field in path.split('.') {
        found = found.get(field)?;
    }
    Some(found).filter(|value| !value.is_null())
}

/// The text at `path`, or `""`.
pub(crate) fn text<'a>(object: &'a Value, path: &str) -> &'a str {
    at(object, path).and_then(Value::as_str).unwrap_or("")
}

/// An error where `path` is absent or empty.
pub(crate) fn required(object: &Value, path: &str, detail: &str) -> Option<FieldError> {
    let is_missing = match at(object, path) {
        None => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    };
    is_missing.then(|| FieldError::required(path, detail))
}

/// An error where the text at `path` is none of those known; absence is no error.
pub(crate) fn one_of(object: &Value, path: &str, known: &[&str]) -> Option<FieldError> {
    let found = text(object, path);
    let is_known = found.is_empty() || known.contains(&found);
    (!is_known).then(|| FieldError::not_supported(path, json!(found), known))
}

/// An error where `path` is absent or none of those known.
pub(crate) fn required_one_of(object: &Value, path: &str, known: &[&str]) -> Option<FieldError> {
    let mut options = known.to_vec();
    options.sort_unstable();
    let quoted: Vec<String> = options.iter().map(|option| format!("\"{option}\"")).collect();
    let detail = format!("valid values: {}", quoted.join(", "));
    required(object, path, &detail).or_else(|| one_of(object, path, &options))
}

/// An error for each item of the list at `path` that is none of those known.
pub(crate) fn each_one_of(object: &Value, path: &str, known: &[&str]) -> Vec<FieldError> {
    let items = at(object, path).and_then(Value::as_array).into_iter().flatten().enumerate();
    items
        .filter(|(_, item)| item.as_str().is_none_or(|item| !known.contains(&item)))
        .map(|(index, item)| FieldError::not_supported(format!("{path}[{index}]"), item.clone(), known))
        .collect()
}

/// An error where an update changed what stands at `path`.
pub(crate) fn immutable(new: &Value, old: Option<&Value>, path: &str) -> Option<FieldError> {
    let old = old?;
    let found = at(new, path);
    (found != at(old, path))
        .then(|| FieldError::invalid(path, found.cloned().unwrap_or(Value::Null), IMMUTABLE))
}

/// An error where the number at `path` is negative.
pub(crate) fn not_negative(object: &Value, path: &str) -> Option<FieldError> {
    let found = at(object, path)?.as_i64().filter(|number| *number < 0)?;
    Some(FieldError::invalid(path, json!(found), NEGATIVE))
}

/// An error where the number at `path` lies outside.
pub(crate) fn within(object: &Value, path: &str, min: i64, max: i64) -> Option<FieldError> {
    let found = at(object, path)?.as_i64().filter(|number| !(min..=max).contains(number))?;
    Some(FieldError::invalid(path, json!(found), format!("must be between {min} and {max}, inclusive")))
}

/// An error where the number at `path` is not above nothing.
pub(crate) fn positive(object: &Value, path: &str) -> Option<FieldError> {
    let found = at(object, path)?.as_i64().filter(|number| *number <= 0)?;
    Some(FieldError::invalid(path, json!(found), "must be greater than 0"))
}

/// What is wrong with a label selector that stands at `path`.
///
/// Source: `apimachinery/pkg/apis/meta/v1/validation.ValidateLabelSelector`.
pub(crate) fn selector(object: &Value, path: &str) -> Vec<FieldError> {
    let Some(selector) = at(object, path) else { return Vec::new() };
    let mut faults = Vec::new();
    for (key, value) in selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
        let path = format!("{path}.matchLabels");
        if let Some(message) = crate::names::qualified_name(key) {
            faults.push(FieldError::invalid(&path, json!(key), message));
        }
        if let Some(message) = crate::names::label_value(value.as_str().unwrap_or_default()) {
            faults.push(FieldError::invalid(&path, value.clone(), message));
        }
    }
    for (index, expression) in meta::list(selector, "/matchExpressions").iter().enumerate() {
        let path = format!("{path}.matchExpressions[{index}]");
        let has_values = !meta::list(expression, "/values").is_empty();
        match meta::text(expression, "/operator") {
            "In" | "NotIn" if !has_values => {
                let detail = "must be specified when `operator` is 'In' or 'NotIn'";
                faults.push(FieldError::required(format!("{path}.values"), detail));
            }
            "Exists" | "DoesNotExist" if has_values => {
                let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                faults.push(FieldError::forbidden(format!("{path}.values"), detail));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => {
                let detail = "not a valid selector operator";
                faults.push(FieldError::invalid(format!("{path}.operator"), json!(other), detail));
            }
        }
        let key = meta::text(expression, "/key");
        if let Some(message) = crate::names::qualified_name(key) {
            faults.push(FieldError::invalid(format!("{path}.key"), json!(key), message));
        }
    }
    faults
}

/// What is wrong with an address block such as `10.0.0.0/8`.
pub(crate) fn cidr(block: &str) -> Option<&'static str> {
    let parsed = block.split_once('/').and_then(|(address, bits)| {
        let address: IpAddr = address.parse().ok()?;
        let bits: u8 = bits.parse().ok()?;
        (bits <= if address.is_ipv4() { 32 } else { 128 }).then_some(())
    });
    parsed.is_none().then_some("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_null_and_empty_are_missing() {
        for object in [json!({}), json!({"a": null}), json!({"a": ""}), json!({"a": []})] {
            assert!(required(&object, "a", "").is_some(), "{object}");
        }
        assert!(required(&json!({"a": 0}), "a", "").is_none());
    }

    #[test]
    fn messages_are_those_of_kubernetes() {
        let object = json!({"spec": {"mode": "x", "n": -1}});
        assert_eq!(
            required_one_of(&object, "spec.mode", &["B", "A"]).expect("an error").to_string(),
            r#"spec.mode: Unsupported value: "x": supported values: "A", "B""#
        );
        assert_eq!(
            required_one_of(&object, "spec.none", &["A"]).expect("an error").to_string(),
            r#"spec.none: Required value: valid values: "A""#
        );
        assert_eq!(
            not_negative(&object, "spec.n").expect("an error").to_string(),
            "spec.n: Invalid value: -1: must be greater than or equal to 0"
        );
        assert_eq!(
            immutable(&object, Some(&json!({})), "spec.mode").expect("an error").to_string(),
            r#"spec.mode: Invalid value: "x": field is immutable"#
        );
    }

    #[test]
    fn blocks_of_addresses_have_a_length() {
        assert_eq!(cidr("10.0.0.0/8"), None);
        assert_eq!(cidr("fd00::/64"), None);
        for wrong in ["10.0.0.0", "10.0.0.0/33", "x/8", ""] {
            assert!(cidr(wrong).is_some(), "{wrong}");
        }
    }
}
