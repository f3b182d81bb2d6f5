//! Bodies as they come in, from clients and from upstreams, over HTTP/1 and over HTTP/2.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};

use crate::{http2::Responding, switch::Switching};

/// A body, or what takes its place.
#[derive(Debug)]
pub(crate) enum Incoming {
    Http1(hyper::body::Incoming),
    Http2(StreamBody),
    /// A CONNECT in a stream of HTTP/2 has no body; its stream becomes a tunnel once it is agreed to.
    Connect(Option<Switching>),
}

/// The data of a stream of HTTP/2, and its trailers.
#[derive(Debug)]
pub(crate) struct StreamBody {
    stream: RecvStream,
    /// Bytes that are still to come, where the head says how many.
    n_left: Option<u64>,
    is_data_over: bool,
    /// Who waits to be told that the body is wanted (RFC 9110 10.1.1).
    waits: Option<Arc<Responding>>,
}

/// What broke a message off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// A message of HTTP/1, or its connection.
    #[error(transparent)]
    Http1(#[from] hyper::Error),
    /// A stream of HTTP/2, or its connection.
    #[error(transparent)]
    Http2(#[from] h2::Error),
    /// A body of which another try has had the beginning, which was too long to be kept.
    #[error("the beginning of the body was not kept")]
    NotKept,
}

// === impl Incoming ===

impl Incoming {
    /// The body that follows a head in a stream. Without END_STREAM it is not whole, however the stream
    /// ends: what comes after that h2 does not tell.
    pub(crate) fn in_stream(stream: RecvStream, headers: &HeaderMap) -> Self {
        // h2 counts the bytes and refuses more and fewer (RFC 9113 8.1.1).
        let length = headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        let n_left = length.or(stream.is_end_stream().then_some(0));
        Self::Http2(StreamBody { stream, n_left, is_data_over: false, waits: None })
    }

    /// The same, whose sender is told when it is wanted.
    pub(crate) fn in_waiting_stream(
        stream: RecvStream,
        headers: &HeaderMap,
        responding: &Arc<Responding>,
    ) -> Self {
        let mut body = Self::in_stream(stream, headers);
        let expects =
            headers.get(header::EXPECT).is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        if let Self::Http2(body) = &mut body {
            body.waits = expects.then(|| Arc::clone(responding));
        }
        body
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut *self {
            Self::Http1(incoming) => Pin::new(incoming).poll_frame(cx).map_err(Broken::Http1),
            Self::Http2(body) => body.poll(cx).map_err(Broken::Http2),
            Self::Connect(_) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(incoming) => incoming.is_end_stream(),
            Self::Http2(body) => body.stream.is_end_stream(),
            Self::Connect(_) => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(incoming) => incoming.size_hint(),
            Self::Http2(body) => body.n_left.map_or_else(SizeHint::default, SizeHint::with_exact),
            Self::Connect(_) => SizeHint::with_exact(0),
        }
    }
}

// === impl StreamBody ===

impl StreamBody {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if let Some(responding) = self.waits.take() {
            responding.say_continue();
        }
        if !self.is_data_over {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(data)) => return Poll::Ready(Some(Ok(self.took(data)))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => self.is_data_over = true,
            }
        }
        let trailers = ready!(self.stream.poll_trailers(cx)).transpose();
        Poll::Ready(trailers.map(|trailers| trailers.map(Frame::trailers)))
    }

    fn took(&mut self, data: Bytes) -> Frame<Bytes> {
        // The sender may send as much again. Fails where the stream is over, and needs none.
        let _ = self.stream.flow_control().release_capacity(data.len());
        self.n_left = self.n_left.map(|n_left| n_left.saturating_sub(data.len() as u64));
        Frame::data(data)
    }
}

// === impl Broken ===

impl Broken {
    /// How a stream is reset whose message breaks off by it. Other reasons would say of this stream
    /// what was said of another: that it is whole, say, or was not looked at.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Http2(error) if error.reason() == Some(Reason::CANCEL) => Reason::CANCEL,
            Self::Http1(_) | Self::Http2(_) | Self::NotKept => Reason::INTERNAL_ERROR,
        }
    }
}
