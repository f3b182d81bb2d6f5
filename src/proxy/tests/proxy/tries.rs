//! Timeouts, retries, balancing and bounds that rules and policies ask for.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use spur_route::Wire;
use spur_trace::{HopError, Record};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{Upstream, World, eventually, never, soon, text, whole, world};

/// Fails so many times with a status, then answers with what it got.
async fn failing(name: &'static str, n_failures: usize, status: u16) -> Upstream {
    let left = Arc::new(AtomicUsize::new(n_failures));
    Upstream::http1(name)
        .on("/", move |req| {
            let fails = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok();
            async move {
                let body = req.into_body().collect().await.unwrap().to_bytes();
                let mut rsp = text(body);
                if fails {
                    *rsp.status_mut() = StatusCode::from_u16(status).unwrap();
                }
                rsp
            }
        })
        .run()
        .await
}

fn retries(retries: &str) -> String {
    format!("{{hosts: [cart], http: [{{retries: {retries}, route: [{{destination: {{host: cart}}}}]}}]}}")
}

#[tokio::test]
async fn px_2_a_policy_sends_a_request_again_with_its_body() {
    let cart = failing("cart", 2, 503).await;
    let rule = retries("{attempts: 2, retryOn: 5xx}");
    let world = world().service("cart", &[&cart]).istio("VirtualService", &rule).start().await;
    let client = world.client("cart.shop.localhost").body("order 1");
    for got in [client.get("/").await, client.get_h2("/").await] {
        assert_eq!((got.status, &*got.text), (StatusCode::OK, "order 1"));
    }
    assert_eq!(cart.n_requests(), 4);
}

