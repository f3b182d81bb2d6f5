//! Pods that are deleted: in order, at once, twice.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, WatchEvent, WatchParams};
use serde_json::json;
use spur_runtime::{FakeRuntime, Runtime};

use super::world::{World, condition, holds, phase, status};

/// Every state that the API has of the pod from here on, until it is gone.
async fn states_until_gone(pods: Api<Pod>, version: String) -> Vec<Pod> {
    let params = WatchParams::default().fields("metadata.name=web");
    let mut changes = pods.watch(&params, &version).await.unwrap().boxed();
    let mut states = Vec::new();
    while let Some(change) = changes.next().await {
        match change.unwrap() {
            WatchEvent::Added(pod) | WatchEvent::Modified(pod) => states.push(pod),
            WatchEvent::Deleted(_) => return states,
            WatchEvent::Bookmark(_) => {}
            WatchEvent::Error(error) => panic!("{error:?}"),
        }
    }
    panic!("the watch ended first");
}

#[tokio::test]
async fn a_deleted_pod_is_first_not_ready_then_ended_then_gone() {
    let world = World::new().await;
    let id = world.run_app("web", json!({"ports": [{"containerPort": 80}]})).await;
    let pod = world.ready("web").await;
    let version = pod.metadata.resource_version.unwrap();
    let states = tokio::spawn(states_until_gone(world.pods(), version));
    world.delete("web", 30).await;
    let states = tokio::time::timeout(Duration::from_secs(30), states).await.unwrap().unwrap();
    let shown: Vec<String> = states
        .iter()
        .map(|pod| {
            let ended = status(pod).and_then(|status| status.state.as_ref()?.terminated.as_ref());
            let exit = ended.map(|ended| format!(" exit {}", ended.exit_code)).unwrap_or_default();
            format!("{} ready={}{exit}", phase(pod), condition(pod, "Ready"))
        })
        .collect();
    let wanted = ["Running ready=True", "Running ready=False", "Succeeded ready=False exit 143"];
    assert_eq!(shown, wanted, "the delete, then out of the endpoints, then the end: SIGTERM is no failure");
    assert!(world.fake.state(&id, "app").is_none(), "the runtime has forgotten it");
    world.event("Normal Killing Stopping container app").await;
    assert!(!world.events().await.iter().any(|event| event.starts_with("Warning")));
}

#[tokio::test]
async fn a_pod_that_vanishes_is_killed() {
    let world = World::new().await;
    let id = world.run_app("web", json!({})).await;
    world.ready("web").await;
    world.delete("web", 0).await;
    world.gone("web").await;
    assert!(holds(async || world.fake.state(&id, "app").is_none()).await, "its container is removed");
}

#[tokio::test]
async fn a_pod_made_anew_under_the_same_name_is_another() {
    let world = World::new().await;
    let first = world.run_app("web", json!({})).await;
    world.ready("web").await;
    world.delete("web", 0).await;
    let second = world.run_app("web", json!({})).await;
    world.ready("web").await;
    assert_ne!(first.uid, second.uid);
    assert!(holds(async || world.fake.state(&first, "app").is_none()).await);
    assert!(world.fake.state(&second, "app").unwrap().is_running());
}

#[tokio::test]
async fn a_finalizer_holds_the_pod_and_nothing_is_started_again() {
    let world = World::new().await;
    let metadata = json!({"name": "web", "finalizers": ["shop/wait"]});
    let spec = json!({"containers": [{"name": "app", "command": ["x"]}]});
    let id = world.create(json!({"metadata": metadata, "spec": spec})).await;
    world.ready("web").await;
    world.delete("web", 5).await;
    let pod = world.pod_until("web", "to have ended", |pod| phase(pod) == "Succeeded").await;
    assert!(pod.metadata.deletion_timestamp.is_some());
    assert!(holds(async || world.fake.state(&id, "app").is_none()).await);
    world.patch("web", json!({"metadata": {"finalizers": null}})).await;
    world.gone("web").await;
}

#[tokio::test]
async fn a_pod_that_waits_for_configuration_can_be_deleted() {
    let world = World::new().await;
    world.run_app("web", json!({"envFrom": [{"configMapRef": {"name": "none"}}]})).await;
    world.waiting("web", "CreateContainerConfigError").await;
    world.delete("web", 30).await;
    world.gone("web").await;
}

#[tokio::test]
async fn a_pod_that_is_over_goes_at_once_and_its_logs_with_it() {
    let world = World::new().await;
    let spec = json!({"restartPolicy": "Never", "containers": [{"name": "app", "command": ["x"]}]});
    let id = world.run_pod("job", spec).await;
    world.ready("job").await;
    world.fake.exit(&id, "app", 0);
    world.pod_until("job", "to succeed", |pod| phase(pod) == "Succeeded").await;
    assert!(world.fake.state(&id, "app").is_some(), "its output can still be read");
    world.delete("job", 30).await;
    world.gone("job").await;
    assert!(holds(async || world.fake.state(&id, "app").is_none()).await);
}

#[tokio::test]
async fn a_deletion_that_a_server_did_not_finish_is_finished_by_the_next() {
    let fake = FakeRuntime::new();
    let mut world = World::without_worker(fake.clone(), Arc::new(fake)).await;
    world.run_app("web", json!({})).await;
    world.delete("web", 30).await;
    world.start_worker();
    world.gone("web").await;
}

#[tokio::test]
async fn no_container_is_stopped_while_requests_are_sent_to_the_pod() {
    let world = World::new().await;
    let id = world.run_app("web", json!({"ports": [{"containerPort": 80}]})).await;
    world.ready("web").await;
    world.route_to(1, &["web", "other"]);
    world.delete("web", 30).await;
    world.pod_until("web", "to be not ready", |pod| condition(pod, "Ready") == "False").await;
    // A table without news for this pod changes nothing.
    world.route_to(2, &["web"]);
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert!(world.fake.state(&id, "app").unwrap().is_running());
    world.route_to(3, &["other"]);
    world.gone("web").await;
}

#[tokio::test]
async fn a_delete_without_grace_waits_for_no_table() {
    let world = World::new().await;
    let id = world.run_app("web", json!({})).await;
    world.ready("web").await;
    world.route_to(1, &["web"]);
    world.delete("web", 30).await;
    world.pod_until("web", "to be not ready", |pod| condition(pod, "Ready") == "False").await;
    world.delete("web", 0).await;
    assert!(holds(async || world.fake.state(&id, "app").is_none()).await, "its container is removed");
}
