//! The part of JSONPath that people use with `-o jsonpath=`, `wait` and printer columns:
//! `{.status.conditions[?(@.type=="Ready")].status}`.
//!
//! Source: <https://kubernetes.io/docs/reference/kubectl/jsonpath/>; fields,
//! indices, `[*]` and equality filters, one expression without text around it.

use std::iter::Peekable;
use std::str::Chars;

use serde_json::Value;

/// A path through an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPath(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    /// From the end where negative.
    Index(i64),
    All,
    /// Elements whose field equals a text.
    Where(String, String),
}

// === impl JsonPath ===

impl JsonPath {
    /// Reads `{.a.b[0]}`; the braces may be left out.
    ///
    /// # Errors
    /// When the text is no path of this kind.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no path, want one such as {{.status.phase}}");
        let inner = text.strip_prefix('{').map_or(Some(text), |rest| rest.strip_suffix('}'));
        let inner = inner.ok_or_else(wrong)?;
        let inner = inner.strip_prefix('$').unwrap_or(inner);
        let mut rest = inner.chars().peekable();
        let mut steps = Vec::new();
        while let Some(next) = rest.next() {
            match next {
                '.' if rest.peek() == Some(&'[') => {}
                '.' => steps.push(Step::Field(field(&mut rest).ok_or_else(wrong)?)),
                '[' => steps.push(bracket(&mut rest).ok_or_else(wrong)?),
                _ => return Err(wrong()),
            }
        }
        if steps.is_empty() { Err(wrong()) } else { Ok(Self(steps)) }
    }

    /// Everything at the path.
    pub fn find<'a>(&self, object: &'a Value) -> Vec<&'a Value> {
        let mut found = vec![object];
        for step in &self.0 {
            found = found.into_iter().flat_map(|value| step.find(value)).collect();
        }
        found
    }

    /// Everything at the path as text, separated by spaces.
    pub fn text(&self, object: &Value) -> String {
        let texts: Vec<String> = self.find(object).into_iter().map(text).collect();
        texts.join(" ")
    }
}

// === impl Step ===

impl Step {
    fn find<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        let elements = || value.as_array().map_or(&[][..], Vec::as_slice);
        match self {
            Self::Field(name) if name == "*" => all(value),
            Self::Field(name) => value.get(name).into_iter().collect(),
            Self::Index(index) => {
                let n_elements = i64::try_from(elements().len()).unwrap_or(i64::MAX);
                let index = if *index < 0 { n_elements + index } else { *index };
                usize::try_from(index).ok().and_then(|index| elements().get(index)).into_iter().collect()
            }
            Self::All => all(value),
            Self::Where(name, wanted) => {
                let at =
                    |element: &'a Value| name.split('.').try_fold(element, |value, name| value.get(name));
                let is_wanted = |element: &&'a Value| at(element).is_some_and(|found| text(found) == *wanted);
                elements().iter().filter(is_wanted).collect()
            }
        }
    }
}

fn all(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(elements) => elements.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => Vec::new(),
    }
}

/// A value as text: strings as they are.
pub fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A name up to the next `.` or `[`; a backslash takes the next character as it is.
fn field(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut name = String::new();
    while let Some(next) = rest.next_if(|next| !matches!(next, '.' | '[')) {
        name.push(if next == '\\' { rest.next()? } else { next });
    }
    let is_name = !name.is_empty() && !name.contains(['{', '}']);
    is_name.then_some(name)
}

/// What stands between `[` and `]`, of which the first has been read.
fn bracket(rest: &mut Peekable<Chars<'_>>) -> Option<Step> {
    let inner: String = rest.by_ref().take_while(|next| *next != ']').collect();
    if inner == "*" {
        return Some(Step::All);
    }
    if let Some(name) = quoted(&inner) {
        return Some(Step::Field(name));
    }
    if let Some(filter) = inner.strip_prefix("?(@.").and_then(|filter| filter.strip_suffix(')')) {
        let (name, wanted) = filter.split_once("==")?;
        let wanted = wanted.trim();
        let wanted = quoted(wanted).unwrap_or_else(|| wanted.to_owned());
        return Some(Step::Where(name.trim().to_owned(), wanted));
    }
    inner.parse().ok().map(Step::Index)
}

fn quoted(text: &str) -> Option<String> {
    let inner = ['\'', '"'].iter().find_map(|mark| text.strip_prefix(*mark)?.strip_suffix(*mark))?;
    Some(inner.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(path: &str, expected: &str) {
        let object = json!({
            "metadata": {"name": "web", "labels": {"app.io/name": "x"}},
            "spec": {"replicas": 2, "ports": [{"port": 80}, {"port": 443}]},
            "status": {"conditions": [
                {"type": "Available", "status": "False"},
                {"type": "Ready", "status": "True"},
            ]},
        });
        assert_eq!(JsonPath::parse(path).unwrap().text(&object), expected, "{path}");
    }

    #[test]
    fn paths_lead_to_values() {
        check("{.metadata.name}", "web");
        check(".metadata.name", "web");
        check("{$.spec.replicas}", "2");
        check("{.spec.ports[*].port}", "80 443");
        check("{.spec.ports[-1].port}", "443");
        check("{.spec.ports[9].port}", "");
        check("{.metadata.labels.app\\.io/name}", "x");
        check("{.metadata.labels['app.io/name']}", "x");
        check("{.status.conditions[?(@.type==\"Ready\")].status}", "True");
        check("{.nothing.there}", "");
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["", "{}", "{.a", "a.b", "{.a[x]}", "{..a}", "{.a}{.b}"] {
            assert!(JsonPath::parse(text).is_err(), "{text}");
        }
    }
}
