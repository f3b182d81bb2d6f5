//! PX-3: clients that are slow, silent or too busy, on the one worker that serves others meanwhile.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::stream;
use http::Response;
use http_body::Frame as BodyFrame;
use http_body_util::{BodyExt, StreamBody};
use spur_proxy::Config;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::harness::{
    PATIENCE, Upstream, World, eventually,
    frames::{
        BAD_REQUEST, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Flood, Frames, HEADERS,
        PING, RST_STREAM, SETTINGS, Said, WINDOW_UPDATE, fields, frame, request,
    },
    never, raw, text, world,
};

const SOON: Duration = Duration::from_millis(100);

/// More than the sockets of both sides hold, and less than takes long to read.
const MUCH: usize = 12 << 20;

async fn shop() -> (World, Upstream) {
    let cart = Upstream::http1("cart").route("/", "hi").on("/never", never).run().await;
    (world().service("cart", &[&cart]).start().await, cart)
}

/// Somebody else is served, over both protocols.
async fn others_are_served(world: &World) {
    let client = world.client("cart.shop.localhost");
    for _ in 0..5 {
        let (h1, h2) = tokio::join!(client.get("/"), client.get_h2("/"));
        assert_eq!((&*h1.text, &*h2.text), ("hi", "hi"));
    }
}

/// Floods one connection while others are served on the same thread.
async fn flood(world: &World, frames: &mut Frames, bytes: &[u8]) -> Flood {
    let (ended, ()) = tokio::join!(frames.flood(bytes, MUCH), others_are_served(world));
    others_are_served(world).await;
    ended
}

/// PX-3: nothing, a piece of the preface, dripping heads over both protocols.
#[tokio::test]
async fn px_3_what_says_too_little_or_drips_is_closed_by_a_deadline() {
    fn short(config: &mut Config) {
        config.limits.first_bytes_timeout = SOON;
        config.limits.head_timeout = SOON * 3;
        config.limits.idle_timeout = SOON * 3;
    }
    let cart = Upstream::http1("cart").route("/", "hi").run().await;
    let world = world().service("cart", &[&cart]).config(short).start().await;
    for bytes in ["", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nhost: a\r\n"] {
        assert_eq!(raw(world.entry(), bytes).await, "", "{bytes:?}");
    }
    // Half a header list is no request.
    let mut frames = Frames::connect(world.entry()).await;
    frames.send(&frame(HEADERS, 0, 1, &request(&[]))).await;
    let closed = timeout(PATIENCE, frames.stream.read_to_end(&mut Vec::new())).await;
    assert!(closed.is_ok(), "it is closed");
    for drip in [
        "GET / HTTP/1.1\r\nhost: a\r\nx: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy",
        "PRI * HTTP/2.0\r\n\r\nS",
    ] {
        let mut stream = TcpStream::connect(world.entry()).await.unwrap();
        let mut n_sent = 0;
        for byte in drip.bytes().cycle() {
            // A byte every 20 ms, until the proxy has closed.
            if timeout(Duration::from_millis(20), stream.read_u8()).await.is_ok() {
                break;
            }
            let _closed_meanwhile = stream.write_all(&[byte]).await;
            n_sent += 1;
            assert!(n_sent < 500, "it goes on: {drip:?}");
        }
    }
    eventually("all are counted", || world.handle.stats().n_connections_overdue == 6).await;
    others_are_served(&world).await;
}

/// PX-3: a body of which no byte comes.
#[tokio::test]
async fn px_3_a_body_that_stops_is_408_and_one_that_goes_on_is_not() {
    fn short(config: &mut Config) {
        config.limits.body_timeout = Some(SOON * 10);
    }
    let cart = Upstream::http1("cart").route("/", "hi").on("/read", |req| async move {
        let body = req.into_body().collect().await.unwrap().to_bytes();
        text(format!("{} bytes", body.len()))
    });
    let cart = cart.run().await;
    let world = world().service("cart", &[&cart]).config(short).start().await;
    for framing in ["content-length: 10\r\n\r\nhel", "transfer-encoding: chunked\r\n\r\na\r\nhel"] {
        let said =
            raw(world.entry(), format!("POST /read HTTP/1.1\r\nhost: cart.shop.localhost\r\n{framing}"))
                .await;
        assert!(said.starts_with("HTTP/1.1 408 "), "{said}");
        assert!(
            said.contains("spur-reason: body-timeout\r\n") && said.contains("connection: close"),
            "{said}"
        );
    }
    // Twelve bytes, one every 100 ms: longer than the deadline as a whole.
    let mut slow = TcpStream::connect(world.entry()).await.unwrap();
    let head =
        "POST /read HTTP/1.1\r\nhost: cart.shop.localhost\r\nconnection: close\r\ncontent-length: 12\r\n\r\n";
    slow.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..12 {
        tokio::time::sleep(SOON).await;
        slow.write_all(b"x").await.unwrap();
    }
    let mut said = String::new();
    slow.read_to_string(&mut said).await.unwrap();
    assert!(said.ends_with("12 bytes"), "{said}");
    // Over HTTP/2 the stream is answered and the connection goes on.
    let mut frames = Frames::connect(world.entry()).await;
    frames.send(&frame(HEADERS, END_HEADERS, 1, &request(&[(":method", "POST"), (":path", "/read")]))).await;
    assert!(matches!(frames.said(1).await, Said::Status(status) if status != 0x88));
    frames.send(&frame(HEADERS, END_HEADERS | END_STREAM, 3, &request(&[]))).await;
    assert_eq!(frames.said(3).await, crate::harness::frames::OK);
}

