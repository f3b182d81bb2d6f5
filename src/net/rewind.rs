//! A stream with the bytes in front that were read to tell its protocol.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes kept in front: the HTTP/2 preface is the longest thing sniffed.
pub(crate) const PREFIX_MAX_BYTES: usize = 24;

/// A stream that first gives back what was read from it.
#[derive(Debug)]
pub struct Rewind<S, P = [u8; PREFIX_MAX_BYTES]> {
    stream: S,
    prefix: P,
    /// `prefix[start..end]` has not been given back yet.
    start: usize,
    end: usize,
}

// === impl Rewind ===

impl<S, P: AsRef<[u8]>> Rewind<S, P> {
    /// Puts the first `n_bytes` of `prefix` in front of `stream`.
    pub(crate) fn new(stream: S, prefix: P, n_bytes: usize) -> Self {
        let end = n_bytes.min(prefix.as_ref().len());
        Self { stream, prefix, start: 0, end }
    }

    /// The stream beneath.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    fn give_back(&mut self, buf: &mut ReadBuf<'_>) {
        let n_bytes = buf.remaining().min(self.end - self.start);
        buf.put_slice(&self.prefix.as_ref()[self.start..self.start + n_bytes]);
        self.start += n_bytes;
    }
}

impl<S: AsyncRead + Unpin, P: AsRef<[u8]> + Unpin> AsyncRead for Rewind<S, P> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let had_prefix = self.start < self.end && buf.remaining() > 0;
        if had_prefix {
            self.give_back(buf);
        }
        if had_prefix && buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            // The prefix alone is an answer; an error comes again on the next read.
            Poll::Pending | Poll::Ready(Err(_)) if had_prefix => Poll::Ready(Ok(())),
            polled => polled,
        }
    }
}

impl<S: AsyncWrite + Unpin, P: Unpin> AsyncWrite for Rewind<S, P> {
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
