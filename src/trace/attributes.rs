//! What spans and log lines say about themselves: names and values, in the order in which they came.
//!
//! In JSON an attribute is a member of an object and its value is what JSON has for it, so that
//! whoever reads a trace needs no types of OpenTelemetry.

use std::fmt;
use std::sync::Arc;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Named values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(Vec<(Arc<str>, AttributeValue)>);

/// A value. Bytes, and numbers that JSON does not have, are kept as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AttributeValue {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Another number.
    Double(Finite),
    /// A text.
    Text(Arc<str>),
    /// Values in an order.
    List(Vec<AttributeValue>),
    /// Named values.
    Map(Attributes),
}

/// A number that is neither infinite nor `NaN`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Finite(f64);

// === impl Attributes ===

impl Attributes {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a name; of several the first.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&AttributeValue> {
        self.0.iter().find(|(found, _)| &**found == name).map(|(_, value)| value)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &AttributeValue)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// Adds one.
    pub fn push(&mut self, name: impl Into<Arc<str>>, value: impl Into<AttributeValue>) {
        self.0.push((name.into(), value.into()));
    }

    /// What their texts take, in bytes, and their places.
    pub(crate) fn n_bytes(&self) -> usize {
        self.0
            .iter()
            .map(|(name, value)| size_of::<(Arc<str>, AttributeValue)>() + name.len() + value.n_bytes())
            .sum()
    }

    pub(crate) fn pop(&mut self) -> Option<(Arc<str>, AttributeValue)> {
        self.0.pop()
    }

    pub(crate) fn retain(&mut self, mut keeps: impl FnMut(&Arc<str>, &mut AttributeValue) -> bool) {
        self.0.retain_mut(|(name, value)| keeps(name, value));
    }
}

impl<N: Into<Arc<str>>, V: Into<AttributeValue>> FromIterator<(N, V)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Attributes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of attributes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Attributes, A::Error> {
                let mut pairs = Vec::new();
                while let Some((name, value)) = map.next_entry::<Arc<str>, AttributeValue>()? {
                    pairs.push((name, value));
                }
                Ok(Attributes(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

// === impl AttributeValue ===

impl AttributeValue {
    /// Its text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Bool(_) | Self::Int(_) | Self::Double(_) | Self::List(_) | Self::Map(_) => None,
        }
    }

    pub(crate) fn n_bytes(&self) -> usize {
        match self {
            Self::Bool(_) | Self::Int(_) | Self::Double(_) => 0,
            Self::Text(text) => text.len(),
            Self::List(values) => values.iter().map(|value| size_of::<Self>() + value.n_bytes()).sum(),
            Self::Map(values) => values.n_bytes(),
        }
    }
}

/// As people write it: a text without quotes, a list as `[a, b]`, a map as `{name: value}`.
impl fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Double(value) => value.0.fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::List(values) => {
                f.write_str("[")?;
                for (idx, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if idx == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Self::Map(values) => {
                f.write_str("{")?;
                for (idx, (name, value)) in values.iter().enumerate() {
                    write!(f, "{}{name}: {value}", if idx == 0 { "" } else { ", " })?;
                }
                f.write_str("}")
            }
        }
    }
}

impl From<&str> for AttributeValue {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for AttributeValue {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Arc<str>> for AttributeValue {
    fn from(text: Arc<str>) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for AttributeValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for AttributeValue {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

/// What JSON has no number for becomes the word that protobuf's JSON has for it
/// (<https://protobuf.dev/programming-guides/json/>).
impl From<f64> for AttributeValue {
    fn from(value: f64) -> Self {
        match Finite::new(value) {
            Some(value) => Self::Double(value),
            None if value.is_nan() => "NaN".into(),
            None if value > 0.0 => "Infinity".into(),
            None => "-Infinity".into(),
        }
    }
}

// === impl Finite ===

impl Finite {
    /// The number, if it is finite.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        value.is_finite().then_some(Self(value))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

// Equality of finite numbers is an equivalence: only `NaN` breaks it.
impl Eq for Finite {}
