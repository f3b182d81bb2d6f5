//! What a patch says with keys that start with a dollar sign.

use serde_json::{Map, Value};

use super::StrategicError;
use crate::equal::same;

/// On an object: what to do with it as a whole.
pub(super) const PATCH: &str = "$patch";

/// Which keys of an object stay.
pub(super) const RETAIN_KEYS: &str = "$retainKeys";

/// Before a list's name: the order of its items.
pub(super) const SET_ELEMENT_ORDER: &str = "$setElementOrder/";

/// Before a list's name: scalars to take out of it.
pub(super) const DELETE_FROM_PRIMITIVE_LIST: &str = "$deleteFromPrimitiveList/";

/// `$patch` on an object: its patch replaces it, or it is emptied.
pub(super) fn whole_map(
    directive: &Value,
    original: &mut Map<String, Value>,
    patch: Map<String, Value>,
) -> Result<(), StrategicError> {
    match directive.as_str() {
        Some("replace") => {
            *original = plain_map(patch);
            Ok(())
        }
        Some("delete") => {
            original.clear();
            Ok(())
        }
        _ => Err(StrategicError::UnknownDirective {
            directive: directive.to_string(),
            map: Value::Object(patch).to_string(),
        }),
    }
}

/// `$retainKeys`: removes what it does not list. Everything in the patch must be listed.
pub(super) fn retain_keys(
    original: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
) -> Result<(), StrategicError> {
    let Some(list) = patch.shift_remove(RETAIN_KEYS) else { return Ok(()) };
    let Value::Array(list) = list else { return Err(StrategicError::RetainKeys) };
    let is_listed = |key: &str| list.iter().any(|listed| listed == key);
    let is_exempt = |key: &str, value: &Value| {
        value.is_null() || key.starts_with(DELETE_FROM_PRIMITIVE_LIST) || key.starts_with(SET_ELEMENT_ORDER)
    };
    if patch.iter().any(|(key, value)| !is_exempt(key, value) && !is_listed(key)) {
        return Err(StrategicError::RetainKeys);
    }
    original.retain(|key, _| is_listed(key));
    Ok(())
}

/// `$deleteFromPrimitiveList/<list>`: takes scalars out of a list, where there is one.
pub(super) fn delete_from_primitive_list(
    original: &mut Map<String, Value>,
    list: &str,
    values: Value,
) -> Result<(), StrategicError> {
    let values = match values {
        Value::Array(values) => values,
        // A null deletes the list itself, as any null does.
        Value::Null => {
            original.shift_remove(list);
            return Ok(());
        }
        _ => return Err(StrategicError::PrimitiveList),
    };
    if let Some(Value::Array(items)) = original.get_mut(list) {
        items.retain(|item| !values.iter().any(|value| same(value, item)));
    }
    Ok(())
}

/// What a patch comes to where there is nothing to merge it with: no directives, no null fields.
/// None for an object that only gives a directive. Upstream's removeDirectives and
/// discardNullValuesFromPatch.
pub(super) fn plain_value(patch: Value) -> Option<Value> {
    match patch {
        Value::Object(object) if object.contains_key(PATCH) => None,
        Value::Object(object) => Some(Value::Object(plain_map(object))),
        Value::Array(items) => Some(Value::Array(items.into_iter().filter_map(plain_value).collect())),
        scalar => Some(scalar),
    }
}

fn plain_map(patch: Map<String, Value>) -> Map<String, Value> {
    let is_directive = |key: &str| {
        key == RETAIN_KEYS
            || key.starts_with(SET_ELEMENT_ORDER)
            || key.starts_with(DELETE_FROM_PRIMITIVE_LIST)
    };
    let fields = patch.into_iter().filter(|(key, value)| !value.is_null() && !is_directive(key));
    fields.filter_map(|(key, value)| Some((key, plain_value(value)?))).collect()
}
