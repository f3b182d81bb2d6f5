//! Fields that a schema does not know: removed, and named.
//!
//! Follows structural pruning (`k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning/
//! algorithm.go`), which for built-in types comes to the same as Go's strict decoder. The paths
//! are those of `unknown field "spec.containers[0].foo"`.

use serde_json::{Map, Value};

use crate::Schema;
use crate::decode::REPORTED_FIELDS_MAX;
use crate::path::Path;

/// Removes every field that `schema` does not know and returns their paths in the order of the
/// document, [`REPORTED_FIELDS_MAX`] at most.
///
/// Kept are fields below `x-kubernetes-preserve-unknown-fields`, below a schema that takes any
/// value, and `apiVersion`, `kind` and `metadata` of an embedded resource. A value of the wrong
/// type is left alone: saying so is the business of `typecheck` and `validate`.
pub fn unknown_fields(schema: Schema<'_>, value: &mut Value) -> Vec<String> {
    let mut pruning = Pruning { path: Path::default(), unknown: Vec::new() };
    pruning.value(schema, value);
    pruning.unknown
}

/// Where the walk is and what it has removed.
struct Pruning {
    path: Path,
    unknown: Vec<String>,
}

// === impl Pruning ===

impl Pruning {
    fn value(&mut self, schema: Schema<'_>, value: &mut Value) {
        match value {
            Value::Object(object) => self.object(schema, object),
            Value::Array(items) => {
                let Some(schema) = schema.items() else { return };
                for (index, item) in items.iter_mut().enumerate() {
                    let mark = self.path.enter_item(index);
                    self.value(schema, item);
                    self.path.leave(mark);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn object(&mut self, schema: Schema<'_>, object: &mut Map<String, Value>) {
        object.retain(|key, value| {
            let Some(field) = schema.field(key) else {
                let is_kept = schema.keeps(key);
                if !is_kept && self.unknown.len() < REPORTED_FIELDS_MAX {
                    self.unknown.push(self.path.field(key));
                }
                return is_kept;
            };
            let mark = self.path.enter_field(key);
            self.value(field, value);
            self.path.leave(mark);
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tests::schemas;

    fn check(definition: Value, mut value: Value, left: Value, unknown: &[&str]) {
        let schemas = schemas(json!({"T": definition}));
        let found = unknown_fields(schemas.get("T").unwrap(), &mut value);
        assert_eq!(value, left);
        assert_eq!(found, unknown);
    }

    #[test]
    fn unknown_fields_go_and_are_named() {
        check(
            json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
                "containers": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}}
            }}}}),
            json!({"spec": {"foo": 1, "containers": [{"name": "a"}, {"name": "b", "bar": {}}]}, "x": 1}),
            json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}]}}),
            &["spec.foo", "spec.containers[1].bar", "x"],
        );
    }

    #[test]
    fn maps_take_any_key_but_their_values_are_pruned() {
        check(
            json!({"type": "object", "additionalProperties": {"type": "object", "properties": {"a": {"type": "string"}}}}),
            json!({"x": {"a": "1", "b": 1}}),
            json!({"x": {"a": "1"}}),
            &["x.b"],
        );
        check(
            json!({"type": "object", "additionalProperties": true}),
            json!({"x": {"y": 1}}),
            json!({"x": {"y": 1}}),
            &[],
        );
    }

    #[test]
    fn preserved_objects_keep_what_is_unknown_and_prune_what_is_known() {
        check(
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                "properties": {"a": {"type": "object", "properties": {}}}}),
            json!({"b": {"c": 1}, "a": {"d": 1}}),
            json!({"b": {"c": 1}, "a": {}}),
            &["a.d"],
        );
    }

    #[test]
    fn an_embedded_resource_keeps_its_identity() {
        check(
            json!({"type": "object", "x-kubernetes-embedded-resource": true, "properties": {}}),
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {}}),
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}),
            &["spec"],
        );
    }

    #[test]
    fn properties_of_alternatives_are_known() {
        check(
            json!({"oneOf": [
                {"type": "object", "properties": {"http": {"type": "object", "properties": {"path": {}}}}},
                {"type": "object", "properties": {"exec": {"type": "string"}}},
            ]}),
            json!({"http": {"path": 1, "x": 1}, "exec": "a", "y": 1}),
            json!({"http": {"path": 1}, "exec": "a"}),
            &["http.x", "y"],
        );
    }

    #[test]
    fn a_schema_without_a_type_keeps_everything() {
        check(json!({"description": "any"}), json!({"a": [{"b": 1}]}), json!({"a": [{"b": 1}]}), &[]);
        check(
            json!({"properties": {"raw": {"$ref": "#/$defs/io.k8s.apimachinery.pkg.runtime.RawExtension"}}}),
            json!({"raw": {"b": 1}}),
            json!({"raw": {"b": 1}}),
            &[],
        );
    }
}
