//! Opening a connection to an endpoint, with TLS where its policy wants it.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use spur_net::{Alpn, Dial};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::client::TlsStream;

use spur_trace::HopError;

use crate::tls::{self, Origin};

/// Whom a connection is with. Connections with one are like each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) origin: Option<Origin>,
}

/// A connection to an endpoint.
#[derive(Debug)]
pub(crate) enum Upstream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Connects to `peer` within `deadline`, its handshake included.
///
/// Only a connection that could not be made fails here, so whoever asked has
/// sent nothing and may try another endpoint.
pub(crate) async fn connect(
    dial: &Dial,
    peer: &Peer,
    (alpn, deadline): (Alpn, Duration),
) -> Result<Upstream, HopError> {
    let connected = timeout(deadline, async {
        let stream = dial.connect(peer.address).await.map_err(|error| failure(&error))?;
        // Small requests must not wait for an acknowledgement (Nagle); failing to say so is no fault.
        let _ = stream.set_nodelay(true);
        let Some(Origin { originate, name }) = &peer.origin else { return Ok(Upstream::Plain(stream)) };
        match originate.connect(name.clone(), (stream, alpn)).await {
            Ok(stream) => Ok(Upstream::Tls(Box::new(stream))),
            Err(error) => Err(HopError::TlsFailed(tls::of_handshake(&error))),
        }
    });
    connected.await.unwrap_or(Err(HopError::ConnectTimeout))
}

fn failure(error: &io::Error) -> HopError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => HopError::ConnectRefused,
        io::ErrorKind::TimedOut => HopError::ConnectTimeout,
        _ => HopError::ConnectFailed,
    }
}

// === impl Upstream ===

impl AsyncRead for Upstream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Upstream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
