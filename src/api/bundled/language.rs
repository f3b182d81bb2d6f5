//! The language in which the schemas of bundled kinds are written, and what it stands for.
//!
//! ```text
//! text label [a-z0-9]([-a-z0-9]*[a-z0-9])?      a text; `<label>` in another text or a rule is its place
//! text lacks(of, field) !has($of.$field)        a text with parameters: `<lacks(self, port)>`
//! rule once(type) MESSAGE => EXPRESSION         a rule with a name; two of one name go together
//! type Name: string len=1..253 ~label           a type; its name means all that it says
//!
//! type Route: object one(a|b)                   at most one of these fields
//!   spec!: [Rule] items=1..16 atomic            a field, `!` where it is required; lists and {maps}
//!     ? MESSAGE => EXPRESSION                   a CEL rule of the line above; `? @once(CORS)`
//!     + {"oneOf": []}                           any keywords, as JSON
//!     a, b: string enum=X|Y // What it is.      two fields that say the same; a description
//! ```
//!
//! What stands below a list or a map and is a field belongs to its items. `<each(0..15)>` puts a
//! text with one parameter once for each number, with ` + ` between them. `\n` in an expression is
//! the end of a line.
//!
//! The texts are part of the program: one that makes no sense is a bug and panics, and a test
//! reads every one of them.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::constraints;

/// One text in the language, read.
pub(super) struct Source<'a> {
    lines: Vec<Line<'a>>,
    /// Where each type is declared.
    types: HashMap<&'a str, usize>,
    texts: HashMap<&'a str, Template<'a>>,
    rules: HashMap<&'a str, Vec<Template<'a>>>,
}

struct Line<'a> {
    indent: usize,
    words: &'a str,
}

/// Text with parameters.
struct Template<'a> {
    parameters: Vec<&'a str>,
    text: &'a str,
}

// === impl Source ===

impl<'a> Source<'a> {
    /// Reads a text.
    pub(super) fn read(text: &'a str) -> Self {
        let is_said = |line: &&str| !line.trim_start().starts_with('#') && !line.trim().is_empty();
        let lines = text.lines().filter(is_said).map(Line::of).collect();
        let mut source = Self { lines, types: HashMap::new(), texts: HashMap::new(), rules: HashMap::new() };
        for index in 0..source.lines.len() {
            let line = &source.lines[index];
            if line.indent > 0 {
                continue;
            }
            match line.words.split_once(' ') {
                Some(("type", declared)) => {
                    let name = declared.split(':').next().unwrap_or_default();
                    source.types.insert(name, index);
                }
                Some(("text", declared)) => {
                    let (name, template) = Template::of(declared);
                    source.texts.insert(name, template);
                }
                Some(("rule", declared)) => {
                    let (name, template) = Template::of(declared);
                    source.rules.entry(name).or_default().push(template);
                }
                _ => panic!("`{}` declares nothing", line.words),
            }
        }
        source
    }

    /// The schema that a type stands for.
    pub(super) fn schema(&self, name: &str) -> Value {
        let at = *self.types.get(name).unwrap_or_else(|| panic!("no type is called `{name}`"));
        let (_, said) = self.lines[at].words.split_once(": ").expect("a type says what it is");
        self.said(at, said)
    }

    /// What the line at `at` says after its colon, with all that stands below it.
    fn said(&self, at: usize, said: &str) -> Value {
        let (said, description) = match said.split_once(" // ") {
            Some((said, description)) => (said, Some(description)),
            None => (said, None),
        };
        let (type_, limits) = said.split_once(' ').unwrap_or((said, ""));
        let below = self.below(at);
        let mut schema = self.shape(type_, &below);
        if let Some(description) = description {
            schema.insert("description".to_owned(), json!(description));
        }
        constraints::apply(&mut schema, limits, &|text| self.filled(text));
        let mut rules = Vec::new();
        for &index in &below {
            let words = self.lines[index].words;
            if let Some(rule) = words.strip_prefix("? ") {
                rules.extend(self.rule(rule));
            } else if let Some(keywords) = words.strip_prefix("+ ") {
                let keywords: Map<String, Value> =
                    serde_json::from_str(&self.filled(keywords)).expect("keywords are JSON");
                schema.extend(keywords);
            }
        }
        if !rules.is_empty() {
            schema.insert("x-kubernetes-validations".to_owned(), json!(rules));
        }
        Value::Object(schema)
    }

    /// The lines that stand directly below one.
    fn below(&self, at: usize) -> Vec<usize> {
        let indent = self.lines[at].indent;
        let within = (at + 1..self.lines.len()).take_while(|&index| self.lines[index].indent > indent);
        within.filter(|&index| self.lines[index].indent == indent + 1).collect()
    }

