//! Where in a text the fields of its documents stand, for whoever finds a fault in one.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::{DuplicateKeyPolicy, YamlError};

/// The places of a document's fields.
#[derive(Debug)]
pub struct Places(Spanned<Node>);

/// A line and a column, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

#[derive(Debug)]
enum Node {
    Map(Vec<(String, Spanned<Node>)>),
    List(Vec<Spanned<Node>>),
    Scalar { is_null: bool },
}

/// The places of every document that [`super::documents`] returns, in its order.
///
/// # Errors
/// When the text is no YAML.
pub fn places(text: &str) -> Result<Vec<Places>, YamlError> {
    let documents: Vec<Spanned<Node>> =
        serde_saphyr::from_multiple_with_options(text, super::options_for(text, DuplicateKeyPolicy::Error))
            .map_err(|error| YamlError::new(&error))?;
    let is_there = |node: &Spanned<Node>| !matches!(node.value, Node::Scalar { is_null: true });
    Ok(documents.into_iter().filter(is_there).map(Places).collect())
}

// === impl Places ===

impl Places {
    /// Where the document begins.
    #[must_use]
    pub fn start(&self) -> Place {
        Place::of(&self.0)
    }

    /// Where the field at `path` stands (`spec.http[0].weight`, `headers.set[x-user]`), or the
    /// nearest one above it that is there.
    #[must_use]
    pub fn field(&self, path: &str) -> Place {
        let mut node = &self.0;
        for step in steps(path) {
            let below = match &node.value {
                Node::Map(fields) => fields.iter().find(|(name, _)| *name == step).map(|(_, value)| value),
                Node::List(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
                Node::Scalar { .. } => None,
            };
            match below {
                Some(below) => node = below,
                None => break,
            }
        }
        Place::of(node)
    }
}

/// The names and indices of a path. What stands in brackets may hold dots.
fn steps(path: &str) -> Vec<&str> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (step, after) = match rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            Some(bracketed) => bracketed,
            None => rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len())),
        };
        steps.push(step);
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    steps
}

// === impl Place ===

impl Place {
    fn of(node: &Spanned<Node>) -> Self {
        Self { line: node.referenced.line(), column: node.referenced.column() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

// === impl Node ===

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Scalar { is_null: false })
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Scalar { is_null: false })
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Scalar { is_null: false })
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Scalar { is_null: false })
    }

    fn visit_str<E>(self, _: &str) -> Result<Node, E> {
        Ok(Node::Scalar { is_null: false })
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar { is_null: true })
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar { is_null: true })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element()? {
            all.push(item);
        }
        Ok(Node::List(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Node, A::Error> {
        let mut all = Vec::new();
        while let Some(field) = fields.next_entry()? {
            all.push(field);
        }
        Ok(Node::Map(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
kind: A
---
---
kind: B
spec:
  http:
  - route:
    - weight: 5
      headers: {set: {x.y: z}}
  - {}
";

    #[track_caller]
    fn check(path: &str, expected: &str) {
        assert_eq!(places(TEXT).unwrap()[1].field(path).to_string(), expected, "{path}");
    }

    #[test]
    fn fields_have_their_places() {
        assert_eq!(places(TEXT).unwrap().len(), 2);
        check("kind", "4:7");
        check("spec.http[0].route[0].weight", "8:15");
        check("spec.http[0].route[0].headers.set[x.y]", "9:28");
        check("spec.http[1]", "10:5");
    }

    #[test]
    fn what_is_not_there_has_the_place_above_it() {
        check("spec.http[1].route", "10:5");
        check("spec.http[7].route", "7:5");
        check("status", "4:1");
        assert_eq!(places(TEXT).unwrap()[1].start().to_string(), "4:1");
    }
}
