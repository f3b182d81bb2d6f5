//! What is captured of a request beside its way through.

use http::Method;
use spur_trace::{BODY_MAX_BYTES, Capture, CapturePolicy};

use crate::harness::{Upstream, World, eventually, whole_back, world};

/// The captures so far, once as many have come.
async fn captures(world: &World, n: usize) -> Vec<Capture> {
    let mut captures = Vec::new();
    eventually("the captures are there", || {
        for ring in world.handle.rings() {
            captures.extend(std::iter::from_fn(|| ring.pop_capture()).map(|capture| *capture));
        }
        captures.len() >= n
    })
    .await;
    captures
}

async fn only(world: &World) -> Capture {
    let captures = captures(world, 1).await;
    let [capture] = &captures[..] else { panic!("one: {captures:?}") };
    capture.clone()
}

#[tokio::test]
async fn a_request_with_a_key_is_captured_whole_and_arrives_whole() {
    let pricing = Upstream::http1("pricing").route("/quote", "seven b").run().await;
    let world = world().service("pricing", &[&pricing]).start().await;
    let client = world.client("pricing.shop.localhost").header("spur-key", "pr-1");
    let client = client.header("authorization", "Bearer secret").method(Method::POST).body("an order");
    let got = client.get("/quote?id=1&token=t").await;
    assert_eq!(got.text, "seven b");
    assert_eq!(pricing.last_uri(), "/quote?id=1&token=t");
    let (start, _) = world.only_hop().await;
    assert_eq!(start.target.unwrap(), "/quote?id=1&token=REDACTED", "a record has no secrets");
    let Capture { id, request, response } = only(&world).await;
    assert_eq!(id, start.id);
    assert_eq!((request.method, request.target.as_str()), (Method::POST, "/quote?id=1&token=t"));
    assert_eq!(request.authority.as_deref(), Some("pricing.shop.localhost"));
    assert_eq!(request.headers["authorization"], "Bearer secret", "what is sent again needs it");
    assert!(!request.headers.contains_key("x-forwarded-for"), "what the client sent, not what we add");
    assert_eq!((&*request.body.bytes, request.body.is_whole()), (&b"an order"[..], true));
    assert!(request.ended.is_some());
    let response = response.unwrap();
    assert_eq!((response.status, &*response.body.bytes), (200, &b"seven b"[..]));
    assert!(response.body.is_whole() && response.headers.contains_key("content-length"));
}

#[tokio::test]
async fn a_request_without_a_body_has_one_that_is_whole() {
    let pricing = Upstream::http1("pricing").route("/", "hi").run().await;
    let world = world().service("pricing", &[&pricing]).start().await;
    world.client("pricing.shop.localhost").header("spur-key", "pr-1").get("/").await;
    let request = only(&world).await.request;
    assert_eq!((request.body.n_bytes, request.body.is_whole()), (0, true));
}

#[tokio::test]
async fn bodies_are_cut_at_the_cap_and_pass_whole() {
    let echo = Upstream::http2("echo").on("/", whole_back).run().await;
    let world = world().service("echo", &[&echo]).start().await;
    let sent = vec![b'x'; 3 * BODY_MAX_BYTES + 7];
    let client = world.client("echo.shop.localhost").header("spur-key", "pr-1").body(sent.clone());
    let got = client.get_h2("/").await;
    assert_eq!(got.text.len(), sent.len());
    let Capture { request, response, .. } = only(&world).await;
    for body in [request.body, response.unwrap().body] {
        assert_eq!((body.bytes.len(), body.n_bytes), (BODY_MAX_BYTES, sent.len() as u64));
        assert!(body.is_cut() && body.has_ended && !body.is_whole());
    }
}

#[tokio::test]
async fn what_we_answer_ourselves_is_captured_too() {
    let world = world().service("pricing", &[]).start().await;
    let got = world.client("pricing.shop.localhost").header("spur-key", "pr-1").get("/").await;
    let response = only(&world).await.response.unwrap();
    assert_eq!((response.status, got.status.as_u16()), (503, 503));
    assert_eq!(String::from_utf8(response.body.bytes).unwrap(), got.text);
    assert_eq!(response.headers["spur-reason"], got.reason());
}

#[tokio::test]
async fn the_policy_says_which() {
    for (capture, n) in [(CapturePolicy::Off, 0), (CapturePolicy::Keyed, 1), (CapturePolicy::All, 2)] {
        let pricing = Upstream::http1("pricing").route("/", "hi").run().await;
        let plan = world().service("pricing", &[&pricing]);
        let plan = match capture {
            CapturePolicy::Off => plan.config(|config| config.capture = CapturePolicy::Off),
            CapturePolicy::Keyed => plan,
            CapturePolicy::All => plan.config(|config| config.capture = CapturePolicy::All),
        };
        let world = plan.start().await;
        world.client("pricing.shop.localhost").get("/").await;
        world.client("pricing.shop.localhost").header("spur-key", "pr-1").get("/").await;
        eventually("both have ended", || {
            world.handle.rings().iter().map(|ring| ring.counts().n_produced).sum::<u64>() == 4
        })
        .await;
        assert_eq!(captures(&world, n).await.len(), n, "{capture:?}");
    }
}

#[tokio::test]
async fn what_is_sent_again_says_so_to_us_alone() {
    let pricing = Upstream::http1("pricing").route("/", "hi").run().await;
    let world = world().service("pricing", &[&pricing]).start().await;
    let of = "0af7651916cd43dd8448eb211c80319c";
    world.client("pricing.shop.localhost").header("spur-replay-of", of).get("/").await;
    assert!(!pricing.last_headers().contains_key("spur-replay-of"));
    let (start, _) = world.only_hop().await;
    assert_eq!(start.replay_of.unwrap().to_string(), of);
}
