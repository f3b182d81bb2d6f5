//! Reads an OpenAPI v3 or JSON Schema document into nodes.
//!
//! It accepts what Kubernetes publishes, what CustomResourceDefinitions carry and what
//! schemars generates: `$ref` under any prefix and with siblings, `allOf` around one `$ref`,
//! `type: [T, "null"]`, `anyOf` with a null branch, `const`, boolean schemas. Whether a
//! CustomResourceDefinition's schema is structural is for its own validation to say.

mod keywords;

use std::collections::HashMap;

use serde_json::{Map, Value};

use self::keywords::Keywords;
use super::{Additional, Node, NodeId, Type};

/// A document that cannot be compiled. `path` is where, such as `Pod.properties.spec`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// `$ref` names a definition that is not there.
    #[error("schema `{path}`: no definition is called `{target}`")]
    UnknownReference {
        /// The schema with the reference.
        path: String,
        /// The definition's name.
        target: String,
    },
    /// Definitions refer to each other and to nothing else.
    #[error("definition `{name}` is a reference that leads back to itself")]
    Cycle {
        /// A definition on the circle.
        name: String,
    },
    /// `pattern` is no regular expression.
    #[error("schema `{path}`: pattern `{pattern}` is not a regular expression: {reason}")]
    Pattern {
        /// The schema with the pattern.
        path: String,
        /// The pattern.
        pattern: String,
        /// What the parser says.
        reason: String,
    },
    /// A keyword's value has the wrong type, or is one that no schema can have.
    #[error("schema `{path}`: `{keyword}` is {found}, wanted {wanted}")]
    Keyword {
        /// The schema with the keyword.
        path: String,
        /// The keyword.
        keyword: String,
        /// What was found.
        found: String,
        /// What was wanted.
        wanted: &'static str,
    },
    /// Schemas inside schemas, deeper than any walker would follow.
    #[error("schema `{path}` is nested deeper than {max} levels")]
    TooDeep {
        /// The schema that is too deep.
        path: String,
        /// The bound.
        max: usize,
    },
}

/// A document that was decoded cannot nest its schemas deeper (`decode::DEPTH_MAX`); the bound
/// is for documents made in other ways.
const SCHEMA_DEPTH_MAX: usize = crate::decode::DEPTH_MAX;

/// Built-in types that hold any JSON although their schema says only `type: object`
/// (`k8s.io/apimachinery/pkg/runtime/types.go` RawExtension, `meta/v1/types.go` FieldsV1,
/// `apiextensions/v1/types_jsonschema.go` JSON).
const RAW_TYPES: [&str; 3] = [".runtime.RawExtension", ".meta.v1.FieldsV1", ".apiextensions.v1.JSON"];

/// The name under which every document has quantities.
const QUANTITY: &str = ".api.resource.Quantity";

/// Likewise `IntOrString`.
const INT_OR_STRING: &str = ".util.intstr.IntOrString";

/// The arena under construction.
struct Compiler {
    nodes: Vec<Node>,
    names: HashMap<Box<str>, NodeId>,
    /// How deep inside one definition the walk is.
    depth: usize,
}

/// Nodes, and where each definition is among them.
type Compiled = (Vec<Node>, HashMap<Box<str>, NodeId>);

type Result<T> = std::result::Result<T, CompileError>;

/// Compiles every definition and ties references to their ends.
pub(super) fn compile(definitions: &Map<String, Value>) -> Result<Compiled> {
    let mut compiler = Compiler { nodes: Vec::new(), names: HashMap::new(), depth: 0 };
    for name in definitions.keys() {
        let id = compiler.reserve();
        compiler.names.insert(name.as_str().into(), id);
    }
    for (name, document) in definitions {
        compiler.definition(name, document)?;
    }
    compiler.tie_references()?;
    Ok((compiler.nodes, compiler.names))
}

// === impl Compiler ===

