//! The accept loop at its own door: deadlines, drain, both protocols.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::{body::Incoming, client::conn, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use spur_net::{Limits, Listening, Peer, Served, bind_loopback, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::Notify,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_millis(100);
/// Anything that has not happened by then is a failure.
const PATIENCE: Duration = Duration::from_secs(10);

/// More than the sockets of both sides hold (`tcp_wmem` and `tcp_rmem` are some MB at most).
const MUCH: usize = 64 << 20;

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    done: JoinHandle<Served>,
    /// Told when `/wait` has been reached.
    reached: Arc<Notify>,
    /// Tell it to let `/wait` answer.
    release: Arc<Notify>,
}

fn short_limits() -> Limits {
    Limits {
        first_bytes_timeout: SOON,
        head_timeout: SOON,
        idle_timeout: SOON * 6,
        drain_timeout: SOON * 2,
        ..Limits::default()
    }
}

fn run(limits: Limits) -> Server {
    let listener = bind_loopback().unwrap();
    let address = listener.local_addr().unwrap();
    let (reached, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let stop = CancellationToken::new();
    let service = service_fn({
        let (reached, release) = (Arc::clone(&reached), Arc::clone(&release));
        move |req: Request<Incoming>| {
            let (reached, release) = (Arc::clone(&reached), Arc::clone(&release));
            async move {
                if req.uri().path() == "/much" {
                    return Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(vec![b'x'; MUCH]))));
                }
                if req.uri().path() == "/panic" {
                    panic!("on purpose");
                }
                if req.uri().path() == "/wait" {
                    reached.notify_one();
                    release.notified().await;
                }
                let Peer(peer) = req.extensions().get().copied().unwrap();
                let text = format!("{:?} from {}", req.version(), peer.ip());
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
            }
        }
    });
    let listener = TcpListener::from_std(listener).unwrap();
    let done = tokio::spawn(serve(Listening { tcp: listener, tls: None }, service, limits, stop.clone()));
    Server { address, stop, done, reached, release }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn stopped(self) -> Served {
        self.stop.cancel();
        timeout(PATIENCE, self.done).await.unwrap().unwrap()
    }
}

/// Everything until the server closes, and how long that took.
async fn until_closed(stream: &mut TcpStream) -> (String, Duration) {
    let started = Instant::now();
    let mut all = Vec::new();
    // A reset is a way to close, too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut all)).await.expect("the server closes");
    (String::from_utf8_lossy(&all).into_owned(), started.elapsed())
}

#[tokio::test]
async fn both_protocols_are_served_and_know_their_peer() {
    let server = run(Limits::default());

    let io = TokioIo::new(server.connect().await);
    let (mut send, connection) = conn::http1::handshake(io).await.unwrap();
    let h1 = tokio::spawn(connection);
    let req = Request::get("/").header("host", "x").body(Empty::<Bytes>::new()).unwrap();
    let rsp = send.send_request(req).await.unwrap();
    let text = rsp.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(text, "HTTP/1.1 from 127.0.0.1");

    let io = TokioIo::new(server.connect().await);
    let (mut send, connection) = conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let h2 = tokio::spawn(connection);
    let req = Request::get("http://x/").body(Empty::<Bytes>::new()).unwrap();
    let rsp = send.send_request(req).await.unwrap();
    let text = rsp.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(text, "HTTP/2.0 from 127.0.0.1");

    let served = server.stopped().await;
    assert_eq!(served, Served { n_accepted: 2, n_cut: 0 });
    drop(send);
    timeout(PATIENCE, h1).await.unwrap().unwrap().unwrap();
    timeout(PATIENCE, h2).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let server = run(short_limits());
    let (said, took) = until_closed(&mut server.connect().await).await;
    assert_eq!(said, "");
    assert!(took >= SOON, "closed after {took:?}");
    server.stopped().await;
}

#[tokio::test]
async fn half_a_preface_is_closed() {
    let server = run(short_limits());
    let mut stream = server.connect().await;
    stream.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    let (said, _) = until_closed(&mut stream).await;
    assert_eq!(said, "");
    server.stopped().await;
}

#[tokio::test]
async fn a_head_that_does_not_end_is_closed() {
    let server = run(short_limits());
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
    let (said, took) = until_closed(&mut stream).await;
    assert_eq!(said, "");
    assert!(took < SOON * 5, "the head's deadline counts, not the idle one: {took:?}");
    server.stopped().await;
}

