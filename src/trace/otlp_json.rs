//! Traces and log lines in OTLP's JSON, as its files and its API have them
//! (<https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>): ids in hexadecimal, 64-bit
//! numbers as texts, enumerations as numbers.
//!
//! Types of our own and no others, so that whoever reads traces can write them. Making protobuf of
//! them is left to `intake`.

mod lines;
mod spans;

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

use crate::attributes::{AttributeValue, Attributes};
use crate::span::{Resource as OurResource, Scope as OurScope};

pub use lines::{LogsData, logs_data};
pub use spans::{TracesData, spans_data, traces_data};

#[derive(Clone, Debug, Serialize)]
struct Resource {
    attributes: Vec<KeyValue>,
}

#[derive(Clone, Debug, Serialize)]
struct Scope {
    name: String,
    version: String,
}

#[derive(Clone, Debug, Serialize)]
struct KeyValue {
    key: String,
    value: Value,
}

#[derive(Clone, Debug, Serialize)]
enum Value {
    #[serde(rename = "stringValue")]
    Text(String),
    #[serde(rename = "boolValue")]
    Bool(bool),
    #[serde(rename = "intValue", serialize_with = "as_text")]
    Int(i64),
    #[serde(rename = "doubleValue")]
    Double(f64),
    #[serde(rename = "arrayValue")]
    List { values: Vec<Value> },
    #[serde(rename = "kvlistValue")]
    Map { values: Vec<KeyValue> },
}

fn as_text<T: ToString, S: Serializer>(number: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&number.to_string())
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn attributes(ours: &Attributes) -> Vec<KeyValue> {
    ours.iter().map(|(key, value)| KeyValue { key: key.to_string(), value: Value::from(value) }).collect()
}

// === impl Value ===

impl From<&AttributeValue> for Value {
    fn from(ours: &AttributeValue) -> Self {
        match ours {
            AttributeValue::Bool(value) => Self::Bool(*value),
            AttributeValue::Int(value) => Self::Int(*value),
            AttributeValue::Double(value) => Self::Double(value.get()),
            AttributeValue::Text(text) => Self::Text(text.to_string()),
            AttributeValue::List(values) => Self::List { values: values.iter().map(Self::from).collect() },
            AttributeValue::Map(values) => Self::Map { values: attributes(values) },
        }
    }
}

// === impl Resource ===

impl From<&OurResource> for Resource {
    fn from(ours: &OurResource) -> Self {
        let name = Value::Text(ours.service.to_string());
        let mut all = vec![KeyValue { key: "service.name".to_owned(), value: name }];
        all.extend(attributes(&ours.resource));
        Self { attributes: all }
    }
}

// === impl Scope ===

impl From<&OurScope> for Scope {
    fn from(ours: &OurScope) -> Self {
        let version = ours.version.as_deref().unwrap_or_default().to_owned();
        Self { name: ours.name.to_string(), version }
    }
}
