//! Processes on cores of their own, and what they take, as Linux tells it.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The core of the proxy that is measured.
const PROXY_CORE: &str = "0";
/// The core of everything else. With two cores there is no third for the backend; it is the same
/// for all peers, and none of its time is counted.
const LOAD_CORE: usize = 1;

/// A process that ends with this.
pub(crate) struct Running(Child);

/// Files that the proxies may have open: two sockets for each of 1,024 connections, and their own.
const N_FILES: u64 = 16_384;

/// Moves this process, and what it starts from now on, off the proxy's core, and lets them have
/// as many files as they need.
pub(crate) fn make_room() {
    let limit = rustix::process::Rlimit { current: Some(N_FILES), maximum: None };
    let hard = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let limit = rustix::process::Rlimit { maximum: hard, ..limit };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    let mut cores = rustix::thread::CpuSet::new();
    cores.set(LOAD_CORE);
    if rustix::thread::sched_setaffinity(None, &cores).is_err() {
        println!("note: there is no second core, so the load takes time from the proxy");
    }
}

/// A command that will run on the proxy's core alone.
pub(crate) fn on_proxy_core(program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", PROXY_CORE, program]);
    command
}

// === impl Running ===

impl Running {
    /// Starts it; what it says on stderr is not shown.
    pub(crate) fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    /// What it prints, if that was piped.
    pub(crate) fn stdout(&mut self) -> std::process::ChildStdout {
        self.0.stdout.take().unwrap()
    }

    /// Processor time so far, user and system together, of it and of its children.
    pub(crate) fn cpu(&self) -> Duration {
        self.tree().into_iter().map(cpu).sum()
    }

    /// Peak of its memory and its children's, in bytes (`proc_pid_status(5)`: `VmHWM`).
    pub(crate) fn peak(&self) -> u64 {
        self.tree().into_iter().map(|pid| memory(pid, "VmHWM:")).sum()
    }

    /// Memory now, in bytes (`proc_pid_status(5)`: `VmRSS`).
    pub(crate) fn resident(&self) -> u64 {
        self.tree().into_iter().map(|pid| memory(pid, "VmRSS:")).sum()
    }

    /// nginx works in a child. None of the peers goes deeper.
    fn tree(&self) -> Vec<u32> {
        let pid = self.0.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        std::iter::once(pid).chain(children.split_whitespace().map(|pid| pid.parse().unwrap())).collect()
    }
}

impl Drop for Running {
    /// All peers end at once by SIGTERM; nginx's worker would outlive its killed master.
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        let _it_may_have_ended = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _it_is_gone = self.0.wait();
    }
}

/// In nanoseconds, unlike `stat`, whose ticks of 10 ms are a hundredth of a short round. It is the
/// same time: what the scheduler gave to each thread
/// (<https://docs.kernel.org/scheduler/sched-stats.html>).
fn cpu(pid: u32) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let nanos = threads.filter_map(|thread| {
        // A thread may have ended since.
        let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// A field of `status`, in bytes.
pub(crate) fn memory(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
}
