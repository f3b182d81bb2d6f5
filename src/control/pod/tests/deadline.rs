//! Pods that may be active for so long only.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use spur_runtime::Runtime;

use super::world::{World, app, condition, holds, phase, status};

/// Phase, reason and message.
fn told(pod: &Pod) -> (&str, &str, &str) {
    let status = pod.status.as_ref();
    let text = |field: fn(&k8s_openapi::api::core::v1::PodStatus) -> Option<&String>| {
        status.and_then(field).map_or("", String::as_str)
    };
    (phase(pod), text(|status| status.reason.as_ref()), text(|status| status.message.as_ref()))
}

const PAST: (&str, &str, &str) =
    ("Failed", "DeadlineExceeded", "Pod was active on the node longer than the specified deadline");

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_active_for_too_long_is_stopped_in_order_and_has_failed() {
    let world = World::new().await;
    let sidecar = json!({"name": "side", "command": ["x"], "restartPolicy": "Always"});
    let hooks = json!({"lifecycle": {"preStop": {"sleep": {"seconds": 3}}}});
    let spec = json!({
        "activeDeadlineSeconds": 60, "terminationGracePeriodSeconds": 20,
        "initContainers": [sidecar], "containers": [app(hooks)],
    });
    let id = world.run_pod("web", spec).await;
    let pod = world.ready("web").await;
    assert_eq!(told(&pod), ("Running", "", ""));
    tokio::time::advance(Duration::from_secs(58)).await;
    assert_eq!(phase(&world.get("web").await.unwrap()), "Running");
    tokio::time::advance(Duration::from_secs(2)).await;
    world.event(&format!("Normal {} {}", PAST.1, PAST.2)).await;
    let pod = world.pod_until("web", "to be stopped", |pod| condition(pod, "Ready") == "False").await;
    assert_eq!(phase(&pod), "Running", "its containers are ending");
    tokio::time::advance(Duration::from_secs(3)).await;
    world.pod_until("web", "to have failed", |pod| told(pod) == PAST).await;
    let stops = world.fake.stops(&id);
    assert_eq!(stops.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["app", "side"]);
    assert!(stops[0].1 <= Duration::from_secs(17), "{stops:?}");
    tokio::time::advance(Duration::from_secs(600)).await;
    let pod = world.get("web").await.unwrap();
    assert_eq!((told(&pod), status(&pod).unwrap().restart_count), (PAST, 0), "nothing is started again");
    world.delete("web", 30).await;
    world.gone("web").await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_never_came_to_run_fails_all_the_same() {
    let world = World::new().await;
    let missing = json!({"envFrom": [{"configMapRef": {"name": "none"}}]});
    world.run_pod("web", json!({"activeDeadlineSeconds": 60, "containers": [app(missing)]})).await;
    world.waiting("web", "CreateContainerConfigError").await;
    tokio::time::advance(Duration::from_secs(60)).await;
    world.pod_until("web", "to have failed", |pod| told(pod) == PAST).await;
    world.config_map("none", json!({})).await;
    assert_eq!(told(&world.get("web").await.unwrap()), PAST);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_done_in_time_has_no_deadline() {
    let world = World::new().await;
    let containers = json!([app(json!({}))]);
    let spec = json!({"activeDeadlineSeconds": 60, "restartPolicy": "Never", "containers": containers});
    let id = world.run_pod("job", spec).await;
    world.ready("job").await;
    world.fake.exit(&id, "app", 0);
    world.pod_until("job", "to succeed", |pod| phase(pod) == "Succeeded").await;
    tokio::time::advance(Duration::from_secs(600)).await;
    assert_eq!(told(&world.get("job").await.unwrap()), ("Succeeded", "", ""));
}

#[tokio::test]
async fn the_time_counts_from_the_start_over_restarts_of_spur() {
    let mut world = World::new().await;
    let spec = json!({"activeDeadlineSeconds": 3600, "containers": [app(json!({}))]});
    let id = world.run_pod("web", spec).await;
    world.ready("web").await;
    world.stop_worker().await;
    let started = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(3600);
    let patch = json!({"status": {"startTime": started.to_string()}});
    world.pods().patch_status("web", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    world.start_worker();
    world.pod_until("web", "to have failed", |pod| told(pod) == PAST).await;
    assert!(holds(async || !world.fake.state(&id, "app").unwrap().is_running()).await);
}
