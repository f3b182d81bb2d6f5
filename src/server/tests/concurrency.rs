//! Many writers of one object: nothing is lost, and everybody sees one history.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use spur_store::{Options, Store};
use tokio::task::JoinSet;

use super::world::{CONFIG_MAPS, World, config_map, over};

/// As many as the design's budgets speak of.
const N_WRITERS: usize = 64;

fn path() -> String {
    format!("{CONFIG_MAPS}/a")
}

/// A server that writes to a disk: there, waiting writes share a commit.
async fn on_disk() -> (tempfile::TempDir, Arc<World>) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(&directory.path().join("data"), Options::default()).expect("a new store");
    (directory, Arc::new(over(Arc::new(store)).await))
}

async fn all<F: Future<Output = ()> + Send + 'static>(
    world: &Arc<World>,
    write: impl Fn(Arc<World>, usize) -> F,
) {
    let mut writers = JoinSet::new();
    for idx in 0..N_WRITERS {
        writers.spawn(write(world.clone(), idx));
    }
    while let Some(outcome) = writers.join_next().await {
        outcome.expect("a writer has not panicked");
    }
}

fn n_keys(object: &Value) -> usize {
    object["data"].as_object().map_or(0, serde_json::Map::len)
}

/// AP-3: who names no version never meets a conflict.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patches_without_a_version_all_arrive() {
    let (_directory, world) = on_disk().await;
    world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    all(&world, async |world: Arc<World>, idx| {
        let patch = json!({"data": {format!("key-{idx}"): "1"}});
        world.patch(&path(), "merge-patch+json", &patch).await.expect(200);
    })
    .await;
    assert_eq!(n_keys(&world.get(&path()).await.expect(200)), N_WRITERS + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn applies_of_many_managers_all_arrive() {
    let (_directory, world) = on_disk().await;
    all(&world, async |world: Arc<World>, idx| {
        let mut applied = config_map("a");
        applied["data"] = json!({format!("key-{idx}"): "1"});
        let path = format!("{}?fieldManager=m{idx}", path());
        let reply = world.patch(&path, "apply-patch+yaml", &applied).await;
        assert!(reply.code.is_success(), "{}", reply.body);
    })
    .await;
    assert_eq!(n_keys(&world.get(&path()).await.expect(200)), N_WRITERS);
}

/// AP-3: losers are told 409 and try again; no update is lost, and all see one history.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_change_write_loses_no_update_and_its_history_has_no_gap() {
    let (_directory, world) = on_disk().await;
    let mut counter = config_map("a");
    counter["data"] = json!({"count": "0"});
    let made = world.post(CONFIG_MAPS, &counter).await.expect(201);
    let version = made["metadata"]["resourceVersion"].as_str().expect("a version").to_owned();
    all(&world, async |world: Arc<World>, _| {
        loop {
            let mut object = world.get(&path()).await.expect(200);
            let count: usize = object["data"]["count"].as_str().expect("a count").parse().expect("a number");
            object["data"]["count"] = json!((count + 1).to_string());
            let reply = world.put(&path(), &object).await;
            if reply.code == 200 {
                return;
            }
            reply.expect(409);
        }
    })
    .await;
    assert_eq!(world.get(&path()).await.expect(200)["data"]["count"], N_WRITERS.to_string());
    let mut events = world.watch(&format!("{CONFIG_MAPS}?watch=true&resourceVersion={version}")).await;
    let mut versions = BTreeSet::new();
    for count in 1..=N_WRITERS {
        let event = events.next_raw().await.expect("an event");
        assert_eq!(event["object"]["data"]["count"], count.to_string(), "each write once, in order");
        let version = event["object"]["metadata"]["resourceVersion"].as_str().expect("a version").to_owned();
        assert!(versions.insert(version.parse::<u64>().expect("a number")));
        assert_eq!(versions.last().map(u64::to_string), Some(version), "versions rise");
    }
}

/// AP-3: one 201, and 409 for all others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_creators_of_one_name_one_wins() {
    let (_directory, world) = on_disk().await;
    let made = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = made.clone();
    all(&world, move |world: Arc<World>, _| {
        let made = counted.clone();
        async move {
            let reply = world.post(CONFIG_MAPS, &config_map("a")).await;
            match reply.code.as_u16() {
                201 => drop(made.fetch_add(1, std::sync::atomic::Ordering::Relaxed)),
                _ => drop(reply.expect(409)),
            }
        }
    })
    .await;
    assert_eq!(made.load(std::sync::atomic::Ordering::Relaxed), 1);
}
