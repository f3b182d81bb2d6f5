//! SIGINT and SIGTERM for the commands that have something to tear down.
//!
//! Commands that only read leave signals alone: the process ends at once, as
//! with any other program.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::Exit;

/// The signals that have come, one by one.
pub(crate) struct Signals {
    interrupts: Signal,
    terminations: Signal,
}

/// Who wants us to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

// === impl Signals ===

impl Signals {
    /// From here on the signals no longer end the process by themselves.
    ///
    /// # Errors
    /// When the handlers cannot be set.
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self {
            interrupts: signal(SignalKind::interrupt())?,
            terminations: signal(SignalKind::terminate())?,
        })
    }

    /// The next signal. May be dropped while it waits without losing one.
    pub(crate) async fn next(&mut self) -> Ending {
        tokio::select! {
            _ = self.interrupts.recv() => Ending::Interrupt,
            _ = self.terminations.recv() => Ending::Terminate,
        }
    }
}

// === impl Ending ===

impl Ending {
    /// How to exit.
    pub(crate) fn exit(self) -> Exit {
        match self {
            Self::Interrupt => Exit::Interrupted,
            Self::Terminate => Exit::Terminated,
        }
    }
}
