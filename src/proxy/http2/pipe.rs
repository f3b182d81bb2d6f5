//! Sending a body into a stream.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body;

use crate::body::{BodyError, RequestBodyError};

/// How the stream is reset of which the body breaks off.
pub(super) trait ResetBy {
    fn reason(&self) -> Reason;
}

/// Sends `body` to its end, as fast as its receiver takes it. Where the body breaks off the stream is
/// reset, so that nobody takes what came for the whole; where the receiver wants no more, it ends.
pub(super) async fn pipe<B>(mut body: B, mut stream: SendStream<Bytes>)
where
    B: Body<Data = Bytes, Error: ResetBy> + Unpin,
{
    loop {
        let next = poll_fn(|cx| match stream.poll_reset(cx) {
            Poll::Ready(_) => Poll::Ready(None),
            Poll::Pending => Pin::new(&mut body).poll_frame(cx).map(Some),
        });
        let Some(next) = next.await else { return };
        let frame = match next {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return stream.send_reset(error.reason()),
            None => {
                // Fails where the stream is over.
                let _ = stream.send_data(Bytes::new(), true);
                return;
            }
        };
        match frame.into_data() {
            Ok(data) => {
                let is_last = body.is_end_stream();
                // With data in hand: what is reserved by streams that have none is lacked by others.
                if !data.is_empty() && poll_fn(|cx| poll_room(&mut stream, 1, cx)).await.is_err() {
                    return;
                }
                if stream.send_data(data, is_last).is_err() || is_last {
                    return;
                }
            }
            Err(frame) => {
                let Ok(trailers) = frame.into_trailers() else { continue };
                stream.reserve_capacity(0);
                // As above.
                let _ = stream.send_trailers(trailers);
                return;
            }
        }
    }
}

/// How many bytes the receiver takes now, where so many are to be sent; an error where it takes no more.
/// For a body one is enough to ask for: h2 asks for as much as is handed to it.
pub(crate) fn poll_room(
    stream: &mut SendStream<Bytes>,
    n_wanted: usize,
    cx: &mut Context<'_>,
) -> Poll<Result<usize, h2::Error>> {
    if let Poll::Ready(reset) = stream.poll_reset(cx) {
        return Poll::Ready(Err(reset.map_or_else(|error| error, h2::Error::from)));
    }
    stream.reserve_capacity(n_wanted);
    loop {
        match stream.capacity() {
            0 => match ready!(stream.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => return Poll::Ready(Err(Reason::STREAM_CLOSED.into())),
            },
            n_bytes => return Poll::Ready(Ok(n_bytes)),
        }
    }
}

impl ResetBy for BodyError {
    fn reason(&self) -> Reason {
        match self {
            Self::Upstream(broken) => broken.reason(),
            Self::TimedOut => Reason::INTERNAL_ERROR,
        }
    }
}

impl ResetBy for RequestBodyError {
    fn reason(&self) -> Reason {
        match self {
            Self::Client(broken) => broken.reason(),
            Self::NotBase64(_) => Reason::INTERNAL_ERROR,
        }
    }
}
