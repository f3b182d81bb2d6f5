//! Cases modelled on what upstream's `patch_test.go` covers, on a schema with every strategy.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{Schemas, tests::schemas};

/// Upstream's `MergeItem`, under the names that it uses.
fn merge_item() -> Schemas {
    schemas(json!({"MergeItem": {"type": "object", "properties": {
        "name": {"type": "string"},
        "value": {"type": "string"},
        "other": {"type": "string"},
        "mergingList": {
            "type": "array", "items": {"$ref": "#/$defs/MergeItem"},
            "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "name",
        },
        "nonMergingList": {"type": "array", "items": {"$ref": "#/$defs/MergeItem"}},
        "mergingIntList": {"type": "array", "items": {"type": "integer"}, "x-kubernetes-patch-strategy": "merge"},
        "nonMergingIntList": {"type": "array", "items": {"type": "integer"}},
        "simpleMap": {"type": "object", "additionalProperties": {"type": "string"}},
        "mergeItemPtr": {
            "$ref": "#/$defs/MergeItem",
            "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "name",
        },
        "replacingItem": {"type": "object", "x-kubernetes-patch-strategy": "replace"},
        "retainKeysMap": {"$ref": "#/$defs/MergeItem", "x-kubernetes-patch-strategy": "retainKeys"},
        "noKeyList": {"type": "array", "items": {"type": "object"}, "x-kubernetes-patch-strategy": "merge"},
    }}}))
}

fn check(original: Value, patch: Value, expected: Value) {
    let schemas = merge_item();
    let mut target = original;
    strategic(schemas.get("MergeItem").unwrap(), &mut target, &patch)
        .unwrap_or_else(|error| panic!("{patch}: {error}"));
    // As text, because the order of items and of fields counts.
    assert_eq!(target.to_string(), expected.to_string(), "{patch}");
}

fn check_fault(original: Value, patch: Value, message: &str) {
    let schemas = merge_item();
    let mut target = original.clone();
    let error = strategic(schemas.get("MergeItem").unwrap(), &mut target, &patch).unwrap_err();
    assert_eq!(error.to_string(), message);
    assert_eq!(target, original);
}

fn names(names: &[&str]) -> Value {
    names.iter().map(|name| json!({"name": name})).collect()
}

#[test]
fn fields_are_set_and_nulls_remove_them() {
    check(
        json!({"name": "a", "value": "b"}),
        json!({"value": null, "other": "c"}),
        json!({"name": "a", "other": "c"}),
    );
    check(json!({}), json!({"value": null}), json!({}));
    check(json!({}), json!({"simpleMap": {"a": null, "b": "c"}}), json!({"simpleMap": {"b": "c"}}));
    check(
        json!({"simpleMap": {"a": "1", "b": "2"}}),
        json!({"simpleMap": {"a": null, "c": "3"}}),
        json!({"simpleMap": {"b": "2", "c": "3"}}),
    );
    check(json!({"value": "a"}), json!({"value": {"b": 1}}), json!({"value": {"b": 1}}));
}

#[test]
fn a_map_is_replaced_or_emptied_as_a_whole() {
    check(
        json!({"simpleMap": {"a": "1"}}),
        json!({"simpleMap": {"$patch": "replace", "b": "2"}}),
        json!({"simpleMap": {"b": "2"}}),
    );
    check(
        json!({"simpleMap": {"a": "1"}, "name": "x"}),
        json!({"simpleMap": {"$patch": "delete"}}),
        json!({"simpleMap": {}, "name": "x"}),
    );
    check(json!({"name": "a"}), json!({"$patch": "replace", "value": "b"}), json!({"value": "b"}));
    check(
        json!({"replacingItem": {"a": 1}}),
        json!({"replacingItem": {"b": 2}}),
        json!({"replacingItem": {"b": 2}}),
    );
    check(json!({"name": "a"}), json!({"simpleMap": {"$patch": "delete"}}), json!({"name": "a"}));
    check_fault(
        json!({"simpleMap": {}}),
        json!({"simpleMap": {"$patch": "frob"}}),
        r#"unknown patch type: "frob" in map: {}"#,
    );
}

#[test]
fn lists_without_a_strategy_are_replaced() {
    check(
        json!({"nonMergingIntList": [1, 2]}),
        json!({"nonMergingIntList": [3]}),
        json!({"nonMergingIntList": [3]}),
    );
    check(
        json!({"nonMergingList": names(&["a", "b"])}),
        json!({"nonMergingList": names(&["c"])}),
        json!({"nonMergingList": names(&["c"])}),
    );
    check(json!({"unknown": [1]}), json!({"unknown": [2]}), json!({"unknown": [2]}));
}

