//! A request that can be sent again: a copy of its head, and its body as far as it is short.
//!
//! Whether it is sent again is decided in `attempts`.

use std::{
    cell::{Cell, RefCell},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::ext::Protocol;
use http::{HeaderMap, Method, Request, Uri, Version};
use http_body::{Body, Frame, SizeHint};

use crate::{
    body::RequestBody,
    incoming::{Broken, Incoming},
};

/// Bytes of a body that are kept, with what keeps them. 64 KiB, one window of HTTP/2; Envoy keeps 1 MiB
/// (`per_request_buffer_limit_bytes`), which a thousand requests make a gigabyte.
const KEPT_MAX_BYTES: usize = 64 * 1024;

/// What is kept of a request.
#[derive(Debug)]
pub(crate) struct Replay {
    method: Method,
    uri: Uri,
    version: Version,
    headers: HeaderMap,
    /// Without it a WebSocket over HTTP/2 would be a tunnel (RFC 8441 4).
    protocol: Option<Protocol>,
    /// From its beginning.
    body: RequestBody,
}

/// A body of which the beginning is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    incoming: RefCell<Incoming>,
    frames: RefCell<Vec<Kind>>,
    n_bytes: Cell<usize>,
    /// Frames that came, kept or not.
    n_taken: Cell<usize>,
    has_broken_off: Cell<bool>,
    /// It is longer than what is kept, or broke off: nothing is kept any more.
    is_lost: Cell<bool>,
    hint: SizeHint,
}

/// A frame, if there is one, and whether it came from the client now.
pub(crate) type Polled = (Option<Result<Frame<Bytes>, Broken>>, bool);

#[derive(Clone, Debug)]
enum Kind {
    Data(Bytes),
    Trailers(HeaderMap),
}

// === impl Replay ===

impl Replay {
    /// Takes a copy of the request's head; `None` where its body is not kept.
    pub(crate) fn of(req: &Request<RequestBody>) -> Option<Self> {
        let body = req.body().again()?;
        Some(Self {
            body,
            method: req.method().clone(),
            uri: req.uri().clone(),
            version: req.version(),
            headers: req.headers().clone(),
            protocol: req.extensions().get().cloned(),
        })
    }

    /// The request from its beginning, unless too much of its body has been sent.
    pub(crate) fn again(&self) -> Option<Request<RequestBody>> {
        let mut req = Request::new(self.body.again()?);
        *req.method_mut() = self.method.clone();
        *req.uri_mut() = self.uri.clone();
        *req.version_mut() = self.version;
        req.headers_mut().clone_from(&self.headers);
        if let Some(protocol) = &self.protocol {
            req.extensions_mut().insert(protocol.clone());
        }
        Some(req)
    }
}

// === impl Kept ===

impl Kept {
    pub(crate) fn new(incoming: Incoming) -> Self {
        Self {
            hint: incoming.size_hint(),
            incoming: RefCell::new(incoming),
            frames: RefCell::default(),
            n_bytes: Cell::new(0),
            n_taken: Cell::new(0),
            has_broken_off: Cell::new(false),
            is_lost: Cell::new(false),
        }
    }

    /// The frame at this place: one that was kept, or the next that comes.
    pub(crate) fn poll_frame(&self, place: usize, cx: &mut Context<'_>) -> Poll<Polled> {
        if let Some(kind) = self.frames.borrow().get(place) {
            return Poll::Ready((Some(Ok(kind.clone().into())), false));
        }
        // Of a try that began before it was known that not all would be kept.
        if place < self.n_taken.get() || self.has_broken_off.get() {
            return Poll::Ready((Some(Err(Broken::NotKept)), false));
        }
        let polled = ready!(std::pin::Pin::new(&mut *self.incoming.borrow_mut()).poll_frame(cx));
        match &polled {
            Some(Ok(frame)) => {
                self.n_taken.set(self.n_taken.get() + 1);
                self.keep(frame);
            }
            // What came is not all of it.
            Some(Err(_)) => {
                self.has_broken_off.set(true);
                self.forget();
            }
            None => {}
        }
        Poll::Ready((polled, true))
    }

    /// Whether its beginning is not kept any more.
    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost.get()
    }

    pub(crate) fn is_at_end(&self, place: usize) -> bool {
        let is_whole = !self.has_broken_off.get() && self.incoming.borrow().is_end_stream();
        is_whole && place >= self.n_taken.get()
    }

    /// Of the whole body.
    pub(crate) fn hint(&self) -> &SizeHint {
        &self.hint
    }

    fn forget(&self) {
        self.is_lost.set(true);
        self.frames.borrow_mut().clear();
    }

    fn keep(&self, frame: &Frame<Bytes>) {
        if self.is_lost.get() {
            return;
        }
        // Bytes that come one by one take more than they are.
        let n_bytes = frame.data_ref().map_or(0, Bytes::len) + size_of::<Kind>();
        self.n_bytes.set(self.n_bytes.get() + n_bytes);
        if self.n_bytes.get() > KEPT_MAX_BYTES {
            return self.forget();
        }
        let data = frame.data_ref().cloned().map(Kind::Data);
        let kind = data.or_else(|| frame.trailers_ref().cloned().map(Kind::Trailers));
        self.frames.borrow_mut().extend(kind);
    }
}

impl From<Kind> for Frame<Bytes> {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Data(data) => Frame::data(data),
            Kind::Trailers(trailers) => Frame::trailers(trailers),
        }
    }
}
