//! PX-1, PX-2: upstreams that hang, lie or break off in ways that `faults` has not.

use std::{sync::Arc, time::Duration};

use http::Method;
use spur_proxy::Config;
use spur_route::Wire;
use spur_trace::HopError;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{Mutex, Notify},
};

use crate::harness::{Upstream, eventually, whole, world};

const SOON: Duration = Duration::from_millis(100);

/// Reads a request and hands the connection over.
async fn after_a_request<F, Fut>(answer: F) -> Upstream
where
    F: Fn(TcpStream) -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    Upstream::raw("cart", Wire::Http1, move |mut stream: TcpStream| {
        let answer = answer.clone();
        async move {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            answer(stream).await;
        }
    })
    .await
}

/// Closes with a reset.
fn reset(stream: &TcpStream) {
    // A linger of zero (socket(7), SO_LINGER).
    stream.set_zero_linger().unwrap();
}

/// A listener whose queue is full, with those that fill it: it drops the SYNs of others (listen(2)).
#[cfg(target_os = "linux")]
async fn full_queue() -> (TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    // Until one is not accepted any more.
    while let Ok(stream) = tokio::time::timeout(SOON, TcpStream::connect(address)).await {
        held.push(stream.unwrap());
        assert!(held.len() < 100, "the queue has an end");
    }
    (listener, held)
}

/// PX-1: a SYN that is lost is repeated by the kernel after a second (RFC 6298 2.1), and that is in
/// time: a busy upstream drops some when many connect at once.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn px_1_a_syn_that_is_lost_once_is_no_failed_request() {
    let mut busy = Upstream::gone("busy").await;
    let (listener, held) = full_queue().await;
    busy.address = listener.local_addr().unwrap();
    let world = world().service("busy", &[&busy]).start().await;
    let client = world.client("busy.shop.localhost");
    let serves = async {
        // Long enough for the first SYN to be lost, and not for the second.
        tokio::time::sleep(SOON).await;
        drop(held);
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let answers = async move {
                let mut head = [0; 4096];
                if stream.read(&mut head).await.is_ok_and(|n_bytes| n_bytes > 0) {
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
                }
            };
            tokio::spawn(answers);
        }
    };
    let got = tokio::select! { got = client.get("/") => got, () = serves => unreachable!() };
    assert_eq!((got.status.as_u16(), &*got.text), (200, "ok"));
}

/// PX-1: a SYN that nobody answers: a listener whose queue is full drops them (listen(2)).
#[cfg(target_os = "linux")]
#[tokio::test]
async fn px_1_a_connection_that_is_not_accepted_is_504_after_a_deadline() {
    fn short(config: &mut Config) {
        config.limits.connect_timeout = SOON;
    }
    let mut hole = Upstream::gone("hole").await;
    let (listener, _held) = full_queue().await;
    hole.address = listener.local_addr().unwrap();
    let world = world().service("hole", &[&hole]).config(short).start().await;
    let got = world.client("hole.shop.localhost").get("/").await;
    assert_eq!((got.status.as_u16(), got.reason()), (504, "connect-timeout"));
    for part in ["shop/hole:80", "pod `hole-1`", &hole.address.to_string()] {
        assert!(got.text.contains(part), "{part} in {}", got.text);
    }
}

/// PX-1: before and in the response.
#[tokio::test]
async fn px_1_a_reset_is_502_before_the_response_and_breaks_it_off_afterwards() {
    let early = after_a_request(|stream| async move { reset(&stream) }).await;
    let has_head = Arc::new(Notify::new());
    let late = after_a_request({
        let has_head = Arc::clone(&has_head);
        move |mut stream| {
            let has_head = Arc::clone(&has_head);
            async move {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npart").await;
                has_head.notified().await;
                reset(&stream);
            }
        }
    })
    .await;
    let world = world().service("early", &[&early]).service("late", &[&late]).start().await;
    let got = world.client("early.shop.localhost").get("/").await;
    assert_eq!((got.status.as_u16(), got.reason()), (502, "upstream-closed"));
    world.only_hop().await;
    let rsp = world.client("late.shop.localhost").send("/").await;
    assert_eq!(rsp.status(), 200);
    has_head.notify_one();
    assert!(whole(rsp).await.is_err(), "never a clean end");
    let (_, end) = world.only_hop().await;
    assert_eq!((end.status, end.error), (Some(200), Some(HopError::ResponseAborted)));
}

