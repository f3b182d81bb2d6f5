//! Plain TCP: bytes both ways, to the baseline or to the fork that the caller implies.
//!
//! A TCP connection carries no key, so the caller's own sandbox is all that can
//! choose a version.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use http::{Method, Version};
use spur_route::{Endpoint, Outcome, Verdict};
use spur_trace::HopError;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes},
    net::TcpStream,
};

use crate::{
    acceptor::Facts,
    connect::connect,
    hop::{Begin, Hop},
    worker::Worker,
};

/// Bytes held for each direction: two of hyper's usual reads; what does not fit
/// waits in the sender's socket.
const BUFFER_BYTES: usize = 16 * 1024;

/// Relays one connection to its end. Where the verdict refuses, or no endpoint
/// can be reached, the client sees a closed connection; the reason is in the record.
pub(crate) async fn relay<S>(worker: &Rc<Worker>, inlet: &Facts, client: S, verdict: &Verdict)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let cluster = worker.clusters.of(verdict);
    // A connection has no key; where every endpoint is left out, it is tried all the same.
    let first_idx = cluster.as_ref().and_then(|cluster| cluster.choose(None, &[])).unwrap_or(0);
    let hop = Hop::begin(
        worker,
        Begin {
            verdict,
            endpoint: verdict.backends().get(first_idx),
            caller: inlet.caller.as_ref(),
            incoming: None,
            method: &Method::CONNECT,
            target: None,
            // No HTTP at all; the method and the missing target say so.
            version: Version::HTTP_11,
            busy: None,
        },
    );
    let Outcome::Forward { backends } = &verdict.outcome else {
        hop.end(None);
        return;
    };
    match reach(worker, &hop, (backends, first_idx)).await {
        Ok(upstream) => copy(&hop, client, upstream).await,
        Err(error) => hop.end(Some(error)),
    }
}

/// Copies both ways until both sides have closed, each half by itself, or one
/// fails; then ends the hop.
pub(crate) async fn copy<A, B>(hop: &Hop, client: A, upstream: B)
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let mut client = Counted { stream: client, hop, has_failed: false };
    let mut upstream = upstream;
    let copied = copy_bidirectional_with_sizes(&mut client, &mut upstream, BUFFER_BYTES, BUFFER_BYTES).await;
    let error = if client.has_failed { HopError::ClientGone } else { HopError::ResponseAborted };
    hop.end(copied.err().map(|_| error));
}

/// The client's side of a copy, which counts both ways and knows its own failures.
struct Counted<'a, S> {
    stream: S,
    hop: &'a Hop,
    has_failed: bool,
}

/// The first endpoint that accepts, of all.
async fn reach(
    worker: &Worker,
    hop: &Hop,
    (backends, first_idx): (&[Endpoint], usize),
) -> Result<TcpStream, HopError> {
    let mut last = HopError::ConnectFailed;
    for nth in 0..backends.len() {
        let endpoint = &backends[(first_idx + nth) % backends.len()];
        match connect(endpoint.address, worker.limits.connect_timeout).await {
            Ok(stream) => {
                hop.reached(endpoint);
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

// === impl Counted ===

impl<S: AsyncRead + Unpin> AsyncRead for Counted<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let n_before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        match &polled {
            Poll::Ready(Ok(())) => {
                self.hop.add_request_bytes(buf.filled().len() - n_before);
            }
            Poll::Ready(Err(_)) => self.has_failed = true,
            Poll::Pending => {}
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<'_, S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        match &polled {
            Poll::Ready(Ok(n_bytes)) => self.hop.add_response_bytes(*n_bytes),
            Poll::Ready(Err(_)) => self.has_failed = true,
            Poll::Pending => {}
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
