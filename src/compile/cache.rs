//! The fragments of all objects while these come, change and go.
//!
//! It is told of every object that is listed or changed, and reads only those
//! that it does not have at that version.

use std::collections::{HashMap, HashSet};

use kube::ResourceExt;
use spur_route::RoutingTable;

use super::{Fragment, Source, SourceKind, compile, revision};

/// Fragments by object. As large as the objects themselves: one entry each.
#[derive(Clone, Debug, Default)]
pub struct FragmentCache {
    entries: HashMap<ObjectKey, Entry>,
    /// The objects of a list that has begun and not ended, by kind.
    listing: HashMap<SourceKind, HashSet<ObjectKey>>,
    /// The highest resourceVersion seen, deleted objects included.
    revision: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ObjectKey {
    kind: SourceKind,
    namespace: String,
    name: String,
}

#[derive(Clone, Debug)]
struct Entry {
    uid: Option<String>,
    version: Option<String>,
    fragment: Option<Fragment>,
}

// === impl FragmentCache ===

impl FragmentCache {
    /// An object is there as it stands. Returns whether the table may be another now.
    pub fn apply<K: Source>(&mut self, object: &K) -> bool {
        let key = ObjectKey::of(object);
        self.note(&key, object);
        let (uid, version) = (object.uid(), object.resource_version());
        // Objects from files have no version: they are read each time.
        let is_known = version.is_some()
            && self.entries.get(&key).is_some_and(|entry| entry.uid == uid && entry.version == version);
        if is_known {
            return false;
        }
        let fragment = object.fragment();
        let old = self.entries.insert(key, Entry { uid, version, fragment: fragment.clone() });
        old.and_then(|entry| entry.fragment) != fragment
    }

    /// An object is gone, or cannot be read. Returns whether the table may be another now.
    pub fn remove<K: Source>(&mut self, object: &impl kube::Resource) -> bool {
        let key = ObjectKey::named(K::KIND, object);
        self.revision = self.revision.max(revision(object.meta()));
        self.entries.remove(&key).is_some_and(|entry| entry.fragment.is_some())
    }

    /// A list of all objects of a kind begins: each will be applied.
    pub fn begin_list(&mut self, kind: SourceKind) {
        self.listing.insert(kind, HashSet::new());
    }

    /// The list is complete: what was not in it is gone. Returns whether the
    /// table may be another now.
    pub fn end_list(&mut self, kind: SourceKind) -> bool {
        let Some(listed) = self.listing.remove(&kind) else { return false };
        let n_before = self.entries.len();
        self.entries.retain(|key, _| key.kind != kind || listed.contains(key));
        self.entries.len() != n_before
    }

    /// The table of everything that is there.
    #[must_use]
    pub fn table(&self) -> RoutingTable {
        compile(self.revision, self.entries.values().filter_map(|entry| entry.fragment.as_ref()))
    }

    fn note<K: Source>(&mut self, key: &ObjectKey, object: &K) {
        self.revision = self.revision.max(revision(object.meta()));
        if let Some(listed) = self.listing.get_mut(&K::KIND) {
            listed.insert(key.clone());
        }
    }
}

// === impl ObjectKey ===

impl ObjectKey {
    fn of<K: Source>(object: &K) -> Self {
        Self::named(K::KIND, object)
    }

    fn named(kind: SourceKind, object: &impl kube::Resource) -> Self {
        let meta = object.meta();
        Self {
            kind,
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
        }
    }
}
