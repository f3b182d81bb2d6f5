//! Interim responses (1xx) of upstreams.

use std::{future::poll_fn, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use spur_route::Wire;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    time::sleep,
};

use crate::harness::{Upstream, raw, read_head, soon, streams, world};

const HINTS: &str =
    "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\nconnection: x-hop\r\nx-hop: 1\r\ncontent-length: 5\r\n\r\n";
const PASSED_ON: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
const FINAL: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

/// Says `before` at once, and the final response when it is told to.
async fn hinting(before: &'static str) -> (Upstream, mpsc::Sender<()>) {
    let (go_tx, go_rx) = mpsc::channel(16);
    let go_rx = Arc::new(tokio::sync::Mutex::new(go_rx));
    let cart = Upstream::raw("cart", Wire::Http1, move |mut stream| {
        let go_rx = go_rx.clone();
        async move {
            let mut head = [0; 4096];
            while stream.read(&mut head).await.is_ok_and(|n_bytes| n_bytes > 0) {
                let _ = stream.write_all(before.as_bytes()).await;
                go_rx.lock().await.recv().await;
                let _ = stream.write_all(FINAL.as_bytes()).await;
            }
        }
    })
    .await;
    (cart, go_tx)
}

#[tokio::test]
async fn a_hint_is_there_before_the_response() {
    let (cart, go_tx) = hinting(HINTS).await;
    let world = world().service("cart", &[&cart]).start().await;
    let mut stream = TcpStream::connect(world.entry()).await.unwrap();
    // The second on the same connection, with nothing left over from the first.
    for _ in 0..2 {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: cart.shop.localhost\r\n\r\n").await.unwrap();
        assert_eq!(read_head(&mut stream).await, PASSED_ON);
        go_tx.send(()).await.unwrap();
        let head = read_head(&mut stream).await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        let mut body = [0; 2];
        stream.read_exact(&mut body).await.unwrap();
        assert_eq!(&body, b"hi");
    }
}

#[tokio::test]
async fn an_upload_gets_our_100_and_the_upstreams_hints() {
    let (cart, go_tx) = hinting("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n").await;
    let world = world().service("cart", &[&cart]).start().await;
    let mut stream = TcpStream::connect(world.entry()).await.unwrap();
    let head =
        "POST / HTTP/1.1\r\nhost: cart.shop.localhost\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let heads = [read_head(&mut stream).await, read_head(&mut stream).await];
    // Whichever comes first: ours when the body is wanted, theirs when they have the head.
    assert!(heads.contains(&"HTTP/1.1 100 Continue\r\n\r\n".to_owned()), "{heads:?}");
    assert!(heads.contains(&"HTTP/1.1 102 Processing\r\n\r\n".to_owned()), "{heads:?}");
    stream.write_all(b"hello").await.unwrap();
    go_tx.send(()).await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
}

/// RFC 9110 15.2: none to HTTP/1.0.
#[tokio::test]
async fn who_speaks_http_1_0_gets_none() {
    let (cart, go_tx) = hinting(HINTS).await;
    let world = world().service("cart", &[&cart]).start().await;
    go_tx.send(()).await.unwrap();
    let said = raw(world.entry(), "GET / HTTP/1.0\r\nhost: cart.shop.localhost\r\n\r\n").await;
    assert!(said.starts_with("HTTP/1.0 200 OK\r\n") && said.ends_with("hi"), "{said}");
}

/// A hint of a try that is over would stand in the middle of somebody else's response.
#[tokio::test]
async fn a_hint_that_comes_too_late_reaches_nobody() {
    let (late_tx, mut late_rx) = mpsc::channel(1);
    let cart = Upstream::raw("cart", Wire::Http1, move |mut stream| {
        let late_tx = late_tx.clone();
        async move {
            let mut head = [0; 4096];
            let n_bytes = stream.read(&mut head).await.unwrap_or(0);
            if !head[..n_bytes].starts_with(b"GET /slow") {
                let _ = stream.write_all(FINAL.as_bytes()).await;
                return;
            }
            // Longer than the proxy waits.
            sleep(Duration::from_millis(400)).await;
            let _ = stream.write_all(HINTS.as_bytes()).await;
            let _ = late_tx.send(()).await;
        }
    })
    .await;
    let world = world()
        .service("cart", &[&cart])
        .config(|config| config.limits.response_timeout = Duration::from_millis(100))
        .start()
        .await;
    let mut stream = TcpStream::connect(world.entry()).await.unwrap();
    stream.write_all(b"GET /slow HTTP/1.1\r\nhost: cart.shop.localhost\r\n\r\n").await.unwrap();
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 504 "), "{head}");
    late_rx.recv().await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: cart.shop.localhost\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert!(!rest.contains("103 Early Hints") && rest.ends_with("hi"), "{rest}");
}

