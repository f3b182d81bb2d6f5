//! Takes fields out of a value.
//!
//! Follows `typed/remove.go` of structured-merge-diff (6.3): an object or list of which nothing
//! is left stays, empty; it goes where it is a member itself.

use serde_json::{Map, Value};

use super::element::PathElement;
use super::fields::FieldSet;
use super::shape::{self, Shape};
use crate::Schema;

/// `value` without the members of `set`.
pub(super) fn remove(schema: Schema<'_>, value: &Value, set: &FieldSet) -> Value {
    removed(Some(schema), value, set)
}

fn removed(schema: Option<Schema<'_>>, value: &Value, set: &FieldSet) -> Value {
    if set.is_empty() {
        return value.clone();
    }
    match shape::of(schema, value) {
        Shape::Leaf => value.clone(),
        Shape::Map(map) => {
            let mut kept = Map::new();
            for (name, value) in map {
                if let Some(value) = without(schema, &PathElement::field(name), value, set) {
                    kept.insert(name.clone(), value);
                }
            }
            Value::Object(kept)
        }
        Shape::List(items) => {
            let named = shape::items(schema, items);
            Value::Array(named.filter_map(|(element, item)| without(schema, &element, item, set)).collect())
        }
    }
}

fn without(
    schema: Option<Schema<'_>>,
    element: &PathElement,
    value: &Value,
    set: &FieldSet,
) -> Option<Value> {
    match set.get(element) {
        Some(entry) if entry.is_member => None,
        Some(entry) => Some(removed(shape::below(schema, element), value, &entry.below)),
        None => Some(value.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::apply::fields_v1;
    use crate::apply::tests::deployments;

    fn check(value: Value, set: Value, expected: Value) {
        let schemas = deployments();
        let left = remove(schemas.get("Deployment").unwrap(), &value, &fields_v1::decode(&set).unwrap());
        assert_eq!(left, expected);
    }

    #[test]
    fn members_go_and_what_held_them_stays() {
        let value = json!({"spec": {"replicas": 1, "paused": true}, "metadata": {"labels": {"a": "1"}, "finalizers": ["x", "y"]}});
        check(
            value.clone(),
            json!({"f:spec": {"f:replicas": {}}}),
            json!({"spec": {"paused": true}, "metadata": {"labels": {"a": "1"}, "finalizers": ["x", "y"]}}),
        );
        check(
            value.clone(),
            json!({"f:metadata": {"f:labels": {"f:a": {}}, "f:finalizers": {"v:\"x\"": {}}}}),
            json!({"spec": {"replicas": 1, "paused": true}, "metadata": {"labels": {}, "finalizers": ["y"]}}),
        );
        check(value.clone(), json!({"f:spec": {}, "f:metadata": {}}), json!({}));
        check(value.clone(), json!({}), value);
    }

    #[test]
    fn items_go_by_their_name() {
        let value =
            json!({"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 80}]}, {"name": "b"}]}});
        check(
            value,
            json!({"f:spec": {"f:containers": {
                r#"k:{"name":"a"}"#: {"f:ports": {r#"k:{"containerPort":80,"protocol":"TCP"}"#: {}}}, r#"k:{"name":"b"}"#: {},
            }}}),
            json!({"spec": {"containers": [{"name": "a", "ports": []}]}}),
        );
    }
}
