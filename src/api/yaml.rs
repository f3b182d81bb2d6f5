//! The only place that reads and writes YAML.
//!
//! `serde-saphyr` changes often (1.0 in July, 2.0 in October 2026), so nothing
//! else names it. Every document is decoded into an ordered JSON value.

mod places;

use serde_json::Value;
use serde_saphyr::options::DuplicateKeyPolicy;

pub use places::{Place, Places, places};

/// Text that is not YAML, with the place where that shows (1-based).
#[derive(Debug, thiserror::Error)]
#[error("{}{message}", place(.line, .column))]
pub struct YamlError {
    /// Line of the fault, where known.
    pub line: Option<u64>,
    /// Column of the fault, where known.
    pub column: Option<u64>,
    /// What is wrong.
    pub message: String,
}

/// Reads every document of a stream; empty documents are left out.
///
/// Duplicate keys are errors, and `yes`/`no`/`on`/`off` stay text, as YAML 1.2
/// core schema (section 10.3) and `kubectl` have it.
///
/// # Errors
/// When the text is no YAML, with line and column.
pub fn documents(text: &str) -> Result<Vec<Value>, YamlError> {
    read(text, DuplicateKeyPolicy::Error).map_err(|error| YamlError::new(&error))
}

fn read(text: &str, duplicates: DuplicateKeyPolicy) -> Result<Vec<Value>, serde_saphyr::Error> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple_with_options(text, options_for(text, duplicates))?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

/// How a text is read. What it may grow to by aliases is bounded as the library has it; documents
/// are as many as there is text for, 16 bytes each: rules for thousands of Services stand in one
/// file.
fn options_for(text: &str, duplicates: DuplicateKeyPolicy) -> serde_saphyr::Options {
    serde_saphyr::options! {
        duplicate_keys: duplicates,
        budget: serde_saphyr::budget! { max_documents: DOCUMENTS_MAX.max(text.len() / 16) },
        strict_booleans: true,
        legacy_octal_numbers: true,
        with_snippet: false,
    }
}

/// Documents of a short text: the library's own bound.
const DOCUMENTS_MAX: usize = 1_024;

/// Reads exactly one document.
///
/// # Errors
/// When the text is no YAML or holds none or several documents.
pub fn document(text: &str) -> Result<Value, YamlError> {
    one_of(documents(text)?)
}

/// As [`document`], but of two equal keys the last one counts, and the first key that came twice is
/// given beside the value.
///
/// # Errors
/// As [`document`], but for keys that come twice.
pub fn document_with_duplicate(text: &str) -> Result<(Value, Option<String>), YamlError> {
    let (all, duplicate) = match read(text, DuplicateKeyPolicy::Error) {
        Err(serde_saphyr::Error::DuplicateMappingKey { key, .. }) => {
            (read(text, DuplicateKeyPolicy::LastWins), Some(key.unwrap_or_default()))
        }
        all => (all, None),
    };
    Ok((one_of(all.map_err(|error| YamlError::new(&error))?)?, duplicate))
}

fn one_of(mut all: Vec<Value>) -> Result<Value, YamlError> {
    match (all.pop(), all.len()) {
        (Some(one), 0) => Ok(one),
        (None, _) => Err(YamlError::plain("found no document, want one")),
        (Some(_), more) => Err(YamlError::plain(&format!("found {} documents, want one", more + 1))),
    }
}

/// Writes one document, ending in a newline.
pub fn to_string(value: &Value) -> String {
    let mut text = serde_saphyr::to_string(value).expect("a JSON value is always YAML");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

// === impl YamlError ===

impl YamlError {
    fn new(error: &serde_saphyr::Error) -> Self {
        let location = error.location();
        let mut message = error.to_string();
        if message.contains("budget breached") {
            message.push_str(
                "\nhint: the text is too large, or grows by its aliases: split it into several files",
            );
        }
        Self { line: location.map(|at| at.line()), column: location.map(|at| at.column()), message }
    }

    fn plain(message: &str) -> Self {
        Self { line: None, column: None, message: message.to_owned() }
    }
}

fn place(line: &Option<u64>, column: &Option<u64>) -> String {
    match (line, column) {
        (Some(line), Some(column)) => format!("line {line}, column {column}: "),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_stream_gives_its_documents_in_order_without_the_empty_ones() {
        let all = documents("a: 1\n---\n---\nb: [yes, 'no', true]\n").unwrap();
        assert_eq!(all, vec![json!({"a": 1}), json!({"b": ["yes", "no", true]})]);
    }

    #[test]
    fn a_text_may_have_thousands_of_documents() {
        let text = "---\nkind: Service\nname: a\n".repeat(3_000);
        assert_eq!(documents(&text).unwrap().len(), 3_000);
        assert_eq!(places(&text).unwrap().len(), 3_000);
    }

    #[test]
    fn a_fault_names_its_line() {
        let error = documents("a: 1\nb: [1,\n").unwrap_err();
        assert!(error.line.is_some(), "{error}");
        let error = documents("a: 1\na: 2\n").unwrap_err();
        assert_eq!(error.line, Some(2), "{error}");
    }

    #[test]
    fn key_order_and_strings_that_look_like_numbers_survive() {
        let value = json!({"z": "1", "a": {"y": "true", "b": null, "n": "null", "o": "0440"}});
        assert_eq!(document(&to_string(&value)).unwrap(), value);
    }

    /// As kubectl's reader has it (sigs.k8s.io/yaml, which is YAML 1.1 here): file modes are written so.
    #[test]
    fn numbers_with_a_leading_zero_are_octal() {
        let found = document("a: 0440\nb: 0o755\nc: 0\nd: \"0440\"\ne: 0.5\n").unwrap();
        assert_eq!(found, json!({"a": 288, "b": 493, "c": 0, "d": "0440", "e": 0.5}));
    }

    /// AP-4: before it takes memory.
    #[test]
    fn an_alias_bomb_is_refused() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let previous = format!("*a{}, ", level - 1).repeat(10);
            bomb.extend([format!("a{level}: &a{level} [{previous}]\n")]);
        }
        let error = documents(&bomb).unwrap_err().to_string();
        assert!(error.contains("split it into several files"), "{error}");
    }
}
