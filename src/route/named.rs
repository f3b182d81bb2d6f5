//! Values by namespace and name.

use std::sync::Arc;

use crate::map::Map;
use crate::shared::Shared;

/// A map by namespace and name. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<T>(Map<Arc<str>, Shared<T>>);

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
        self.0.get(namespace)?.get(name)
    }

    /// The value of a name, to be changed here and not in copies.
    pub fn get_mut(&mut self, namespace: &str, name: &str) -> Option<&mut T> {
        self.0.get_mut(namespace)?.get_mut(name)
    }

    /// Gives a name a value, another one than before where it had one.
    pub fn insert(&mut self, (namespace, name): (&Arc<str>, &Arc<str>), value: T) {
        self.0.entry(namespace.clone()).or_default().insert(name, value);
    }

    /// Takes a name away.
    pub fn remove(&mut self, namespace: &str, name: &str) {
        let Some(within) = self.0.get_mut(namespace) else { return };
        within.remove(name);
        if within.is_empty() {
            self.0.remove(namespace);
        }
    }

    /// All values, in no order.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.0.values().flat_map(Shared::values)
    }

    /// The values of a namespace, in no order.
    pub fn values_in(&self, namespace: &str) -> impl Iterator<Item = &T> {
        self.0.get(namespace).into_iter().flat_map(Shared::values)
    }
}

/// Several of one name.
impl<T> Named<Vec<Arc<T>>> {
    /// All of a name, in the order in which they were added.
    #[must_use]
    pub fn all(&self, namespace: &str, name: &str) -> &[Arc<T>] {
        self.get(namespace, name).map_or(&[], Vec::as_slice)
    }

    /// Puts one behind those of its name.
    pub fn add(&mut self, (namespace, name): (&Arc<str>, &Arc<str>), value: &Arc<T>) {
        self.0.entry(namespace.clone()).or_default().entry(name, Vec::new).push(value.clone());
    }

    /// Takes this very one away.
    pub fn take(&mut self, (namespace, name): (&Arc<str>, &Arc<str>), value: &Arc<T>) {
        let left = self.all(namespace, name).iter().filter(|other| !Arc::ptr_eq(other, value));
        let left: Vec<_> = left.cloned().collect();
        match left.is_empty() {
            true => self.remove(namespace, name),
            false => self.insert((namespace, name), left),
        }
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
        let gone =
            gone.flat_map(|(namespace, within)| within.names().map(move |name| (namespace, name, None)));
        let here = self.0.iter().flat_map(|(namespace, within)| {
            let differences = within.differences(old.0.get(namespace));
            differences.map(move |(name, value)| (namespace, name, value))
        });
        here.chain(gone)
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
