//! Sets of fields, and their algebra.
//!
//! Follows `fieldpath/set.go` of structured-merge-diff. A set is a tree; an inner node may be a
//! member itself (a map's entry, a list's item) or only lead to members.

use std::collections::BTreeMap;
use std::fmt;

use super::element::PathElement;
use crate::Schema;

/// A set of fields of one object. The object itself is never a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet {
    entries: BTreeMap<PathElement, Entry>,
}

/// What a set knows about one element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) is_member: bool,
    pub(super) below: FieldSet,
}

// === impl FieldSet ===

impl FieldSet {
    /// The empty set.
    pub fn new() -> FieldSet {
        FieldSet::default()
    }

    /// Whether nothing is a member.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many fields are members.
    pub fn len(&self) -> usize {
        self.entries.values().map(|entry| usize::from(entry.is_member) + entry.below.len()).sum()
    }

    /// Makes the field at `path` a member, not those on the way to it.
    pub fn insert(&mut self, path: &[PathElement]) {
        let Some((first, rest)) = path.split_first() else { return };
        let entry = self.entries.entry(first.clone()).or_default();
        if rest.is_empty() {
            entry.is_member = true;
        } else {
            entry.below.insert(rest);
        }
    }

    /// Whether the field at `path` is a member.
    pub fn contains(&self, path: &[PathElement]) -> bool {
        let Some((first, rest)) = path.split_first() else { return false };
        let Some(entry) = self.entries.get(first) else { return false };
        if rest.is_empty() { entry.is_member } else { entry.below.contains(rest) }
    }

    /// What is in either set.
    pub fn union(&self, other: &FieldSet) -> FieldSet {
        self.clone().with(other.clone())
    }

    /// The set and another.
    pub(super) fn with(mut self, other: FieldSet) -> FieldSet {
        if self.is_empty() {
            return other;
        }
        for (element, entry) in other.entries {
            self.add(element, entry);
        }
        self
    }

    /// The set without what is in `other`; what lies below a member of that stays.
    pub(super) fn without(mut self, other: &FieldSet) -> FieldSet {
        for (element, theirs) in &other.entries {
            let Some(ours) = self.entries.get_mut(element) else { continue };
            ours.is_member &= !theirs.is_member;
            ours.below = std::mem::take(&mut ours.below).without(&theirs.below);
            if !ours.is_member && ours.below.is_empty() {
                self.entries.remove(element);
            }
        }
        self
    }

    /// What is in both sets.
    pub fn intersection(&self, other: &FieldSet) -> FieldSet {
        self.combine(|element, ours| {
            let theirs = other.entries.get(element)?;
            Some(Entry {
                is_member: ours.is_member && theirs.is_member,
                below: ours.below.intersection(&theirs.below),
            })
        })
    }

    /// What is in this set and not in `other`; what lies below a member of `other` stays.
    pub fn difference(&self, other: &FieldSet) -> FieldSet {
        self.clone().without(other)
    }

    /// The members with no member below them.
    pub fn leaves(&self) -> FieldSet {
        self.combine(|_, ours| {
            Some(Entry { is_member: ours.is_member && ours.below.is_empty(), below: ours.below.leaves() })
        })
    }

    /// The path of every member, in order.
    pub fn paths(&self) -> Vec<Vec<PathElement>> {
        let mut paths = Vec::new();
        self.collect(&mut Vec::new(), &mut paths);
        paths
    }

    /// The set with every named field on the way to a member as a member, as
    /// `EnsureNamedFieldsAreMembers` makes it: an object that was applied goes when all of it
    /// goes, although only its fields were owned.
    pub(super) fn with_named_fields(&self, schema: Option<Schema<'_>>) -> FieldSet {
        let with_entry = |(element, entry): (&PathElement, &Entry)| {
            let (child, is_named) = match (element, schema) {
                (PathElement::Field(name), Some(schema)) => {
                    (schema.field(name), schema.property(name).is_some())
                }
                (PathElement::Key(_), Some(schema)) => (schema.items(), false),
                _ => (None, false),
            };
            let below = entry.below.with_named_fields(child);
            (element.clone(), Entry { is_member: entry.is_member || is_named, below })
        };
        FieldSet { entries: self.entries.iter().map(with_entry).collect() }
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&PathElement, &Entry)> {
        self.entries.iter()
    }

