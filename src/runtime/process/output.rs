//! What a command writes, read when somebody asks for it: the pipe is the only
//! buffer, so a command that is faster than its reader waits.

use bytes::{Bytes, BytesMut};
use futures::stream::{BoxStream, StreamExt, empty, select, unfold};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

use super::wiring::Reader;
use crate::session::OutputStream;

/// What is read at once: half of what a pipe holds, and what Go's `io.Copy` takes.
const PIECE_BYTES: usize = 32 * 1024;

/// How long is waited for more once the command has ended. Its group is gone by then, so
/// that the end is there at once, unless a process that escaped holds the pipe open.
const QUIET_MAX: Duration = Duration::from_secs(1);

/// What is read at most once the command has ended, should such a process go on writing:
/// the most that a pipe can hold for an ordinary user
/// (`/proc/sys/fs/pipe-max-size`, <https://man7.org/linux/man-pages/man7/pipe.7.html>).
const LEFT_MAX_BYTES: usize = 1024 * 1024;

struct Reading {
    pipe: Reader,
    buf: BytesMut,
    ended: CancellationToken,
    /// What may still be read once the command has ended.
    left_bytes: usize,
}

/// Both outputs in the order in which they can be read.
pub(super) fn output(
    stdout: Option<Reader>,
    stderr: Option<Reader>,
    ended: &CancellationToken,
) -> BoxStream<'static, (OutputStream, Bytes)> {
    let one = |pipe: Option<Reader>, of| match pipe {
        None => empty().boxed(),
        Some(pipe) => {
            let ended = ended.clone();
            let reading = Reading { pipe, buf: BytesMut::new(), ended, left_bytes: LEFT_MAX_BYTES };
            let pieces = unfold(reading, |mut reading| async { Some((reading.next().await?, reading)) });
            pieces.map(move |piece| (of, piece)).boxed()
        }
    };
    select(one(stdout, OutputStream::Stdout), one(stderr, OutputStream::Stderr)).boxed()
}

// === impl Reading ===

impl Reading {
    /// The next piece; `None` at the end, also where reading fails.
    async fn next(&mut self) -> Option<Bytes> {
        self.buf.reserve(PIECE_BYTES);
        let ended = self.ended.clone();
        let n_bytes = tokio::select! {
            biased;
            n_bytes = self.pipe.read_buf(&mut self.buf) => n_bytes.ok()?,
            () = quiet_after(&ended) => return None,
        };
        if n_bytes == 0 {
            return None;
        }
        if ended.is_cancelled() {
            self.left_bytes = self.left_bytes.checked_sub(n_bytes)?;
        }
        Some(self.buf.split().freeze())
    }
}

async fn quiet_after(ended: &CancellationToken) {
    ended.cancelled().await;
    tokio::time::sleep(QUIET_MAX).await;
}
