//! Bodies on their way through: counted, cleaned of forbidden trailers, never collected.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use spur_net::Busy;
use spur_trace::HopError;
use tokio::time::{Sleep, sleep_until};

use crate::{
    attempts::{Deadline, Held},
    grpc_web::{Decoder, GrpcWeb, NotBase64},
    hop::Hop,
    incoming::{Broken, Incoming},
    pool::Lease,
    replay::{Kept, Polled},
    respond::grpc_trailers,
};

/// A client's body on its way to an upstream.
#[derive(Debug)]
pub(crate) struct RequestBody {
    source: Source,
    /// Undoes the base64 of gRPC-Web.
    decoder: Option<Decoder>,
    hop: Rc<Hop>,
}

/// Why a client's body cannot be sent on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestBodyError {
    /// The client broke it off.
    #[error(transparent)]
    Client(Broken),
    /// It is not what it says it is.
    #[error(transparent)]
    NotBase64(NotBase64),
}

/// Where a request's body comes from.
#[derive(Debug)]
enum Source {
    /// The client, once.
    Once(Incoming),
    /// The client, and for further tries what was kept; up to this place it was handed on.
    Kept(Rc<Kept>, usize),
    /// Nowhere: there is none.
    Empty,
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
    /// How it is told to a client of gRPC-Web.
    web: Option<GrpcWeb>,
    /// What the request takes up until then.
    _held: Held,
    /// When all of it must be over, and what has happened then.
    deadline: Option<(Pin<Box<Sleep>>, HopError)>,
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

/// Why a response breaks off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The upstream broke it off.
    #[error(transparent)]
    Upstream(Broken),
    /// It took longer than its rule allows.
    #[error("the response took too long")]
    TimedOut,
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
        Self { source: Source::Once(incoming), decoder: None, hop }
    }

    /// A body that can be sent again.
    pub(crate) fn keeping(incoming: Incoming, hop: Rc<Hop>) -> Self {
        let source = match incoming.is_end_stream() {
            true => Source::Empty,
            false => Source::Kept(Rc::new(Kept::new(incoming)), 0),
        };
        Self { source, decoder: None, hop }
    }

    /// The same body from its beginning, unless that was not kept.
    pub(crate) fn again(&self) -> Option<Self> {
        let source = match &self.source {
            Source::Once(_) => return None,
            Source::Kept(kept, _) if kept.is_lost() => return None,
            Source::Kept(kept, _) => Source::Kept(Rc::clone(kept), 0),
            Source::Empty => Source::Empty,
        };
        let decoder = self.decoder.as_ref().map(|_| Decoder::default());
        Some(Self { source, decoder, hop: Rc::clone(&self.hop) })
    }

    /// The same body, its base64 undone.
    pub(crate) fn decoding(self) -> Self {
        Self { decoder: Some(Decoder::default()), ..self }
    }
}

// === impl Source ===

impl Source {
    /// The next frame, and whether it came from the client now.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Polled> {
        match self {
            Self::Once(incoming) => Pin::new(incoming).poll_frame(cx).map(|polled| (polled, true)),
            Self::Kept(kept, place) => {
                let (polled, is_new) = ready!(kept.poll_frame(*place, cx));
                *place += usize::from(matches!(polled, Some(Ok(_))));
                Poll::Ready((polled, is_new))
            }
            Self::Empty => Poll::Ready((None, true)),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let Poll::Ready((polled, is_new)) = self.source.poll(cx) else {
            self.hop.client_awaited();
            return Poll::Pending;
        };
        match &polled {
            Some(Ok(frame)) => self.hop.add_request_data(frame.data_ref().filter(|_| is_new)),
            // Ours, and not the client's.
            Some(Err(Broken::NotKept)) => {}
            Some(Err(_)) => self.hop.client_failed(),
            None => self.hop.request_ended(),
        }
        // hyper asks no further where it knows that nothing comes.
        if self.is_end_stream() {
            self.hop.request_ended();
        }
        let polled = polled.map(|frame| frame.map(clean_trailers).map_err(RequestBodyError::Client));
        let this = &mut *self;
        let Some(decoder) = &mut this.decoder else { return Poll::Ready(polled) };
        let decoded = decode(decoder, polled);
        if let Some(Err(_)) = &decoded {
            this.hop.client_failed();
        }
        Poll::Ready(decoded)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Once(incoming) => incoming.is_end_stream(),
            Source::Kept(kept, place) => kept.is_at_end(*place),
            Source::Empty => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            // What is decoded is shorter.
            _ if self.decoder.is_some() => SizeHint::default(),
            Source::Once(incoming) => incoming.size_hint(),
            Source::Kept(kept, _) => *kept.hint(),
            Source::Empty => SizeHint::with_exact(0),
        }
    }
}

