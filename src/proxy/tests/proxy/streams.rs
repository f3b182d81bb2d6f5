//! Streams of HTTP/2 that wait, are taken back or break off.

use std::future::poll_fn;

use bytes::Bytes;
use futures::future::join_all;
use h2::Reason;
use http::{Request, Response, StatusCode};
use spur_route::Wire;
use tokio::{io::AsyncReadExt, net::TcpStream, sync::mpsc};

use crate::harness::{Upstream, raw, world};

/// A client's connection.
async fn connect(entry: std::net::SocketAddr) -> h2::client::SendRequest<Bytes> {
    let stream = TcpStream::connect(entry).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn post() -> Request<()> {
    Request::post("http://cart.shop.localhost/").body(()).unwrap()
}

/// A server that takes one stream at a time and says how long its bodies were.
async fn one_at_a_time() -> Upstream {
    Upstream::raw("cart", Wire::Http2, |stream| async move {
        let builder = h2::server::Builder::new().max_concurrent_streams(1).clone();
        let mut connection = builder.handshake::<_, Bytes>(stream).await.unwrap();
        while let Some(Ok((req, mut respond))) = connection.accept().await {
            tokio::spawn(async move {
                let (mut body, mut n_bytes) = (req.into_body(), 0);
                while let Some(Ok(data)) = body.data().await {
                    n_bytes += data.len();
                    body.flow_control().release_capacity(data.len()).unwrap();
                }
                let mut sent = respond.send_response(Response::new(()), false).unwrap();
                sent.send_data(n_bytes.to_string().into(), true).unwrap();
            });
        }
    })
    .await
}

#[tokio::test]
async fn uploads_wait_for_an_upstream_that_takes_one_stream() {
    let cart = one_at_a_time().await;
    let world = world().service("cart", &[&cart]).start().await;
    // More than a window each.
    let body = Bytes::from(vec![b'x'; 200_000]);
    let client = world.client("cart.shop.localhost");
    // Its first frame says how many it takes.
    assert_eq!(client.get("/").await.text, "0");
    let client = client.body(body);
    for got in join_all((0..5).map(|_| client.get("/"))).await {
        assert_eq!((got.status.as_u16(), &*got.text), (200, "200000"));
    }
}

/// Before its first frame has come nobody knows how many it takes; what it refuses it has not read
/// (RFC 9113 8.7).
#[tokio::test]
async fn streams_that_are_refused_are_tried_again() {
    let cart = one_at_a_time().await;
    let world = world().service("cart", &[&cart]).start().await;
    let client = world.client("cart.shop.localhost").body("hello");
    for got in join_all((0..3).map(|_| client.get("/"))).await {
        assert_eq!((got.status.as_u16(), &*got.text), (200, "5"));
    }
}

/// RFC 9110 10.1.1: who asks is told that the body is wanted.
#[tokio::test]
async fn a_stream_that_expects_100_gets_it() {
    let cart = Upstream::http1("cart").on("/", crate::harness::whole_back).run().await;
    let world = world().service("cart", &[&cart]).start().await;
    let mut sender = connect(world.entry()).await;
    let mut req = post();
    req.headers_mut().insert("expect", "100-continue".parse().unwrap());
    let (mut rsp, mut body) = sender.send_request(req, false).unwrap();
    let interim = poll_fn(|cx| rsp.poll_informational(cx)).await.unwrap().unwrap();
    assert_eq!(interim.status(), StatusCode::CONTINUE);
    body.send_data(Bytes::from_static(b"hello"), true).unwrap();
    let (head, mut body) = rsp.await.unwrap().into_parts();
    assert_eq!((head.status, &body.data().await.unwrap().unwrap()[..]), (StatusCode::OK, &b"hello"[..]));
}

/// What was sent before is not all of it.
#[tokio::test]
async fn an_upload_that_is_taken_back_is_not_taken_for_whole() {
    let (seen_tx, mut seen_rx) = mpsc::channel(16);
    let cart = Upstream::raw("cart", Wire::Http1, move |mut stream| {
        let seen_tx = seen_tx.clone();
        async move {
            let (mut seen, mut some) = (String::new(), [0; 4096]);
            while let Ok(n_bytes @ 1..) = stream.read(&mut some).await {
                seen.push_str(std::str::from_utf8(&some[..n_bytes]).unwrap());
                if seen.ends_with("abc\r\n") {
                    let _ = seen_tx.send(seen.clone()).await;
                }
            }
            let _ = seen_tx.send(seen).await;
        }
    })
    .await;
    let world = world().service("cart", &[&cart]).start().await;
    let mut sender = connect(world.entry()).await;
    let (_rsp, mut body) = sender.send_request(post(), false).unwrap();
    body.send_data(Bytes::from_static(b"abc"), false).unwrap();
    assert!(seen_rx.recv().await.unwrap().ends_with("3\r\nabc\r\n"));
    body.send_reset(Reason::CANCEL);
    let all = seen_rx.recv().await.unwrap();
    assert!(all.ends_with("3\r\nabc\r\n"), "{all}");
}

#[tokio::test]
async fn a_response_that_its_upstream_takes_back_is_not_taken_for_whole() {
    let cart = Upstream::raw("cart", Wire::Http2, |stream| async move {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            let mut body = respond.send_response(Response::new(()), false).unwrap();
            body.send_data(Bytes::from_static(b"abc"), false).unwrap();
            tokio::spawn(async move {
                // When the data has gone out.
                body.reserve_capacity(1);
                poll_fn(|cx| body.poll_capacity(cx)).await.unwrap().unwrap();
                body.send_reset(Reason::CANCEL);
            });
        }
    })
    .await;
    let world = world().service("cart", &[&cart]).start().await;
    let said = raw(world.entry(), "GET / HTTP/1.1\r\nhost: cart.shop.localhost\r\n\r\n").await;
    assert!(!said.ends_with("0\r\n\r\n"), "{said}");
}

/// A client that wants no response any more frees its upstream.
#[tokio::test]
async fn a_request_that_is_taken_back_is_taken_back_upstream() {
    let (reset_tx, mut reset_rx) = mpsc::channel(16);
    let cart = Upstream::raw("cart", Wire::Http2, move |stream| {
        let reset_tx = reset_tx.clone();
        async move {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                let reset_tx = reset_tx.clone();
                tokio::spawn(async move {
                    let _ = reset_tx.send(None).await;
                    let reason = poll_fn(|cx| respond.poll_reset(cx)).await.unwrap();
                    let _ = reset_tx.send(Some(reason)).await;
                });
            }
        }
    })
    .await;
    let world = world().service("cart", &[&cart]).start().await;
    let mut sender = connect(world.entry()).await;
    for is_whole in [true, false] {
        let (rsp, mut body) = sender.send_request(post(), is_whole).unwrap();
        if !is_whole {
            body.send_data(Bytes::from_static(b"abc"), false).unwrap();
        }
        assert_eq!(reset_rx.recv().await, Some(None));
        drop((rsp, body));
        assert_eq!(reset_rx.recv().await, Some(Some(Reason::CANCEL)), "{is_whole}");
    }
}
