//! One client connection of HTTP/2: its streams, each a request with its response.

use std::{
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{
    Reason, RecvStream, SendStream,
    server::{Builder, Connection, Handshake, SendResponse},
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as _;
use spur_net::Limits;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::oneshot,
    task::spawn_local,
};
use tracing::debug;

use super::{pipe::pipe, strip_illegal};
use crate::{
    body::ResponseBody,
    connection::Client,
    date,
    incoming::Incoming,
    request,
    switch::{Switching, Tunnel},
};

/// Bytes of interim heads that one try may pass on: a window of HTTP/2. What a client does not read
/// waits here; on a connection of HTTP/1 no second waits at all.
const INTERIM_MAX_BYTES: usize = 64 * 1024;
/// What an interim response without fields counts for: its frame and its status.
const INTERIM_LEAST_BYTES: usize = 16;

/// A connection that is being served; a future that ends with it.
pub(crate) struct Serving<S> {
    client: Rc<Client>,
    state: State<S>,
    is_draining: bool,
}

enum State<S> {
    Begins(Handshake<S, Bytes>),
    Goes(Connection<S, Bytes>),
}

/// The stream into which a response is written. Shared with who passes interim responses on, which
/// hyper's client may do from another thread, as far as it can tell.
#[derive(Debug)]
pub(crate) struct Responding(Mutex<Stream>);

#[derive(Debug)]
struct Stream {
    respond: SendResponse<Bytes>,
    /// The response has begun: what is written now is none that is interim.
    has_begun: bool,
    /// Of the try that is under way; between tries nobody knows it.
    number: u32,
    /// Bytes of interim heads that it still takes.
    n_left: usize,
}

// === impl Serving ===

impl<S> Serving<S>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    pub(crate) fn new(client: Rc<Client>, stream: S) -> Self {
        let state = State::Begins(builder(&client.worker.limits).handshake(stream));
        Self { client, state, is_draining: false }
    }

    /// Lets the requests that have come be answered, and no others.
    pub(crate) fn drain(self: Pin<&mut Self>) {
        let this = self.get_mut();
        this.is_draining = true;
        if let State::Goes(connection) = &mut this.state {
            connection.graceful_shutdown();
        }
    }
}

fn builder(limits: &Limits) -> Builder {
    let mut builder = Builder::new();
    builder
        .max_header_list_size(limits.h2_header_list_max_bytes)
        .max_frame_size(limits.h2_frame_max_bytes)
        .max_concurrent_streams(limits.h2_streams_max)
        .initial_window_size(limits.h2_stream_window_bytes)
        .initial_connection_window_size(limits.h2_connection_window_bytes)
        .max_send_buffer_size(limits.h2_send_buffer_max_bytes)
        .max_pending_accept_reset_streams(limits.h2_resets_pending_max)
        .max_local_error_reset_streams(Some(limits.h2_error_resets_max))
        // RFC 8441 3: WebSockets may come in streams.
        .enable_connect_protocol();
    builder
}

impl<S> Future for Serving<S>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    type Output = Result<(), h2::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            match &mut this.state {
                State::Begins(handshake) => {
                    let mut connection = ready!(Pin::new(handshake).poll(cx))?;
                    if this.is_draining {
                        connection.graceful_shutdown();
                    }
                    this.state = State::Goes(connection);
                }
                State::Goes(connection) => match ready!(connection.poll_accept(cx)).transpose()? {
                    Some((req, respond)) => {
                        // The worker's LocalSet owns the task; it ends with its stream.
                        spawn_local(serve(Rc::clone(&this.client), req, respond));
                    }
                    None => return Poll::Ready(Ok(())),
                },
            }
        }
    }
}

