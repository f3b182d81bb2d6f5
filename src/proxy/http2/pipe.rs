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
                if !data.is_empty() && !poll_fn(|cx| poll_room(&mut stream, cx)).await {
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

/// Whether the receiver takes data now; `false` where it will not any more.
fn poll_room(stream: &mut SendStream<Bytes>, cx: &mut Context<'_>) -> Poll<bool> {
    if stream.poll_reset(cx).is_ready() {
        return Poll::Ready(false);
    }
    // The least that there can be: h2 asks for as much as is handed to it.
    stream.reserve_capacity(1);
    while stream.capacity() == 0 {
        match ready!(stream.poll_capacity(cx)) {
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Poll::Ready(false),
        }
    }
    Poll::Ready(true)
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
