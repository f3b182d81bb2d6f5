//! Interim responses (1xx, RFC 9110 15.2) on an HTTP/1.1 connection: hyper's server writes none but
//! its own `100 Continue`, so they are written below it, between two of its messages.
//!
//! hyper flushes the stream when all it had to write is written, and only then. Whoever passes an
//! interim response on while a request is in progress finds the stream in that state, or in the
//! middle of an earlier response that its client does not read: then the interim response is left
//! out, which loses nothing that a client may count on.

use std::{
    io,
    pin::Pin,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::io::AsyncWrite;

/// Bytes of interim responses that may wait for one client. What comes beyond is left out: 64 KiB,
/// as long as the head of a response may be.
const WAITING_MAX_BYTES: usize = 64 * 1024;

/// What waits to be written, shared by the stream and whoever answers its requests.
#[derive(Debug)]
pub(crate) struct Interims {
    waiting: Mutex<Vec<u8>>,
    has_some: AtomicBool,
    /// hyper has nothing unwritten.
    is_between: AtomicBool,
    /// The number of the try whose interim responses are passed on, or [`NOBODY`].
    current: AtomicU64,
    n_tries: AtomicU64,
}

/// No request waits for a response.
const NOBODY: u64 = 0;

/// What is being written.
#[derive(Debug, Default)]
pub(crate) struct Writing {
    bytes: Vec<u8>,
    n_written: usize,
}

// === impl Interims ===

impl Interims {
    pub(crate) fn new() -> Self {
        Self {
            waiting: Mutex::default(),
            has_some: AtomicBool::new(false),
            // Nothing was written yet.
            is_between: AtomicBool::new(true),
            current: AtomicU64::new(NOBODY),
            n_tries: AtomicU64::new(NOBODY),
        }
    }

    /// A try of the request in progress begins: its number.
    pub(crate) fn begin(&self) -> u64 {
        let number = self.n_tries.fetch_add(1, Ordering::Relaxed) + 1;
        self.current.store(number, Ordering::Release);
        number
    }

    /// What is sent in answer from now on is no interim response.
    pub(crate) fn end(&self, number: u64) {
        let _another_has_begun =
            self.current.compare_exchange(number, NOBODY, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// Takes the head of an interim response to a try; whether it will be written.
    pub(crate) fn offer(&self, number: u64, head: &[u8]) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = waiting.len() + head.len() <= WAITING_MAX_BYTES;
        let is_current = self.current.load(Ordering::Acquire) == number;
        if !is_current || !fits || !self.is_between.load(Ordering::Acquire) {
            return false;
        }
        waiting.extend_from_slice(head);
        self.has_some.store(true, Ordering::Release);
        true
    }

    /// hyper writes.
    pub(crate) fn begins_message(&self) {
        self.is_between.store(false, Ordering::Release);
    }

    /// hyper has written everything.
    pub(crate) fn ends_message(&self) {
        self.is_between.store(true, Ordering::Release);
    }

    /// Ready when nothing waits, after it was written to `stream`.
    pub(crate) fn poll_write<S: AsyncWrite + Unpin>(
        &self,
        writing: &mut Writing,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            while let Some(left) = writing.bytes.get(writing.n_written..).filter(|left| !left.is_empty()) {
                let n_bytes = ready!(Pin::new(&mut *stream).poll_write(cx, left))?;
                if n_bytes == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                writing.n_written += n_bytes;
            }
            if !self.has_some.load(Ordering::Acquire) {
                return Poll::Ready(Ok(()));
            }
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            *writing = Writing { bytes: std::mem::take(&mut waiting), n_written: 0 };
            self.has_some.store(false, Ordering::Release);
        }
    }
}
