//! Takes the readings that rates are made of, when somebody asks and only then.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::SystemTime;

use spur_runtime::{PodId, Runtimes, Stats, StatsError, machine};

use super::usage::{Readings, Usage, WAIT};

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// One start of a container.
    Container { pod: PodId, container: String, started_at: SystemTime },
    /// This machine.
    Machine,
}

/// Why it is not known what something uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It began or ended meanwhile.
    NoRate,
    /// It could not be read.
    Unread(StatsError),
}

/// The readings of the last minute.
#[derive(Debug, Default)]
pub(crate) struct Sampler {
    /// One of each that ran when somebody asked last: what is older than a minute goes with the next
    /// question. Held for a few lines, never across an await.
    known: Mutex<HashMap<Subject, Readings>>,
    /// One look at a time: who waited for it finds its readings and needs none of their own, so that
    /// many who ask at once cost what one does.
    looking: tokio::sync::Mutex<()>,
}

// === impl Subject ===

impl Subject {
    /// The container's name.
    pub(super) fn container(&self) -> &str {
        match self {
            Self::Container { container, .. } => container,
            Self::Machine => "",
        }
    }
}

// === impl Sampler ===

impl Sampler {
    /// What these use, in their order. Where no reading is kept it takes a second to take two.
    pub(super) async fn usages(
        &self,
        runtimes: &Runtimes,
        subjects: &[Subject],
    ) -> Vec<Result<Usage, Missing>> {
        let found = self.look(runtimes, subjects).await;
        if !found.contains(&Err(Missing::NoRate)) {
            return found;
        }
        tokio::time::sleep(WAIT).await;
        self.look(runtimes, subjects).await
    }

    async fn look(&self, runtimes: &Runtimes, subjects: &[Subject]) -> Vec<Result<Usage, Missing>> {
        let _one_at_a_time = self.looking.lock().await;
        let now = SystemTime::now();
        let stale: Vec<Subject> = {
            let mut known = self.known();
            known.retain(|_, readings| readings.is_kept(now));
            let is_fresh = |one: &&Subject| known.get(one).is_some_and(|readings| readings.is_fresh(now));
            subjects.iter().filter(|one| !is_fresh(one)).cloned().collect()
        };
        let read = read(runtimes, &stale).await;
        let mut unread: HashMap<Subject, StatsError> = HashMap::new();
        let mut known = self.known();
        for (subject, stats) in stale.into_iter().zip(read) {
            match stats {
                Ok(stats) => {
                    let before = known.get(&subject).copied();
                    let readings = before.map_or_else(|| Readings::first(stats), |before| before.with(stats));
                    known.insert(subject, readings);
                }
                Err(error) => {
                    known.remove(&subject);
                    unread.insert(subject, error);
                }
            }
        }
        let each = subjects.iter().map(|one| match unread.get(one) {
            Some(error) => Err(Missing::Unread(error.clone())),
            None => known.get(one).and_then(Readings::usage).ok_or(Missing::NoRate),
        });
        each.collect()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Subject, Readings>> {
        self.known.lock().expect("no holder of this lock panics")
    }
}

/// In their order.
async fn read(runtimes: &Runtimes, subjects: &[Subject]) -> Vec<Result<Stats, StatsError>> {
    let containers = subjects.iter().filter_map(|one| match one {
        Subject::Container { pod, container, .. } => Some((pod.clone(), container.clone())),
        Subject::Machine => None,
    });
    let containers: Vec<(PodId, String)> = containers.collect();
    let mut read = runtimes.stats(&containers).await.into_iter();
    let each = subjects.iter().filter_map(|one| match one {
        Subject::Container { .. } => read.next(),
        Subject::Machine => Some(machine::stats()),
    });
    each.collect()
}
