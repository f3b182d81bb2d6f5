//! A response body that keeps its connection busy until it is done.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http_body::{Body, Frame, SizeHint};

use crate::Busy;

/// `body`, with the guard of its request.
#[derive(Debug)]
pub(crate) struct Guarded<B> {
    /// Absent where there is nothing to send.
    body: Option<B>,
    /// Dropped with the body, which hyper drops once it is sent.
    _busy: Option<Busy>,
}

// === impl Guarded ===

impl<B> Guarded<B> {
    pub(crate) fn new(body: B, busy: Option<Busy>) -> Self {
        Self { body: Some(body), _busy: busy }
    }

    /// No body.
    pub(crate) fn empty(busy: Option<Busy>) -> Self {
        Self { body: None, _busy: busy }
    }
}

impl<B: Body + Unpin> Body for Guarded<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(B::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), B::size_hint)
    }
}
