//! The accept loop and heads that it refuses by itself.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use hyper::{body::Incoming, client::conn, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use spur_net::{Limits, Listening, bind_loopback, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Anything that has not happened by then is a failure.
const PATIENCE: Duration = Duration::from_secs(10);

struct Server {
    address: SocketAddr,
    _stop: DropGuard,
}

fn run(limits: Limits) -> Server {
    let listener = bind_loopback().unwrap();
    let address = listener.local_addr().unwrap();
    let service = service_fn(|_: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hi"))))
    });
    let stop = CancellationToken::new();
    let listening = Listening { tcp: TcpListener::from_std(listener).unwrap(), tls: None };
    tokio::spawn(serve(listening, service, limits, stop.clone()));
    Server { address, _stop: stop.drop_guard() }
}

impl Server {
    /// Everything that is said to `bytes` until the connection is closed.
    async fn said(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes.as_ref()).await.unwrap();
        let mut all = Vec::new();
        // A reset is a way to close, too.
        let _ = timeout(PATIENCE, stream.read_to_end(&mut all)).await.expect("the server closes");
        String::from_utf8_lossy(&all).into_owned()
    }
}

#[tokio::test]
async fn a_head_that_hides_something_is_refused_behind_one_that_does_not() {
    let server = run(Limits::default());
    for bad in [
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ncontent-length: 6\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nhi",
        "GET / HTTP/1.1\nhost: x\r\n\r\n",
        "GET /#x HTTP/1.1\r\nhost: x\r\n\r\n",
    ] {
        let good = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        let said = server.said(format!("{good}{bad}{good}")).await;
        let n = |status: &str| said.matches(&format!("HTTP/1.1 {status}\r\n")).count();
        assert_eq!((n("200 OK"), n("400 Bad Request")), (1, 1), "{bad:?}: {said}");
    }
}

#[tokio::test]
async fn bare_line_feeds_are_a_matter_of_configuration() {
    let mut limits = Limits::default();
    limits.set("bare-line-feeds=accept").unwrap();
    let server = run(limits);
    let said = server.said(b"GET / HTTP/1.1\nhost: x\nconnection: close\n\n").await;
    assert!(said.starts_with("HTTP/1.1 200 OK"), "{said}");
}

#[tokio::test]
async fn headers_are_counted_over_both_protocols() {
    let server = run(Limits { n_headers_max: 50, ..Limits::default() });
    for (n_headers, status) in [(40, 200), (60, 431)] {
        let fields: String = (0..n_headers).map(|idx| format!("x-{idx}: 1\r\n")).collect();
        let head = format!("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{fields}\r\n");
        let said = server.said(head).await;
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{said}");
        let io = TokioIo::new(TcpStream::connect(server.address).await.unwrap());
        let (mut send, connection) = conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        let mut req = Request::get("http://x/").body(Empty::<Bytes>::new()).unwrap();
        for idx in 0..n_headers {
            let name: http::HeaderName = format!("x-{idx}").parse().unwrap();
            req.headers_mut().insert(name, http::HeaderValue::from_static("1"));
        }
        assert_eq!(send.send_request(req).await.unwrap().status().as_u16(), status);
    }
}
