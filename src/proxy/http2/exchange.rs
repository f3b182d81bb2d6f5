//! One request to an upstream in a stream of its own, up to the head of its response.

use std::{future::poll_fn, task::Poll};

use bytes::Bytes;
use h2::{SendStream, client::SendRequest};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as _;
use tokio::{
    sync::oneshot,
    task::{AbortHandle, spawn_local},
};

use super::{pipe::pipe, strip_illegal};
use crate::{
    body::RequestBody,
    incoming::Incoming,
    interim::Sink,
    pool::NotSent,
    switch::{Switching, Tunnel},
};

/// A body that is perhaps still being sent; dropped, it is broken off.
#[derive(Debug)]
pub(crate) struct Sending(Option<AbortHandle>);

/// Sends `req` and waits for its response; interim ones go to `interims`. Dropped before, the stream
/// is reset; so it is afterwards, where both the response and the body are dropped.
pub(crate) async fn exchange(
    mut sender: SendRequest<Bytes>,
    req: Request<RequestBody>,
    interims: Option<Sink>,
) -> Result<(Response<Incoming>, Sending), NotSent> {
    if poll_fn(|cx| sender.poll_ready(cx)).await.is_err() {
        return Err(NotSent::Unsent(Box::new(req)));
    }
    let (mut head, body) = req.into_parts();
    let is_connect = head.method == Method::CONNECT;
    if let Some(n_bytes) = body.size_hint().exact()
        && !is_connect
        && (n_bytes != 0 || means_something_empty(&head.method))
    {
        head.headers.entry(header::CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(n_bytes));
    }
    strip_illegal(&mut head.headers);
    if head.headers.get(header::TE).is_some_and(|te| te != "trailers") {
        head.headers.remove(header::TE);
    }
    let is_whole = !is_connect && body.is_end_stream();
    let sent = sender.send_request(Request::from_parts(head, ()), is_whole);
    let (mut response, stream) = sent.map_err(|error| NotSent::Failed(error.into()))?;
    let (sending, stream) = match (is_whole, is_connect) {
        (true, _) => (Sending(None), None),
        (_, true) => (Sending(None), Some(stream)),
        _ => (Sending::begin(body, stream).await, None),
    };
    let responded = poll_fn(|cx| {
        while let Some(sink) = &interims
            && let Poll::Ready(Some(Ok(interim))) = response.poll_informational(cx)
        {
            sink.pass(interim.status(), interim.headers());
        }
        std::pin::Pin::new(&mut response).poll(cx)
    });
    let rsp = responded.await.map_err(|error| NotSent::Failed(error.into()))?;
    let (head, recv) = rsp.into_parts();
    let body = match stream.filter(|_| head.status == StatusCode::OK) {
        Some(send) => {
            let (tunnel_tx, tunnel_rx) = oneshot::channel();
            let _is_held_here = tunnel_tx.send(Tunnel::new(recv, send));
            Incoming::Connect(Some(Switching::Http2(tunnel_rx)))
        }
        None => Incoming::in_stream(recv, &head.headers),
    };
    Ok((Response::from_parts(head, body), sending))
}

/// Whether it says something that a request of this method has an empty body (RFC 9110 8.6).
fn means_something_empty(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::DELETE | Method::CONNECT)
}

// === impl Sending ===

impl Sending {
    /// A short body that is there is sent at once; for another there is a task.
    async fn begin(body: RequestBody, stream: SendStream<Bytes>) -> Self {
        let mut sending = Box::pin(pipe(body, stream));
        let is_sent = poll_fn(|cx| Poll::Ready(sending.as_mut().poll(cx).is_ready())).await;
        Self((!is_sent).then(|| spawn_local(sending).abort_handle()))
    }

    /// The response is whole, and the body may go on by itself.
    pub(crate) fn goes_on(mut self) {
        self.0 = None;
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}
