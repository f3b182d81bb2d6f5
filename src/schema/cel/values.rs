//! JSON by its schema as the evaluator's values, and how large they are.
//!
//! Follows `k8s.io/apiserver/pkg/cel/common/values.go` and `adaptor.go` beside it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kube_cel::cel::objects::{Key, Map, Value as CelValue};
use serde_json::{Map as JsonMap, Number, Value};

use super::amounts::Amount;
use super::names;
use super::shapes::{Merges, Shape};
use crate::{Schema, Type, duration};

/// Fields of `metadata` that rules may look at: the others belong to the server.
const METADATA: [&str; 2] = ["name", "generateName"];

/// A value as rules see it, and how large it is.
#[derive(Clone, Debug)]
pub(super) struct Converted {
    pub(super) value: CelValue,
    pub(super) shape: Shape,
}

/// The value of a whole object: of its metadata only the names.
pub(super) fn convert_object(schema: Schema<'_>, value: &Value) -> Converted {
    match value {
        Value::Object(object) => convert_fields(Some(schema), object, true),
        other => convert(Some(schema), other),
    }
}

/// A value; one without a schema keeps its own types.
pub(super) fn convert(schema: Option<Schema<'_>>, value: &Value) -> Converted {
    let value = match value {
        Value::Null => CelValue::Null,
        Value::Bool(flag) => CelValue::Bool(*flag),
        Value::Number(number) => convert_number(schema, number),
        Value::String(text) => convert_text(schema, text),
        Value::Array(items) => return convert_list(schema.and_then(|schema| schema.items()), items),
        Value::Object(object) => {
            let is_whole = schema.is_some_and(|schema| schema.is_embedded());
            return convert_fields(schema, object, is_whole);
        }
    };
    Converted { shape: shape_of_scalar(&value), value }
}

fn convert_list(of_items: Option<Schema<'_>>, items: &[Value]) -> Converted {
    let mut shapes = Gathered::default();
    let mut values = Vec::with_capacity(items.len());
    for item in items {
        let item = convert(of_items, item);
        shapes.add(item.shape);
        values.push(item.value);
    }
    let shape = Shape::list(Amount::once(items.len()), shapes.into_shape(), 1);
    Converted { value: CelValue::List(Arc::new(values)), shape }
}

fn convert_fields(schema: Option<Schema<'_>>, object: &JsonMap<String, Value>, is_whole: bool) -> Converted {
    let mut map = HashMap::with_capacity(object.len());
    let mut fields = BTreeMap::new();
    let mut others = Gathered::default();
    let mut keys = Amount::default();
    for (name, value) in object {
        let property = schema.and_then(|schema| schema.property(name));
        let converted = match value {
            Value::Object(metadata) if is_whole && name == "metadata" => {
                let names = metadata.iter().filter(|(name, _)| METADATA.contains(&name.as_str()));
                let names = names.map(|(name, value)| (name.clone(), value.clone())).collect();
                convert(None, &Value::Object(names))
            }
            value => convert(property.or_else(|| schema?.additional()), value),
        };
        // Keys of maps are data and stay as they are.
        let is_field = property.is_some() || is_whole;
        let escaped = if is_field { names::escaped(name) } else { name.into() };
        let also = (is_field && names::is_reserved(name)).then_some(name.as_str());
        for name in also.into_iter().chain([&*escaped]) {
            keys = keys.or(Amount::once(name.len()));
            map.insert(Key::String(Arc::new(name.to_owned())), converted.value.clone());
            if is_field {
                fields.insert(name.to_owned(), converted.shape.clone());
            } else {
                others.add(converted.shape.clone());
            }
        }
    }
    let shape = Shape::map(Amount::once(map.len()), keys, fields, others.into_shape(), 1);
    Converted { value: CelValue::Map(Map { map: Arc::new(map) }), shape }
}

/// Shapes of values that stand beside each other.
struct Gathered {
    shape: Shape,
    n: u64,
}

impl Default for Gathered {
    fn default() -> Self {
        Self { shape: Shape::nothing(), n: 0 }
    }
}

// === impl Gathered ===

impl Gathered {
    fn add(&mut self, shape: Shape) {
        self.n += 1;
        let so_far = std::mem::replace(&mut self.shape, Shape::nothing());
        // No more than the value has parts.
        self.shape = Merges::at_most(u32::MAX).merge(so_far, shape, self.n);
    }

    fn into_shape(self) -> Shape {
        self.shape
    }
}

fn shape_of_scalar(value: &CelValue) -> Shape {
    match value {
        CelValue::String(text) => Shape::text(Amount::once(text.len()), 1),
        CelValue::Bytes(bytes) => Shape::bytes(Amount::once(bytes.len()), 1),
        CelValue::Int(number) => Shape::number_up_to(number.unsigned_abs(), 1),
        _ => Shape::scalar(1),
    }
}

fn convert_number(schema: Option<Schema<'_>>, number: &Number) -> CelValue {
    let is_double = schema.is_some_and(|schema| schema.kind() == Some(Type::Number));
    match (number.as_i64(), number.as_u64()) {
        (Some(whole), _) if !is_double => CelValue::Int(whole),
        (None, Some(whole)) if !is_double => CelValue::UInt(whole),
        _ => {
            let double = number.as_f64().unwrap_or(f64::NAN);
            let is_integer = schema.is_some_and(|schema| schema.kind() == Some(Type::Integer));
            // 3.0 is an integer too.
            if is_integer { CelValue::Int(double as i64) } else { CelValue::Float(double) }
        }
    }
}

fn convert_text(schema: Option<Schema<'_>>, text: &str) -> CelValue {
    let plain = || CelValue::String(Arc::new(text.to_owned()));
    let Some(schema) = schema.filter(|schema| schema.kind() == Some(Type::String)) else { return plain() };
    let converted = match schema.format() {
        Some("date-time") => chrono::DateTime::parse_from_rfc3339(text).ok().map(CelValue::Timestamp),
        Some("date") => {
            let midnight = format!("{text}T00:00:00Z");
            chrono::DateTime::parse_from_rfc3339(&midnight).ok().map(CelValue::Timestamp)
        }
        Some("duration") => parse_duration(text).map(CelValue::Duration),
        Some("byte") => decode_base64(text).map(|bytes| CelValue::Bytes(Arc::new(bytes))),
        _ => None,
    };
    converted.unwrap_or_else(plain)
}

/// A duration with a sign or without; the longest one the evaluator has stands for all longer ones.
fn parse_duration(text: &str) -> Option<chrono::Duration> {
    let (is_negative, length) = match text.strip_prefix('-') {
        Some(length) => (true, length),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let nanoseconds = i64::try_from(duration::parse(length)?.as_nanos()).unwrap_or(i64::MAX);
    Some(chrono::Duration::nanoseconds(if is_negative { -nanoseconds } else { nanoseconds }))
}

/// RFC 4648 section 4; `None` for what is none.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut n_bits) = (0_u32, 0);
    for byte in text.bytes().filter(|byte| !matches!(byte, b'=' | b'\n' | b'\r')) {
        let sextet = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(sextet);
        n_bits += 6;
        if n_bits >= 8 {
            n_bits -= 8;
            bytes.push((bits >> n_bits & 0xff) as u8);
        }
    }
    Some(bytes)
}
