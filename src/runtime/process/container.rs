//! One container of the process runtime: its state, and the lock under which its
//! group may be signalled.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal};
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;
use tracing::warn;

use super::attach::Attachable;
use super::group::{Exit, send};
use super::identity::Mark;
use super::record::Record;
use super::stdin::ContainerStdin;
use super::terminal::Terminal;
use crate::container::{ContainerPlan, ContainerState, PodId, RuntimeEvent, reason};
use crate::interface::{ExecError, LogError, StopError};
use crate::log::{Progress, TapPoint, progress_of_closed};
use crate::start_error::StartError;

/// How long SIGKILL may take: at once, unless a process waits for a disk or a network file
/// system; then it is not up to us, and the caller is told.
pub(super) const KILL_MAX: Duration = Duration::from_secs(10);

/// A container that was started at least once, or is being started.
pub(super) struct Container {
    pub(super) pod: PodId,
    pub(super) name: String,
    pub(super) dir: PathBuf,
    /// container -- every change --> readers of the runtime's events
    events_tx: broadcast::Sender<RuntimeEvent>,
    /// Changed only under `live`, so that events come in order.
    state_tx: watch::Sender<ContainerState>,
    /// Guards what may be done to the group; held for a few lines.
    live: Mutex<Live>,
}

#[derive(Default)]
struct Live {
    /// `None` before the first start.
    attempt: Option<u32>,
    /// The last plan, for commands in the container.
    plan: Option<Arc<ContainerPlan>>,
    mark: Option<Mark>,
    /// Set exactly as long as the number is that of our group.
    group: Option<Pid>,
    /// When the grace of a stop ends.
    stop_by: Option<Instant>,
    is_removed: bool,
    progress_rx: Option<watch::Receiver<Progress>>,
    /// Set as long as `group` is, for those who attach.
    ends: Option<RunEnds>,
}

/// What one attaches to.
pub(super) struct RunEnds {
    pub(super) tap: TapPoint,
    pub(super) stdin: ContainerStdin,
    pub(super) terminal: Option<Terminal>,
}

/// A group that has just been started.
pub(super) struct Run {
    pub(super) group: Pid,
    pub(super) mark: Option<Mark>,
    pub(super) started_at: SystemTime,
    pub(super) ends: RunEnds,
}

// === impl Container ===

impl Container {
    /// One that was never started.
    pub(super) fn new(
        pod: PodId,
        name: String,
        dir: PathBuf,
        events_tx: broadcast::Sender<RuntimeEvent>,
    ) -> Self {
        Self {
            pod,
            name,
            dir,
            events_tx,
            state_tx: watch::Sender::new(ContainerState::creating()),
            live: Mutex::default(),
        }
    }

    /// One that an earlier Spur started, as its record says.
    pub(super) fn recorded(record: Record, dir: PathBuf, events_tx: broadcast::Sender<RuntimeEvent>) -> Self {
        let pod = record.pod_id();
        let live = Live { attempt: Some(record.attempt), ..Live::default() };
        Self {
            pod,
            name: record.container,
            dir,
            events_tx,
            state_tx: watch::Sender::new(record.state),
            live: Mutex::new(live),
        }
    }

    pub(super) fn state(&self) -> ContainerState {
        self.state_tx.borrow().clone()
    }

    pub(super) fn watch(&self) -> watch::Receiver<ContainerState> {
        self.state_tx.subscribe()
    }

    /// What a command in the container runs with, if the container runs: attempt and plan,
    /// and the state that lasts as long as this run.
    pub(super) fn running(&self) -> Result<(u32, Arc<ContainerPlan>, ContainerState), ExecError> {
        let live = self.live();
        let state = self.state();
        let running = live.attempt.zip(live.plan.clone()).filter(|_| state.is_running());
        running.map(|(attempt, plan)| (attempt, plan, state)).ok_or_else(|| self.not_running())
    }

    /// What one attaches to, if the container runs; its input only where it is wanted.
    pub(super) fn attach(&self, wants_stdin: bool) -> Result<Attachable, ExecError> {
        let mut live = self.live();
        let running = self.state();
        let stdin_mode = live.plan.as_ref().map(|plan| plan.stdio.stdin).unwrap_or_default();
        let ends = live.ends.as_mut().filter(|_| running.is_running());
        let Some(RunEnds { tap, stdin, terminal }) = ends else { return Err(self.not_running()) };
        Ok(Attachable {
            running,
            state_rx: self.watch(),
            tap: tap.clone(),
            stdin: if wants_stdin { stdin.hand_out() } else { None },
            stdin_mode,
            terminal: terminal.clone(),
        })
    }

