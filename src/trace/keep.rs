//! What goes when there is no room: two rings of traces, ordinary ones and ones worth looking at.
//!
//! A trace lies on one shelf: with the ordinary ones, or by the best reason to keep it. Ordinary
//! ones push out ordinary ones only. Where the others are too many, the oldest of the fullest
//! shelf goes, so that a flood of errors pushes out errors, and neither keyed nor marked traces.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use spur_route::TraceId;

use crate::limits::Limits;

/// Why a trace is worth looking at; of several reasons the last one here counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeptFor {
    /// A hop was slower than 99 of 100 on its edge lately.
    Slow,
    /// A hop failed.
    Failed,
    /// A hop has a routing key.
    Key,
    /// A service did not hand its key on.
    LostKey,
    /// Somebody marked it.
    Mark,
}

/// Which trace goes next, by ring and reason. Traces themselves are the store's.
#[derive(Debug, Default)]
pub(crate) struct Shelves {
    /// `None` first, then by reason.
    shelves: [Shelf; 6],
}

#[derive(Debug, Default)]
struct Shelf {
    /// By the number of their first record, which rises.
    traces: BTreeMap<u64, TraceId>,
    n_bytes: usize,
}

// === impl Shelves ===

impl Shelves {
    pub(crate) fn put(&mut self, on: Option<KeptFor>, (number, trace): (u64, TraceId), n_bytes: usize) {
        let shelf = self.shelf(on);
        shelf.traces.insert(number, trace);
        shelf.n_bytes += n_bytes;
    }

    pub(crate) fn take(&mut self, from: Option<KeptFor>, number: u64, n_bytes: usize) {
        let shelf = self.shelf(from);
        shelf.traces.remove(&number);
        shelf.n_bytes -= n_bytes;
    }

    /// A trace that lies here has grown.
    pub(crate) fn grow(&mut self, on: Option<KeptFor>, n_bytes: usize) {
        self.shelf(on).n_bytes += n_bytes;
    }

    /// The trace that has to go, if the limits are passed. The newest of each shelf stays,
    /// whatever its size.
    pub(crate) fn excess(&self, limits: &Limits) -> Option<TraceId> {
        let Limits { max_traces, max_bytes, max_kept_traces, max_kept_bytes, .. } = limits;
        let (ordinary, others) = self.shelves.split_at(1);
        excess(ordinary, *max_traces, *max_bytes)
            .or_else(|| excess(others, *max_kept_traces, *max_kept_bytes))
    }

    /// How many lie in the second ring.
    pub(crate) fn n_apart(&self) -> usize {
        self.shelves[1..].iter().map(|shelf| shelf.traces.len()).sum()
    }

    fn shelf(&mut self, kept_for: Option<KeptFor>) -> &mut Shelf {
        &mut self.shelves[kept_for.map_or(0, |reason| reason as usize + 1)]
    }
}

fn excess(ring: &[Shelf], max_traces: usize, max_bytes: usize) -> Option<TraceId> {
    let n_traces: usize = ring.iter().map(|shelf| shelf.traces.len()).sum();
    let n_bytes: usize = ring.iter().map(|shelf| shelf.n_bytes).sum();
    let with_several = ring.iter().filter(|shelf| shelf.traces.len() > 1);
    let fullest = if n_traces > max_traces {
        with_several.max_by_key(|shelf| shelf.traces.len())
    } else if n_bytes > max_bytes {
        with_several.max_by_key(|shelf| shelf.n_bytes)
    } else {
        None
    };
    fullest?.traces.first_key_value().map(|(_, trace)| *trace)
}
