//! JSON bytes to a value, as an API server has to read them: duplicate keys are reported with
//! their paths, nesting is bounded, and faults are described in the words of Go's
//! `encoding/json`, which clients assert.
//!
//! serde_json's own maps keep the last of two equal keys in silence. YAML is decoded elsewhere,
//! protobuf in [`crate::protobuf`].

mod parser;
mod text;

use serde_json::Value;

use self::parser::Parser;

/// Objects and arrays may nest this deep. Kubernetes stops at 10,000, but serde_json (what we
/// store with, and what every kube-rs client reads lists with) refuses 128, of which a list takes
/// 2 and an object's managedFields 4: one deeper object would stop all watchers of its kind. The
/// deepest of the CustomResourceDefinitions of Istio and Gateway API (2026) nests 28 deep. Walkers
/// recurse; a test holds that this depth fits a stack of 2 MiB (tokio's workers) in debug builds.
pub const DEPTH_MAX: usize = 120;

/// As many duplicate or unknown fields are reported; a bound so that a hostile body cannot make
/// a reply many times its own size.
pub const REPORTED_FIELDS_MAX: usize = 100;

/// A decoded document.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The value; of two equal keys the last one counts, as in Go.
    pub value: Value,
    /// The paths of keys that came twice in one object: `spec.replicas`. Each once, in order,
    /// [`REPORTED_FIELDS_MAX`] at most.
    pub duplicates: Vec<String>,
}

/// Why bytes are no JSON document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DecodeError {
    /// What is wrong, in Go's words: `invalid character 'x' looking for beginning of value`.
    pub message: String,
    /// How many bytes come before the fault.
    pub offset: usize,
    /// The line of the fault, from 1.
    pub line: usize,
    /// The column of the fault in bytes, from 1.
    pub column: usize,
}

/// Decodes one JSON document.
///
/// Numbers become `i64`, `u64` or `f64`, in this order of preference; bytes that are no UTF-8
/// and lone surrogates become U+FFFD, as in Go.
///
/// # Errors
///
/// The bytes are not one JSON value, nest deeper than [`DEPTH_MAX`], or hold a number that no
/// `f64` can.
pub fn json(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    let mut parser = Parser::new(bytes);
    match parser.document() {
        Ok(value) => Ok(Decoded { value, duplicates: parser.into_duplicates() }),
        Err(fault) => Err(DecodeError::at(bytes, fault.offset, fault.message)),
    }
}

