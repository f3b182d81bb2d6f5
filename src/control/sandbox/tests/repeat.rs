//! Right twice: a reconciliation that finds nothing to do writes nothing.

use std::sync::Arc;

use futures::StreamExt;
use jiff::Timestamp;
use kube::runtime::reflector::ObjectRef;
use serde_json::json;

use super::world::{NAMESPACE, World, forks};
use crate::events::Events;
use crate::sandbox::caches::{self, Waking};
use crate::sandbox::reconcile::reconcile;
use crate::sandbox::routed::Routed;
use crate::sandbox::{Context, Failure};

/// The controller's parts without the loop that drives them.
fn context(world: &World) -> (Arc<Context>, tokio::task::JoinHandle<()>) {
    let (caches, queue) = caches::watch(&world.client);
    let following = tokio::spawn(queue.for_each(|_| async {}));
    let ctx = Context {
        client: world.client.clone(),
        events: Events::new(world.client.clone()),
        caches,
        routed: Routed::new(world.table.clone()),
        entry_port: 8080,
        now: Arc::new(Timestamp::now),
        failures: Default::default(),
    };
    (Arc::new(ctx), following)
}

async fn reconcile_once(ctx: &Arc<Context>) -> Result<(), Failure> {
    ctx.caches.are_filled().await.expect("the caches fill");
    let itself: Waking = ObjectRef::new("pr-1").within(NAMESPACE);
    let sandbox = ctx.caches.sandboxes.get(&itself).expect("the sandbox is there");
    reconcile(sandbox, ctx.clone()).await.map(|_| ())
}

#[tokio::test]
async fn a_second_reconciliation_writes_nothing() {
    let world = World::start().await;
    world.baseline("cart").await;
    let mut spec = forks(&["cart"]);
    spec["forks"][0]["env"] = json!([{"name": "A", "value": "1"}]);
    spec["forks"][0]["patch"] = json!({"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 5}}}});
    spec["endpoints"] = json!([{"name": "e", "service": "cart"}]);
    spec["ttl"] = json!({"duration": "1h"});
    world.sandbox("pr-1", spec).await;
    world.bring_up("pr-1", "cart", 5000).await;
    world.until_reason("pr-1", "Ready").await;
    let before = world.revision().await;

    let (ctx, following) = context(&world);
    for _ in 0..2 {
        reconcile_once(&ctx).await.expect("it is reconciled");
    }
    assert_eq!(world.revision().await, before);
    following.abort();
    world.end().await;
}

#[tokio::test]
async fn reconciling_with_caches_that_are_behind_makes_nothing_twice() {
    let world = World::server().await;
    world.baseline("cart").await;
    world.sandbox("pr-1", forks(&["cart"])).await;
    let (ctx, following) = context(&world);
    ctx.caches.are_filled().await.expect("the caches fill");
    let itself: Waking = ObjectRef::new("pr-1").within(NAMESPACE);
    let seen = ctx.caches.sandboxes.get(&itself).expect("the sandbox is there");
    // The same old sandbox both times: the first writes its status, the second finds it is behind.
    reconcile(seen.clone(), ctx.clone()).await.expect("it is reconciled");
    let before = world.revision().await;
    reconcile(seen, ctx.clone()).await.expect("it is put off");
    assert_eq!(world.revision().await, before);
    let children = ["deployment/cart", "deployment/pr-1-cart", "service/cart", "service/pr-1-cart"];
    assert_eq!(world.children().await, children);
    following.abort();
    world.end().await;
}
