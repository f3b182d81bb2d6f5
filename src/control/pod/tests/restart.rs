//! What a new server makes of the pods of the one before.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use serde_json::json;
use spur_runtime::{ContainerPlan, FakeRuntime, PodId, Runtime};

use super::world::{World, holds, is_running, phase, real_port, status};

/// As after a crash of the whole machine: the objects are there, the runtime knows nothing.
async fn forgotten(world: &World, id: &PodId) {
    world.fake.remove(id).await.unwrap();
}

#[tokio::test]
async fn a_pod_whose_process_is_gone_is_started_again_on_its_ports() {
    let mut world = World::new().await;
    let id = world.run_app("web", json!({"ports": [{"containerPort": 80}]})).await;
    let before = world.ready("web").await;
    world.stop_worker().await;
    forgotten(&world, &id).await;
    world.start_worker();
    let is_so = |pod: &Pod| status(pod).is_some_and(|status| status.restart_count == 1 && status.ready);
    let after = world.pod_until("web", "to be started again", is_so).await;
    let last = status(&after).unwrap().last_state.clone().unwrap().terminated.unwrap();
    assert_eq!((last.exit_code, last.reason.as_deref()), (137, Some("ContainerStatusUnknown")));
    assert_eq!(real_port(&after, 80), real_port(&before, 80));
    assert_eq!(after.status.unwrap().start_time, before.status.unwrap().start_time);
}

#[tokio::test]
async fn a_pod_that_must_not_be_restarted_has_failed() {
    let mut world = World::new().await;
    let spec = json!({"restartPolicy": "Never", "containers": [{"name": "app", "command": ["x"]}]});
    let id = world.run_pod("job", spec).await;
    world.ready("job").await;
    world.stop_worker().await;
    forgotten(&world, &id).await;
    world.start_worker();
    world.pod_until("job", "to have failed", |pod| phase(pod) == "Failed").await;
}

#[tokio::test]
async fn a_process_that_outlived_its_worker_is_started_anew() {
    let mut world = World::new().await;
    world.service("cart", json!({}), json!([{"port": 80}])).await;
    let id = world.run_app("web", json!({})).await;
    world.ready("web").await;
    let before = world.env(&id, "CART_URL");
    world.stop_worker().await;
    world.start_worker();
    let is_so = |pod: &Pod| status(pod).is_some_and(|status| status.restart_count == 1 && status.ready);
    world.pod_until("web", "to be started anew", is_so).await;
    assert_ne!(world.env(&id, "CART_URL"), before, "the listeners of before are closed");
}

#[tokio::test]
async fn pods_that_were_over_are_left_alone() {
    let mut world = World::new().await;
    let spec = json!({"restartPolicy": "Never", "containers": [{"name": "app", "command": ["x"]}]});
    let id = world.run_pod("job", spec).await;
    world.ready("job").await;
    world.fake.exit(&id, "app", 0);
    let before = world.pod_until("job", "to succeed", |pod| phase(pod) == "Succeeded").await;
    world.stop_worker().await;
    forgotten(&world, &id).await;
    world.start_worker();
    world.run_app("other", json!({})).await;
    world.ready("other").await;
    assert_eq!(world.get("job").await, Some(before));
    world.delete("job", 0).await;
    world.gone("job").await;
}

#[tokio::test]
async fn what_the_runtime_has_of_a_pod_that_is_gone_is_removed() {
    let fake = FakeRuntime::new();
    let gone = PodId::new("default", "gone", "uid-of-gone");
    fake.start(&gone, ContainerPlan::new("app", &["x"])).await.unwrap();
    let mut world = World::without_worker(fake.clone(), Arc::new(fake)).await;
    world.run_app("web", json!({})).await;
    world.start_worker();
    assert!(holds(async || world.fake.state(&gone, "app").is_none()).await);
    assert!(is_running(&world.ready("web").await));
}