    pub(super) fn not_running(&self) -> ExecError {
        ExecError::NotRunning { pod: self.pod.to_string(), container: self.name.clone() }
    }

    /// Whether its leader has not ended yet.
    pub(super) fn has_group(&self) -> bool {
        self.live().group.is_some()
    }

    /// The number of its group, as long as it is that.
    pub(super) fn group(&self) -> Option<u32> {
        self.live().group.map(|group| group.as_raw_nonzero().get().unsigned_abs())
    }

    /// The same, and which attempt it is.
    pub(super) fn running_group(&self) -> Option<(u32, u32)> {
        let live = self.live();
        let group = live.group.map(|group| group.as_raw_nonzero().get().unsigned_abs());
        group.zip(live.attempt)
    }

    // --- Starting: `begin`, then `has_started` or `has_failed`.

    /// Claims the container for one start and gives the attempt's number.
    pub(super) fn begin(&self, plan: &ContainerPlan) -> Result<u32, StartError> {
        let mut live = self.live();
        if live.is_removed {
            return Err(StartError::Withdrawn {
                container: self.name.clone(),
                found: "its pod is being removed",
            });
        }
        let is_first = live.attempt.is_none();
        if !is_first && !self.state_tx.borrow().is_terminated() {
            return Err(StartError::AlreadyRunning {
                pod: self.pod.to_string(),
                container: self.name.clone(),
            });
        }
        let attempt = live.attempt.map_or(0, |n| n.saturating_add(1));
        live.attempt = Some(attempt);
        live.plan = Some(Arc::new(plan.clone()));
        live.stop_by = None;
        live.progress_rx = None;
        self.change(&live, ContainerState::creating());
        Ok(attempt)
    }

    /// The log of the attempt that has begun.
    pub(super) fn logs_to(&self, progress_rx: watch::Receiver<Progress>) {
        self.live().progress_rx = Some(progress_rx);
    }

    /// The group has been started. From here on it can be signalled; a stop that came
    /// earlier takes effect now.
    pub(super) fn has_started(&self, run: Run) -> io::Result<()> {
        let mut live = self.live();
        live.group = Some(run.group);
        live.mark = run.mark;
        live.ends = Some(run.ends);
        let state = ContainerState::Running {
            pid: run.group.as_raw_nonzero().get().unsigned_abs(),
            started_at: run.started_at,
        };
        let recorded = self.record(&live, &state);
        self.change(&live, state);
        if live.is_removed || recorded.is_err() {
            send(run.group, Signal::KILL);
        } else if let Some(stop_by) = live.stop_by {
            send(run.group, signal_for(stop_by));
        }
        recorded
    }

    /// The start has failed; nothing runs.
    pub(super) fn has_failed(&self, error: &StartError) {
        let now = SystemTime::now();
        self.terminate(ContainerState::Terminated {
            exit_code: StartError::EXIT_CODE,
            signal: None,
            reason: reason::START_ERROR.into(),
            message: error.text(),
            started_at: now,
            finished_at: now,
        });
    }

    // --- Ending.

    /// When the grace of a stop ends, if one was asked for.
    pub(super) fn stop_by(&self) -> Option<Instant> {
        self.live().stop_by
    }

    /// From here on nobody signals the group any more, so that its leader may be reaped.
    pub(super) fn release(&self) {
        let mut live = self.live();
        live.group = None;
        live.ends = None;
    }

    /// All of it has ended.
    pub(super) fn has_ended(&self, exit: Exit, started_at: SystemTime, finished_at: SystemTime) {
        let reason = match exit.code {
            0 => reason::COMPLETED,
            _ => reason::ERROR,
        };
        self.terminate(ContainerState::Terminated {
            exit_code: exit.code,
            signal: exit.signal,
            reason: reason.into(),
            message: String::new(),
            started_at,
            finished_at,
        });
    }