#[tokio::test]
async fn px_2_without_a_policy_nothing_is_sent_twice() {
    let cart = failing("cart", 1, 503).await;
    let world = world().service("cart", &[&cart]).start().await;
    assert_eq!(world.client("cart.shop.localhost").get("/").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(cart.n_requests(), 1);
}

#[tokio::test]
async fn px_2_the_last_response_is_the_clients() {
    let cart = failing("cart", 9, 500).await;
    let rule = retries("{attempts: 2, retryOn: 5xx}");
    let world = world().service("cart", &[&cart]).istio("VirtualService", &rule).start().await;
    let got = world.client("cart.shop.localhost").body("b").get("/").await;
    assert_eq!((got.status, &*got.text), (StatusCode::INTERNAL_SERVER_ERROR, "b"));
    assert_eq!(cart.n_requests(), 3);
}

#[tokio::test]
async fn px_2_a_body_that_is_too_long_to_keep_is_sent_once() {
    let cart = failing("cart", 1, 503).await;
    let rule = retries("{attempts: 2, retryOn: 5xx}");
    let world = world().service("cart", &[&cart]).istio("VirtualService", &rule).start().await;
    let got = world.client("cart.shop.localhost").body(vec![b'x'; 65 * 1024]).get("/").await;
    assert_eq!(got.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((cart.n_requests(), got.text.len()), (1, 65 * 1024));
}

#[tokio::test]
async fn px_2_a_retry_goes_to_another_endpoint() {
    let broken = failing("broken", 99, 502).await;
    let sound = failing("sound", 0, 0).await;
    let rule = retries("{attempts: 1, retryOn: gateway-error}");
    let world = world().service("cart", &[&broken, &sound]).istio("VirtualService", &rule).start().await;
    for _ in 0..10 {
        assert_eq!(world.client("cart.shop.localhost").get("/").await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn px_2_no_attempts_means_no_other_endpoint_either() {
    let gone = Upstream::gone("gone").await;
    let sound = failing("sound", 0, 0).await;
    let plan = world().service("cart", &[&gone, &sound]);
    let usual = plan.clone().start().await;
    for _ in 0..4 {
        assert_eq!(usual.client("cart.shop.localhost").get("/").await.status, StatusCode::OK);
    }
    let off = plan.istio("VirtualService", &retries("{attempts: 0}")).start().await;
    let mut n_refused = 0;
    for _ in 0..4 {
        let got = off.client("cart.shop.localhost").get("/").await;
        n_refused += usize::from(got.status == StatusCode::BAD_GATEWAY);
    }
    assert_eq!(n_refused, 2);
}

#[tokio::test]
async fn px_1_a_try_has_its_own_time() {
    let stuck = Upstream::http1("stuck").on("/", never).run().await;
    let sound = failing("sound", 0, 0).await;
    let rule = retries("{attempts: 1, perTryTimeout: 50ms, retryOn: reset}");
    let world = world().service("cart", &[&stuck, &sound]).istio("VirtualService", &rule).start().await;
    for _ in 0..4 {
        assert_eq!(world.client("cart.shop.localhost").get("/").await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn px_1_a_rules_timeout_is_over_all_tries_and_the_body() {
    let cart = Upstream::http1("cart")
        .on("/", never)
        .on("/drips", |_| async {
            let drops = stream::iter(0..1000).then(|_| async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"x")))
            });
            Response::new(BodyExt::boxed(StreamBody::new(
                Box::pin(drops).map(|it| it.map_err(|_| unreachable!())),
            )))
        })
        .run()
        .await;
    let rule = "{hosts: [cart], http: [{timeout: 100ms, retries: {attempts: 9, perTryTimeout: 40ms, retryOn: reset}, route: [{destination: {host: cart}}]}]}";
    let world = world().service("cart", &[&cart]).istio("VirtualService", rule).start().await;
    let client = world.client("cart.shop.localhost");
    let got = client.get("/").await;
    assert_eq!(got.status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(got.headers["spur-reason"], "route-timeout");
    // Begun, and broken off: never a clean end.
    let rsp = client.send("/drips").await;
    assert_eq!(rsp.status(), StatusCode::OK);
    whole(rsp).await.unwrap_err();
    let mut ends = Vec::new();
    eventually("the record says why", || {
        ends.extend(world.records().into_iter().filter_map(|record| match record {
            Record::End(_, end) => Some((end.status, end.error)),
            Record::Start(_) | Record::Progress(..) => None,
        }));
        ends.contains(&(Some(200), Some(HopError::RouteTimeout)))
    })
    .await;
}

#[tokio::test]
async fn px_9_a_grpc_deadline_is_kept() {
    let cart = Upstream::http2("cart").on("/Cart/Get", never).run().await;
    let world = world().service("cart", &[&cart]).start().await;
    let client = world.client("cart.shop.localhost").header("content-type", "application/grpc");
    let got = client.clone().header("grpc-timeout", "50m").get_h2("/Cart/Get").await;
    assert_eq!(
        (&got.headers["grpc-status"], &got.headers["spur-reason"]),
        (&"4".parse().unwrap(), &"deadline-exceeded".parse().unwrap())
    );
    assert_eq!(cart.last_headers()["grpc-timeout"], "50m");
}

#[tokio::test]
async fn px_9_an_unavailable_that_is_all_there_is_is_asked_for_again() {
    let left = Arc::new(AtomicUsize::new(2));
    let cart = Upstream::http2("cart")
        .on("/Cart/Get", move |_| {
            let fails = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok();
            async move {
                let mut rsp =
                    Response::new(http_body_util::Empty::new().map_err(|never| match never {}).boxed());
                rsp.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
                rsp.headers_mut().insert("grpc-status", if fails { "14" } else { "0" }.parse().unwrap());
                rsp
            }
        })
        .run()
        .await;
    let world = world().service("cart", &[&cart]).start().await;
    let client = world.client("cart.shop.localhost").header("content-type", "application/grpc");
    let got = client.body("message").get_h2("/Cart/Get").await;
    assert_eq!((&got.headers["grpc-status"], cart.n_requests()), (&"0".parse().unwrap(), 3));
}

#[tokio::test]
async fn an_endpoint_that_fails_is_left_out_and_shown() {
    let broken = failing("broken", 999, 500).await;
    let sound = failing("sound", 0, 0).await;
    let policy =
        "{host: cart, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3, maxEjectionPercent: 100}}}";
    let world = world().service("cart", &[&broken, &sound]).istio("DestinationRule", policy).start().await;
    let mut n_failed = 0;
    for _ in 0..40 {
        n_failed += usize::from(world.client("cart.shop.localhost").get("/").await.status != StatusCode::OK);
    }
    assert_eq!(n_failed, 3);
    let [ejected] = &world.handle.metrics().ejected()[..] else { panic!("one is left out") };
    assert_eq!((ejected.address, &*ejected.service), (broken.address, "shop/cart:80"));
}

#[tokio::test]
async fn where_every_endpoint_is_left_out_the_answer_says_so() {
    let broken = failing("broken", 999, 500).await;
    let policy = "{host: cart, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 1}}}";
    let world = world().service("cart", &[&broken]).istio("DestinationRule", policy).start().await;
    let client = world.client("cart.shop.localhost");
    assert_eq!(client.get("/").await.status, StatusCode::INTERNAL_SERVER_ERROR);
    let got = client.get("/").await;
    assert_eq!(
        (got.status, &got.headers["spur-reason"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"no-healthy-endpoint".parse().unwrap())
    );
    assert_eq!(broken.n_requests(), 1);
}

#[tokio::test]
async fn a_request_too_many_is_503_and_overloaded() {
    let cart = Upstream::http1("cart").on("/stays", never).route("/", "ok").run().await;
    let policy = "{host: cart, trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}}}";
    let world = world().service("cart", &[&cart]).istio("DestinationRule", policy).start().await;
    let client = world.client("cart.shop.localhost");
    let stays = tokio::spawn({
        let client = client.clone();
        async move { client.send("/stays").await }
    });
    eventually("the first is under way", || cart.n_requests() == 1).await;
    // One of two waits for the connection; the other is refused at once.
    let (first, second) = (client.clone(), client.clone());
    let both = [first, second].map(|client| Box::pin(async move { client.get("/").await }));
    let (got, _, mut waits) = futures::future::select_all(both).await;
    assert_eq!(got.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(got.headers["x-envoy-overloaded"], "true");
    assert_eq!(got.headers["spur-reason"], "over-limit");
    stays.abort();
    assert_eq!(waits.remove(0).await.text, "ok");
}

#[tokio::test]
async fn a_cookie_keeps_a_client_at_its_endpoint() {
    let a = Upstream::http1("a").route("/", "a").run().await;
    let b = Upstream::http1("b").route("/", "b").run().await;
    let policy = "{host: cart, trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: at, ttl: 60s, path: /}}}}}";
    let world = world().service("cart", &[&a, &b]).istio("DestinationRule", policy).start().await;
    let client = world.client("cart.shop.localhost");
    let mut seen = HashSet::new();
    for _ in 0..30 {
        let got = client.get("/").await;
        let cookie = got.headers["set-cookie"].to_str().unwrap().to_owned();
        assert!(cookie.ends_with("; Max-Age=60; Path=/; HttpOnly"), "{cookie}");
        let cookie = cookie.split(';').next().unwrap().to_owned();
        seen.insert(got.text.clone());
        for _ in 0..3 {
            let again = client.clone().header("cookie", &cookie).get("/").await;
            assert_eq!(again.text, got.text);
            assert!(!again.headers.contains_key("set-cookie"));
        }
    }
    assert_eq!(seen.len(), 2, "new clients come to both");
}

#[tokio::test]
async fn a_policy_may_have_http2_spoken() {
    let cart = Upstream::http2("cart").route("/", "h2").run().await;
    let policy = "{host: cart, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}}";
    let world = world()
        .service("cart", &[&cart])
        .wire("cart", Wire::Http1)
        .istio("DestinationRule", policy)
        .start()
        .await;
    assert_eq!(world.client("cart.shop.localhost").get("/").await.text, "h2");
}

/// A world whose `cart` has this connection pool for HTTP, and speaks this.
async fn pooled(cart: &Upstream, wire: Wire, http: &str) -> World {
    let policy = format!("{{host: cart, trafficPolicy: {{connectionPool: {{http: {{{http}}}}}}}}}");
    world().service("cart", &[cart]).wire("cart", wire).istio("DestinationRule", &policy).start().await
}

#[tokio::test]
async fn a_connection_ends_after_as_many_requests_as_the_policy_says() {
    for (wire, cart) in [
        (Wire::Http1, Upstream::http1("cart").route("/", "ok").run().await),
        (Wire::Http2, Upstream::http2("cart").route("/", "ok").run().await),
    ] {
        let world = pooled(&cart, wire, "maxRequestsPerConnection: 2").await;
        let client = world.client("cart.shop.localhost");
        for _ in 0..6 {
            assert_eq!(client.get("/").await.text, "ok");
        }
        assert_eq!(cart.n_connections(), 3, "{wire:?}");
    }
}

#[tokio::test]
async fn a_connection_that_idles_for_longer_than_the_policy_says_is_not_used_again() {
    for (wire, cart) in [
        (Wire::Http1, Upstream::http1("cart").route("/", "ok").run().await),
        (Wire::Http2, Upstream::http2("cart").route("/", "ok").run().await),
    ] {
        // Each request finds the last connection too old already.
        let world = pooled(&cart, wire, "idleTimeout: 1ms").await;
        let client = world.client("cart.shop.localhost");
        for _ in 0..3 {
            assert_eq!(client.get("/").await.text, "ok");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        assert_eq!(cart.n_connections(), 3, "{wire:?}");
    }
}

/// `maxConnectionDuration`, however busy it is; a request that is on its way is let end.
#[tokio::test]
async fn a_connection_takes_no_request_when_it_is_as_old_as_the_policy_says() {
    for (wire, cart) in [
        (Wire::Http1, Upstream::http1("cart").route("/", "ok").run().await),
        (Wire::Http2, Upstream::http2("cart").route("/", "ok").run().await),
    ] {
        for (age, n_connections) in [("1h", 1), ("1ms", 4)] {
            let policy = format!(
                "{{host: cart, trafficPolicy: {{connectionPool: {{tcp: {{maxConnectionDuration: {age}}}}}}}}}"
            );
            let world = world()
                .service("cart", &[&cart])
                .wire("cart", wire)
                .istio("DestinationRule", &policy)
                .start()
                .await;
            let before = cart.n_connections();
            let client = world.client("cart.shop.localhost");
            for _ in 0..4 {
                assert_eq!(client.get("/").await.text, "ok");
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            assert_eq!(cart.n_connections() - before, n_connections, "{wire:?} {age}");
        }
    }
}

#[tokio::test]
async fn open_and_idle_upstream_connections_are_counted() {
    let cart = Upstream::http1("cart").on("/stays", never).route("/", "ok").run().await;
    let world = world().service("cart", &[&cart]).start().await;
    let client = world.client("cart.shop.localhost");
    let found = || {
        let stats = world.handle.stats();
        (stats.n_upstream_open, stats.n_upstream_idle)
    };
    assert_eq!(found(), (0, 0));
    client.get("/").await;
    eventually("the connection waits for a request", || found() == (1, 1)).await;
    let stays = tokio::spawn({
        let client = client.clone();
        async move { client.send("/stays").await }
    });
    eventually("the connection is in use", || found() == (1, 0)).await;
    stays.abort();
    eventually("what was given up is closed", || found() == (0, 0)).await;
}

#[tokio::test]
async fn the_wait_for_a_place_counts_towards_the_rules_timeout() {
    let cart = Upstream::http1("cart").on("/stays", never).run().await;
    let world = world()
        .service("cart", &[&cart])
        .istio("DestinationRule", "{host: cart, trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}, outlierDetection: {consecutiveLocalOriginFailures: 2, splitExternalLocalOriginErrors: true}}}")
        .istio("VirtualService", "{hosts: [cart], http: [{match: [{uri: {exact: /stays}}], route: [{destination: {host: cart}}]}, {timeout: 300ms, retries: {attempts: 0}, route: [{destination: {host: cart}}]}]}")
        .start()
        .await;
    let client = world.client("cart.shop.localhost");
    let stays = tokio::spawn({
        let client = client.clone();
        async move { client.send("/stays").await }
    });
    eventually("the only place is taken", || cart.n_requests() == 1).await;
    for _ in 0..2 {
        let got = client.get("/").await;
        assert_eq!((got.status.as_u16(), got.reason()), (504, "route-timeout"), "{}", got.text);
    }
    assert_eq!(cart.n_requests(), 1, "they were sent nowhere, and nobody is blamed for it");
    stays.abort();
}

#[tokio::test]
async fn a_deadline_that_a_rule_sets_counts() {
    let cart = Upstream::http1("cart").on("/", never).run().await;
    let rule = "{hosts: [cart], http: [{headers: {request: {set: {grpc-timeout: 200m}}}, route: [{destination: {host: cart}}]}]}";
    let world = world().service("cart", &[&cart]).istio("VirtualService", rule).start().await;
    let got = world.client("cart.shop.localhost").get("/").await;
    assert_eq!((got.status.as_u16(), got.reason()), (504, "deadline-exceeded"), "{}", got.text);
}

/// A try that answers without reading leaves the body to the next; of what is too long to be kept the
/// next has not the beginning, and then it has nothing.
#[tokio::test]
async fn a_long_upload_is_sent_again_whole_or_not_at_all() {
    let n_asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&n_asked);
    let cart = Upstream::http1("cart")
        .on("/", move |req| {
            let is_first = counted.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
            async move {
                if is_first {
                    let mut busy = text("busy");
                    *busy.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                    return busy;
                }
                match req.into_body().collect().await {
                    Ok(body) => text(body.to_bytes().len().to_string()),
                    Err(_) => text("broken"),
                }
            }
        })
        .run()
        .await;
    let rule = retries("{attempts: 2, retryOn: 5xx}");
    let world = world().service("cart", &[&cart]).istio("VirtualService", &rule).start().await;
    for round in 0..10 {
        n_asked.store(0, Ordering::Relaxed);
        let mut stream = TcpStream::connect(world.entry()).await.unwrap();
        let head = "POST / HTTP/1.1\r\nhost: cart.shop.localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
        for _ in 0..12 {
            let _ = stream.write_all(chunk.as_bytes()).await;
            tokio::task::yield_now().await;
        }
        let _ = stream.write_all(b"0\r\n\r\n").await;
        let mut said = String::new();
        let _ = soon(stream.read_to_string(&mut said)).await;
        let is_whole = said.starts_with("HTTP/1.1 200 ") && said.contains("196608");
        let is_refused = said.is_empty() || said.starts_with("HTTP/1.1 5");
        assert!(is_whole || is_refused, "round {round}: {said}");
    }
}
