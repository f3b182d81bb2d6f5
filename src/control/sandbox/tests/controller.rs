//! The life of sandboxes.

use std::time::Duration;

use jiff::SignedDuration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use serde_json::json;
use spur_api::sandbox::{KEY_LENGTH, Sandbox};
use spur_route::Reason;

use super::world::{World, baseline_deployment, forks};

fn image(deployment: &Deployment) -> Option<&str> {
    deployment.spec.as_ref()?.template.spec.as_ref()?.containers.first()?.image.as_deref()
}

#[tokio::test]
async fn a_sandbox_is_ready_when_its_fork_is_routed_and_not_before() {
    let world = World::start().await;
    world.baseline("cart").await;
    world.sandbox("pr-1", forks(&["cart"])).await;
    let (status, condition) = world.until_reason("pr-1", "ForksStarting").await;
    assert_eq!(status.routing_key.map(|key| key.len()), Some(KEY_LENGTH));
    assert_eq!(condition.message, "fork of cart: deployment `pr-1-cart` has no pod yet");
    assert_eq!(status.phase.as_deref(), Some("Pending"));

    world.make_available("pr-1-cart").await;
    let waits = "no ready endpoint yet behind service `cart`";
    world
        .until::<Sandbox>("pr-1", |sandbox| {
            let forks =
                sandbox.and_then(|sandbox| sandbox.status.as_ref()).map(|status| status.forks.as_slice());
            forks.and_then(<[_]>::first).is_some_and(|fork| !fork.ready && fork.message == waits)
        })
        .await;

    world.endpoints("pr-1-cart", &[5000]).await;
    let (status, condition) = world.until_reason("pr-1", "Ready").await;
    // Not one instant later: who has seen it ready is served by the fork.
    assert_eq!(world.route("cart", "pr-1"), Reason::Forked);
    assert_eq!((condition.message.as_str(), status.phase.as_deref()), ("1 fork is ready", Some("Ready")));
    assert_eq!(status.forks[0].services, ["cart"]);
    assert_eq!(world.events_until("pr-1", "Ready").await, ["Ready"]);
    world.end().await;
}

#[tokio::test]
async fn a_fork_that_falls_is_told_and_comes_back() {
    let world = World::start().await;
    world.baseline("cart").await;
    world.sandbox("pr-1", forks(&["cart"])).await;
    world.bring_up("pr-1", "cart", 5000).await;
    world.until_reason("pr-1", "Ready").await;

    world.delete::<k8s_openapi::api::discovery::v1::EndpointSlice>("pr-1-cart-5000").await;
    let (status, _) = world.until_reason("pr-1", "ForkNotReady").await;
    assert_eq!(status.phase.as_deref(), Some("NotReady"));
    world.endpoints("pr-1-cart", &[5001]).await;
    world.until_reason("pr-1", "Ready").await;
    assert_eq!(world.route("cart", "pr-1"), Reason::Forked);
    world.end().await;
}

#[tokio::test]
async fn a_crashing_pod_is_named_with_its_reason() {
    let world = World::start().await;
    world.baseline("cart").await;
    world.sandbox("pr-1", forks(&["cart"])).await;
    let fork = world.until::<Deployment>("pr-1-cart", |fork| fork.is_some()).await.expect("it is there");
    world.put(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "pr-1-cart-x", "labels": fork.labels()},
        "spec": {"containers": [{"name": "main", "image": "main:1", "resources": {"limits": {"cpu": 1}}}]},
    }))
    .await;
    let pods = world.api::<k8s_openapi::api::core::v1::Pod>();
    let waiting = json!({"status": {"containerStatuses": [{
        "name": "main", "image": "", "imageID": "", "ready": false, "restartCount": 1,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
    }]}});
    let patch = kube::api::Patch::Merge(waiting);
    pods.patch_status("pr-1-cart-x", &kube::api::PatchParams::default(), &patch)
        .await
        .expect("it is written");
    let (_, condition) = world.until_reason("pr-1", "ForkNotReady").await;
    assert_eq!(condition.message, "fork of cart: pod pr-1-cart-x: CrashLoopBackOff: back-off 10s");
    world.end().await;
}

#[tokio::test]
async fn a_missing_baseline_is_told_and_taken_up_when_it_comes() {
    let world = World::start().await;
    world.sandbox("pr-1", forks(&["cart"])).await;
    let (_, condition) = world.until_reason("pr-1", "BaselineNotFound").await;
    assert!(
        condition.message.contains("deployments.apps \"cart\" not found in namespace \"shop\""),
        "{}",
        condition.message
    );
    world.baseline("cart").await;
    world.bring_up("pr-1", "cart", 5000).await;
    world.until_reason("pr-1", "Ready").await;
    world.end().await;
}

#[tokio::test]
async fn a_fork_outlives_its_baseline() {
    let world = World::start().await;
    world.baseline("cart").await;
    world.sandbox("pr-1", forks(&["cart"])).await;
    world.bring_up("pr-1", "cart", 5000).await;
    world.until_reason("pr-1", "Ready").await;
    world.delete::<Deployment>("cart").await;
    world.until_reason("pr-1", "BaselineNotFound").await;
    assert_eq!(world.children().await, ["deployment/pr-1-cart", "service/cart", "service/pr-1-cart"]);
    world.end().await;
}

