//! Compiling documents in the forms in which they come.

use serde_json::{Value, json};

use super::*;

/// More than any document may nest.
const SCHEMAS_TOO_DEEP: usize = 300;

fn compile(definitions: Value) -> Result<Schemas, CompileError> {
    let Value::Object(definitions) = definitions else { panic!("definitions are a map") };
    Schemas::compile(&definitions)
}

fn check_fault(definitions: Value, message: &str) {
    assert_eq!(compile(definitions).unwrap_err().to_string(), message);
}

#[test]
fn references_lead_to_definitions_under_any_prefix() {
    let schemas = compile(json!({
        "a.b.Name": {"type": "string", "maxLength": 3},
        "T": {"type": "object", "properties": {
            "plain": {"$ref": "#/components/schemas/a.b.Name"},
            "defs": {"$ref": "#/$defs/a.b.Name"},
            "all": {"allOf": [{"$ref": "#/components/schemas/a.b.Name"}], "default": "x", "description": "d"},
            "any": {"anyOf": [{"$ref": "#/$defs/a.b.Name"}, {"type": "null"}]},
            "one": {"oneOf": [{"enum": [null], "nullable": true}, {"$ref": "#/$defs/a.b.Name"}]},
        }},
    }))
    .unwrap();
    let schema = schemas.get("T").unwrap();
    for (name, property) in schema.properties() {
        assert_eq!(property.name(), Some("a.b.Name"), "{name}");
        assert_eq!(property.kind(), Some(Type::String), "{name}");
        assert_eq!(property.is_nullable(), matches!(name, "any" | "one"), "{name}");
    }
    assert_eq!(schema.property("all").unwrap().default_value(), Some(&json!("x")));
    assert_eq!(schema.property("plain").unwrap().default_value(), None);
    assert!(schema.property("other").is_none());
}

#[test]
fn definitions_may_contain_themselves() {
    let schemas = compile(json!({"Props": {"type": "object", "properties": {
        "not": {"$ref": "#/$defs/Props"},
        "properties": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Props"}},
    }}}))
    .unwrap();
    let mut schema = schemas.get("Props").unwrap();
    for _ in 0..1000 {
        schema = schema.property("properties").unwrap().field("x").unwrap().property("not").unwrap();
    }
    assert_eq!(schema.name(), Some("Props"));
}

#[test]
fn a_chain_of_references_is_followed_to_its_end() {
    let schemas =
        compile(json!({"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/C"}, "C": {"type": "integer"}}))
            .unwrap();
    assert_eq!(schemas.get("A").unwrap().kind(), Some(Type::Integer));
    check_fault(
        json!({"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}),
        "definition `A` is a reference that leads back to itself",
    );
    check_fault(
        json!({"A": {"$ref": "#/$defs/A"}}),
        "definition `A` is a reference that leads back to itself",
    );
}

#[test]
fn types_of_schemars_and_of_kubernetes_are_understood() {
    let schemas = compile(json!({
        "io.k8s.apimachinery.pkg.api.resource.Quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
        "T": {"properties": {
            "optional": {"type": ["string", "null"]},
            "union": {"type": ["integer", "string"]},
            "extension": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]},
            "format": {"type": "string", "format": "int-or-string"},
            "quantity": {"$ref": "#/$defs/io.k8s.apimachinery.pkg.api.resource.Quantity"},
            "any": true,
            "list": {"items": {"type": "string"}},
            "map": {"additionalProperties": {"type": "string"}},
        }},
    }))
    .unwrap();
    let schema = schemas.get("T").unwrap();
    let kind = |name: &str| schema.property(name).unwrap().kind();
    assert_eq!(schema.kind(), Some(Type::Object));
    assert_eq!(kind("optional"), Some(Type::String));
    assert!(schema.property("optional").unwrap().is_nullable());
    for name in ["union", "extension", "format"] {
        assert_eq!(kind(name), Some(Type::IntOrString), "{name}");
    }
    assert_eq!(kind("quantity"), Some(Type::Quantity));
    assert_eq!(kind("any"), None);
    assert!(schema.property("any").unwrap().preserves_unknown());
    assert_eq!(kind("list"), Some(Type::Array));
    assert_eq!(kind("map"), Some(Type::Object));
}

#[test]
fn lists_and_maps_say_how_they_are_owned_and_merged() {
    let schemas = compile(json!({"T": {"properties": {
        "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a", "b"],
            "x-kubernetes-patch-strategy": "merge,retainKeys", "x-kubernetes-patch-merge-key": "a"},
        "set": {"type": "array", "x-kubernetes-list-type": "set"},
        "older": {"type": "array", "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "a"},
        "olderSet": {"type": "array", "x-kubernetes-patch-strategy": "merge"},
        "plain": {"type": "array"},
        "atomic": {"type": "object", "x-kubernetes-map-type": "atomic"},
    }}}))
    .unwrap();
    let property = |name: &str| schemas.get("T").unwrap().property(name).unwrap();
    assert_eq!(*property("map").list_type(), ListType::Map(["a".into(), "b".into()].into()));
    assert_eq!(property("map").merge_key(), Some("a"));
    assert_eq!(
        property("map").patch_strategy(),
        PatchStrategy { merge: true, replace: false, retain_keys: true }
    );
    assert_eq!(*property("set").list_type(), ListType::Set);
    assert_eq!(*property("older").list_type(), ListType::Map(["a".into()].into()));
    assert_eq!(*property("olderSet").list_type(), ListType::Set);
    assert_eq!(*property("plain").list_type(), ListType::Atomic);
    assert_eq!(property("atomic").map_type(), MapType::Atomic);
    assert_eq!(property("plain").map_type(), MapType::Granular);
}

#[test]
fn faults_name_their_place() {
    check_fault(
        json!({"T": {"properties": {"a": {"$ref": "#/$defs/X"}}}}),
        "schema `T.properties.a`: no definition is called `X`",
    );
    check_fault(
        json!({"T": {"items": {"type": "strin"}}}),
        "schema `T.items`: `type` is \"strin\", wanted object, array, string, integer, number or boolean",
    );
    check_fault(json!({"T": {"required": "a"}}), "schema `T`: `required` is \"a\", wanted a list");
    check_fault(
        json!({"T": {"x-kubernetes-list-type": "map"}}),
        "schema `T`: `x-kubernetes-list-map-keys` is null, wanted at least one key for a list of type map",
    );
    let error = compile(json!({"T": {"pattern": "("}})).unwrap_err();
    assert!(matches!(error, CompileError::Pattern { .. }));
    let mut deep = json!({});
    for _ in 0..SCHEMAS_TOO_DEEP {
        deep = json!({"not": deep});
    }
    assert!(matches!(compile(json!({"T": deep})).unwrap_err(), CompileError::TooDeep { .. }));
}