/// PX-1: a byte now and then is no response yet.
#[tokio::test]
async fn px_1_a_head_that_drips_is_504() {
    fn short(config: &mut Config) {
        config.limits.response_timeout = SOON * 3;
    }
    let cart = after_a_request(|mut stream| async move {
        for byte in b"HTTP/1.1 200 OK\r\nx: y".iter().cycle() {
            tokio::time::sleep(SOON / 5).await;
            if stream.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
    })
    .await;
    let world = world().service("cart", &[&cart]).config(short).start().await;
    let got = world.client("cart.shop.localhost").get("/").await;
    assert_eq!((got.status.as_u16(), got.reason()), (504, "response-timeout"));
}

/// PX-1: more bytes than the length says are nobody's response.
#[tokio::test]
async fn px_1_what_follows_a_response_reaches_nobody() {
    let cart = after_a_request(|mut stream| async move {
        let two =
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
        let _ = stream.write_all(two.as_bytes()).await;
        let _ = stream.read(&mut [0; 1]).await;
    })
    .await;
    let world = world().service("cart", &[&cart]).start().await;
    let client = world.client("cart.shop.localhost");
    for _ in 0..5 {
        assert_eq!(client.get("/").await.text, "hi");
    }
}

/// PX-1: two lengths, and a length beside chunks.
#[tokio::test]
async fn px_1_a_response_that_frames_itself_twice_is_502_or_clean() {
    let twice = after_a_request(|mut stream| async move {
        let _ =
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 4\r\n\r\nhiho").await;
    })
    .await;
    let both = after_a_request(|mut stream| async move {
        let _ = stream
            .write_all(
                b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            )
            .await;
    })
    .await;
    let world = world().service("twice", &[&twice]).service("both", &[&both]).start().await;
    let got = world.client("twice.shop.localhost").get("/").await;
    assert_eq!((got.status.as_u16(), got.reason()), (502, "bad-response"));
    let got = world.client("both.shop.localhost").get("/").await;
    assert_eq!((got.status.as_u16(), &*got.text), (200, "hi"));
    assert!(!got.headers.contains_key("content-length"));
}

/// PX-1: headers without end are bounded (64 KiB).
#[tokio::test]
async fn px_1_headers_without_end_are_502() {
    let n_written = Arc::new(Mutex::new(0_usize));
    let cart = after_a_request({
        let n_written = Arc::clone(&n_written);
        move |mut stream| {
            let n_written = Arc::clone(&n_written);
            async move {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
                let field = format!("x: {}\r\n", "y".repeat(1000));
                for _ in 0..200_000 {
                    if stream.write_all(field.as_bytes()).await.is_err() {
                        break;
                    }
                    *n_written.lock().await += field.len();
                }
            }
        }
    })
    .await;
    let world = world().service("cart", &[&cart]).start().await;
    let got = world.client("cart.shop.localhost").get("/").await;
    assert_eq!((got.status.as_u16(), got.reason()), (502, "bad-response"));
    // What was written lies in the sockets, which are closed.
    assert!(*n_written.lock().await < 32 << 20);
}

/// PX-2: whether or not its method is idempotent.
#[tokio::test]
async fn px_2_what_may_have_been_read_is_not_sent_again() {
    let closing = after_a_request(|_| async {}).await;
    let good = Upstream::http1("good").route("/", "hi").run().await;
    let world = world().service("pair", &[&closing, &good]).start().await;
    for method in [Method::GET, Method::PUT, Method::POST] {
        let (n_closing, n_good) = (closing.n_connections(), good.n_requests());
        let client = world.client("pair.shop.localhost").body("order").method(method.clone());
        let mut statuses = [client.get("/").await.status.as_u16(), client.get("/").await.status.as_u16()];
        statuses.sort_unstable();
        // They take turns; the one that closed was not asked again, and nobody in its place.
        assert_eq!(statuses, [200, 502], "{method}");
        assert_eq!((closing.n_connections(), good.n_requests()), (n_closing + 1, n_good + 1), "{method}");
    }
}

/// PX-2: what was not sent is: another endpoint, or a fresh connection.
#[tokio::test]
async fn px_2_what_was_not_sent_goes_elsewhere_with_its_body() {
    use http_body_util::BodyExt;
    let gone = Upstream::gone("gone").await;
    let echo = Upstream::http1("echo").on("/", |req| async move {
        crate::harness::text(req.into_body().collect().await.unwrap().to_bytes())
    });
    let echo = echo.run().await;
    let world = world().service("pair", &[&gone, &echo]).start().await;
    for nth in 1..=4 {
        let got = world.client("pair.shop.localhost").body("order").get("/").await;
        assert_eq!((got.status.as_u16(), &*got.text), (200, "order"));
        eventually("each once", || echo.n_requests() == nth).await;
    }
}

/// PX-2: after the first byte of a response nothing is tried again.
#[tokio::test]
async fn px_2_a_response_that_has_begun_is_not_begun_again() {
    let broken = after_a_request(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await;
    })
    .await;
    let world = world().service("cart", &[&broken, &broken]).start().await;
    let rsp = world.client("cart.shop.localhost").send("/").await;
    assert!(whole(rsp).await.is_err());
    assert_eq!(broken.n_connections(), 1);
}

