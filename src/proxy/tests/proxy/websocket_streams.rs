//! WebSockets in streams of HTTP/2 (RFC 8441), on either side.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::{body::Incoming, ext::Protocol, server::conn, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use spur_route::Wire;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest, protocol::Role},
};

use crate::harness::SWITCHED;
use crate::harness::{HANDSHAKE, PATIENCE, Upstream, World, eventually, raw, read_head, whole, world};

/// A client of HTTP/2 that asks for a WebSocket in a stream of its own (RFC 8441).
async fn ask_for_stream(world: &World, protocol: &'static str) -> Response<Incoming> {
    let client = world.client("chat.shop.localhost");
    let mut connection = client.connect_h2().await;
    let mut request = client.method(Method::CONNECT).header("sec-websocket-version", "13").request_h2("/ws");
    request.extensions_mut().insert(Protocol::from_static(protocol));
    // The server's first settings say that it takes them.
    eventually("the server's settings are there", || connection.is_ready()).await;
    let rsp = timeout(PATIENCE, connection.send_request(request)).await.unwrap();
    rsp.unwrap()
}

#[tokio::test]
async fn a_websocket_in_a_stream_of_http2_reaches_an_upstream_of_http1() {
    let (heads_tx, mut heads_rx) = tokio::sync::mpsc::channel(1);
    let chat = Upstream::raw("chat", Wire::Http1, move |mut stream| {
        let heads_tx = heads_tx.clone();
        async move {
            heads_tx.send(read_head(&mut stream).await).await.unwrap();
            stream.write_all(SWITCHED.as_bytes()).await.unwrap();
            let mut said = [0; 5];
            stream.read_exact(&mut said).await.unwrap();
            stream.write_all(b"heard ").await.unwrap();
            stream.write_all(&said).await.unwrap();
        }
    })
    .await;
    let world = world().service("chat", &[&chat]).start().await;
    let mut rsp = ask_for_stream(&world, "websocket").await;
    assert_eq!(rsp.status(), 200);
    assert!(rsp.headers().get("sec-websocket-accept").is_none() && rsp.headers().get("upgrade").is_none());
    let mut stream = TokioIo::new(hyper::upgrade::on(&mut rsp).await.unwrap());
    stream.write_all(b"hello").await.unwrap();
    let mut heard = [0; 11];
    timeout(PATIENCE, stream.read_exact(&mut heard)).await.unwrap().unwrap();
    assert_eq!(&heard, b"heard hello");
    let head = heads_rx.recv().await.unwrap();
    let lines: Vec<&str> = head.lines().collect();
    assert_eq!(lines[0], "GET /ws HTTP/1.1");
    for wanted in ["connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13"] {
        assert!(lines.contains(&wanted), "{head}");
    }
    let key = lines.iter().find_map(|line| line.strip_prefix("sec-websocket-key: "));
    assert_eq!(key.map(str::len), Some(24), "{head}");
    drop(stream);
    let (start, end) = world.only_hop().await;
    assert_eq!((start.method, end.status), (Method::GET, Some(200)));
    assert_eq!((end.request_bytes, end.response_bytes), (5, 11));
}

#[tokio::test]
async fn a_stream_that_is_declined_is_answered_as_it_was() {
    let chat = Upstream::http1("chat").route("/ws", "no chat here").run().await;
    let world = world().service("chat", &[&chat]).start().await;
    let got = whole(ask_for_stream(&world, "websocket").await).await.unwrap();
    // What is answered with a success is not what was asked for.
    assert_eq!((got.status, got.reason()), (StatusCode::BAD_GATEWAY, "bad-response"));
}

#[tokio::test]
async fn other_protocols_over_connect_are_refused() {
    let world = world().start().await;
    let got = whole(ask_for_stream(&world, "connect-udp").await).await.unwrap();
    assert_eq!((got.status, got.reason()), (StatusCode::NOT_IMPLEMENTED, "connect-not-supported"));
}

async fn echo_in_streams() -> (Upstream, mpsc::Receiver<Request<()>>) {
    answering_in_streams(&[200]).await
}

/// Takes WebSockets in streams, and says every message twice; tells what it was asked, and answers
/// with one status after the other, the last again and again.
async fn answering_in_streams(statuses: &'static [u16]) -> (Upstream, mpsc::Receiver<Request<()>>) {
    let (asked_tx, asked_rx) = mpsc::channel(8);
    let n_asked = Arc::new(AtomicUsize::new(0));
    let upstream = Upstream::raw("chat", Wire::Http2, move |stream| {
        let (asked_tx, n_asked) = (asked_tx.clone(), n_asked.clone());
        async move {
            let service = service_fn(move |mut req: Request<Incoming>| {
                let asked_tx = asked_tx.clone();
                let nth = n_asked.fetch_add(1, Ordering::Relaxed).min(statuses.len() - 1);
                async move {
                    let upgraded = hyper::upgrade::on(&mut req);
                    tokio::spawn(async move {
                        let Ok(upgraded) = upgraded.await else { return };
                        let io = TokioIo::new(upgraded);
                        let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
                        while let Some(Ok(message)) = socket.next().await {
                            if message.is_close() {
                                break;
                            }
                            socket.send(message.clone()).await.unwrap();
                            socket.send(message).await.unwrap();
                        }
                    });
                    asked_tx.send(req.map(|_| ())).await.unwrap();
                    let mut rsp = Response::new(Empty::<Bytes>::new());
                    *rsp.status_mut() = StatusCode::from_u16(statuses[nth]).unwrap();
                    Ok::<_, Infallible>(rsp)
                }
            });
            let mut http = conn::http2::Builder::new(TokioExecutor::new());
            let connection = http.enable_connect_protocol().serve_connection(TokioIo::new(stream), service);
            let _ = connection.await;
        }
    })
    .await;
    (upstream, asked_rx)
}

