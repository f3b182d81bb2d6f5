//! What is wrong with an object whose schema is all there is to know about its kind.

use serde_json::Value;
use spur_schema::{ErrorKind, FieldError, Schema};

/// What is wrong with an object that follows its schema to the letter.
///
/// Source: `apiextensions-apiserver/pkg/registry/customresource/strategy.go`, `Validate` and
/// `ValidateUpdate`.
pub(crate) fn structural_faults(schema: Schema<'_>, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = match old {
        Some(old) => spur_schema::validate_change(schema, new, old),
        None => spur_schema::validate(schema, new),
    };
    faults.extend(spur_schema::embedded_resources(schema, new));
    let repeated = spur_schema::repeated_items(schema, new);
    // Where the old object had such items, the new one may have them too.
    if old.is_none_or(|old| spur_schema::repeated_items(schema, old).is_empty()) {
        faults.extend(repeated);
    }
    // Rules expect values of the right types.
    let is_blocking = |fault: &FieldError| match fault.kind {
        ErrorKind::NotSupported
        | ErrorKind::Required
        | ErrorKind::TooLong
        | ErrorKind::TooMany
        | ErrorKind::TypeInvalid => true,
        ErrorKind::NotFound
        | ErrorKind::Duplicate
        | ErrorKind::Invalid
        | ErrorKind::Forbidden
        | ErrorKind::Internal => false,
    };
    if !faults.iter().any(is_blocking) {
        faults.extend(spur_schema::broken_rules(schema, new, old));
    } else if schema.has_cel_rules() {
        let why = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";
        faults.push(FieldError::invalid("", Value::Null, why));
    }
    faults
}
