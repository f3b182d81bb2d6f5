//! What requests came to, by who called what: rates, errors, durations.
//!
//! ```text
//!  Hop ends ─► Meter (a worker's) ─► Series (atomics) ◄── Metrics, whoever scrapes
//! ```
//!
//! A worker finds its series in a map of its own and adds to them; only a series that nobody has
//! had yet takes a lock. How they are written is left to `text`.
//!
//! The names are those of Istio's standard metrics
//! (<https://istio.io/latest/docs/reference/config/metrics/>), so that dashboards and rollout
//! controllers made for it find them.

mod series;
mod text;

use std::{
    cell::RefCell,
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use spur_trace::HopEnd;

pub(crate) use self::series::Labels;
use self::series::{ByShortHash, Key, Series};
pub use self::text::Format;
use self::text::Row;
use crate::{
    cluster::{Ejected, Registry},
    stats::{Stats, WorkerStats},
};

/// Series of one proxy. 5,000: fifty services that call each other with a few statuses each; at
/// 400 bytes they are 2 MB, and a scrape is 10 MB of text at most. What comes beyond is counted in
/// one series for all.
const SERIES_MAX: usize = 5_000;

/// Entries of a worker's own map, after which it begins anew: those beyond the bound on series
/// have entries, too.
const KNOWN_MAX: usize = 2 * SERIES_MAX;

/// All series of a proxy.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    /// Guards the entries: taken for a series that a worker has not met, and by who scrapes.
    all: Mutex<HashMap<Key, Arc<Series>>>,
    rest: Arc<Series>,
    n_beyond: AtomicU64,
}

/// A worker's way to the series.
#[derive(Debug)]
pub(crate) struct Meter {
    meters: Arc<Meters>,
    known: RefCell<HashMap<Key, Arc<Series>, ByShortHash>>,
}

/// The way to scrape a proxy; cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) meters: Arc<Meters>,
    pub(crate) workers: Vec<Arc<WorkerStats>>,
    pub(crate) n_refused: Arc<AtomicU64>,
    pub(crate) n_unlogged: Arc<AtomicU64>,
    pub(crate) registry: Arc<Registry>,
}

// === impl Meter ===

impl Meter {
    pub(crate) fn new(meters: Arc<Meters>) -> Self {
        Self { meters, known: RefCell::default() }
    }

    /// Counts a request that has ended.
    pub(crate) fn record(&self, labels: &Labels, end: &HopEnd, trace_id: spur_route::TraceId) {
        let key = Key::of(labels, end);
        let mut known = self.known.borrow_mut();
        if let Some(series) = known.get(&key) {
            return series.add(end, trace_id);
        }
        let series = self.meters.series(&key);
        series.add(end, trace_id);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(key, series);
    }
}

// === impl Meters ===

impl Meters {
    fn series(&self, key: &Key) -> Arc<Series> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(series) = all.get(key) {
            return Arc::clone(series);
        }
        if all.len() >= SERIES_MAX {
            self.n_beyond.fetch_add(1, Relaxed);
            return Arc::clone(&self.rest);
        }
        Arc::clone(all.entry(key.clone()).or_default())
    }

    /// Every series, in the order of its labels.
    fn all(&self) -> Vec<Row> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Row> = all.iter().map(|(key, series)| (key.labels(), Arc::clone(series))).collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        if self.rest.n() > 0 {
            all.push((vec![("destination_service", "other".to_owned())], Arc::clone(&self.rest)));
        }
        all
    }
}

// === impl Metrics ===

impl Metrics {
    /// The endpoints that are left out now because they have failed too often.
    #[must_use]
    pub fn ejected(&self) -> Vec<Ejected> {
        self.registry.ejected()
    }

    /// Everything that was counted, in a format.
    #[must_use]
    pub fn scrape(&self, format: Format) -> String {
        let mut stats = Stats {
            n_connections_refused: self.n_refused.load(Relaxed),
            n_unlogged: self.n_unlogged.load(Relaxed),
            ..Stats::default()
        };
        self.workers.iter().for_each(|worker| worker.add_to(&mut stats));
        let n_beyond = self.meters.n_beyond.load(Relaxed);
        text::write(format, &self.meters.all(), (&stats, n_beyond), &self.registry.ejected())
    }
}

#[cfg(test)]
mod tests;
