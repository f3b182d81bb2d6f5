//! Waiting for the end: a signal, the end of standard input, or a store that has given up.

use std::sync::Arc;

use spur_store::Health;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};

/// `SIGXFSZ`, on Linux (but for MIPS and PA-RISC) and macOS: a file has reached `ulimit -f`.
const FILE_SIZE: i32 = 25;

/// The signals that end `spur up`.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    /// Taken so that a write beyond the limit fails, as on a full disk, and does not kill us; nobody
    /// waits for it. PostgreSQL does the same (`postmaster.c`: "ignore SIGXFSZ, so that ulimit
    /// violations work like disk full").
    _file_size: Signal,
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
            _file_size: signal(SignalKind::from_raw(FILE_SIZE))?,
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

/// Waits until the store has given up, and gives why.
pub(crate) async fn store_failed(mut health_rx: watch::Receiver<Health>) -> Arc<str> {
    let failed = health_rx.wait_for(|health| matches!(health, Health::Failed { .. })).await;
    match failed.as_deref() {
        Ok(Health::Failed { cause }) => cause.clone(),
        // The store is gone, which is somebody else's doing: they end us in their way.
        _ => {
            drop(failed);
            std::future::pending().await
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
