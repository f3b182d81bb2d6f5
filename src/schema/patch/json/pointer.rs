//! The place that a JSON pointer (RFC 6901) names: a container and the key in it.

use serde_json::{Map, Value};

/// A container of the document and the last step of a pointer into it.
pub(super) struct Target<'a> {
    container: Container<'a>,
    key: String,
}

enum Container<'a> {
    Object(&'a mut Map<String, Value>),
    Array(&'a mut Vec<Value>),
}

// === impl Target ===

impl<'a> Target<'a> {
    /// Follows `path` to the container of its last step; none where a step leads nowhere, or
    /// where the path names the document itself.
    pub(super) fn find(document: &'a mut Value, path: &str) -> Option<Target<'a>> {
        let (parents, key) = path.rsplit_once('/')?;
        let mut at = document;
        // What precedes the first slash is ignored, as upstream does.
        for step in parents.split('/').skip(1) {
            at = match at {
                Value::Object(object) => object.get_mut(&unescape(step))?,
                Value::Array(items) => {
                    let index = step.parse::<usize>().ok()?;
                    items.get_mut(index)?
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
            };
        }
        let container = match at {
            Value::Object(object) => Container::Object(object),
            Value::Array(items) => Container::Array(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
        };
        Some(Target { container, key: unescape(key) })
    }

    /// The value; none for a field that is not there.
    pub(super) fn get(&self) -> Result<Option<&Value>, String> {
        match &self.container {
            Container::Object(object) => Ok(object.get(&self.key)),
            Container::Array(items) => {
                let index = existing(&self.key, items.len())?;
                Ok(items.get(index))
            }
        }
    }

    /// Sets a field or inserts an item.
    pub(super) fn add(self, value: Value) -> Result<(), String> {
        match self.container {
            Container::Object(object) => {
                object.insert(self.key, value);
            }
            Container::Array(items) if self.key == "-" => items.push(value),
            Container::Array(items) => {
                let index = existing(&self.key, items.len() + 1)?;
                items.insert(index, value);
            }
        }
        Ok(())
    }

    /// Sets a field or replaces an item.
    pub(super) fn set(self, value: Value) -> Result<(), String> {
        match self.container {
            Container::Object(object) => {
                object.insert(self.key, value);
            }
            Container::Array(items) => {
                let index = existing(&self.key, items.len())?;
                items[index] = value;
            }
        }
        Ok(())
    }

    /// Takes a field or an item out.
    pub(super) fn remove(self) -> Result<Value, String> {
        match self.container {
            Container::Object(object) => object
                .shift_remove(&self.key)
                .ok_or_else(|| format!("Unable to remove nonexistent key: {}: missing value", self.key)),
            Container::Array(items) => {
                let index = existing(&self.key, items.len())?;
                Ok(items.remove(index))
            }
        }
    }
}

/// The index that `key` means among `n_places`; negative ones count from the end.
fn existing(key: &str, n_places: usize) -> Result<usize, String> {
    let Ok(number) = key.parse::<i64>() else {
        return Err(format!("value was not a proper array index: '{key}'"));
    };
    let index = if number < 0 { number.checked_add_unsigned(n_places as u64) } else { Some(number) };
    index
        .and_then(|index| usize::try_from(index).ok())
        .filter(|&index| index < n_places)
        .ok_or_else(|| format!("Unable to access invalid index: {number}: invalid index referenced"))
}

fn unescape(step: &str) -> String {
    // In this order: "~01" is "~1", not "/".
    step.replace("~1", "/").replace("~0", "~")
}
