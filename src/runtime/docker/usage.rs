//! What containers use, as the daemon reads it from their cgroups.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bollard::models::{ContainerMemoryStats, ContainerStatsResponse};
use bollard::query_parameters::{InspectContainerOptionsBuilder, StatsOptionsBuilder};
use futures::{StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use super::engine::{Engine, is_missing, words};
use crate::container::PodId;
use crate::stats::{Stats, StatsError};

/// Containers read at once, each over a connection. Docker 20.10 gives every answer with its next look
/// at all containers, one each second, so that what counts is how many wait together: five hundred
/// take four seconds.
const READ_AT_ONCE: usize = 128;

/// How long all of them may take: twice what so many take, and well below what a client of the API
/// waits for.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// A container that is asked about.
pub(super) struct Asked {
    pub(super) pod: PodId,
    pub(super) container: String,
    /// The daemon's, while it runs.
    pub(super) id: Option<Arc<str>>,
}

/// Each in its place.
pub(super) async fn of_all(engine: &Engine, asked: Vec<Asked>) -> Vec<Result<Stats, StatsError>> {
    let until = Instant::now() + READ_WITHIN;
    let read = asked.into_iter().map(|one| async move {
        let read = timeout_at(until, of_one(engine, &one)).await;
        read.unwrap_or_else(|_| Err(one.unread(format!("the engine has not said it within {READ_WITHIN:?}"))))
    });
    stream::iter(read).buffered(READ_AT_ONCE).collect().await
}

async fn of_one(engine: &Engine, asked: &Asked) -> Result<Stats, StatsError> {
    let Some(id) = &asked.id else { return Err(asked.not_running()) };
    // With `one-shot` (API 1.41) the daemon does not wait for a second reading, which would be another
    // second.
    let options = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
    let mut told = std::pin::pin!(engine.docker().stats(id, Some(options)));
    match told.next().await {
        Some(Ok(told)) => stats(&told).ok_or_else(|| asked.not_running()),
        Some(Err(error)) if is_missing(&error) => Err(asked.not_running()),
        Some(Err(error)) => Err(asked.unread(words(&error))),
        None => Err(asked.unread("the engine ended the connection".to_owned())),
    }
}

/// The size of a container's own layer; `None` where the daemon does not say it.
pub(super) async fn written_bytes(engine: &Engine, id: &str) -> Option<u64> {
    let options = InspectContainerOptionsBuilder::new().size(true).build();
    let inspected =
        timeout_at(Instant::now() + READ_WITHIN, engine.docker().inspect_container(id, Some(options)));
    u64::try_from(inspected.await.ok()?.ok()?.size_rw?).ok()
}

// === impl Asked ===

impl Asked {
    fn not_running(&self) -> StatsError {
        StatsError::NotRunning { pod: self.pod.to_string(), container: self.container.clone() }
    }

    fn unread(&self, found: String) -> StatsError {
        let Self { pod, container, .. } = self;
        StatsError::Unread { of: format!("container `{container}` of pod `{pod}`"), found }
    }
}

/// `None` for a container that does not run: the daemon leaves everything out.
fn stats(told: &ContainerStatsResponse) -> Option<Stats> {
    let nanos = told.cpu_stats.as_ref()?.cpu_usage.as_ref()?.total_usage?;
    let memory_bytes = working_set(told.memory_stats.as_ref()?)?;
    let at = told.read.as_deref().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    Some(Stats {
        at: at.map_or_else(SystemTime::now, SystemTime::from),
        cpu: Duration::from_nanos(nanos),
        memory_bytes,
    })
}

/// What it has without the files that nobody has used lately, as `docker stats` and the kubelet count
/// it. The files are called `total_inactive_file` by cgroup v1 (with those of groups below) and
/// `inactive_file` by v2.
///
/// Sources: `cli/command/container/stats_helpers.go`, `calculateMemUsageUnixNoCache`;
/// `cadvisor/container/libcontainer/handler.go`, `setMemoryStats`.
fn working_set(memory: &ContainerMemoryStats) -> Option<u64> {
    let usage = memory.usage?;
    let told = |name: &str| memory.stats.as_ref()?.get(name).copied();
    let unused = told("total_inactive_file").or_else(|| told("inactive_file")).unwrap_or(0);
    Some(usage.saturating_sub(unused))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use bollard::models::{ContainerCpuStats, ContainerCpuUsage};

    use super::*;

    fn memory(usage: Option<u64>, told: &[(&str, u64)]) -> ContainerMemoryStats {
        let stats: HashMap<String, u64> =
            told.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        ContainerMemoryStats { usage, stats: Some(stats), ..ContainerMemoryStats::default() }
    }

    #[test]
    fn files_that_nobody_uses_do_not_count_under_either_name() {
        let check = |usage, told: &[(&str, u64)], wanted| {
            assert_eq!(working_set(&memory(usage, told)), wanted, "{told:?}");
        };
        check(Some(100), &[("inactive_file", 30), ("active_file", 20)], Some(70));
        check(Some(100), &[("inactive_file", 3), ("total_inactive_file", 30)], Some(70));
        check(Some(100), &[], Some(100));
        check(Some(100), &[("inactive_file", 300)], Some(0));
        check(None, &[("inactive_file", 1)], None);
    }

    #[test]
    fn a_container_that_does_not_run_uses_nothing_that_is_known() {
        let cpu_usage = ContainerCpuUsage { total_usage: Some(1_500), ..ContainerCpuUsage::default() };
        let mut told = ContainerStatsResponse {
            read: Some("1970-01-01T00:00:01.5Z".to_owned()),
            cpu_stats: Some(ContainerCpuStats { cpu_usage: Some(cpu_usage), ..ContainerCpuStats::default() }),
            memory_stats: Some(memory(Some(7), &[])),
            ..ContainerStatsResponse::default()
        };
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1500);
        let wanted = Stats { at, cpu: Duration::from_nanos(1_500), memory_bytes: 7 };
        assert_eq!(stats(&told), Some(wanted));
        told.memory_stats = Some(memory(None, &[]));
        assert_eq!(stats(&told), None);
    }
}
