//! Connections that stop speaking HTTP, as a tunnel or as a WebSocket: of HTTP/1 the connection
//! itself, of HTTP/2 one stream.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
};
use tokio_util::either::Either;

use crate::{http2::poll_room, incoming::Incoming};

/// Becomes the bytes of both directions when both sides have agreed.
#[derive(Debug)]
pub(crate) enum Switching {
    Http1(OnUpgrade),
    Http2(oneshot::Receiver<Tunnel>),
}

/// What it has become.
pub(crate) type Switched = Either<TokioIo<Upgraded>, Tunnel>;

/// The bytes of a stream of HTTP/2, without frames (RFC 9113 8.5).
#[derive(Debug)]
pub(crate) struct Tunnel {
    recv: RecvStream,
    send: SendStream<Bytes>,
    /// Came, and was not read yet.
    unread: Bytes,
}

// === impl Switching ===

impl Switching {
    pub(crate) fn of_request(req: &mut Request<Incoming>) -> Self {
        Self::in_stream(req.body_mut()).unwrap_or_else(|| Self::Http1(hyper::upgrade::on(req)))
    }

    pub(crate) fn of_response(rsp: &mut Response<Incoming>) -> Self {
        Self::in_stream(rsp.body_mut()).unwrap_or_else(|| Self::Http1(hyper::upgrade::on(rsp)))
    }

    fn in_stream(body: &mut Incoming) -> Option<Self> {
        match body {
            Incoming::Connect(switching) => switching.take(),
            Incoming::Http1(_) | Incoming::Http2(_) => None,
        }
    }

    /// `None` where the other side has gone before.
    pub(crate) async fn switched(self) -> Option<Switched> {
        match self {
            Self::Http1(on_upgrade) => on_upgrade.await.ok().map(TokioIo::new).map(Either::Left),
            Self::Http2(tunnel_rx) => tunnel_rx.await.ok().map(Either::Right),
        }
    }
}

// === impl Tunnel ===

impl Tunnel {
    pub(crate) fn new(recv: RecvStream, send: SendStream<Bytes>) -> Self {
        Self { recv, send, unread: Bytes::new() }
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(self.recv.poll_data(cx)) {
                Some(Ok(data)) => self.unread = data,
                None => return Poll::Ready(Ok(())),
                // RFC 9113 8.5: an orderly end is END_STREAM; these are how the other side lets go.
                Some(Err(error)) if matches!(error.reason(), Some(Reason::NO_ERROR | Reason::CANCEL)) => {
                    return Poll::Ready(Ok(()));
                }
                Some(Err(error)) => return Poll::Ready(Err(io_error(error))),
            }
        }
        let n_bytes = self.unread.len().min(buf.remaining());
        buf.put_slice(&self.unread[..n_bytes]);
        self.unread.advance(n_bytes);
        // Fails where the stream is over, and needs none.
        let _ = self.recv.flow_control().release_capacity(n_bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let room = ready!(poll_room(&mut self.send, buf.len(), cx)).map_err(io_error)?;
        let n_bytes = room.min(buf.len());
        let sent = self.send.send_data(Bytes::copy_from_slice(&buf[..n_bytes]), false);
        Poll::Ready(sent.map(|()| n_bytes).map_err(io_error))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The connection is a task of its own.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Fails where the stream is over, and then it is shut.
        let _ = self.send.send_data(Bytes::new(), true);
        Poll::Ready(Ok(()))
    }
}

fn io_error(error: h2::Error) -> io::Error {
    if error.is_io() {
        return error.into_io().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into());
    }
    io::Error::new(io::ErrorKind::BrokenPipe, error)
}
