//! The rows of HTTP/1.

use crate::harness::{Upstream, World, raw, text, world};

const HOST: &str = "host: cart.shop.localhost";
/// A good request, which whoever smuggles would have served.
const NEXT: &str = "GET /next HTTP/1.1\r\nhost: cart.shop.localhost\r\nconnection: close\r\n\r\n";

async fn shop() -> (World, Upstream) {
    use http_body_util::BodyExt;
    let cart = Upstream::http1("cart").on("*", |req| async move {
        // Read to its end, as services do.
        match req.into_body().collect().await {
            Ok(body) => text(format!("{} bytes", body.to_bytes().len())),
            Err(_) => text("broken"),
        }
    });
    let cart = cart.run().await;
    (world().service("cart", &[&cart]).start().await, cart)
}

/// `bytes` and a good request behind them get one answer, of this status and reason (where the
/// answer is ours); then the connection is closed, and the upstream saw nothing.
async fn refused(bytes: &str, status: u16, reason: &str) {
    let (world, cart) = shop().await;
    let said = raw(world.entry(), format!("{bytes}{NEXT}")).await;
    assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{bytes:?}: {said}");
    assert_eq!(said.matches("\r\ndate: ").count(), 1, "{bytes:?}: one answer only: {said}");
    if reason.is_empty() {
        assert!(!said.contains("spur-reason"), "{bytes:?}: {said}");
    } else {
        assert!(said.contains(&format!("spur-reason: {reason}\r\n")), "{bytes:?}: {said}");
    }
    assert!(said.contains("connection: close\r\n"), "{bytes:?}: {said}");
    assert_eq!(cart.n_requests(), 0, "{bytes:?}");
}

/// A request of these header lines and body.
fn post(lines: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\n{HOST}\r\n{lines}\r\n\r\n{body}")
}

/// The same, asking to close where nothing is wrong with the framing.
async fn refused_without_closing(lines: &str, status: u16, reason: &str) {
    refused(&format!("GET / HTTP/1.1\r\nconnection: close\r\n{lines}\r\n\r\n"), status, reason).await;
}

#[tokio::test]
async fn row_cl_te_a_length_before_a_coding_is_400_and_closes() {
    refused(&post("content-length: 6\r\ntransfer-encoding: chunked", "0\r\n\r\n"), 400, "length-and-coding")
        .await;
    let smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: cart.shop.localhost\r\n\r\n";
    refused(&post("Content-Length: 6\r\nTransfer-Encoding: chunked", smuggled), 400, "length-and-coding")
        .await;
}

#[tokio::test]
async fn row_te_cl_a_coding_before_a_length_with_a_bad_chunk_is_400_and_closes() {
    for body in ["0\r\n\r\n", "5c\r\nGET /smuggled HTTP/1.1\r\n\r\n", "zz\r\n"] {
        let lines = "transfer-encoding: chunked\r\ncontent-length: 4";
        refused(&post(lines, body), 400, "length-and-coding").await;
    }
}

#[tokio::test]
async fn row_lengths_that_differ_or_are_no_number_are_400() {
    for lengths in [
        "content-length: 5\r\ncontent-length: 6",
        "content-length: 5, 5",
        "content-length: +5",
        "content-length: 0x5",
        "content-length: -1",
        "content-length: 18446744073709551616",
    ] {
        // hyper's own answer, kept as it is.
        refused(&post(lengths, "hello"), 400, "").await;
    }
}

#[tokio::test]
async fn row_two_equal_lengths_are_400() {
    refused(&post("content-length: 5\r\ncontent-length: 5", "hello"), 400, "many-lengths").await;
    refused(&post("content-length: 5\r\nx: y\r\nContent-Length: 5", "hello"), 400, "many-lengths").await;
}

#[tokio::test]
async fn row_codings_that_are_not_chunked_are_400() {
    for lines in [
        "transfer-encoding: xchunked",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: \x0bchunked",
        "transfer-encoding : chunked",
    ] {
        refused(&post(lines, "0\r\n\r\n"), 400, "").await;
    }
    let old = format!("POST / HTTP/1.0\r\n{HOST}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n");
    let (world, cart) = shop().await;
    let said = raw(world.entry(), format!("{old}{NEXT}")).await;
    assert!(said.starts_with("HTTP/1.1 400 ") && said.matches("HTTP/1.").count() == 1, "{said}");
    assert_eq!(cart.n_requests(), 0);
}

#[tokio::test]
async fn row_codings_besides_chunked_are_501() {
    for lines in
        ["transfer-encoding: gzip, chunked", "transfer-encoding: chunked\r\ntransfer-encoding: chunked"]
    {
        refused(&post(lines, "0\r\n\r\n"), 501, "transfer-encoding").await;
    }
}

