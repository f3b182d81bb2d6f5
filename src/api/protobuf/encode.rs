//! Values to protobuf as Kubernetes' encoder writes them, for tests only: every field that is no
//! pointer, even where there is nothing to say. Reads the table on its own, so that a fault of
//! the decoder's reading shows.

use std::collections::HashMap;

use serde_json::Value;

/// Lines of the table by message.
pub(crate) struct Encoder {
    messages: HashMap<String, Vec<[String; 3]>>,
    shapes: HashMap<String, String>,
}

// === impl Encoder ===

impl Encoder {
    pub(crate) fn new(table: &str) -> Self {
        let mut encoder = Encoder { messages: HashMap::new(), shapes: HashMap::new() };
        let (mut package, mut message) = ("", String::new());
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["@", name] => package = name,
                ["", number, name, type_] => {
                    // Types of other packages hold a dot; of this one they get one here.
                    let bare = type_.trim_start_matches(['[', ']', '{', '}', '*']);
                    let is_own = bare.starts_with(|first: char| first.is_uppercase()) && !bare.contains('.');
                    let type_ = if is_own {
                        type_.replace(bare, &format!("{package}.{bare}"))
                    } else {
                        type_.to_owned()
                    };
                    let field = [number.to_owned(), name.to_owned(), type_];
                    encoder.messages.get_mut(&message).expect("a message comes first").push(field);
                }
                [name, ref shape @ ..] => {
                    message = format!("{package}.{name}");
                    encoder.messages.insert(message.clone(), Vec::new());
                    encoder
                        .shapes
                        .insert(message.clone(), shape.first().copied().unwrap_or_default().to_owned());
                }
                [] => {}
            }
        }
        encoder
    }

    /// A whole body.
    pub(crate) fn body(&self, object: &Value) -> Vec<u8> {
        let text = |name: &str| object[name].as_str().expect("objects say what they are").to_owned();
        let (version, kind) = (text("apiVersion"), text("kind"));
        let type_meta = [block(1, version.as_bytes()), block(2, kind.as_bytes())].concat();
        let raw = self.message(&format!("{version}.{kind}"), object);
        let ends = [block(3, b""), block(4, b"")].concat();
        [b"k8s\0".to_vec(), block(1, &type_meta), block(2, &raw), ends].concat()
    }

    fn message(&self, name: &str, value: &Value) -> Vec<u8> {
        match self.shapes[name].as_str() {
            "time" | "microTime" => return time(value.as_str().unwrap_or_default()),
            "intOrString" => {
                return match value {
                    Value::String(text) => [vec![8, 1, 16, 0], block(3, text.as_bytes())].concat(),
                    number => {
                        [vec![8, 0], varint_field(2, number.as_i64().unwrap_or(0)), block(3, b"")].concat()
                    }
                };
            }
            "either" => return self.either(name, value),
            _ => {}
        }
        let mut bytes = Vec::new();
        for [number, field, type_] in &self.messages[name] {
            let number = number.parse().unwrap();
            if field == "." {
                bytes.extend(block(number, &self.message(type_, value)));
            } else {
                bytes.extend(self.field(number, type_, value.get(field)));
            }
        }
        bytes
    }

    fn field(&self, number: u32, type_: &str, value: Option<&Value>) -> Vec<u8> {
        if let Some(type_) = type_.strip_prefix("[]") {
            let type_ = type_.trim_start_matches('*');
            let items = value.and_then(Value::as_array).into_iter().flatten();
            return items.flat_map(|item| self.one(number, type_, item)).collect();
        }
        if let Some(type_) = type_.strip_prefix("{}") {
            let type_ = type_.trim_start_matches('*');
            let entries = value.and_then(Value::as_object).into_iter().flatten();
            return entries
                .flat_map(|(key, value)| {
                    block(number, &[block(1, key.as_bytes()), self.one(2, type_, value)].concat())
                })
                .collect();
        }
        match (value, type_.strip_prefix('*')) {
            (Some(value), bare) => self.one(number, bare.unwrap_or(type_), value),
            (None, Some(_)) => Vec::new(),
            // Bytes are a slice in Go, which may be nil.
            (None, None) if type_ == "bytes" => Vec::new(),
            (None, None) => self.one(number, type_, &Value::Null),
        }
    }

    fn one(&self, number: u32, type_: &str, value: &Value) -> Vec<u8> {
        match type_ {
            "bool" => varint_field(number, value.as_bool().unwrap_or(false).into()),
            "int32" | "int64" => varint_field(number, value.as_i64().unwrap_or(0)),
            "double" => [varint(number << 3 | 1), value.as_f64().unwrap().to_le_bytes().to_vec()].concat(),
            "string" => block(number, value.as_str().unwrap_or_default().as_bytes()),
            "bytes" => block(number, &from_base64(value.as_str().unwrap_or_default())),
            "json" => block(number, value.to_string().as_bytes()),
            message => block(number, &self.message(message, value)),
        }
    }

    fn either(&self, name: &str, value: &Value) -> Vec<u8> {
        let fits = |type_: &str| match value {
            Value::Null => false,
            Value::Array(_) => type_.starts_with("[]") || type_.ends_with("json"),
            Value::Bool(_) => type_.ends_with("bool") || type_.ends_with("json"),
            Value::String(_) => type_.ends_with("string") || type_.ends_with("json"),
            Value::Number(_) => type_.ends_with("json"),
            Value::Object(_) => type_.ends_with("Props") || type_.ends_with("json"),
        };
        let mut fields = self.messages[name].iter().filter(|[_, _, type_]| fits(type_));
        let field = fields.next();
        field
            .map(|[number, _, type_]| self.field(number.parse().unwrap(), type_, Some(value)))
            .unwrap_or_default()
    }
}

fn varint(number: impl Into<u64>) -> Vec<u8> {
    let (mut number, mut bytes) = (number.into(), Vec::new());
    while number >= 0x80 {
        bytes.push(0x80 | (number & 0x7f) as u8);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn varint_field(number: u32, value: i64) -> Vec<u8> {
    [varint(number << 3), varint(value as u64)].concat()
}

fn block(number: u32, bytes: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

fn time(text: &str) -> Vec<u8> {
    let Ok(time) = text.parse::<jiff::Timestamp>() else { return Vec::new() };
    [varint_field(1, time.as_second()), varint_field(2, time.subsec_nanosecond().into())].concat()
}

fn from_base64(text: &str) -> Vec<u8> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut n_bits, mut bytes) = (0_u32, 0, Vec::new());
    for index in text.chars().filter_map(|letter| ALPHABET.find(letter)) {
        bits = bits << 6 | index as u32;
        n_bits += 6;
        if n_bits >= 8 {
            n_bits -= 8;
            bytes.push((bits >> n_bits) as u8);
        }
    }
    bytes
}
