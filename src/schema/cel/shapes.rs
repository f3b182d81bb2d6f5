//! How large the values of an expression are at most, and what is inside them.
//!
//! A shape stands for all values that an expression has while a rule runs. It has room for a text, a
//! list and a map at once, because an expression can give now one and now the other. Shapes are
//! shared: what is picked out of one is a handle to a part of it.

mod merges;

use std::collections::BTreeMap;
use std::rc::Rc;

pub(super) use self::merges::Merges;
use super::amounts::Amount;

/// Memory of a value without its parts, in bytes: a fat pointer, the value, and what the allocator
/// adds to both. An estimate for 64-bit machines.
pub(super) const NODE_BYTES: u64 = 64;
/// Levels of a shape that are told apart; below them only the size is known.
const DEPTH_MAX: u32 = 64;

/// The values of an expression.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    node: Rc<Node>,
    /// How often the values are met: what a loop around them multiplies the totals with.
    times: u64,
    /// How many values there are at most; no total is more than as many times the largest.
    n: u64,
}

#[derive(Clone, Debug, Default)]
struct Node {
    /// Memory of a value with everything in it, in bytes.
    weight: Amount,
    /// Bytes of a text.
    text: Amount,
    /// Bytes of what is of type bytes.
    bytes: Amount,
    /// Whether it can be something else than a text.
    is_other: bool,
    /// The largest number, without its sign.
    number: u64,
    /// Items of a list, entries of a map.
    count: Amount,
    /// Bytes of the keys of a map.
    keys: Option<Amount>,
    is_list: bool,
    is_optional: bool,
    /// Fields that the schema names.
    fields: BTreeMap<String, Shape>,
    /// The items of a list and the other values of a map.
    inner: Inner,
    depth: u32,
}

#[derive(Clone, Debug, Default)]
enum Inner {
    #[default]
    Nothing,
    /// Anything that fits into the weight.
    Anything,
    Values(Shape),
}

// === impl Shape ===

impl Shape {
    /// A value that there never is.
    pub(super) fn nothing() -> Self {
        Self::new(Node::default(), 0)
    }

    /// A value without parts, such as a bool or a time.
    pub(super) fn scalar(n: u64) -> Self {
        Self::number_up_to(u64::MAX, n)
    }

    pub(super) fn number_up_to(number: u64, n: u64) -> Self {
        Self::new(Node { weight: Amount::each(NODE_BYTES, n), is_other: true, number, ..Node::default() }, n)
    }

    pub(super) fn text(text: Amount, n: u64) -> Self {
        Self::new(Node { weight: text.plus(Amount::each(NODE_BYTES, n)), text, ..Node::default() }, n)
    }

    pub(super) fn bytes(bytes: Amount, n: u64) -> Self {
        let weight = bytes.plus(Amount::each(NODE_BYTES, n));
        Self::new(Node { weight, bytes, is_other: true, ..Node::default() }, n)
    }

    /// Something that is known to have no more than a weight.
    pub(super) fn anything(weight: Amount, n: u64) -> Self {
        let node = Node {
            weight,
            text: weight,
            bytes: weight,
            is_other: true,
            number: u64::MAX,
            count: weight.per(NODE_BYTES),
            keys: Some(weight),
            is_list: true,
            inner: Inner::Anything,
            ..Node::default()
        };
        Self::new(node, n)
    }

    /// Lists with these items.
    pub(super) fn list(count: Amount, items: Self, n: u64) -> Self {
        let weight = Amount::each(NODE_BYTES, n).plus(in_one(count, items.weight()));
        let depth = items.node.depth + 1;
        let inner = Inner::Values(items);
        Self::new(Node { weight, is_other: true, count, is_list: true, inner, depth, ..Node::default() }, n)
    }

    /// Maps with keys and values, of which some are fields that have a name.
    pub(super) fn map(
        count: Amount,
        keys: Amount,
        fields: BTreeMap<String, Self>,
        others: Self,
        n: u64,
    ) -> Self {
        let mut weight = Amount::each(NODE_BYTES, n).plus(count.times(NODE_BYTES)).plus(in_one(count, keys));
        let mut depth = others.node.depth;
        for field in fields.values() {
            weight = weight.plus(field.weight());
            depth = depth.max(field.node.depth);
        }
        weight = weight.plus(in_one(count, others.weight()));
        let node = Node {
            weight,
            is_other: true,
            count,
            keys: Some(keys),
            fields,
            inner: Inner::Values(others),
            depth: depth + 1,
            ..Node::default()
        };
        Self::new(node, n)
    }

    fn new(node: Node, n: u64) -> Self {
        if node.depth > DEPTH_MAX {
            return Self::anything(node.weight, n);
        }
        Self { node: Rc::new(node), times: 1, n }
    }

    pub(super) fn weight(&self) -> Amount {
        self.over_all(self.node.weight)
    }

