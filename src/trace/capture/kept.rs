//! The latest captures, within a bound of bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use serde::{Deserialize, Serialize};

use super::Capture;
use crate::map::HashMap;
use crate::record::HopId;

/// Captures by hop; the oldest go first.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    by_hop: HashMap<HopId, Arc<Capture>>,
    order: VecDeque<HopId>,
    n_bytes: usize,
    n_evicted: u64,
}

/// That a hop was captured, and the capture while it is kept. In JSON it is `true`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "bool", from = "bool")]
pub struct Captured(Weak<Capture>);

// === impl Kept ===

impl Kept {
    /// Takes one in, and drops the oldest until there is room.
    pub(crate) fn insert(&mut self, capture: Box<Capture>, max_bytes: usize) {
        let id = capture.id;
        self.n_bytes += capture.n_bytes();
        match self.by_hop.insert(id, Arc::from(capture)) {
            // Ids are drawn at random; the later one holds.
            Some(earlier) => self.n_bytes -= earlier.n_bytes(),
            None => self.order.push_back(id),
        }
        while self.n_bytes > max_bytes
            && let Some(oldest) = self.order.pop_front()
        {
            if let Some(capture) = self.by_hop.remove(&oldest) {
                self.n_bytes -= capture.n_bytes();
            }
            self.n_evicted += 1;
        }
    }

    pub(crate) fn get(&self, id: HopId) -> Option<&Arc<Capture>> {
        self.by_hop.get(&id)
    }

    /// What stands at a hop that was captured.
    pub(crate) fn told(&self, id: HopId) -> Option<Captured> {
        self.get(id).map(|capture| Captured(Arc::downgrade(capture)))
    }

    pub(crate) fn len(&self) -> usize {
        self.by_hop.len()
    }

    pub(crate) fn n_bytes(&self) -> usize {
        self.n_bytes
    }

    pub(crate) fn n_evicted(&self) -> u64 {
        self.n_evicted
    }
}

// === impl Captured ===

impl Captured {
    /// The capture; `None` where it had to make room, and in other processes.
    #[must_use]
    pub fn get(&self) -> Option<Arc<Capture>> {
        self.0.upgrade()
    }
}

impl PartialEq for Captured {
    /// What it says is the same, whether the capture is kept or not.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Captured {}

impl From<Captured> for bool {
    fn from(_: Captured) -> Self {
        true
    }
}

impl From<bool> for Captured {
    fn from(_: bool) -> Self {
        Self(Weak::new())
    }
}
