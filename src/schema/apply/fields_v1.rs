//! Sets of fields as `metadata.managedFields[].fieldsV1` writes them.
//!
//! Follows `fieldpath/serialize.go` of structured-merge-diff: `{"f:spec": {"f:replicas": {}}}`,
//! with `"."` for an inner node that is a member itself.

use serde_json::{Map, Value};

use super::element::{ElementError, PathElement};
use super::fields::{Entry, FieldSet};

/// A value that is no set of fields.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldsError {
    /// Something else where an object belongs.
    #[error("fieldsV1 holds {found} where an object belongs")]
    NotAnObject {
        /// What was found.
        found: String,
    },
    /// A key that is no path element.
    #[error(transparent)]
    Element(#[from] ElementError),
}

/// Writes a set.
pub fn encode(set: &FieldSet) -> Value {
    let mut object = Map::new();
    for (element, Entry { is_member, below }) in set.entries() {
        let mut fields = Map::new();
        if *is_member && !below.is_empty() {
            fields.insert(".".to_owned(), Value::Object(Map::new()));
        }
        if let Value::Object(below) = encode(below) {
            fields.extend(below);
        }
        object.insert(element.encode(), Value::Object(fields));
    }
    Value::Object(object)
}

/// Reads a set.
///
/// # Errors
///
/// See [`FieldsError`].
pub fn decode(value: &Value) -> Result<FieldSet, FieldsError> {
    let mut set = FieldSet::new();
    for (key, value) in object(value)? {
        // A member that the object itself is; nobody owns that.
        if key == "." {
            continue;
        }
        let fields = object(value)?;
        let is_member = fields.is_empty() || fields.contains_key(".");
        set.add(PathElement::decode(key)?, Entry { is_member, below: decode(value)? });
    }
    Ok(set)
}

fn object(value: &Value) -> Result<&Map<String, Value>, FieldsError> {
    value.as_object().ok_or_else(|| FieldsError::NotAnObject { found: value.to_string() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_set_reads_as_kubernetes_writes_it() {
        let written = json!({
            "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
            "f:spec": {
                "f:replicas": {},
                "f:template": {"f:spec": {"f:containers": {r#"k:{"name":"nginx"}"#: {
                    ".": {},
                    "f:image": {},
                    "f:ports": {r#"k:{"containerPort":80,"protocol":"TCP"}"#: {".": {}, "f:containerPort": {}}},
                }}}},
            },
        });
        let set = decode(&written).unwrap();
        assert_eq!(encode(&set), written);
        assert_eq!(set.len(), 7);
        assert!(set.to_string().contains(
            r#".spec.template.spec.containers[name="nginx"].ports[containerPort=80,protocol="TCP"]"#
        ));
    }

    #[test]
    fn what_is_no_set_is_refused() {
        for value in [json!(1), json!({"f:a": 1}), json!({"x": {}}), json!({"f:a": {"k:": {}}})] {
            assert!(decode(&value).is_err(), "{value}");
        }
    }

    proptest! {
    #![proptest_config(crate::arbitrary::config())]

        #[test]
        fn sets_survive_the_round_trip(set in crate::apply::fields::tests::set()) {
            prop_assert_eq!(decode(&encode(&set)).unwrap(), set);
        }

        #[test]
        fn nothing_panics_on_any_value(value in crate::arbitrary::value()) {
            let _ = decode(&value);
        }
    }
}
