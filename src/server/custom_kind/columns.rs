//! Printer columns of custom kinds.
//!
//! Source: `apiextensions-apiserver/pkg/registry/customresource/tableconvertor`.

use serde_json::{Value, json};
use spur_api::jsonpath::{self, JsonPath};
use spur_api::{kinds, meta};

/// A column of the `Table`.
#[derive(Debug)]
pub(crate) struct PrinterColumn {
    /// As the `Table` describes it.
    pub(crate) description: Value,
    type_: String,
    path: Option<JsonPath>,
}

// === impl PrinterColumn ===

impl PrinterColumn {
    /// The columns of a version; the age where it names none.
    pub(crate) fn all_of(version: &Value) -> Vec<Self> {
        match meta::list(version, "/additionalPrinterColumns") {
            [] => vec![Self::of(&json!({
                "name": "Age",
                "type": "date",
                "jsonPath": ".metadata.creationTimestamp",
                "description": "CreationTimestamp is a timestamp representing the server time when this object was created.",
            }))],
            columns => columns.iter().map(Self::of).collect(),
        }
    }

    fn of(column: &Value) -> Self {
        let text = |field: &str| column[field].as_str().unwrap_or_default();
        Self {
            description: json!({
                "name": text("name"),
                "type": text("type"),
                "format": text("format"),
                "description": text("description"),
                "priority": column["priority"].as_i64().unwrap_or(0),
            }),
            type_: text("type").to_owned(),
            path: JsonPath::parse(text("jsonPath")).ok(),
        }
    }

    /// The cell of an object; null where there is nothing of the column's type.
    pub(crate) fn cell(&self, object: &Value) -> Value {
        let found = self.path.as_ref().map(|path| path.find(object)).unwrap_or_default();
        let Some(first) = found.first().copied().filter(|value| !value.is_null()) else { return Value::Null };
        match self.type_.as_str() {
            "string" => json!(jsonpath::text(first)),
            "integer" => match (first.as_i64(), first.as_f64()) {
                (Some(whole), _) => json!(whole),
                (None, Some(number)) => json!(number as i64),
                (None, None) => Value::Null,
            },
            "number" => first.as_f64().map_or(Value::Null, |number| json!(number)),
            "boolean" => first.as_bool().map_or(Value::Null, |flag| json!(flag)),
            "date" => first.as_str().map_or(Value::Null, |time| json!(kinds::since(time))),
            _ => Value::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(type_: &str, path: &str, expected: Value) {
        let column = PrinterColumn::of(&json!({"name": "A", "type": type_, "jsonPath": path}));
        let object = json!({"spec": {"n": 2, "half": 0.5, "on": true, "hosts": ["a", "b"], "at": "2020-01-01T00:00:00Z"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        assert_eq!(column.cell(&object), expected, "{path}");
    }

    #[test]
    fn cells_have_the_type_of_their_column() {
        check("integer", ".spec.n", json!(2));
        check("integer", ".spec.on", Value::Null);
        check("number", ".spec.half", json!(0.5));
        check("boolean", ".spec.on", json!(true));
        check("string", ".spec.n", json!("2"));
        check("string", ".spec.hosts", json!("[\"a\",\"b\"]"));
        check("string", ".spec.hosts[*]", json!("a"));
        check("string", ".status.conditions[?(@.type==\"Ready\")].status", json!("True"));
        check("string", ".spec.nothing", Value::Null);
        check("date", ".spec.n", Value::Null);
        let age = PrinterColumn::of(&json!({"name": "A", "type": "date", "jsonPath": ".spec.at"}));
        let cell = age.cell(&json!({"spec": {"at": "2020-01-01T00:00:00Z"}}));
        assert!(cell.as_str().is_some_and(|age| age.ends_with('d') || age.ends_with('y')), "{cell}");
    }
}
