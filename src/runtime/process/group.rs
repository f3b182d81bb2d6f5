//! One process group: started, signalled as a whole, and waited for in two steps
//! so that its number is never used for somebody else's processes.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process_group, test_kill_process_group, waitid,
};
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};

use super::program::{Program, explain};
use super::wiring::{self, Ends};
use crate::session::Streams;
use crate::session::UNKNOWN_EXIT;
use crate::start_error::StartError;

/// A group whose leader we started and have not reaped.
///
/// As long as this exists the leader is at least a zombie, so the group's number cannot
/// have been given to anybody else. Dropped before its leader was reaped, which happens
/// where tasks are dropped instead of ended, the group is killed: nobody would see to it.
pub(super) struct Group {
    leader: Child,
    pid: Pid,
    is_reaped: bool,
    /// Tells that some child of ours changed. Older than the leader, so its end is not missed.
    child_changes: SignalStream,
}

/// How a leader ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exit {
    /// 128 + the signal where there is one, as container runtimes give it.
    pub(super) code: i32,
    pub(super) signal: Option<i32>,
}

impl Group {
    /// Starts a program as the leader of a new group. Blocks for a fork; needs a tokio runtime.
    ///
    /// The standard library resets the signal mask and SIGPIPE, and our own descriptors are
    /// closed on exec.
    pub(super) fn spawn(
        program: &Program,
        env: &BTreeMap<String, String>,
        streams: &Streams,
    ) -> Result<(Self, Ends), StartError> {
        let fail = |e| explain(program, e);
        let child_changes = signal(SignalKind::child()).map_err(fail)?;
        let mut command = Command::new(&program.path);
        command.arg0(&program.arg0).args(&program.args).env_clear().envs(env);
        if let Some(dir) = &program.dir {
            command.current_dir(dir);
        }
        let (leader, ends) = wiring::spawn(command, streams).map_err(fail)?;
        let pid = Pid::from_child(&leader);
        let group = Self { leader, pid, is_reaped: false, child_changes };
        Ok((group, ends))
    }

    /// The leader's number, which is the group's.
    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits until the leader has ended, and leaves it unreaped.
    pub(super) async fn leader_ended(&mut self) {
        while !self.has_leader_ended() {
            self.child_changes.recv().await;
        }
    }

    fn has_leader_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        loop {
            match waitid(WaitId::Pid(self.pid), options) {
                Ok(status) => return status.is_some(),
                Err(Errno::INTR) => {}
                // Somebody else reaped our child, which only a bug can do: it has ended.
                Err(_) => return true,
            }
        }
    }

    /// Ends what is left of the group, and takes note of the leader's end. To be called when
    /// the leader has ended: otherwise it blocks until SIGKILL has worked.
    pub(super) fn kill_and_reap(self) -> Exit {
        send(self.pid, Signal::KILL);
        self.reap()
    }

    /// Takes note of the leader's end and leaves the others of the group alone.
    ///
    /// From here on the number is protected only by the group's own members: as long as one
    /// is left, the system gives it to nobody.
    pub(super) fn reap(mut self) -> Exit {
        self.is_reaped = true;
        Exit::of(self.leader.wait())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.is_reaped {
            send(self.pid, Signal::KILL);
        }
    }
}

/// Sends a signal to every process of a group; one that has none left is fine.
pub(super) fn send(group: Pid, signal: Signal) {
    // The only other failure, EPERM, means that all of them have changed their user: they
    // are beyond us, and the caller finds out by waiting.
    let _ = kill_process_group(group, signal);
}

/// Whether any process, zombies included, is left in a group.
pub(super) fn is_left(group: Pid) -> bool {
    match test_kill_process_group(group) {
        Ok(()) => true,
        Err(e) => e == Errno::PERM,
    }
}

// === impl Exit ===

impl Exit {
    fn of(status: io::Result<ExitStatus>) -> Self {
        let Ok(status) = status else {
            // Reaped by somebody else.
            return Self { code: UNKNOWN_EXIT, signal: None };
        };
        let signal = status.signal();
        Self { code: status.code().unwrap_or_else(|| 128 + signal.unwrap_or_default()), signal }
    }
}