impl Compiler {
    fn definition(&mut self, name: &str, document: &Value) -> Result<()> {
        let mut node = self.node(name, document)?;
        node.name = Some(name.into());
        if name.ends_with(QUANTITY) {
            node.kind = Some(Type::Quantity);
            node.rules = None;
        } else if name.ends_with(INT_OR_STRING) {
            node.kind = Some(Type::IntOrString);
            node.rules = None;
        } else if RAW_TYPES.iter().any(|raw| name.ends_with(raw)) {
            node.preserve_unknown = true;
            node.untyped = true;
        }
        let id = self.names[name];
        self.nodes[id.index()] = node;
        Ok(())
    }

    /// Compiles the schema at `path` into a node of its own.
    fn schema(&mut self, path: &str, document: &Value) -> Result<NodeId> {
        self.depth += 1;
        if self.depth > SCHEMA_DEPTH_MAX {
            return Err(CompileError::TooDeep { path: path.to_owned(), max: SCHEMA_DEPTH_MAX });
        }
        let id = self.reserve();
        let node = self.node(path, document)?;
        self.nodes[id.index()] = node;
        self.depth -= 1;
        Ok(id)
    }

    fn node(&mut self, path: &str, document: &Value) -> Result<Node> {
        let object = match document {
            Value::Object(object) => object,
            // JSON Schema's `true`: any value.
            Value::Bool(true) => {
                return Ok(Node { preserve_unknown: true, untyped: true, ..Node::default() });
            }
            other => return Err(wrong(path, "schema", other, "an object")),
        };
        let words = Keywords { path, object };
        let mut node = words.leaf()?;
        self.reference(&words, &mut node)?;
        self.structure(&words, &mut node)?;
        self.combinations(&words, &mut node)?;
        settle(&mut node);
        Ok(node)
    }

    /// `$ref`, alone or with siblings.
    fn reference(&mut self, words: &Keywords<'_>, node: &mut Node) -> Result<()> {
        if let Some(reference) = words.string("$ref")? {
            node.target = Some(self.named(words.path, reference)?);
        }
        Ok(())
    }

    fn structure(&mut self, words: &Keywords<'_>, node: &mut Node) -> Result<()> {
        for (name, document) in words.map("properties")? {
            let id = self.schema(&format!("{}.properties.{name}", words.path), document)?;
            node.properties.insert(name.as_str().into(), id);
        }
        if let Some(document) = words.object.get("items") {
            node.items = Some(self.schema(&words.below("items"), document)?);
        }
        node.additional = match words.object.get("additionalProperties") {
            None => Additional::Unset,
            Some(Value::Bool(false)) => Additional::Denied,
            Some(Value::Bool(true)) => Additional::Any,
            Some(document) => {
                Additional::Schema(self.schema(&words.below("additionalProperties"), document)?)
            }
        };
        Ok(())
    }

    /// `allOf`, `anyOf`, `oneOf`, `not`; those that only wrap one schema become that schema.
    fn combinations(&mut self, words: &Keywords<'_>, node: &mut Node) -> Result<()> {
        for word in ["allOf", "anyOf", "oneOf"] {
            let branches: Vec<&Value> =
                words.list(word)?.iter().filter(|branch| !is_null_type(branch)).collect();
            if branches.len() < words.list(word)?.len() {
                node.nullable = true;
            }
            if let [branch] = branches[..]
                && node.target.is_none()
                && self.wrapped(words, word, branch, node)?
            {
                continue;
            }
            // Kubernetes writes the union of an int-or-string out; the type says it already.
            if node.kind.is_some_and(|kind| matches!(kind, Type::IntOrString | Type::Quantity)) {
                continue;
            }
            let mut ids = Vec::with_capacity(branches.len());
            for (index, branch) in branches.into_iter().enumerate() {
                ids.push(self.schema(&format!("{}.{word}[{index}]", words.path), branch)?);
            }
            if ids.is_empty() {
                continue;
            }
            let rules = node.rules.get_or_insert_default();
            match word {
                "allOf" => rules.all_of = ids,
                "anyOf" => rules.any_of = ids,
                _ => rules.one_of = ids,
            }
        }
        if let Some(document) = words.object.get("not") {
            let id = self.schema(&words.below("not"), document)?;
            node.rules.get_or_insert_default().not = Some(id);
        }
        Ok(())
    }

