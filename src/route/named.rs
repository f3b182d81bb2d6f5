//! Values by namespace and name, in a map that shares with its copies what has not changed.
//!
//! A table of thousands of Services is followed by one that differs in one of them. The values of
//! a namespace are dealt out by name to 64 small maps; a copy shares them all, and a change copies
//! the one that it is about. Which those are is told by comparing pointers.

use std::hash::BuildHasher;
use std::sync::{Arc, LazyLock};

use crate::map::Map;

/// How many maps a namespace has. 64: with 5,000 names a change copies some 80 entries.
const N_SHARDS: usize = 64;

/// A map by namespace and name. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<T>(Map<Arc<str>, Shards<T>>);

/// A map by name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shards<T>(Arc<[Shard<T>]>);

type Shard<T> = Arc<Map<Arc<str>, T>>;

/// Which map a name is in: the same in every table, so that tables can be compared.
fn shard_of(name: &str) -> usize {
    static HASH: LazyLock<foldhash::fast::FixedState> = LazyLock::new(foldhash::fast::FixedState::default);
    usize::try_from(HASH.hash_one(name) % N_SHARDS as u64).expect("less than 64")
}

// === impl Named ===

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Map::default())
    }
}

impl<T: Clone> Named<T> {
    /// The value of a name.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<&T> {
        self.0.get(namespace)?.0[shard_of(name)].get(name)
    }

    /// Gives a name a value, another one than before where it had one.
    pub fn insert(&mut self, (namespace, name): (&Arc<str>, &Arc<str>), value: T) {
        let shards = self.0.entry(namespace.clone()).or_default();
        shards.shard_mut(name).insert(name.clone(), value);
    }

    /// Takes a name away.
    pub fn remove(&mut self, namespace: &str, name: &str) {
        let Some(shards) = self.0.get_mut(namespace) else { return };
        if !shards.0[shard_of(name)].contains_key(name) {
            return;
        }
        shards.shard_mut(name).remove(name);
        if shards.0.iter().all(|shard| shard.is_empty()) {
            self.0.remove(namespace);
        }
    }

    /// All values, in no order.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.0.values().flat_map(Shards::values)
    }

    /// The values of a namespace, in no order.
    pub fn values_in(&self, namespace: &str) -> impl Iterator<Item = &T> {
        self.0.get(namespace).into_iter().flat_map(Shards::values)
    }
}

impl<T> Named<Arc<T>> {
    /// The names whose value is not the very same as in `old`, with their value here; `None` where
    /// there is none any more.
    pub fn differences<'a>(
        &'a self,
        old: &'a Self,
    ) -> impl Iterator<Item = (&'a Arc<str>, &'a Arc<str>, Option<&'a Arc<T>>)> {
        let gone = old.0.iter().filter(|(namespace, _)| !self.0.contains_key(*namespace));
        let gone = gone.flat_map(|(namespace, shards)| {
            shards.0.iter().flat_map(|shard| shard.keys()).map(move |name| (namespace, name, None))
        });
        let here = self.0.iter().flat_map(|(namespace, shards)| {
            let old = old.0.get(namespace);
            shards.differences(old).map(move |(name, value)| (namespace, name, value))
        });
        here.chain(gone)
    }
}

// === impl Shards ===

impl<T> Default for Shards<T> {
    fn default() -> Self {
        let empty = Arc::new(Map::default());
        Self(std::iter::repeat_n(empty, N_SHARDS).collect())
    }
}

impl<T: Clone> Shards<T> {
    fn shard_mut(&mut self, name: &str) -> &mut Map<Arc<str>, T> {
        Arc::make_mut(&mut Arc::make_mut(&mut self.0)[shard_of(name)])
    }
}

impl<T> Shards<T> {
    fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flat_map(|shard| shard.values())
    }
}

impl<T> Shards<Arc<T>> {
    fn differences<'a>(
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// `None` takes the name away.
    type Step = (u8, u8, Option<u8>);

    fn name(number: u8) -> Arc<str> {
        format!("n{number}").into()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// It is a map, and what it says to be different leads from the one to the other.
        #[test]
        fn it_is_a_map_whose_differences_are_all(
            before in proptest::collection::vec((0..3_u8, 0..40_u8, any::<Option<u8>>()), 0..80),
            after in proptest::collection::vec((0..3_u8, 0..40_u8, any::<Option<u8>>()), 0..20),
        ) {
            fn apply(steps: &[Step], named: &mut Named<Arc<u8>>, model: &mut BTreeMap<(u8, u8), u8>) {
                for (namespace, at, value) in steps {
                    match value {
                        Some(value) => {
                            named.insert((&name(*namespace), &name(*at)), Arc::new(*value));
                            model.insert((*namespace, *at), *value);
                        }
                        None => {
                            named.remove(&name(*namespace), &name(*at));
                            model.remove(&(*namespace, *at));
                        }
                    }
                }
            }
            let (mut named, mut model) = (Named::default(), BTreeMap::new());
            apply(&before, &mut named, &mut model);
            let (old, old_model) = (named.clone(), model.clone());
            apply(&after, &mut named, &mut model);
            let check = |named: &Named<Arc<u8>>, model: &BTreeMap<(u8, u8), u8>| {
                named.values().count() == model.len()
                    && model.iter().all(|((namespace, at), value)| {
                        named.get(&name(*namespace), &name(*at)).is_some_and(|found| **found == *value)
                    })
            };
            prop_assert!(check(&named, &model) && check(&old, &old_model));

            let mut led = old.clone();
            for (namespace, at, value) in named.differences(&old) {
                match value {
                    Some(value) => led.insert((namespace, at), value.clone()),
                    None => led.remove(namespace, at),
                }
            }
            prop_assert_eq!(&led, &named);
            prop_assert_eq!(named.differences(&named.clone()).count(), 0);
        }
    }

    #[test]
    fn a_change_of_one_name_is_one_difference() {
        let mut named = Named::default();
        for number in 0..200 {
            named.insert((&name(0), &name(number)), Arc::new(number));
        }
        let old = named.clone();
        named.insert((&name(0), &name(7)), Arc::new(1));
        let found: Vec<_> =
            named.differences(&old).map(|(_, at, value)| (at.clone(), value.cloned())).collect();
        assert_eq!(found, [(name(7), Some(Arc::new(1)))]);
    }
}