#[tokio::test]
async fn row_chunks_that_are_none_are_400_while_nothing_is_answered_and_close() {
    for body in [
        "0x5\r\nhello\r\n0\r\n\r\n",
        "-1\r\nhello\r\n0\r\n\r\n",
        "11111111111111111\r\nhello\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
    ] {
        let (world, cart) = shop().await;
        let said = raw(world.entry(), format!("{}{NEXT}", post("transfer-encoding: chunked", body))).await;
        assert!(said.starts_with("HTTP/1.1 400 "), "{body:?}: {said}");
        assert!(said.contains("spur-reason: bad-request-body\r\n"), "{body:?}: {said}");
        assert!(said.contains("connection: close\r\n"), "{body:?}: {said}");
        assert_eq!(said.matches("\r\ndate: ").count(), 1, "{body:?}: {said}");
        assert!(cart.n_requests() <= 1, "the head of the first at most");
    }
}

#[tokio::test]
async fn row_trailers_that_frame_are_dropped() {
    use http_body_util::BodyExt;
    let cart = Upstream::http1("cart").on("/", |req| async move {
        let has_length = req.headers().contains_key("content-length");
        let body = req.into_body().collect().await.unwrap();
        let names: Vec<String> =
            body.trailers().into_iter().flat_map(|t| t.keys().map(ToString::to_string)).collect();
        text(format!("{has_length} {names:?}"))
    });
    let cart = cart.run().await;
    let world = world().service("cart", &[&cart]).start().await;
    let lines = "transfer-encoding: chunked\r\ntrailer: x-sum\r\nte: trailers\r\nconnection: close";
    let body =
        "2\r\nhi\r\n0\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\nhost: evil\r\nx-sum: 7\r\n\r\n";
    let said = raw(world.entry(), post(lines, body)).await;
    assert!(said.ends_with("false [\"x-sum\"]"), "{said}");
}

#[tokio::test]
async fn row_bare_line_feeds_in_a_head_are_400() {
    for head in [
        format!("GET / HTTP/1.1\n{HOST}\n\n"),
        format!("GET / HTTP/1.1\r\n{HOST}\nx: y\r\n\r\n"),
        format!("GET / HTTP/1.1\r\n{HOST}\r\n\n"),
    ] {
        refused(&head, 400, "bare-line-feed").await;
    }
}

#[tokio::test]
async fn row_bare_line_feeds_may_be_accepted() {
    let cart = Upstream::http1("cart").route("/", "hi").run().await;
    let accepting = |config: &mut spur_proxy::Config| config.limits.set("bare-line-feeds=accept").unwrap();
    let world = world().service("cart", &[&cart]).config(accepting).start().await;
    let said = raw(world.entry(), format!("GET / HTTP/1.1\n{HOST}\nconnection: close\n\n")).await;
    assert!(said.starts_with("HTTP/1.1 200 ") && said.ends_with("hi"), "{said}");
}

#[tokio::test]
async fn row_control_characters_and_folds_in_a_head_are_400() {
    for value in ["a\rb", "a\0b", "a\x1b[31mb", "a\r\n folded"] {
        refused(&format!("GET / HTTP/1.1\r\n{HOST}\r\nx: {value}\r\n\r\n"), 400, "").await;
    }
}

