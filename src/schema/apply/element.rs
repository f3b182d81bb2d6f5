//! One step of a path to a field, as `metadata.managedFields` writes it: `f:name`, `k:{…}`,
//! `v:…`, `i:3`.
//!
//! Follows `fieldpath/element.go` and `serialize-pe.go` of structured-merge-diff.

use std::cmp::Ordering;
use std::fmt;

use serde_json::{Map, Number, Value};

use crate::field_error::go_quote;

/// One step. Ordered as structured-merge-diff orders: fields, keys, values, indices.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathElement {
    /// A field of an object.
    Field(Box<str>),
    /// The item of a list whose keys have these values, sorted by key.
    Key(Box<[(Box<str>, Scalar)]>),
    /// The item of a list that has this value.
    Value(Scalar),
    /// The item of a list at this place.
    Index(u64),
}

/// A value that can be compared with any other.
#[derive(Clone, Debug)]
pub struct Scalar(pub Value);

/// A text that is no path element.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("path element `{text}` is none of f:<name>, k:<keys>, v:<value>, i:<index>")]
pub struct ElementError {
    /// The text.
    pub text: String,
}

// === impl PathElement ===

impl PathElement {
    /// The element for a field.
    pub fn field(name: &str) -> PathElement {
        PathElement::Field(name.into())
    }

    /// The element for an item known by `keys`, in any order.
    pub fn key(keys: impl IntoIterator<Item = (Box<str>, Value)>) -> PathElement {
        let mut keys: Vec<_> = keys.into_iter().map(|(name, value)| (name, Scalar(value))).collect();
        keys.sort_by(|(a, _), (b, _)| a.cmp(b));
        PathElement::Key(keys.into())
    }

    /// The element as FieldsV1 writes it.
    pub fn encode(&self) -> String {
        match self {
            PathElement::Field(name) => format!("f:{name}"),
            PathElement::Key(keys) => {
                let keys: Map<String, Value> =
                    keys.iter().map(|(name, value)| (name.to_string(), value.0.clone())).collect();
                format!("k:{}", Value::Object(keys))
            }
            PathElement::Value(value) => format!("v:{}", value.0),
            PathElement::Index(index) => format!("i:{index}"),
        }
    }

    /// Reads what [`PathElement::encode`] writes.
    ///
    /// # Errors
    ///
    /// The text has another form.
    pub fn decode(text: &str) -> Result<PathElement, ElementError> {
        let wrong = || ElementError { text: text.to_owned() };
        let (kind, rest) = text.split_once(':').ok_or_else(wrong)?;
        match kind {
            "f" => Ok(PathElement::field(rest)),
            "k" => match serde_json::from_str(rest).map_err(|_| wrong())? {
                Value::Object(keys) if !keys.is_empty() => {
                    Ok(PathElement::key(keys.into_iter().map(|(name, value)| (name.into(), value))))
                }
                _ => Err(wrong()),
            },
            "v" => {
                serde_json::from_str(rest).map(|value| PathElement::Value(Scalar(value))).map_err(|_| wrong())
            }
            "i" => rest.parse().map(PathElement::Index).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }
}

/// As messages about conflicts print it: `.name`, `[name="a",port=80]`, `[="x"]`, `[0]`.
impl fmt::Display for PathElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathElement::Field(name) => write!(f, ".{name}"),
            PathElement::Key(keys) => {
                f.write_str("[")?;
                for (index, (name, value)) in keys.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}{name}={value}")?;
                }
                f.write_str("]")
            }
            PathElement::Value(value) => write!(f, "[={value}]"),
            PathElement::Index(index) => write!(f, "[{index}]"),
        }
    }
}

// === impl Scalar ===

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Value::String(text) => f.write_str(&go_quote(text)),
            other => write!(f, "{other}"),
        }
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Scalar) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scalar {}

impl PartialOrd for Scalar {
    fn partial_cmp(&self, other: &Scalar) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scalar {
    fn cmp(&self, other: &Scalar) -> Ordering {
        compare(&self.0, &other.0)
    }
}

/// Numbers before strings, booleans, lists, objects and null (`value.Compare` of
/// structured-merge-diff).
fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => compare_numbers(a, b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            let first = a.iter().zip(b).map(|(a, b)| compare(a, b)).find(|order| order.is_ne());
            first.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        (Value::Object(a), Value::Object(b)) => {
            let (a, b) = (sorted(a), sorted(b));
            let pairs = a.iter().zip(&b);
            let mut orders = pairs.map(|(a, b)| a.0.cmp(b.0).then_with(|| compare(a.1, b.1)));
            orders.find(|order| order.is_ne()).unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        _ => rank(a).cmp(&rank(b)),
    }
}

fn compare_numbers(a: &Number, b: &Number) -> Ordering {
    let whole = |number: &Number| number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => {
            let (a, b) = (a.as_f64().unwrap_or_default(), b.as_f64().unwrap_or_default());
            // 0.0 and -0.0 are one number; JSON has no NaN.
            a.partial_cmp(&b).unwrap_or(Ordering::Equal)
        }
    }
}

fn sorted(object: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut fields: Vec<_> = object.iter().collect();
    fields.sort_by_key(|(key, _)| *key);
    fields
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        Value::Bool(_) => 2,
        Value::Array(_) => 3,
        Value::Object(_) => 4,
        Value::Null => 5,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn elements_are_written_and_read() {
        for (element, text, shown) in [
            (PathElement::field("a.b"), "f:a.b", ".a.b"),
            (
                PathElement::key([("protocol".into(), json!("TCP")), ("port".into(), json!(80))]),
                r#"k:{"port":80,"protocol":"TCP"}"#,
                r#"[port=80,protocol="TCP"]"#,
            ),
            (PathElement::Value(Scalar(json!("x"))), r#"v:"x""#, r#"[="x"]"#),
            (PathElement::Value(Scalar(json!(1))), "v:1", "[=1]"),
            (PathElement::Index(3), "i:3", "[3]"),
        ] {
            assert_eq!(element.encode(), text);
            assert_eq!(PathElement::decode(text).unwrap(), element);
            assert_eq!(element.to_string(), shown);
        }
        for text in ["", "x", "x:y", "k:1", "k:{}", "v:", "i:a", "i:-1"] {
            assert!(PathElement::decode(text).is_err(), "{text}");
        }
    }

    #[test]
    fn elements_are_ordered() {
        let keyed = |n: i64| PathElement::key([("a".into(), json!(n))]);
        let value = |value: Value| PathElement::Value(Scalar(value));
        let ordered = [
            PathElement::field("a"),
            PathElement::field("b"),
            keyed(2),
            keyed(10),
            value(json!(1.5)),
            value(json!(2)),
            value(json!("a")),
            value(json!(true)),
            PathElement::Index(0),
        ];
        assert!(ordered.is_sorted_by(|a, b| a < b));
        assert_eq!(value(json!(1)), value(json!(1.0)));
    }
}
