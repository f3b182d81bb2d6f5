//! Where a service writes its lines: stdout, or a test's buffer. Leaves their
//! wording to `observe`.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// A line-by-line writer that many requests share.
#[derive(Clone)]
pub struct Log {
    /// Guards one write of one line.
    out: Arc<Mutex<dyn Write + Send>>,
}

// === impl Log ===

impl Log {
    /// Writes to the process's stdout.
    pub fn stdout() -> Self {
        Self::to(io::stdout())
    }

    /// Writes to `out`.
    pub fn to(out: impl Write + Send + 'static) -> Self {
        Self { out: Arc::new(Mutex::new(out)) }
    }

    /// Writes one line. A reader that has gone away (`spur sample … | head`) is no
    /// reason to stop serving, so failures are passed over.
    pub(crate) fn line(&self, text: &str) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let _unread = out.write_all(format!("{text}\n").as_bytes()).and_then(|()| out.flush());
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").finish_non_exhaustive()
    }
}
