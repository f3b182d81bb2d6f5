//! Reading on for a little after the last response, so that the client gets it.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// How long nothing has to come for nothing to be under way. 50 ms: an upload
/// that goes on fills the socket's buffer within one round trip, and a drain must
/// not wait long for clients that just do not close.
const QUIET: Duration = Duration::from_millis(50);

/// How long an upload that goes on is read. 1 s; nginx allows 30 s
/// (`lingering_time`), for clients that are far away.
const WAIT: Duration = Duration::from_secs(1);

/// How much is read and thrown away. 1 MiB: whoever uploads more than that past a
/// refusal may lose the response.
const N_BYTES_MAX: usize = 1024 * 1024;

/// A half-closed connection, waiting for the other half.
#[derive(Debug)]
pub(crate) struct Linger {
    quiet: Pin<Box<Sleep>>,
    until: Instant,
    n_bytes: usize,
}

// === impl Linger ===

impl Linger {
    pub(crate) fn new() -> Self {
        Self { quiet: Box::pin(sleep(QUIET)), until: Instant::now() + WAIT, n_bytes: 0 }
    }

    /// Ready once the peer has closed, failed or fallen silent, or a bound is reached.
    pub(crate) fn poll<S: AsyncRead + Unpin>(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [0; 4096];
        while self.n_bytes < N_BYTES_MAX {
            let mut buf = ReadBuf::new(&mut bytes);
            match Pin::new(&mut *stream).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    self.n_bytes += buf.filled().len();
                    let due = (Instant::now() + QUIET).min(self.until);
                    self.quiet.as_mut().reset(due);
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.quiet.as_mut().poll(cx),
            }
        }
        Poll::Ready(())
    }
}