/// PX-3: an upstream that takes its time to answer is not the client's fault.
#[tokio::test]
async fn px_3_the_bodys_deadline_does_not_hold_for_the_response() {
    fn short(config: &mut Config) {
        config.limits.body_timeout = Some(SOON);
    }
    let cart = Upstream::http1("cart").on("/", |req| async move {
        req.into_body().collect().await.unwrap();
        tokio::time::sleep(SOON * 4).await;
        text("late")
    });
    let cart = cart.run().await;
    let world = world().service("cart", &[&cart]).config(short).start().await;
    assert_eq!(world.client("cart.shop.localhost").body("order").get("/").await.text, "late");
}

/// An upstream whose answer has no end, and how many bytes of it were asked for.
async fn endless() -> (World, Upstream, Arc<AtomicUsize>) {
    let n_bytes = Arc::new(AtomicUsize::new(0));
    let cart = Upstream::http1("cart").route("/", "hi").on("/endless", {
        let n_bytes = Arc::clone(&n_bytes);
        move |_| {
            let n_bytes = Arc::clone(&n_bytes);
            async move {
                let frames = stream::repeat_with(move || {
                    n_bytes.fetch_add(16 * 1024, Ordering::Relaxed);
                    Ok(BodyFrame::data(Bytes::from_static(&[b'x'; 16 * 1024])))
                });
                Response::new(StreamBody::new(frames).boxed())
            }
        }
    });
    let cart = cart.run().await;
    (world().service("cart", &[&cart]).start().await, cart, n_bytes)
}

/// The answer stops being read at the upstream while others are served.
async fn upstream_is_held_back(world: &World, n_bytes: &AtomicUsize) {
    /// Both hops' sockets, which grow to some MB each (`tcp_wmem`, `tcp_rmem`), and what is ours.
    const HELD_MAX: usize = 32 << 20;
    eventually("the answer has begun", || n_bytes.load(Ordering::Relaxed) > 0).await;
    // It stands still once a hundred requests of others have passed and nothing was added.
    loop {
        let before = n_bytes.load(Ordering::Relaxed);
        others_are_served(world).await;
        others_are_served(world).await;
        assert!(before < HELD_MAX, "{before} bytes and no end");
        if n_bytes.load(Ordering::Relaxed) == before {
            break;
        }
    }
}

/// PX-3: what is not read is not fetched.
#[tokio::test]
async fn px_3_a_client_that_does_not_read_holds_back_its_upstream() {
    let (world, _cart, n_bytes) = endless().await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut deaf = socket.connect(world.entry()).await.unwrap();
    deaf.write_all(b"GET /endless HTTP/1.1\r\nhost: cart.shop.localhost\r\n\r\n").await.unwrap();
    upstream_is_held_back(&world, &n_bytes).await;
}

/// PX-3: a stream whose window is never opened holds one buffer.
#[tokio::test]
async fn px_3_a_window_of_zero_holds_back_its_upstream() {
    let (world, _cart, n_bytes) = endless().await;
    // SETTINGS_INITIAL_WINDOW_SIZE = 0.
    let mut frames = Frames::connect_with(world.entry(), &[0, 4, 0, 0, 0, 0]).await;
    let list = request(&[(":path", "/endless")]);
    for id in [1, 3, 5] {
        frames.send(&frame(HEADERS, END_HEADERS | END_STREAM, id, &list)).await;
    }
    upstream_is_held_back(&world, &n_bytes).await;
}

/// PX-3: whoever wants acknowledgements and takes none is read no further.
#[tokio::test]
async fn px_3_settings_that_flood_are_not_read_on() {
    let (world, _cart) = shop().await;
    let mut frames = Frames::connect(world.entry()).await;
    let ended = flood(&world, &mut frames, &frame(SETTINGS, 0, 0, &[])).await;
    assert_ne!(ended, Flood::Taken);
}

