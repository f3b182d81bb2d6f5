//! From a plan to a running group, and from the end of its leader to a final
//! state with nothing left behind.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal};
use spur_holder::Entrance;
use tokio::time::Instant;

use super::container::{Container, Run, RunEnds, attempt_dir};
use super::cookie::{self, Cookie};
use super::environment::{merged, name_terminal};
use super::group::{Group, is_left, send};
use super::identity::look;
use super::program::resolve;
use super::runtime::Shared;
use super::stdin::ContainerStdin;
use super::wiring::Ends;
use crate::container::{ContainerPlan, Started, StdinMode};
use crate::log::{LogFiles, Pump, Tap};
use crate::session::{Streams, TerminalSize};
use crate::start_error::StartError;

/// Starts an attempt that has begun, with the task that sees to its end. Blocks.
pub(super) fn launch(
    shared: &Arc<Shared>,
    container: &Arc<Container>,
    attempt: u32,
    (plan, entrance): (&ContainerPlan, Option<Entrance>),
) -> Result<Started, StartError> {
    let log_dir = attempt_dir(&container.dir, attempt);
    let prepare = |source| StartError::Prepare { path: log_dir.clone(), source };
    forget_before(&container.dir, attempt.saturating_sub(1)).map_err(prepare)?;
    let (files, progress_rx) = LogFiles::create(&log_dir).map_err(prepare)?;
    container.logs_to(progress_rx);

    let cookie = shared.cookie(container, attempt);
    let mut env = merged(&shared.base_env, &plan.env);
    env.insert(cookie::NAME.into(), cookie.to_string());
    if plan.stdio.tty {
        name_terminal(&mut env);
    }
    let program = resolve(plan, &env)?.inside(entrance);
    let started_at = SystemTime::now();
    let (group, ends) = Group::spawn(&program, &env, &streams(plan))?;
    let Ends { stdin, stdout, stderr, terminal } = ends;
    let pid = group.pid();
    let (tap, point) = Tap::new();
    let (stdin, writing) = ContainerStdin::new(plan.stdio.stdin, stdin, container.watch());
    let ends = RunEnds { tap: point, stdin, terminal };
    let run = Run { group: pid, mark: look(pid).map(|seen| seen.mark), started_at, ends };
    if let Err(source) = container.has_started(run) {
        // Nobody would see to it, so it must not run.
        container.release();
        group.kill_and_reap();
        cookie::kill_all(&cookie);
        return Err(prepare(source));
    }
    let pump = Pump::spawn(stdout, stderr, (files, tap));
    shared.tasks.spawn(writing);
    let ending =
        Ending { shared: shared.clone(), container: container.clone(), group, pump, cookie, started_at };
    shared.tasks.spawn(ending.run());
    let pid = pid.as_raw_nonzero().get().unsigned_abs();
    Ok(Started { id: pid.to_string(), pid, started_at, attempt })
}

/// A container's output is read in any case, for its log.
fn streams(plan: &ContainerPlan) -> Streams {
    Streams {
        stdin: plan.stdio.stdin != StdinMode::Closed,
        terminal: plan.stdio.tty.then(TerminalSize::default),
        ..Streams::OUTPUT
    }
}

/// Deletes the logs of attempts before `attempt`: `kubectl logs --previous` asks for the one
/// before the current, and nobody for more.
fn forget_before(container_dir: &Path, attempt: u32) -> io::Result<()> {
    std::fs::create_dir_all(container_dir)?;
    for entry in std::fs::read_dir(container_dir)? {
        let entry = entry?;
        let number = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok());
        if number.is_some_and(|n| n < attempt) {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// What the task of a running container needs.
struct Ending {
    /// Keeps the directory ours until nothing of it is written any more.
    shared: Arc<Shared>,
    container: Arc<Container>,
    group: Group,
    pump: Pump,
    cookie: Cookie,
    started_at: SystemTime,
}

// === impl Ending ===

impl Ending {
    async fn run(self) {
        let Self { shared, container, mut group, pump, cookie, started_at } = self;
        group.leader_ended().await;
        let finished_at = SystemTime::now();
        let exit = if container.stop_by().is_none() {
            // By itself: what the leader leaves behind ends with it, as with a container.
            container.release();
            group.kill_and_reap()
        } else {
            let pid = group.pid();
            let exit = group.reap();
            drain(&container, pid).await;
            container.release();
            exit
        };
        // An error means that the process is shutting down; the next start sweeps too.
        let _ = tokio::task::spawn_blocking(move || cookie::kill_all(&cookie)).await;
        pump.finish().await;
        container.has_ended(exit, started_at, finished_at);
        drop(shared);
    }
}

/// A shell that runs a server ends at SIGTERM before the server has finished its requests;
/// what is left of the group has the rest of the grace.
async fn drain(container: &Container, group: Pid) {
    let mut pause = Duration::from_millis(5);
    while is_left(group) {
        let now = Instant::now();
        let stop_by = container.stop_by().unwrap_or(now);
        if stop_by <= now {
            return send(group, Signal::KILL);
        }
        tokio::time::sleep_until(stop_by.min(now + pause)).await;
        // Nothing tells of the end of a process that is not our child, so we look: soon at
        // first, at most every 50 ms.
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
