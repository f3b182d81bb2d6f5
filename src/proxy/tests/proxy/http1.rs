//! HTTP/1.1 on both sides.

use bytes::Bytes;
use futures::stream;
use http::{Method, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use spur_route::Wire;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{Upstream, eventually, raw, text, world};

#[tokio::test]
async fn a_request_is_answered_by_its_service() {
    let cart = Upstream::http1("cart").route("/", "hi").run().await;
    let world = world().service("cart", &[&cart]).start().await;
    let got = world.client("cart.shop.localhost").get("/").await;
    assert_eq!((got.status.as_u16(), &*got.text), (200, "hi"));
    assert_eq!(got.reason(), "", "an upstream's response is its own");
}

#[tokio::test]
async fn connections_to_an_upstream_are_reused() {
    let cart = Upstream::http1("cart").route("/", "hi").run().await;
    let world = world().service("cart", &[&cart]).start().await;
    let client = world.client("cart.shop.localhost");
    let mut connection = client.connect().await;
    for _ in 0..5 {
        let rsp = connection.send_request(client.request("/")).await.unwrap();
        assert_eq!(rsp.into_body().collect().await.unwrap().to_bytes(), "hi");
    }
    client.get("/").await;
    assert_eq!(cart.n_requests(), 6);
    assert_eq!(cart.n_connections(), 1);
    assert_eq!(world.handle.stats().n_upstream_reused, 5);
}

/// PX-2: a connection that was closed while it was idle had been sent nothing.
#[tokio::test]
async fn an_idle_connection_that_was_closed_is_replaced_unnoticed() {
    // Answers one request as if more could come, and closes.
    let (closed_tx, mut closed_rx) = tokio::sync::mpsc::channel(1);
    let cart = Upstream::raw("cart", Wire::Http1, move |mut stream| {
        let closed_tx = closed_tx.clone();
        async move {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
            drop(stream);
            closed_tx.send(()).await.unwrap();
        }
    })
    .await;
    let other = Upstream::http1("other").route("/", "ok").run().await;
    let world = world().service("cart", &[&cart]).service("other", &[&other]).start().await;
    for _ in 0..20 {
        let got = world.client("cart.shop.localhost").body("order").get("/").await;
        assert_eq!((got.status.as_u16(), &*got.text), (200, "hi"));
        closed_rx.recv().await.unwrap();
        // Once the worker has done this, it has also seen that the other one closed.
        assert_eq!(world.client("other.shop.localhost").get("/").await.text, "ok");
    }
    assert_eq!(cart.n_connections(), 20);
}

#[tokio::test]
async fn an_upload_of_unknown_length_arrives_in_chunks() {
    let cart = Upstream::http1("cart")
        .on("/", |req| async move {
            let encoding = req.headers().get("transfer-encoding").cloned();
            let body = req.into_body().collect().await.unwrap().to_bytes();
            text(format!("{encoding:?} {}", body.len()))
        })
        .run()
        .await;
    let world = world().service("cart", &[&cart]).start().await;
    let said = raw(
        world.entry(),
        "POST / HTTP/1.1\r\nhost: cart.shop.localhost\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n\
         5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
    )
    .await;
    assert!(said.ends_with("Some(\"chunked\") 11"), "{said}");
}

#[tokio::test]
async fn a_length_that_was_given_is_kept() {
    let cart = Upstream::http1("cart")
        .on("/", |req| async move {
            let length = req.headers()["content-length"].clone();
            text(format!("{length:?}"))
        })
        .run()
        .await;
    let world = world().service("cart", &[&cart]).start().await;
    let got = world.client("cart.shop.localhost").body("12345").get("/").await;
    assert_eq!(got.text, "\"5\"");
    assert_eq!(got.headers["content-length"], "3");
}

#[tokio::test]
async fn a_head_request_gets_the_length_and_no_body() {
    let cart = Upstream::http1("cart").route("/", "twelve bytes").run().await;
    let world = world().service("cart", &[&cart]).start().await;
    let client = world.client("cart.shop.localhost").method(Method::HEAD);
    for _ in 0..3 {
        let got = client.get("/").await;
        assert_eq!((&got.headers["content-length"], &*got.text), (&"12".parse().unwrap(), ""));
    }
    eventually("the connection is reused", || cart.n_requests() == 3).await;
    assert_eq!(cart.n_connections(), 1, "a body that never was is a body that was read");
}

/// PX-1: 100 of them.
#[tokio::test]
async fn informational_responses_do_not_end_the_wait() {
    let cart = Upstream::raw("cart", Wire::Http1, |mut stream| async move {
        let mut head = [0; 4096];
        let _ = stream.read(&mut head).await;
        let hints = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
        let _ = stream.write_all(hints.repeat(50).as_bytes()).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
    })
    .await;
    let world = world().service("cart", &[&cart]).start().await;
    let got = world.client("cart.shop.localhost").get("/").await;
    assert_eq!((got.status.as_u16(), &*got.text), (200, "hi"));
}

#[tokio::test]
async fn a_client_that_expects_100_gets_it_and_uploads() {
    let cart = Upstream::http1("cart")
        .on("/", |req| async move {
            let body = req.into_body().collect().await.unwrap().to_bytes();
            text(body)
        })
        .run()
        .await;
    let world = world().service("cart", &[&cart]).start().await;
    let mut stream = tokio::net::TcpStream::connect(world.entry()).await.unwrap();
    let head = "POST / HTTP/1.1\r\nhost: cart.shop.localhost\r\nexpect: 100-continue\r\ncontent-length: 5\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 25];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hello").await.unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert!(rest.ends_with("hello"), "{rest}");
}

