//! From a message's bytes to its value, by the table.

use serde_json::{Map, Number, Value};

use super::table::{Field, Many, Message, MessageRow, Messages, Shape, Type};
use super::wire::{self, Broken, Key, Reader};
use super::{Fault, ProtobufError, well_known};
use crate::decode::{self, DEPTH_MAX};

// === impl Message ===

impl Message<'_> {
    /// Decodes one message of this type.
    ///
    /// Fields that the table does not know are left out: a newer client may know more, and an API
    /// server leaves them out too. A field that comes twice counts as protobuf says: messages are
    /// merged, of anything else the last one stands.
    ///
    /// # Errors
    ///
    /// The bytes are not protobuf, do not have the types of the table, or nest too deep.
    pub fn decode(&self, bytes: &[u8]) -> Result<Map<String, Value>, ProtobufError> {
        let mut object = Map::new();
        self.messages.read_object(self.row, Reader::new(bytes), DEPTH_MAX, &mut object)?;
        // JSON within the message nests on its own.
        let value = Value::Object(object);
        if decode::is_too_deep(&value) {
            return Err(placed(self.row, None, Reader::new(bytes).broken(Fault::TooDeep)));
        }
        let Value::Object(object) = value else { unreachable!("it was made one above") };
        Ok(object)
    }
}

// === impl Messages ===

impl Messages {
    /// Reads a message's fields into an object; `left` is how deep it may still nest.
    fn read_object(
        &self,
        row: &MessageRow,
        mut reader: Reader<'_>,
        left: usize,
        into: &mut Map<String, Value>,
    ) -> Result<(), ProtobufError> {
        while !reader.is_done() {
            let key = reader.key().map_err(|broken| placed(row, None, broken))?;
            let Some(field) = row.field(key.number) else {
                reader.skip(key.wire).map_err(|broken| placed(row, Some(key.number), broken))?;
                continue;
            };
            self.read_field(field, key, &mut reader, left, into).map_err(|error| match error {
                Error::Here(broken) => placed(row, Some(key.number), broken),
                Error::Within(error) => error,
            })?;
        }
        Ok(())
    }

    fn read_field(
        &self,
        field: &Field,
        key: Key,
        reader: &mut Reader<'_>,
        left: usize,
        into: &mut Map<String, Value>,
    ) -> Result<(), Error> {
        let Some(name) = field.name else {
            let Type::Message(index) = field.type_ else { unreachable!("the table holds messages only") };
            let left = left.checked_sub(1).ok_or_else(|| reader.broken(Fault::TooDeep))?;
            reader.expect(key.wire, wire::BLOCK)?;
            return Ok(self.read_object(&self.all[index], reader.block()?, left, into)?);
        };
        match field.many {
            Many::One => {
                let before = match field.type_ {
                    Type::Message(_) => into.shift_remove(name),
                    _ => None,
                };
                match self.read_value(field.type_, key.wire, reader, left, before)? {
                    Some(value) if field.keeps_empty || !is_empty(&value) => {
                        into.insert(name.to_owned(), value);
                    }
                    _ => drop(into.shift_remove(name)),
                }
            }
            Many::List => {
                let list = into.entry(name).or_insert_with(|| Value::Array(Vec::new()));
                let Value::Array(list) = list else { unreachable!("a list's name is its own") };
                if is_packed(field.type_, key.wire) {
                    let mut block = reader.block()?;
                    while !block.is_done() {
                        list.extend(self.read_value(field.type_, wire::VARINT, &mut block, left, None)?);
                    }
                } else {
                    let item = self.read_value(field.type_, key.wire, reader, left, None)?;
                    list.push(item.unwrap_or(Value::Null));
                }
            }
            Many::Map => {
                reader.expect(key.wire, wire::BLOCK)?;
                let (key, value) = self.read_entry(field.type_, reader.block()?, left)?;
                let map = into.entry(name).or_insert_with(|| Value::Object(Map::new()));
                let Value::Object(map) = map else { unreachable!("a map's name is its own") };
                map.insert(key, value);
            }
        }
        Ok(())
    }

    /// An entry of a map: its key is field 1, its value field 2.
    fn read_entry(&self, type_: Type, mut reader: Reader<'_>, left: usize) -> Result<(String, Value), Error> {
        let (mut key, mut value) = (String::new(), None);
        let mut is_there = false;
        while !reader.is_done() {
            let Key { number, wire } = reader.key()?;
            match number {
                1 => key = text(wire, &mut reader)?,
                2 => {
                    is_there = true;
                    value = self.read_value(type_, wire, &mut reader, left, value)?;
                }
                _ => reader.skip(wire)?,
            }
        }
        // What is not written has the value that is empty for its type.
        if !is_there && matches!(type_, Type::String | Type::Bytes) {
            value = Some(Value::String(String::new()));
        }
        Ok((key, value.unwrap_or(Value::Null)))
    }

