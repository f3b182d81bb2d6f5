//! What a hop leaves in the ring.

use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::{Method, Response, Version as HttpVersion};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use spur_route::{Carrier, Reason, Version};
use spur_trace::{KeyHeader, Record};

use crate::harness::{Upstream, caller, eventually, never, world};

#[tokio::test]
async fn a_hop_is_told_whole() {
    let pricing = Upstream::http1("pricing").route("/", "baseline").run().await;
    let fork = Upstream::http1("fork").route("/quote", "seven b").run().await;
    let world = world().service("pricing", &[&pricing]).fork("pr-1", "pricing", &fork).start().await;
    let inlet = world.inlet(Some(caller("cart", None)), "pricing").await;
    let client = crate::harness::Client::new(inlet, "pricing").header("spur-key", "pr-1");
    client.header("tracestate", "vendor=1").body("order").get("/quote?id=1").await;
    let (start, end) = world.only_hop().await;
    let carried: Vec<KeyHeader> = start.carried.iter().collect();
    assert_eq!(carried, [KeyHeader::Tracestate, KeyHeader::SpurKey]);
    assert!(start.decision.is_injected, "services hand `tracestate` on, which has no key");
    assert_eq!((start.method, start.http_version), (Method::POST, HttpVersion::HTTP_11));
    assert_eq!(start.target.unwrap(), "/quote?id=1");
    let source = start.source.unwrap();
    assert_eq!((&*source.workload, &*source.pod, source.sandbox), ("cart", "cart-1", None));
    let decision = start.decision;
    assert_eq!(decision.service.unwrap().to_string(), "shop/pricing:80");
    assert!(matches!(decision.version, Version::Sandbox(sandbox) if &*sandbox.name == "pr-1"));
    assert_eq!(decision.key.unwrap().carrier, Carrier::Header);
    assert_eq!(decision.reason, Reason::Forked);
    assert_eq!(start.endpoint, end.served_by);
    assert_eq!(end.served_by.unwrap().address, fork.address);
    assert_eq!((end.status, end.error), (Some(200), None));
    assert_eq!((end.request_bytes, end.response_bytes), (5, 7));
}

#[tokio::test]
async fn a_refusal_is_a_hop_without_an_endpoint() {
    let world = world().start().await;
    world.client("nobody.shop.localhost").get("/").await;
    let (start, end) = world.only_hop().await;
    assert_eq!(start.decision.reason, Reason::UnknownHost);
    assert_eq!(start.decision.asked.as_deref(), Some("nobody.shop.localhost"));
    assert_eq!((start.endpoint, end.served_by), (None, None));
    assert_eq!((end.status, end.error), (Some(404), None));
}

#[tokio::test]
async fn a_hung_request_shows_at_once() {
    let hung = Upstream::http1("hung").on("/", never).run().await;
    let world = world().service("hung", &[&hung]).start().await;
    let client = world.client("hung.shop.localhost");
    let asking = tokio::spawn(async move { client.get("/").await });
    let mut records = Vec::new();
    eventually("the start is there", || {
        records.extend(world.records());
        !records.is_empty()
    })
    .await;
    assert!(matches!(&*records, [Record::Start(_)]), "{records:?}");
    asking.abort();
}

#[tokio::test]
async fn a_long_stream_says_how_far_it_is() {
    let ticks = Upstream::http1("ticks").on("/", |_| async {
        let frames = stream::unfold(0, |nth| async move {
            (nth < 12).then_some(())?;
            tokio::time::sleep(Duration::from_millis(100)).await;
            Some((Ok(Frame::data(Bytes::from("tick"))), nth + 1))
        });
        Response::new(StreamBody::new(frames).boxed())
    });
    let ticks = ticks.run().await;
    let world = world().service("ticks", &[&ticks]).start().await;
    world.client("ticks.shop.localhost").get("/").await;
    let mut records = Vec::new();
    eventually("it ends", || {
        records.extend(world.records());
        matches!(records.last(), Some(Record::End(..)))
    })
    .await;
    let progress: Vec<_> = records
        .iter()
        .filter_map(|record| match record {
            Record::Progress(_, progress) => Some(*progress),
            _ => None,
        })
        .collect();
    let [one] = progress[..] else { panic!("one a second, found {progress:?}") };
    assert_eq!(one.status, Some(200));
    assert!(one.after >= Duration::from_secs(1) && one.response_bytes >= 32, "{one:?}");
}

#[tokio::test]
async fn nothing_is_recorded_where_tracing_is_off_and_all_is_counted() {
    let cart = Upstream::http1("cart").route("/", "hi").run().await;
    let world = world().service("cart", &[&cart]).config(|config| config.records_hops = false).start().await;
    let got = world.client("cart.shop.localhost").get("/").await;
    assert_eq!(got.text, "hi");
    assert!(cart.last_headers().contains_key("traceparent"), "others may record it");
    assert_eq!((world.handle.rings().len(), world.handle.stats().n_hops), (0, 1));
}

#[tokio::test]
async fn the_trace_of_b3_is_taken_where_there_is_no_traceparent() {
    const TRACE: &str = "80f198ee56343ba864fe8b2a57d3eff7";
    let one = format!("{TRACE}-e457b5a2e4d86bd1-1");
    let several = [("x-b3-traceid", TRACE), ("x-b3-spanid", "e457b5a2e4d86bd1"), ("x-b3-sampled", "1")];
    for headers in [&[("b3", &*one)][..], &several] {
        let cart = Upstream::http1("cart").route("/", "hi").run().await;
        let world = world().service("cart", &[&cart]).start().await;
        let client = world.client("cart.shop.localhost");
        headers.iter().fold(client, |client, (name, value)| client.header(name, value)).get("/").await;
        let (start, _) = world.only_hop().await;
        assert_eq!(start.id.trace_id.to_string(), TRACE);
        assert_eq!(start.incoming_parent_id.unwrap().to_string(), "e457b5a2e4d86bd1");
        let got = cart.last_headers();
        assert_eq!(got["traceparent"].to_str().unwrap(), format!("00-{TRACE}-{}-01", start.id.span_id));
        for (name, value) in headers {
            assert_eq!(got[*name], value, "forwarded as it came");
        }
    }
    let cart = Upstream::http1("cart").route("/", "hi").run().await;
    let world = world().service("cart", &[&cart]).start().await;
    let given = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
    world.client("cart.shop.localhost").header("b3", &one).header("traceparent", given).get("/").await;
    let (start, _) = world.only_hop().await;
    assert_eq!(start.id.trace_id.to_string(), "0af7651916cd43dd8448eb211c80319c");
}
