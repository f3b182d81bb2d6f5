//! Lists: their length, their items, and items that may not come twice.
//!
//! Follows `slice_validator.go` of kube-openapi's validator, and for `x-kubernetes-list-type`
//! `k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype/validation.go`.

use serde_json::{Map, Value};

use super::check;
use crate::equal::same;
use crate::path::Path;
use crate::schema::Rules;
use crate::{FieldError, ListType, Schema};

/// Checks the rules about a list as a whole.
pub(super) fn check_rules(rules: &Rules, items: &[Value], path: &Path, errors: &mut Vec<FieldError>) {
    let at = path.as_str();
    let n_items = items.len() as u64;
    if let Some(min) = rules.min_items
        && n_items < min
    {
        errors.push(FieldError::invalid(
            at,
            n_items,
            format!("{at} in body should have at least {min} items"),
        ));
    }
    if let Some(max) = rules.max_items
        && n_items > max
    {
        errors.push(FieldError::too_many(at, n_items, max));
    }
    if rules.unique_items && first_repeat(items).is_some() {
        errors.push(FieldError::invalid(at, "", format!("{at} in body shouldn't contain duplicates")));
    }
}

/// Checks every item.
pub(super) fn check_items(
    schema: Schema<'_>,
    items: &[Value],
    old: Option<&Value>,
    path: &mut Path,
    errors: &mut Vec<FieldError>,
) {
    let Some(of_items) = schema.items() else { return };
    for (index, item) in items.iter().enumerate() {
        let mark = path.enter_item(index);
        check(of_items, item, old.and_then(|old| old_item(schema, old, item)), path, errors);
        path.leave(mark);
    }
}

/// The item of the old list that `item` takes the place of: the one with the same keys, in
/// lists of type `map`.
pub(crate) fn old_item<'a>(schema: Schema<'_>, old: &'a Value, item: &Value) -> Option<&'a Value> {
    let ListType::Map(_) = schema.list_type() else { return None };
    let wanted = identity(schema, item);
    old.as_array()?.iter().find(|old| same(&identity(schema, old), &wanted))
}

/// Items that come twice in lists whose type is `set`, or with the same keys where it is `map`.
///
/// Only custom resources are held to this: built-in kinds have rules of their own, and some
/// (a container's ports and env) allow repetition.
pub fn repeated_items(schema: Schema<'_>, value: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    repeated(schema, value, &mut Path::default(), &mut errors);
    errors
}

fn repeated(schema: Schema<'_>, value: &Value, path: &mut Path, errors: &mut Vec<FieldError>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let Some(field) = schema.field(key) else { continue };
                let mark = path.enter_field(key);
                repeated(field, value, path, errors);
                path.leave(mark);
            }
        }
        Value::Array(items) => {
            let identities: Vec<Value> = items.iter().map(|item| identity(schema, item)).collect();
            if *schema.list_type() != ListType::Atomic {
                report(&identities, path, errors);
            }
            let Some(schema) = schema.items() else { return };
            for (index, item) in items.iter().enumerate() {
                let mark = path.enter_item(index);
                repeated(schema, item, path, errors);
                path.leave(mark);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What makes an item itself: its keys in a list of type `map`, otherwise all of it.
fn identity(schema: Schema<'_>, item: &Value) -> Value {
    let (ListType::Map(keys), Value::Object(item)) = (schema.list_type(), item) else { return item.clone() };
    let of_item = |key: &str| {
        let default = || schema.items()?.property(key)?.default_value();
        item.get(key).or_else(default).cloned().unwrap_or_default()
    };
    Value::Object(keys.iter().map(|key| (key.to_string(), of_item(key))).collect::<Map<_, _>>())
}

fn report(identities: &[Value], path: &mut Path, errors: &mut Vec<FieldError>) {
    for (index, identity) in identities.iter().enumerate() {
        if identities[..index].iter().any(|earlier| same(earlier, identity)) {
            let mark = path.enter_item(index);
            errors.push(FieldError::duplicate(path.as_str(), identity.clone()));
            path.leave(mark);
        }
    }
}

fn first_repeat(items: &[Value]) -> Option<usize> {
    (1..items.len()).find(|&index| items[..index].iter().any(|earlier| same(earlier, &items[index])))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tests::schemas;

    fn check(
        run: fn(Schema<'_>, &Value) -> Vec<FieldError>,
        definition: Value,
        value: Value,
        expected: &[&str],
    ) {
        let schemas = schemas(json!({"T": {"type": "object", "properties": {"l": definition}}}));
        let errors = run(schemas.get("T").unwrap(), &json!({"l": value}));
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(errors, expected);
    }

    #[test]
    fn lists_have_a_length() {
        let list = json!({"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "string"}});
        check(crate::validate, list.clone(), json!(["a"]), &[]);
        check(
            crate::validate,
            list.clone(),
            json!([]),
            &["l: Invalid value: 0: l in body should have at least 1 items"],
        );
        check(crate::validate, list, json!(["a", "b", "c"]), &["l: Too many: 3: must have at most 2 items"]);
    }

    #[test]
    fn items_are_checked_with_their_index() {
        check(
            crate::validate,
            json!({"type": "array", "items": {"type": "object", "required": ["name"]}}),
            json!([{"name": "a"}, {}]),
            &["l[1].name: Required value"],
        );
        check(
            crate::validate,
            json!({"type": "array", "uniqueItems": true}),
            json!([{"a": 1}, {"a": 1.0}]),
            &[r#"l: Invalid value: "": l in body shouldn't contain duplicates"#],
        );
    }

    #[test]
    fn a_set_holds_each_item_once() {
        let set = json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}});
        check(repeated_items, set, json!(["a", "b", "a"]), &[r#"l[2]: Duplicate value: "a""#]);
    }

    #[test]
    fn a_map_holds_each_key_once_and_knows_default_keys() {
        let map = json!({
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port", "protocol"],
            "items": {"type": "object", "properties": {"protocol": {"type": "string", "default": "TCP"}}},
        });
        check(
            repeated_items,
            map,
            json!([{"port": 1}, {"port": 1, "protocol": "UDP"}, {"port": 1, "protocol": "TCP"}]),
            &[r#"l[2]: Duplicate value: {"port":1,"protocol":"TCP"}"#],
        );
    }
}
