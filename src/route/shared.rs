//! A map by name that shares with its copies what has not changed.
//!
//! A table of thousands of Services is followed by one that differs in one of them. The entries are
//! dealt out by name to 64 small maps; a copy shares them all, and a change copies the one that it
//! is about. Which those are is told by comparing pointers.

use std::hash::BuildHasher;
use std::sync::{Arc, LazyLock};

use crate::map::Map;

/// How many maps there are. 64: with 5,000 names a change copies some 80 entries.
const N_SHARDS: usize = 64;

/// A map by name. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shared<T>(Arc<[Shard<T>]>);

type Shard<T> = Arc<Map<Arc<str>, T>>;

/// Which map a name is in: the same always, so that maps can be compared.
fn shard_of(name: &str) -> usize {
    static HASH: LazyLock<foldhash::fast::FixedState> = LazyLock::new(foldhash::fast::FixedState::default);
    usize::try_from(HASH.hash_one(name) % N_SHARDS as u64).expect("less than 64")
}

// === impl Shared ===

impl<T> Default for Shared<T> {
    fn default() -> Self {
        let empty = Arc::new(Map::default());
        Self(std::iter::repeat_n(empty, N_SHARDS).collect())
    }
}

impl<T: Clone> Shared<T> {
    pub(crate) fn insert(&mut self, name: &Arc<str>, value: T) {
        self.shard_mut(name).insert(name.clone(), value);
    }

    /// The value of a name, made where there is none.
    pub(crate) fn entry(&mut self, name: &str, make: impl FnOnce() -> T) -> &mut T {
        self.shard_mut(name).entry(name.into()).or_insert_with(make)
    }

    /// The value of a name, to be changed here and not in copies.
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        self.get(name)?;
        self.shard_mut(name).get_mut(name)
    }

    pub(crate) fn remove(&mut self, name: &str) {
        if self.get(name).is_some() {
            self.shard_mut(name).remove(name);
        }
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        let full = Arc::make_mut(&mut self.0).iter_mut().filter(|shard| !shard.is_empty());
        full.flat_map(|shard| Arc::make_mut(shard).values_mut())
    }

    fn shard_mut(&mut self, name: &str) -> &mut Map<Arc<str>, T> {
        Arc::make_mut(&mut Arc::make_mut(&mut self.0)[shard_of(name)])
    }
}

impl<T> Shared<T> {
    pub(crate) fn get(&self, name: &str) -> Option<&T> {
        self.0[shard_of(name)].get(name)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|shard| shard.is_empty())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.iter().flat_map(|shard| shard.keys())
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flat_map(|shard| shard.values())
    }
}

impl<T> Shared<Arc<T>> {
    /// The names whose value is not the very same as in `old`, with their value here.
    pub(crate) fn differences<'a>(
        &'a self,
        old: Option<&'a Self>,
    ) -> impl Iterator<Item = (&'a Arc<str>, Option<&'a Arc<T>>)> {
        let pairs =
            self.0.iter().enumerate().map(move |(place, shard)| (shard, old.map(|old| &old.0[place])));
        let changed = pairs.filter(|(new, old)| old.is_none_or(|old| !Arc::ptr_eq(new, old)));
        changed.flat_map(|(new, old)| {
            let is_same = move |name: &str, value: &Arc<T>| {
                old.and_then(|old| old.get(name)).is_some_and(|before| Arc::ptr_eq(before, value))
            };
            let here = new.iter().filter(move |(name, value)| !is_same(name, value));
            let gone = old.into_iter().flat_map(|old| old.keys()).filter(|name| !new.contains_key(*name));
            here.map(|(name, value)| (name, Some(value))).chain(gone.map(|name| (name, None)))
        })
    }
}
