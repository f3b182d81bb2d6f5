//! Pods that lose the network that their containers share.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use serde_json::json;

use super::world::{World, app, holds, phase};

fn statuses(pod: &Pod) -> &[ContainerStatus] {
    pod.status.as_ref().and_then(|status| status.container_statuses.as_deref()).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn all_containers_end_before_any_is_started_again() {
    let world = World::new().await;
    let hooks = json!({"lifecycle": {"preStop": {"sleep": {"seconds": 5}}}});
    let containers =
        json!([app(json!({})), {"name": "slow", "command": ["x"], "lifecycle": hooks["lifecycle"]}]);
    let id = world.run_pod("web", json!({"containers": containers})).await;
    world.ready("web").await;
    world.fake.lose_network(&id);
    world.event("Normal SandboxChanged Pod sandbox changed, it will be killed and re-created.").await;
    assert!(holds(async || !world.fake.stops(&id).is_empty()).await);
    let has_ended = |pod: &Pod| statuses(pod).first().is_some_and(|app| !app.ready && app.restart_count == 0);
    world.pod_until("web", "to end and wait", has_ended).await;
    tokio::time::advance(std::time::Duration::from_secs(5)).await;
    let is_back = |pod: &Pod| statuses(pod).iter().all(|one| one.ready && one.restart_count == 1);
    world.pod_until("web", "to be started again", is_back).await;
    let n_changed = world.events().await.iter().filter(|event| event.contains("SandboxChanged")).count();
    assert_eq!(n_changed, 1);
}

#[tokio::test]
async fn a_pod_that_is_not_restarted_has_failed() {
    let world = World::new().await;
    let containers = json!([app(json!({})), {"name": "other", "command": ["x"]}]);
    let id = world.run_pod("web", json!({"restartPolicy": "Never", "containers": containers})).await;
    world.ready("web").await;
    world.fake.lose_network(&id);
    let pod = world.pod_until("web", "to fail", |pod| phase(pod) == "Failed").await;
    assert!(statuses(&pod).iter().all(|one| one.restart_count == 0));
}

#[tokio::test]
async fn a_container_that_has_its_network_for_itself_is_let_be() {
    let world = World::new().await;
    let id = world.run_app("web", json!({})).await;
    world.ready("web").await;
    world.fake.lose_network(&id);
    // What comes after it is done, so that it was seen.
    world.fake.exit(&id, "app", 1);
    let is_so = |pod: &Pod| statuses(pod).first().is_some_and(|app| app.ready && app.restart_count == 1);
    world.pod_until("web", "to be restarted", is_so).await;
    assert_eq!(world.fake.stops(&id), []);
}