    fn terminate(&self, state: ContainerState) {
        let live = self.live();
        if let Err(error) = self.record(&live, &state) {
            // The next Spur finds the old record, sees that no such process is left, and
            // tells an unknown end instead of this one.
            warn!(%error, container.name = %self.name, "cannot record that container `{}` has ended", self.name);
        }
        self.change(&live, state);
    }

    /// SIGTERM, then SIGKILL after `grace`; waits for the end.
    pub(super) async fn stop(&self, grace: Duration) -> Result<ContainerState, StopError> {
        let mut state_rx = self.watch();
        // A grace of years, which a manifest may ask for, is beyond what a clock can add.
        let now = Instant::now();
        let stop_by = now.checked_add(grace).unwrap_or(now + DAY);
        let stop_by = self.ask_to_stop(stop_by);
        let ended = state_rx.wait_for(ContainerState::is_terminated);
        if tokio::time::timeout_at(stop_by, ended).await.is_err() {
            self.signal(Signal::KILL);
        }
        let ended = state_rx.wait_for(ContainerState::is_terminated);
        match tokio::time::timeout(KILL_MAX, ended).await {
            Ok(Ok(state)) => Ok(state.clone()),
            Ok(Err(_)) | Err(_) => {
                Err(StopError::Unkillable { pod: self.pod.to_string(), container: self.name.clone() })
            }
        }
    }

    /// Sends SIGTERM, or SIGKILL if the grace is over; of two stops the earlier end counts.
    pub(super) fn ask_to_stop(&self, stop_by: Instant) -> Instant {
        let mut live = self.live();
        let stop_by = live.stop_by.map_or(stop_by, |other| other.min(stop_by));
        live.stop_by = Some(stop_by);
        if let Some(group) = live.group {
            send(group, signal_for(stop_by));
        }
        stop_by
    }

    /// From here on it cannot be started any more.
    pub(super) fn mark_removed(&self) {
        self.live().is_removed = true;
    }

    /// It could not be removed, so it is there still.
    pub(super) fn unmark_removed(&self) {
        self.live().is_removed = false;
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.live().group {
            send(group, signal);
        }
    }

    // --- Logs.

    /// Where the log of the current or the previous attempt is.
    pub(super) fn log(&self, previous: bool) -> Result<(PathBuf, watch::Receiver<Progress>), LogError> {
        let live = self.live();
        let attempt = match (previous, live.attempt) {
            (false, attempt) => attempt.ok_or_else(|| LogError::NotFound {
                pod: self.pod.name.to_string(),
                container: self.name.clone(),
            })?,
            (true, attempt) => attempt.and_then(|n| n.checked_sub(1)).ok_or_else(|| {
                LogError::NoPrevious { pod: self.pod.name.to_string(), container: self.name.clone() }
            })?,
        };
        let dir = attempt_dir(&self.dir, attempt);
        if let (false, Some(progress_rx)) = (previous, &live.progress_rx) {
            return Ok((dir, progress_rx.clone()));
        }
        let progress = progress_of_closed(&dir)
            .map_err(|source| LogError::Read { container: self.name.clone(), source })?;
        // Without a sender: nothing changes any more.
        Ok((dir, watch::channel(progress).1))
    }

    // --- Inside.

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().expect("no holder of this lock panics")
    }

    /// `_live` shows that the lock is held.
    fn change(&self, _live: &Live, state: ContainerState) {
        self.state_tx.send_replace(state.clone());
        // Nobody listening is fine: `list` holds the truth.
        let _ =
            self.events_tx.send(RuntimeEvent { pod: self.pod.clone(), container: self.name.clone(), state });
    }

    fn record(&self, live: &Live, state: &ContainerState) -> io::Result<()> {
        let record = Record {
            namespace: self.pod.namespace.to_string(),
            pod: self.pod.name.to_string(),
            uid: self.pod.uid.to_string(),
            container: self.name.clone(),
            attempt: live.attempt.unwrap_or_default(),
            mark: live.mark.clone(),
            state: state.clone(),
        };
        record.write(&self.dir)
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn signal_for(stop_by: Instant) -> Signal {
    if stop_by <= Instant::now() { Signal::KILL } else { Signal::TERM }
}

/// Where an attempt's log is.
pub(super) fn attempt_dir(container_dir: &Path, attempt: u32) -> PathBuf {
    container_dir.join(attempt.to_string())
}