    /// A value of a type, or none where it says nothing; a message is merged into `before`.
    fn read_value(
        &self,
        type_: Type,
        wire: u8,
        reader: &mut Reader<'_>,
        left: usize,
        before: Option<Value>,
    ) -> Result<Option<Value>, Error> {
        let value = match type_ {
            Type::Bool => Value::Bool(number(wire, reader)? != 0),
            // Negative ones are written with 64 bits; of more than 32 the lower ones count.
            Type::Int32 => Value::from(number(wire, reader)? as i32),
            Type::Int64 => Value::from(number(wire, reader)? as i64),
            Type::Double => {
                reader.expect(wire, wire::FIXED64)?;
                let double = f64::from_le_bytes(reader.fixed64()?);
                json_number(double).ok_or_else(|| reader.broken(Fault::NotFinite))?
            }
            Type::String => Value::String(text(wire, reader)?),
            Type::Bytes => {
                reader.expect(wire, wire::BLOCK)?;
                Value::String(well_known::base64(reader.block()?.bytes()))
            }
            Type::Json => {
                reader.expect(wire, wire::BLOCK)?;
                return Ok(json(reader.block()?)?);
            }
            Type::Message(index) => {
                reader.expect(wire, wire::BLOCK)?;
                let left = left.checked_sub(1).ok_or_else(|| reader.broken(Fault::TooDeep))?;
                return self.read_message(&self.all[index], reader.block()?, left, before);
            }
        };
        Ok(Some(value))
    }

    fn read_message(
        &self,
        row: &MessageRow,
        reader: Reader<'_>,
        left: usize,
        before: Option<Value>,
    ) -> Result<Option<Value>, Error> {
        match row.shape {
            Shape::Object => {
                let mut object = match before {
                    Some(Value::Object(object)) => object,
                    _ => Map::new(),
                };
                self.read_object(row, reader, left, &mut object)?;
                Ok(Some(Value::Object(object)))
            }
            Shape::Either => {
                let mut fields = Map::new();
                self.read_object(row, reader, left, &mut fields)?;
                let names = row.fields.iter().rev().filter_map(|field| field.name);
                Ok(names.filter_map(|name| fields.shift_remove(name)).next())
            }
            Shape::Time => Ok(well_known::time(reader)?),
            Shape::MicroTime => Ok(well_known::micro_time(reader)?),
            Shape::IntOrString => Ok(Some(well_known::int_or_string(reader)?)),
        }
    }
}

/// A fault of the field at hand, or one further inside that has its place already.
enum Error {
    Here(Broken),
    Within(ProtobufError),
}

impl From<Broken> for Error {
    fn from(broken: Broken) -> Self {
        Error::Here(broken)
    }
}

impl From<ProtobufError> for Error {
    fn from(error: ProtobufError) -> Self {
        Error::Within(error)
    }
}

fn placed(row: &MessageRow, number: Option<u32>, broken: Broken) -> ProtobufError {
    let field = match (number, number.and_then(|number| row.field(number)).and_then(|field| field.name)) {
        (None, _) => "between its fields".to_owned(),
        (Some(number), None) => format!("field {number}"),
        (Some(number), Some(name)) => format!("field {number} ({name})"),
    };
    ProtobufError { message: row.name.clone(), field, offset: broken.offset, fault: broken.fault }
}

pub(super) fn number(wire: u8, reader: &mut Reader<'_>) -> Result<u64, Broken> {
    reader.expect(wire, wire::VARINT)?;
    reader.varint()
}

/// Go keeps bytes that are no UTF-8; JSON could not give them back, so that they are refused.
pub(super) fn text(wire: u8, reader: &mut Reader<'_>) -> Result<String, Broken> {
    reader.expect(wire, wire::BLOCK)?;
    let block = reader.block()?;
    let text = std::str::from_utf8(block.bytes()).map_err(|_| block.broken(Fault::Utf8))?;
    Ok(text.to_owned())
}

/// JSON within protobuf; none where there is nothing or `null`.
fn json(block: Reader<'_>) -> Result<Option<Value>, Broken> {
    if block.is_done() {
        return Ok(None);
    }
    let decoded = decode::json(block.bytes()).map_err(|error| block.broken(Fault::Json(error.message)))?;
    Ok(Some(decoded.value).filter(|value| !value.is_null()))
}

/// As Go writes it: `3` and not `3.0`.
fn json_number(double: f64) -> Option<Value> {
    /// Up to here each whole number is a double: 2⁵³.
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    if double.fract() == 0.0 && double.abs() <= WHOLE_MAX {
        return Some(Value::from(double as i64));
    }
    Number::from_f64(double).map(Value::Number)
}

/// Whether numbers of a list stand in one block, as protobuf 3 writes them.
fn is_packed(type_: Type, wire: u8) -> bool {
    matches!(type_, Type::Bool | Type::Int32 | Type::Int64) && wire == wire::BLOCK
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(is_set) => !is_set,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => object.is_empty(),
    }
}
