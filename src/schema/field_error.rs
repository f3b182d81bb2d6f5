//! What is wrong with one field, in the words of apimachinery's `field.Error`
//! (`k8s.io/apimachinery/pkg/util/validation/field/errors.go`), which clients assert.
//!
//! Rules that schemas cannot express are other crates' business; they use the same type, so
//! that every cause of a refused object reads alike.

use std::fmt::{self, Write};

use serde_json::Value;

/// One reason why an object is not valid.
///
/// Displays as `spec.replicas: Invalid value: "x": must be …`.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldError {
    /// Where: `spec.containers[0].name`; empty for the object itself.
    pub path: String,
    /// What sort of rule was broken.
    pub kind: ErrorKind,
    /// The value found, where there is one to show.
    pub value: Option<Value>,
    /// What was wanted; may be empty.
    pub detail: String,
}

/// The sort of rule that a value breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A value that another field names is not there.
    NotFound,
    /// A value is missing.
    Required,
    /// A value that must be unique is there twice.
    Duplicate,
    /// A malformed value.
    Invalid,
    /// A value outside a list of possible ones.
    NotSupported,
    /// A well-formed value that may not be given here.
    Forbidden,
    /// A value with too many bytes; it is not repeated in the message.
    TooLong,
    /// Too many items.
    TooMany,
    /// A value of the wrong JSON type.
    TypeInvalid,
    /// A fault of the server's own.
    Internal,
}

// === impl FieldError ===

impl FieldError {
    /// `path: Required value`, with `detail` after it unless empty.
    pub fn required(path: impl Into<String>, detail: impl Into<String>) -> FieldError {
        FieldError::new(path, ErrorKind::Required, None, detail)
    }

    /// `path: Invalid value: …: detail`.
    pub fn invalid(
        path: impl Into<String>,
        value: impl Into<Value>,
        detail: impl Into<String>,
    ) -> FieldError {
        FieldError::new(path, ErrorKind::Invalid, Some(value.into()), detail)
    }

    /// As [`FieldError::invalid`], for a value of the wrong JSON type.
    pub fn type_invalid(
        path: impl Into<String>,
        value: impl Into<Value>,
        detail: impl Into<String>,
    ) -> FieldError {
        FieldError::new(path, ErrorKind::TypeInvalid, Some(value.into()), detail)
    }

    /// `path: Unsupported value: …: supported values: "a", "b"`.
    pub fn not_supported<S: AsRef<str>>(
        path: impl Into<String>,
        value: impl Into<Value>,
        supported: impl IntoIterator<Item = S>,
    ) -> FieldError {
        let quoted: Vec<String> = supported.into_iter().map(|one| go_quote(one.as_ref())).collect();
        let detail = if quoted.is_empty() {
            String::new()
        } else {
            format!("supported values: {}", quoted.join(", "))
        };
        FieldError::new(path, ErrorKind::NotSupported, Some(value.into()), detail)
    }

    /// `path: Forbidden: detail`.
    pub fn forbidden(path: impl Into<String>, detail: impl Into<String>) -> FieldError {
        FieldError::new(path, ErrorKind::Forbidden, None, detail)
    }

    /// `path: Duplicate value: …`.
    pub fn duplicate(path: impl Into<String>, value: impl Into<Value>) -> FieldError {
        FieldError::new(path, ErrorKind::Duplicate, Some(value.into()), "")
    }

    /// `path: Not found: …`.
    pub fn not_found(path: impl Into<String>, value: impl Into<Value>) -> FieldError {
        FieldError::new(path, ErrorKind::NotFound, Some(value.into()), "")
    }

    /// `path: Too long: may not be more than N bytes`.
    pub fn too_long(path: impl Into<String>, max_bytes: u64) -> FieldError {
        let unit = if max_bytes == 1 { "byte" } else { "bytes" };
        FieldError::new(path, ErrorKind::TooLong, None, format!("may not be more than {max_bytes} {unit}"))
    }

    /// `path: Too many: N: must have at most M items`.
    pub fn too_many(path: impl Into<String>, n_found: u64, n_max: u64) -> FieldError {
        let unit = if n_max == 1 { "item" } else { "items" };
        let detail = format!("must have at most {n_max} {unit}");
        FieldError::new(path, ErrorKind::TooMany, Some(n_found.into()), detail)
    }

    /// The message without the field's path, as a `StatusCause` carries it.
    pub fn body(&self) -> String {
        let mut body = self.kind.as_str().to_owned();
        if let Some(value) = self.shown_value() {
            body.push_str(": ");
            body.push_str(&value);
        }
        if !self.detail.is_empty() {
            body.push_str(": ");
            body.push_str(&self.detail);
        }
        body
    }

