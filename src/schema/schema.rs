//! Compiled schemas: the arena and the handle that everything else walks by.
//!
//! Leaves reading the document to `compile` and the meaning of its keywords to the walkers
//! (`prune`, `validate`, `defaults`, `patch`, `apply`).

mod compile;
mod custom;
mod node;

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::cel;

pub use self::compile::CompileError;
pub use self::custom::custom_resource;
pub(crate) use self::node::{Additional, Bound, Node, NodeId, PatchStrategy, Rules};
pub use self::node::{ListType, MapType, Type};

/// Every definition of one document, compiled.
///
/// Definitions may refer to each other and to themselves (`JSONSchemaProps` does).
#[derive(Debug)]
pub struct Schemas {
    nodes: Vec<Node>,
    names: HashMap<Box<str>, NodeId>,
}

/// One schema: a copyable handle into [`Schemas`].
///
/// A field that is a reference has two places that speak about it: the *site*, which carries
/// the default, the patch strategy and the list type, and the *shape* that it refers to.
#[derive(Clone, Copy, Debug)]
pub struct Schema<'a> {
    arena: &'a Schemas,
    site: NodeId,
    shape: NodeId,
}

/// `allOf`, `anyOf` and `oneOf` branches are searched for a property this many levels deep:
/// schemars nests them twice (an optional, flattened enum); the bound stops a branch that
/// refers to itself.
const BRANCH_DEPTH_MAX: usize = 8;

/// What every document calls the metadata of an object.
pub(crate) const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

// === impl Schemas ===

impl Schemas {
    /// Compiles a map of named definitions, as found under `components.schemas` or `$defs`.
    ///
    /// # Errors
    ///
    /// A reference to a definition that is not there, a cycle made of references alone, a
    /// pattern that is no regular expression, or a keyword whose value has the wrong type.
    pub fn compile(definitions: &Map<String, Value>) -> Result<Schemas, CompileError> {
        let (nodes, names) = compile::compile(definitions)?;
        Ok(Schemas { nodes, names })
    }

    /// The definition called `name`, such as `io.k8s.api.core.v1.Pod`.
    pub fn get(&self, name: &str) -> Option<Schema<'_>> {
        self.names.get(name).map(|&id| self.at(id))
    }

    /// The names of all definitions, in no particular order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(|name| &**name)
    }

    pub(crate) fn at(&self, site: NodeId) -> Schema<'_> {
        let shape = self.node(site).target.unwrap_or(site);
        Schema { arena: self, site, shape }
    }

    fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }
}

// === impl Schema ===

