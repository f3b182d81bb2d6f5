//! A mark in the environment of every process that belongs to a container, which
//! its children inherit: by it also those are found that left the process group
//! (`setsid`, daemons), and those that a killed Spur had no time to record.
//!
//! Linux only: elsewhere a process' environment cannot be read, and the process
//! group alone counts. A process that clears its environment *and* leaves its
//! group gets away; only a pid namespace could hold it.

use std::fmt;

/// Which container of which runtime a process belongs to, as the value of [`NAME`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cookie(String);

/// The variable; processes may read it.
pub(super) const NAME: &str = "SPUR_CONTAINER";

impl Cookie {
    /// Of one attempt of one container. `runtime` tells the runtimes of a machine apart.
    pub(super) fn of_attempt(runtime: &str, uid: &str, container: &str, attempt: u32) -> Self {
        Self(format!("{runtime}/{uid}/{container}/{attempt}/"))
    }

    /// Of a command in a container: within that of the attempt.
    pub(super) fn of_command(&self) -> Self {
        Self(format!("{}{}/", self.0, uuid::Uuid::new_v4()))
    }

    /// Of everything of one pod.
    pub(super) fn of_pod(runtime: &str, uid: &str) -> Self {
        Self(format!("{runtime}/{uid}/"))
    }

    /// Of everything that a runtime ever started.
    pub(super) fn of_runtime(runtime: &str) -> Self {
        Self(format!("{runtime}/"))
    }

    /// Whether what a process carries is this, or a part of it.
    #[cfg(target_os = "linux")]
    pub(super) fn holds(&self, carried: &[u8]) -> bool {
        carried.starts_with(self.0.as_bytes())
    }
}

impl fmt::Display for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Sends SIGKILL to every process that carries the cookie, or one within it, until none is
/// found: a process may have forked while the list was read. Gives their numbers. Blocks for
/// some 10 µs for each process of the machine.
#[cfg(target_os = "linux")]
pub(super) fn kill_all(whole: &Cookie) -> std::collections::BTreeSet<u32> {
    let mut killed = std::collections::BTreeSet::new();
    // Each round kills all that were there when it began; that many generations of forks in
    // between is a fork bomb, and would go on for ever.
    for _ in 0..16 {
        let before = killed.len();
        killed.extend(pids().filter(|pid| kill_if_within(*pid, whole)));
        if killed.len() == before {
            break;
        }
    }
    killed
}

/// Elsewhere there is nothing to search.
#[cfg(not(target_os = "linux"))]
pub(super) fn kill_all(_whole: &Cookie) -> std::collections::BTreeSet<u32> {
    std::collections::BTreeSet::new()
}

/// The numbers of all processes.
#[cfg(target_os = "linux")]
pub(super) fn pids() -> impl Iterator<Item = u32> {
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// The descriptor is opened before the environment is read, so what is killed is what was
/// read, whatever happens to the number.
#[cfg(target_os = "linux")]
fn kill_if_within(pid: u32, whole: &Cookie) -> bool {
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

    let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // Spur itself carries one when it was started from inside a pod.
    // Then the cheap look: most processes are not ours.
    if pid == std::process::id() || !carries(pid, whole) {
        return false;
    }
    let Some(Ok(fd)) = number.map(|n| pidfd_open(n, PidfdFlags::empty())) else {
        return false;
    };
    carries(pid, whole) && pidfd_send_signal(fd, Signal::KILL).is_ok()
}

#[cfg(target_os = "linux")]
fn carries(pid: u32, whole: &Cookie) -> bool {
    carried(pid).is_some_and(|value| whole.holds(&value))
}

/// The cookie that a process carries. Processes of others cannot be read, and a zombie's environment
/// is empty.
#[cfg(target_os = "linux")]
pub(super) fn carried(pid: u32) -> Option<Vec<u8>> {
    let environ = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut vars = environ.split(|b| *b == 0);
    vars.find_map(|var| Some(var.strip_prefix(NAME.as_bytes())?.strip_prefix(b"=")?.to_vec()))
}
