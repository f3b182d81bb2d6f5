//! Takes out of a JSON object what Go's encoder would leave out of it: the empty values of fields
//! that are no pointers and not required.
//!
//! Kubernetes decodes each body into a Go struct and stores what `encoding/json` writes of that, so
//! that `tty: false` and `env: []` are the same as nothing, wherever they come from. The table of
//! messages tells which fields these are (its star); a message itself is written even when it is
//! empty, be it a pointer or a struct.

use serde_json::{Map, Value};

use super::table::{Field, Many, Message, MessageRow, Messages, Shape, Type};

// === impl Message ===

impl Message<'_> {
    /// Takes out the empty values that mean the same as none.
    ///
    /// What the table does not know stays.
    pub fn omit_empty(&self, object: &mut Map<String, Value>) {
        self.messages.omit_in(self.row, object);
    }
}

// === impl Messages ===

impl Messages {
    fn omit_in(&self, row: &MessageRow, object: &mut Map<String, Value>) {
        for field in &row.fields {
            match (field.name, field.type_) {
                (None, Type::Message(index)) => self.omit_in(&self.all[index], object),
                (None, _) => {}
                (Some(name), _) => {
                    let Some(value) = object.get_mut(name) else { continue };
                    self.omit_within(field, value);
                    if says_nothing(field, value) {
                        object.shift_remove(name);
                    }
                }
            }
        }
    }

    /// Goes into the messages that a field holds.
    fn omit_within(&self, field: &Field, value: &mut Value) {
        let Type::Message(index) = field.type_ else { return };
        let row = &self.all[index];
        if row.shape != Shape::Object {
            return;
        }
        let omit =
            |value: &mut Value| value.as_object_mut().into_iter().for_each(|map| self.omit_in(row, map));
        match (field.many, value) {
            (Many::One, value) => omit(value),
            (Many::List, Value::Array(items)) => items.iter_mut().for_each(omit),
            (Many::Map, Value::Object(map)) => map.values_mut().for_each(omit),
            _ => {}
        }
    }
}

fn says_nothing(field: &Field, value: &Value) -> bool {
    if field.keeps_empty {
        return false;
    }
    match (field.many, field.type_, value) {
        (Many::List, _, Value::Array(items)) => items.is_empty(),
        (Many::Map, _, Value::Object(map)) => map.is_empty(),
        (Many::One, Type::Message(_) | Type::Json, _) => false,
        (Many::One, _, Value::Bool(is_set)) => !is_set,
        (Many::One, _, Value::Number(number)) => number.as_f64() == Some(0.0),
        (Many::One, _, Value::String(text)) => text.is_empty(),
        _ => false,
    }
}
