//! Signals: an end that restores the terminal, and stopping as a job.

use std::io;

use rustix::process::{Signal as Number, kill_current_process_group};
use tokio::signal::unix::{self, SignalKind, signal};

/// What was signalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGINT; Ctrl-C is a key here.
    Interrupt,
    /// SIGTERM or SIGHUP.
    Terminate,
    /// SIGTSTP.
    Stop,
    /// SIGCONT.
    Continue,
}

/// The signals that have come.
pub(super) struct Signals {
    interrupts: unix::Signal,
    terminations: unix::Signal,
    hangups: unix::Signal,
    stops: unix::Signal,
    continues: unix::Signal,
}

// === impl Signals ===

impl Signals {
    /// From here on they no longer do by themselves what they do.
    ///
    /// # Errors
    /// When the handlers cannot be set.
    pub(super) fn catch() -> io::Result<Self> {
        Ok(Self {
            interrupts: signal(SignalKind::interrupt())?,
            terminations: signal(SignalKind::terminate())?,
            hangups: signal(SignalKind::hangup())?,
            stops: signal(SignalKind::from_raw(Number::TSTP.as_raw()))?,
            continues: signal(SignalKind::from_raw(Number::CONT.as_raw()))?,
        })
    }

    /// The next one. May be dropped while it waits without losing one.
    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupts.recv() => Signal::Interrupt,
            _ = self.terminations.recv() => Signal::Terminate,
            _ = self.hangups.recv() => Signal::Terminate,
            _ = self.stops.recv() => Signal::Stop,
            _ = self.continues.recv() => Signal::Continue,
        }
    }
}

/// Stops the job until SIGCONT, as SIGTSTP would if nobody caught it: the `spur up` that opened the
/// interface is part of it, and a shell waits for all of a job.
///
/// # Errors
/// When the system does not allow it.
pub(super) fn stop_job() -> io::Result<()> {
    Ok(kill_current_process_group(Number::STOP)?)
}
