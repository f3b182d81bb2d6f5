//! What a request must be, and what the upstream sees of it: raw bytes in.

use spur_route::TraceParent;

use crate::harness::{Upstream, World, raw, world};

async fn shop() -> (World, Upstream) {
    let cart = Upstream::http1("cart").route("*", "hi").run().await;
    (world().service("cart", &[&cart]).start().await, cart)
}

/// The status line and headers of what the proxy answers to `head`.
async fn ask(world: &World, head: &str) -> String {
    raw(world.entry(), head).await
}

#[tokio::test]
async fn what_two_parties_could_read_differently_is_refused() {
    let (world, cart) = shop().await;
    for (head, status, reason) in [
        ("GET / HTTP/1.1\r\n\r\n", "400", "no-host"),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", "400", "many-hosts"),
        ("GET / HTTP/1.1\r\nhost: a/../b\r\n\r\n", "400", "invalid-host"),
        ("GET / HTTP/1.1\r\nhost: u@evil\r\n\r\n", "400", "invalid-host"),
        ("GET * HTTP/1.1\r\nhost: a\r\n\r\n", "400", "invalid-target"),
        ("CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n", "501", "connect-not-supported"),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "501",
            "transfer-encoding",
        ),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "501",
            "transfer-encoding",
        ),
        // hyper's own refusals, kept as they are.
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n", "400", ""),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +5\r\n\r\n", "400", ""),
        ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n", "400", ""),
        ("POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n", "400", ""),
        ("GET / HTTP/1.1\r\nhost : a\r\n\r\n", "400", ""),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n", "400", ""),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: a\r\n folded\r\n\r\n", "400", ""),
    ] {
        let head = head.replacen("HTTP/1.1\r\n", "HTTP/1.1\r\nconnection: close\r\n", 1);
        let said = ask(&world, &head).await;
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{head:?}: {said}");
        if !reason.is_empty() {
            assert!(said.contains(&format!("spur-reason: {reason}\r\n")), "{head:?}: {said}");
        }
    }
    assert_eq!(cart.n_requests(), 0);
}

#[tokio::test]
async fn heads_beyond_the_bounds_are_refused() {
    let (world, cart) = shop().await;
    let long_target = format!(
        "GET /{} HTTP/1.1\r\nhost: cart.shop.localhost\r\nconnection: close\r\n\r\n",
        "x".repeat(17_000)
    );
    assert!(ask(&world, &long_target).await.starts_with("HTTP/1.1 414 "));
    let fields = |n: usize, len: usize| {
        let fields: String = (0..n).map(|i| format!("x-{i}: {}\r\n", "y".repeat(len))).collect();
        format!("GET / HTTP/1.1\r\nhost: cart.shop.localhost\r\nconnection: close\r\n{fields}\r\n")
    };
    assert!(ask(&world, &fields(101, 1)).await.starts_with("HTTP/1.1 431 "));
    assert!(ask(&world, &fields(20, 5_000)).await.starts_with("HTTP/1.1 431 "));
    assert_eq!(cart.n_requests(), 0);
}

#[tokio::test]
async fn a_length_beside_chunks_never_reaches_the_upstream() {
    // hyper drops the length and closes afterwards, as RFC 9112 6.1 allows; a
    // request smuggled behind the chunks must not be read as one.
    let (world, cart) = shop().await;
    for lengths in
        ["content-length: 6\r\ntransfer-encoding: chunked", "transfer-encoding: chunked\r\ncontent-length: 6"]
    {
        let n_before = cart.n_requests();
        let said = ask(&world, &format!(
            "POST / HTTP/1.1\r\nhost: cart.shop.localhost\r\n{lengths}\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: cart.shop.localhost\r\n\r\n"
        )).await;
        assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{said}");
        assert_eq!(cart.n_requests(), n_before + 1);
        assert!(!cart.last_headers().contains_key("content-length"));
    }
}

#[tokio::test]
async fn a_refused_request_does_not_leave_its_body_for_the_next() {
    // CVE-2025-4366: what was not read of a body was read as a request.
    let (world, cart) = shop().await;
    let inner = "GET /smuggled HTTP/1.1\r\nhost: cart.shop.localhost\r\n\r\n";
    let said = ask(&world, &format!(
        "POST / HTTP/1.1\r\nhost: nobody.shop.localhost\r\ncontent-length: {}\r\n\r\n{inner}GET /next HTTP/1.1\r\nhost: cart.shop.localhost\r\nconnection: close\r\n\r\n",
        inner.len()
    )).await;
    assert!(said.starts_with("HTTP/1.1 404 "), "{said}");
    assert!(cart.n_requests() <= 1);
    if cart.n_requests() == 1 {
        assert_eq!(cart.last_uri(), "/next");
    }
}