#[tokio::test]
async fn an_invalid_fork_is_told_until_it_is_corrected() {
    let world = World::start().await;
    world.baseline("cart").await;
    let with_container = |name: &str| {
        let images = json!([{"container": name, "image": "main:2"}]);
        json!({"forks": [{"of": {"kind": "Deployment", "name": "cart"}, "images": images}]})
    };
    world.sandbox("pr-1", with_container("mian")).await;
    let (_, condition) = world.until_reason("pr-1", "InvalidFork").await;
    assert_eq!(condition.message, "fork of cart: images[0]: no container is named `mian`, found `main`");
    world.sandbox("pr-1", with_container("main")).await;
    world.until::<Deployment>("pr-1-cart", |fork| fork.and_then(image) == Some("main:2")).await;
    world.until_reason("pr-1", "ForksStarting").await;
    world.end().await;
}

#[tokio::test]
async fn what_the_api_refuses_is_an_invalid_fork() {
    let world = World::start().await;
    world.baseline("cart").await;
    let patch = json!({"spec": {"replicas": -1}});
    world
        .sandbox("pr-1", json!({"forks": [{"of": {"kind": "Deployment", "name": "cart"}, "patch": patch}]}))
        .await;
    let (_, condition) = world.until_reason("pr-1", "InvalidFork").await;
    assert!(condition.message.contains("spec.replicas"), "{}", condition.message);
    world.end().await;
}

#[tokio::test]
async fn a_fork_follows_its_baseline() {
    let world = World::start().await;
    world.baseline("cart").await;
    world.sandbox("pr-1", forks(&["cart"])).await;
    world.until::<Deployment>("pr-1-cart", |fork| fork.is_some()).await;
    let mut changed = baseline_deployment("cart");
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = json!("main:2");
    world.put(changed).await;
    world.until::<Deployment>("pr-1-cart", |fork| fork.and_then(image) == Some("main:2")).await;
    world
        .put(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "cart-too"},
            "spec": {"selector": {"app": "cart"}, "ports": [{"port": 80}]},
        }))
        .await;
    world.until::<Service>("pr-1-cart-too", |service| service.is_some()).await;
    world.delete::<Service>("cart-too").await;
    world.until::<Service>("pr-1-cart-too", |service| service.is_none()).await;
    world.end().await;
}

#[tokio::test]
async fn what_somebody_takes_away_is_made_again() {
    let world = World::start().await;
    world.baseline("cart").await;
    world.sandbox("pr-1", forks(&["cart"])).await;
    let first = world.until::<Deployment>("pr-1-cart", |fork| fork.is_some()).await.expect("it is there");
    world.delete::<Deployment>("pr-1-cart").await;
    world.until::<Deployment>("pr-1-cart", |fork| fork.is_some_and(|fork| fork.uid() != first.uid())).await;
    world.put(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "pr-1-cart"}, "spec": {"replicas": 5},
    }))
    .await;
    let replicas = |fork: &Deployment| fork.spec.as_ref().and_then(|spec| spec.replicas);
    world.until::<Deployment>("pr-1-cart", |fork| fork.and_then(replicas) == Some(1)).await;
    world.end().await;
}

#[tokio::test]
async fn forks_that_are_not_wanted_any_more_go() {
    let world = World::start().await;
    world.baseline("cart").await;
    world.baseline("prices").await;
    world.sandbox("pr-1", forks(&["cart", "prices"])).await;
    world.until::<Deployment>("pr-1-prices", |fork| fork.is_some()).await;
    world.sandbox("pr-1", forks(&["prices"])).await;
    world.until::<Deployment>("pr-1-cart", |fork| fork.is_none()).await;
    world.until::<Service>("pr-1-cart", |service| service.is_none()).await;
    assert!(world.children().await.contains(&"deployment/pr-1-prices".to_owned()));
    world.end().await;
}

#[tokio::test]
async fn an_object_of_somebody_else_is_left_alone() {
    let world = World::start().await;
    world.baseline("cart").await;
    world.put(baseline_deployment("pr-1-cart")).await;
    world.sandbox("pr-1", forks(&["cart"])).await;
    let (_, condition) = world.until_reason("pr-1", "InvalidFork").await;
    assert!(condition.message.contains("Deployment `pr-1-cart` exists already"), "{}", condition.message);
    let theirs = world.until::<Deployment>("pr-1-cart", |fork| fork.is_some()).await.expect("it is there");
    assert!(theirs.metadata.owner_references.is_none() && theirs.labels().is_empty());
    world.end().await;
}

