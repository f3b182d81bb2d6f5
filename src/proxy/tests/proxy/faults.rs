//! Upstreams that are not there, break off, lie or hang.

use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use spur_proxy::Config;
use spur_route::Wire;
use spur_trace::HopError;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{Upstream, never, raw, whole, world};

/// Reads a request and answers with these bytes, then closes.
async fn answers(bytes: &'static str) -> Upstream {
    Upstream::raw("cart", Wire::Http1, move |mut stream: TcpStream| async move {
        let mut head = [0; 4096];
        let _ = stream.read(&mut head).await;
        let _ = stream.write_all(bytes.as_bytes()).await;
    })
    .await
}

fn short(config: &mut Config) {
    config.limits.response_timeout = Duration::from_millis(100);
}

/// PX-1: refused.
#[tokio::test]
async fn nobody_listening_is_502_and_says_where() {
    let gone = Upstream::gone("cart").await;
    let world = world().service("cart", &[&gone]).start().await;
    let got = world.client("cart.shop.localhost").get("/").await;
    assert_eq!((got.status.as_u16(), got.reason()), (502, "connect-refused"));
    for part in ["shop/cart:80", "baseline", "pod `cart-1`", &gone.address.to_string(), "hint: "] {
        assert!(got.text.contains(part), "{part} in {}", got.text);
    }
    let (start, end) = world.only_hop().await;
    assert_eq!(start.endpoint.unwrap().address, gone.address);
    assert_eq!((end.status, end.error), (Some(502), Some(HopError::ConnectRefused)));
    assert_eq!(end.served_by, None);
}

#[tokio::test]
async fn an_endpoint_that_refuses_is_passed_over_and_the_body_is_whole() {
    let gone = Upstream::gone("gone").await;
    let echo = Upstream::http1("echo")
        .on(
            "/",
            |req| async move { crate::harness::text(req.into_body().collect().await.unwrap().to_bytes()) },
        )
        .run()
        .await;
    let world = world().service("pair", &[&gone, &echo]).start().await;
    for _ in 0..4 {
        let got = world.client("pair.shop.localhost").body("order").get("/").await;
        assert_eq!((got.status.as_u16(), &*got.text), (200, "order"));
    }
}

/// PX-1: less than its length, no last chunk, half a chunk.
#[tokio::test]
async fn an_upstream_that_dies_in_its_response_breaks_the_clients_off() {
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npart",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n64\r\npart",
    ] {
        let cart = answers(head).await;
        let world = world().service("cart", &[&cart]).start().await;
        let client = world.client("cart.shop.localhost");
        for is_h2 in [false, true] {
            let rsp = if is_h2 { client.send_h2("/").await } else { client.send("/").await };
            assert_eq!(rsp.status(), 200);
            assert!(whole(rsp).await.is_err(), "never a clean end: {head}");
            let (_, end) = world.only_hop().await;
            assert_eq!((end.status, end.error), (Some(200), Some(HopError::ResponseAborted)));
        }
        let said = raw(world.entry(), "GET / HTTP/1.1\r\nhost: cart.shop.localhost\r\n\r\n").await;
        assert!(!said.ends_with("0\r\n\r\n"), "no last chunk: {said}");
    }
}

/// PX-1: nothing, half a head, another protocol, no status line, a 101 nobody asked for.
#[tokio::test]
async fn an_upstream_that_does_not_answer_in_http_is_502() {
    for (bytes, reason) in [
        ("", "upstream-closed"),
        ("HTTP/1.1 200 OK\r\ncontent-le", "upstream-closed"),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", "bad-response"),
        ("HTTP/1.1 abc\r\n\r\n", "bad-response"),
        (
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
            "bad-response",
        ),
    ] {
        let cart = answers(bytes).await;
        let world = world().service("cart", &[&cart]).start().await;
        let got = world.client("cart.shop.localhost").get("/").await;
        assert_eq!((got.status.as_u16(), got.reason()), (502, reason), "{bytes:?}: {}", got.text);
    }
}

