//! Which hops were slow: slower than 99 of 100 on the same edge lately.

use std::time::{Duration, SystemTime};

use crate::durations::Durations;
use crate::map::HashMap;
use crate::series::Edge;

/// What is slow: above the 99th percentile.
const SHARE: f64 = 0.99;

/// Fewer hops than that have no 99th percentile.
const SAMPLES_MIN: u64 = 100;

/// Hops of an edge before its threshold is looked for again: a hundredth of it can have moved.
const LOOK_EVERY: u32 = 32;

/// Half of the time that counts; what is older than twice that does not. Long enough for a
/// hundred hops of a quiet service, short enough that a deployment is forgotten.
const GENERATION: Duration = Duration::from_secs(150);

/// Edges that are watched, as many as there are series; on further ones nothing is slow.
const EDGES_MAX: usize = 1_024;

/// The durations of each edge lately.
#[derive(Debug, Default)]
pub(crate) struct Usual {
    edges: HashMap<Edge, Lately>,
}

#[derive(Debug)]
struct Lately {
    young: Durations,
    old: Durations,
    n_young: u64,
    began: SystemTime,
    n_until_look: u32,
    threshold: Option<Duration>,
}

// === impl Usual ===

impl Usual {
    /// Takes note of a hop, and says whether it was slow by what was known before it.
    pub(crate) fn is_slow(&mut self, edge: Edge, ended: SystemTime, duration: Duration) -> bool {
        let is_full = self.edges.len() >= EDGES_MAX;
        if is_full && !self.edges.contains_key(&edge) {
            return false;
        }
        let lately = self.edges.entry(edge).or_insert_with(|| Lately::new(ended));
        let is_slow = lately.threshold.is_some_and(|threshold| duration > threshold);
        lately.record(ended, duration);
        is_slow
    }
}

// === impl Lately ===

impl Lately {
    fn new(began: SystemTime) -> Self {
        Self {
            young: Durations::default(),
            old: Durations::default(),
            n_young: 0,
            began,
            n_until_look: LOOK_EVERY,
            threshold: None,
        }
    }

    fn record(&mut self, ended: SystemTime, duration: Duration) {
        let age = ended.duration_since(self.began).unwrap_or_default();
        // A quiet edge keeps what it has until there is enough to take its place.
        if age >= GENERATION && self.n_young >= SAMPLES_MIN {
            self.old = std::mem::take(&mut self.young);
            self.n_young = 0;
            self.began = ended;
        }
        self.young.record(duration);
        self.n_young += 1;
        self.n_until_look -= 1;
        if self.n_until_look == 0 {
            self.n_until_look = LOOK_EVERY;
            self.look();
        }
    }

    fn look(&mut self) {
        let mut all = self.old.clone();
        all.merge(&self.young);
        self.threshold = if all.len() < SAMPLES_MIN { None } else { all.quantile(SHARE) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::Place;

    fn edge(name: &str) -> Edge {
        Edge { from: None, to: Place { namespace: "shop".into(), name: name.into() } }
    }

    /// Hops of 10 to 19 ms, and how many of them were slow.
    fn usual(usual: &mut Usual, at: SystemTime, n: u64) -> usize {
        (0..n).filter(|n| usual.is_slow(edge("a"), at, Duration::from_millis(10 + n % 10))).count()
    }

    #[test]
    fn slow_is_what_99_of_100_are_not() {
        let mut it = Usual::default();
        let at = SystemTime::UNIX_EPOCH;
        let second = Duration::from_secs(1);
        assert!(!it.is_slow(edge("a"), at, second), "nothing is known yet");
        assert_eq!(usual(&mut it, at, 500), 0);
        assert!(it.is_slow(edge("a"), at, second));
        assert!(!it.is_slow(edge("b"), at, second), "another edge");
        assert!(!it.is_slow(edge("a"), at, Duration::from_millis(19)));
    }

    #[test]
    fn what_is_long_ago_does_not_count() {
        let mut it = Usual::default();
        let mut at = SystemTime::UNIX_EPOCH;
        for _ in 0..1_000 {
            it.is_slow(edge("a"), at, Duration::from_secs(9));
        }
        usual(&mut it, at, 200);
        assert!(!it.is_slow(edge("a"), at, Duration::from_secs(8)));
        for _ in 0..2 {
            at += GENERATION;
            usual(&mut it, at, 200);
        }
        assert!(it.is_slow(edge("a"), at, Duration::from_secs(8)));
    }

    #[test]
    fn edges_are_bounded() {
        let mut it = Usual::default();
        for n in 0..2 * EDGES_MAX {
            it.is_slow(edge(&n.to_string()), SystemTime::UNIX_EPOCH, Duration::ZERO);
        }
        assert_eq!(it.edges.len(), EDGES_MAX);
    }
}
