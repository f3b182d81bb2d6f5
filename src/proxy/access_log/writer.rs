//! The thread that writes lines.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};

use super::line::{self, Encoding};
use super::{AccessLog, Entry, N_WAITING};

/// Bytes after which lines are written although more entries wait: a pipe's buffer.
const WRITTEN_AT: usize = 64 * 1024;

/// The writing thread, which ends when nobody can write any more.
#[derive(Debug)]
pub struct AccessLogWriter(JoinHandle<()>);

// === impl AccessLog ===

impl AccessLog {
    /// Starts a log that is written to `out`.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(
        encoding: Encoding,
        out: impl Write + Send + 'static,
    ) -> io::Result<(Self, AccessLogWriter)> {
        let (entries_tx, entries_rx) = sync_channel(N_WAITING);
        let thread = thread::Builder::new().name("spur-access-log".to_owned());
        let thread = thread.spawn(move || run(&entries_rx, encoding, out))?;
        let log = Self { entries_tx, n_lost: Arc::new(AtomicU64::new(0)) };
        Ok((log, AccessLogWriter(thread)))
    }
}

// === impl AccessLogWriter ===

impl AccessLogWriter {
    /// Waits until everything is written. Every [`AccessLog`] has to be dropped before, with the
    /// proxy that has it.
    pub fn finish(self) {
        // A panic was reported when it happened.
        let _ = self.0.join();
    }
}

/// Writes what waits as soon as it does, in as few writes as possible.
fn run(entries_rx: &Receiver<Entry>, encoding: Encoding, mut out: impl Write) {
    let mut lines = String::new();
    let mut is_broken = false;
    while let Ok(first) = entries_rx.recv() {
        line::write(encoding, &first, &mut lines);
        while lines.len() < WRITTEN_AT
            && let Ok(more) = entries_rx.try_recv()
        {
            line::write(encoding, &more, &mut lines);
        }
        let written = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
        lines.clear();
        match written {
            Ok(()) => is_broken = false,
            // Once until it works again: a full disk would fill the other log, too.
            Err(_) if is_broken => {}
            Err(error) => {
                is_broken = true;
                tracing::warn!(%error, "failed to write the access log: {error}");
            }
        }
    }
}
