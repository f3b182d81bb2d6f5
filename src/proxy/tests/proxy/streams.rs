//! Streams of HTTP/2 that wait, are taken back or break off.

use std::future::poll_fn;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use futures::future::join_all;
use h2::Reason;
use http::{Request, Response, StatusCode};
use spur_route::Wire;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};

use crate::harness::{Upstream, eventually, read_head, soon, streams, world};

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
    let mut sender = streams(world.entry()).await;
    let mut req = post();
    req.headers_mut().insert("expect", "100-continue".parse().unwrap());
    let (mut rsp, mut body) = sender.send_request(req, false).unwrap();
    let interim = soon(poll_fn(|cx| rsp.poll_informational(cx))).await.unwrap().unwrap();
    assert_eq!(interim.status(), StatusCode::CONTINUE);
    body.send_data(Bytes::from_static(b"hello"), true).unwrap();
    let (head, mut body) = soon(rsp).await.unwrap().into_parts();
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
    let mut sender = streams(world.entry()).await;
    let (_rsp, mut body) = sender.send_request(post(), false).unwrap();
    body.send_data(Bytes::from_static(b"abc"), false).unwrap();
    assert!(soon(seen_rx.recv()).await.unwrap().ends_with("3\r\nabc\r\n"));
    body.send_reset(Reason::CANCEL);
    let all = soon(seen_rx.recv()).await.unwrap();
    assert!(all.ends_with("3\r\nabc\r\n"), "{all}");
}

/// A server that begins a response and resets its stream for this reason when it is told to.
async fn breaking(reason: Reason) -> (Upstream, mpsc::Sender<()>) {
    let (go_tx, go_rx) = mpsc::channel(1);
    let go_rx = Arc::new(tokio::sync::Mutex::new(go_rx));
    let cart = Upstream::streams("cart", move |_, mut respond| {
        let go_rx = go_rx.clone();
        async move {
            let mut body = respond.send_response(Response::new(()), false).unwrap();
            body.send_data(Bytes::from_static(b"abc"), false).unwrap();
            go_rx.lock().await.recv().await;
            body.send_reset(reason);
        }
    })
    .await;
    (cart, go_tx)
}

/// Whatever the reason, NO_ERROR, too: a whole one ends by itself.
#[tokio::test]
async fn a_response_that_its_upstream_takes_back_is_not_taken_for_whole() {
    for reason in [Reason::CANCEL, Reason::NO_ERROR, Reason::INTERNAL_ERROR] {
        let (cart, go_tx) = breaking(reason).await;
        let world = world().service("cart", &[&cart]).start().await;
        let mut stream = TcpStream::connect(world.entry()).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: cart.shop.localhost\r\n\r\n").await.unwrap();
        assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
        let mut begun = [0; 8];
        stream.read_exact(&mut begun).await.unwrap();
        assert_eq!(&begun, b"3\r\nabc\r\n");
        go_tx.send(()).await.unwrap();
        let mut rest = Vec::new();
        // Closed or reset, but not ended.
        let _ = soon(stream.read_to_end(&mut rest)).await;
        assert_eq!(rest, b"", "{reason}");
    }
}

/// The same for a client of HTTP/2: it is not told that all is well.
#[tokio::test]
async fn a_stream_that_breaks_off_says_why() {
    for (reason, told) in [(Reason::CANCEL, Reason::CANCEL), (Reason::NO_ERROR, Reason::INTERNAL_ERROR)] {
        let (cart, go_tx) = breaking(reason).await;
        let world = world().service("cart", &[&cart]).start().await;
        let mut sender = streams(world.entry()).await;
        let (rsp, _) = sender.send_request(post(), true).unwrap();
        let mut body = soon(rsp).await.unwrap().into_body();
        assert_eq!(&body.data().await.unwrap().unwrap()[..], b"abc");
        go_tx.send(()).await.unwrap();
        let error = soon(body.data()).await.unwrap().unwrap_err();
        assert_eq!(error.reason(), Some(told), "{reason}");
    }
}

/// A stream that is reset was answered, on whatever connection.
#[tokio::test]
async fn a_request_whose_stream_is_reset_is_not_sent_again_and_again() {
    let n_asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&n_asked);
    let cart = Upstream::streams("cart", move |req, mut respond| {
        let n_asked = Arc::clone(&counted);
        async move {
            if req.uri().path() == "/bad" {
                n_asked.fetch_add(1, Ordering::Relaxed);
                respond.send_reset(Reason::INTERNAL_ERROR);
            } else {
                let mut body = respond.send_response(Response::new(()), false).unwrap();
                body.send_data(Bytes::from_static(b"ok"), true).unwrap();
            }
        }
    })
    .await;
    let world = world().service("cart", &[&cart]).start().await;
    let client = world.client("cart.shop.localhost");
    assert_eq!(client.get("/").await.text, "ok");
    assert_eq!((client.get("/bad").await.reason(), n_asked.load(Ordering::Relaxed)), ("upstream-closed", 1));
}

