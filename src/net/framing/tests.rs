//! Heads and bodies by the byte, whole and in pieces.

use super::*;

/// What is told of `text`, which must not depend on how it is cut.
fn faults(text: &[u8], bare_line_feeds: BareLineFeeds) -> Option<(u32, HeadFault)> {
    let whole = Scan::new(bare_line_feeds).read(text);
    for piece in [1, 2, 3, 7, 63, 64, 65] {
        let mut scan = Scan::new(bare_line_feeds);
        let found = text.chunks(piece).find_map(|bytes| scan.read(bytes));
        assert_eq!(found, whole, "in pieces of {piece}: {}", text.escape_ascii());
    }
    whole
}

fn check(text: &str, wanted: Option<(u32, HeadFault)>) {
    assert_eq!(faults(text.as_bytes(), BareLineFeeds::Reject), wanted, "{text:?}");
}

const GOOD: &str = "GET /a?b=c HTTP/1.1\r\nhost: shop\r\ncookie: content-length=1\r\n\r\n";

#[test]
fn requests_that_are_right_are_passed_over() {
    let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(200));
    for text in [
        GOOD,
        &long,
        "\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nGET #",
        "POST / HTTP/1.1\r\nContent-Length:\t0 \r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nGET #\r\n0\r\n\r\n",
        "A#B / HTTP/1.1\r\n\r\n",
    ] {
        check(text, None);
        check(&format!("{text}{GOOD}{text}"), None);
    }
}

#[test]
fn the_head_that_is_at_fault_is_named_behind_any_body() {
    for (bad, fault) in [
        (
            "POST / HTTP/1.1\r\ncontent-length: 6\r\ntransfer-encoding: chunked\r\n\r\n",
            HeadFault::LengthAndCoding,
        ),
        (
            "POST / HTTP/1.1\r\nTRANSFER-ENCODING:chunked\r\nCONTENT-LENGTH:6\r\n\r\n",
            HeadFault::LengthAndCoding,
        ),
        ("POST / HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\n", HeadFault::ManyLengths),
        ("POST / HTTP/1.1\r\ncontent-length: 5, 5\r\n\r\n", HeadFault::InvalidLength),
        ("POST / HTTP/1.1\r\ncontent-length: +5\r\n\r\n", HeadFault::InvalidLength),
        ("POST / HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n", HeadFault::InvalidLength),
        ("POST / HTTP/1.1\r\ntransfer-encoding: gzip, chunked\r\n\r\n", HeadFault::TransferEncoding),
        (
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
            HeadFault::TransferEncoding,
        ),
        ("GET / HTTP/1.1\nhost: a\r\n\r\n", HeadFault::BareLineFeed),
        ("GET / HTTP/1.1\r\nhost: a\n\r\n", HeadFault::BareLineFeed),
        ("GET / HTTP/1.1\r\nhost: a\r\n\n", HeadFault::BareLineFeed),
        ("\nGET / HTTP/1.1\r\n\r\n", HeadFault::BareLineFeed),
        ("GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n", HeadFault::Fragment),
    ] {
        check(bad, Some((0, fault)));
        check(&format!("{GOOD}{bad}{GOOD}"), Some((1, fault)));
        let chunked = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
        let counted = "POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\nhi";
        check(&format!("{chunked}{counted}{bad}"), Some((2, fault)));
    }
}

#[test]
fn a_long_framing_field_is_at_fault_however_it_comes() {
    let spaces = " ".repeat(LINE_KEPT_BYTES);
    check(
        &format!("POST / HTTP/1.1\r\ncontent-length:{spaces}5\r\n\r\n"),
        Some((0, HeadFault::InvalidLength)),
    );
    check(
        &format!("POST / HTTP/1.1\r\ntransfer-encoding:{spaces}chunked\r\n\r\n"),
        Some((0, HeadFault::TransferEncoding)),
    );
    let long = "y".repeat(200);
    check(&format!("GET / HTTP/1.1\r\nx: {long}\n\r\n"), Some((0, HeadFault::BareLineFeed)));
}

#[test]
fn behind_a_bad_chunk_no_head_is_right() {
    let bad = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0x5\r\nhello\r\n";
    check(&format!("{bad}{GOOD}"), Some((1, HeadFault::AfterBadBody)));
}

#[test]
fn bare_line_feeds_may_be_accepted() {
    let text = b"POST / HTTP/1.1\nhost: a\ncontent-length: 2\n\nhiGET /#x HTTP/1.1\n\n";
    assert_eq!(faults(text, BareLineFeeds::Accept), Some((1, HeadFault::Fragment)));
}

#[test]
fn what_is_not_http_any_more_is_not_looked_at() {
    let mut scan = Scan::new(BareLineFeeds::Reject);
    assert_eq!(scan.read(b"GET / HTTP/1.1\r\nupgrade: websocket\r\n\r\n"), None);
    scan.stop();
    assert_eq!(scan.read(b"\n#\n"), None);
}

/// What a head of 300 bytes costs, printed: `cargo test --release -p spur-net -- --nocapture what_a_head`.
#[test]
fn what_a_head_of_300_bytes_costs_is_printed() {
    let mut head = b"GET /api/v1/carts/1234567890?currency=EUR HTTP/1.1\r\nhost: cart.shop.localhost:8080\r\n\
        user-agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/128.0\r\naccept: application/json\r\n\
        accept-encoding: gzip, deflate, br\r\ncontent-type: text/plain\r\n"
        .to_vec();
    let fill = format!("x-request-id: {}\r\n\r\n", "a".repeat(300 - head.len() - 18));
    head.extend(fill.bytes());
    assert_eq!(head.len(), 300);
    let mut scan = Scan::new(BareLineFeeds::Reject);
    let n_heads = 100_000;
    let started = std::time::Instant::now();
    for _ in 0..n_heads {
        assert_eq!(scan.read(std::hint::black_box(&head)), None);
    }
    let per_head = started.elapsed() / n_heads;
    println!("a head of 300 bytes: {per_head:?}");
    assert_eq!(scan.n_heads, n_heads);
}
