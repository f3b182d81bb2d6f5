//! JSON merge patch (RFC 7386).

use serde_json::{Map, Value};

use crate::equal::same;

/// Merges `patch` into `target`: fields replace, objects merge, null removes.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.shift_remove(key);
        } else if let Some(field) = target.get_mut(key) {
            merge(field, value);
        } else {
            let mut field = Value::Null;
            merge(&mut field, value);
            target.insert(key.clone(), field);
        }
    }
}

/// The patch that turns `from` into `to`, which must not hold nulls as fields: no merge patch
/// can set one.
pub fn merge_diff(from: &Value, to: &Value) -> Value {
    let (Value::Object(from), Value::Object(to)) = (from, to) else { return to.clone() };
    let mut patch = Map::new();
    for key in from.keys() {
        if !to.contains_key(key) {
            patch.insert(key.clone(), Value::Null);
        }
    }
    for (key, to) in to {
        match from.get(key) {
            Some(from) if same(from, to) => {}
            Some(from) => {
                patch.insert(key.clone(), merge_diff(from, to));
            }
            None => {
                patch.insert(key.clone(), to.clone());
            }
        }
    }
    Value::Object(patch)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_examples_of_the_rfc_hold() {
        // RFC 7386, appendix A.
        for (mut target, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            merge(&mut target, &patch);
            assert_eq!(target, expected, "{patch}");
        }
    }

    #[test]
    fn the_order_of_fields_is_kept() {
        let mut target = json!({"kind": 1, "a": 1, "b": 1, "c": 1});
        merge(&mut target, &json!({"a": null, "b": 2}));
        assert_eq!(target.to_string(), r#"{"kind":1,"b":2,"c":1}"#);
    }

    fn without_null_fields(value: Value) -> Value {
        match value {
            Value::Object(object) => {
                let kept = object.into_iter().filter(|(_, value)| !value.is_null());
                Value::Object(kept.map(|(key, value)| (key, without_null_fields(value))).collect())
            }
            other => other,
        }
    }

    proptest! {
    #![proptest_config(crate::arbitrary::config())]

        #[test]
        fn a_difference_leads_there(from in crate::arbitrary::similar(), to in crate::arbitrary::similar()) {
            let to = without_null_fields(to);
            let mut target = from.clone();
            merge(&mut target, &merge_diff(&from, &to));
            prop_assert_eq!(target, to);
        }

        #[test]
        fn no_difference_is_an_empty_patch(value in crate::arbitrary::object()) {
            prop_assert_eq!(merge_diff(&value, &value), json!({}));
        }

        #[test]
        fn merging_twice_is_merging_once(mut target in crate::arbitrary::similar(), patch in crate::arbitrary::similar()) {
            merge(&mut target, &patch);
            let once = target.clone();
            merge(&mut target, &patch);
            prop_assert_eq!(target, once);
        }
    }
}
