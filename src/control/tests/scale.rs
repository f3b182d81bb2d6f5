//! Many objects: the work grows with their number, not with its square.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use spur_store::{Revision, Store};

use super::world::{DEADLINE, World, deployment, is_rolled_out, name, namespace, service, within};

/// Deployments in one namespace, as in a project of middling size.
const TOGETHER: usize = 20;

/// How many writes each of so many Deployments of two pods with a Service costs, from the first
/// request until all are available and nothing more is written.
async fn writes_each(n_deployments: usize) -> u64 {
    let world = World::start().await;
    let Revision(before) = world.until_quiet().await;
    for number in 0..n_deployments {
        let shop = format!("shop-{}", number / TOGETHER);
        if number % TOGETHER == 0 {
            world.create(namespace(&shop)).await;
        }
        let name = format!("web-{number}");
        let ports = json!([{"name": "http", "port": 80, "targetPort": "http"}]);
        world.create(within(&shop, service(&name, ports))).await;
        world.create(within(&shop, deployment(&name, 2))).await;
    }
    let waiting = until_all_are_rolled_out(&world.store, n_deployments);
    tokio::time::timeout(DEADLINE, waiting).await.expect("all become available in time");
    let Revision(after) = world.until_quiet().await;
    (after - before) / n_deployments as u64
}

/// Follows the log: asking for all of them after each write would be the square of the work itself.
async fn until_all_are_rolled_out(store: &Store, n_wanted: usize) {
    let mut changes = store.watch("deployments.apps", None, Revision(0)).expect("the log is whole");
    let mut done: BTreeMap<String, bool> = BTreeMap::new();
    while done.values().filter(|is_done| **is_done).count() < n_wanted {
        for change in changes.next().await.expect("the log is whole") {
            let object: Value = serde_json::from_slice(&change.value).expect("an object");
            done.insert(name(&object).to_owned(), is_rolled_out(&object));
        }
    }
}

/// The bound is on writes, which are counted: a Deployment of two pods needs about 25 (itself, its
/// Service and ReplicaSet, two pods with ports and status each, their slices, statuses and events).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_many_deployments_costs_as_few_writes_as_one_of_few() {
    let (few, many) = (writes_each(5).await, writes_each(60).await);
    assert!(many <= 32 && many <= few + 4, "{few} writes for each of 5, {many} for each of 60");
}
