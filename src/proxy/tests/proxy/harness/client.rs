//! A client with one connection at a time, HTTP/1.1 or HTTP/2, and one made of bytes.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full, combinators::BoxBody};
use hyper::{body::Incoming, client::conn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::PATIENCE;

pub(crate) type Body = BoxBody<Bytes, std::io::Error>;

/// A WebSocket handshake for `chat`, and the answer to it as far as the proxy looks at it.
pub(crate) const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nhost: chat.shop.localhost\r\nconnection: upgrade\r\n\
    upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
pub(crate) const SWITCHED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";

/// What to ask, and where.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    host: String,
    headers: Vec<(String, String)>,
    method: Method,
    body: Option<Bytes>,
}

/// A whole response.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) bytes: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr, host: &str) -> Self {
        Self { address, host: host.to_owned(), headers: Vec::new(), method: Method::GET, body: None }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.method = Method::POST;
        self.body = Some(body.into());
        self
    }

    /// Asks over a new HTTP/1.1 connection and reads the whole answer.
    pub(crate) async fn get(&self, path: &str) -> Got {
        whole(self.send(path).await).await.unwrap()
    }

    /// The same over HTTP/2.
    pub(crate) async fn get_h2(&self, path: &str) -> Got {
        whole(self.send_h2(path).await).await.unwrap()
    }

    /// The response's head over HTTP/1.1, its body still to come.
    pub(crate) async fn send(&self, path: &str) -> Response<Incoming> {
        let mut connection = self.connect().await;
        timeout(PATIENCE, connection.send_request(self.request(path))).await.unwrap().unwrap()
    }

    pub(crate) async fn send_h2(&self, path: &str) -> Response<Incoming> {
        let mut connection = self.connect_h2().await;
        let req = self.request_h2(path);
        timeout(PATIENCE, connection.send_request(req)).await.unwrap().unwrap()
    }

    /// One connection for several requests.
    pub(crate) async fn connect(&self) -> conn::http1::SendRequest<Body> {
        let io = TokioIo::new(TcpStream::connect(self.address).await.unwrap());
        let (sender, connection) = conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        sender
    }

    pub(crate) async fn connect_h2(&self) -> conn::http2::SendRequest<Body> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        // As all clients of HTTP/2 do: window updates are small.
        stream.set_nodelay(true).unwrap();
        let io = TokioIo::new(stream);
        let (sender, connection) = conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    pub(crate) fn request(&self, path: &str) -> Request<Body> {
        let mut request = Request::builder().method(self.method.clone()).uri(path).header("host", &self.host);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(self.boxed()).unwrap()
    }

    pub(crate) fn request_h2(&self, path: &str) -> Request<Body> {
        let mut request =
            Request::builder().method(self.method.clone()).uri(format!("http://{}{path}", self.host));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(self.boxed()).unwrap()
    }

    fn boxed(&self) -> Body {
        match &self.body {
            Some(body) => Full::new(body.clone()).map_err(|never| match never {}).boxed(),
            None => Empty::new().map_err(|never| match never {}).boxed(),
        }
    }
}

impl Got {
    /// Why the proxy answered itself, or nothing.
    pub(crate) fn reason(&self) -> &str {
        self.headers.get("spur-reason").map_or("", |reason| reason.to_str().unwrap())
    }
}

/// A connection of HTTP/2 by h2 itself.
pub(crate) async fn streams(address: SocketAddr) -> h2::client::SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Reads a response to its end; an error where it was broken off.
pub(crate) async fn whole(rsp: Response<Incoming>) -> Result<Got, hyper::Error> {
    let (head, body) = rsp.into_parts();
    let body = timeout(PATIENCE, body.collect()).await.expect("the body ends")?;
    let trailers = body.trailers().cloned();
    let bytes = body.to_bytes();
    Ok(Got {
        status: head.status,
        headers: head.headers,
        text: String::from_utf8_lossy(&bytes).into_owned(),
        bytes,
        trailers,
    })
}

/// Sends `bytes` and reads until the other side closes.
pub(crate) async fn raw(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // It may be refused before all of it was sent.
    let _ = stream.write_all(bytes.as_ref()).await;
    let mut all = Vec::new();
    // A reset is a way to close, too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut all)).await.expect("the proxy closes");
    String::from_utf8_lossy(&all).into_owned()
}

/// Reads up to the end of a head.
pub(crate) async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}