/// An endpoint that answers one request on each connection, and closes instead of an answer to the
/// next: as a program that is just told to end, or whose idle limit has just passed.
async fn closing_after_one(name: &'static str) -> Upstream {
    Upstream::raw(name, Wire::Http1, |mut stream: TcpStream| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        read_request(&mut stream).await;
    })
    .await
}

/// Reads a request that has no body, or `order`.
async fn read_request(stream: &mut TcpStream) {
    let (mut found, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut piece).await {
            Ok(n) if n > 0 => found.extend_from_slice(&piece[..n]),
            _ => return,
        }
        let has_body = found.windows(b"content-length: 5".len()).any(|part| part == b"content-length: 5");
        if found.ends_with(if has_body { b"order" } else { b"\r\n\r\n" }) {
            return;
        }
    }
}

/// PX-2: what is idempotent is sent once more where a connection that had served before closed
/// instead of an answer (RFC 9110 9.2.2), with its body; what is not is told.
#[tokio::test]
async fn px_2_a_stale_connection_costs_an_idempotent_request_nothing() {
    let cart = closing_after_one("cart").await;
    let world = world().service("cart", &[&cart]).start().await;
    let client = world.client("cart.shop.localhost");
    for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE] {
        for body in ["", "order"] {
            let client = if body.is_empty() { client.clone() } else { client.clone().body(body) };
            let client = client.method(method.clone());
            for _ in 0..4 {
                let got = client.get("/").await;
                assert_eq!(got.status.as_u16(), 200, "{method} {body:?}: {}", got.text);
            }
        }
    }
    let posting = client.body("order").method(Method::POST);
    let statuses = [posting.get("/").await, posting.get("/").await].map(|got| got.status.as_u16());
    assert!(statuses.contains(&502), "{statuses:?}");
}

/// PX-2: the second try goes to another endpoint, and no further than the rule allows.
#[tokio::test]
async fn px_2_a_stale_connection_leads_elsewhere_and_a_rule_without_tries_to_502() {
    let (closing, good) =
        (closing_after_one("closing").await, Upstream::http1("good").route("/", "hi").run().await);
    let world = world()
        .service("pair", &[&closing, &good])
        .service("cart", &[&closing])
        .istio(
            "VirtualService",
            "{hosts: [cart], http: [{retries: {attempts: 0}, route: [{destination: {host: cart}}]}]}",
        )
        .start()
        .await;
    for _ in 0..20 {
        assert_eq!(world.client("pair.shop.localhost").get("/").await.status.as_u16(), 200);
    }
    assert!(good.n_requests() > 10, "{}", good.n_requests());
    let client = world.client("cart.shop.localhost");
    let statuses = [client.get("/").await, client.get("/").await].map(|got| got.status.as_u16());
    assert!(statuses.contains(&502), "{statuses:?}");
}
