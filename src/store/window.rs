//! The last changes in memory, by resource, with a bound on count and bytes.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::watch;

use crate::{Change, Options, Revision};

/// The last changes. What falls out is remembered by resource, so that a watch of a quiet
/// resource does not lag because a busy one pushed its neighbours out.
#[derive(Debug)]
pub(crate) struct Window {
    max_changes: usize,
    max_bytes: usize,
    revision: Revision,
    /// Nothing up to here is kept, of any resource.
    base: Revision,
    /// Resource and size of every change kept, oldest first.
    order: VecDeque<(Arc<str>, usize)>,
    bytes: usize,
    /// One per resource ever written or watched: as many as there are kinds.
    lanes: HashMap<Arc<str>, Lane>,
}

/// One resource's changes.
#[derive(Debug)]
struct Lane {
    changes: VecDeque<Arc<Change>>,
    /// The last change that fell out.
    dropped: Revision,
    wake_tx: watch::Sender<()>,
}

/// The resources that got changes: whose watches have to be woken.
#[derive(Debug, Default)]
pub(crate) struct Woken(Vec<watch::Sender<()>>);

// === impl Window ===

impl Window {
    pub(crate) fn new(options: &Options, base: Revision, revision: Revision) -> Self {
        Self {
            max_changes: options.window_max_changes,
            max_bytes: options.window_max_bytes,
            revision,
            base,
            order: VecDeque::new(),
            bytes: 0,
            lanes: HashMap::new(),
        }
    }

    /// The last published revision.
    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }

    /// The oldest revision after which every change of the resource is here.
    pub(crate) fn oldest(&self, resource: &str) -> Revision {
        self.lanes.get(resource).map_or(self.base, |lane| lane.dropped)
    }

    /// The resource's changes after a revision, in order.
    pub(crate) fn after(&self, resource: &str, revision: Revision) -> impl Iterator<Item = &Arc<Change>> {
        self.lanes.get(resource).into_iter().flat_map(move |lane| {
            let start = lane.changes.partition_point(|change| change.revision <= revision);
            lane.changes.range(start..)
        })
    }

    /// Wakes when the resource gets changes.
    pub(crate) fn subscribe(&mut self, resource: &str) -> watch::Receiver<()> {
        self.lane(resource).wake_tx.subscribe()
    }

    /// Appends committed changes, in order, and lets the oldest fall out.
    pub(crate) fn append(&mut self, changes: Vec<Change>, revision: Revision) -> Woken {
        let mut touched: Vec<Arc<str>> = Vec::new();
        for change in changes {
            let resource = change.key.resource.clone();
            let size = change.size();
            self.order.push_back((resource.clone(), size));
            self.bytes += size;
            self.lane(&resource).changes.push_back(Arc::new(change));
            if !touched.contains(&resource) {
                touched.push(resource);
            }
        }
        self.revision = self.revision.max(revision);
        self.trim();
        Woken(touched.iter().map(|resource| self.lane(resource).wake_tx.clone()).collect())
    }

    /// Forgets everything up to a revision: every watch that is not past it has lagged.
    pub(crate) fn forget(&mut self, base: Revision) -> Woken {
        self.order.clear();
        self.bytes = 0;
        self.base = base;
        self.revision = self.revision.max(base);
        for lane in self.lanes.values_mut() {
            lane.changes.clear();
            lane.dropped = base;
        }
        self.everyone()
    }

    /// All watches.
    pub(crate) fn everyone(&self) -> Woken {
        Woken(self.lanes.values().map(|lane| lane.wake_tx.clone()).collect())
    }

    fn trim(&mut self) {
        while self.order.len() > self.max_changes || self.bytes > self.max_bytes {
            let Some((resource, size)) = self.order.pop_front() else { return };
            self.bytes -= size;
            let lane = self.lane(&resource);
            let dropped = lane.changes.pop_front().expect("each entry of `order` is in its lane");
            lane.dropped = dropped.revision;
        }
    }

    fn lane(&mut self, resource: &str) -> &mut Lane {
        if !self.lanes.contains_key(resource) {
            let lane = Lane { changes: VecDeque::new(), dropped: self.base, wake_tx: watch::Sender::new(()) };
            self.lanes.insert(resource.into(), lane);
        }
        self.lanes.get_mut(resource).expect("it was inserted where it was absent")
    }
}

// === impl Woken ===

impl Woken {
    /// Wakes the watches; to be called without the window's lock, which they take at once.
    pub(crate) fn wake(self) {
        for wake_tx in self.0 {
            wake_tx.send_replace(());
        }
    }
}

// === impl Change ===

impl Change {
    /// What the change counts towards the window's bytes: its values and its key, with 200 bytes
    /// for the structs and allocations around them.
    pub(crate) fn size(&self) -> usize {
        let previous = self.previous.as_ref().map_or(0, |previous| previous.value.len());
        let namespace = self.key.namespace.as_deref().map_or(0, str::len);
        200 + self.value.len() + previous + namespace + self.key.name.len()
    }
}
