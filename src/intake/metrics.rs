//! The last value of every metric that applications report.
//!
//! ```text
//!  OTLP ──points──► MetricStore ──┬─► the text of /metrics, in Prometheus' and OpenMetrics' form
//!                 (bounded series,└─► /api/telemetry/metrics
//!                  further counted)
//! ```

mod data;
mod name;
mod point;
mod points;
mod text;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

pub(crate) use point::{Bucket, Histogram, Point, Summary};
pub use text::Text;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricLimits {
    /// Series: values of one metric, of one service and with the same attributes.
    pub max_series: usize,
    /// A series of which nothing was heard for so long is not shown, and makes room for others.
    pub stale_after: Duration,
}

/// What was taken in, and for what there was no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MetricCounts {
    /// Series that are kept.
    pub n_series: u64,
    /// Points taken in.
    pub n_points: u64,
    /// Points of further series, or that differ in kind from others of their name.
    pub n_turned_away: u64,
}

/// The series; cheap to clone, all clones are the same.
#[derive(Clone, Debug)]
pub struct MetricStore {
    limits: MetricLimits,
    /// Held while points are put in or written out.
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// By name, as it is shown.
    pub(crate) families: BTreeMap<Arc<str>, Family>,
    counts: MetricCounts,
}

/// The series of one name.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) kind: Kind,
    pub(crate) facts: Facts,
    pub(crate) series: BTreeMap<Labels, Series>,
}

/// What is said of a metric once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Its own name.
    pub(crate) name: Arc<str>,
    pub(crate) description: Arc<str>,
    pub(crate) unit: Arc<str>,
}

/// The labels of a series by name: of its service, and of its attributes.
pub(crate) type Labels = Vec<(Arc<str>, Arc<str>)>;

#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) service: Arc<str>,
    pub(crate) point: Point,
    pub(crate) heard: Instant,
}

/// How the values of a name are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Summary,
}

/// A point on its way in.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) kind: Kind,
    pub(crate) facts: Facts,
    pub(crate) service: Arc<str>,
    pub(crate) labels: Labels,
    pub(crate) point: Point,
    /// Whether it is what was added since the last one, and not the whole.
    pub(crate) is_delta: bool,
}

// === impl MetricLimits ===

impl Default for MetricLimits {
    /// 10,000 series are 30 services with 300 each; with histograms of 15 buckets they take some
    /// 10 MiB (reckoned, not measured). Five minutes are Prometheus' own time for the same
    /// (<https://prometheus.io/docs/prometheus/latest/querying/basics/#staleness>).
    fn default() -> Self {
        Self { max_series: 10_000, stale_after: Duration::from_secs(5 * 60) }
    }
}

// === impl MetricStore ===

impl MetricStore {
    /// None yet.
    #[must_use]
    pub fn new(limits: MetricLimits) -> Self {
        Self { limits, kept: Arc::default() }
    }

    /// What was taken in.
    #[must_use]
    pub fn counts(&self) -> MetricCounts {
        self.kept().counts
    }

    /// Takes points in, and says for how many there was no room.
    pub(crate) fn take(&self, points: impl IntoIterator<Item = Incoming>) -> u64 {
        let now = Instant::now();
        let mut kept = self.kept();
        let before = kept.counts.n_turned_away;
        for point in points {
            kept.put(point, now, self.limits);
        }
        kept.counts.n_turned_away - before
    }

    /// Looks at what is kept and not stale.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Kept) -> T) -> T {
        let mut kept = self.kept();
        kept.forget(Instant::now(), self.limits);
        look(&kept)
    }

    /// What a panic left is whole but for the point that it was about.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MetricStore {
    fn default() -> Self {
        Self::new(MetricLimits::default())
    }
}

// === impl Kept ===

impl Kept {
    fn put(&mut self, incoming: Incoming, now: Instant, limits: MetricLimits) {
        let Incoming { kind, facts, service, labels, point, is_delta } = incoming;
        let name = name::shown(&facts, kind);
        let known = self.families.get_mut(&name);
        if known.as_ref().is_some_and(|family| family.kind != kind) {
            self.counts.n_turned_away += 1;
            return;
        }
        if let Some(series) = known.and_then(|family| family.series.get_mut(&labels)) {
            series.heard = now;
            match is_delta {
                true => series.point.add(point),
                false => series.point = point,
            }
            self.counts.n_points += 1;
            return;
        }
        if self.counts.n_series >= limits.max_series as u64 {
            self.forget(now, limits);
        }
        if self.counts.n_series >= limits.max_series as u64 {
            self.counts.n_turned_away += 1;
            return;
        }
        let family = self.families.entry(name);
        let family = family.or_insert_with(|| Family { kind, facts, series: BTreeMap::new() });
        family.series.insert(labels, Series { service, point, heard: now });
        self.counts.n_series += 1;
        self.counts.n_points += 1;
    }

    fn forget(&mut self, now: Instant, limits: MetricLimits) {
        self.families.retain(|_, family| {
            family.series.retain(|_, series| now - series.heard < limits.stale_after);
            !family.series.is_empty()
        });
        self.counts.n_series = self.families.values().map(|family| family.series.len() as u64).sum();
    }
}