/// The same over HTTP/2.
async fn hinting_stream() -> (Upstream, mpsc::Sender<()>) {
    let (go_tx, go_rx) = mpsc::channel(16);
    let go_rx = Arc::new(tokio::sync::Mutex::new(go_rx));
    let cart = Upstream::streams("cart", move |_, mut respond| {
        let go_rx = go_rx.clone();
        async move {
            // To switch is agreed upon otherwise.
            let switch = Response::builder().status(101).body(()).unwrap();
            respond.send_informational(switch).unwrap();
            let hints = Response::builder().status(103).header("link", "</a>").body(()).unwrap();
            respond.send_informational(hints).unwrap();
            go_rx.lock().await.recv().await;
            let mut body = respond.send_response(Response::new(()), false).unwrap();
            body.send_data(Bytes::from_static(b"hi"), true).unwrap();
        }
    })
    .await;
    (cart, go_tx)
}

/// Asks in a stream; gives the interim responses, and lets the final one go when there are `n_wanted`.
async fn ask_in_stream(
    entry: std::net::SocketAddr,
    (n_wanted, go_tx): (usize, mpsc::Sender<()>),
) -> (Vec<Response<()>>, Response<Bytes>) {
    let mut sender = streams(entry).await;
    let req = Request::get("http://cart.shop.localhost/").body(()).unwrap();
    let (mut rsp, _) = sender.send_request(req, true).unwrap();
    let mut interims = Vec::new();
    while interims.len() < n_wanted {
        interims.push(soon(poll_fn(|cx| rsp.poll_informational(cx))).await.unwrap().unwrap());
    }
    go_tx.send(()).await.unwrap();
    while let Some(interim) = poll_fn(|cx| rsp.poll_informational(cx)).await {
        interims.push(interim.unwrap());
    }
    let (head, mut body) = rsp.await.unwrap().into_parts();
    let body = body.data().await.unwrap().unwrap();
    (interims, Response::from_parts(head, body))
}

/// The one hint has come to a stream, and then the response.
async fn check_hint((cart, go_tx): (Upstream, mpsc::Sender<()>)) {
    let world = world().service("cart", &[&cart]).start().await;
    let (interims, rsp) = ask_in_stream(world.entry(), (1, go_tx)).await;
    assert_eq!(interims.len(), 1);
    assert_eq!(interims[0].status(), StatusCode::EARLY_HINTS);
    let fields: Vec<_> =
        interims[0].headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    assert_eq!(fields, [("link", &b"</a>"[..])]);
    assert_eq!((rsp.status(), &rsp.body()[..]), (StatusCode::OK, &b"hi"[..]));
}

#[tokio::test]
async fn a_stream_gets_the_hints_of_a_connection() {
    check_hint(hinting(HINTS).await).await;
}

#[tokio::test]
async fn a_stream_gets_the_hints_of_a_stream() {
    check_hint(hinting_stream().await).await;
}

#[tokio::test]
async fn a_connection_gets_the_hints_of_a_stream() {
    let (cart, go_tx) = hinting_stream().await;
    let world = world().service("cart", &[&cart]).start().await;
    let mut stream = TcpStream::connect(world.entry()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: cart.shop.localhost\r\n\r\n").await.unwrap();
    assert_eq!(read_head(&mut stream).await, PASSED_ON);
    go_tx.send(()).await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
}

/// `100 Continue` is ours to say.
#[tokio::test]
async fn a_stream_gets_no_100_of_an_upstream() {
    let (cart, go_tx) = hinting("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n").await;
    let world = world().service("cart", &[&cart]).start().await;
    let (interims, _) = ask_in_stream(world.entry(), (1, go_tx)).await;
    assert_eq!(interims.iter().map(Response::status).collect::<Vec<_>>(), [StatusCode::PROCESSING]);
}

/// What a client does not read is not kept without an end.
#[tokio::test]
async fn a_flood_of_hints_is_cut() {
    let many: String =
        (0..200).map(|n| format!("HTTP/1.1 103 Early Hints\r\nlink: {n:01000}\r\n\r\n")).collect();
    let (cart, go_tx) = hinting(many.leak()).await;
    let world = world().service("cart", &[&cart]).start().await;
    let (interims, rsp) = ask_in_stream(world.entry(), (1, go_tx)).await;
    assert!((10..=65).contains(&interims.len()), "{}", interims.len());
    assert_eq!((rsp.status(), &rsp.body()[..]), (StatusCode::OK, &b"hi"[..]));
}