/// Answers one request, unless its client takes it back.
async fn serve(client: Rc<Client>, req: Request<RecvStream>, respond: SendResponse<Bytes>) {
    let (head, recv) = req.into_parts();
    let is_head = head.method == Method::HEAD;
    let stream = Stream { respond, has_begun: false, number: 0, n_left: 0 };
    let responding = Arc::new(Responding(Mutex::new(stream)));
    let (tunnel, body) = if head.method == Method::CONNECT {
        let (tunnel_tx, tunnel_rx) = oneshot::channel();
        (Some((tunnel_tx, recv)), Incoming::Connect(Some(Switching::Http2(tunnel_rx))))
    } else {
        (None, Incoming::in_waiting_stream(recv, &head.headers, &responding))
    };
    // Boxed: it is gone while the body is sent.
    let answer = request::answer(client, Request::from_parts(head, body), Some(&responding));
    let mut answer = Box::pin(answer);
    let answered = poll_fn(|cx| match answer.as_mut().poll(cx) {
        Poll::Ready(rsp) => Poll::Ready(Some(rsp)),
        Poll::Pending => responding.stream().respond.poll_reset(cx).map(|_taken_back| None),
    });
    let Some(rsp) = answered.await else { return };
    drop(answer);
    let (mut head, body) = rsp.into_parts();
    let is_bare = is_head || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    // An upstream's is at its end, and is read to it.
    let is_left_out = is_bare && matches!(body, ResponseBody::Own(..));
    let is_whole = is_left_out || body.is_end_stream();
    frame(&mut head.headers, Some(&body).filter(|_| is_head || !is_bare));
    let is_tunnel = tunnel.is_some() && head.status.is_success();
    if is_tunnel {
        // RFC 9110 9.3.6.
        head.headers.remove(header::CONTENT_LENGTH);
    }
    let sent = responding.send(Response::from_parts(head, ()), is_whole && !is_tunnel);
    match (sent, tunnel) {
        (Err(error), _) => debug!(error.message = %error, "a response could not be sent"),
        (Ok(send), Some((tunnel_tx, recv))) if is_tunnel => {
            // Whoever wanted it may be gone; it ends then.
            let _ = tunnel_tx.send(Tunnel::new(recv, send));
        }
        (Ok(send), _) if !is_whole => pipe(body, send).await,
        (Ok(_), _) => {}
    }
}

/// What HTTP/2 does not have goes (RFC 9113 8.2.2), what a response should have comes (RFC 9110
/// 6.6.1, 8.6).
fn frame(headers: &mut HeaderMap, body: Option<&ResponseBody>) {
    strip_illegal(headers);
    headers.remove(header::TE);
    headers.entry(header::DATE).or_insert_with(date::now);
    if let Some(body) = body.filter(|body| !body.is_end_stream())
        && let Some(n_bytes) = body.size_hint().exact()
    {
        headers.entry(header::CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(n_bytes));
    }
}

// === impl Responding ===

impl Responding {
    /// A try begins, of which interim responses are passed on: its number.
    pub(crate) fn begin(&self) -> u32 {
        let mut stream = self.stream();
        stream.n_left = INTERIM_MAX_BYTES;
        stream.next()
    }

    /// No interim response of before comes any more.
    pub(crate) fn end(&self) {
        self.stream().next();
    }

    /// Writes an interim response to the try of this number; whether it did.
    pub(crate) fn pass(&self, number: u32, interim: Response<()>) -> bool {
        let n_bytes: usize =
            interim.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        let mut stream = self.stream();
        let Some(n_left) = stream.n_left.checked_sub(n_bytes + INTERIM_LEAST_BYTES) else { return false };
        if stream.number != number {
            return false;
        }
        stream.n_left = n_left;
        stream.send_interim(interim)
    }

    /// Says that the body of the request is wanted.
    pub(crate) fn say_continue(&self) {
        let mut rsp = Response::new(());
        *rsp.status_mut() = StatusCode::CONTINUE;
        // Where the response has begun nobody waits.
        self.stream().send_interim(rsp);
    }

    fn send(&self, rsp: Response<()>, is_whole: bool) -> Result<SendStream<Bytes>, h2::Error> {
        let mut stream = self.stream();
        stream.has_begun = true;
        let sent = stream.respond.send_response(rsp, is_whole);
        sent.inspect_err(|_| stream.respond.send_reset(Reason::INTERNAL_ERROR))
    }

    fn stream(&self) -> MutexGuard<'_, Stream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Stream ===

impl Stream {
    fn next(&mut self) -> u32 {
        self.number = self.number.wrapping_add(1);
        self.number
    }

    fn send_interim(&mut self, interim: Response<()>) -> bool {
        !self.has_begun && self.respond.send_informational(interim).is_ok()
    }
}