#[tokio::test]
async fn a_websocket_of_http1_reaches_an_upstream_of_http2() {
    let (chat, mut asked_rx) = echo_in_streams().await;
    let world = world().service("chat", &[&chat]).start().await;
    for nth in 0..3 {
        // The library checks what the key became.
        let request = "ws://chat.shop.localhost/ws?a=b".into_client_request().unwrap();
        let stream = TcpStream::connect(world.entry()).await.unwrap();
        let (mut socket, rsp) = tokio_tungstenite::client_async(request, stream).await.unwrap();
        assert_eq!(rsp.status(), StatusCode::SWITCHING_PROTOCOLS);
        let message = Message::text(format!("{nth} {}", "x".repeat(100_000)));
        socket.send(message.clone()).await.unwrap();
        for _ in 0..2 {
            assert_eq!(timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap(), message);
        }
        socket.close(None).await.unwrap();
        let asked = asked_rx.recv().await.unwrap();
        assert_eq!(
            (asked.method(), asked.uri().to_string()),
            (&Method::CONNECT, "http://chat.shop.localhost/ws?a=b".into())
        );
        assert_eq!(asked.extensions().get::<Protocol>().map(Protocol::as_str), Some("websocket"));
        assert_eq!(asked.headers()["sec-websocket-version"], "13");
        for absent in ["sec-websocket-key", "upgrade", "connection"] {
            assert!(!asked.headers().contains_key(absent), "{absent}");
        }
    }
    assert_eq!(chat.n_connections(), 1, "streams share a connection");
}

#[tokio::test]
async fn a_websocket_in_a_stream_reaches_an_upstream_of_http2() {
    let (chat, _asked_rx) = echo_in_streams().await;
    let world = world().service("chat", &[&chat]).start().await;
    let mut rsp = ask_for_stream(&world, "websocket").await;
    assert_eq!(rsp.status(), 200, "{:?}", rsp.headers());
    let io = TokioIo::new(hyper::upgrade::on(&mut rsp).await.unwrap());
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Client, None).await;
    socket.send(Message::text("hello")).await.unwrap();
    for _ in 0..2 {
        assert_eq!(timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap(), Message::text("hello"));
    }
    drop(socket);
    let (start, end) = world.only_hop().await;
    assert_eq!((start.method, end.status), (Method::GET, Some(200)));
}

/// RFC 8441 3: it is not asked where it does not say that it takes them, and is no worse for that.
#[tokio::test]
async fn an_upstream_of_http2_that_takes_no_websockets_is_501() {
    let chat = Upstream::http2("chat").route("/ws", "").route("/", "hi").run().await;
    let world = world().service("chat", &[&chat]).start().await;
    let head = HANDSHAKE.replace("connection: upgrade", "connection: upgrade, close");
    let said = raw(world.entry(), head).await;
    assert!(said.starts_with("HTTP/1.1 501 "), "{said}");
    assert!(said.contains("spur-reason: websocket-over-h2\r\n"), "{said}");
    assert_eq!(chat.n_requests(), 0);
    assert_eq!(world.client("chat.shop.localhost").get("/").await.text, "hi");
}

/// What is asked once more is a WebSocket still, and no tunnel.
#[tokio::test]
async fn a_websocket_that_is_asked_for_again_is_one() {
    let (chat, mut asked_rx) = answering_in_streams(&[503, 200]).await;
    let rule = "{hosts: [chat], http: [{retries: {attempts: 2, retryOn: 5xx}, route: [{destination: {host: chat}}]}]}";
    let world = world().service("chat", &[&chat]).istio("VirtualService", rule).start().await;
    let stream = TcpStream::connect(world.entry()).await.unwrap();
    let request = "ws://chat.shop.localhost/ws".into_client_request().unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap(), Message::text("hello"));
    for _ in 0..2 {
        let asked = asked_rx.recv().await.unwrap();
        assert_eq!(asked.extensions().get::<Protocol>().map(Protocol::as_str), Some("websocket"));
        assert_eq!(asked.uri().path(), "/ws");
    }
}

#[tokio::test]
async fn a_success_that_opens_nothing_is_no_websocket() {
    let (chat, _asked_rx) = answering_in_streams(&[204]).await;
    let world = world().service("chat", &[&chat]).start().await;
    let head = HANDSHAKE.replace("connection: upgrade", "connection: upgrade, close");
    let said = raw(world.entry(), head).await;
    assert!(said.starts_with("HTTP/1.1 502 ") && said.contains("spur-reason: bad-response\r\n"), "{said}");
}

/// Who goes before it has said what it takes was not there.
#[tokio::test]
async fn an_upstream_that_goes_at_once_is_passed_over() {
    let gone = Upstream::raw("gone", Wire::Http2, |stream| async move { drop(stream) }).await;
    let (chat, _asked_rx) = echo_in_streams().await;
    let world = world().service("chat", &[&gone, &chat]).start().await;
    for _ in 0..4 {
        let said = ask_for_stream(&world, "websocket").await;
        assert_eq!(said.status(), 200, "{:?}", said.headers());
    }
    assert!(gone.n_connections() > 0, "it was tried");
}