#[tokio::test]
async fn a_response_streams_before_it_ends() {
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    let released = std::sync::Mutex::new(Some(released));
    let cart = Upstream::http1("cart")
        .on("/", move |_| {
            let released = released.lock().unwrap().take().expect("one request only");
            async move {
                let frames = stream::unfold((0, Some(released)), |(nth, released)| async move {
                    match nth {
                        0 => Some((Ok(Frame::data(Bytes::from("first"))), (1, released))),
                        1 => {
                            released.unwrap().await.unwrap();
                            Some((Ok(Frame::data(Bytes::from("last"))), (2, None)))
                        }
                        _ => None,
                    }
                });
                Response::new(StreamBody::new(frames).boxed())
            }
        })
        .run()
        .await;
    let world = world().service("cart", &[&cart]).start().await;
    let mut body = world.client("cart.shop.localhost").send("/").await.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "first");
    release.send(()).unwrap();
    assert_eq!(body.collect().await.unwrap().to_bytes(), "last");
}

#[tokio::test]
async fn trailers_pass_through_http1() {
    let cart = Upstream::raw("cart", Wire::Http1, |mut stream| async move {
        let mut head = [0; 4096];
        let _ = stream.read(&mut head).await;
        let rsp = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n";
        let _ = stream.write_all(rsp.as_bytes()).await;
    })
    .await;
    let world = world().service("cart", &[&cart]).start().await;
    let got = world.client("cart.shop.localhost").header("te", "trailers").get("/").await;
    assert_eq!(got.text, "hi");
    assert_eq!(got.trailers.unwrap()["x-sum"], "7");
}

#[tokio::test]
async fn an_old_client_without_keep_alive_is_served() {
    let cart = Upstream::http1("cart").route("/", "hi").run().await;
    let world = world().service("cart", &[&cart]).start().await;
    let inlet = world.inlet(None, "cart").await;
    let said = raw(inlet, "GET / HTTP/1.0\r\n\r\n").await;
    assert!(said.starts_with("HTTP/1.0 200 OK") && said.ends_with("hi"), "{said}");
}