    fn new(
        path: impl Into<String>,
        kind: ErrorKind,
        value: Option<Value>,
        detail: impl Into<String>,
    ) -> FieldError {
        FieldError { path: path.into(), kind, value, detail: detail.into() }
    }

    fn shown_value(&self) -> Option<String> {
        match self.kind {
            ErrorKind::Required | ErrorKind::Forbidden | ErrorKind::TooLong | ErrorKind::Internal => None,
            ErrorKind::NotFound
            | ErrorKind::Duplicate
            | ErrorKind::Invalid
            | ErrorKind::NotSupported
            | ErrorKind::TooMany
            | ErrorKind::TypeInvalid => self.value.as_ref().map(go_value),
        }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `field.Path` prints its root as `<nil>`, and so do messages about the whole object.
        let path = if self.path.is_empty() { "<nil>" } else { &self.path };
        write!(f, "{path}: {}", self.body())
    }
}

impl std::error::Error for FieldError {}

// === impl ErrorKind ===

impl ErrorKind {
    /// The words that open the message.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorKind::NotFound => "Not found",
            ErrorKind::Required => "Required value",
            ErrorKind::Duplicate => "Duplicate value",
            ErrorKind::Invalid | ErrorKind::TypeInvalid => "Invalid value",
            ErrorKind::NotSupported => "Unsupported value",
            ErrorKind::Forbidden => "Forbidden",
            ErrorKind::TooLong => "Too long",
            ErrorKind::TooMany => "Too many",
            ErrorKind::Internal => "Internal error",
        }
    }

    /// The `reason` of a `StatusCause` (`metav1.CauseType`).
    pub fn cause(self) -> &'static str {
        match self {
            ErrorKind::NotFound => "FieldValueNotFound",
            ErrorKind::Required => "FieldValueRequired",
            ErrorKind::Duplicate => "FieldValueDuplicate",
            ErrorKind::Invalid => "FieldValueInvalid",
            ErrorKind::NotSupported => "FieldValueNotSupported",
            ErrorKind::Forbidden => "FieldValueForbidden",
            ErrorKind::TooLong => "FieldValueTooLong",
            ErrorKind::TooMany => "FieldValueTooMany",
            ErrorKind::TypeInvalid => "FieldValueTypeInvalid",
            ErrorKind::Internal => "InternalError",
        }
    }
}

/// A value as Go's `field.Error` prints it: strings quoted, `null` as the quoted word,
/// compounds as JSON.
fn go_value(value: &Value) -> String {
    match value {
        Value::Null => go_quote("null"),
        Value::String(text) => go_quote(text),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// A string as Go's `%q` prints it; text that needs no escape looks the same as in Rust.
pub(crate) fn go_quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\u{b}' => quoted.push_str("\\v"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => {
                write!(quoted, "\\x{:02x}", c as u32).expect("writing to a string cannot fail");
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: FieldError, text: &str, cause: &str) {
        assert_eq!(error.to_string(), text);
        assert_eq!(error.kind.cause(), cause);
    }

    #[test]
    fn messages_read_as_kubernetes_prints_them() {
        check(
            FieldError::invalid("spec.replicas", "x", "must be a number"),
            r#"spec.replicas: Invalid value: "x": must be a number"#,
            "FieldValueInvalid",
        );
        check(
            FieldError::required("spec.containers[0].name", ""),
            "spec.containers[0].name: Required value",
            "FieldValueRequired",
        );
        check(
            FieldError::not_supported("spec.type", "Foo", ["A", "B"]),
            r#"spec.type: Unsupported value: "Foo": supported values: "A", "B""#,
            "FieldValueNotSupported",
        );
        check(FieldError::invalid("a", Value::Null, ""), r#"a: Invalid value: "null""#, "FieldValueInvalid");
        check(FieldError::invalid("a", -1, "no"), "a: Invalid value: -1: no", "FieldValueInvalid");
        check(
            FieldError::duplicate("a[1]", serde_json::json!({"b": 1})),
            r#"a[1]: Duplicate value: {"b":1}"#,
            "FieldValueDuplicate",
        );
        check(FieldError::too_long("a", 3), "a: Too long: may not be more than 3 bytes", "FieldValueTooLong");
        check(
            FieldError::too_many("a", 4, 1),
            "a: Too many: 4: must have at most 1 item",
            "FieldValueTooMany",
        );
        check(
            FieldError::forbidden("a", "is immutable"),
            "a: Forbidden: is immutable",
            "FieldValueForbidden",
        );
    }

    #[test]
    fn text_is_quoted_as_go_quotes_it() {
        assert_eq!(go_quote("a\"b\\\n\u{1}é"), "\"a\\\"b\\\\\\n\\x01é\"");
    }
}
