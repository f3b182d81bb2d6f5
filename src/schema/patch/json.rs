//! JSON patch (RFC 6902) with the leniency of evanphx/json-patch v4, which the API server uses.
//!
//! Clients rely on three things that the RFC forbids (`v4/patch.go`): `test` with null passes
//! where nothing is (kube-rs adds its finalizers so), `replace` sets a field that is not there
//! (evanphx/json-patch#204), and negative indices count from the end. The whole document, path
//! "", cannot be a target.

mod pointer;

use serde_json::{Map, Value};

use self::pointer::Target;
use crate::decode::DEPTH_MAX;
use crate::equal::same;

/// Operations in one patch, as Kubernetes allows (`k8s.io/apiserver/pkg/endpoints/handlers/
/// patch.go`, maxJSONPatchOperations).
pub const OPERATIONS_MAX: usize = 10_000;

/// Bytes of JSON that the `copy` operations of one patch may add, the largest body that is
/// accepted (`k8s.io/apiserver/pkg/server/config.go`, JSONPatchMaxCopyBytes): a patch that
/// copies its own copies would otherwise grow without limit.
pub const COPIED_BYTES_MAX: usize = 3 * 1024 * 1024;

/// Why a JSON patch was not applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonPatchError {
    /// It is no list of operations (HTTP 400). The message is Go's.
    #[error("{0}")]
    Malformed(String),
    /// It has over [`OPERATIONS_MAX`] operations (HTTP 413).
    #[error("The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {n_operations}")]
    TooManyOperations {
        /// How many.
        n_operations: usize,
    },
    /// It copies over [`COPIED_BYTES_MAX`] bytes (HTTP 413).
    #[error(
        "Unable to complete the copy, the accumulated size increase of copy is {n_bytes}, exceeding the limit {COPIED_BYTES_MAX}"
    )]
    CopiesTooMuch {
        /// How many up to the copy that went over.
        n_bytes: usize,
    },
    /// The result would nest deeper than [`DEPTH_MAX`] (HTTP 422).
    #[error("{operation} operation does not apply: `{path}` would nest deeper than {DEPTH_MAX} levels")]
    TooDeep {
        /// Which operation.
        operation: &'static str,
        /// Its target.
        path: String,
    },
    /// A `test` found something else (HTTP 422).
    #[error("testing value {path} failed: test failed")]
    TestFailed {
        /// What was tested.
        path: String,
    },
    /// An operation does not fit the document (HTTP 422). The message is evanphx's.
    #[error("{0}")]
    Inapplicable(String),
}

/// One patch at work.
struct Patching {
    document: Value,
    /// No part of the document is deeper.
    depth_bound: usize,
    n_copied_bytes: usize,
}

/// Applies `operations`, all of them or none.
///
/// # Errors
///
/// See [`JsonPatchError`]; `target` is then as it was.
pub fn json(target: &mut Value, operations: &Value) -> Result<(), JsonPatchError> {
    let Value::Array(operations) = operations else {
        return Err(not_a_patch(operations));
    };
    if operations.len() > OPERATIONS_MAX {
        return Err(JsonPatchError::TooManyOperations { n_operations: operations.len() });
    }
    let document = target.clone();
    let mut patching = Patching { depth_bound: depth(&document), document, n_copied_bytes: 0 };
    for operation in operations {
        let Value::Object(operation) = operation else {
            return Err(not_a_patch(operation));
        };
        patching.apply(operation)?;
    }
    *target = patching.document;
    Ok(())
}

/// Fields of the operations that JSON patch has none of, by their paths: `[0].foo`.
pub fn unknown_in_operations(operations: &Value) -> Vec<String> {
    let operations = operations.as_array().into_iter().flatten().enumerate();
    let fields = operations.flat_map(|(index, operation)| {
        let fields = operation.as_object().into_iter().flat_map(Map::keys);
        fields.map(move |field| (index, field))
    });
    fields
        .filter(|(_, field)| !matches!(field.as_str(), "op" | "path" | "from" | "value"))
        .map(|(index, field)| format!("[{index}].{field}"))
        .collect()
}

// === impl Patching ===

impl Patching {
    fn apply(&mut self, operation: &Map<String, Value>) -> Result<(), JsonPatchError> {
        match operation.get("op").and_then(Value::as_str).unwrap_or("unknown") {
            "add" => self.add(operation),
            "remove" => self.remove(operation),
            "replace" => self.replace(operation),
            "move" => self.move_value(operation),
            "copy" => self.copy(operation),
            "test" => self.test(operation),
            other => Err(JsonPatchError::Inapplicable(format!("Unexpected kind: {other}"))),
        }
    }

    fn add(&mut self, operation: &Map<String, Value>) -> Result<(), JsonPatchError> {
        let path = text(operation, "path", "add")?;
        let value = value(operation);
        self.check_depth("add", path, depth(value))?;
        let missing = || missing(format!("add operation does not apply: doc is missing path: \"{path}\""));
        Target::find(&mut self.document, path)
            .ok_or_else(missing)?
            .add(value.clone())
            .map_err(|why| in_path("add", path, &why))
    }

    fn remove(&mut self, operation: &Map<String, Value>) -> Result<(), JsonPatchError> {
        let path = text(operation, "path", "remove")?;
        let missing = || missing(format!("remove operation does not apply: doc is missing path: \"{path}\""));
        let target = Target::find(&mut self.document, path).ok_or_else(missing)?;
        target.remove().map(drop).map_err(|why| in_path("remove", path, &why))
    }