#[test]
fn lists_of_scalars_merge_as_sets() {
    check(
        json!({"mergingIntList": [1, 2]}),
        json!({"mergingIntList": [3]}),
        json!({"mergingIntList": [3, 1, 2]}),
    );
    check(
        json!({"mergingIntList": [1, 2, 3]}),
        json!({"mergingIntList": [4, 3, 1]}),
        json!({"mergingIntList": [4, 2, 3, 1]}),
    );
    check(
        json!({"mergingIntList": [1, 2, 3]}),
        json!({"$deleteFromPrimitiveList/mergingIntList": [2]}),
        json!({"mergingIntList": [1, 3]}),
    );
    check(json!({}), json!({"$deleteFromPrimitiveList/mergingIntList": [2]}), json!({}));
    check(
        json!({"mergingIntList": [1, 2, 3]}),
        json!({"$setElementOrder/mergingIntList": [4, 3, 1], "mergingIntList": [4], "$deleteFromPrimitiveList/mergingIntList": [2]}),
        json!({"mergingIntList": [4, 3, 1]}),
    );
    check_fault(
        json!({"mergingIntList": [1]}),
        json!({"mergingIntList": ["a"]}),
        r#"list element types are not identical: [1] ["a"]"#,
    );
}

#[test]
fn lists_of_objects_merge_by_key() {
    let original = json!({"mergingList": [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]});
    check(
        original.clone(),
        json!({"mergingList": [{"name": "b", "other": "3"}, {"name": "c"}]}),
        json!({"mergingList": [{"name": "a", "value": "1"}, {"name": "b", "value": "2", "other": "3"}, {"name": "c"}]}),
    );
    check(
        original.clone(),
        json!({"mergingList": [{"name": "b", "value": null}]}),
        json!({"mergingList": [{"name": "a", "value": "1"}, {"name": "b"}]}),
    );
    check(
        original.clone(),
        json!({"mergingList": [{"name": "a", "$patch": "delete"}]}),
        json!({"mergingList": [{"name": "b", "value": "2"}]}),
    );
    check(
        original.clone(),
        json!({"mergingList": [{"$patch": "replace"}, {"name": "c"}]}),
        json!({"mergingList": [{"name": "c"}]}),
    );
    check(original.clone(), json!({"mergingList": [{"$patch": "replace"}]}), json!({"mergingList": []}));
    check(
        json!({}),
        json!({"mergingList": [{"name": "a", "value": null}, {"name": "b", "$patch": "delete"}]}),
        json!({"mergingList": [{"name": "a"}]}),
    );
    check(
        json!({"mergingList": [{"name": "a", "mergingList": names(&["x", "y"])}]}),
        json!({"mergingList": [{"name": "a", "mergingList": [{"name": "x", "$patch": "delete"}, {"name": "z"}]}]}),
        json!({"mergingList": [{"name": "a", "mergingList": names(&["z", "y"])}]}),
    );
}

#[test]
fn a_list_of_objects_needs_its_key() {
    let original = json!({"mergingList": names(&["a"])});
    check_fault(
        original.clone(),
        json!({"mergingList": [{"value": "1"}]}),
        r#"map: {"value":"1"} does not contain declared merge key: name"#,
    );
    check_fault(
        original.clone(),
        json!({"mergingList": [{"$patch": "delete"}]}),
        r#"map: {"$patch":"delete"} does not contain declared merge key: name"#,
    );
    check_fault(
        original.clone(),
        json!({"mergingList": [{"name": "a", "$patch": "merge"}]}),
        r#"unknown patch type: "merge" in map: {"name":"a","$patch":"merge"}"#,
    );
    check_fault(
        json!({"noKeyList": [{}]}),
        json!({"noKeyList": [{"a": 1}]}),
        "cannot merge lists without merge key for field noKeyList",
    );
    check_fault(
        original,
        json!({"mergingList": ["a"]}),
        r#"list element types are not identical: [{"name":"a"}] ["a"]"#,
    );
}

#[test]
fn new_items_follow_the_order_of_the_patch_and_old_ones_keep_theirs() {
    // Worked through from upstream's algorithm: the patch's next item goes first unless the
    // live list has the server's next one before it.
    check(
        json!({"mergingList": names(&["a", "b", "c"])}),
        json!({"mergingList": names(&["c", "x"])}),
        json!({"mergingList": names(&["a", "b", "c", "x"])}),
    );
    check(
        json!({"mergingList": names(&["a", "b", "c"])}),
        json!({"mergingList": names(&["x", "b"])}),
        json!({"mergingList": names(&["x", "a", "b", "c"])}),
    );
    check(
        json!({"mergingList": names(&["a", "b"])}),
        json!({"mergingList": names(&["b", "a"])}),
        json!({"mergingList": names(&["b", "a"])}),
    );
}

