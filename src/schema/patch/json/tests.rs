//! What each operation does, how faults read, and what a patch may not do.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn check(document: Value, patch: Value, expected: Value) {
    let mut target = document;
    super::json(&mut target, &patch).unwrap();
    assert_eq!(target, expected, "{patch}");
}

fn check_fault(document: Value, patch: Value, message: &str) {
    let mut target = document.clone();
    assert_eq!(super::json(&mut target, &patch).unwrap_err().to_string(), message);
    assert_eq!(target, document, "a failed patch leaves the document alone");
}

#[test]
fn operations_do_what_the_rfc_says() {
    check(json!({"a": 1}), json!([{"op": "add", "path": "/b", "value": [1]}]), json!({"a": 1, "b": [1]}));
    check(json!({"a": [1, 3]}), json!([{"op": "add", "path": "/a/1", "value": 2}]), json!({"a": [1, 2, 3]}));
    check(json!({"a": [1]}), json!([{"op": "add", "path": "/a/-", "value": 2}]), json!({"a": [1, 2]}));
    check(json!({"a": 1, "b": 2}), json!([{"op": "remove", "path": "/a"}]), json!({"b": 2}));
    check(json!({"a": [1, 2]}), json!([{"op": "remove", "path": "/a/0"}]), json!({"a": [2]}));
    check(
        json!({"a": {"b": 1}}),
        json!([{"op": "replace", "path": "/a/b", "value": null}]),
        json!({"a": {"b": null}}),
    );
    check(
        json!({"a": {"b": 1}, "c": {}}),
        json!([{"op": "move", "from": "/a/b", "path": "/c/d"}]),
        json!({"a": {}, "c": {"d": 1}}),
    );
    check(
        json!({"a": {"b": 1}}),
        json!([{"op": "copy", "from": "/a", "path": "/c"}]),
        json!({"a": {"b": 1}, "c": {"b": 1}}),
    );
    check(json!({"a/b": {"~": 1}}), json!([{"op": "remove", "path": "/a~1b/~0"}]), json!({"a/b": {}}));
    check(
        json!({"a": {"x": 1, "y": [1.0]}}),
        json!([{"op": "test", "path": "/a", "value": {"y": [1], "x": 1}}]),
        json!({"a": {"x": 1, "y": [1.0]}}),
    );
}

#[test]
fn testing_for_null_passes_where_nothing_is() {
    // The patch with which kube-rs adds its first finalizer.
    let patch = json!([
        {"op": "test", "path": "/metadata/finalizers", "value": null},
        {"op": "add", "path": "/metadata/finalizers", "value": ["a/b"]},
    ]);
    check(json!({"metadata": {}}), patch.clone(), json!({"metadata": {"finalizers": ["a/b"]}}));
    check_fault(
        json!({"metadata": {"finalizers": []}}),
        patch,
        "testing value /metadata/finalizers failed: test failed",
    );
}

#[test]
fn replacing_what_is_not_there_adds_it() {
    check(json!({"a": {}}), json!([{"op": "replace", "path": "/a/b", "value": 1}]), json!({"a": {"b": 1}}));
    check_fault(
        json!({"a": [1]}),
        json!([{"op": "replace", "path": "/a/1", "value": 1}]),
        "replace operation does not apply: doc is missing key: /a/1: missing value",
    );
}

#[test]
fn negative_indices_count_from_the_end() {
    check(json!([1, 2]), json!([{"op": "add", "path": "/-1", "value": 3}]), json!([1, 2, 3]));
    check(json!([1, 2]), json!([{"op": "remove", "path": "/-1"}]), json!([1]));
}