#[tokio::test]
async fn a_taken_key_is_told_and_taken_over_when_its_owner_goes() {
    let world = World::start().await;
    world.baseline("cart").await;
    let mut spec = forks(&["cart"]);
    spec["routingKey"] = json!("k");
    world.sandbox("a-first", spec.clone()).await;
    world.bring_up("a-first", "cart", 5000).await;
    world.until_reason("a-first", "Ready").await;

    world.sandbox("b-second", spec).await;
    let (status, condition) = world.until_reason("b-second", "KeyTaken").await;
    assert_eq!(status.routing_key, None);
    assert!(condition.message.contains("sandbox `shop/a-first`"), "{}", condition.message);
    assert!(!world.children().await.iter().any(|child| child.contains("b-second")));
    assert_eq!(world.route("cart", "a-first"), Reason::Forked);

    world.delete::<Sandbox>("a-first").await;
    world.bring_up("b-second", "cart", 5001).await;
    let (status, _) = world.until_reason("b-second", "Ready").await;
    assert_eq!(status.routing_key.as_deref(), Some("k"));
    assert_eq!(world.route("cart", "b-second"), Reason::Forked);
    assert_eq!(world.events_until("b-second", "Ready").await, ["NotReady", "Ready"]);
    world.end().await;
}

#[tokio::test]
async fn one_that_loses_its_key_loses_its_forks() {
    let world = World::start().await;
    world.baseline("cart").await;
    world.sandbox("a-first", json!({"routingKey": "other"})).await;
    let mut spec = forks(&["cart"]);
    spec["routingKey"] = json!("k");
    world.sandbox("b-second", spec).await;
    world.bring_up("b-second", "cart", 5000).await;
    world.until_reason("b-second", "Ready").await;
    world.sandbox("a-first", json!({"routingKey": "k"})).await;
    world.until_reason("b-second", "KeyTaken").await;
    world.until::<Deployment>("b-second-cart", |fork| fork.is_none()).await;
    world.until::<Service>("b-second-cart", |service| service.is_none()).await;
    world.end().await;
}

#[tokio::test]
async fn a_deleted_sandbox_routes_nothing_and_owns_all_it_made() {
    let world = World::start().await;
    world.baseline("cart").await;
    world.sandbox("pr-1", forks(&["cart"])).await;
    world.bring_up("pr-1", "cart", 5000).await;
    world.until_reason("pr-1", "Ready").await;
    let sandbox = world.until::<Sandbox>("pr-1", |sandbox| sandbox.is_some()).await.expect("it is there");
    let fork = world.until::<Deployment>("pr-1-cart", |fork| fork.is_some()).await.expect("it is there");
    let service =
        world.until::<Service>("pr-1-cart", |service| service.is_some()).await.expect("it is there");
    let uid = sandbox.uid().expect("it has one");
    assert!(crate::owner::is_controlled_by(&fork.metadata, &uid));
    assert!(crate::owner::is_controlled_by(&service.metadata, &uid));

    world.delete::<Sandbox>("pr-1").await;
    // The marker was written after the deletion: when it is routed, that was seen.
    world.baseline("marker").await;
    world.sandbox("pr-2", forks(&["marker"])).await;
    world.bring_up("pr-2", "marker", 5001).await;
    world.until_reason("pr-2", "Ready").await;
    assert_eq!(world.route("cart", "pr-1"), Reason::NoKey);
    world.end().await;
}

#[tokio::test]
async fn preview_addresses_stand_in_the_status() {
    let world = World::start().await;
    world.baseline("cart").await;
    let endpoints = json!([{"name": "shop", "service": "cart"}, {"name": "gone", "service": "nowhere"}]);
    world.sandbox("pr-1", json!({"endpoints": endpoints})).await;
    let (status, condition) = world.until_reason("pr-1", "Ready").await;
    let urls: Vec<(&str, &str)> =
        status.endpoints.iter().map(|endpoint| (endpoint.name.as_str(), endpoint.url.as_str())).collect();
    assert_eq!(urls, [("shop", "http://pr-1--cart.shop.localhost:8080"), ("gone", "")]);
    let told = "nothing is forked; endpoint gone: services \"nowhere\" not found in namespace \"shop\"";
    assert_eq!(condition.message, told);
    let host = spur_route::Destination::Host("pr-1--cart.shop.localhost:8080");
    let verdict = spur_route::decide(&world.table.load(), &spur_route::Ask::request(host, None));
    assert_eq!(verdict.reason, Reason::NotForked);
    world.end().await;
}

#[tokio::test]
async fn a_sandbox_deletes_itself_at_its_time_and_not_before() {
    // The controller's clock is ahead by an hour less two seconds, of which the
    // creation time, in whole seconds, may have taken one.
    let world = World::start_ahead(SignedDuration::from_secs(3598)).await;
    world.baseline("cart").await;
    let mut spec = forks(&["cart"]);
    spec["ttl"] = json!({"duration": "1h"});
    let begun = tokio::time::Instant::now();
    world.sandbox("pr-1", spec).await;
    let (status, _) = world.until_reason("pr-1", "ForksStarting").await;
    assert!(status.deletion_time.is_some());
    world.until::<Sandbox>("pr-1", |sandbox| sandbox.is_none()).await;
    assert!(begun.elapsed() > Duration::from_millis(900), "after {:?}", begun.elapsed());
    assert_eq!(world.events_until("pr-1", "Expired").await, ["Expired"]);
    world.end().await;
}
