//! Label and field selectors: parsing what a query string says and matching it.
//!
//! Grammar: Kubernetes' `apimachinery/pkg/labels/selector.go` and
//! `fields/selector.go`.

use serde_json::{Map, Value};

/// A selector that could not be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unable to parse requirement: {0}")]
pub struct SelectorError(String);

/// Requirements on labels, all of which must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelSelector(Vec<Requirement>);

/// Requirements on fields, all of which must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldSelector(Vec<FieldRequirement>);

/// One requirement on a field.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldRequirement {
    /// The field's label, such as `metadata.name`.
    pub field: String,
    /// Whether the field must equal or differ from the value.
    pub relation: Relation,
    /// The value.
    pub value: String,
}

/// How a field must relate to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `=` or `==`.
    Equals,
    /// `!=`.
    Differs,
}

#[derive(Clone, Debug, PartialEq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
    /// The label's value is a number, and greater than this.
    Greater(String, i64),
    /// The same, and less.
    Less(String, i64),
}

// === impl LabelSelector ===

impl LabelSelector {
    /// Reads `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1,m<2`; empty text selects all.
    ///
    /// # Errors
    /// When a requirement does not follow the grammar or a key or value is no
    /// valid label.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        // A stray comma is refused: `x,` without its rest would select more than was meant.
        let parts = split_outside_parentheses(text);
        let requirements: Result<Vec<_>, _> = parts.iter().map(|part| Requirement::parse(part)).collect();
        Ok(Self(requirements?))
    }

    /// The selector of an object's `spec.selector`: `matchLabels` and
    /// `matchExpressions` (apps/v1), or a plain map (v1 Service).
    ///
    /// An absent selector selects nothing, so it gives `None`.
    pub fn from_object(selector: Option<&Value>) -> Option<Self> {
        let map = selector?.as_object()?;
        if !map.contains_key("matchLabels") && !map.contains_key("matchExpressions") {
            return (!map.is_empty()).then(|| Self(equalities(map)));
        }
        let mut requirements =
            map.get("matchLabels").and_then(Value::as_object).map(equalities).unwrap_or_default();
        for expression in map.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
            requirements.push(Requirement::from_expression(expression)?);
        }
        Some(Self(requirements))
    }

    /// Whether every requirement holds.
    pub fn matches(&self, labels: Option<&Map<String, Value>>) -> bool {
        self.0.iter().all(|requirement| requirement.holds(labels))
    }

    /// Whether there is no requirement.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

// === impl Requirement ===

impl Requirement {
    fn parse(text: &str) -> Result<Self, SelectorError> {
        let text = text.trim();
        let wrong = |why: &str| SelectorError(format!("{why} in `{text}`"));
        let key = |key: &str| -> Result<String, SelectorError> {
            let key = key.trim();
            match crate::names::qualified_name(key) {
                None => Ok(key.to_owned()),
                Some(message) => Err(SelectorError(format!("<nil>: Invalid value: \"{key}\": {message}"))),
            }
        };
        let value = |value: &str| -> Result<String, SelectorError> {
            let value = value.trim();
            match crate::names::label_value(value) {
                None => Ok(value.to_owned()),
                Some(message) => {
                    Err(SelectorError(format!("values[0][]: Invalid value: \"{value}\": {message}")))
                }
            }
        };
        let bound = |text: &str| -> Result<i64, SelectorError> {
            value(text)?.parse().map_err(|_| {
                let why = "for 'Gt', 'Lt' operators, the value must be an integer";
                SelectorError(format!("values[0]: Invalid value: \"{}\": {why}", text.trim()))
            })
        };
        if let Some((left, right)) = text.split_once("!=") {
            return Ok(Self::NotIn(key(left)?, vec![value(right)?]));
        }
        if let Some((left, right)) = text.split_once("==").or_else(|| text.split_once('=')) {
            return Ok(Self::In(key(left)?, vec![value(right)?]));
        }
        if let Some((left, right)) = text.split_once('>') {
            return Ok(Self::Greater(key(left)?, bound(right)?));
        }
        if let Some((left, right)) = text.split_once('<') {
            return Ok(Self::Less(key(left)?, bound(right)?));
        }
        if let Some(open) = text.find('(') {
            let list = text[open + 1..].strip_suffix(')').ok_or_else(|| wrong("missing `)`"))?;
            let values: Result<Vec<_>, _> = list.split(',').map(value).collect();
            let mut words = text[..open].split_whitespace();
            return match (words.next(), words.next(), words.next()) {
                (Some(name), Some("in"), None) => Ok(Self::In(key(name)?, values?)),
                (Some(name), Some("notin"), None) => Ok(Self::NotIn(key(name)?, values?)),
                _ => Err(wrong("want `KEY in (…)` or `KEY notin (…)`")),
            };
        }
        match text.strip_prefix('!') {
            Some(name) => Ok(Self::Absent(key(name)?)),
            None => Ok(Self::Exists(key(text)?)),
        }
    }