#[test]
fn faults_are_described_as_upstream_describes_them() {
    let document = json!({"a": [1], "s": "x"});
    for (operation, message) in [
        (
            json!({"op": "add", "path": "/x/y", "value": 1}),
            "add operation does not apply: doc is missing path: \"/x/y\": missing value",
        ),
        (
            json!({"op": "add", "path": "/s/y", "value": 1}),
            "add operation does not apply: doc is missing path: \"/s/y\": missing value",
        ),
        (
            json!({"op": "add", "path": "", "value": 1}),
            "add operation does not apply: doc is missing path: \"\": missing value",
        ),
        (
            json!({"op": "add", "path": "/a/2", "value": 1}),
            "error in add for path: '/a/2': Unable to access invalid index: 2: invalid index referenced",
        ),
        (
            json!({"op": "remove", "path": "/x"}),
            "error in remove for path: '/x': Unable to remove nonexistent key: x: missing value",
        ),
        (
            json!({"op": "remove", "path": "/x/y"}),
            "remove operation does not apply: doc is missing path: \"/x/y\": missing value",
        ),
        (json!({"op": "test", "path": "/s", "value": "y"}), "testing value /s failed: test failed"),
        (
            json!({"op": "test", "path": "/x/y", "value": 1}),
            "test operation does not apply: is missing path: /x/y: missing value",
        ),
        (
            json!({"op": "copy", "from": "/x", "path": "/y"}),
            "copy operation does not apply: doc is missing from path: /x: missing value",
        ),
        (json!({"op": "frob", "path": "/x"}), "Unexpected kind: frob"),
        (json!({"op": "add"}), "add operation failed to decode path: missing value"),
    ] {
        // The first operation has to be undone.
        check_fault(document.clone(), json!([{"op": "add", "path": "/new", "value": 1}, operation]), message);
    }
    check_fault(document, json!({}), "json: cannot unmarshal object into Go value of type jsonpatch.Patch");
}

/// AP-5: 10,000 operations, 3 MiB of copies.
#[test]
fn patches_are_bounded() {
    let many = vec![json!({"op": "test", "path": "/a", "value": 1}); OPERATIONS_MAX + 1];
    let error = super::json(&mut json!({"a": 1}), &many.into()).unwrap_err();
    assert_eq!(error, JsonPatchError::TooManyOperations { n_operations: OPERATIONS_MAX + 1 });

    let mut document = json!({"a": ["x".repeat(1024)]});
    let bomb = vec![json!({"op": "copy", "from": "/a", "path": "/a/-"}); 40];
    let error = super::json(&mut document, &bomb.into()).unwrap_err();
    assert!(
        matches!(error, JsonPatchError::CopiesTooMuch { .. } | JsonPatchError::TooDeep { .. }),
        "{error}"
    );

    let wide = json!({"a": "x".repeat(1024 * 1024), "b": []});
    let bomb = vec![json!({"op": "copy", "from": "/a", "path": "/b/-"}); 4];
    let error = super::json(&mut wide.clone(), &bomb.into()).unwrap_err();
    assert!(
        matches!(error, JsonPatchError::CopiesTooMuch { n_bytes } if n_bytes > COPIED_BYTES_MAX),
        "{error}"
    );
}

#[test]
fn a_patch_cannot_nest_deeper_than_a_document_may() {
    for operation in ["copy", "add"] {
        let mut document = json!({"a": {}});
        let mut path = "/a".to_owned();
        let mut result = Ok(());
        for _ in 0..DEPTH_MAX {
            let step =
                json!([{"op": operation, "from": "/a", "path": format!("{path}/a"), "value": {"a": {}}}]);
            result = super::json(&mut document, &step);
            if result.is_err() {
                break;
            }
            path.push_str("/a");
        }
        assert!(matches!(result, Err(JsonPatchError::TooDeep { .. })), "{result:?}");
        assert!(depth(&document) <= DEPTH_MAX);
    }
}

proptest! {
#![proptest_config(crate::arbitrary::config())]

    #[test]
    fn no_patch_panics(mut document in crate::arbitrary::value(), operations in prop::collection::vec(operation(), 0..6)) {
        let before = document.clone();
        if super::json(&mut document, &operations.into()).is_err() {
            prop_assert_eq!(document, before);
        }
    }
}

fn operation() -> impl Strategy<Value = Value> {
    let op = prop::sample::select(vec!["add", "remove", "replace", "move", "copy", "test", "x"]);
    let pointer = || "(/(a|b|c|0|1|-1|-|~0|~1)){0,3}";
    (op, pointer(), pointer(), crate::arbitrary::value())
        .prop_map(|(op, path, from, value)| json!({"op": op, "path": path, "from": from, "value": value}))
}
