//! Lays an applied configuration over a live object.
//!
//! Follows `typed/merge.go` of structured-merge-diff: what is applied wins, what it does not
//! mention stays, and lists keep the live order except where the configuration has another.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::element::PathElement;
use super::shape::{self, Shape};
use crate::Schema;

/// `applied` over `live`.
pub fn merge(schema: Schema<'_>, live: &Value, applied: &Value) -> Value {
    merge_values(Some(schema), live, applied)
}

fn merge_values(schema: Option<Schema<'_>>, live: &Value, applied: &Value) -> Value {
    match (shape::of(schema, live), shape::of(schema, applied)) {
        (Shape::Map(live), Shape::Map(applied)) => Value::Object(merge_maps(schema, live, applied)),
        (Shape::List(live), Shape::List(applied)) => Value::Array(merge_lists(schema, live, applied)),
        _ => applied.clone(),
    }
}

fn merge_maps(
    schema: Option<Schema<'_>>,
    live: &Map<String, Value>,
    applied: &Map<String, Value>,
) -> Map<String, Value> {
    let mut merged = live.clone();
    for (name, applied) in applied {
        let field = schema.and_then(|schema| schema.field(name));
        let value = match live.get(name) {
            Some(live) => merge_values(field, live, applied),
            None => applied.clone(),
        };
        merged.insert(name.clone(), value);
    }
    merged
}

/// Items with the elements by which they are known.
type Items<'a> = Vec<(PathElement, &'a Value)>;

/// Walks both lists at once. What only the live list has stays before what follows it there;
/// what both have comes in the applied order.
fn merge_lists(schema: Option<Schema<'_>>, live: &[Value], applied: &[Value]) -> Vec<Value> {
    let below = schema.and_then(|schema| schema.items());
    let (live, applied): (Items<'_>, Items<'_>) =
        (shape::items(schema, live).collect(), shape::items(schema, applied).collect());
    let live_by_element = first_by_element(&live);
    let applied_by_element = first_by_element(&applied);
    let mut shared =
        applied.iter().map(|(element, _)| element).filter(|element| live_by_element.contains_key(element));
    let mut next_shared = shared.next();

    let mut merged = Vec::with_capacity(live.len().max(applied.len()));
    let (mut from_live, mut from_applied) = (live.iter().peekable(), applied.iter().peekable());
    loop {
        match (from_live.peek(), from_applied.peek()) {
            (None, None) => break,
            (Some((element, live)), Some((other, applied))) if element == other => {
                merged.push(merge_values(below, live, applied));
                from_live.next();
                from_applied.next();
                next_shared = shared.next();
            }
            // Shared, but not the one whose turn it is: it comes where the configuration has it.
            (Some((element, _)), Some(_))
                if applied_by_element.contains_key(element)
                    && next_shared.is_some_and(|next| next != element) =>
            {
                from_live.next();
            }
            (Some((element, live)), _) if !applied_by_element.contains_key(element) => {
                merged.push((*live).clone());
                from_live.next();
            }
            (_, Some((element, applied))) => {
                merged.push(match live_by_element.get(element) {
                    Some(live) => merge_values(below, live, applied),
                    None => (*applied).clone(),
                });
                from_applied.next();
                if next_shared == Some(element) {
                    next_shared = shared.next();
                }
            }
            // Shared and put out already.
            (Some(_), None) => {
                from_live.next();
            }
        }
    }
    merged
}

fn first_by_element<'a, 'v>(items: &'a [(PathElement, &'v Value)]) -> BTreeMap<&'a PathElement, &'v Value> {
    let mut first = BTreeMap::new();
    for (element, item) in items {
        first.entry(element).or_insert(*item);
    }
    first
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::apply::tests::deployments;

    fn check(live: Value, applied: Value, expected: Value) {
        let schemas = deployments();
        let merged = merge(schemas.get("Deployment").unwrap(), &live, &applied);
        assert_eq!(merged.to_string(), expected.to_string());
    }

    fn names(names: &[&str]) -> Value {
        names.iter().map(|name| json!({"name": name})).collect()
    }

    fn check_order(live: &[&str], applied: &[&str], expected: &[&str]) {
        check(
            json!({"spec": {"containers": names(live)}}),
            json!({"spec": {"containers": names(applied)}}),
            json!({"spec": {"containers": names(expected)}}),
        );
    }

    #[test]
    fn what_is_applied_wins_and_the_rest_stays() {
        check(
            json!({"spec": {"replicas": 1, "paused": true, "args": ["a", "b"]}, "status": {"x": 1}}),
            json!({"spec": {"args": ["c"], "replicas": 2, "selector": {}}}),
            json!({"spec": {"replicas": 2, "paused": true, "args": ["c"], "selector": {}}, "status": {"x": 1}}),
        );
        check(
            json!({"spec": {"containers": [{"name": "a", "image": "1", "tty": true}]}}),
            json!({"spec": {"containers": [{"name": "a", "image": "2"}]}}),
            json!({"spec": {"containers": [{"name": "a", "image": "2", "tty": true}]}}),
        );
    }

    #[test]
    fn items_keep_the_live_order_unless_applied_in_another() {
        check_order(&["a", "b"], &["c"], &["a", "b", "c"]);
        check_order(&["a", "b", "c"], &["c", "a"], &["b", "c", "a"]);
        check_order(&["a", "b"], &["a", "x", "b"], &["a", "x", "b"]);
        check_order(&["a", "b", "c", "d"], &["b", "d"], &["a", "b", "c", "d"]);
        check_order(&[], &["a"], &["a"]);
        check_order(&["a"], &[], &["a"]);
    }

    #[test]
    fn ports_are_one_port_with_and_without_their_default_protocol() {
        check(
            json!({"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 80, "protocol": "TCP"}]}]}}),
            json!({"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 80, "name": "http"}, {"containerPort": 80, "protocol": "UDP"}]}]}}),
            json!({"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 80, "protocol": "TCP", "name": "http"}, {"containerPort": 80, "protocol": "UDP"}]}]}}),
        );
    }

    proptest! {
    #![proptest_config(crate::arbitrary::config())]

        #[test]
        fn every_item_is_there_once(live in prop::collection::hash_set("[a-f]", 0..6), applied in prop::collection::hash_set("[a-f]", 0..6)) {
            let schemas = deployments();
            let list = |names: &std::collections::HashSet<String>| json!({"spec": {"containers":
                names.iter().map(|name| json!({"name": name})).collect::<Value>()}});
            let merged = merge(schemas.get("Deployment").unwrap(), &list(&live), &list(&applied));
            let names_of = |value: &Value| -> Vec<String> {
                let items = value["spec"]["containers"].as_array().unwrap().clone();
                items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
            };
            let mut found = names_of(&merged);
            // What is applied comes in the applied order.
            let in_order: Vec<_> = found.iter().filter(|name| applied.contains(*name)).cloned().collect();
            prop_assert_eq!(in_order, names_of(&list(&applied)));
            found.sort();
            let mut wanted: Vec<_> = live.union(&applied).cloned().collect();
            wanted.sort();
            prop_assert_eq!(found, wanted);
        }
    }
}