#[tokio::test]
async fn http2_to_an_upstream_without_it_is_502() {
    let cart = Upstream::http1("cart").route("/", "hi").run().await;
    let world = world().service("cart", &[&cart]).wire("cart", Wire::Http2).start().await;
    let got = world.client("cart.shop.localhost").get("/").await;
    assert_eq!(got.status, 502);
    assert!(got.text.contains("appProtocol"), "{}", got.text);
}

/// PX-1: accepted and never answered.
#[tokio::test]
async fn a_response_that_does_not_begin_is_504() {
    let cart = Upstream::http1("cart").on("/", never).run().await;
    let world = world().service("cart", &[&cart]).config(short).start().await;
    let got = world.client("cart.shop.localhost").get("/").await;
    assert_eq!((got.status.as_u16(), got.reason()), (504, "response-timeout"));
    let (_, end) = world.only_hop().await;
    assert_eq!(end.error, Some(HopError::ResponseTimeout));
    assert_eq!(end.served_by.unwrap().address, cart.address);
}

/// PX-1: once it has begun, a slow one is only slow.
#[tokio::test]
async fn a_response_that_has_begun_may_take_its_time() {
    let cart = Upstream::raw("cart", Wire::Http1, |mut stream| async move {
        let mut head = [0; 4096];
        let _ = stream.read(&mut head).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhi").await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        let _ = stream.write_all(b"ho").await;
    })
    .await;
    let world = world().service("cart", &[&cart]).config(short).start().await;
    assert_eq!(world.client("cart.shop.localhost").get("/").await.text, "hiho");
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_upstream_request_with_it() {
    let (closed_tx, mut closed_rx) = tokio::sync::mpsc::channel(1);
    let cart = Upstream::raw("cart", Wire::Http1, move |mut stream| {
        let closed_tx = closed_tx.clone();
        async move {
            let mut all = Vec::new();
            let _ = stream.read_to_end(&mut all).await;
            closed_tx.send(()).await.unwrap();
        }
    })
    .await;
    let world = world().service("cart", &[&cart]).start().await;
    let mut stream = TcpStream::connect(world.entry()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: cart.shop.localhost\r\n\r\n").await.unwrap();
    crate::harness::eventually("the upstream is connected", || cart.n_connections() == 1).await;
    drop(stream);
    tokio::time::timeout(crate::harness::PATIENCE, closed_rx.recv()).await.unwrap().unwrap();
    let (_, end) = world.only_hop().await;
    assert_eq!((end.status, end.error), (None, Some(HopError::ClientGone)));
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_not_the_upstreams_fault() {
    let cart = Upstream::http1("cart")
        .on("/", |req| async move {
            let _ = req.into_body().collect().await;
            never_again().await
        })
        .run()
        .await;
    let world = world().service("cart", &[&cart]).start().await;
    let said = raw(
        world.entry(),
        "POST / HTTP/1.1\r\nhost: cart.shop.localhost\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
    )
    .await;
    assert!(!said.contains("200 OK"), "{said}");
    let (_, end) = world.only_hop().await;
    assert_eq!(end.error, Some(HopError::BadRequestBody));
    assert_eq!(end.request_bytes, 5);
}

async fn never_again() -> crate::harness::Reply {
    std::future::pending().await
}

/// PX-3: a client that leaves in the middle leaves nothing for the next.
#[tokio::test]
async fn a_connection_whose_response_was_not_read_is_not_reused() {
    let cart = Upstream::http1("cart")
        .route("/", "hi")
        .on("/endless", |_| async {
            let frames = stream::repeat_with(|| Ok(Frame::data(Bytes::from_static(&[b'x'; 1024]))));
            Response::new(StreamBody::new(frames).boxed())
        })
        .run()
        .await;
    let world = world().service("cart", &[&cart]).start().await;
    let client = world.client("cart.shop.localhost");
    drop(client.send("/endless").await);
    let (_, end) = world.only_hop().await;
    assert_eq!(end.error, Some(HopError::ClientGone));
    assert_eq!(client.get("/").await.text, "hi");
    assert_eq!(cart.n_connections(), 2);
}