/// The next frame without its base64.
fn decode(
    decoder: &mut Decoder,
    polled: Option<Result<Frame<Bytes>, RequestBodyError>>,
) -> Option<Result<Frame<Bytes>, RequestBodyError>> {
    let is_cut_off = polled.is_none() && !decoder.is_at_end();
    if is_cut_off {
        *decoder = Decoder::default();
        return Some(Err(RequestBodyError::NotBase64(NotBase64)));
    }
    let frame = match polled? {
        Ok(frame) => frame,
        Err(error) => return Some(Err(error)),
    };
    Some(match frame.into_data() {
        Ok(text) => decoder.decode(&text).map(Frame::data).map_err(RequestBodyError::NotBase64),
        Err(trailers) => Ok(trailers),
    })
}

// === impl ResponseBody ===

impl ResponseBody {
    /// All of our own body; nothing of an upstream's.
    pub(crate) fn own(&self) -> Option<Bytes> {
        let Self::Own(body, _) = self else { return None };
        let mut again = body.clone();
        match Pin::new(&mut again).poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(frame))) => frame.into_data().ok(),
            Poll::Ready(_) | Poll::Pending => None,
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
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
            Self::Upstream(body) if body.web.is_some() => SizeHint::default(),
            Self::Upstream(body) => body.incoming.size_hint(),
            Self::Own(body, _) => body.size_hint(),
        }
    }
}

// === impl UpstreamBody ===

impl UpstreamBody {
    pub(crate) fn new(
        incoming: Incoming,
        (hop, lease, held): (Rc<Hop>, Lease, Held),
        (means, web, deadline): (Means, Option<GrpcWeb>, Option<Deadline>),
    ) -> Self {
        // A body that has ended needs no clock.
        let deadline = deadline.filter(|_| !incoming.is_end_stream());
        let deadline = deadline.map(|deadline| (Box::pin(sleep_until(deadline.at)), deadline.error));
        Self { incoming, hop, lease: Some(lease), means, web, _held: held, deadline }
    }

    /// The next frame, as the client can read it.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = ready!(self.poll_upstream(cx));
        let (Some(web), Some(Ok(_))) = (self.web, &polled) else { return Poll::Ready(polled) };
        Poll::Ready(polled.map(|frame| frame.map(|frame| in_web(web, frame))))
    }

    /// An error is handed on: hyper then breaks the response off, so the client
    /// does not take what it has for the whole (RFC 9112 8). A gRPC client is told by status.
    fn poll_upstream(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.means == Means::Over {
            return Poll::Ready(None);
        }
        if let Some((sleep, error)) = &mut self.deadline
            && sleep.as_mut().poll(cx).is_ready()
        {
            let error = *error;
            return self.break_off(error);
        }
        let polled = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        match &polled {
            Some(Ok(frame)) => self.hop.add_response_frame(frame),
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
        Poll::Ready(polled.map(|frame| frame.map(clean_trailers).map_err(BodyError::Upstream)))
    }

    /// The time is up: the client must not take what it has for the whole.
    fn break_off(&mut self, error: HopError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.lease = None;
        self.hop.end(Some(error));
        if self.means == Means::Grpc {
            self.means = Means::Over;
            return Poll::Ready(Some(Ok(Frame::trailers(grpc_trailers(error)))));
        }
        self.means = Means::Over;
        Poll::Ready(Some(Err(BodyError::TimedOut)))
    }

    fn finish(&mut self) {
        if let Some(lease) = self.lease.take() {
            match self.means {
                Means::Usual | Means::Grpc => lease.give_back(),
                Means::Declined | Means::Over => drop(lease),
            }
            self.hop.response_ended();
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

fn in_web(web: GrpcWeb, frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_data() {
        Ok(data) => Frame::data(web.data(data)),
        Err(frame) => match frame.into_trailers() {
            Ok(trailers) => Frame::data(web.trailers(&trailers)),
            Err(frame) => frame,
        },
    }
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
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
        header::AUTHORIZATION,
        header::SET_COOKIE,
        spur_route::SPUR_KEY.clone(),
    ] {
        trailers.remove(name);
    }
}
