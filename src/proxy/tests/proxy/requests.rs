//! What the upstream sees of a request: raw bytes in. What is refused stands in `table`.

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
