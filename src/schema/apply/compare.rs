//! What differs between two values, field by field.
//!
//! Follows `typed/compare.go` of structured-merge-diff.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::element::PathElement;
use super::fields::{Entry, FieldSet};
use super::shape::{self, Shape};
use crate::Schema;
use crate::equal::same;

/// The fields by which two values differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// In the new value only.
    pub added: FieldSet,
    /// In both, with different values.
    pub modified: FieldSet,
    /// In the old value only.
    pub removed: FieldSet,
}

/// What became of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    None,
    Added,
    Modified,
    Removed,
}

/// Compares `old` with `new`; none is an object that is not there.
pub fn compare(schema: Schema<'_>, old: Option<&Value>, new: Option<&Value>) -> Comparison {
    differences(Some(schema), old, new).1
}

// === impl Comparison ===

impl Comparison {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.modified.is_empty() && self.removed.is_empty()
    }

    /// What has another value than before: added and modified fields.
    pub fn changed(&self) -> FieldSet {
        self.added.union(&self.modified)
    }

    /// The same, of a comparison that is needed no more.
    pub(super) fn into_changed(self) -> FieldSet {
        self.added.with(self.modified)
    }

    fn add(&mut self, element: PathElement, change: Change, below: Comparison) {
        let Comparison { added, modified, removed } = below;
        let sets = [
            (&mut self.added, Change::Added, added),
            (&mut self.modified, Change::Modified, modified),
            (&mut self.removed, Change::Removed, removed),
        ];
        // Nearly always in one set at most.
        for (set, wanted, below) in sets {
            if change == wanted || !below.is_empty() {
                set.add(element.clone(), Entry { is_member: change == wanted, below });
            }
        }
    }
}

fn differences(schema: Option<Schema<'_>>, old: Option<&Value>, new: Option<&Value>) -> (Change, Comparison) {
    match (parts(schema, old), parts(schema, new)) {
        (Parts::Map(old_map), Parts::Map(new_map)) => (existence(old, new), maps(schema, old_map, new_map)),
        (Parts::List(old_list), Parts::List(new_list)) => {
            (existence(old, new), lists(schema, old_list, new_list))
        }
        // Nothing and null have the shape of whatever is on the other side; where both are
        // empty, the difference between them counts as that of a leaf.
        (Parts::Map(map), Parts::Nothing) if !map.is_empty() => {
            (existence(old, new), maps(schema, map, &Map::new()))
        }
        (Parts::Nothing, Parts::Map(map)) if !map.is_empty() => {
            (existence(old, new), maps(schema, &Map::new(), map))
        }
        (Parts::List(list), Parts::Nothing) if !list.is_empty() => {
            (existence(old, new), lists(schema, list, &[]))
        }
        (Parts::Nothing, Parts::List(list)) if !list.is_empty() => {
            (existence(old, new), lists(schema, &[], list))
        }
        // Another shape: everything below goes and comes.
        (Parts::Map(_) | Parts::List(_), Parts::Leaf | Parts::Map(_) | Parts::List(_))
        | (Parts::Leaf, Parts::Map(_) | Parts::List(_)) => {
            let mut both = differences(schema, old, None).1;
            both.added = differences(schema, None, new).1.added;
            (Change::Modified, both)
        }
        (Parts::Nothing | Parts::Leaf, Parts::Nothing | Parts::Leaf)
        | (Parts::Nothing, Parts::Map(_) | Parts::List(_))
        | (Parts::Map(_) | Parts::List(_), Parts::Nothing) => (leaf_change(old, new), Comparison::default()),
    }
}

/// The parts of a value that may be absent or null.
enum Parts<'a> {
    Nothing,
    Leaf,
    Map(&'a Map<String, Value>),
    List(&'a [Value]),
}

fn parts<'a>(schema: Option<Schema<'_>>, value: Option<&'a Value>) -> Parts<'a> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Parts::Nothing };
    match shape::of(schema, value) {
        Shape::Leaf => Parts::Leaf,
        Shape::Map(map) => Parts::Map(map),
        Shape::List(items) => Parts::List(items),
    }
}