    pub(super) fn text_bytes(&self) -> Amount {
        self.over_all(self.node.text)
    }

    pub(super) fn bytes_bytes(&self) -> Amount {
        self.over_all(self.node.bytes)
    }

    pub(super) fn count(&self) -> Amount {
        self.over_all(self.node.count)
    }

    pub(super) fn number(&self) -> u64 {
        self.node.number
    }

    fn is_nothing(&self) -> bool {
        self.node.weight.most == 0
    }

    /// Whether every value is a text.
    pub(super) fn is_text(&self) -> bool {
        !self.node.is_other
    }

    /// Whether values have parts: lists, maps, and what libraries make.
    pub(super) fn is_composite(&self) -> bool {
        self.node.is_list || self.node.keys.is_some()
    }

    fn over_all(&self, amount: Amount) -> Amount {
        amount.repeated(self.times, self.n)
    }

    /// Bytes of keys: there may be more of them than maps.
    fn keys(&self) -> Option<Amount> {
        self.node.keys.map(|keys| keys.repeated(self.times, self.count().total))
    }

    /// The same values where a loop around them runs `times` as often, `n` times in all.
    pub(super) fn repeated(&self, times: u64, n: u64) -> Self {
        Self { node: Rc::clone(&self.node), times: self.times.saturating_mul(times), n }
    }

    /// The same values, known to be no heavier than this.
    pub(super) fn lighter(mut self, weight: Amount) -> Self {
        let node = self.settled();
        node.weight = node.weight.at_most(weight);
        self
    }

    /// Optional values of these: what is looked up in them is looked up inside.
    pub(super) fn optional(&self) -> Self {
        let mut shape = self.clone();
        let n = shape.n;
        let node = shape.settled();
        node.weight = node.weight.plus(Amount::each(NODE_BYTES, n));
        node.is_optional = true;
        shape
    }

    /// What is found in optional values is optional, too.
    fn found(&self, part: Self) -> Self {
        if self.node.is_optional { part.optional() } else { part }
    }

    /// What a loop runs over: items of a list, keys of a map.
    pub(super) fn looped_over(&self, merges: &mut Merges) -> Self {
        let n = self.count().total;
        match self.keys() {
            Some(keys) if !matches!(self.node.inner, Inner::Anything) => {
                // They may be numbers as well.
                let keys = merges.merge(Self::text(keys, n), Self::scalar(n), n);
                if self.node.is_list { merges.merge(self.inner(n), keys, n) } else { keys }
            }
            _ => self.inner(n),
        }
    }

    /// One item, or the value of one key, in each value.
    pub(super) fn entry(&self) -> Self {
        let is_known = self.node.fields.is_empty();
        self.found(if is_known { self.inner(self.n) } else { Self::anything(self.weight(), self.n) })
    }

    /// All items and values together.
    pub(super) fn entries(&self) -> Self {
        let n = self.count().total;
        if self.node.fields.is_empty() { self.inner(n) } else { Self::anything(self.weight(), n) }
    }

    /// The value of a field in each value.
    pub(super) fn field(&self, name: &str, merges: &mut Merges) -> Self {
        let inner = self.inner(self.n);
        let Some(field) = self.node.fields.get(name) else { return self.found(inner) };
        let field = self.part(field, self.n);
        self.found(if inner.is_nothing() { field } else { merges.merge(field, inner, self.n) })
    }

    fn inner(&self, n: u64) -> Self {
        match &self.node.inner {
            Inner::Nothing => Self::nothing(),
            Inner::Anything => Self::anything(self.weight(), n),
            Inner::Values(values) => self.part(values, n),
        }
    }

    fn part(&self, part: &Self, n: u64) -> Self {
        Self { node: Rc::clone(&part.node), times: part.times.saturating_mul(self.times), n }
    }

    /// Its node for changes, with totals that hold for all of its values.
    fn settled(&mut self) -> &mut Node {
        let (times, n, keys) = (self.times, self.n, self.keys());
        self.times = 1;
        let node = Rc::make_mut(&mut self.node);
        for amount in [&mut node.weight, &mut node.text, &mut node.bytes, &mut node.count] {
            *amount = amount.repeated(times, n);
        }
        node.keys = keys;
        if times != 1 {
            let inner = match &mut node.inner {
                Inner::Values(values) => Some(values),
                Inner::Nothing | Inner::Anything => None,
            };
            for part in node.fields.values_mut().chain(inner) {
                part.times = part.times.saturating_mul(times);
                part.n = u64::MAX;
            }
        }
        node
    }
}

/// The sum over the parts of one value: no more than there are parts, and no more than all parts.
pub(super) fn in_one(count: Amount, part: Amount) -> Amount {
    Amount { most: count.most.saturating_mul(part.most).min(part.total), total: part.total }
}
