//! Sending a request to the entry and reading its answer, as far as it is kept.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use spur_trace::{CapturedBody, CapturedResponse};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// How long an answer may take, to its last byte: who asks waits for it, and half a minute is what
/// the proxy itself gives an upstream.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("the entry at {0} cannot be reached: {1}")]
    Connect(SocketAddr, #[source] std::io::Error),
    #[error("the entry gave no answer: {0}")]
    Http(#[from] hyper::Error),
    #[error("no whole answer within {} s", PATIENCE.as_secs())]
    TooLong,
}

/// The answer, and how long it took from the first byte sent to the last one read.
pub(super) async fn send(
    entry: SocketAddr,
    request: Request<Full<Bytes>>,
) -> Result<(CapturedResponse, Duration), SendError> {
    timeout(PATIENCE, answered(entry, request)).await.unwrap_or(Err(SendError::TooLong))
}

async fn answered(
    entry: SocketAddr,
    request: Request<Full<Bytes>>,
) -> Result<(CapturedResponse, Duration), SendError> {
    let stream = TcpStream::connect(entry).await.map_err(|error| SendError::Connect(entry, error))?;
    let _ = stream.set_nodelay(true);
    let io = TokioIo::new(stream);
    if request.version() == Version::HTTP_2 {
        let (mut sender, connection) = conn::http2::handshake(TokioExecutor::new(), io).await?;
        return exchange(connection, sender.send_request(request)).await;
    }
    let (mut sender, connection) = conn::http1::handshake(io).await?;
    exchange(connection, sender.send_request(request)).await
}

/// Drives the connection until the answer has been read.
async fn exchange(
    connection: impl Future<Output = hyper::Result<()>>,
    sent: impl Future<Output = hyper::Result<Response<Incoming>>>,
) -> Result<(CapturedResponse, Duration), SendError> {
    let started = Instant::now();
    let reading = async {
        let (head, mut incoming) = sent.await?.into_parts();
        let mut response = CapturedResponse {
            status: head.status.as_u16(),
            began: started.elapsed(),
            headers: head.headers,
            body: CapturedBody::default(),
            trailers: http::HeaderMap::new(),
        };
        while let Some(frame) = incoming.frame().await.transpose()? {
            match frame.into_data() {
                Ok(data) => response.body.add(&data),
                Err(frame) => response.trailers = frame.into_trailers().unwrap_or_default(),
            }
        }
        response.body.has_ended = true;
        Ok((response, started.elapsed()))
    };
    tokio::pin!(connection, reading);
    let mut is_open = true;
    loop {
        tokio::select! {
            read = &mut reading => return read,
            // It may end first; what it brought is read still.
            ended = &mut connection, if is_open => {
                is_open = false;
                ended?;
            }
        }
    }
}