#[tokio::test]
async fn an_idle_connection_outlives_the_heads_deadline_and_then_ends() {
    let server = run(short_limits());
    let mut stream = server.connect().await;
    let request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let (said, took) = until_closed(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 200 OK"), "{said}");
    assert!(took >= SOON * 3, "closed after {took:?}");
    server.stopped().await;
}

#[tokio::test]
async fn a_long_request_is_no_idle_connection() {
    let server = run(Limits { idle_timeout: SOON, ..short_limits() });
    let mut stream = server.connect().await;
    stream.write_all(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    server.reached.notified().await;
    let early = timeout(SOON * 4, stream.read_u8()).await;
    assert!(early.is_err(), "nothing may come before the handler answers: {early:?}");
    server.release.notify_one();
    let (said, _) = until_closed(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 200 OK"), "{said}");
    server.stopped().await;
}

/// AP-17: over HTTP/1.1.
#[tokio::test]
async fn a_drain_finishes_the_running_request() {
    let server = run(Limits { drain_timeout: PATIENCE, ..Limits::default() });
    let mut stream = server.connect().await;
    stream.write_all(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    server.reached.notified().await;
    server.stop.cancel();
    server.release.notify_one();
    let (said, _) = until_closed(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 200 OK"), "{said}");
    assert_eq!(server.stopped().await.n_cut, 0);
}

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The next frame: its kind and what it holds; `None` at the end.
async fn next_frame(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 9];
    timeout(PATIENCE, stream.read_exact(&mut head)).await.expect("a frame in time").ok()?;
    let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
    stream.read_exact(&mut payload).await.unwrap();
    // Settings and pings that are no answers want one.
    if matches!(head[3], SETTINGS | PING) && head[4] & ACK == 0 {
        let answer = if head[3] == PING { &payload[..] } else { &[] };
        stream.write_all(&frame(head[3], ACK, 0, answer)).await.unwrap();
    }
    Some((head[3], payload))
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;

/// AP-17: over HTTP/2 the client is told to go away (GOAWAY), and its running request finishes.
#[tokio::test]
async fn ap_17_a_drain_says_goaway_and_finishes_the_running_stream() {
    let server = run(Limits { drain_timeout: PATIENCE, ..Limits::default() });
    let mut stream = server.connect().await;
    // GET, http, `:path: /wait`, `:authority: x` (RFC 7541, appendix A and section 6.2.2).
    let head = b"\x82\x86\x04\x05/wait\x01\x01x";
    // End of headers and of the stream.
    let request = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(SETTINGS, 0, 0, &[]),
        frame(HEADERS, 5, 1, head),
    ];
    stream.write_all(&request.concat()).await.unwrap();
    server.reached.notified().await;
    server.stop.cancel();
    while next_frame(&mut stream).await.expect("it goes on until the request is answered").0 != GOAWAY {}
    server.release.notify_one();
    let mut text = Vec::new();
    while let Some((kind, payload)) = next_frame(&mut stream).await {
        if kind == DATA {
            text.extend(payload);
        }
    }
    assert_eq!(text, b"HTTP/2.0 from 127.0.0.1");
    assert_eq!(server.stopped().await.n_cut, 0);
}

/// AP-17: the end has an end.
#[tokio::test]
async fn a_request_that_outlasts_the_drain_is_cut() {
    let server = run(short_limits());
    let mut stream = server.connect().await;
    stream.write_all(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    server.reached.notified().await;
    server.stop.cancel();
    let (said, _) = until_closed(&mut stream).await;
    assert_eq!(said, "");
    assert_eq!(server.stopped().await, Served { n_accepted: 1, n_cut: 1 });
}

/// AP-1: who never reads is cut after a while, and nobody else is.
#[tokio::test]
async fn ap_1_a_client_that_reads_nothing_is_cut_and_a_slow_one_is_not() {
    let server = run(Limits { unread_timeout: Some(SOON * 5), ..Limits::default() });
    let n_tasks = Handle::current().metrics().num_alive_tasks();
    let much = b"GET /much HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let (mut deaf, mut slow) = (server.connect().await, server.connect().await);
    deaf.write_all(much).await.unwrap();
    slow.write_all(much).await.unwrap();
    // Piece by piece, each of which is progress.
    let mut n_read = 0;
    let mut part = vec![0; MUCH / 64];
    loop {
        let n = timeout(PATIENCE, slow.read(&mut part)).await.unwrap().unwrap();
        n_read += n;
        if n == 0 {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(n_read > MUCH, "the answer and its head: {n_read}");
    // Only when its connection is gone does the other look: most of its answer was never sent.
    let is_alone = async {
        while Handle::current().metrics().num_alive_tasks() > n_tasks {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, is_alone).await.expect("the connection ends");
    let (said, _) = until_closed(&mut deaf).await;
    assert!(!said.is_empty() && said.len() < MUCH, "{} bytes came", said.len());
    server.stopped().await;
}

/// AP-18: a panic takes its own connection along and nothing else.
#[tokio::test]
async fn ap_18_a_service_that_panics_breaks_its_own_connection_only() {
    let server = run(Limits::default());
    let mut other = server.connect().await;
    other.write_all(b"GET /wait HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    server.reached.notified().await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /panic HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert_eq!(until_closed(&mut stream).await.0, "");
    server.release.notify_one();
    assert!(until_closed(&mut other).await.0.starts_with("HTTP/1.1 200 OK"));
    let mut later = server.connect().await;
    later.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(until_closed(&mut later).await.0.starts_with("HTTP/1.1 200 OK"));
    assert_eq!(server.stopped().await.n_accepted, 3);
}

#[tokio::test]
async fn beyond_the_cap_connections_wait() {
    let server = run(Limits { n_connections_max: 1, ..Limits::default() });
    let mut first = server.connect().await;
    first.write_all(b"GET /wait HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    server.reached.notified().await;
    let mut second = server.connect().await;
    second.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let early = timeout(SOON, second.read_u8()).await;
    assert!(early.is_err(), "the second must wait: {early:?}");
    server.release.notify_one();
    assert!(until_closed(&mut first).await.0.starts_with("HTTP/1.1 200 OK"));
    assert!(until_closed(&mut second).await.0.starts_with("HTTP/1.1 200 OK"));
    assert_eq!(server.stopped().await.n_accepted, 2);
}

#[tokio::test]
async fn a_refusal_arrives_though_the_request_goes_on() {
    let server = run(Limits::default());
    let mut stream = server.connect().await;
    let head = format!("GET / HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "y".repeat(200_000));
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let (said, _) = until_closed(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 431 "), "{said}");
    server.stopped().await;
}

#[tokio::test]
async fn a_client_that_does_not_close_is_not_waited_for() {
    let server = run(Limits::default());
    let mut stream = server.connect().await;
    let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let (said, _) = until_closed(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 200 OK"), "{said}");
    assert_eq!(server.stopped().await.n_cut, 0);
    drop(stream);
}
