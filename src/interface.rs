//! The terminal interface that `spur up` opens: `spur ui`, as a process of its own on the same
//! terminal, so that whatever becomes of it the server goes on.

use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, getpgrp, kill_process};
use rustix::termios::tcgetpgrp;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::addresses::Addresses;
use crate::config::Config;
use crate::say::{Held, say};

/// How long it may take to give the terminal back.
const LEAVES_WITHIN: Duration = Duration::from_secs(2);

/// The exit code of Ctrl-C (128 + SIGINT).
const INTERRUPTED: i32 = 130;

/// The interface, and what is kept back meanwhile.
pub(crate) struct Interface {
    child: Child,
    _held: Held,
}

/// How it was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Closed {
    /// With `q`: the server goes on.
    Left,
    /// With Ctrl-C: the server ends, too.
    Interrupted,
    /// In another way; the server goes on.
    Failed(String),
}

/// Waits until the interface is closed, and comes back where the server is to end with it. Where it
/// was only left, it says how it is opened again, and never comes back.
pub(crate) async fn interrupted(shown: &mut Option<Interface>) {
    let Some(interface) = shown else { return std::future::pending().await };
    let closed = interface.closed().await;
    // What was kept back is said before what comes now.
    *shown = None;
    match closed {
        Closed::Interrupted => return,
        Closed::Left => say("spur goes on: `spur ui` opens the interface again, Ctrl-C ends it and its pods"),
        Closed::Failed(how) => say(format_args!(
            "warning: the terminal interface ended with {how}; spur goes on, and Ctrl-C ends it"
        )),
    }
    std::future::pending::<()>().await;
}

// === impl Interface ===

impl Interface {
    /// Opens it on this process' terminal, where that is one. That it cannot be opened is said: the
    /// server does without.
    pub(crate) fn open(addresses: &Addresses, config: &Config) -> Option<Self> {
        let environment = &config.environment;
        let has_terminal =
            environment.is_stdin_terminal && environment.is_stdout_terminal && environment.is_stderr_terminal;
        if !has_terminal || !is_in_foreground() {
            return None;
        }
        let mut command = Command::new(&environment.executable);
        command.args(["ui", "--of-up", "--kubeconfig"]).arg(&addresses.kubeconfig).kill_on_drop(true);
        match command.spawn() {
            Ok(child) => Some(Self { child, _held: Held::begin() }),
            Err(error) => {
                say(format_args!("warning: failed to open the terminal interface: {error}"));
                None
            }
        }
    }

    async fn closed(&mut self) -> Closed {
        match self.child.wait().await {
            Ok(status) => read(status),
            Err(error) => Closed::Failed(error.to_string()),
        }
    }

    /// Has it give the terminal back.
    pub(crate) async fn close(mut self) {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        // Where it has ended already, that is all that was wanted.
        let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
        if timeout(LEAVES_WITHIN, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}

/// Whether the terminal is ours: a job in the background (`spur up &`) would be stopped by it.
fn is_in_foreground() -> bool {
    tcgetpgrp(std::io::stdin()).is_ok_and(|foreground| foreground == getpgrp())
}

fn read(status: ExitStatus) -> Closed {
    match status.code() {
        Some(0) => Closed::Left,
        Some(INTERRUPTED) => Closed::Interrupted,
        _ => Closed::Failed(status.to_string()),
    }
}
