//! Random values for property tests.

use proptest::prelude::*;
use serde_json::{Map, Number, Value};

/// How often, and without a file for failures: they would be written beside the crates, where
/// every folder is taken for one.
pub(crate) fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

/// Any JSON value, three levels deep at most.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    of(any_key(), scalar())
}

/// Any JSON object.
pub(crate) fn object() -> impl Strategy<Value = Value> {
    prop::collection::vec((any_key(), value()), 0..5)
        .prop_map(|fields| Value::Object(fields.into_iter().collect()))
}

/// Values built from few keys and few scalars, so that two of them have much in common.
pub(crate) fn similar() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec!["a", "b", "c", "name"]).prop_map(str::to_owned);
    of(key, prop_oneof![Just(Value::Null), (0..3i64).prop_map(Value::from), "[ab]{1}".prop_map(Value::from)])
}

fn of(
    key: impl Strategy<Value = String> + Clone + 'static,
    leaf: impl Strategy<Value = Value> + 'static,
) -> impl Strategy<Value = Value> {
    leaf.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((key.clone(), inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn any_key() -> impl Strategy<Value = String> + Clone {
    prop_oneof!["[a-c]{1}", "[a-z/~$.]{0,6}", ".{0,4}"]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        // Eighths survive being written and read.
        (-8_000i32..8_000).prop_map(|n| Value::from(Number::from_f64(f64::from(n) / 8.0 + 0.0625).unwrap())),
        ".{0,8}".prop_map(Value::from),
    ]
}
