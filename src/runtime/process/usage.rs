//! What containers use: the sum over their processes, which are those of the group and those that
//! carry the cookie, found in one look through `/proc` for all that are asked about.
//!
//! Time of processes that have ended counts where their parent is one of the container's and has
//! taken note of them, as the system adds it up; what ended under another parent is lost, so that the
//! sum may fall. Memory is what is resident, so that pages which several processes share count for
//! each: to tell them apart costs a walk through all pages (`smaps_rollup`).

use std::sync::Arc;

use super::container::Container;
use super::cookie::Cookie;
use crate::stats::{Stats, StatsError};

/// A container that is asked about.
pub(super) struct Asked {
    pub(super) container: Arc<Container>,
    /// As long as it runs: the number of its group, and what its processes carry.
    pub(super) running: Option<(u32, Cookie)>,
}

/// Each in its place. Blocks for some 20 µs for each process of the machine.
#[cfg(target_os = "linux")]
pub(super) fn of_all(asked: &[Asked]) -> Vec<Result<Stats, StatsError>> {
    use super::cookie;
    use super::stat::{Stat, of_ticks};
    use std::time::SystemTime;

    #[derive(Clone, Copy, Default)]
    struct Sum {
        n_processes: usize,
        ticks: u64,
        pages: u64,
    }
    if asked.iter().all(|one| one.running.is_none()) {
        return asked.iter().map(|one| Err(not_running(&one.container))).collect();
    }
    let at = SystemTime::now();
    let mut sums = vec![Sum::default(); asked.len()];
    for pid in cookie::pids() {
        let Some(stat) = Stat::read(pid) else { continue };
        let is_of_group = |one: &Asked| one.running.as_ref().is_some_and(|(group, _)| *group == stat.group);
        let place = asked.iter().position(is_of_group).or_else(|| {
            let value = cookie::carried(pid)?;
            asked.iter().position(|one| one.running.as_ref().is_some_and(|(_, whole)| whole.holds(&value)))
        });
        let Some(sum) = place.and_then(|place| sums.get_mut(place)) else { continue };
        sum.n_processes += 1;
        sum.ticks += stat.cpu_ticks;
        sum.pages += stat.resident_pages;
    }
    let page_bytes = rustix::param::page_size() as u64;
    let found = asked.iter().zip(sums).map(|(one, sum)| match &one.running {
        // The number was its group's all the while: it is released only after the leader's end.
        Some((group, _)) if sum.n_processes > 0 && one.container.group() == Some(*group) => {
            Ok(Stats { at, cpu: of_ticks(sum.ticks), memory_bytes: sum.pages.saturating_mul(page_bytes) })
        }
        Some(_) | None => Err(not_running(&one.container)),
    });
    found.collect()
}

/// Elsewhere there is nothing to look through.
#[cfg(not(target_os = "linux"))]
pub(super) fn of_all(asked: &[Asked]) -> Vec<Result<Stats, StatsError>> {
    let unknown = |one: &Asked| match one.running {
        Some(_) => Err(StatsError::NotSupported(
            "what processes use is told on Linux only; containers on Docker tell it",
        )),
        None => Err(not_running(&one.container)),
    };
    asked.iter().map(unknown).collect()
}

fn not_running(container: &Container) -> StatsError {
    StatsError::NotRunning { pod: container.pod.to_string(), container: container.name.clone() }
}
