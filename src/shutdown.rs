//! Waiting for the end: a signal, or the end of standard input.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// The signals that end `spur up`.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

// === impl Signals ===

impl Signals {
    /// Takes the signals over from the system's default, which is to die at once.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// Waits until standard input ends: whoever started us is gone.
///
/// Read on a thread of its own, since tokio's reader of standard input keeps a
/// runtime from ending while it waits.
pub(crate) async fn stdin_ended() {
    let (ended_tx, ended_rx) = oneshot::channel();
    std::thread::spawn(move || {
        // An error is an end too.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = ended_tx.send(());
    });
    // Where the thread could not say so, it has ended all the same.
    let _ = ended_rx.await;
}