/// A rule may set what HTTP/2 has no room for; what comes in such fields does not pass.
#[tokio::test]
async fn fields_that_streams_do_not_have_are_left_out() {
    let rule = "{hosts: [cart], http: [{
        route: [{destination: {host: cart}}],
        headers: {
            request: {set: {keep-alive: '5', te: gzip, upgrade: x, x-rule: '1'}},
            response: {set: {keep-alive: '5', te: x, proxy-connection: x, x-rule: '2'}}
        }
    }]}";
    for cart in [
        Upstream::http2("cart").route("/", "hi").run().await,
        Upstream::http1("cart").route("/", "hi").run().await,
    ] {
        let world = world().service("cart", &[&cart]).istio("VirtualService", rule).start().await;
        let got = world.client("cart.shop.localhost").get_h2("/").await;
        assert_eq!((got.status.as_u16(), &*got.text), (200, "hi"));
        assert_eq!(got.headers["x-rule"], "2");
        assert!(!got.headers.contains_key("keep-alive") && !got.headers.contains_key("te"));
        assert_eq!(cart.last_headers()["x-rule"], "1");
    }
}

/// RFC 9110 9.3.2: our own answers, too.
#[tokio::test]
async fn an_answer_of_ours_to_head_has_no_body() {
    let world = world().start().await;
    let mut sender = streams(world.entry()).await;
    let req = Request::head("http://nobody.shop.localhost/").body(()).unwrap();
    let (rsp, _) = sender.send_request(req, true).unwrap();
    let (head, mut body) = soon(rsp).await.unwrap().into_parts();
    assert!(head.status.is_client_error(), "{head:?}");
    assert!(head.headers.contains_key("content-length") && head.headers.contains_key("date"));
    assert!(soon(body.data()).await.is_none());
}

/// Half of it is not all of it, on whatever connection.
#[tokio::test]
async fn an_upload_that_breaks_off_is_not_sent_again() {
    let n_puts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&n_puts);
    let cart = Upstream::raw("cart", Wire::Http1, move |mut stream| {
        let n_puts = Arc::clone(&counted);
        async move {
            let mut some = [0; 4096];
            while let Ok(n_bytes @ 1..) = stream.read(&mut some).await {
                if some[..n_bytes].starts_with(b"PUT ") {
                    n_puts.fetch_add(1, Ordering::Relaxed);
                } else if some[..n_bytes].starts_with(b"GET ") {
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
                }
            }
        }
    })
    .await;
    let world = world().service("cart", &[&cart]).start().await;
    assert_eq!(world.client("cart.shop.localhost").get("/").await.status, 200);
    let put = "PUT / HTTP/1.1\r\nhost: cart.shop.localhost\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n";
    let mut stream = TcpStream::connect(world.entry()).await.unwrap();
    stream.write_all(put.as_bytes()).await.unwrap();
    eventually("it has come", || n_puts.load(Ordering::Relaxed) == 1).await;
    stream.write_all(b"zz\r\n").await.unwrap();
    let mut said = String::new();
    let _ = soon(stream.read_to_string(&mut said)).await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 400 "), "{said}");
    assert_eq!(world.client("cart.shop.localhost").get("/").await.status, 200);
    assert_eq!(n_puts.load(Ordering::Relaxed), 1);
}

/// A call whose time is over ends upstream as well, although its client goes on sending.
#[tokio::test]
async fn a_call_that_is_over_ends_upstream() {
    let (reset_tx, mut reset_rx) = mpsc::channel(1);
    let cart = Upstream::streams("cart", move |_, mut respond| {
        let reset_tx = reset_tx.clone();
        async move {
            let rsp = Response::builder().header("content-type", "application/grpc");
            let mut body = respond.send_response(rsp.body(()).unwrap(), false).unwrap();
            let reason = poll_fn(|cx| body.poll_reset(cx)).await.unwrap();
            let _ = reset_tx.send(reason).await;
        }
    })
    .await;
    let world = world().service("cart", &[&cart]).start().await;
    let mut sender = streams(world.entry()).await;
    let mut req = post();
    req.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    req.headers_mut().insert("grpc-timeout", "100m".parse().unwrap());
    let (rsp, mut call) = sender.send_request(req, false).unwrap();
    call.send_data(Bytes::from_static(b"\0\0\0\0\0"), false).unwrap();
    let mut body = soon(rsp).await.unwrap().into_body();
    assert!(soon(body.data()).await.is_none());
    assert_eq!(soon(body.trailers()).await.unwrap().unwrap()["grpc-status"], "4");
    assert_eq!(soon(reset_rx.recv()).await, Some(Reason::CANCEL));
}

/// A client that wants no response any more frees its upstream.
#[tokio::test]
async fn a_request_that_is_taken_back_is_taken_back_upstream() {
    let (reset_tx, mut reset_rx) = mpsc::channel(16);
    let cart = Upstream::streams("cart", move |_, mut respond| {
        let reset_tx = reset_tx.clone();
        async move {
            let _ = reset_tx.send(None).await;
            let reason = poll_fn(|cx| respond.poll_reset(cx)).await.unwrap();
            let _ = reset_tx.send(Some(reason)).await;
        }
    })
    .await;
    let world = world().service("cart", &[&cart]).start().await;
    let mut sender = streams(world.entry()).await;
    for is_whole in [true, false] {
        let (rsp, mut body) = sender.send_request(post(), is_whole).unwrap();
        if !is_whole {
            body.send_data(Bytes::from_static(b"abc"), false).unwrap();
        }
        assert_eq!(soon(reset_rx.recv()).await, Some(None));
        drop((rsp, body));
        assert_eq!(soon(reset_rx.recv()).await, Some(Some(Reason::CANCEL)), "{is_whole}");
    }
}
