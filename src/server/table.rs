//! Objects in the form the client asked for: whole, as rows of a `Table`, or
//! their metadata only.
//!
//! Source: `apiserver/pkg/endpoints/handlers/response.go`; columns come from
//! the kind's rules.

use serde_json::{Value, json};
use spur_api::{Status, column_descriptions, meta};

use crate::negotiate::Form;
use crate::served::Served;

/// The header of the names.
const NAME: &str = "Name";

/// One object in a form.
pub(crate) fn in_form(form: Form, kind: &Served, object: Value) -> Value {
    match form {
        Form::Whole => object,
        Form::Table => of_object(kind, &object, ""),
        Form::Metadata => metadata_only(&object),
    }
}

/// A `Table` of one row.
pub(crate) fn of_object(kind: &Served, object: &Value, include: &str) -> Value {
    let metadata = json!({"resourceVersion": meta::resource_version(object)});
    of_list(kind, std::slice::from_ref(object), metadata, include)
}

/// Whether the rows may hold what the query says.
///
/// # Errors
/// In a table, 400 for anything but `None`, `Metadata` (also the default) and `Object`
/// (`metav1/validation.ValidateTableOptions`).
pub(crate) fn check_include(form: Form, include: &str) -> Result<(), Status> {
    if form != Form::Table || matches!(include, "" | "None" | "Metadata" | "Object") {
        return Ok(());
    }
    Err(Status::bad_request(format!(
        "Unable to convert to Table as requested: includeObject: Invalid value: {include:?}: must be 'Metadata', 'Object', 'None', or empty"
    )))
}

/// A `Table` of one row without its columns: what follows the first event of a watch.
pub(crate) fn of_object_without_columns(kind: &Served, object: &Value, include: &str) -> Value {
    let mut table = of_object(kind, object, include);
    table["columnDefinitions"] = Value::Null;
    table
}

/// A `Table`.
pub(crate) fn of_list(kind: &Served, items: &[Value], metadata: Value, include: &str) -> Value {
    let rows: Vec<Value> = items.iter().map(|object| row(kind, object, include)).collect();
    of_rows(metadata, columns(kind), rows)
}

/// `PartialObjectMetadata` of an object.
pub(crate) fn metadata_only(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": object.get("metadata").cloned().unwrap_or_default(),
    })
}

/// A `Table` of rows that were made elsewhere.
pub(crate) fn of_rows(metadata: Value, columns: Vec<Value>, rows: Vec<Value>) -> Value {
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": columns,
        "rows": rows,
    })
}

fn columns(kind: &Served) -> Vec<Value> {
    let name = json!({
        "name": NAME, "type": "string", "format": "name", "priority": 0,
        "description": column_descriptions::describe(kind.kind(), NAME),
    });
    (!has_own_name(kind)).then_some(name).into_iter().chain(kind.columns()).collect()
}

/// Whether the kind says itself where its name stands.
fn has_own_name(kind: &Served) -> bool {
    kind.has_column(NAME)
}

fn row(kind: &Served, object: &Value, include: &str) -> Value {
    let mut cells = kind.cells(object);
    if !has_own_name(kind) {
        cells.insert(0, json!(meta::name(object)));
    }
    row_of(json!(cells), object, include)
}

/// A row of these cells, with as much of its object as is asked for.
pub(crate) fn row_of(cells: Value, object: &Value, include: &str) -> Value {
    match include {
        "None" => json!({"cells": cells}),
        "Object" => json!({"cells": cells, "object": object}),
        _ => json!({"cells": cells, "object": metadata_only(object)}),
    }
}