    fn replace(&mut self, operation: &Map<String, Value>) -> Result<(), JsonPatchError> {
        let path = text(operation, "path", "replace")?;
        let value = value(operation);
        self.check_depth("replace", path, depth(value))?;
        let missing_path =
            || missing(format!("replace operation does not apply: doc is missing path: {path}"));
        let missing_key =
            |_| missing(format!("replace operation does not apply: doc is missing key: {path}"));
        Target::find(&mut self.document, path)
            .ok_or_else(missing_path)?
            .set(value.clone())
            .map_err(missing_key)
    }

    fn move_value(&mut self, operation: &Map<String, Value>) -> Result<(), JsonPatchError> {
        let from = text(operation, "from", "move")?;
        let path = text(operation, "path", "move")?;
        let missing_from =
            || missing(format!("move operation does not apply: doc is missing from path: {from}"));
        let source = Target::find(&mut self.document, from).ok_or_else(missing_from)?;
        let value = source.remove().map_err(|why| in_path("move", from, &why))?;
        self.check_depth("move", path, self.depth_bound.saturating_sub(n_steps(from)).min(depth(&value)))?;
        let missing_path =
            || missing(format!("move operation does not apply: doc is missing destination path: {path}"));
        let target = Target::find(&mut self.document, path).ok_or_else(missing_path)?;
        target.add(value).map_err(|why| in_path("move", path, &why))
    }

    fn copy(&mut self, operation: &Map<String, Value>) -> Result<(), JsonPatchError> {
        let from = text(operation, "from", "copy")?;
        let path = text(operation, "path", "copy")?;
        let missing_from =
            || missing(format!("copy operation does not apply: doc is missing from path: {from}"));
        let source = Target::find(&mut self.document, from).ok_or_else(missing_from)?;
        let value = source.get().map_err(|why| {
            JsonPatchError::Inapplicable(format!("error in copy for from: '{from}': {why}"))
        })?;
        // Upstream copies a missing field as null; RFC 6902, section 4.5, wants it to be there.
        let value = value.cloned().ok_or_else(missing_from)?;
        self.n_copied_bytes += n_bytes(&value);
        if self.n_copied_bytes > COPIED_BYTES_MAX {
            return Err(JsonPatchError::CopiesTooMuch { n_bytes: self.n_copied_bytes });
        }
        self.check_depth("copy", path, depth(&value))?;
        let missing_path =
            || missing(format!("copy operation does not apply: doc is missing destination path: {path}"));
        let target = Target::find(&mut self.document, path).ok_or_else(missing_path)?;
        target.add(value).map_err(|why| {
            JsonPatchError::Inapplicable(format!("error while adding value during copy: {why}"))
        })
    }

    fn test(&mut self, operation: &Map<String, Value>) -> Result<(), JsonPatchError> {
        let path = text(operation, "path", "test")?;
        let missing = || missing(format!("test operation does not apply: is missing path: {path}"));
        let found = Target::find(&mut self.document, path).ok_or_else(missing)?;
        let found = found.get().map_err(|why| in_path("test", path, &why))?.unwrap_or(&Value::Null);
        if same(found, value(operation)) {
            Ok(())
        } else {
            Err(JsonPatchError::TestFailed { path: path.to_owned() })
        }
    }

    /// Refuses a value of depth `below` at `path` where the document would get too deep.
    fn check_depth(
        &mut self,
        operation: &'static str,
        path: &str,
        below: usize,
    ) -> Result<(), JsonPatchError> {
        let found = n_steps(path) + below;
        if found > DEPTH_MAX {
            return Err(JsonPatchError::TooDeep { operation, path: path.to_owned() });
        }
        self.depth_bound = self.depth_bound.max(found);
        Ok(())
    }
}

fn value(operation: &Map<String, Value>) -> &Value {
    operation.get("value").unwrap_or(&Value::Null)
}

fn text<'a>(operation: &'a Map<String, Value>, key: &str, name: &str) -> Result<&'a str, JsonPatchError> {
    operation
        .get(key)
        .and_then(Value::as_str)
        .ok_or_else(|| missing(format!("{name} operation failed to decode {key}")))
}

fn missing(what: String) -> JsonPatchError {
    JsonPatchError::Inapplicable(format!("{what}: missing value"))
}

fn in_path(operation: &str, path: &str, why: &str) -> JsonPatchError {
    JsonPatchError::Inapplicable(format!("error in {operation} for path: '{path}': {why}"))
}

fn n_steps(path: &str) -> usize {
    path.matches('/').count()
}

/// How many objects and arrays nest at most; 0 for a scalar.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(object) => 1 + object.values().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

fn n_bytes(value: &Value) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    serde_json::to_writer(&mut count, value).expect("counting bytes cannot fail");
    count.0
}

fn not_a_patch(value: &Value) -> JsonPatchError {
    let (found, wanted) = match value {
        Value::Null => ("null", "jsonpatch.Operation"),
        Value::Bool(_) => ("bool", "jsonpatch.Patch"),
        Value::Number(_) => ("number", "jsonpatch.Patch"),
        Value::String(_) => ("string", "jsonpatch.Patch"),
        Value::Array(_) => ("array", "jsonpatch.Operation"),
        Value::Object(_) => ("object", "jsonpatch.Patch"),
    };
    JsonPatchError::Malformed(format!("json: cannot unmarshal {found} into Go value of type {wanted}"))
}

#[cfg(test)]
mod tests;
