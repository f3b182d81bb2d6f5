//! What is known of the containers: by pod and name, each with its last start.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{broadcast, watch};

use super::owned::Owned;
use crate::container::{ContainerState, Listed, PodId, RuntimeEvent, StdioPlan};

/// Changes kept for a slow reader, as for processes; beyond it a reader gets `Lagged` and reads
/// `list`.
const EVENTS_MAX: usize = 1024;

/// All containers, as far as the daemon has told.
#[derive(Debug)]
pub(super) struct World {
    /// Held for a few lines, never across an await.
    known: Mutex<BTreeMap<(PodId, String), Known>>,
    events_tx: broadcast::Sender<RuntimeEvent>,
}

/// The last start of a container.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// The daemon's id.
    pub(super) id: Arc<str>,
    pub(super) attempt: u32,
    /// The start before it, which keeps its log.
    pub(super) previous: Option<Arc<str>>,
    pub(super) stdio: StdioPlan,
    /// world -- what it is doing --> who waits for its end
    state_tx: watch::Sender<ContainerState>,
}

// === impl World ===

impl World {
    pub(super) fn new() -> Self {
        Self { known: Mutex::default(), events_tx: broadcast::Sender::new(EVENTS_MAX) }
    }

    pub(super) fn events(&self) -> broadcast::Receiver<RuntimeEvent> {
        self.events_tx.subscribe()
    }

    pub(super) fn find(&self, pod: &PodId, container: &str) -> Option<Known> {
        self.known().get(&(pod.clone(), container.to_owned())).cloned()
    }

    pub(super) fn of_pod(&self, pod: &PodId) -> Vec<Known> {
        let known = self.known();
        known.iter().filter(|((of, _), _)| of == pod).map(|(_, known)| known.clone()).collect()
    }

    pub(super) fn list(&self) -> Vec<Listed> {
        let known = self.known();
        let listed = known.iter().map(|((pod, container), known)| Listed {
            pod: pod.clone(),
            container: container.clone(),
            state: known.state(),
        });
        listed.collect()
    }

    /// A container of the daemon's is in this state. The newest start of each counts; of the others
    /// the newest is its previous one.
    pub(super) fn learn(&self, owned: &Owned, (id, stdio): (&str, StdioPlan), state: ContainerState) {
        let mut known = self.known();
        match known.entry((owned.pod.clone(), owned.container.clone())) {
            Entry::Vacant(entry) => {
                entry.insert(Known::new(id, owned.attempt, stdio, state.clone()));
            }
            Entry::Occupied(mut entry) => {
                let last = entry.get_mut();
                if owned.attempt < last.attempt {
                    last.previous = Some(id.into());
                    return;
                }
                if owned.attempt > last.attempt {
                    let previous = last.id.clone();
                    *last = Known::new(id, owned.attempt, stdio, state.clone());
                    last.previous = Some(previous);
                } else if last.state() == state {
                    return;
                } else {
                    last.state_tx.send_replace(state.clone());
                }
            }
        }
        drop(known);
        let (pod, container) = (owned.pod.clone(), owned.container.clone());
        // That nobody listens is not an error.
        let _ = self.events_tx.send(RuntimeEvent { pod, container, state });
    }

    /// The daemon has no such container any more.
    pub(super) fn forget(&self, owned: &Owned) {
        let key = (owned.pod.clone(), owned.container.clone());
        let mut known = self.known();
        if known.get(&key).is_some_and(|known| known.attempt == owned.attempt) {
            known.remove(&key);
        }
    }

    pub(super) fn forget_pod(&self, pod: &PodId) {
        self.known().retain(|(of, _), _| of != pod);
    }

    /// Only these are there.
    pub(super) fn retain(&self, ids: &[&str]) {
        self.known().retain(|_, known| ids.contains(&&*known.id));
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<(PodId, String), Known>> {
        self.known.lock().expect("no holder of this lock panics")
    }
}

// === impl Known ===

impl Known {
    fn new(id: &str, attempt: u32, stdio: StdioPlan, state: ContainerState) -> Self {
        Self { id: id.into(), attempt, previous: None, stdio, state_tx: watch::Sender::new(state) }
    }

    pub(super) fn state(&self) -> ContainerState {
        self.state_tx.borrow().clone()
    }

    /// Its last state, once it has one.
    pub(super) async fn ended(&self) -> ContainerState {
        let mut state_rx = self.state_tx.subscribe();
        let ended = state_rx.wait_for(ContainerState::is_terminated).await;
        ended.map_or_else(|_| self.state(), |state| state.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::super::inspected::never_ran;
    use super::*;

    fn owned(attempt: u32) -> Owned {
        Owned { pod: PodId::new("shop", "cart-1", "u-1"), container: "app".to_owned(), attempt }
    }

    #[test]
    fn the_newest_start_counts_in_whatever_order_they_are_told() {
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1]] {
            let world = World::new();
            for attempt in order {
                let id = format!("c{attempt}");
                world.learn(&owned(attempt), (&id, StdioPlan::default()), ContainerState::creating());
            }
            let known = world.find(&owned(0).pod, "app").unwrap();
            assert_eq!((&*known.id, known.attempt), ("c2", 2), "{order:?}");
            assert!(known.previous.is_some(), "{order:?}");
        }
    }

    #[test]
    fn only_changes_are_told() {
        let world = World::new();
        let mut events = world.events();
        let tell =
            |state: &ContainerState| world.learn(&owned(0), ("c0", StdioPlan::default()), state.clone());
        tell(&ContainerState::creating());
        tell(&ContainerState::creating());
        let ended = never_ran("why");
        tell(&ended);
        let states: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).map(|event| event.state).collect();
        assert_eq!(states, [ContainerState::creating(), ended]);
        world.forget(&owned(1));
        assert_eq!(world.list().len(), 1);
        world.forget(&owned(0));
        assert_eq!(world.list(), []);
    }
}