fn maps(schema: Option<Schema<'_>>, old: &Map<String, Value>, new: &Map<String, Value>) -> Comparison {
    let mut comparison = Comparison::default();
    let only_new = new.keys().filter(|name| !old.contains_key(*name));
    for name in old.keys().chain(only_new) {
        let element = PathElement::field(name);
        let (change, below) = differences(shape::below(schema, &element), old.get(name), new.get(name));
        comparison.add(element, change, below);
    }
    comparison
}

fn lists(schema: Option<Schema<'_>>, old: &[Value], new: &[Value]) -> Comparison {
    let (old, new) = (by_element(schema, old), by_element(schema, new));
    let mut comparison = Comparison::default();
    let only_new = new.keys().filter(|element| !old.contains_key(*element));
    for element in old.keys().chain(only_new) {
        let (old, new) = (old.get(element).copied(), new.get(element).copied());
        let (change, below) = differences(shape::below(schema, element), old, new);
        comparison.add(element.clone(), change, below);
    }
    comparison
}

/// The items of a list; of two with the same name the first.
fn by_element<'a>(schema: Option<Schema<'_>>, list: &'a [Value]) -> BTreeMap<PathElement, &'a Value> {
    let mut items = BTreeMap::new();
    for (element, item) in shape::items(schema, list) {
        items.entry(element).or_insert(item);
    }
    items
}

/// The change of an object or list with parts: only that it came or went.
fn existence(old: Option<&Value>, new: Option<&Value>) -> Change {
    match (old, new) {
        (None, Some(_)) => Change::Added,
        (Some(_), None) => Change::Removed,
        (Some(_), Some(_)) | (None, None) => Change::None,
    }
}

fn leaf_change(old: Option<&Value>, new: Option<&Value>) -> Change {
    match (old, new) {
        (Some(old), Some(new)) if !same(old, new) => Change::Modified,
        _ => existence(old, new),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::apply::tests::deployments;

    fn check(old: Value, new: Value, added: &str, modified: &str, removed: &str) {
        let schemas = deployments();
        let found = compare(schemas.get("Deployment").unwrap(), Some(&old), Some(&new));
        let found = (found.added.to_string(), found.modified.to_string(), found.removed.to_string());
        assert_eq!(found, (added.to_owned(), modified.to_owned(), removed.to_owned()));
    }

    #[test]
    fn fields_come_change_and_go() {
        check(
            json!({"spec": {"replicas": 1, "args": ["a"], "paused": true}}),
            json!({"spec": {"replicas": 1.0, "args": ["b"], "selector": {"x": 1}}}),
            ".spec.selector",
            ".spec.args",
            ".spec.paused",
        );
        check(json!({}), json!({"spec": {"replicas": 1}}), ".spec\n.spec.replicas", "", "");
        check(json!({"spec": {}}), json!({"spec": null}), "", ".spec", "");
        check(json!({"spec": null}), json!({"spec": {"replicas": 1}}), ".spec.replicas", "", "");
    }

    #[test]
    fn items_are_paired_by_their_name() {
        check(
            json!({"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "b"}]}}),
            json!({"spec": {"containers": [{"name": "c"}, {"name": "a", "image": "2"}]}}),
            ".spec.containers[name=\"c\"]\n.spec.containers[name=\"c\"].name",
            ".spec.containers[name=\"a\"].image",
            ".spec.containers[name=\"b\"]\n.spec.containers[name=\"b\"].name",
        );
        check(
            json!({"metadata": {"finalizers": ["a", "b"]}}),
            json!({"metadata": {"finalizers": ["b", "c"]}}),
            ".metadata.finalizers[=\"c\"]",
            "",
            ".metadata.finalizers[=\"a\"]",
        );
    }

    #[test]
    fn a_value_of_another_shape_is_modified() {
        check(
            json!({"spec": {"open": {"a": {"b": 1}}}}),
            json!({"spec": {"open": {"a": 1}}}),
            "",
            ".spec.open.a",
            ".spec.open.a.b",
        );
    }
}
