//! Watches over `kill -9`: whoever comes back with the last version it saw misses nothing.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use crate::harness::http::Lines;
use crate::harness::{Data, Spur};

const PATH: &str = "/api/v1/namespaces/default/configmaps";
/// Killed so often; `SPUR_KILL_ROUNDS` is for the test of durability.
const ROUNDS: u64 = 3;
/// Acknowledged writes before each kill.
const WRITES: u64 = 60;
/// Few objects, so that most are changed more than once.
const OBJECTS: u64 = 7;

/// A watch that goes on from what it has seen, and checks what it is told.
struct Watcher {
    lines: Option<Lines>,
    seen: u64,
    /// The value of each object as told last.
    values: BTreeMap<String, u64>,
    /// Every version that was told, which rise.
    told: Vec<u64>,
}

// === impl Watcher ===

impl Watcher {
    async fn resume(&mut self, spur: &Spur) {
        // Beside the counters there is what every namespace is given.
        let path = format!("{PATH}?watch=true&labelSelector=counter&resourceVersion={}", self.seen);
        self.lines = Some(spur.api().ask(Method::GET, &path).lines().await.unwrap());
    }

    /// Reads until this version was told, or the server is gone.
    async fn read(&mut self, until: Option<u64>) {
        let lines = self.lines.as_mut().expect("it was resumed");
        while until.is_none_or(|until| self.seen < until) {
            let Ok(Some(line)) = lines.next().await else {
                assert_eq!(until, None, "the watch ended at {}", self.seen);
                return;
            };
            let event: Value = serde_json::from_str(&line).unwrap();
            let object = &event["object"];
            let version = object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
            let (name, value) = (object["metadata"]["name"].as_str().unwrap(), value_of(object));
            assert!(version > self.seen, "ordered and unique: {version} after {}", self.seen);
            let before = self.values.insert(name.to_owned(), value);
            let type_ = if before.is_none() { "ADDED" } else { "MODIFIED" };
            assert_eq!(
                (event["type"].as_str(), before.unwrap_or(0) + 1),
                (Some(type_), value),
                "no gap: {line}"
            );
            self.seen = version;
            self.told.push(version);
        }
    }
}

fn value_of(object: &Value) -> u64 {
    object["data"]["value"].as_str().unwrap().parse().unwrap()
}

/// One more than there is, whatever a write that nobody acknowledged has left.
async fn count_up(spur: &Spur, name: &str) -> u64 {
    let value = spur.api().find("configmaps", name).await.map_or(0, |found| value_of(&found)) + 1;
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"counter": ""}}, "data": {"value": value.to_string()}});
    let path = format!("{PATH}/{name}?fieldManager=e2e");
    let apply = spur.api().ask(Method::PATCH, &path).body("application/apply-patch+yaml", object.to_string());
    let applied = apply.send().await.ok().json();
    applied["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

/// AP-2: no event lost, doubled or out of order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ap_2_a_watch_over_kill_9_loses_doubles_and_reorders_nothing() {
    let data = Data::new();
    let mut acknowledged = Vec::new();
    let mut watcher = Watcher { lines: None, seen: 1, values: BTreeMap::new(), told: Vec::new() };
    for _round in 0..ROUNDS {
        let spur = Spur::up().on(&data).start().await;
        watcher.resume(&spur).await;
        for n in 0..WRITES {
            acknowledged.push(count_up(&spur, &format!("counter-{}", n % OBJECTS)).await);
        }
        // Somewhere in between: the rest is read from the connection that breaks, or from the next.
        watcher.read(Some(acknowledged[acknowledged.len() - 20])).await;
        tokio::join!(spur.kill(), watcher.read(None));
    }
    let spur = Spur::up().on(&data).start().await;
    watcher.resume(&spur).await;
    let last = count_up(&spur, "counter-0").await;
    acknowledged.push(last);
    watcher.read(Some(last)).await;
    for version in &acknowledged {
        assert!(watcher.told.binary_search(version).is_ok(), "{version} was acknowledged and never told");
    }
    spur.end().await;
}
