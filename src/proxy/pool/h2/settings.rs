//! Whether a server of HTTP/2 takes WebSockets in streams: what its first frame says.
//!
//! hyper's client knows it, too, but tells nobody when it learns it.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
    time::{Instant, timeout_at},
};

/// A frame's head: length, type, flags, stream (RFC 9113 4.1).
const HEAD_BYTES: usize = 9;
/// Identifier and value (RFC 9113 6.5.1).
const SETTING_BYTES: usize = 6;
/// RFC 9113 6.5.
const SETTINGS: u8 = 4;
/// `SETTINGS_ENABLE_CONNECT_PROTOCOL` (RFC 8441 3), on.
const ENABLE_CONNECT_PROTOCOL: [u8; SETTING_BYTES] = [0, 8, 0, 0, 0, 1];

/// How long after a connection was opened its server may say what it takes: its SETTINGS are the
/// first that it sends (RFC 9113 3.4), so that this is what a connection may take.
const SETTINGS_WITHIN: Duration = Duration::from_secs(1);

/// Whether one server takes WebSockets in streams.
#[derive(Debug)]
pub(super) struct WebSockets {
    are_taken: Cell<Option<bool>>,
    has_ended: Cell<bool>,
    told: Notify,
    opened: Instant,
}

/// A connection whose first frame is read along.
#[derive(Debug)]
pub(super) struct FirstFrame<S> {
    stream: S,
    /// What of the frame has come; `None` once it was whole.
    seen: Option<Vec<u8>>,
    websockets: Rc<WebSockets>,
}

/// What a beginning says.
#[derive(Debug, PartialEq, Eq)]
enum Read {
    Incomplete,
    TakesWebSockets(bool),
}

// === impl WebSockets ===

impl WebSockets {
    pub(super) fn opened_now() -> Self {
        Self {
            are_taken: Cell::new(None),
            has_ended: Cell::new(false),
            told: Notify::new(),
            opened: Instant::now(),
        }
    }

    /// Waits until the server has said it; `None` for one that ends, or says nothing in time.
    pub(super) async fn are_taken(&self) -> Option<bool> {
        let told = self.told.notified();
        if self.are_taken.get().is_none() && !self.has_ended.get() {
            let _too_late = timeout_at(self.opened + SETTINGS_WITHIN, told).await;
        }
        self.are_taken.get()
    }

    /// Nothing more will come.
    pub(super) fn end(&self) {
        self.has_ended.set(true);
        self.told.notify_waiters();
    }

    fn tell(&self, are_taken: bool) {
        self.are_taken.set(Some(are_taken));
        self.told.notify_waiters();
    }
}

// === impl FirstFrame ===

impl<S> FirstFrame<S> {
    pub(super) fn new(stream: S, websockets: Rc<WebSockets>) -> Self {
        Self { stream, seen: Some(Vec::new()), websockets }
    }

    fn see(&mut self, bytes: &[u8]) {
        let Some(seen) = &mut self.seen else { return };
        seen.extend_from_slice(bytes);
        if let Read::TakesWebSockets(are_taken) = read(seen) {
            self.websockets.tell(are_taken);
            self.seen = None;
        }
    }
}

/// Reads the first frame, as far as it has come. The longest that hyper takes is 16 KiB.
fn read(bytes: &[u8]) -> Read {
    let Some((head, rest)) = bytes.split_at_checked(HEAD_BYTES) else { return Read::Incomplete };
    if head[3] != SETTINGS {
        return Read::TakesWebSockets(false);
    }
    let n_bytes = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
    let settings = &rest[..n_bytes.min(rest.len())];
    if settings.chunks_exact(SETTING_BYTES).any(|setting| setting == ENABLE_CONNECT_PROTOCOL) {
        return Read::TakesWebSockets(true);
    }
    if rest.len() < n_bytes { Read::Incomplete } else { Read::TakesWebSockets(false) }
}

impl<S: AsyncRead + Unpin> AsyncRead for FirstFrame<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let n_before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.see(&buf.filled()[n_before..]);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FirstFrame<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_frame_says_whether_websockets_are_taken() {
        let frame = |settings: &[[u8; 6]]| {
            let n_bytes = u8::try_from(settings.len() * SETTING_BYTES).unwrap();
            let mut frame = vec![0, 0, n_bytes, SETTINGS, 0, 0, 0, 0, 0];
            frame.extend(settings.iter().flatten());
            frame
        };
        let window = [0, 4, 0, 1, 0, 0];
        let takes = frame(&[window, ENABLE_CONNECT_PROTOCOL]);
        for n_bytes in 0..takes.len() {
            assert_eq!(read(&takes[..n_bytes]), Read::Incomplete, "{n_bytes}");
        }
        assert_eq!(read(&takes), Read::TakesWebSockets(true));
        let off = [0, 8, 0, 0, 0, 0];
        for none in [frame(&[]), frame(&[window]), frame(&[off])] {
            assert_eq!(read(&none), Read::TakesWebSockets(false));
            // What comes after the frame is none of its settings.
            assert_eq!(
                read(&[&none[..], &ENABLE_CONNECT_PROTOCOL[..]].concat()),
                Read::TakesWebSockets(false)
            );
        }
        assert_eq!(read(b"HTTP/1.1 400 Bad Request"), Read::TakesWebSockets(false));
    }
}
