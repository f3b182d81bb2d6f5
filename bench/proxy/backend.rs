//! What stands behind the proxies: cheaper than any of them, so that the proxy is what is busy.
//!
//! The HTTP/1.1 side reads heads by their empty line only, since a server that parses would cost
//! the load's core as much as the proxy costs its own. `/1k` and `/1m` are bodies of that size,
//! everything else is two bytes, and a WebSocket is echoed. The HTTP/2 side echoes gRPC messages.

use std::convert::Infallible;
use std::io::BufRead;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, BodyStream, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::process::Running;

/// The backend's process.
pub(crate) struct Backend {
    pub(crate) http1: SocketAddr,
    pub(crate) http2: SocketAddr,
    _process: Running,
}

type Body = BoxBody<Bytes, hyper::Error>;

// === impl Backend ===

impl Backend {
    /// Starts one on this process's core.
    pub(crate) fn start() -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut process = Running::start(command.arg("backend").stdout(Stdio::piped()));
        let mut lines = std::io::BufReader::new(process.stdout()).lines();
        let mut address = || lines.next().unwrap().unwrap().parse().unwrap();
        Self { http1: address(), http2: address(), _process: process }
    }
}

/// Prints its two addresses and serves until it is ended.
pub(crate) fn run() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let http1 = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http2 = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}\n{}", http1.local_addr().unwrap(), http2.local_addr().unwrap());
        loop {
            tokio::select! {
                Ok((stream, _)) = http1.accept() => drop(tokio::spawn(serve_http1(stream))),
                Ok((stream, _)) = http2.accept() => drop(tokio::spawn(serve_http2(stream))),
            }
        }
    });
}

async fn serve_http1(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut read = Vec::with_capacity(16 * 1024);
    while stream.read_buf(&mut read).await? > 0 {
        while let Some(end) = find(&read, b"\r\n\r\n") {
            let head: Vec<u8> = read.drain(..end + 4).collect();
            if let Some(key) = websocket_key(&head) {
                return echo_websocket(stream, &key).await;
            }
            stream.write_all(response(&head)).await?;
            if has(&head, b"connection: close") {
                return stream.shutdown().await;
            }
        }
    }
    Ok(())
}

fn response(head: &[u8]) -> &'static [u8] {
    static SMALL: LazyLock<Vec<u8>> = LazyLock::new(|| of_size(2));
    static KIBIBYTE: LazyLock<Vec<u8>> = LazyLock::new(|| of_size(1024));
    static MEBIBYTE: LazyLock<Vec<u8>> = LazyLock::new(|| of_size(1024 * 1024));
    let target = head.splitn(3, |byte| *byte == b' ').nth(1).unwrap_or_default();
    match target {
        b"/1k" => &KIBIBYTE,
        b"/1m" => &MEBIBYTE,
        _ => &SMALL,
    }
}

fn of_size(size: usize) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {size}\r\n\r\n");
    [head.into_bytes(), vec![b'x'; size]].concat()
}

fn websocket_key(head: &[u8]) -> Option<String> {
    has(head, b"sec-websocket-key: ").then(|| {
        let head = String::from_utf8_lossy(head);
        let mut fields = head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key")).unwrap().1.to_owned()
    })
}

async fn echo_websocket(mut stream: TcpStream, key: &str) -> std::io::Result<()> {
    let accept = derive_accept_key(key.as_bytes());
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {accept}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let (tx, rx) = WebSocketStream::from_raw_socket(stream, Role::Server, None).await.split();
    let _the_client_closes =
        rx.try_filter(|message| std::future::ready(message.is_binary())).forward(tx).await;
    Ok(())
}

async fn serve_http2(stream: TcpStream) -> hyper::Result<()> {
    let _it_is_slower_otherwise = stream.set_nodelay(true);
    hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service_fn(answer))
        .await
}

/// gRPC messages come back as they are, as soon as they are here.
async fn answer(req: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let (parts, body) = req.into_parts();
    let Some(content_type) = parts.headers.get(header::CONTENT_TYPE).cloned() else {
        let body = Full::new(Bytes::from_static(b"ok")).map_err(|infallible| match infallible {});
        return Ok(Response::new(body.boxed()));
    };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let end = stream::once(std::future::ready(Ok(Frame::trailers(trailers))));
    let body = StreamBody::new(BodyStream::new(body).chain(end));
    let mut rsp = Response::new(BodyExt::boxed(body));
    rsp.headers_mut().insert(header::CONTENT_TYPE, content_type);
    Ok(rsp)
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// Whether a head holds a field, in whatever case.
fn has(head: &[u8], field: &[u8]) -> bool {
    head.split(|byte| *byte == b'\n')
        .any(|line| line.get(..field.len()).is_some_and(|start| start.eq_ignore_ascii_case(field)))
}