    fn shape(&self, type_: &str, below: &[usize]) -> Map<String, Value> {
        let inside = |open, close| type_.strip_prefix(open).and_then(|rest: &str| rest.strip_suffix(close));
        if let Some(item) = inside('[', ']') {
            return object(json!({"type": "array", "items": self.shape(item, below)}));
        }
        if let Some(value) = inside('{', '}') {
            return object(json!({"type": "object", "additionalProperties": self.shape(value, below)}));
        }
        let Some(mut schema) = constraints::primitive(type_) else { return object(self.schema(type_)) };
        let mut fields = Map::new();
        let mut required = Vec::new();
        for &index in below {
            let words = self.lines[index].words;
            if words.starts_with("? ") || words.starts_with("+ ") {
                continue;
            }
            let (names, said) = words.split_once(": ").unwrap_or_else(|| panic!("`{words}` is no field"));
            let schema = self.said(index, said);
            for name in names.split(", ") {
                let name = name.strip_suffix('!').inspect(|name| required.push(json!(name))).unwrap_or(name);
                fields.insert(name.to_owned(), schema.clone());
            }
        }
        if !fields.is_empty() {
            schema.insert("properties".to_owned(), Value::Object(fields));
        }
        if !required.is_empty() {
            schema.insert("required".to_owned(), Value::Array(required));
        }
        schema
    }

    /// The rules that `MESSAGE => EXPRESSION` or `@name(arguments)` stands for.
    fn rule(&self, rule: &str) -> Vec<Value> {
        let Some(call) = rule.strip_prefix('@') else { return vec![self.message_and_expression(rule)] };
        let (name, arguments) = call_of(call);
        let named = self.rules.get(name).unwrap_or_else(|| panic!("no rule is called `{name}`"));
        named.iter().map(|template| self.message_and_expression(&template.with(&arguments))).collect()
    }

    fn message_and_expression(&self, rule: &str) -> Value {
        let (message, expression) = rule.split_once(" => ").expect("a rule has a message and an expression");
        json!({"message": self.filled(message), "rule": self.filled(expression).replace("\\n", "\n")})
    }

    /// A text with the texts in the place of their names.
    fn filled(&self, text: &str) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(open) = rest.find('<') {
            let (before, from) = rest.split_at(open);
            filled.push_str(before);
            match self.named(from) {
                Some((text, length)) => {
                    filled.push_str(&text);
                    rest = &from[length..];
                }
                None => {
                    filled.push('<');
                    rest = &from[1..];
                }
            }
        }
        filled + rest
    }

    /// The text that `<name>` or `<name(arguments)>` stands for, and how long its name is.
    fn named(&self, from: &str) -> Option<(String, usize)> {
        let end = from.find([' ', '(', '>']).unwrap_or(from.len());
        let template = self.texts.get(from.get(1..end)?)?;
        let end = if from[end..].starts_with('(') { end + from[end..].find(")>")? + 1 } else { end };
        let (_, arguments) = call_of(&from[1..end]);
        let text = match arguments.first().and_then(|range| range.split_once("..")) {
            Some((first, last)) => {
                let number = |text: &str| text.parse::<usize>().expect("a range is of numbers");
                let each = (number(first)..=number(last)).map(|number| template.with(&[&number.to_string()]));
                each.collect::<Vec<_>>().join(" + ")
            }
            None => template.with(&arguments),
        };
        Some((self.filled(&text), end + 1))
    }

    #[cfg(test)]
    pub(super) fn type_names(&self) -> impl Iterator<Item = &'a str> {
        self.types.keys().copied()
    }
}

// === impl Line ===

impl<'a> Line<'a> {
    fn of(line: &'a str) -> Self {
        let words = line.trim_start();
        // Two spaces for each level.
        Self { indent: (line.len() - words.len()) / 2, words: words.trim_end() }
    }
}

// === impl Template ===

impl<'a> Template<'a> {
    /// `name text` or `name(parameters) text`.
    fn of(declared: &'a str) -> (&'a str, Self) {
        let end = declared.find([' ', '(']).expect("a name has a text");
        let (name, rest) = declared.split_at(end);
        let (parameters, text) = match rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
            Some((parameters, text)) => (parameters.split(", ").collect(), text),
            None => (Vec::new(), rest),
        };
        (name, Self { parameters, text: text.trim_start() })
    }

    fn with(&self, arguments: &[&str]) -> String {
        assert_eq!(self.parameters.len(), arguments.len(), "arguments of `{}`", self.text);
        let pairs = self.parameters.iter().zip(arguments);
        pairs.fold(self.text.to_owned(), |text, (name, value)| text.replace(&format!("${name}"), value))
    }
}

/// Name and arguments of `name` or `name(a, b)`.
fn call_of(call: &str) -> (&str, Vec<&str>) {
    match call.split_once('(') {
        Some((name, arguments)) => {
            (name, arguments.strip_suffix(')').expect("a call is closed").split(", ").collect())
        }
        None => (call, Vec::new()),
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("a schema is an object: {other}"),
    }
}

#[cfg(test)]
mod tests;