#[tokio::test]
async fn the_upstream_sees_the_request_and_not_the_connection() {
    let (world, cart) = shop().await;
    let said = ask(&world, "GET /a//b?c=%20d HTTP/1.1\r\nHost: CART.shop.localhost:8080\r\n\
        Connection: close, X-Hop, Authorization\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: close\r\n\
        Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nTE: gzip, trailers\r\nAuthorization: Bearer x\r\n\
        X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Bytes: caf\u{e9}\r\n\r\n").await;
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    let seen = cart.last_headers();
    for gone in ["x-hop", "keep-alive", "proxy-connection", "upgrade", "http2-settings"] {
        assert!(!seen.contains_key(gone), "{gone}");
    }
    assert_eq!(seen["te"], "trailers");
    assert_eq!(seen["connection"], "te");
    assert_eq!(seen["authorization"], "Bearer x");
    assert_eq!(seen["host"], "CART.shop.localhost:8080");
    assert_eq!(seen["x-forwarded-for"], "10.0.0.1, 127.0.0.1");
    assert_eq!(seen["x-forwarded-proto"], "https");
    assert_eq!(seen["x-forwarded-host"], "CART.shop.localhost:8080");
    assert_eq!(seen["x-bytes"].as_bytes(), "caf\u{e9}".as_bytes());
    assert_eq!(cart.last_uri(), "/a//b?c=%20d");
}

#[tokio::test]
async fn a_target_never_names_the_upstream() {
    let (world, cart) = shop().await;
    for (line, wanted) in [
        ("GET //evil.example/x", "//evil.example/x"),
        ("GET http://cart.shop.localhost/y", "/y"),
        ("OPTIONS *", "*"),
    ] {
        let said = ask(
            &world,
            &format!("{line} HTTP/1.1\r\nhost: cart.shop.localhost\r\nconnection: close\r\n\r\n"),
        )
        .await;
        assert!(said.starts_with("HTTP/1.1 200 "), "{line}: {said}");
        assert_eq!(cart.last_uri(), wanted);
    }
}

#[tokio::test]
async fn the_absolute_form_decides_where_to() {
    let (world, cart) = shop().await;
    let said =
        ask(&world, "GET http://cart.shop.localhost/ HTTP/1.1\r\nhost: nobody\r\nconnection: close\r\n\r\n")
            .await;
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    assert_eq!(cart.last_headers()["host"], "cart.shop.localhost");
}

#[tokio::test]
async fn the_next_hop_is_a_child_of_this_one() {
    let (world, cart) = shop().await;
    let client = world.client("cart.shop.localhost");
    let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
    client.clone().header("traceparent", given).get("/").await;
    let sent = TraceParent::from_headers(&cart.last_headers()).unwrap();
    let (start, _) = world.only_hop().await;
    assert_eq!(sent.trace_id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!((sent.parent_id, sent.flags), (start.id.span_id, 0));
    assert_eq!(start.incoming_parent_id.unwrap().to_string(), "00f067aa0ba902b7");

    client.header("traceparent", "00-nonsense").get("/").await;
    let sent = TraceParent::from_headers(&cart.last_headers()).unwrap();
    let (start, _) = world.only_hop().await;
    assert_eq!((sent.trace_id, sent.parent_id, sent.flags), (start.id.trace_id, start.id.span_id, 1));
    assert_eq!(start.incoming_parent_id, None);
}

#[tokio::test]
async fn http2_requests_are_held_to_the_same_rules() {
    let (world, cart) = shop().await;
    let client = world.client("cart.shop.localhost");
    let differing = client.clone().header("host", "evil").get_h2("/").await;
    assert_eq!((differing.status.as_u16(), differing.reason()), (400, "host-differs"));
    let user = world.client("u@cart.shop.localhost").get_h2("/").await;
    assert_eq!((user.status.as_u16(), user.reason()), (400, "invalid-host"));
    assert_eq!(cart.n_requests(), 0);
    assert_eq!(client.get_h2("//evil/x").await.status, 200);
    assert_eq!(cart.last_uri(), "//evil/x");
}
