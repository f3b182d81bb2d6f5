//! A backup of the store put in its place, and what its clients are told.
//!
//! There is no command for it: a backup is a copy of `store/store.redb` taken while no Spur runs.

use std::fs;

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Data, Spur};

fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

fn revision(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

/// A data directory whose store is an old copy, and the last revision that a client has seen.
async fn with_an_old_store() -> (Data, Value) {
    let spur = Spur::up().start().await;
    spur.api().create(&map("old")).await.ok();
    let data = spur.end().await;
    let store = data.path().join("store/store.redb");
    let backup = fs::read(&store).unwrap();
    let spur = Spur::up().on(&data).start().await;
    let newest = spur.api().create(&map("new")).await.ok().json();
    let data = spur.end().await;
    fs::write(&store, backup).unwrap();
    (data, newest)
}

/// ST-10: with the marker deleted, as the text of a damaged store says: clients list anew.
#[tokio::test]
async fn st_10_clients_of_a_restored_store_are_told_to_list_anew() {
    let (data, newest) = with_an_old_store().await;
    fs::remove_file(data.path().join("store/cluster")).unwrap();
    let spur = Spur::up().on(&data).start().await;
    assert!(spur.api().find("configmaps", "old").await.is_some());
    assert_eq!(spur.api().find("configmaps", "new").await, None);
    let path = "/api/v1/namespaces/default/configmaps";
    let watch = format!("{path}?watch=true&resourceVersion={}", revision(&newest));
    let mut watch = spur.api().ask(Method::GET, &watch).lines().await.unwrap();
    let event: Value = serde_json::from_str(&watch.next().await.unwrap().unwrap()).unwrap();
    assert_eq!((&event["type"], &event["object"]["code"]), (&json!("ERROR"), &json!(410)));
    assert_eq!(watch.next().await, Ok(None));
    let made = spur.api().create(&map("new")).await.ok().json();
    assert!(revision(&made) > revision(&newest), "no revision is given twice");
    spur.end().await;
}

/// ST-10: with the marker kept, an old copy is not noticed. A client that has seen more is told
/// that its version is too large, which is as much as can be known.
#[tokio::test]
async fn st_10_an_old_copy_beside_its_marker_is_not_noticed() {
    let (data, newest) = with_an_old_store().await;
    let spur = Spur::up().on(&data).start().await;
    let path = "/api/v1/namespaces/default/configmaps";
    let future = revision(&newest) + 1_000;
    let answer = spur.api().ask(Method::GET, &format!("{path}?resourceVersion={future}")).send().await;
    assert_eq!(answer.status, 504, "{}", answer.text());
    assert!(answer.text().contains("Too large resource version"), "{}", answer.text());
    spur.end().await;
}
