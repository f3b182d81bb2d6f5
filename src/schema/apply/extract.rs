//! The fields that a value sets.
//!
//! Follows `typed/tofieldset.go` of structured-merge-diff.

use serde_json::{Map, Value};

use super::element::PathElement;
use super::fields::{Entry, FieldSet};
use super::shape::{self, Shape};
use crate::Schema;

/// Why a value cannot be taken apart. The messages are structured-merge-diff's, with the path in
/// front: `.spec.foo: field not declared in schema`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct ExtractError {
    /// Where: `.spec.containers`.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

/// Every field that `value` sets.
///
/// # Errors
///
/// A field that the schema does not declare, an item without its keys, two items with the same.
pub fn extract(schema: Schema<'_>, value: &Value) -> Result<FieldSet, ExtractError> {
    let mut walk = Walk { path: Vec::new(), is_strict: true };
    Ok(walk.fields(Some(schema), value)?.below)
}

/// As [`extract`], for what is stored: what it cannot name it names as well as it can.
pub(super) fn extract_stored(schema: Schema<'_>, value: &Value) -> FieldSet {
    let mut walk = Walk { path: Vec::new(), is_strict: false };
    walk.fields(Some(schema), value).map(|entry| entry.below).unwrap_or_default()
}

struct Walk {
    path: Vec<PathElement>,
    is_strict: bool,
}

// === impl Walk ===

impl Walk {
    /// What there is to own in a value; for an object or list with parts only the parts.
    fn fields(&mut self, schema: Option<Schema<'_>>, value: &Value) -> Result<Entry, ExtractError> {
        match shape::of(schema, value) {
            Shape::Leaf => Ok(Entry { is_member: true, below: FieldSet::new() }),
            Shape::Map(object) => self.object(schema, object),
            Shape::List(items) => self.list(schema, items),
        }
    }

    fn object(
        &mut self,
        schema: Option<Schema<'_>>,
        object: &Map<String, Value>,
    ) -> Result<Entry, ExtractError> {
        let mut below = FieldSet::new();
        for (name, value) in object {
            let element = PathElement::field(name);
            if self.is_strict
                && let Some(schema) = schema
                && schema.field(name).is_none()
                && !schema.keeps(name)
            {
                return Err(self.fault(element, "field not declared in schema".to_owned()));
            }
            let mut entry = self.step(schema, &element, value)?;
            // A field of a struct is no member by itself, an entry of a map is; so is what is
            // empty, since nothing below it could be.
            let is_named = schema.is_some_and(|schema| schema.property(name).is_some());
            let is_empty_map = value.as_object().is_some_and(Map::is_empty);
            entry.is_member |= !is_named || is_empty_map;
            below.add(element, entry);
        }
        Ok(Entry { is_member: false, below })
    }

    fn list(&mut self, schema: Option<Schema<'_>>, items: &[Value]) -> Result<Entry, ExtractError> {
        let mut below = FieldSet::new();
        for (index, item) in items.iter().enumerate() {
            let element = match shape::item_element(schema, index, item) {
                Ok(element) => element,
                Err(error) if self.is_strict => {
                    return Err(self.fault_here(format!("element {index}: {error}")));
                }
                Err(_) => PathElement::Index(index as u64),
            };
            if self.is_strict && below.get(&element).is_some() {
                return Err(self.fault_here(format!("duplicate entries for key {element}")));
            }
            let mut entry = self.step(schema, &element, item)?;
            entry.is_member = true;
            below.add(element, entry);
        }
        Ok(Entry { is_member: false, below })
    }

    fn step(
        &mut self,
        schema: Option<Schema<'_>>,
        element: &PathElement,
        value: &Value,
    ) -> Result<Entry, ExtractError> {
        self.path.push(element.clone());
        let entry = self.fields(shape::below(schema, element), value)?;
        self.path.pop();
        Ok(entry)
    }

    fn fault(&mut self, element: PathElement, message: String) -> ExtractError {
        self.path.push(element);
        self.fault_here(message)
    }

    fn fault_here(&self, message: String) -> ExtractError {
        ExtractError { path: super::fields::show(&self.path), message }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::apply::fields_v1;
    use crate::apply::tests::deployments;

    fn check(value: Value, expected: Value) {
        let schemas = deployments();
        let set = extract(schemas.get("Deployment").unwrap(), &value).unwrap();
        assert_eq!(fields_v1::encode(&set), expected);
    }

    fn check_fault(value: Value, message: &str) {
        let schemas = deployments();
        assert_eq!(extract(schemas.get("Deployment").unwrap(), &value).unwrap_err().to_string(), message);
    }

    #[test]
    fn scalars_atomic_values_and_items_are_fields() {
        check(
            json!({"metadata": {"labels": {"a": "1"}, "finalizers": ["x"]}, "spec": {
                "replicas": 1, "selector": {"matchLabels": {"a": "1"}}, "args": ["x", "y"],
                "containers": [{"name": "c", "ports": [{"containerPort": 80}]}],
            }}),
            json!({
                "f:metadata": {"f:finalizers": {"v:\"x\"": {}}, "f:labels": {"f:a": {}}},
                "f:spec": {
                    "f:args": {}, "f:containers": {r#"k:{"name":"c"}"#: {
                        ".": {}, "f:name": {}, "f:ports": {r#"k:{"containerPort":80,"protocol":"TCP"}"#: {".": {}, "f:containerPort": {}}},
                    }},
                    "f:replicas": {}, "f:selector": {},
                },
            }),
        );
    }

    #[test]
    fn empty_objects_and_entries_of_maps_are_fields() {
        check(json!({"spec": {}}), json!({"f:spec": {}}));
        check(
            json!({"spec": {"nodes": {"a": {"x": 1}}}}),
            json!({"f:spec": {"f:nodes": {"f:a": {".": {}, "f:x": {}}}}}),
        );
        check(json!({"spec": {"containers": []}}), json!({}));
        check(json!({"spec": {"raw": {"a": 1}}}), json!({"f:spec": {"f:raw": {}}}));
        check(
            json!({"spec": {"open": {"a": {"b": [1]}}}}),
            json!({"f:spec": {"f:open": {"f:a": {".": {}, "f:b": {}}}}}),
        );
    }

    #[test]
    fn what_cannot_be_named_is_refused() {
        check_fault(json!({"spec": {"foo": 1}}), ".spec.foo: field not declared in schema");
        check_fault(
            json!({"spec": {"containers": [{"name": "a"}, {"name": "a"}]}}),
            r#".spec.containers: duplicate entries for key [name="a"]"#,
        );
        check_fault(
            json!({"spec": {"containers": [{}]}}),
            ".spec.containers: element 0: associative list with keys has an element that omits key field \"name\" (and doesn't have default value)",
        );
    }
}