    /// Takes the only branch of a combination for the schema itself where it is a reference, or
    /// where the schema says nothing else about its type. Returns whether it did.
    fn wrapped(&mut self, words: &Keywords<'_>, word: &str, branch: &Value, node: &mut Node) -> Result<bool> {
        let path = words.below(word);
        if let Some(Value::String(reference)) = branch.get("$ref") {
            node.target = Some(self.named(&path, reference)?);
            return Ok(true);
        }
        let says_more = node.kind.is_some() || !node.properties.is_empty() || node.items.is_some();
        if says_more || word == "allOf" {
            return Ok(false);
        }
        node.target = Some(self.schema(&path, branch)?);
        Ok(true)
    }

    fn named(&self, path: &str, reference: &str) -> Result<NodeId> {
        let target = reference.rsplit('/').next().unwrap_or(reference);
        // JSON pointer escapes (RFC 6901, section 4).
        let target = target.replace("~1", "/").replace("~0", "~");
        self.names
            .get(target.as_str())
            .copied()
            .ok_or_else(|| CompileError::UnknownReference { path: path.to_owned(), target })
    }

    /// Points every reference at the node where the chain of references ends.
    fn tie_references(&mut self) -> Result<()> {
        for index in 0..self.nodes.len() {
            let Some(mut end) = self.nodes[index].target else { continue };
            let mut n_steps = 0;
            while let Some(next) = self.nodes[end.index()].target {
                n_steps += 1;
                if n_steps > self.nodes.len() {
                    let name = self.nodes[index].name.as_deref().unwrap_or_default();
                    return Err(CompileError::Cycle { name: name.to_owned() });
                }
                end = next;
            }
            if end.index() == index {
                let name = self.nodes[index].name.as_deref().unwrap_or_default();
                return Err(CompileError::Cycle { name: name.to_owned() });
            }
            self.nodes[index].target = Some(end);
        }
        Ok(())
    }

    fn reserve(&mut self) -> NodeId {
        self.nodes.push(Node::default());
        NodeId::new(self.nodes.len() - 1)
    }
}

/// Draws the conclusions that need the whole node: a schema that names no type but has
/// properties is an object's, and one that says nothing takes anything.
fn settle(node: &mut Node) {
    if node.kind.is_none() && node.target.is_none() {
        if !node.properties.is_empty() || node.additional != Additional::Unset {
            node.kind = Some(Type::Object);
        } else if node.items.is_some() {
            node.kind = Some(Type::Array);
        }
    }
    let has_branches = node.rules.as_ref().is_some_and(|rules| rules.branches().next().is_some());
    if node.kind.is_none() && node.target.is_none() && !has_branches {
        node.untyped = !node.preserve_unknown;
        node.preserve_unknown = true;
    }
}

/// `{"type": "null"}` or an enum of nothing but null: schemars' other half of an option.
fn is_null_type(branch: &Value) -> bool {
    branch.get("type").is_some_and(|kind| kind == "null")
        || branch.get("enum").and_then(Value::as_array).is_some_and(|all| all.len() == 1 && all[0].is_null())
}

fn wrong(path: &str, keyword: &str, found: &Value, wanted: &'static str) -> CompileError {
    let mut found = found.to_string();
    // A message, not a copy of the document.
    if let Some((cut, _)) = found.char_indices().nth(60) {
        found.truncate(cut);
        found.push('…');
    }
    CompileError::Keyword { path: path.to_owned(), keyword: keyword.to_owned(), found, wanted }
}
