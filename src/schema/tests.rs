//! Fixtures for the tests of every module, and what holds for all of them together.

use serde_json::{Value, json};

use crate::apply::{Manager, OnConflict, Operation};
use crate::{Schemas, apply, decode, patch};

/// Compiles definitions beside the few built-in types that others refer to.
pub(crate) fn schemas(definitions: Value) -> Schemas {
    let mut all = json!({
        "io.k8s.apimachinery.pkg.runtime.RawExtension": {"type": "object"},
        "io.k8s.apimachinery.pkg.api.resource.Quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString":
            {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
        "io.k8s.apimachinery.pkg.apis.meta.v1.Time": {"type": "string", "format": "date-time"},
    });
    let (Value::Object(all), Value::Object(definitions)) = (&mut all, definitions) else {
        panic!("definitions are a map")
    };
    all.extend(definitions);
    Schemas::compile(all).unwrap()
}

/// What tokio gives its workers.
const STACK_BYTES: usize = 2 * 1024 * 1024;

#[test]
fn every_walk_over_the_deepest_document_fits_a_workers_stack() {
    let n_items = (decode::DEPTH_MAX - 1) / 2;
    let text = format!(r#"{}{{"n":true}}{}"#, r#"{"n":1,"l":["#.repeat(n_items), "]}".repeat(n_items));
    let walk = move || {
        let schemas = schemas(json!({"T": {"type": "object", "properties": {
            "metadata": {"type": "object"},
            "n": {"type": "integer"},
            "l": {"type": "array", "items": {"$ref": "#/$defs/T"},
                "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "n"},
        }}}));
        let schema = schemas.get("T").unwrap();
        let mut value = decode::json(text.as_bytes()).unwrap().value;
        crate::drop_nulls(schema, &mut value);
        assert!(crate::unknown_fields(schema, &mut value).is_empty());
        crate::apply_defaults(schema, &mut value);
        assert!(crate::typecheck(schema, &value).is_err());
        assert_eq!(crate::validate(schema, &value).len(), 1);
        assert_eq!(crate::repeated_items(schema, &value), []);
        let mut merged = json!({"l": []});
        patch::merge(&mut merged, &value);
        assert_eq!(patch::merge_diff(&merged, &value), json!({}));
        patch::json(&mut merged, &json!([{"op": "test", "path": "/l", "value": value["l"]}])).unwrap();
        patch::strategic(schema, &mut merged, &value).unwrap();
        assert_eq!(merged, value);
        let manager = Manager {
            name: "m".to_owned(),
            operation: Operation::Apply,
            api_version: "v1".to_owned(),
            subresource: String::new(),
            time: "2026-11-20T10:00:00Z".to_owned(),
        };
        let applied = apply::apply(schema, None, &value, &manager, OnConflict::Refuse).unwrap();
        let again = apply::apply(schema, Some(&applied), &value, &manager, OnConflict::Refuse).unwrap();
        assert_eq!(again, applied);
        let less =
            apply::apply(schema, Some(&applied), &json!({"n": 1}), &manager, OnConflict::Refuse).unwrap();
        assert_eq!(less["l"], Value::Null);
        apply::update(schema, Some(&applied), json!({"n": 2}), &manager).unwrap();
        let list = json!({"items": [applied]});
        assert_eq!(serde_json::from_str::<Value>(&list.to_string()).unwrap(), list, "clients read it");
    };
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(walk).unwrap();
    thread.join().unwrap();
}