    fn from_expression(expression: &Value) -> Option<Self> {
        let key = expression.get("key")?.as_str()?.to_owned();
        let values = || -> Vec<String> {
            let list = expression.get("values").and_then(Value::as_array);
            list.into_iter().flatten().filter_map(|value| value.as_str().map(str::to_owned)).collect()
        };
        match expression.get("operator")?.as_str()? {
            "In" => Some(Self::In(key, values())),
            "NotIn" => Some(Self::NotIn(key, values())),
            "Exists" => Some(Self::Exists(key)),
            "DoesNotExist" => Some(Self::Absent(key)),
            _ => None,
        }
    }

    fn holds(&self, labels: Option<&Map<String, Value>>) -> bool {
        let get = |key: &str| labels.and_then(|labels| labels.get(key)).and_then(Value::as_str);
        let number = |key: &str| get(key).and_then(|found| found.parse::<i64>().ok());
        match self {
            Self::In(key, values) => get(key).is_some_and(|found| values.iter().any(|value| value == found)),
            Self::NotIn(key, values) => {
                get(key).is_none_or(|found| values.iter().all(|value| value != found))
            }
            Self::Exists(key) => get(key).is_some(),
            Self::Absent(key) => get(key).is_none(),
            Self::Greater(key, bound) => number(key).is_some_and(|found| found > *bound),
            Self::Less(key, bound) => number(key).is_some_and(|found| found < *bound),
        }
    }
}

// === impl FieldSelector ===

impl FieldSelector {
    /// Reads `a=b,c!=d`; empty text selects all.
    ///
    /// # Errors
    /// When a requirement has no `=`, `==` or `!=`.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let parts = text.split(',').filter(|part| !part.trim().is_empty());
        let requirements: Result<Vec<_>, _> = parts.map(FieldRequirement::parse).collect();
        Ok(Self(requirements?))
    }

    /// The requirements, in the order written.
    pub fn requirements(&self) -> &[FieldRequirement] {
        &self.0
    }

    /// Whether every requirement holds, given how to read a field.
    pub fn matches(&self, read: impl Fn(&str) -> String) -> bool {
        self.0.iter().all(|requirement| {
            let is_equal = read(&requirement.field) == requirement.value;
            match requirement.relation {
                Relation::Equals => is_equal,
                Relation::Differs => !is_equal,
            }
        })
    }

    /// Whether there is no requirement.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value that `field` must equal, where that is asked.
    pub fn exact(&self, field: &str) -> Option<&str> {
        let found = self.0.iter().find(|r| r.field == field && r.relation == Relation::Equals)?;
        Some(&found.value)
    }
}

// === impl FieldRequirement ===

impl FieldRequirement {
    fn parse(text: &str) -> Result<Self, SelectorError> {
        let (split, relation) = if let Some(split) = text.split_once("!=") {
            (split, Relation::Differs)
        } else if let Some(split) = text.split_once("==").or_else(|| text.split_once('=')) {
            (split, Relation::Equals)
        } else {
            return Err(SelectorError(format!("invalid selector: `{text}`; can't understand `{text}`")));
        };
        let (field, value) = split;
        Ok(Self { field: field.trim().to_owned(), relation, value: value.trim().to_owned() })
    }
}

fn equalities(map: &Map<String, Value>) -> Vec<Requirement> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    map.iter().map(|(key, value)| Requirement::In(key.clone(), vec![text(value)])).collect()
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0usize, 0);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(selector: &str, labels: Value, expected: bool) {
        let parsed = LabelSelector::parse(selector).expect("the selector is readable");
        assert_eq!(parsed.matches(labels.as_object()), expected, "{selector} on {labels}");
    }

    #[test]
    fn labels_match_as_kubernetes_has_it() {
        check("", json!({}), true);
        check("n>1,n<3", json!({"n": "2"}), true);
        check("n > 2", json!({"n": "2"}), false);
        check("n<3", json!({"n": "two"}), false);
        check("n<3", json!({}), false);
        check(" ", json!({}), true);
        check("a=b", json!({"a": "b"}), true);
        check("a==b,c!=d", json!({"a": "b"}), true);
        check("a=b,c!=d", json!({"a": "b", "c": "d"}), false);
        check("a in (x, b)", json!({"a": "b"}), true);
        check("a notin (x,b)", json!({"a": "b"}), false);
        check("a notin (x)", json!({}), true);
        check("a", json!({"a": ""}), true);
        check("!a", json!({"a": ""}), false);
        check("spur.dev/sandbox=s", json!({"spur.dev/sandbox": "s"}), true);
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for text in ["a in b", "a in (b", "=b", "a=b=c", "a b", "a=ä", ",", "a,", ",a", "a,,b"] {
            assert!(LabelSelector::parse(text).is_err(), "{text:?} was taken");
        }
        assert!(FieldSelector::parse("metadata.name").is_err());
    }

    #[test]
    fn an_absent_or_empty_service_selector_selects_nothing() {
        assert_eq!(LabelSelector::from_object(None), None);
        assert_eq!(LabelSelector::from_object(Some(&json!({}))), None);
    }

    #[test]
    fn fields_match_by_equality() {
        let selector = FieldSelector::parse("metadata.name=a,status.phase!=Failed").unwrap();
        let read = |field: &str| if field == "metadata.name" { "a".to_owned() } else { "Running".to_owned() };
        assert!(selector.matches(read));
        assert_eq!(selector.exact("metadata.name"), Some("a"));
        assert_eq!(selector.exact("status.phase"), None);
    }
}