#[tokio::test]
async fn row_bytes_beyond_ascii_in_values_are_forwarded_unchanged_and_shown_escaped() {
    let (world, cart) = shop().await;
    let mut request = b"GET / HTTP/1.1\r\nhost: cart.shop.localhost\r\nconnection: close\r\nx: ".to_vec();
    request.extend(0x80..=0xff_u8);
    request.extend(b"\r\n\r\n");
    assert!(raw(world.entry(), request).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(cart.last_headers()["x"].as_bytes(), (0x80..=0xff).collect::<Vec<u8>>());
    // What is shown of a request passes one place (`spur_trace::sanitize_for_terminal`).
    assert_eq!(spur_trace::sanitize_for_terminal("a\u{9b}31m"), "a\\x9b31m");
}

#[tokio::test]
async fn row_no_host_two_hosts_and_hosts_that_are_none_are_400() {
    for (lines, reason) in [
        ("x: y", "no-host"),
        ("host: a\r\nhost: a", "many-hosts"),
        ("host: a/../b", "invalid-host"),
        ("host: u@evil", "invalid-host"),
        ("host: ", "invalid-host"),
    ] {
        refused_without_closing(lines, 400, reason).await;
    }
}

#[tokio::test]
async fn row_the_absolute_form_wins_and_the_host_is_rewritten() {
    let (world, cart) = shop().await;
    let head = "GET http://cart.shop.localhost/y HTTP/1.1\r\nhost: nobody\r\nconnection: close\r\n\r\n";
    assert!(raw(world.entry(), head).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(cart.last_headers()["host"], "cart.shop.localhost");
    assert_eq!(cart.last_uri(), "/y");
}

#[tokio::test]
async fn row_connection_takes_off_what_it_names_but_nothing_of_the_proxys() {
    let (world, cart) = shop().await;
    let said = raw(
        world.entry(),
        format!(
            "GET / HTTP/1.1\r\n{HOST}\r\nconnection: close, Authorization, X-Forwarded-For, X-Hop\r\n\
             authorization: Bearer x\r\nx-forwarded-for: 10.0.0.1\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\n\r\n"
        ),
    )
    .await;
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    let seen = cart.last_headers();
    assert_eq!(seen["authorization"], "Bearer x");
    assert_eq!(seen["x-forwarded-for"], "10.0.0.1, 127.0.0.1");
    for gone in ["x-hop", "keep-alive", "connection"] {
        assert!(!seen.contains_key(gone), "{gone}");
    }
}

#[tokio::test]
async fn row_upgrades_to_h2c_are_dropped() {
    let (world, cart) = shop().await;
    let said = raw(
        world.entry(),
        format!(
            "GET / HTTP/1.1\r\n{HOST}\r\nconnection: close, Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\n\
             http2-settings: AAMAAABk\r\n\r\n"
        ),
    )
    .await;
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    for gone in ["upgrade", "http2-settings", "connection"] {
        assert!(!cart.last_headers().contains_key(gone), "{gone}");
    }
}

#[tokio::test]
async fn row_heads_of_many_or_large_fields_are_431() {
    let fields = |n: usize, n_bytes: usize| -> String {
        let fields: String = (0..n).map(|idx| format!("x-{idx}: {}\r\n", "y".repeat(n_bytes))).collect();
        format!("GET / HTTP/1.1\r\n{HOST}\r\nconnection: close\r\n{fields}\r\n")
    };
    let (world, cart) = shop().await;
    // The upstream of the test has hyper's limit, too, and the proxy adds some.
    assert!(raw(world.entry(), fields(90, 1)).await.starts_with("HTTP/1.1 200 "), "92 fields");
    assert!(raw(world.entry(), fields(1, 60_000)).await.starts_with("HTTP/1.1 200 "), "60 kB");
    for head in [fields(99, 1), fields(20, 5_000), fields(1, 400_000)] {
        assert!(raw(world.entry(), head).await.starts_with("HTTP/1.1 431 "));
    }
    assert_eq!(cart.n_requests(), 2);
}

#[tokio::test]
async fn row_targets_of_more_than_16_kib_are_414() {
    let head = |n_bytes: usize| {
        format!("GET /{} HTTP/1.1\r\n{HOST}\r\nconnection: close\r\n\r\n", "x".repeat(n_bytes - 1))
    };
    let (world, cart) = shop().await;
    assert!(raw(world.entry(), head(16 * 1024)).await.starts_with("HTTP/1.1 200 "));
    let said = raw(world.entry(), head(16 * 1024 + 1)).await;
    assert!(said.starts_with("HTTP/1.1 414 ") && said.contains("spur-reason: long-target\r\n"), "{said}");
    assert_eq!(cart.n_requests(), 1);
}

#[tokio::test]
async fn row_fragments_in_a_target_are_400() {
    for target in ["/a#b", "/#", "http://cart.shop.localhost/#x"] {
        refused(&format!("GET {target} HTTP/1.1\r\n{HOST}\r\n\r\n"), 400, "fragment").await;
    }
}

#[tokio::test]
async fn row_an_early_refusal_of_a_request_whose_body_is_unread_is_the_only_answer() {
    // CVE-2025-4366: what was not read of a body was read as a request.
    let gone = Upstream::gone("gone").await;
    let cart = Upstream::http1("cart").route("*", "hi").run().await;
    let world = world().service("gone", &[&gone]).service("cart", &[&cart]).start().await;
    let inner = "GET /smuggled HTTP/1.1\r\nhost: cart.shop.localhost\r\n\r\n";
    let fill = "x".repeat(200_000);
    for body in [inner.to_owned(), format!("{inner}{fill}")] {
        let said = raw(
            world.entry(),
            format!(
                "POST / HTTP/1.1\r\nhost: gone.shop.localhost\r\ncontent-length: {}\r\n\r\n{body}{NEXT}",
                body.len()
            ),
        )
        .await;
        assert!(said.starts_with("HTTP/1.1 502 "), "{said}");
        assert!(cart.n_requests() == 0 || cart.last_uri() == "/next", "{}", cart.last_uri());
    }
}

#[tokio::test]
async fn a_bad_head_behind_good_requests_ends_the_connection_and_those_are_answered() {
    let (world, cart) = shop().await;
    let good = format!("POST / HTTP/1.1\r\n{HOST}\r\ncontent-length: 2\r\n\r\nhi");
    let chunked = post("transfer-encoding: chunked", "2\r\nhi\r\n0\r\n\r\n");
    let bad = post("content-length: 6\r\ntransfer-encoding: chunked", "0\r\n\r\n");
    let said = raw(world.entry(), format!("{good}{chunked}{bad}{NEXT}")).await;
    assert_eq!(said.matches("HTTP/1.1 200 ").count(), 2, "{said}");
    assert_eq!(said.matches("HTTP/1.1 400 ").count(), 1, "{said}");
    assert_eq!(cart.n_requests(), 2);
    assert_eq!(world.handle.stats().n_bad_requests, 1);
}
