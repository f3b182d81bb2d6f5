//! The fragments of all objects while these come, change and go.
//!
//! It is told of every object that is listed or changed, and reads only those
//! that it does not have at that version.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use kube::ResourceExt;
use spur_route::RoutingTable;

use super::assembly::Assembly;
use super::{Fragment, Source, SourceKind, revision};

/// Fragments by object. As large as the objects themselves: one entry each.
#[derive(Clone, Debug, Default)]
pub struct FragmentCache {
    entries: HashMap<ObjectKey, Entry>,
    /// The objects of a list that has begun and not ended, by kind.
    listing: HashMap<SourceKind, HashSet<ObjectKey>>,
    /// The highest resourceVersion seen, deleted objects included.
    revision: u64,
    /// The port of gateways for which the entry listener stands, beside 80.
    entry_port: Option<u16>,
    assembly: Assembly,
    /// The table that was made last, with which the next shares what has not changed.
    table: Arc<RoutingTable>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ObjectKey {
    kind: SourceKind,
    namespace: String,
    name: String,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    uid: Option<String>,
    version: Option<String>,
    fragment: Option<Fragment>,
}

// === impl FragmentCache ===

impl FragmentCache {
    /// The same cache; the entry listener of its tables stands for this port of gateways, too.
    #[must_use]
    pub fn with_entry_port(mut self, port: u16) -> Self {
        self.entry_port = Some(port);
        self
    }

    /// An object is there as it stands. Returns whether the table may be another now.
    pub fn apply<K: Source>(&mut self, object: &K) -> bool {
        let key = ObjectKey::of(object);
        self.note(&key, object);
        let (uid, version) = (object.uid(), object.content_version());
        // Objects from files have no version: they are read each time.
        let is_known = version.is_some()
            && self.entries.get(&key).is_some_and(|entry| entry.uid == uid && entry.version == version);
        if is_known {
            return false;
        }
        let new = object.fragment();
        let entry = self.entries.entry(key).or_default();
        (entry.uid, entry.version) = (uid, version);
        if entry.fragment == new {
            return false;
        }
        let old = std::mem::replace(&mut entry.fragment, new);
        old.iter().for_each(|old| self.assembly.take(old));
        entry.fragment.iter().for_each(|new| self.assembly.add(new));
        true
    }

    /// An object is gone, or cannot be read. Returns whether the table may be another now.
    pub fn remove<K: Source>(&mut self, object: &impl kube::Resource) -> bool {
        let key = ObjectKey::named(K::KIND, object);
        self.revision = self.revision.max(revision(object.meta()));
        let Some(fragment) = self.entries.remove(&key).and_then(|entry| entry.fragment) else { return false };
        self.assembly.take(&fragment);
        true
    }

    /// A list of all objects of a kind begins: each will be applied.
    pub fn begin_list(&mut self, kind: SourceKind) {
        self.listing.insert(kind, HashSet::new());
    }

    /// The list is complete: what was not in it is gone. Returns whether the
    /// table may be another now.
    pub fn end_list(&mut self, kind: SourceKind) -> bool {
        let Some(listed) = self.listing.remove(&kind) else { return false };
        let Self { entries, assembly, .. } = self;
        let gone = entries.extract_if(|key, _| key.kind == kind && !listed.contains(key));
        let gone = gone.map(|(_, entry)| entry.fragment.iter().for_each(|old| assembly.take(old)));
        gone.count() > 0
    }

    /// The table of everything that is there.
    pub fn table(&mut self) -> Arc<RoutingTable> {
        let next = self.table.next(self.revision, self.assembly.specs());
        self.table = Arc::new(match self.entry_port {
            Some(port) => next.with_entry_port(port),
            None => next,
        });
        self.table.clone()
    }

    /// The names whose addresses are endpoints (ServiceEntries whose `resolution` is `DNS`), which
    /// are to be told to [`resolve`](Self::resolve).
    pub fn names(&mut self) -> Arc<BTreeSet<Box<str>>> {
        self.assembly.names()
    }

    /// A name has these addresses. Returns whether the table may be another now.
    pub fn resolve(&mut self, name: &str, addresses: Vec<IpAddr>) -> bool {
        self.assembly.resolve(name, addresses)
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