/// PX-3: the same with pings.
#[tokio::test]
async fn px_3_pings_that_flood_are_not_read_on() {
    let (world, _cart) = shop().await;
    let mut frames = Frames::connect(world.entry()).await;
    let ended = flood(&world, &mut frames, &frame(PING, 0, 0, &[7; 8])).await;
    assert_ne!(ended, Flood::Taken);
}

/// Opens streams whose requests are never answered, each followed by the frame that has it reset:
/// the connection ends before half of them reach anybody, and others are served all along.
async fn resets_end_the_connection(reset: impl Fn(u32) -> Vec<u8>) {
    const N_STREAMS: u32 = 5_000;
    let (world, cart) = shop().await;
    let mut frames = Frames::connect(world.entry()).await;
    let list = request(&[(":path", "/never")]);
    let bytes: Vec<u8> = (0..N_STREAMS)
        .flat_map(|nth| {
            let id = nth * 2 + 1;
            [frame(HEADERS, END_HEADERS | END_STREAM, id, &list), reset(id)].concat()
        })
        .collect();
    let (said, ()) = tokio::join!(
        async {
            frames.send(&bytes).await;
            // No stream has that number: what ends the connection is read.
            frames.said(u32::MAX).await
        },
        others_are_served(&world)
    );
    assert!(matches!(said, Said::GoAway(ENHANCE_YOUR_CALM) | Said::Closed), "{said:?}");
    others_are_served(&world).await;
    assert!(cart.n_requests() < N_STREAMS as usize / 2, "{} requests", cart.n_requests());
}

/// PX-3: Rapid Reset (CVE-2023-44487).
#[tokio::test]
async fn px_3_streams_that_are_reset_at_once_end_the_connection() {
    resets_end_the_connection(|id| frame(RST_STREAM, 0, id, &8_u32.to_be_bytes())).await;
}

/// PX-3: MadeYouReset (CVE-2025-8671): the client makes us reset.
#[tokio::test]
async fn px_3_streams_that_we_have_to_reset_end_the_connection() {
    // RFC 9113, section 6.9.1: a window beyond 2^31-1 is a stream error.
    resets_end_the_connection(|id| frame(WINDOW_UPDATE, 0, id, &0x7fff_ffff_u32.to_be_bytes())).await;
}

/// PX-3: a header list that never ends (CVE-2024-27316).
#[tokio::test]
async fn px_3_continuations_that_flood_end_the_connection() {
    let (world, cart) = shop().await;
    let mut frames = Frames::connect(world.entry()).await;
    frames.send(&frame(HEADERS, END_STREAM, 1, &request(&[]))).await;
    let piece = fields(&[("x", &"y".repeat(100))]);
    let ended = flood(&world, &mut frames, &frame(CONTINUATION, 0, 1, &piece)).await;
    assert_eq!(ended, Flood::Closed);
    let n_before = cart.n_requests();
    let mut frames = Frames::connect(world.entry()).await;
    frames.send(&frame(HEADERS, END_STREAM, 1, &request(&[]))).await;
    let ended = flood(&world, &mut frames, &frame(CONTINUATION, 0, 1, &[])).await;
    assert_eq!(ended, Flood::Closed, "empty ones");
    assert!(cart.n_requests() - n_before <= 20, "only those of others");
}

/// PX-3: frames of no data (RUSTSEC-2026-0258).
#[tokio::test]
async fn px_3_empty_data_that_floods_ends_the_connection() {
    let (world, _cart) = shop().await;
    let mut frames = Frames::connect(world.entry()).await;
    let list = request(&[(":method", "POST"), (":path", "/never")]);
    frames.send(&frame(HEADERS, END_HEADERS, 1, &list)).await;
    let ended = flood(&world, &mut frames, &frame(DATA, 0, 1, &[])).await;
    assert_eq!(ended, Flood::Closed);
}

/// PX-3: a list that is small as it comes and large as it is read (RFC 7541, section 7.3).
#[tokio::test]
async fn px_3_a_header_list_that_grows_when_it_is_read_is_refused() {
    let (world, cart) = shop().await;
    let mut frames = Frames::connect(world.entry()).await;
    let mut list = request(&[]);
    // A field of 3,000 bytes that goes into the dynamic table (section 6.2.1; 127 + 2873 as an
    // integer of seven bits, section 5.1), and 10,000 references to it.
    list.extend(b"\x40\x01x\x7f\xb9\x16");
    list.extend([b'y'; 3_000]);
    list.extend([0xbe; 10_000]);
    frames.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &list)).await;
    let said = timeout(PATIENCE, frames.said(1)).await.unwrap();
    assert!(said != crate::harness::frames::OK && said != BAD_REQUEST, "431, or the end: {said:?}");
    assert_eq!(cart.n_requests(), 0);
    others_are_served(&world).await;
}
