//! What a schema says once compiled: one node per schema of the document.

use indexmap::IndexMap;
use regex::Regex;
use serde_json::Value;

use crate::cel;

/// The JSON type that a schema asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// An object.
    Object,
    /// An array.
    Array,
    /// A string.
    String,
    /// A number without a fraction.
    Integer,
    /// Any number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// An integer or a string (`x-kubernetes-int-or-string`).
    IntOrString,
    /// A quantity: a string or any number (`io.k8s.apimachinery.pkg.api.resource.Quantity`).
    Quantity,
}

/// `x-kubernetes-list-type`: what apply takes as one thing in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListType {
    /// The list as a whole.
    Atomic,
    /// Each item, known by its value.
    Set,
    /// Each item, known by the values of these keys (`x-kubernetes-list-map-keys`).
    Map(Box<[Box<str>]>),
}

/// `x-kubernetes-map-type`: what apply takes as one thing in an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapType {
    /// The object as a whole.
    Atomic,
    /// Each field.
    Granular,
}

/// `x-kubernetes-patch-strategy`, a comma-separated set of words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PatchStrategy {
    /// `merge`: a list is merged item by item.
    pub(crate) merge: bool,
    /// `replace`: an object is replaced as a whole.
    pub(crate) replace: bool,
    /// `retainKeys`: a patch may list the keys that stay.
    pub(crate) retain_keys: bool,
}

/// The place of a node in its arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeId(u32);

/// What `additionalProperties` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Additional {
    #[default]
    Unset,
    Denied,
    Any,
    Schema(NodeId),
}

/// One schema of the document.
#[derive(Debug, Default)]
pub(crate) struct Node {
    /// Where `$ref` leads in the end.
    pub(crate) target: Option<NodeId>,
    /// The definition's name, where this is one.
    pub(crate) name: Option<Box<str>>,
    pub(crate) kind: Option<Type>,
    pub(crate) nullable: bool,
    pub(crate) preserve_unknown: bool,
    /// Takes any value because it says nothing, not because it preserves unknown fields: apply
    /// treats such a value as one thing.
    pub(crate) untyped: bool,
    pub(crate) embedded: bool,
    pub(crate) properties: IndexMap<Box<str>, NodeId>,
    pub(crate) additional: Additional,
    pub(crate) items: Option<NodeId>,
    pub(crate) default: Option<Value>,
    pub(crate) list: Option<ListType>,
    pub(crate) map: Option<MapType>,
    pub(crate) patch: PatchStrategy,
    pub(crate) merge_key: Option<Box<str>>,
    /// Most schemas have none.
    pub(crate) rules: Option<Box<Rules>>,
    /// `x-kubernetes-validations`.
    pub(crate) cel: Box<[cel::Rule]>,
}

/// What a value of the right type must also satisfy.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) required: Vec<Box<str>>,
    pub(crate) enum_values: Option<Vec<Value>>,
    pub(crate) format: Option<Box<str>>,
    pub(crate) pattern: Option<Regex>,
    pub(crate) minimum: Option<Bound>,
    pub(crate) maximum: Option<Bound>,
    pub(crate) multiple_of: Option<f64>,
    pub(crate) min_length: Option<u64>,
    pub(crate) max_length: Option<u64>,
    pub(crate) min_items: Option<u64>,
    pub(crate) max_items: Option<u64>,
    pub(crate) min_properties: Option<u64>,
    pub(crate) max_properties: Option<u64>,
    pub(crate) unique_items: bool,
    pub(crate) all_of: Vec<NodeId>,
    pub(crate) any_of: Vec<NodeId>,
    pub(crate) one_of: Vec<NodeId>,
    pub(crate) not: Option<NodeId>,
}

/// One end of a range of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bound {
    pub(crate) value: f64,
    pub(crate) exclusive: bool,
}

// === impl NodeId ===

impl NodeId {
    pub(crate) fn new(index: usize) -> NodeId {
        NodeId(u32::try_from(index).expect("a document under 3 MiB has fewer than 2^32 schemas"))
    }

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

// === impl Rules ===

impl Rules {
    /// Every schema that is laid over the same value and may name properties.
    pub(crate) fn branches(&self) -> impl Iterator<Item = &NodeId> {
        self.all_of.iter().chain(&self.any_of).chain(&self.one_of)
    }
}
