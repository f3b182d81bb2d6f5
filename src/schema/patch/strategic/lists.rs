//! Merging lists: scalars as sets, objects by their key. Upstream's mergeSlice.

use serde_json::Value;

use super::directives::{PATCH, plain_value};
use super::{StrategicError, identity, merge_map, order, position};
use crate::Schema;
use crate::equal::same;

/// Merges `patch` into `original` where the schema says `merge`; otherwise it replaces it.
pub(super) fn merge_list(
    schema: Option<Schema<'_>>,
    field: &str,
    original: Vec<Value>,
    patch: Vec<Value>,
) -> Result<Vec<Value>, StrategicError> {
    let Some(schema) = schema.filter(|schema| schema.patch_strategy().merge) else { return Ok(patch) };
    match items_of(&original, &patch)? {
        Items::None => Ok(original),
        Items::Scalars => {
            let mut merged = original.clone();
            merged.extend(patch.iter().cloned());
            order::arrange(without_repeats(merged), &patch, &original, None)
        }
        Items::Objects => {
            let key = schema
                .merge_key()
                .ok_or_else(|| StrategicError::UndeclaredMergeKey { field: field.to_owned() })?;
            merge_objects(schema.items(), key, original, patch)
        }
    }
}

enum Items {
    None,
    Scalars,
    Objects,
}

/// What the items of both lists are, which must be one sort of thing and not lists.
fn items_of(original: &[Value], patch: &[Value]) -> Result<Items, StrategicError> {
    let mut all = original.iter().chain(patch);
    let Some(first) = all.next() else { return Ok(Items::None) };
    let mixed = || StrategicError::MixedList { list: format!("{} {}", show(original), show(patch)) };
    if first.is_array() || all.any(|item| std::mem::discriminant(item) != std::mem::discriminant(first)) {
        return Err(mixed());
    }
    Ok(if first.is_object() { Items::Objects } else { Items::Scalars })
}

fn merge_objects(
    items: Option<Schema<'_>>,
    key: &str,
    original: Vec<Value>,
    patch: Vec<Value>,
) -> Result<Vec<Value>, StrategicError> {
    let (original, patch) = apply_item_directives(key, original, patch)?;
    let mut merged = original.clone();
    for item in &patch {
        let value = identity(item, Some(key))?;
        match position(&merged, Some(key), value) {
            Some(index) => {
                if let (Value::Object(into), Value::Object(item)) = (&mut merged[index], item) {
                    merge_map(items, into, item.clone())?;
                }
            }
            None => merged.extend(plain_value(item.clone())),
        }
    }
    order::arrange(merged, &patch, &original, Some(key))
}

/// Items with `$patch`: `delete` takes its match out, one `replace` makes the patch the list.
/// Returns what is left of the original and of the patch.
fn apply_item_directives(
    key: &str,
    mut original: Vec<Value>,
    patch: Vec<Value>,
) -> Result<(Vec<Value>, Vec<Value>), StrategicError> {
    let mut changes = Vec::with_capacity(patch.len());
    let mut replaces = false;
    for item in patch {
        let Some(directive) = item.get(PATCH) else {
            changes.push(item);
            continue;
        };
        match directive.as_str() {
            Some("delete") => {
                let value = identity(&item, Some(key))?;
                original.retain(|one| !one.get(key).is_some_and(|found| same(found, value)));
            }
            Some("replace") => replaces = true,
            _ => {
                return Err(StrategicError::UnknownDirective {
                    directive: directive.to_string(),
                    map: item.to_string(),
                });
            }
        }
    }
    if replaces {
        let items = changes.into_iter().filter_map(plain_value).collect();
        return Ok((items, Vec::new()));
    }
    Ok((original, changes))
}

fn without_repeats(items: Vec<Value>) -> Vec<Value> {
    let mut kept: Vec<Value> = Vec::with_capacity(items.len());
    for item in items {
        if !kept.iter().any(|earlier| same(earlier, &item)) {
            kept.push(item);
        }
    }
    kept
}

fn show(items: &[Value]) -> String {
    Value::Array(items.to_vec()).to_string()
}
