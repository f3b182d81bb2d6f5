//! HTTP/2 on either side, and gRPC's use of it.

use bytes::Bytes;
use futures::{future::join_all, stream};
use http::{HeaderMap, Response, Version};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use spur_route::Wire;

use crate::harness::{Reply, Upstream, eventually, never, text, world};

/// A response with one message and a status in its trailers.
fn grpc_reply() -> Reply {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "5".parse().unwrap());
    trailers.insert("grpc-message", "no such cart".parse().unwrap());
    let frames = [Ok(Frame::data(Bytes::from("message"))), Ok(Frame::trailers(trailers))];
    let mut rsp = Response::new(StreamBody::new(stream::iter(frames)).boxed());
    rsp.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    rsp
}

#[tokio::test]
async fn an_http2_client_reaches_an_http1_service() {
    let cart = Upstream::http1("cart").route("/x", "hi").run().await;
    let world = world().service("cart", &[&cart]).wire("cart", Wire::Auto).start().await;
    let client = world.client("cart.shop.localhost").header("cookie", "a=1").header("cookie", "b=2");
    let got = client.get_h2("/x?y=1").await;
    assert_eq!((got.status.as_u16(), &*got.text), (200, "hi"));
    assert_eq!(cart.last_headers()["host"], "cart.shop.localhost");
    assert_eq!(cart.last_headers()["cookie"], "a=1; b=2");
    assert_eq!(cart.last_uri(), "/x?y=1");
}

#[tokio::test]
async fn an_http1_client_reaches_an_http2_service() {
    let cart = Upstream::http2("cart")
        .on("/", |req| async move { text(format!("{:?} {}", req.version(), req.uri())) })
        .run()
        .await;
    let world = world().service("cart", &[&cart]).start().await;
    let got = world.client("cart.shop.localhost").get("/").await;
    assert_eq!(got.text, "HTTP/2.0 http://cart.shop.localhost/");
    assert!(!cart.last_headers().contains_key("host"));
}

#[tokio::test]
async fn many_streams_share_one_upstream_connection() {
    let cart = Upstream::http2("cart").route("/", "hi").run().await;
    let world = world().service("cart", &[&cart]).start().await;
    let client = world.client("cart.shop.localhost");
    let connection = client.connect_h2().await;
    let all = join_all((0..90).map(|_| {
        let (mut connection, req) = (connection.clone(), client.request_h2("/"));
        async move { connection.send_request(req).await.unwrap().status().as_u16() }
    }))
    .await;
    assert_eq!(all, [200; 90]);
    assert_eq!(cart.n_connections(), 1);
}

#[tokio::test]
async fn a_hundred_long_streams_do_not_hold_up_the_next_request() {
    let cart = Upstream::http2("cart").on("/watch", never).route("/", "hi").run().await;
    let world = world().service("cart", &[&cart]).start().await;
    let client = world.client("cart.shop.localhost");
    let (first, mut second) = (client.connect_h2().await, client.connect_h2().await);
    for _ in 0..100 {
        let (mut connection, req) = (first.clone(), client.request_h2("/watch"));
        tokio::spawn(async move { connection.send_request(req).await });
    }
    eventually("all streams are open", || cart.n_requests() == 100).await;
    let rsp = second.send_request(client.request_h2("/")).await.unwrap();
    assert_eq!(rsp.status(), 200);
    assert_eq!(cart.n_connections(), 2);
}

/// PX-9: trailers are kept.
#[tokio::test]
async fn grpc_goes_as_http2_where_nothing_was_said_and_keeps_its_trailers() {
    let cart = Upstream::http2("cart").on("/Cart/Get", |req| async {
        req.into_body().collect().await.unwrap();
        grpc_reply()
    });
    let cart = cart.run().await;
    let world = world().service("cart", &[&cart]).wire("cart", Wire::Auto).start().await;
    let client = world
        .client("cart.shop.localhost")
        .header("content-type", "application/grpc+proto")
        .header("te", "trailers")
        .body("message");
    let got = client.get_h2("/Cart/Get").await;
    let trailers = got.trailers.unwrap();
    assert_eq!((got.status.as_u16(), &*got.text), (200, "message"));
    assert_eq!(
        (&trailers["grpc-status"], &trailers["grpc-message"]),
        (&"5".parse().unwrap(), &"no such cart".parse().unwrap())
    );
    assert_eq!(cart.last_headers()["te"], "trailers");
    let (start, end) = world.only_hop().await;
    assert_eq!(start.http_version, Version::HTTP_2);
    assert_eq!((end.status, end.grpc_status, end.error), (Some(200), Some(5), None));
    assert_eq!((end.request_bytes, end.response_bytes), (7, 7));
}

