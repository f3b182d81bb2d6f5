//! What a body has to be before it means anything: of the kind that the path
//! names, with fields that are known, of the right types and the right object.
//!
//! Source: `apiserver/pkg/endpoints/handlers` (create.go, update.go, rest.go).

use serde_json::{Value, json};
use spur_api::{Scope, Status, definitions, meta};
use spur_schema::FieldError;
use spur_schema::decode::{self, Decoded};

use crate::path::Target;
use crate::query::FieldValidation;
use crate::served::Served;

/// A body whose fields are known and have the right types.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) value: Value,
    /// What was dropped, for the `Warning` header.
    pub(crate) warnings: Vec<String>,
}

/// Checks a body's fields: unknown and duplicate ones, nulls, JSON types.
pub(crate) fn check_fields(
    kind: &Served,
    decoded: Decoded,
    validation: FieldValidation,
) -> Result<Incoming, Status> {
    let Decoded { mut value, duplicates } = decoded;
    let unknown = drop_unknown(kind, &mut value);
    let warnings = tolerated(validation, decode::strict_warnings(&duplicates, &unknown))
        .map_err(|message| unhandled(kind, &message))?;
    check_types(kind, &value)?;
    Ok(Incoming { value, warnings })
}

/// Checks the fields of what a patch has made. What was already wrong with the patch is told first.
///
/// Source: `apiserver/pkg/endpoints/handlers/patch.go`, `applyPatchToCurrentObject`.
pub(crate) fn check_patched(
    kind: &Served,
    mut value: Value,
    faults: &[String],
    validation: FieldValidation,
) -> Result<Incoming, Status> {
    let patched = (validation == FieldValidation::Strict).then(|| value.to_string());
    let unknown = drop_unknown(kind, &mut value);
    let faults = faults.iter().cloned().chain(decode::strict_warnings(&[], &unknown)).collect();
    let warnings = tolerated(validation, faults).map_err(|message| {
        let fault = FieldError::invalid("patch", json!(patched.unwrap_or_default()), message);
        Status::invalid("", "", "", &[fault])
    })?;
    check_types(kind, &value)?;
    Ok(Incoming { value, warnings })
}

fn drop_unknown(kind: &Served, value: &mut Value) -> Vec<String> {
    spur_schema::drop_nulls(kind.schema(), value);
    spur_schema::unknown_fields(kind.schema(), value)
}

/// What is told of these faults, or the message that refuses the request for them.
fn tolerated(validation: FieldValidation, faults: Vec<String>) -> Result<Vec<String>, String> {
    match validation {
        FieldValidation::Ignore => Ok(Vec::new()),
        FieldValidation::Strict if !faults.is_empty() => Err(decode::strict_message(&faults)),
        FieldValidation::Warn | FieldValidation::Strict => Ok(faults),
    }
}

fn check_types(kind: &Served, value: &Value) -> Result<(), Status> {
    let checked = if kind.is_structural() {
        // The rest is the schema's business, but `metadata` is typed for every kind.
        let metadata = value.get("metadata").unwrap_or(&Value::Null);
        let schema = definitions::schemas().get(definitions::OBJECT_META);
        spur_schema::typecheck(schema.expect("the definitions hold ObjectMeta"), metadata)
            .map_err(|mismatch| format!("unable to decode metadata: {mismatch}"))
    } else {
        spur_schema::typecheck(kind.schema(), value).map_err(|mismatch| mismatch.to_string())
    };
    checked.map_err(|why| unhandled(kind, &why))
}

fn unhandled(kind: &Served, why: &str) -> Status {
    let (version, name) = (kind.version(), kind.kind());
    Status::bad_request(format!("{name} in version \"{version}\" cannot be handled as a {name}: {why}"))
}

/// Checks that a body is of the kind that the path names. Clients with typed
/// objects leave that out for bundled kinds; custom kinds have to say it
/// (`apiextensions-apiserver`, `schemaCoercingDecoder`).
pub(crate) fn check_kind(kind: &Served, value: &mut Value) -> Result<(), Status> {
    if kind.is_structural() {
        check_names_its_kind(value)?;
    }
    let map = value.as_object_mut().expect("bodies and patched objects are maps");
    for (field, what, wanted) in
        [("apiVersion", "API version", kind.api_version()), ("kind", "kind", kind.kind().to_owned())]
    {
        match map.get(field).unwrap_or(&Value::Null) {
            Value::Null => drop(map.insert(field.to_owned(), json!(wanted))),
            Value::String(found) if found.is_empty() => drop(map.insert(field.to_owned(), json!(wanted))),
            Value::String(found) if *found == wanted => {}
            found => {
                let found = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
                return Err(Status::bad_request(format!(
                    "the {what} in the data ({found}) does not match the expected {what} ({wanted})"
                )));
            }
        }
    }
    Ok(())
}

/// Checks that a body says of what kind it is.
pub(crate) fn check_names_its_kind(value: &Value) -> Result<(), Status> {
    for (field, shown) in [("apiVersion", "apiVersion"), ("kind", "Kind")] {
        if matches!(value.get(field), None | Some(Value::Null)) || value[field] == "" {
            return Err(Status::bad_request(format!("Object '{shown}' is missing in the body")));
        }
    }
    Ok(())
}

/// Checks that a body is the object that the path names, and gives it what it left out.
pub(crate) fn check_identity(target: &Target, value: &mut Value) -> Result<(), Status> {
    let kind = &target.kind;
    let metadata = meta::metadata_mut(value);
    match (kind.scope(), &target.namespace) {
        (Scope::Namespaced, Some(namespace)) => {
            let sent = metadata.get("namespace").and_then(Value::as_str).unwrap_or("");
            if !sent.is_empty() && sent != namespace {
                let why = format!(
                    "the namespace of the provided object does not match the namespace sent on the request: found `{sent}`, want `{namespace}`"
                );
                return Err(Status::bad_request(why));
            }
            metadata.insert("namespace".to_owned(), json!(namespace));
        }
        _ => {
            metadata.shift_remove("namespace");
        }
    }
    if let Some(name) = &target.name {
        let sent = metadata.get("name").and_then(Value::as_str).unwrap_or("");
        if !sent.is_empty() && sent != name {
            let why = format!("the name of the object ({sent}) does not match the name on the URL ({name})");
            return Err(Status::bad_request(why));
        }
        metadata.insert("name".to_owned(), json!(name));
    }
    Ok(())
}
