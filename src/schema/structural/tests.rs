//! Schemas that are refused, with the reasons of upstream.

use serde_json::{Value, json};

use super::structural_faults;

#[track_caller]
fn check(properties: Value, expected: &[&str]) {
    check_root(json!({"type": "object", "properties": properties}), expected);
}

#[track_caller]
fn check_root(document: Value, expected: &[&str]) {
    let faults: Vec<String> = structural_faults(&document, "s").iter().map(ToString::to_string).collect();
    assert_eq!(faults, expected, "{document}");
}

#[test]
fn every_field_has_a_type() {
    check(
        json!({"a": {"description": "x"}}),
        &["s.properties[a].type: Required value: must not be empty for specified object fields"],
    );
    check(json!({"a": {"type": "array"}}), &["s.properties[a].items: Required value: must be specified"]);
    check(
        json!({"a": {"type": "array", "items": {}}}),
        &["s.properties[a].items.type: Required value: must not be empty for specified array items"],
    );
    check(
        json!({"a": {"x-kubernetes-preserve-unknown-fields": true}, "b": {"x-kubernetes-int-or-string": true}}),
        &[],
    );
    check_root(json!({"properties": {}}), &["s.type: Required value: must not be empty at the root"]);
    check_root(
        json!({"type": "array", "items": {"type": "string"}}),
        &[r#"s.type: Invalid value: "array": must be object at the root"#],
    );
    check_root(json!(null), &["s: Required value: schemas are required"]);
}

#[test]
fn branches_only_narrow_what_is_said_outside() {
    check(
        json!({"a": {"type": "object", "properties": {"b": {"type": "string"}}, "anyOf": [{"required": ["b"]}, {"properties": {"b": {"minLength": 1}}}]}}),
        &[],
    );
    check(
        json!({"a": {"type": "object", "anyOf": [{"properties": {"b": {"minLength": 1}}}]}}),
        &[
            "s.properties[a].properties[b]: Required value: because it is defined in s.properties[a].anyOf[0].properties[b]",
        ],
    );
    check(
        json!({"a": {"type": "string", "oneOf": [{"type": "string"}]}}),
        &["s.properties[a].oneOf[0].type: Forbidden: must be empty to be structural"],
    );
    check(
        json!({"a": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]}}),
        &[],
    );
}

#[test]
fn metadata_is_what_it_is_everywhere() {
    check(
        json!({"metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 9}}}}),
        &[],
    );
    check(
        json!({"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}),
        &[
            "s.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified",
        ],
    );
    check(
        json!({"kind": {"type": "integer"}}),
        &[r#"s.properties[kind].type: Invalid value: "integer": must be string"#],
    );
}

#[test]
fn what_would_have_two_answers_is_not_supported() {
    check(
        json!({"a": {"type": "object", "$ref": "#/x"}}),
        &["s.properties[a].$ref: Forbidden: $ref is not supported"],
    );
    check(
        json!({"a": {"type": "object", "properties": {"b": {"type": "string"}}, "additionalProperties": {"type": "string"}}}),
        &[
            "s.properties[a].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
        ],
    );
    check(
        json!({"a": {"type": "array", "uniqueItems": true, "items": {"type": "string"}}}),
        &[
            "s.properties[a].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        ],
    );
    check_root(
        json!({"type": "object", "additionalProperties": {"type": "string"}}),
        &["s.additionalProperties: Forbidden: must not be used at the root"],
    );
    check(
        json!({"a": {"type": "string", "x-kubernetes-preserve-unknown-fields": false}}),
        &[
            "s.properties[a].x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined",
        ],
    );
}

#[test]
fn keyed_lists_have_keys_that_every_item_has() {
    let list = |items: Value| json!({"l": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": items}});
    check(list(json!({"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}}})), &[]);
    check(list(json!({"type": "object", "properties": {"k": {"type": "string", "default": "x"}}})), &[]);
    check(
        list(json!({"type": "object", "properties": {"k": {"type": "string"}}})),
        &[
            "s.properties[l].items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
        ],
    );
    check(
        list(json!({"type": "object", "properties": {}})),
        &[
            r#"s.properties[l].x-kubernetes-list-map-keys[0]: Invalid value: "k": entries must all be names of item properties"#,
        ],
    );
    check(
        json!({"l": {"type": "array", "x-kubernetes-list-type": "bag", "items": {"type": "string"}}}),
        &[
            r#"s.properties[l].x-kubernetes-list-type: Unsupported value: "bag": supported values: "atomic", "map", "set""#,
        ],
    );
}

#[test]
fn defaults_are_values_of_their_schema() {
    check(json!({"a": {"type": "integer", "default": 3}}), &[]);
    check(
        json!({"a": {"type": "integer", "default": "x"}}),
        &[
            r#"s.properties[a].default: Invalid value: "string": s.properties[a].default in body must be of type integer: "string""#,
        ],
    );
    check(
        json!({"a": {"type": "object", "default": {"b": 1}, "properties": {}}}),
        &[r#"s.properties[a].default: Invalid value: {"b":1}: must not have unknown fields"#],
    );
    check(
        json!({"a": {"type": "object", "default": {"b": ""}, "properties": {"b": {"type": "string", "minLength": 1}}}}),
        &[
            r#"s.properties[a].default.b: Invalid value: "": s.properties[a].default.b in body should be at least 1 chars long"#,
        ],
    );
}

#[test]
fn rules_are_compiled() {
    let schema = |rule: &str| json!({"a": {"type": "object", "properties": {"n": {"type": "integer"}}, "x-kubernetes-validations": [{"rule": rule}]}});
    check(schema("self.n > 0"), &[]);
    let faults = structural_faults(&json!({"type": "object", "properties": schema("self.x > 0")}), "s");
    assert_eq!(faults[0].path, "s.properties[a].x-kubernetes-validations[0].rule");
    assert_eq!(
        faults[0].detail,
        "compilation failed: ERROR: <input>:1:5: undefined field 'x'\n | self.x > 0\n | ....^"
    );
    let list = json!({"l": {"type": "array", "items": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}}});
    let faults = structural_faults(&json!({"type": "object", "properties": list}), "s");
    assert!(
        faults[0].detail.contains("uncorrelatable portion of the schema within s.properties[l]"),
        "{faults:?}"
    );
}