/// Whether a value nests deeper than [`DEPTH_MAX`]: for values that [`json`] did not decode.
pub fn is_too_deep(value: &Value) -> bool {
    fn fits(value: &Value, left: usize) -> bool {
        match value {
            Value::Array(items) => left > 0 && items.iter().all(|item| fits(item, left - 1)),
            Value::Object(object) => left > 0 && object.values().all(|value| fits(value, left - 1)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        }
    }
    !fits(value, DEPTH_MAX)
}

/// The message for a request with `fieldValidation=Strict`, of the texts of [`strict_warnings`]:
/// `strict decoding error: unknown field "spec.foo", duplicate field "spec.replicas"`.
///
/// Follows `runtime.NewStrictDecodingError` (`k8s.io/apimachinery/pkg/runtime/error.go`).
pub fn strict_message(warnings: &[String]) -> String {
    format!("strict decoding error: {}", warnings.join(", "))
}

/// One text for each field, as `fieldValidation=Warn` sends them in `Warning` headers.
pub fn strict_warnings(duplicates: &[String], unknown: &[String]) -> Vec<String> {
    let duplicates = duplicates.iter().map(|path| format!("duplicate field \"{path}\""));
    let unknown = unknown.iter().map(|path| format!("unknown field \"{path}\""));
    duplicates.chain(unknown).take(REPORTED_FIELDS_MAX).collect()
}

// === impl DecodeError ===

impl DecodeError {
    fn at(bytes: &[u8], offset: usize, message: String) -> DecodeError {
        let before = &bytes[..offset.min(bytes.len())];
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|&&byte| byte != b'\n').count() + 1;
        DecodeError { message, offset, line, column }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn check(text: &str, value: Value, duplicates: &[&str]) {
        let decoded = super::json(text.as_bytes()).unwrap();
        assert_eq!(decoded.value, value, "{text}");
        assert_eq!(decoded.duplicates, duplicates, "{text}");
    }

    fn check_fault(text: &str, message: &str, offset: usize) {
        let error = super::json(text.as_bytes()).unwrap_err();
        assert_eq!((error.message.as_str(), error.offset), (message, offset), "{text}");
    }

    #[test]
    fn values_are_decoded() {
        check("null", Value::Null, &[]);
        check(" { } ", json!({}), &[]);
        check("[1, -2, 3.5, 1e2, true, false]", json!([1, -2, 3.5, 100.0, true, false]), &[]);
        check("18446744073709551615", json!(u64::MAX), &[]);
        check("-0", json!(0), &[]);
        check("123456789012345678901234567890", json!(1.2345678901234568e29), &[]);
        check(r#""a\n\"\\\/\u00e9\ud83d\ude00""#, json!("a\n\"\\/é😀"), &[]);
        check(r#""\ud800x""#, json!("\u{fffd}x"), &[]);
        assert_eq!(super::json(b"\"a\xffb\"").unwrap().value, json!("a\u{fffd}b"));
    }

    #[test]
    fn keys_keep_their_order() {
        let decoded = super::json(br#"{"kind":"a","apiVersion":"b","a":1}"#).unwrap();
        assert_eq!(decoded.value.to_string(), r#"{"kind":"a","apiVersion":"b","a":1}"#);
    }

    #[test]
    fn duplicate_keys_are_named_by_path() {
        check(r#"{"a":1,"a":2}"#, json!({"a": 2}), &["a"]);
        check(
            r#"{"spec":{"containers":[{"name":"a"},{"name":"b","name":"c","name":"d"}]},"spec2":{"x":1,"x":1}}"#,
            json!({"spec": {"containers": [{"name": "a"}, {"name": "d"}]}, "spec2": {"x": 1}}),
            &["spec.containers[1].name", "spec2.x"],
        );
        check(r#"[{"a":1,"a":2}]"#, json!([{"a": 2}]), &["[0].a"]);
    }

    #[test]
    fn faults_are_described_in_the_words_of_go() {
        check_fault("", "unexpected end of JSON input", 0);
        check_fault("{", "unexpected end of JSON input", 1);
        check_fault("{\"a\"", "unexpected end of JSON input", 4);
        check_fault("\"abc", "unexpected end of JSON input", 4);
        check_fault("x", "invalid character 'x' looking for beginning of value", 0);
        check_fault("NaN", "invalid character 'N' looking for beginning of value", 0);
        check_fault("{a:1}", "invalid character 'a' looking for beginning of object key string", 1);
        check_fault("{\"a\":1,}", "invalid character '}' looking for beginning of object key string", 7);
        check_fault("{\"a\" 1}", "invalid character '1' after object key", 5);
        check_fault("{\"a\":1 \"b\"}", "invalid character '\"' after object key:value pair", 7);
        check_fault("[1 2]", "invalid character '2' after array element", 3);
        check_fault("[1,]", "invalid character ']' looking for beginning of value", 3);
        check_fault("{} x", "invalid character 'x' after top-level value", 3);
        check_fault("01", "invalid character '1' after top-level value", 1);
        check_fault("-x", "invalid character 'x' in numeric literal", 1);
        check_fault("1.x", "invalid character 'x' after decimal point in numeric literal", 2);
        check_fault("1ex", "invalid character 'x' in exponent of numeric literal", 2);
        check_fault("trux", "invalid character 'x' in literal true (expecting 'e')", 3);
        check_fault("\"a\nb\"", "invalid character '\\n' in string literal", 2);
        check_fault("\"\\x\"", "invalid character 'x' in string escape code", 2);
        check_fault("\"\\u12g4\"", "invalid character 'g' in \\u hexadecimal character escape", 5);
        check_fault("1e400", "json: cannot unmarshal number 1e400 into Go value of type float64", 0);
    }

    #[test]
    fn a_fault_has_a_line_and_a_column() {
        let error = super::json(b"{\n  \"a\": x\n}").unwrap_err();
        assert_eq!((error.line, error.column), (2, 8));
    }

    /// AP-4: before it becomes a stack.
    #[test]
    fn deep_nesting_is_refused_without_exhausting_the_stack() {
        for text in ["[".repeat(100_000), "{\"a\":".repeat(100_000)] {
            assert_eq!(super::json(text.as_bytes()).unwrap_err().message, "exceeded max depth");
        }
        let deepest = format!("{}{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
        let value = super::json(deepest.as_bytes()).unwrap().value;
        assert!(!is_too_deep(&value));
        assert!(is_too_deep(&json!([value])));
        assert!(super::json(format!("[{deepest}]").as_bytes()).is_err());
    }

    #[test]
    fn the_strict_message_lists_every_field() {
        let (duplicates, unknown) = (vec!["a.b".to_owned()], vec!["spec.foo".to_owned()]);
        assert_eq!(
            strict_message(&strict_warnings(&[], &unknown)),
            r#"strict decoding error: unknown field "spec.foo""#
        );
        assert_eq!(
            strict_message(&strict_warnings(&duplicates, &unknown)),
            r#"strict decoding error: duplicate field "a.b", unknown field "spec.foo""#
        );
    }

    proptest! {
    #![proptest_config(crate::arbitrary::config())]

        #[test]
        fn what_serde_json_writes_is_read_back(value in crate::arbitrary::value()) {
            let decoded = super::json(value.to_string().as_bytes()).unwrap();
            prop_assert_eq!(decoded.value, value);
            prop_assert!(decoded.duplicates.is_empty());
        }

        #[test]
        fn any_bytes_decode_as_serde_json_decides(text in "[\\[\\]{}\":,0-9a-e.\\-+ truefalsn\\\\]{0,24}") {
            let ours = super::json(text.as_bytes()).is_ok();
            let theirs = serde_json::from_str::<Value>(&text).is_ok();
            // serde_json refuses lone surrogates, which Go replaces.
            prop_assert!(ours == theirs || text.contains("\\u"), "{}", text);
        }
    }
}
