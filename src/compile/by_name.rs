//! Values by namespace and name.

use std::collections::HashMap;
use std::sync::Arc;

type Map<T> = HashMap<Arc<str>, T, foldhash::fast::RandomState>;

/// A map by two names that is asked with borrowed ones.
#[derive(Clone, Debug)]
pub(super) struct ByName<T>(Map<Map<T>>);

// === impl ByName ===

impl<T> Default for ByName<T> {
    fn default() -> Self {
        Self(Map::default())
    }
}

impl<T> ByName<T> {
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<&T> {
        self.0.get(namespace)?.get(name)
    }

    pub(super) fn insert(&mut self, (namespace, name): (&Arc<str>, &Arc<str>), value: T) {
        self.0.entry(namespace.clone()).or_default().insert(name.clone(), value);
    }

    pub(super) fn remove(&mut self, namespace: &str, name: &str) {
        let Some(within) = self.0.get_mut(namespace) else { return };
        within.remove(name);
        if within.is_empty() {
            self.0.remove(namespace);
        }
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.0.values().flat_map(HashMap::values)
    }
}

/// Several of one name.
impl<T> ByName<Vec<Arc<T>>> {
    pub(super) fn all(&self, namespace: &str, name: &str) -> &[Arc<T>] {
        self.get(namespace, name).map_or(&[], Vec::as_slice)
    }

    pub(super) fn add(&mut self, (namespace, name): (&Arc<str>, &Arc<str>), value: &Arc<T>) {
        let within = self.0.entry(namespace.clone()).or_default();
        within.entry(name.clone()).or_default().push(value.clone());
    }

    /// Takes this very one away.
    pub(super) fn take(&mut self, (namespace, name): (&str, &str), value: &Arc<T>) {
        let Some(all) = self.0.get_mut(namespace).and_then(|within| within.get_mut(name)) else { return };
        all.retain(|other| !Arc::ptr_eq(other, value));
        if all.is_empty() {
            self.remove(namespace, name);
        }
    }
}
