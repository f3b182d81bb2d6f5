//! Values, ids and times of OTLP as ours.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource as WireResource;
use spur_route::{SpanId, TraceId};
use spur_trace::{AttributeValue, Attributes, Resource, Scope};

use crate::serve::Shared;

/// Bytes of the name and the version of a library.
const MAX_SCOPE_BYTES: usize = 256;

// === impl Shared ===

impl Shared {
    /// Who sends.
    pub(crate) fn resource_of(&self, resource: Option<WireResource>) -> Arc<Resource> {
        self.resource(attributes(resource.map(|resource| resource.attributes).unwrap_or_default()))
    }
}

pub(crate) fn scope(scope: Option<InstrumentationScope>) -> Arc<Scope> {
    let scope = scope.unwrap_or_default();
    let cut = |text: &str| Arc::<str>::from(&text[..text.floor_char_boundary(MAX_SCOPE_BYTES)]);
    let version = Some(scope.version).filter(|version| !version.is_empty()).map(|version| cut(&version));
    Arc::new(Scope { name: cut(&scope.name), version })
}

pub(crate) fn attributes(pairs: Vec<KeyValue>) -> Attributes {
    pairs.into_iter().map(|pair| (pair.key, value(pair.value))).collect()
}

/// An absent value is an empty text. Bytes are as JSON of protobuf has them.
pub(crate) fn value(value: Option<AnyValue>) -> AttributeValue {
    match value.and_then(|value| value.value) {
        None => "".into(),
        Some(Value::StringValue(text)) => text.into(),
        Some(Value::BoolValue(value)) => value.into(),
        Some(Value::IntValue(value)) => value.into(),
        Some(Value::DoubleValue(value)) => value.into(),
        Some(Value::ArrayValue(values)) => {
            AttributeValue::List(values.values.into_iter().map(|it| self::value(Some(it))).collect())
        }
        Some(Value::KvlistValue(pairs)) => AttributeValue::Map(attributes(pairs.values)),
        Some(Value::BytesValue(bytes)) => BASE64_STANDARD.encode(bytes).into(),
        // A place in a table that only profiles have.
        Some(Value::StringValueStrindex(_)) => "".into(),
    }
}

pub(crate) fn trace_id(bytes: &[u8]) -> Option<TraceId> {
    TraceId::new(u128::from_be_bytes(bytes.try_into().ok()?))
}

pub(crate) fn span_id(bytes: &[u8]) -> Option<SpanId> {
    SpanId::new(u64::from_be_bytes(bytes.try_into().ok()?))
}

/// Nanoseconds since 1970; a `u64` of them ends in 2554.
pub(crate) fn time(nanos: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanos)
}
