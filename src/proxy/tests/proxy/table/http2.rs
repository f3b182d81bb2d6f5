//! The rows of HTTP/2, in frames.

use http::Method;

use crate::harness::{
    Upstream, World, eventually,
    frames::{
        BAD_REQUEST, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, OK, PROTOCOL_ERROR, Said, frame, request,
    },
    world,
};

async fn shop() -> (World, Upstream) {
    let cart = Upstream::http1("cart").route("*", "hi").run().await;
    (world().service("cart", &[&cart]).start().await, cart)
}

/// What a request of this header list comes to, on a connection of its own.
async fn ask(world: &World, list: &[u8]) -> (Said, Frames) {
    let mut frames = Frames::connect(world.entry()).await;
    frames.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, list)).await;
    (frames.said(1).await, frames)
}

#[tokio::test]
async fn row_what_a_stream_cannot_be_is_reset_and_the_connection_goes_on() {
    let (world, cart) = shop().await;
    for (n_before, other) in (0..).zip([
        &[("transfer-encoding", "chunked")][..],
        &[("connection", "close")],
        &[("upgrade", "websocket")],
        &[("te", "gzip")],
        &[(":path", "/\r\nx: y")],
        &[(":path", "/a"), (":path", "/b")],
        &[(":method", "GET"), (":method", "POST")],
    ]) {
        let (said, mut frames) = ask(&world, &request(other)).await;
        assert_eq!(said, Said::Reset(PROTOCOL_ERROR), "{other:?}");
        assert_eq!(cart.n_requests(), n_before, "{other:?}");
        frames.send(&frame(HEADERS, END_HEADERS | END_STREAM, 3, &request(&[]))).await;
        assert_eq!(frames.said(3).await, OK, "{other:?}: the next stream");
        assert_eq!(cart.n_requests(), n_before + 1);
    }
}

#[tokio::test]
async fn row_a_length_that_the_data_contradicts_is_reset() {
    let cart = Upstream::http1("cart").on("*", |req| async move {
        use http_body_util::BodyExt;
        let is_whole = req.into_body().collect().await.is_ok();
        crate::harness::text(if is_whole { "whole" } else { "broken" })
    });
    let cart = cart.run().await;
    let world = world().service("cart", &[&cart]).start().await;
    for data in ["hi", "much more"] {
        let mut frames = Frames::connect(world.entry()).await;
        let list = request(&[(":method", "POST"), ("content-length", "5")]);
        frames.send(&frame(HEADERS, END_HEADERS, 1, &list)).await;
        frames.send(&frame(DATA, END_STREAM, 1, data.as_bytes())).await;
        assert_eq!(frames.said(1).await, Said::Reset(PROTOCOL_ERROR), "{data}");
    }
}

#[tokio::test]
async fn row_what_no_field_can_hold_ends_the_connection_and_is_counted() {
    let (world, cart) = shop().await;
    let bad: [&[(&str, &str)]; 8] = [
        &[("x", "a\rb")],
        &[("x", "a\nb")],
        &[("x", "a\0b")],
        &[("x", "a\x1bb")],
        &[("x:y", "1")],
        &[("x\r\ny", "1")],
        &[("X-Upper", "1")],
        &[(":method", "GET /x")],
    ];
    for (n_before, other) in (0..).zip(bad) {
        let (said, _frames) = ask(&world, &request(other)).await;
        assert_eq!(said, Said::GoAway(PROTOCOL_ERROR), "{other:?}");
        eventually("it is counted", || world.handle.stats().n_connections_failed == n_before + 1).await;
    }
    assert_eq!(cart.n_requests(), 0);
}

#[tokio::test]
async fn row_targets_schemes_and_authorities_that_are_none_are_400() {
    let (world, cart) = shop().await;
    for (n_before, other) in (0..).zip([
        &[(":path", "*")][..],
        &[(":path", "//evil/x")],
        &[(":path", "/.//evil/x")],
        &[(":scheme", "javascript")],
        &[(":authority", "u@evil")],
        &[("host", "evil")],
        &[(":authority", "")],
    ]) {
        assert_eq!(world.handle.stats().n_bad_requests, n_before);
        let (said, _frames) = ask(&world, &request(other)).await;
        assert_eq!(said, BAD_REQUEST, "{other:?}");
    }
    assert_eq!(cart.n_requests(), 0);
    let client = world.client("cart.shop.localhost");
    let differing = client.clone().header("host", "evil").get_h2("/").await;
    assert_eq!((differing.status.as_u16(), differing.reason()), (400, "host-differs"));
    let user = world.client("u@cart.shop.localhost").get_h2("/").await;
    assert_eq!((user.status.as_u16(), user.reason()), (400, "invalid-host"));
}

#[tokio::test]
async fn row_an_asterisk_is_a_target_of_options() {
    let (world, cart) = shop().await;
    let (said, _frames) = ask(&world, &request(&[(":method", "OPTIONS"), (":path", "*")])).await;
    assert_eq!(said, OK);
    assert_eq!(cart.last_uri(), "*");
}

#[tokio::test]
async fn row_the_authority_is_the_host_of_an_http1_upstream() {
    let (world, cart) = shop().await;
    let (said, _frames) = ask(&world, &request(&[])).await;
    assert_eq!(said, OK);
    assert_eq!(cart.last_headers()["host"], "cart.shop.localhost");
    let (said, _frames) = ask(&world, &request(&[("host", "evil")])).await;
    assert_eq!(said, BAD_REQUEST);
    assert_eq!(cart.n_requests(), 1);
}

#[tokio::test]
async fn row_the_limits_of_a_head_hold_over_http2() {
    let (world, cart) = shop().await;
    let client = world.client("cart.shop.localhost");
    let many = |n: usize| (0..n).fold(client.clone(), |client, idx| client.header(&format!("x-{idx}"), "1"));
    assert_eq!(many(90).get_h2("/").await.status, 200);
    let got = many(101).get_h2("/").await;
    assert_eq!((got.status.as_u16(), got.reason()), (431, "many-headers"));
    let large =
        (0..5).fold(client.clone(), |client, idx| client.header(&format!("x-{idx}"), &"y".repeat(15_000)));
    assert_eq!(large.get_h2("/").await.status, 431);
    let got = client.method(Method::GET).get_h2(&format!("/{}", "x".repeat(16 * 1024))).await;
    assert_eq!((got.status.as_u16(), got.reason()), (414, "long-target"));
    assert_eq!(cart.n_requests(), 1);
}

/// h2 cuts it before anything of ours can see it: a known difference to HTTP/1.
#[tokio::test]
async fn row_fragments_are_cut_over_http2() {
    let (world, cart) = shop().await;
    let (said, _frames) = ask(&world, &request(&[(":path", "/a#b")])).await;
    assert_eq!(said, OK);
    assert_eq!(cart.last_uri(), "/a");
}
