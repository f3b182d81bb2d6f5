//! What is known of the containers: by pod and name, all their starts that the daemon has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use tokio::sync::{broadcast, watch};

use super::owned::Owned;
use crate::container::{ContainerState, Listed, PodId, RuntimeEvent, StdioPlan, reason};
use crate::session::UNKNOWN_EXIT;

/// Changes kept for a slow reader, as for processes; beyond it a reader gets `Lagged` and reads
/// `list`.
const EVENTS_MAX: usize = 1024;

/// Starts of a container that are kept: the last, and the one before it for its log.
const STARTS_KEPT: usize = 2;

/// All containers, as far as the daemon has told.
#[derive(Debug)]
pub(super) struct World {
    /// Held for a few lines, never across an await.
    known: Mutex<Containers>,
    events_tx: broadcast::Sender<RuntimeEvent>,
}

type Containers = BTreeMap<(PodId, String), Starts>;

/// The starts of a container, by attempt; there is always one.
type Starts = BTreeMap<u32, Start>;

#[derive(Debug)]
struct Start {
    /// The daemon's id.
    id: Arc<str>,
    stdio: StdioPlan,
    /// world -- what it is doing --> who waits for its end
    state_tx: watch::Sender<ContainerState>,
}

/// A container as it was when it was looked up.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// The daemon's id of its last start.
    pub(super) id: Arc<str>,
    pub(super) attempt: u32,
    /// The start before it, which keeps its log.
    pub(super) previous: Option<Arc<str>>,
    pub(super) stdio: StdioPlan,
    state_rx: watch::Receiver<ContainerState>,
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
        self.known().get(&(pod.clone(), container.to_owned())).map(Known::of)
    }

    /// The starts of a container that nobody asks for any more.
    pub(super) fn stale(&self, pod: &PodId, container: &str) -> Vec<Arc<str>> {
        let known = self.known();
        let starts = known.get(&(pod.clone(), container.to_owned()));
        let older = starts.into_iter().flat_map(|starts| starts.values().rev().skip(STARTS_KEPT));
        older.map(|start| start.id.clone()).collect()
    }

    pub(super) fn list(&self) -> Vec<Listed> {
        let known = self.known();
        let listed = known.iter().map(|((pod, container), starts)| Listed {
            pod: pod.clone(),
            container: container.clone(),
            state: Known::of(starts).state(),
        });
        listed.collect()
    }

    /// The daemon's ids of everything that is known.
    pub(super) fn ids(&self) -> BTreeSet<Arc<str>> {
        self.known().values().flat_map(Starts::values).map(|start| start.id.clone()).collect()
    }

    /// A container of the daemon's is in this state.
    pub(super) fn learn(&self, owned: &Owned, (id, stdio): (&str, StdioPlan), state: ContainerState) {
        let mut known = self.known();
        let starts = known.entry((owned.pod.clone(), owned.container.clone())).or_default();
        match starts.get(&owned.attempt).filter(|start| *start.id == *id) {
            Some(start) if !follows(&start.state_tx.borrow(), &state) => return,
            Some(start) => drop(start.state_tx.send_replace(state.clone())),
            None => {
                let state_tx = watch::Sender::new(state.clone());
                starts.insert(owned.attempt, Start { id: id.into(), stdio, state_tx });
            }
        }
        let is_last = starts.last_key_value().is_some_and(|(attempt, _)| *attempt == owned.attempt);
        drop(known);
        if is_last {
            self.tell(&owned.pod, &owned.container, state);
        }
    }

    /// The daemon has no such container any more. One that had not ended has ended in an unknown way.
    pub(super) fn forget(&self, id: &str) {
        let mut known = self.known();
        let found = known.iter().find_map(|(key, starts)| {
            let attempt = starts.iter().find(|(_, start)| *start.id == *id)?.0;
            Some((key.clone(), *attempt))
        });
        let Some((key, attempt)) = found else { return };
        let Some(starts) = known.get_mut(&key) else { return };
        let is_last = starts.last_key_value().is_some_and(|(last, _)| *last == attempt);
        let forgotten = starts.remove(&attempt);
        if starts.is_empty() {
            known.remove(&key);
        }
        drop(known);
        let Some(Start { state_tx, .. }) = forgotten else { return };
        let before = state_tx.borrow().clone();
        if !before.is_terminated() {
            let ended = unknown_end(&before);
            state_tx.send_replace(ended.clone());
            if is_last {
                self.tell(&key.0, &key.1, ended);
            }
        }
    }

    pub(super) fn forget_pod(&self, pod: &PodId) {
        self.known().retain(|(of, _), _| of != pod);
    }

    fn tell(&self, pod: &PodId, container: &str, state: ContainerState) {
        let (pod, container) = (pod.clone(), container.to_owned());
        // That nobody listens is not an error.
        let _ = self.events_tx.send(RuntimeEvent { pod, container, state });
    }

    fn known(&self) -> MutexGuard<'_, Containers> {
        self.known.lock().expect("no holder of this lock panics")
    }
}

