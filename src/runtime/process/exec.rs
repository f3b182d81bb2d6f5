//! A command in a container: the same environment, the same directory, a group
//! of its own that never outlives the container or its time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustix::process::Signal;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{ChildStderr, ChildStdout};

use super::container::{Container, KILL_MAX};
use super::cookie;
use super::environment::merged;
use super::group::{Exit, Group, Pipes, send};
use super::program::resolve;
use super::runtime::Shared;
use crate::container::ContainerPlan;
use crate::interface::{ExecError, ExecOutput};

/// How long is waited for output once the command has ended and its group was killed.
const OUTPUT_MAX: Duration = Duration::from_secs(1);

/// Runs a command to its end.
pub(super) async fn exec(
    shared: Arc<Shared>,
    container: Arc<Container>,
    command: Vec<String>,
    timeout: Duration,
) -> Result<ExecOutput, ExecError> {
    let not_running =
        || ExecError::NotRunning { pod: container.pod.to_string(), container: container.name.clone() };
    let mut state_rx = container.watch();
    let (attempt, plan) = container.running().ok_or_else(not_running)?;
    let plan = ContainerPlan { command, ..ContainerPlan::clone(&plan) };
    let cookie = shared.cookie(&container, attempt);
    let spawned = tokio::task::spawn_blocking(move || {
        let mut env = merged(&shared.base_env, &plan.env);
        env.insert(cookie::NAME.into(), cookie.to_string());
        Group::spawn(&resolve(&plan, &env)?, &env)
    });
    let (mut group, pipes) = spawned.await.map_err(|_| not_running())??;
    let (mut stdout, mut stderr) = (Captured::default(), Captured::default());
    let verdict = {
        let reading = read_both(pipes, &mut stdout, &mut stderr);
        tokio::pin!(reading);
        let mut has_read = false;
        let timeout_at = tokio::time::sleep(timeout);
        tokio::pin!(timeout_at);
        let verdict = loop {
            tokio::select! {
                () = group.leader_ended() => break Ok(()),
                () = &mut timeout_at => break Err(ExecError::TimedOut(timeout)),
                _ = state_rx.wait_for(|s| !s.is_running()) => break Err(not_running()),
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

/// Ends what is left; `None` where SIGKILL does not help.
async fn end(mut group: Group) -> Option<Exit> {
    send(group.pid(), Signal::KILL);
    tokio::time::timeout(KILL_MAX, group.leader_ended()).await.ok()?;
    Some(group.kill_and_reap())
}

#[derive(Default)]
struct Captured {
    bytes: Vec<u8>,
    is_truncated: bool,
}

async fn read_both(pipes: Pipes, stdout: &mut Captured, stderr: &mut Captured) {
    let read_out = async {
        if let Ok(pipe) = ChildStdout::from_std(pipes.stdout) {
            stdout.fill(pipe).await;
        }
    };
    let read_err = async {
        if let Ok(pipe) = ChildStderr::from_std(pipes.stderr) {
            stderr.fill(pipe).await;
        }
    };
    tokio::join!(read_out, read_err);
}

// === impl Captured ===

impl Captured {
    /// Reads to the end and keeps the start: a command must not hang because it says more
    /// than anybody wants to know.
    async fn fill(&mut self, mut pipe: impl AsyncRead + Unpin) {
        let mut buf = vec![0; ExecOutput::MAX_BYTES];
        while let Ok(n @ 1..) = pipe.read(&mut buf).await {
            let room = ExecOutput::MAX_BYTES - self.bytes.len();
            self.bytes.extend_from_slice(&buf[..n.min(room)]);
            self.is_truncated |= n > room;
        }
    }
}
