//! What a Spur that was killed left running is ended when the next one opens the
//! same directory: nothing would show it, route to it or stop it.
//!
//! A process counts as left behind when the record's number *and* the moment it
//! began match, or when it carries a cookie of this directory.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal};
use tokio::time::Instant;
use tracing::info;

use super::cookie::{self, Cookie};
use super::group::{is_left, send};
use super::identity::look;
use super::record::Record;
use crate::container::{ContainerState, PodId, reason};
use crate::session::UNKNOWN_EXIT;

/// A container that was running when Spur was killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaped {
    /// Its pod.
    pub pod: PodId,
    /// Its name in the pod.
    pub container: String,
    /// The process that was recorded.
    pub pid: u32,
    /// What has become of it.
    pub by: ReapedBy,
}

/// What has become of a process that was left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReapedBy {
    /// It had ended already; its number may belong to somebody else by now, who was left alone.
    ItsOwnEnd,
    /// It ended at SIGTERM.
    Sigterm,
    /// It needed SIGKILL.
    Sigkill,
    /// It is still there, in an uninterruptible wait.
    Nothing,
}

/// What was left behind has this long after SIGTERM: whoever starts Spur again waits for it.
const GRACE: Duration = Duration::from_secs(2);

/// After SIGKILL, likewise.
const KILL_GRACE: Duration = Duration::from_secs(2);

/// Ends what the records that say "running" left behind, all at the same time, and writes
/// what has become of it into them.
pub(super) async fn reap(runtime_id: &str, records: &mut [(PathBuf, Record)]) -> Vec<Reaped> {
    let mut left: Vec<Left<'_>> = records.iter_mut().filter_map(|(_, record)| Left::of(record)).collect();
    for one in &mut left {
        one.signal(Signal::TERM, ReapedBy::Sigterm);
    }
    wait(&left, GRACE).await;
    for one in &mut left {
        one.signal(Signal::KILL, ReapedBy::Sigkill);
    }
    let whole = Cookie::of_runtime(runtime_id);
    // An error means that we are shutting down.
    let swept = tokio::task::spawn_blocking(move || cookie::kill_all(&whole)).await;
    let n_swept = swept.map_or(0, |pids| pids.len());
    if n_swept > 0 {
        info!(n_processes = n_swept, "ended {n_swept} processes outside their groups");
    }
    wait(&left, KILL_GRACE).await;
    left.into_iter().map(Left::told).collect()
}

/// Waits until none is left, but not longer than `grace`.
async fn wait(left: &[Left<'_>], grace: Duration) {
    let deadline = Instant::now() + grace;
    // They are not our children any more: nobody tells us, so we look.
    while left.iter().any(Left::is_left) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A record that says "running".
struct Left<'a> {
    record: &'a mut Record,
    pid: u32,
    started_at: SystemTime,
    /// The group that was found to be the recorded one.
    group: Option<Pid>,
    by: ReapedBy,
}

// === impl Left ===

impl<'a> Left<'a> {
    fn of(record: &'a mut Record) -> Option<Self> {
        let ContainerState::Running { pid, started_at } = record.state else {
            return None;
        };
        let group = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let is_same = |group: &Pid| match (look(*group), &record.mark) {
            (Some(seen), Some(mark)) => seen.mark == *mark,
            (None, _) | (_, None) => false,
        };
        Some(Self { group: group.filter(is_same), pid, started_at, by: ReapedBy::ItsOwnEnd, record })
    }

    fn signal(&mut self, signal: Signal, by: ReapedBy) {
        if let Some(group) = self.group.filter(|_| self.is_left()) {
            send(group, signal);
            self.by = by;
        }
    }

    /// Whether anything of the group is left. The number stays the group's until its last
    /// member is gone, and we look again within milliseconds.
    fn is_left(&self) -> bool {
        let is_zombie = |group| look(group).is_some_and(|seen| seen.is_zombie);
        self.group.is_some_and(|group| is_left(group) && !is_zombie(group))
    }

    fn told(self) -> Reaped {
        let by = if self.is_left() { ReapedBy::Nothing } else { self.by };
        self.record.state = ContainerState::Terminated {
            exit_code: UNKNOWN_EXIT,
            signal: None,
            reason: reason::CONTAINER_STATUS_UNKNOWN.into(),
            message: format!("spur was killed while it ran; {}", by.words()),
            started_at: self.started_at,
            finished_at: SystemTime::now(),
        };
        Reaped { pod: self.record.pod_id(), container: self.record.container.clone(), pid: self.pid, by }
    }
}

// === impl ReapedBy ===

impl ReapedBy {
    /// For people: fits after "process 123 of container `c`: ".
    pub fn words(self) -> &'static str {
        match self {
            Self::ItsOwnEnd => "it had ended before the next start",
            Self::Sigterm => "it was ended with SIGTERM at the next start",
            Self::Sigkill => "it was ended with SIGKILL at the next start",
            Self::Nothing => "it could not be ended",
        }
    }
}
