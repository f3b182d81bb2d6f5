//! Bodies on their way through: counted, cleaned of forbidden trailers, never collected.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use spur_net::Busy;
use spur_trace::HopError;

use crate::{hop::Hop, pool::Lease, respond::grpc_trailers};

/// A client's body on its way to an upstream.
#[derive(Debug)]
pub(crate) struct RequestBody {
    incoming: Incoming,
    hop: Rc<Hop>,
}

/// A body on its way to a client.
#[derive(Debug)]
pub(crate) enum ResponseBody {
    /// An upstream's.
    Upstream(UpstreamBody),
    /// Our own, and what keeps the connection busy until it is sent.
    Own(Full<Bytes>, #[expect(dead_code, reason = "held for its drop")] Guard),
}

/// An upstream's body.
#[derive(Debug)]
pub(crate) struct UpstreamBody {
    incoming: Incoming,
    hop: Rc<Hop>,
    /// Given back at the end; absent afterwards.
    lease: Option<Lease>,
    means: Means,
}

/// What is special about an upstream's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Means {
    /// Nothing.
    Usual,
    /// gRPC over HTTP/2: where it breaks off, its trailers can still say so.
    Grpc,
    /// The answer to an upgrade that was declined. Whether the upstream has switched after all
    /// only it knows, so its connection serves nobody else (CVE-2018-1002105).
    Declined,
    /// It broke off and the trailers have said so.
    Over,
}

/// What keeps a connection busy while we answer ourselves.
#[derive(Debug)]
pub(crate) enum Guard {
    /// A request that was decided.
    Hop(#[expect(dead_code, reason = "held for its drop")] Rc<Hop>),
    /// One that was not.
    Busy(#[expect(dead_code, reason = "held for its drop")] Busy),
}

// === impl RequestBody ===

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, hop: Rc<Hop>) -> Self {
        Self { incoming, hop }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Poll::Ready(polled) = Pin::new(&mut self.incoming).poll_frame(cx) else {
            self.hop.client_awaited();
            return Poll::Pending;
        };
        match &polled {
            Some(Ok(frame)) => self.hop.add_request_bytes(data_len(frame)),
            Some(Err(_)) => self.hop.client_failed(),
            None => self.hop.request_ended(),
        }
        Poll::Ready(polled.map(|frame| frame.map(clean_trailers)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

// === impl ResponseBody ===

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut *self {
            Self::Upstream(body) => body.poll(cx),
            Self::Own(body, _) => Pin::new(body).poll_frame(cx).map_err(|infallible| match infallible {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Upstream(body) => body.is_end_stream(),
            Self::Own(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Upstream(body) => body.incoming.size_hint(),
            Self::Own(body, _) => body.size_hint(),
        }
    }
}

// === impl UpstreamBody ===

impl UpstreamBody {
    pub(crate) fn new(incoming: Incoming, (hop, lease): (Rc<Hop>, Lease), means: Means) -> Self {
        Self { incoming, hop, lease: Some(lease), means }
    }

    /// An error is handed on: hyper then breaks the response off, so the client
    /// does not take what it has for the whole (RFC 9112 8). A gRPC client is told by status.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if self.means == Means::Over {
            return Poll::Ready(None);
        }
        let polled = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        match &polled {
            Some(Ok(frame)) => {
                self.hop.add_response_bytes(data_len(frame));
                if let Some(trailers) = frame.trailers_ref() {
                    self.hop.set_grpc_status(trailers);
                }
            }
            Some(Err(_)) => {
                self.lease = None;
                let error = self.hop.blame(HopError::ResponseAborted);
                if self.means == Means::Grpc {
                    self.means = Means::Over;
                    let trailers = grpc_trailers(error);
                    self.hop.set_grpc_status(&trailers);
                    self.hop.end(Some(error));
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                self.hop.end(Some(error));
            }
            None => self.finish(),
        }
        Poll::Ready(polled.map(|frame| frame.map(clean_trailers)))
    }

    fn finish(&mut self) {
        if let Some(lease) = self.lease.take() {
            match self.means {
                Means::Usual | Means::Grpc => lease.give_back(),
                Means::Declined | Means::Over => drop(lease),
            }
            self.hop.end(None);
        }
    }

    fn is_end_stream(&self) -> bool {
        self.means == Means::Over || self.incoming.is_end_stream()
    }
}

impl Drop for UpstreamBody {
    /// hyper drops a body that says it is at its end without asking for more.
    /// One that is not was given up by the client: its connection is not reused.
    fn drop(&mut self) {
        if self.incoming.is_end_stream() {
            self.finish();
        }
    }
}

fn data_len(frame: &Frame<Bytes>) -> usize {
    frame.data_ref().map_or(0, Bytes::len)
}

fn clean_trailers(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            strip_trailers(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(data) => data,
    }
}

/// RFC 9110 6.5.1: no framing, routing or connection fields in trailers.
fn strip_trailers(trailers: &mut HeaderMap) {
    for name in [
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::HOST,
        header::CONNECTION,
        header::UPGRADE,
        header::TE,
        header::TRAILER,
        header::AUTHORIZATION,
        header::SET_COOKIE,
        spur_route::SPUR_KEY.clone(),
    ] {
        trailers.remove(name);
    }
}
