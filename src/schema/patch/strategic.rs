//! Strategic merge patch: a merge patch that knows by the schema which lists are merged item by
//! item, and by which key.
//!
//! Follows the applying half of `k8s.io/apimachinery/pkg/util/strategicpatch/patch.go` (1.36,
//! with MergeParallelList and IgnoreUnmatchedNulls, as the API server calls it). Fields that the
//! schema does not know are merged like objects and replaced like lists; upstream refuses them.

mod directives;
mod lists;
mod order;

use serde_json::{Map, Value};

use self::directives::{DELETE_FROM_PRIMITIVE_LIST, PATCH, SET_ELEMENT_ORDER};
use crate::Schema;
use crate::equal::same;

/// Why a strategic merge patch was not applied; HTTP 400, as upstream's `ErrBadPatch…` family
/// (`k8s.io/apimachinery/pkg/util/mergepatch/errors.go`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StrategicError {
    /// The patch or what it patches is no object.
    #[error("invalid JSON document")]
    NotAnObject,
    /// `$patch` says something else than `replace` or `delete`.
    #[error("unknown patch type: {directive} in map: {map}")]
    UnknownDirective {
        /// What it says.
        directive: String,
        /// Where.
        map: String,
    },
    /// `$retainKeys` is no list of all the keys of its patch.
    #[error("invalid patch format of retainKeys")]
    RetainKeys,
    /// `$setElementOrder/…` is no list.
    #[error("invalid patch format of setElementOrder list")]
    SetElementOrder,
    /// `$deleteFromPrimitiveList/…` is no list.
    #[error("invalid patch format of primitive list")]
    PrimitiveList,
    /// The items of a patch come in another order than `$setElementOrder/…` lists them.
    #[error("the order in patch list:\n{patch}\n doesn't match $setElementOrder list:\n{order}")]
    OrderMismatch {
        /// The patch's items.
        patch: String,
        /// The listed order.
        order: String,
    },
    /// An item of a merged list lacks the key by which it is merged.
    #[error("map: {item} does not contain declared merge key: {key}")]
    NoMergeKey {
        /// The item.
        item: String,
        /// The key.
        key: String,
    },
    /// A list of objects is to be merged, but the schema names no key.
    #[error("cannot merge lists without merge key for field {field}")]
    UndeclaredMergeKey {
        /// The list.
        field: String,
    },
    /// A list holds lists, or scalars beside objects.
    #[error("list element types are not identical: {list}")]
    MixedList {
        /// The list.
        list: String,
    },
}

/// Merges `patch` into `target` by `schema`.
///
/// # Errors
///
/// See [`StrategicError`]; `target` is then as it was.
pub fn strategic(schema: Schema<'_>, target: &mut Value, patch: &Value) -> Result<(), StrategicError> {
    let (Value::Object(object), Value::Object(patch)) = (&*target, patch) else {
        return Err(StrategicError::NotAnObject);
    };
    let mut merged = object.clone();
    merge_map(Some(schema), &mut merged, patch.clone())?;
    *target = Value::Object(merged);
    Ok(())
}

/// Upstream's mergeMap.
fn merge_map(
    schema: Option<Schema<'_>>,
    original: &mut Map<String, Value>,
    mut patch: Map<String, Value>,
) -> Result<(), StrategicError> {
    if let Some(directive) = patch.shift_remove(PATCH) {
        return directives::whole_map(&directive, original, patch);
    }
    directives::retain_keys(original, &mut patch)?;
    merge_ordered_lists(schema, original, &mut patch)?;
    for (key, value) in patch {
        if let Some(list) = key.strip_prefix(DELETE_FROM_PRIMITIVE_LIST) {
            directives::delete_from_primitive_list(original, list, value)?;
        } else {
            merge_field(schema, original, key, value)?;
        }
    }
    Ok(())
}

fn merge_field(
    schema: Option<Schema<'_>>,
    original: &mut Map<String, Value>,
    key: String,
    patch: Value,
) -> Result<(), StrategicError> {
    if patch.is_null() {
        original.shift_remove(&key);
        return Ok(());
    }
    let field = schema.and_then(|schema| schema.field(&key));
    match (original.get_mut(&key), patch) {
        (Some(Value::Object(original)), Value::Object(patch)) => {
            if field.is_some_and(|field| field.patch_strategy().replace) {
                *original = patch;
                return Ok(());
            }
            merge_map(field, original, patch)
        }
        (Some(Value::Array(original)), Value::Array(patch)) => {
            let merged = lists::merge_list(field, &key, std::mem::take(original), patch)?;
            *original = merged;
            Ok(())
        }
        (_, patch) => {
            match directives::plain_value(patch) {
                Some(value) => original.insert(key, value),
                None => original.shift_remove(&key),
            };
            Ok(())
        }
    }
}

/// Lists whose order the patch gives (`$setElementOrder/<list>`), with their patches; both are
/// taken out of the patch. Upstream's mergePatchIntoOriginal.
fn merge_ordered_lists(
    schema: Option<Schema<'_>>,
    original: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
) -> Result<(), StrategicError> {
    let directives: Vec<String> =
        patch.keys().filter(|key| key.starts_with(SET_ELEMENT_ORDER)).cloned().collect();
    for directive in directives {
        let key = &directive[SET_ELEMENT_ORDER.len()..];
        let Some(Value::Array(order)) = patch.shift_remove(&directive) else {
            return Err(StrategicError::SetElementOrder);
        };
        let live = as_list(original.get(key))?;
        let changes = as_list(patch.get(key))?;
        let field = schema.and_then(|schema| schema.field(key));
        let merge_key = field.and_then(|field| field.merge_key());
        if let Some(changes) = &changes {
            order::check_against(changes, &order, merge_key)?;
        }
        patch.shift_remove(key);
        let merged = match (live.clone(), changes) {
            (None, None) => continue,
            (Some(live), None) => live,
            (None, Some(changes)) => match directives::plain_value(Value::Array(changes)) {
                Some(Value::Array(items)) => items,
                Some(_) | None => continue,
            },
            (Some(live), Some(changes)) => lists::merge_list(field, key, live, changes)?,
        };
        let ordered = order::arrange(merged, &order, &live.unwrap_or_default(), merge_key)?;
        original.insert(key.to_owned(), Value::Array(ordered));
    }
    Ok(())
}

fn as_list(value: Option<&Value>) -> Result<Option<Vec<Value>>, StrategicError> {
    match value {
        None => Ok(None),
        Some(Value::Array(items)) => Ok(Some(items.clone())),
        Some(_) => Err(StrategicError::SetElementOrder),
    }
}

/// Where the item with this value under `key` is, or the item equal to `value` without a key.
fn position(items: &[Value], key: Option<&str>, value: &Value) -> Option<usize> {
    items.iter().position(|item| match key {
        None => same(item, value),
        Some(key) => item.get(key).is_some_and(|found| same(found, value)),
    })
}

/// What an item is known by: its value under `key`, or itself without a key.
fn identity<'a>(item: &'a Value, key: Option<&str>) -> Result<&'a Value, StrategicError> {
    let Some(key) = key else { return Ok(item) };
    item.get(key).ok_or_else(|| StrategicError::NoMergeKey { item: item.to_string(), key: key.to_owned() })
}

#[cfg(test)]
mod tests;
