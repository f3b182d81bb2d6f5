//! What a handler leaves unread of a request's body.
//!
//! Over HTTP/1 the next request follows the body. A client that is answered early, and is not told
//! that the connection ends, sends its next request into a connection that is being closed, and
//! finds no answer. So a short rest is read, and for a long one the answer says `Connection: close`.
//! HTTP/2 ends a stream alone; nothing is done there.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONNECTION, EXPECT};
use http::{HeaderValue, Request, Version};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use spur_net::Peer;

use crate::answer::Answer;

/// The longest rest that is read: 256 KiB, as Go's server (`net/http`, `maxPostHandlerReadBytes`).
const REST_MAX_BYTES: u64 = 256 << 10;

/// How long the rest may take to come. The client is waiting for an answer, and whoever is not
/// sending by then is told that the connection ends.
const REST_TIMEOUT: Duration = Duration::from_millis(500);

/// A body that comes back when the handler drops it.
struct Lent {
    body: Body,
    slot: Slot,
}

type Slot = Arc<Mutex<Option<Body>>>;

/// Has `handler` answer, and leaves the connection so that another request can follow or the client
/// knows that none can.
pub(crate) async fn answer<F>(request: Request<Body>, handler: impl FnOnce(Request<Body>) -> F) -> Answer
where
    F: Future<Output = Answer>,
{
    // Who asks in process has no connection, and its next request comes whatever is left.
    let has_connection = request.extensions().get::<Peer>().is_some();
    if !has_connection || request.version() >= Version::HTTP_2 || request.body().is_end_stream() {
        return handler(request).await;
    }
    // Reading on would have hyper ask for what the client holds back.
    let is_held_back = request.headers().contains_key(EXPECT);
    let slot = Slot::default();
    let lent = request.map(|body| Body::new(Lent { body, slot: slot.clone() }));
    let mut answer = handler(lent).await;
    let rest = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(rest) = rest
        && (is_held_back && !rest.is_end_stream() || !is_read_to_the_end(rest).await)
    {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

async fn is_read_to_the_end(mut rest: Body) -> bool {
    if rest.is_end_stream() {
        return true;
    }
    if rest.size_hint().lower() > REST_MAX_BYTES {
        return false;
    }
    let read = async {
        let mut n_bytes = 0;
        while let Some(frame) = rest.frame().await {
            n_bytes += frame.ok()?.data_ref().map_or(0, |data| data.len() as u64);
            if n_bytes > REST_MAX_BYTES {
                return None;
            }
        }
        Some(())
    };
    matches!(tokio::time::timeout(REST_TIMEOUT, read).await, Ok(Some(())))
}

// === impl Lent ===

impl http_body::Body for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let body = std::mem::take(&mut self.body);
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
    }
}
