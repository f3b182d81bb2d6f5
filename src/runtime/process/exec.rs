//! A command in a container: the same environment, the same directory, a group
//! of its own. Here is how one is started, and how one is run to its end within
//! its time, as probes do.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustix::process::Signal;
use tokio::io::AsyncReadExt;
use tokio::sync::watch;

use super::container::{Container, KILL_MAX};
use super::cookie::{self, Cookie};
use super::environment::{merged, name_terminal};
use super::group::{Exit, Group, send};
use super::program::resolve;
use super::runtime::Shared;
use super::wiring::{Ends, Reader};
use crate::container::{ContainerPlan, ContainerState};
use crate::interface::{ExecError, ExecOutput};
use crate::session::Streams;
use crate::start_error::StartError;

/// How long is waited for output once the command has ended and its group was killed.
const OUTPUT_MAX: Duration = Duration::from_secs(1);

/// Runs a command to its end.
pub(super) async fn exec(
    shared: Arc<Shared>,
    container: Arc<Container>,
    command: Vec<String>,
    timeout: Duration,
) -> Result<ExecOutput, ExecError> {
    let not_running = || container.not_running();
    let launched = launch(shared, container.clone(), command, Streams::OUTPUT).await?;
    let Launched { mut group, ends, cookie: _, running, mut state_rx } = launched;
    let (mut stdout, mut stderr) = (Captured::default(), Captured::default());
    let verdict = {
        let reading = read_both(ends, &mut stdout, &mut stderr);
        tokio::pin!(reading);
        let mut has_read = false;
        let timeout_at = tokio::time::sleep(timeout);
        tokio::pin!(timeout_at);
        let verdict = loop {
            tokio::select! {
                () = group.leader_ended() => break Ok(()),
                () = &mut timeout_at => break Err(ExecError::TimedOut(timeout)),
                _ = state_rx.wait_for(|state| *state != running) => break Err(not_running()),
                () = &mut reading, if !has_read => has_read = true,
            }
        };
        let exit = end(group).await;
        if !has_read {
            let _ = tokio::time::timeout(OUTPUT_MAX, reading).await;
        }
        // The end of the container kills its commands, and is seen here a moment later.
        let is_cut = |exit: &Exit| exit.signal == Some(Signal::KILL.as_raw()) && !container.has_group();
        verdict.and(exit.filter(|exit| !is_cut(exit)).ok_or_else(not_running))
    };
    Ok(ExecOutput {
        exit_code: verdict?.code,
        is_truncated: stdout.is_truncated || stderr.is_truncated,
        stdout: Bytes::from(stdout.bytes),
        stderr: Bytes::from(stderr.bytes),
    })
}

/// A command that has just been started.
pub(super) struct Launched {
    pub(super) group: Group,
    pub(super) ends: Ends,
    pub(super) cookie: Cookie,
    /// The container's state from before the command's start to the container's end.
    pub(super) running: ContainerState,
    pub(super) state_rx: watch::Receiver<ContainerState>,
}

/// Starts a command.
pub(super) async fn launch(
    shared: Arc<Shared>,
    container: Arc<Container>,
    command: Vec<String>,
    streams: Streams,
) -> Result<Launched, ExecError> {
    let state_rx = container.watch();
    let (attempt, plan, running) = container.running()?;
    let plan = ContainerPlan { command, args: Vec::new(), ..ContainerPlan::clone(&plan) };
    let entrance = shared.private.entrance(&container.pod, &plan).await.map_err(StartError::from)?;
    let cookie = shared.cookie(&container, attempt).of_command();
    let value = cookie.to_string();
    let spawned = tokio::task::spawn_blocking(move || {
        let mut env = merged(&shared.base_env, &plan.env);
        env.insert(cookie::NAME.into(), value);
        if streams.terminal.is_some() {
            name_terminal(&mut env);
        }
        Group::spawn(&resolve(&plan, &env)?.inside(entrance), &env, &streams)
    });
    let (group, ends) = spawned.await.map_err(|_| container.not_running())??;
    Ok(Launched { group, ends, cookie, running, state_rx })
}

/// Ends what is left; `None` where SIGKILL does not help.
pub(super) async fn end(mut group: Group) -> Option<Exit> {
    send(group.pid(), Signal::KILL);
    tokio::time::timeout(KILL_MAX, group.leader_ended()).await.ok()?;
    Some(group.kill_and_reap())
}

#[derive(Default)]
struct Captured {
    bytes: Vec<u8>,
    is_truncated: bool,
}

async fn read_both(ends: Ends, stdout: &mut Captured, stderr: &mut Captured) {
    tokio::join!(stdout.fill(ends.stdout), stderr.fill(ends.stderr));
}

// === impl Captured ===

impl Captured {
    /// Reads to the end and keeps the start: a command must not hang because it says more
    /// than anybody wants to know.
    async fn fill(&mut self, pipe: Option<Reader>) {
        let Some(mut pipe) = pipe else { return };
        let mut buf = vec![0; ExecOutput::MAX_BYTES];
        while let Ok(n @ 1..) = pipe.read(&mut buf).await {
            let room = ExecOutput::MAX_BYTES - self.bytes.len();
            self.bytes.extend_from_slice(&buf[..n.min(room)]);
            self.is_truncated |= n > room;
        }
    }
}
