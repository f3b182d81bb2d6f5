//! What a flood meets: slots, time limits, and a client that goes away.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::future::poll_immediate;
use http::{Method, Request};
use serde_json::json;
use spur_net::Client;
use tower::ServiceExt;

use super::world::{
    CONFIG_MAPS, DEFINITIONS, Reply, WIDGETS, World, certificate, config_map, widgets, world,
};
use crate::User;
use crate::in_flight::{READS_MAX, WRITES_MAX};

/// A body of which nothing ever comes.
fn endless() -> Body {
    Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>())
}

impl World {
    /// A request of somebody in the network; `groups` make an administrator.
    fn ask(
        &self,
        groups: &[&str],
        (method, path): (Method, &str),
        body: Body,
    ) -> impl Future<Output = Reply> + use<> {
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        let mut request = request.header("content-type", "application/json").body(body).expect("a request");
        request.extensions_mut().insert(Client::Known(certificate("jane", groups)));
        let router = self.server.on_network(&[]);
        async move { Reply::read(router.oneshot(request).await.expect("an answer")).await }
    }
}

const SELF: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

#[tokio::test]
async fn ap_7_slow_writers_leave_health_and_administrators_their_slots() {
    let world = world().await;
    // Everybody may ask about itself; a body that does not come holds the slot.
    let mut slow: Vec<_> =
        (0..WRITES_MAX).map(|_| Box::pin(world.ask(&[], (Method::POST, SELF), endless()))).collect();
    for request in &mut slow {
        assert!(poll_immediate(request).await.is_none(), "the request waits for its body");
    }
    let refused = world.ask(&[], (Method::POST, SELF), Body::empty()).await;
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(refused.message(429), "Too many requests, please try again later: 200 writes are under way");
    let body = || Body::from(config_map("a").to_string());
    world.ask(&[], (Method::GET, "/livez"), Body::empty()).await.expect(200);
    world.ask(&[], (Method::GET, "/apis"), Body::empty()).await.expect(200);
    world.ask(&[User::ADMIN_GROUP], (Method::POST, CONFIG_MAPS), body()).await.expect(201);
    drop(slow);
    world.ask(&[], (Method::POST, SELF), Body::from("{}")).await.expect(201);
}

#[tokio::test]
async fn watches_take_no_slot() {
    let world = world().await;
    let router = world.server.on_network(&[]);
    let mut watches = Vec::new();
    for _ in 0..=READS_MAX {
        let request = Request::builder().uri(format!("{CONFIG_MAPS}?watch=true")).header("host", "localhost");
        let mut request = request.body(Body::empty()).expect("a request");
        request.extensions_mut().insert(Client::Known(certificate("a", &[User::ADMIN_GROUP])));
        watches.push(router.clone().oneshot(request).await.expect("an answer"));
    }
    assert!(watches.iter().all(|answer| answer.status() == 200));
    world.ask(&[User::ADMIN_GROUP], (Method::GET, CONFIG_MAPS), Body::empty()).await.expect(200);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_is_ended() {
    let world = world().await;
    let ends = [("", 60), ("?timeout=7s", 7), ("?timeout=1h", 60)];
    for (query, seconds) in ends {
        let start = tokio::time::Instant::now();
        let path = format!("{CONFIG_MAPS}{query}");
        let reply = world.ask(&[User::ADMIN_GROUP], (Method::POST, &path), endless()).await;
        assert_eq!(reply.message(504), "Timeout: request did not complete within the allotted timeout");
        assert_eq!(start.elapsed().as_secs(), seconds, "{query}");
    }
    let reply = world.get(&format!("{CONFIG_MAPS}?timeout=soon")).await;
    assert!(reply.message(400).starts_with("invalid timeout specified in the request URL"));
}

#[tokio::test]
async fn a_definition_that_is_refused_is_not_served_although_its_client_has_gone() {
    let world = world().await;
    world.post(DEFINITIONS, &widgets(json!({"type": "object"}))).await.expect(201);
    let mut second = widgets(json!({"type": "object"}));
    second["spec"]["names"]["kind"] = json!("Gadget");
    let body = Body::from(second.to_string());
    let mut request = Box::pin(world.ask(&[User::ADMIN_GROUP], (Method::POST, DEFINITIONS), body));
    // One step: the write is under way, and what it says is served before it is refused.
    assert!(poll_immediate(&mut request).await.is_none());
    tokio::task::yield_now().await;
    drop(request);
    let as_before = async {
        while world.get(WIDGETS).await.expect(200)["kind"] != "WidgetList" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), as_before).await.expect("the first one is served");
}