/// PX-9: trailers only.
#[tokio::test]
async fn trailers_only_stays_trailers_only() {
    let cart = Upstream::http2("cart").on("/Cart/Get", |_| async {
        let mut rsp = text("");
        rsp.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        rsp.headers_mut().insert("grpc-status", "7".parse().unwrap());
        rsp
    });
    let cart = cart.run().await;
    let world = world().service("cart", &[&cart]).start().await;
    let client = world.client("cart.shop.localhost").header("content-type", "application/grpc");
    let rsp = client.send_h2("/Cart/Get").await;
    assert_eq!(rsp.headers()["grpc-status"], "7");
    assert!(http_body::Body::is_end_stream(rsp.body()), "END_STREAM is on the headers");
    assert_eq!(world.only_hop().await.1.grpc_status, Some(7));
}

/// PX-9: our own refusals.
#[tokio::test]
async fn a_grpc_request_is_refused_in_grpc() {
    let gone = Upstream::gone("cart").await;
    let world = world().service("cart", &[&gone]).start().await;
    let grpc = |host: &str| world.client(host).header("content-type", "application/grpc");

    let rsp = grpc("cart.shop.localhost").send_h2("/Cart/Get").await;
    assert_eq!(rsp.status(), 200);
    assert_eq!(rsp.headers()["content-type"], "application/grpc");
    assert_eq!(rsp.headers()["grpc-status"], "14");
    assert_eq!(rsp.headers()["spur-reason"], "connect-refused");
    let message = rsp.headers()["grpc-message"].to_str().unwrap();
    assert!(message.contains("shop/cart:80") && message.contains("refused"), "{message}");
    assert!(http_body::Body::is_end_stream(rsp.body()));

    let rsp = grpc("nobody.shop.localhost").send_h2("/Cart/Get").await;
    assert_eq!(rsp.headers()["grpc-status"], "12");
}

#[tokio::test]
async fn an_upstream_that_says_goaway_is_replaced() {
    let cart = Upstream::raw("cart", Wire::Http2, |stream| async move {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let (_, mut respond) = connection.accept().await.unwrap().unwrap();
        respond.send_response(Response::new(()), true).unwrap();
        connection.graceful_shutdown();
        while connection.accept().await.is_some() {}
    })
    .await;
    let world = world().service("cart", &[&cart]).start().await;
    for nth in 1..=10 {
        let rsp = world.client("cart.shop.localhost").send("/").await;
        assert_eq!(rsp.status(), 200, "request {nth}");
    }
    assert_eq!(cart.n_connections(), 10);
}

/// PX-9: cancelled.
#[tokio::test]
async fn a_cancelled_stream_is_cancelled_upstream() {
    struct Told(Option<tokio::sync::oneshot::Sender<()>>);
    impl Drop for Told {
        fn drop(&mut self) {
            let _ = self.0.take().unwrap().send(());
        }
    }
    let (dropped_tx, dropped_rx) = tokio::sync::oneshot::channel();
    let told = std::sync::Mutex::new(Some(Told(Some(dropped_tx))));
    let cart = Upstream::http2("cart").on("/watch", move |req| {
        let told = told.lock().unwrap().take();
        async move {
            let _told = told;
            never(req).await
        }
    });
    let cart = cart.run().await;
    let world = world().service("cart", &[&cart]).start().await;
    let client = world.client("cart.shop.localhost");
    let mut connection = client.connect_h2().await;
    let pending = connection.send_request(client.request_h2("/watch"));
    let pending = tokio::spawn(pending);
    eventually("the upstream has it", || cart.n_requests() == 1).await;
    pending.abort();
    tokio::time::timeout(crate::harness::PATIENCE, dropped_rx).await.unwrap().unwrap();
    let (_, end) = world.only_hop().await;
    assert_eq!(end.error, Some(spur_trace::HopError::ClientGone));
}
