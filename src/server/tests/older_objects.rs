//! Objects that an earlier version of Spur has stored: with empty values, and without the defaults that
//! came later.

use serde_json::{Value, json};
use spur_store::Expect;

use super::world::{DEPLOYMENTS, PODS, World, deployment, pod, world};
use crate::object;
use crate::served::Served;

/// Stores an object that is there as it would have been stored before.
async fn store_as_before(world: &World, kind: &Served, name: &str, undo: impl Fn(&mut Value)) {
    let key = object::key(kind, Some("default"), name);
    let stored = world.store.get(&key).expect("the store reads").expect("it is there");
    let mut value: Value = serde_json::from_slice(&stored.value).expect("JSON");
    undo(&mut value);
    let bytes = serde_json::to_vec(&value).expect("JSON");
    world.store.put(key, Expect::Revision(stored.revision), bytes.into()).await.expect("the store writes");
}

fn label() -> Value {
    json!({"metadata": {"labels": {"a": "b"}}})
}

#[tokio::test]
async fn a_pods_spec_has_not_changed_where_defaults_have() {
    let world = world().await;
    world.post(PODS, &pod("p")).await.expect(201);
    store_as_before(&world, &Served::bundled("", "v1", "pods"), "p", |pod| {
        pod["spec"].as_object_mut().expect("a spec").remove("serviceAccount");
        pod["spec"]["containers"][0]["tty"] = json!(false);
        pod["spec"]["containers"][0]["env"] = json!([]);
    })
    .await;
    let path = format!("{PODS}/p");
    let labelled = world.patch(&path, "merge-patch+json", &label()).await.expect(200);
    assert_eq!(labelled["spec"]["serviceAccount"], "default");
}

#[tokio::test]
async fn an_ephemeral_container_of_before_has_not_changed() {
    let world = world().await;
    world.post(PODS, &pod("p")).await.expect(201);
    store_as_before(&world, &Served::bundled("", "v1", "pods"), "p", |pod| {
        pod["spec"]["ephemeralContainers"] = json!([{"name": "e", "image": "e:1", "stdin": false}]);
    })
    .await;
    let debugged = json!({"spec": {"ephemeralContainers": [{"name": "f", "image": "f:1"}]}});
    let path = format!("{PODS}/p/ephemeralcontainers");
    world.patch(&path, "strategic-merge-patch+json", &debugged).await.expect(200);
}

#[tokio::test]
async fn a_generation_counts_what_somebody_changed() {
    let world = world().await;
    world.post(DEPLOYMENTS, &deployment("web")).await.expect(201);
    store_as_before(&world, &Served::bundled("apps", "v1", "deployments"), "web", |deployment| {
        deployment["spec"]["paused"] = json!(false);
        deployment["spec"]["template"]["spec"]["containers"][0]["args"] = json!([]);
    })
    .await;
    let path = format!("{DEPLOYMENTS}/web");
    let labelled = world.patch(&path, "merge-patch+json", &label()).await.expect(200);
    assert_eq!(labelled["metadata"]["generation"], 1);
    assert!(labelled["spec"].get("paused").is_none());
    let paused = json!({"spec": {"paused": true}});
    let paused = world.patch(&path, "merge-patch+json", &paused).await.expect(200);
    assert_eq!(paused["metadata"]["generation"], 2);
}
