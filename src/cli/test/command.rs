//! CMD: started with the variables, waited for, and ended with everything that
//! it started when the time is up or somebody says so.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command};

use crate::error::Exit;
use crate::signals::{Ending, Signals};

/// From a signal to the next, stronger one; what `docker stop` gives.
const GRACE: Duration = Duration::from_secs(10);

/// How CMD ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// By itself.
    Ended(ExitStatus),
    /// The time was up.
    TimedOut(Duration),
    /// Somebody told us to end.
    Told(Ending),
    /// It is not there.
    NotFound(OsString),
    /// It is there and cannot be run.
    NotExecutable(OsString, io::Error),
    /// The environment ended before it did.
    EnvironmentEnded(String),
}

/// Whom signals go to.
#[derive(Clone, Copy, Debug)]
enum Audience {
    /// CMD's own process group: everything that it started.
    Group(Pid),
    /// CMD alone. On a terminal it stays in the foreground group, since it may
    /// read from the terminal, and Ctrl-C reaches it without us.
    Process(Pid),
}

/// Ends CMD's group when it is dropped, so that none of it outlives a run that
/// is cut short, as when the environment ends.
struct Guard(Audience);

/// Runs CMD to its end.
pub(super) async fn run(
    command: &[OsString],
    variables: &[(String, String)],
    (timeout, is_on_terminal): (Duration, bool),
    signals: &mut Signals,
) -> Outcome {
    let Some((program, args)) = command.split_first() else {
        return Outcome::NotFound(OsString::new());
    };
    let mut process = Command::new(program);
    process.args(args).envs(variables.iter().map(|(name, value)| (name, value)));
    if !is_on_terminal {
        process.process_group(0);
    }
    let mut child = match process.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Outcome::NotFound(program.clone()),
        Err(error) => return Outcome::NotExecutable(program.clone(), error),
    };
    let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
    let pid = pid.expect("a child that was not waited for has an id");
    let guard = Guard(if is_on_terminal { Audience::Process(pid) } else { Audience::Group(pid) });
    tokio::select! {
        status = child.wait() => ended(status),
        () = tokio::time::sleep(timeout) => {
            end(&mut child, guard.0, &[Signal::TERM], signals).await;
            Outcome::TimedOut(timeout)
        }
        ending = signals.next() => {
            let first = match ending {
                Ending::Interrupt => Signal::INT,
                Ending::Terminate => Signal::TERM,
            };
            end(&mut child, guard.0, &[first, Signal::TERM], signals).await;
            Outcome::Told(ending)
        }
    }
}

fn ended(status: io::Result<ExitStatus>) -> Outcome {
    match status {
        Ok(status) => Outcome::Ended(status),
        Err(error) => Outcome::EnvironmentEnded(format!("failed to wait for the command: {error}")),
    }
}

/// Sends each signal and waits; what is left is killed by the guard. A further
/// signal to us cuts the waiting short.
async fn end(child: &mut Child, audience: Audience, polite: &[Signal], signals: &mut Signals) {
    for signal in polite {
        audience.send(*signal);
        tokio::select! {
            _ = child.wait() => return,
            () = tokio::time::sleep(GRACE) => {}
            _ = signals.next() => return,
        }
    }
}

// === impl Guard ===

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.send(Signal::KILL);
    }
}

// === impl Audience ===

impl Audience {
    fn send(self, signal: Signal) {
        // Nobody being left is what we want.
        let _ = match self {
            Self::Group(pid) => kill_process_group(pid, signal),
            Self::Process(pid) => kill_process(pid, signal),
        };
    }
}

// === impl Outcome ===

impl Outcome {
    /// How `spur test` exits.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Ended(status) => match (status.code(), status.signal()) {
                (Some(0), _) => Exit::Success,
                // Exit codes are bytes on Unix.
                (Some(code), _) => Exit::Command(u8::try_from(code & 0xff).unwrap_or(1)),
                // As shells have it.
                (None, Some(signal)) => Exit::Command(u8::try_from(128 + signal).unwrap_or(u8::MAX)),
                (None, None) => Exit::Failed,
            },
            Self::TimedOut(_) => Exit::TimedOut,
            Self::Told(ending) => ending.exit(),
            Self::NotFound(_) => Exit::CommandNotFound,
            Self::NotExecutable(..) => Exit::NotExecutable,
            Self::EnvironmentEnded(_) => Exit::EnvironmentFailed,
        }
    }

    /// Whether the user does not know it from CMD itself.
    pub(super) fn is_worth_telling(&self) -> bool {
        !matches!(self, Self::Ended(_))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(status) if status.success() => f.write_str("the command succeeded"),
            Self::Ended(status) => write!(f, "the command failed: {status}"),
            Self::TimedOut(timeout) => write!(f, "the command was ended after {timeout:?}"),
            Self::Told(Ending::Interrupt) => {
                f.write_str("interrupted; keeping the evidence and tearing down")
            }
            Self::Told(Ending::Terminate) => {
                f.write_str("told to end; keeping the evidence and tearing down")
            }
            Self::NotFound(program) => write!(f, "command not found: {}", program.display()),
            Self::NotExecutable(program, error) => write!(f, "cannot run {}: {error}", program.display()),
            Self::EnvironmentEnded(how) => write!(f, "the environment ended before the command: {how}"),
        }
    }
}
