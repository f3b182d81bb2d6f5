//! Objects of a kind as a watch gives them, each read once.

use std::collections::BTreeMap;

use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use kube::runtime::watcher;

/// What was read of all objects, by what they are known by.
pub(super) struct Watched<Id, T> {
    listed: BTreeMap<Id, T>,
    /// `None` before the first list is complete.
    all: Option<BTreeMap<Id, T>>,
}

/// An event of a watch, or that it broke: then it is opened again by itself.
type Change<K> = Result<watcher::Event<K>, watcher::Error>;

/// How an object is known, and what of it matters.
type Read<K, Id, T> = (fn(&K) -> Id, fn(&K) -> T);

/// Takes a change and whatever else has arrived, which is one change with it. Returns whether
/// anything is another than before.
pub(super) fn take_all<K, Id: Ord, T: PartialEq>(
    first: Change<K>,
    changes: &mut BoxStream<'_, Change<K>>,
    watched: &mut Watched<Id, T>,
    read: Read<K, Id, T>,
) -> bool {
    let mut change = Some(first);
    let mut is_changed = false;
    while let Some(taken) = change {
        match taken {
            Ok(event) => is_changed |= watched.take(event, read),
            Err(error) => tracing::warn!(%error, "failed to watch what pods reach, trying again"),
        }
        change = changes.next().now_or_never().flatten();
    }
    is_changed
}

// === impl Watched ===

impl<Id, T> Default for Watched<Id, T> {
    fn default() -> Self {
        Self { listed: BTreeMap::new(), all: None }
    }
}

impl<Id: Ord, T: PartialEq> Watched<Id, T> {
    /// `None` before the first list is complete.
    pub(super) fn all(&self) -> Option<&BTreeMap<Id, T>> {
        self.all.as_ref()
    }

    fn take<K>(&mut self, event: watcher::Event<K>, (id, read): Read<K, Id, T>) -> bool {
        match event {
            watcher::Event::Init => self.listed.clear(),
            watcher::Event::InitApply(object) => {
                self.listed.insert(id(&object), read(&object));
            }
            watcher::Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                let is_changed = self.all.as_ref() != Some(&listed);
                self.all = Some(listed);
                return is_changed;
            }
            watcher::Event::Apply(object) => {
                let (id, new) = (id(&object), read(&object));
                let all = self.all.get_or_insert_default();
                let is_changed = all.get(&id) != Some(&new);
                all.insert(id, new);
                return is_changed;
            }
            watcher::Event::Delete(object) => {
                return self.all.as_mut().is_some_and(|all| all.remove(&id(&object)).is_some());
            }
        }
        false
    }
}
