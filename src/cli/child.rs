//! A Spur of our own: this executable as `up -o json`, in its own process
//! group, so that Ctrl-C reaches us first and nothing is torn down before the
//! evidence is kept.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::error::{Exit, Failure};

/// Until the API is ready. It takes 0.2 s on an idle laptop; a minute is for a
/// CI machine that starts everything at once.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// From SIGTERM to SIGKILL: above the 30 s that pods get by default
/// (`terminationGracePeriodSeconds`), which they all spend at the same time.
const STOP_WITHIN: Duration = Duration::from_secs(40);

/// Longest line of stdout that is read.
const LINE_MAX_BYTES: u64 = 64 << 10;

/// How much of the child's own log is shown when it fails.
const LOG_TAIL_LINES: usize = 30;

/// A `spur up` of ours. Dropped without [`Up::stop`], it ends by itself: its
/// standard input ends with us.
pub(crate) struct Up {
    child: Child,
    pid: Pid,
    /// Its stderr.
    pub(crate) log: PathBuf,
    _stdin: ChildStdin,
    /// Kept open: a child that writes to a closed pipe would fail.
    stdout: BufReader<ChildStdout>,
}

/// The line of `spur up -o json`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Ready {
    /// Its process id.
    pub(crate) pid: u32,
    /// The address of the API.
    pub(crate) api: String,
    /// A kubeconfig of it.
    pub(crate) kubeconfig: PathBuf,
    /// The address of the entry.
    pub(crate) entry: String,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// As it was told.
    InTime,
    /// It had to be killed; processes of its pods may be left.
    Killed,
}

/// Starts a Spur on free ports with its data in `directory`.
///
/// # Errors
/// When it cannot be started.
pub(crate) fn start(executable: &Path, directory: &Path, runtime: &str) -> Result<Up> {
    let log = directory.join("up.log");
    let log_file = File::create(&log).with_context(|| format!("failed to create `{}`", log.display()))?;
    let mut command = Command::new(executable);
    command.args(["up", "-o", "json", "--port", "0", "--entry-port", "0", "--service-ports", "free"]);
    command.args(["--no-ui", "--rm", "--until-stdin-ends", "--runtime", runtime]);
    command.arg("--data").arg(directory.join("data"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log_file).process_group(0);
    let mut child = command.spawn().map_err(|error| {
        let message = format!("failed to start `{} up`: {error}", executable.display());
        Failure::new(message).exit(Exit::EnvironmentFailed)
    })?;
    let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
    let pid = pid.expect("a child that was not waited for has an id");
    let stdin = child.stdin.take().expect("stdin is piped");
    let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
    Ok(Up { child, pid, log, _stdin: stdin, stdout })
}

/// The last lines of a log, safe to print.
pub(crate) fn tail(log: &Path, n_lines: usize) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(n_lines)..];
    let shown: Vec<String> =
        last.iter().map(|line| format!("  {}", spur_trace::sanitize::log_line_for_terminal(line))).collect();
    shown.join("\n")
}

async fn first_line(stdout: &mut BufReader<ChildStdout>) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::new();
    stdout.take(LINE_MAX_BYTES).read_until(b'\n', &mut line).await?;
    Ok(line)
}

// === impl Up ===

impl Up {
    /// Waits until it serves.
    ///
    /// # Errors
    /// When it ends before, says something else, or takes too long; with the end of its log.
    pub(crate) async fn until_ready(&mut self) -> Result<Ready> {
        let first = tokio::time::timeout(READY_WITHIN, first_line(&mut self.stdout)).await;
        let what_failed = match first {
            Ok(Ok(line)) if !line.is_empty() => match serde_json::from_slice(&line) {
                Ok(ready) => return Ok(ready),
                Err(error) => format!("`spur up` said something else than its addresses: {error}"),
            },
            Ok(Ok(_)) => format!("`spur up` ended before it was ready: {}", self.ended().await?),
            Ok(Err(error)) => format!("failed to read from `spur up`: {error}"),
            Err(_) => format!("`spur up` was not ready after {READY_WITHIN:?}"),
        };
        let tail = tail(&self.log, LOG_TAIL_LINES);
        let message = if tail.is_empty() { what_failed } else { format!("{what_failed}; it said:\n{tail}") };
        bail!(Failure::new(message).exit(Exit::EnvironmentFailed));
    }

    /// Waits until it ends by itself, which it should not.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub(crate) async fn ended(&mut self) -> Result<ExitStatus> {
        self.child.wait().await.context("failed to wait for `spur up`")
    }

    /// Ends it and everything that it runs: SIGTERM, then SIGKILL.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub(crate) async fn stop(mut self) -> Result<Stopped> {
        if self.child.try_wait().context("failed to wait for `spur up`")?.is_some() {
            return Ok(Stopped::InTime);
        }
        // It may have ended just now; then there is nobody to tell.
        let _ = kill_process(self.pid, Signal::TERM);
        if let Ok(status) = tokio::time::timeout(STOP_WITHIN, self.ended()).await {
            status?;
            return Ok(Stopped::InTime);
        }
        let _ = kill_process_group(self.pid, Signal::KILL);
        self.ended().await?;
        Ok(Stopped::Killed)
    }
}
