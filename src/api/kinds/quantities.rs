//! Amounts of resources: `{"cpu": 1, "memory": "1Gi"}`.

use serde_json::{Value, json};

/// Writes the amounts in the map at `pointer` as text, which a quantity is; a number
/// is one that was written without quotes (`apimachinery/pkg/api/resource`,
/// `Quantity.UnmarshalJSON`).
pub(crate) fn spell_out(object: &mut Value, pointer: &str) {
    let amounts = object.pointer_mut(pointer).and_then(Value::as_object_mut);
    for (_, amount) in amounts.into_iter().flatten() {
        if amount.is_number() {
            *amount = json!(amount.to_string());
        }
    }
}

/// The amount of one resource as it was written, or `""`.
pub(crate) fn amount(object: &Value, pointer: &str, resource: &str) -> String {
    match object.pointer(pointer).and_then(|amounts| amounts.get(resource)) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}