    pub(super) fn get(&self, element: &PathElement) -> Option<&Entry> {
        self.entries.get(element)
    }

    /// Adds what is known about one element; nothing where that says nothing.
    pub(super) fn add(&mut self, element: PathElement, entry: Entry) {
        if !entry.is_member && entry.below.is_empty() {
            return;
        }
        let ours = self.entries.entry(element).or_default();
        ours.is_member |= entry.is_member;
        ours.below = std::mem::take(&mut ours.below).with(entry.below);
    }

    fn combine(&self, combine: impl Fn(&PathElement, &Entry) -> Option<Entry>) -> FieldSet {
        let mut set = FieldSet::new();
        for (element, entry) in &self.entries {
            if let Some(entry) = combine(element, entry) {
                set.add(element.clone(), entry);
            }
        }
        set
    }

    fn collect(&self, prefix: &mut Vec<PathElement>, paths: &mut Vec<Vec<PathElement>>) {
        for (element, entry) in &self.entries {
            prefix.push(element.clone());
            if entry.is_member {
                paths.push(prefix.clone());
            }
            entry.below.collect(prefix, paths);
            prefix.pop();
        }
    }
}

/// One path a line.
impl fmt::Display for FieldSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.paths().iter().map(|path| show(path)).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// A path as messages print it: `.spec.containers[name="a"].image`.
pub(super) fn show(path: &[PathElement]) -> String {
    path.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::apply::element::Scalar;

    fn element() -> impl Strategy<Value = PathElement> {
        prop_oneof![
            "[a-c.:\"]{1,2}".prop_map(|name| PathElement::field(&name)),
            (0..3).prop_map(|n| PathElement::key([("b".into(), json!(n)), ("a".into(), json!("x"))])),
            (0..3).prop_map(|n| PathElement::Value(Scalar(json!(n)))),
            "[a-b]".prop_map(|text| PathElement::Value(Scalar(json!(text)))),
            (0..3u64).prop_map(PathElement::Index),
        ]
    }

    /// Any set.
    pub(in crate::apply) fn set() -> impl Strategy<Value = FieldSet> {
        prop::collection::vec(prop::collection::vec(element(), 1..4), 0..8).prop_map(|paths| {
            let mut set = FieldSet::new();
            paths.iter().for_each(|path| set.insert(path));
            set
        })
    }

    fn fields(paths: &[&str]) -> FieldSet {
        let mut set = FieldSet::new();
        for path in paths {
            let path: Vec<_> = path.split('.').map(PathElement::field).collect();
            set.insert(&path);
        }
        set
    }

    #[test]
    fn a_parent_and_its_child_are_different_members() {
        let (parent, child) = (fields(&["a"]), fields(&["a.b"]));
        assert_eq!(parent.difference(&child), parent);
        assert_eq!(child.difference(&parent), child);
        assert!(parent.intersection(&child).is_empty());
        assert_eq!(fields(&["a", "a.b", "c"]).leaves(), fields(&["a.b", "c"]));
        assert_eq!(fields(&["a", "a.b"]).to_string(), ".a\n.a.b");
    }

    proptest! {
    #![proptest_config(crate::arbitrary::config())]

        #[test]
        fn the_algebra_holds(a in set(), b in set()) {
            prop_assert_eq!(a.union(&b), b.union(&a));
            prop_assert_eq!(a.intersection(&b), b.intersection(&a));
            prop_assert_eq!(a.difference(&b).union(&a.intersection(&b)), a.clone());
            prop_assert!(a.difference(&b).intersection(&b).is_empty());
            prop_assert!(a.difference(&a).is_empty());
            prop_assert_eq!(a.union(&b).len() + a.intersection(&b).len(), a.len() + b.len());
            for path in a.paths() {
                prop_assert!(a.contains(&path) && a.union(&b).contains(&path));
            }
        }
    }
}