#[test]
fn the_order_of_elements_can_be_set() {
    let original = json!({"mergingList": names(&["a", "b", "c"])});
    check(
        original.clone(),
        json!({"$setElementOrder/mergingList": names(&["c", "a"])}),
        json!({"mergingList": names(&["b", "c", "a"])}),
    );
    check(
        original.clone(),
        json!({
            "$setElementOrder/mergingList": names(&["x", "c", "a"]),
            "mergingList": [{"name": "x"}, {"name": "c", "value": "1"}, {"name": "b", "$patch": "delete"}],
        }),
        json!({"mergingList": [{"name": "x"}, {"name": "c", "value": "1"}, {"name": "a"}]}),
    );
    check(
        json!({}),
        json!({"$setElementOrder/mergingList": names(&["a"]), "mergingList": names(&["a"])}),
        json!({"mergingList": names(&["a"])}),
    );
    check(json!({}), json!({"$setElementOrder/mergingList": names(&["a"])}), json!({}));
    check_fault(
        original.clone(),
        json!({"$setElementOrder/mergingList": names(&["c", "a"]), "mergingList": names(&["a", "c"])}),
        "the order in patch list:\n[{\"name\":\"a\"},{\"name\":\"c\"}]\n doesn't match $setElementOrder list:\n[{\"name\":\"c\"},{\"name\":\"a\"}]",
    );
    check_fault(
        original,
        json!({"$setElementOrder/mergingList": 1}),
        "invalid patch format of setElementOrder list",
    );
}

#[test]
fn only_retained_keys_stay() {
    let original = json!({"retainKeysMap": {"name": "a", "value": "b"}});
    check(
        original.clone(),
        json!({"retainKeysMap": {"$retainKeys": ["name", "other"], "other": "c"}}),
        json!({"retainKeysMap": {"name": "a", "other": "c"}}),
    );
    check(
        json!({}),
        json!({"retainKeysMap": {"$retainKeys": ["name"], "name": "a"}}),
        json!({"retainKeysMap": {"name": "a"}}),
    );
    check_fault(
        original,
        json!({"retainKeysMap": {"$retainKeys": ["name"], "other": "c"}}),
        "invalid patch format of retainKeys",
    );
}

#[test]
fn kubectl_edit_of_a_container_image_changes_only_that() {
    let schemas = schemas(json!({
        "Pod": {"type": "object", "properties": {"spec": {"$ref": "#/$defs/PodSpec"}}},
        "PodSpec": {"type": "object", "properties": {"containers": {
            "type": "array", "items": {"$ref": "#/$defs/Container"},
            "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "name",
        }}},
        "Container": {"type": "object", "properties": {"ports": {
            "type": "array", "items": {"type": "object"},
            "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "containerPort",
        }}},
    }));
    let mut pod = json!({"spec": {"containers": [{"name": "a", "image": "x:1", "ports": [{"containerPort": 80}]}, {"name": "b"}]}});
    let patch = json!({"spec": {
        "$setElementOrder/containers": [{"name": "a"}, {"name": "b"}],
        "containers": [{"name": "a", "image": "x:2", "ports": [{"containerPort": 80, "name": "http"}]}],
    }});
    strategic(schemas.get("Pod").unwrap(), &mut pod, &patch).unwrap();
    assert_eq!(
        pod,
        json!({"spec": {"containers": [
            {"name": "a", "image": "x:2", "ports": [{"containerPort": 80, "name": "http"}]}, {"name": "b"},
        ]}})
    );
}

fn item() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        "[abc]".prop_map(|name| json!({"name": name})),
        "[abc]".prop_map(|name| json!({"name": name, "$patch": "delete"})),
        Just(json!({"$patch": "replace"})),
        Just(json!({"value": null})),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..4);
        let ints = prop::collection::vec(0..3, 0..4);
        prop_oneof![
            ("[abc]", list.clone()).prop_map(|(name, list)| json!({"name": name, "mergingList": list})),
            list.clone().prop_map(|list| json!({"$setElementOrder/mergingList": list})),
            list.prop_map(|list| json!({"nonMergingList": list})),
            ints.clone().prop_map(|ints| json!({"mergingIntList": ints})),
            ints.prop_map(
                |ints| json!({"$deleteFromPrimitiveList/mergingIntList": ints, "$retainKeys": ["name"]})
            ),
            inner.prop_map(|item| json!({"mergeItemPtr": item})),
        ]
    })
}

proptest! {
    #![proptest_config(crate::arbitrary::config())]

    #[test]
    fn no_patch_panics(original in item(), patch in item()) {
        let schemas = merge_item();
        let mut target = original.clone();
        if strategic(schemas.get("MergeItem").unwrap(), &mut target, &patch).is_err() {
            prop_assert_eq!(target, original);
        }
    }

    #[test]
    fn any_values_are_survived(mut target in crate::arbitrary::value(), patch in crate::arbitrary::value()) {
        let schemas = merge_item();
        let _ = strategic(schemas.get("MergeItem").unwrap(), &mut target, &patch);
    }

    #[test]
    fn merging_by_key_keeps_every_name_once(live in prop::collection::hash_set("[a-f]", 0..5), new in prop::collection::hash_set("[a-f]", 0..5)) {
        let schemas = merge_item();
        let list = |names: &std::collections::HashSet<String>| names.iter().map(|name| json!({"name": name})).collect::<Value>();
        let mut target = json!({"mergingList": list(&live)});
        strategic(schemas.get("MergeItem").unwrap(), &mut target, &json!({"mergingList": list(&new)})).unwrap();
        let mut found: Vec<String> = target["mergingList"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect();
        found.sort();
        let mut wanted: Vec<String> = live.union(&new).cloned().collect();
        wanted.sort();
        prop_assert_eq!(found, wanted);
    }
}