/// Whether a state can come after another of the same container. Two who look at one moment may
/// tell in either order, and what could not be started is told anew each time.
fn follows(before: &ContainerState, after: &ContainerState) -> bool {
    use ContainerState::{Running, Terminated, Waiting};
    match (before, after) {
        (Waiting { .. }, _) | (Running { .. }, Terminated { .. }) => before != after,
        (Running { .. } | Terminated { .. }, Waiting { .. }) => false,
        // Somebody else may start it again.
        (
            Running { started_at: old, .. } | Terminated { started_at: old, .. },
            Running { started_at, .. },
        ) => started_at > old,
        (Terminated { reason: old, .. }, Terminated { reason, .. })
            if old == reason::START_ERROR && reason == old =>
        {
            false
        }
        (Terminated { finished_at: old, .. }, Terminated { finished_at, .. }) => finished_at > old,
    }
}

fn unknown_end(before: &ContainerState) -> ContainerState {
    let finished_at = SystemTime::now();
    let started_at = match before {
        ContainerState::Running { started_at, .. } => *started_at,
        ContainerState::Waiting { .. } | ContainerState::Terminated { .. } => finished_at,
    };
    ContainerState::Terminated {
        exit_code: UNKNOWN_EXIT,
        signal: None,
        reason: reason::CONTAINER_STATUS_UNKNOWN.into(),
        message: "the container was removed by somebody else".into(),
        started_at,
        finished_at,
    }
}

// === impl Known ===

impl Known {
    fn of(starts: &Starts) -> Self {
        let mut newest = starts.iter().rev();
        let (attempt, start) = newest.next().expect("a container without starts is forgotten");
        let Start { id, stdio, state_tx } = start;
        Self {
            id: id.clone(),
            attempt: *attempt,
            previous: newest.next().map(|(_, start)| start.id.clone()),
            stdio: *stdio,
            state_rx: state_tx.subscribe(),
        }
    }

    pub(super) fn state(&self) -> ContainerState {
        self.state_rx.borrow().clone()
    }

    /// Its last state, once it has one.
    pub(super) async fn ended(&self) -> ContainerState {
        let mut state_rx = self.state_rx.clone();
        let ended = state_rx.wait_for(ContainerState::is_terminated).await.map(|state| state.clone());
        // Its pod was removed meanwhile.
        ended.unwrap_or_else(|_| self.state())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::inspected::never_ran;
    use super::*;

    const NO_STDIO: StdioPlan = StdioPlan { stdin: crate::container::StdinMode::Closed, tty: false };

    fn owned(attempt: u32) -> Owned {
        Owned { pod: PodId::new("shop", "cart-1", "u-1"), container: "app".to_owned(), attempt }
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn running(since: u64) -> ContainerState {
        ContainerState::Running { pid: 1, started_at: at(since) }
    }

    /// Started a second before.
    fn ended(when: u64) -> ContainerState {
        ContainerState::Terminated {
            exit_code: 0,
            signal: None,
            reason: reason::COMPLETED.into(),
            message: String::new(),
            started_at: at(when - 1),
            finished_at: at(when),
        }
    }

    #[test]
    fn the_newest_start_counts_in_whatever_order_they_are_told() {
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1], [0, 2, 1], [1, 2, 0]] {
            let world = World::new();
            for attempt in order {
                let id = format!("c{attempt}");
                world.learn(&owned(attempt), (&id, NO_STDIO), ContainerState::creating());
            }
            let known = world.find(&owned(0).pod, "app").unwrap();
            assert_eq!((&*known.id, known.attempt), ("c2", 2), "{order:?}");
            assert_eq!(known.previous.as_deref(), Some("c1"), "{order:?}");
            assert_eq!(world.stale(&owned(0).pod, "app"), [Arc::from("c0")], "{order:?}");
            // What is forgotten makes room for the one before it.
            world.forget("c2");
            let known = world.find(&owned(0).pod, "app").unwrap();
            assert_eq!((&*known.id, known.previous.as_deref()), ("c1", Some("c0")), "{order:?}");
        }
    }

    #[test]
    fn only_changes_are_told_and_none_is_undone_by_a_late_look() {
        let world = World::new();
        let mut events = world.events();
        let told = [
            (ContainerState::creating(), true),
            (ContainerState::creating(), false),
            (running(1), true),
            (ContainerState::creating(), false),
            (running(1), false),
            (ended(2), true),
            (running(1), false),
            (ended(2), false),
            // `docker restart`.
            (running(3), true),
            (ended(4), true),
        ];
        for (state, is_news) in told {
            world.learn(&owned(0), ("c0", NO_STDIO), state.clone());
            let event = events.try_recv().ok().map(|event| event.state);
            assert_eq!(event, is_news.then_some(state));
        }
        world.learn(&owned(1), ("c1", NO_STDIO), never_ran("why"));
        assert!(events.try_recv().is_ok());
        // The same end with a later time, since nobody knows when.
        world.learn(&owned(1), ("c1", NO_STDIO), never_ran("why"));
        assert!(events.try_recv().is_err());
    }

    #[tokio::test]
    async fn what_others_remove_has_ended() {
        let world = World::new();
        world.learn(&owned(0), ("c0", NO_STDIO), running(1));
        let known = world.find(&owned(0).pod, "app").unwrap();
        let mut events = world.events();
        world.forget("other");
        assert!(events.try_recv().is_err());
        world.forget("c0");
        let told = events.try_recv().unwrap().state;
        let ContainerState::Terminated { exit_code: 137, reason, .. } = &told else { panic!("{told:?}") };
        assert_eq!(reason, "ContainerStatusUnknown");
        assert_eq!(known.ended().await, told);
        assert_eq!(world.list(), []);
    }
}
