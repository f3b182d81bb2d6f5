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
    body: B,
    /// Dropped with the body, which hyper drops once it is sent.
    _busy: Option<Busy>,
}

// === impl Guarded ===

impl<B> Guarded<B> {
    pub(crate) fn new(body: B, busy: Option<Busy>) -> Self {
        Self { body, _busy: busy }
    }
}

impl<B: Body + Unpin> Body for Guarded<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