impl<'a> Schema<'a> {
    /// The name of the definition that this is or refers to.
    pub fn name(&self) -> Option<&'a str> {
        self.shape_node().name.as_deref()
    }

    /// What JSON type a value must have; `None` where any will do.
    pub fn kind(&self) -> Option<Type> {
        self.shape_node().kind
    }

    /// Whether `null` is a value here; otherwise it means absence.
    pub fn is_nullable(&self) -> bool {
        self.site_node().nullable || self.shape_node().nullable
    }

    /// Whether fields without a schema are kept (`x-kubernetes-preserve-unknown-fields`, or a
    /// schema that says nothing about its value).
    pub fn preserves_unknown(&self) -> bool {
        self.site_node().preserve_unknown
            || self.in_loose_branches(&|schema| schema.shape_node().preserve_unknown.then_some(())).is_some()
    }

    /// Whether the schema says nothing about its value.
    pub(crate) fn is_untyped(&self) -> bool {
        self.shape_node().untyped && (self.site == self.shape || !self.site_node().preserve_unknown)
    }

    /// Whether the value is a whole object with its own kind and metadata
    /// (`x-kubernetes-embedded-resource`).
    pub fn is_embedded(&self) -> bool {
        self.site_node().embedded || self.shape_node().embedded
    }

    /// The value that an absent field gets.
    pub fn default_value(&self) -> Option<&'a Value> {
        self.site_node().default.as_ref().or(self.shape_node().default.as_ref())
    }

    /// The named properties in the order of the document, without those of `anyOf` branches.
    pub fn properties(&self) -> impl Iterator<Item = (&'a str, Schema<'a>)> + use<'a> {
        let arena = self.arena;
        self.shape_node().properties.iter().map(move |(name, &id)| (&**name, arena.at(id)))
    }

    /// The properties that must be there.
    pub fn required(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.rules().flat_map(|rules| rules.required.iter().map(|name| &**name))
    }

    /// The schema of the property `name`, looked up in branches as well; not the one for
    /// additional properties.
    pub fn property(&self, name: &str) -> Option<Schema<'a>> {
        if let Some(&id) = self.layers().find_map(|node| node.properties.get(name)) {
            return Some(self.arena.at(id));
        }
        if name == "metadata" && self.is_embedded() {
            return self.arena.get(OBJECT_META);
        }
        self.in_branches(BRANCH_DEPTH_MAX, &|schema| {
            schema.shape_node().properties.get(name).map(|&id| self.arena.at(id))
        })
    }

    /// The schema of the field `name`: the property's, or the one of additional properties.
    pub fn field(&self, name: &str) -> Option<Schema<'a>> {
        self.property(name).or_else(|| self.additional())
    }

    /// The schema of values whose key is not a named property.
    pub fn additional(&self) -> Option<Schema<'a>> {
        self.in_loose_branches(&|schema| match schema.shape_node().additional {
            Additional::Schema(id) => Some(self.arena.at(id)),
            Additional::Unset | Additional::Denied | Additional::Any => None,
        })
    }

    /// The schemas that the field `name` has to keep, without the properties that only branches
    /// name: the shape's and, where siblings of a reference say more, the site's.
    pub(crate) fn own_fields(&self, name: &str) -> impl Iterator<Item = Schema<'a>> {
        self.layers().filter_map(move |node| {
            let additional = match node.additional {
                Additional::Schema(id) => Some(id),
                Additional::Unset | Additional::Denied | Additional::Any => None,
            };
            node.properties.get(name).copied().or(additional).map(|id| self.arena.at(id))
        })
    }

    /// Whether `additionalProperties: false` speaks against the field `name`.
    pub(crate) fn denies(&self, name: &str) -> bool {
        self.layers().any(|node| node.additional == Additional::Denied && !node.properties.contains_key(name))
    }

    /// Whether a field without a schema of its own stays.
    pub(crate) fn keeps(&self, name: &str) -> bool {
        self.preserves_unknown()
            || self.takes_any_additional()
            || (self.is_embedded() && matches!(name, "apiVersion" | "kind" | "metadata"))
    }

    /// The schema of the items of an array.
    pub fn items(&self) -> Option<Schema<'a>> {
        self.in_loose_branches(&|schema| schema.shape_node().items.map(|id| self.arena.at(id)))
    }

    /// How a list is owned and merged by apply; atomic unless the schema says otherwise.
    pub fn list_type(&self) -> &'a ListType {
        const ATOMIC: &ListType = &ListType::Atomic;
        self.site_node().list.as_ref().or(self.shape_node().list.as_ref()).unwrap_or(ATOMIC)
    }

    /// How an object is owned and merged by apply; granular unless the schema says otherwise.
    pub fn map_type(&self) -> MapType {
        self.site_node().map.or(self.shape_node().map).unwrap_or(MapType::Granular)
    }

    /// The key by which strategic merge pairs the items of a list of objects.
    pub fn merge_key(&self) -> Option<&'a str> {
        self.site_node().merge_key.as_deref().or(self.shape_node().merge_key.as_deref())
    }

    pub(crate) fn patch_strategy(&self) -> PatchStrategy {
        let site = self.site_node().patch;
        if site == PatchStrategy::default() { self.shape_node().patch } else { site }
    }

    /// The rules that a value must keep: those of the shape, then those beside the reference.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &'a Rules> + use<'a> {
        self.layers().filter_map(|node| node.rules.as_deref())
    }

    /// The CEL rules of the value itself, one list per layer.
    pub(crate) fn cel_rules(&self) -> impl Iterator<Item = &'a [cel::Rule]> + use<'a> {
        self.layers().map(|node| &*node.cel).filter(|rules| !rules.is_empty())
    }

    /// Whether any schema of the document has CEL rules.
    pub fn has_cel_rules(&self) -> bool {
        self.arena.nodes.iter().any(|node| !node.cel.is_empty())
    }

    fn layers(&self) -> impl Iterator<Item = &'a Node> + use<'a> {
        let site = (self.site != self.shape).then(|| self.site_node());
        [Some(self.shape_node()), site].into_iter().flatten()
    }

    /// `format`: `int32`, `date-time`, `byte`.
    pub fn format(&self) -> Option<&'a str> {
        self.rules().find_map(|rules| rules.format.as_deref())
    }

    pub(crate) fn branch(&self, id: NodeId) -> Schema<'a> {
        self.arena.at(id)
    }

    /// `additionalProperties: true`.
    fn takes_any_additional(&self) -> bool {
        let any = |schema: Schema<'a>| (schema.shape_node().additional == Additional::Any).then_some(());
        self.in_loose_branches(&any).is_some()
    }

    /// Looks here, and in branches where this schema leaves its type to them. A branch of a
    /// schema with a type only adds conditions: `anyOf: [{required: [a]}, …]` would otherwise
    /// read as schemas that take anything.
    fn in_loose_branches<T>(&self, look: &dyn Fn(Schema<'a>) -> Option<T>) -> Option<T> {
        match self.kind() {
            Some(_) => look(*self),
            None => self.in_branches(BRANCH_DEPTH_MAX, look),
        }
    }

    fn in_branches<T>(&self, depth: usize, look: &dyn Fn(Schema<'a>) -> Option<T>) -> Option<T> {
        if let Some(found) = look(*self) {
            return Some(found);
        }
        let depth = depth.checked_sub(1)?;
        self.rules().flat_map(Rules::branches).find_map(|&id| self.arena.at(id).in_branches(depth, look))
    }

    fn site_node(&self) -> &'a Node {
        self.arena.node(self.site)
    }

    fn shape_node(&self) -> &'a Node {
        self.arena.node(self.shape)
    }
}

#[cfg(test)]
mod tests;
