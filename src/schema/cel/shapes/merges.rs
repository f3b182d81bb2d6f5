//! What is one of two shapes.
//!
//! Values that stand beside each other in a list, or that come of two branches, get one shape with
//! the larger of each size. A rule can ask for many such shapes, each as large as the object, so
//! there is a bound.

use std::rc::Rc;

use super::{DEPTH_MAX, Inner, Node, Shape};

/// How many shapes may still be merged into each other; then only their sizes are.
#[derive(Debug)]
pub(in super::super) struct Merges {
    left: u32,
}

// === impl Merges ===

impl Merges {
    pub(in super::super) fn at_most(n_merges: u32) -> Self {
        Self { left: n_merges }
    }

    pub(in super::super) fn left(&self) -> u32 {
        self.left
    }

    /// What is one of two shapes; `n` is how many values there are then.
    pub(in super::super) fn merge(&mut self, one: Shape, other: Shape, n: u64) -> Shape {
        if Rc::ptr_eq(&one.node, &other.node) {
            let times = one.times.saturating_add(other.times);
            return Shape { node: one.node, times, n };
        }
        if one.is_nothing() {
            return Shape { n, ..other };
        }
        if other.is_nothing() {
            return Shape { n, ..one };
        }
        let weight = one.weight().or(other.weight());
        let is_any = |shape: &Shape| matches!(shape.node.inner, Inner::Anything);
        if self.left == 0 || is_any(&one) || is_any(&other) {
            return Shape::anything(weight, n);
        }
        // A shape that is shared is copied.
        let copied = 1 + one.node.fields.len().min(1_000) as u32;
        let cost = if Rc::strong_count(&one.node) > 1 { copied } else { 1 };
        self.left = self.left.saturating_sub(cost);
        let (mut one, mut other) = (one, other);
        let into = one.settled();
        let from = std::mem::take(other.settled());
        *into = self.merge_nodes(std::mem::take(into), from);
        let is_too_deep = into.depth > DEPTH_MAX;
        if is_too_deep { Shape::anything(weight, n) } else { Shape { n, ..one } }
    }

    fn merge_nodes(&mut self, one: Node, other: Node) -> Node {
        let count = one.count.or(other.count);
        let inner = match (one.inner, other.inner) {
            (Inner::Values(one), Inner::Values(other)) => Inner::Values(self.merge(one, other, count.total)),
            (Inner::Nothing, inner) | (inner, Inner::Nothing) => inner,
            (Inner::Anything, _) | (_, Inner::Anything) => Inner::Anything,
        };
        let mut fields = one.fields;
        for (name, field) in other.fields {
            let merged = match fields.remove(&name) {
                Some(earlier) => self.merge(earlier, field, u64::MAX),
                None => field,
            };
            fields.insert(name, merged);
        }
        let depths = fields.values().map(|field| field.node.depth);
        let of_inner = if let Inner::Values(values) = &inner { values.node.depth + 1 } else { 0 };
        let depth = depths.map(|depth| depth + 1).fold(of_inner, u32::max);
        Node {
            weight: one.weight.or(other.weight),
            text: one.text.or(other.text),
            bytes: one.bytes.or(other.bytes),
            is_other: one.is_other || other.is_other,
            number: one.number.max(other.number),
            count,
            keys: match (one.keys, other.keys) {
                (Some(one), Some(other)) => Some(one.or(other)),
                (keys, None) | (None, keys) => keys,
            },
            is_list: one.is_list || other.is_list,
            is_optional: one.is_optional || other.is_optional,
            fields,
            inner,
            depth,
        }
    }
}
