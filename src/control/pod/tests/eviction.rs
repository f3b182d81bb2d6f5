//! Pods that take more of the disk than they may.

use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use serde_json::json;
use spur_runtime::{FakeUsage, PodId, Runtime};

use super::world::{World, app, holds, phase, status};

const LOOK: Duration = Duration::from_secs(10);

fn is_evicted(pod: &Pod, message: &str) -> bool {
    let status = pod.status.as_ref();
    let reason = status.and_then(|status| status.reason.as_deref());
    phase(pod) == "Failed"
        && reason == Some("Evicted")
        && status.and_then(|status| status.message.as_deref()) == Some(message)
}

fn volume(world: &World, pod: &PodId, name: &str) -> PathBuf {
    world.tmp.path().join("volumes").join(&*pod.uid).join(name)
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_fills_a_volume_is_ended_at_once_and_gives_it_back() {
    let world = World::new().await;
    let mounted = json!({"volumeMounts": [{"name": "cache", "mountPath": "/cache"}]});
    let spec = json!({
        "terminationGracePeriodSeconds": 600, "containers": [app(mounted)],
        "volumes": [{"name": "cache", "emptyDir": {"sizeLimit": "64Ki"}}],
    });
    let id = world.run_pod("web", spec).await;
    world.ready("web").await;
    let cache = volume(&world, &id, "cache");
    std::fs::write(cache.join("some"), vec![7; 32 << 10]).unwrap();
    tokio::time::advance(LOOK * 3).await;
    assert!(holds(async || phase(&world.get("web").await.unwrap()) == "Running").await);
    std::fs::write(cache.join("more"), vec![7; 64 << 10]).unwrap();
    tokio::time::advance(LOOK).await;
    let message = "Usage of EmptyDir volume \"cache\" exceeds the limit \"64Ki\". ";
    world.event(&format!("Warning Evicted {message}")).await;
    world.pod_until("web", "to be evicted", |pod| is_evicted(pod, message)).await;
    let stops = world.fake.stops(&id);
    assert!(stops.iter().all(|(_, grace)| *grace <= Duration::from_secs(2)), "{stops:?}");
    world.pod_until("web", "to have given it back", |_| !cache.exists()).await;
    tokio::time::advance(LOOK * 60).await;
    let pod = world.get("web").await.unwrap();
    assert!(is_evicted(&pod, message) && status(&pod).unwrap().restart_count == 0);
    assert!(world.fake.list().is_empty(), "its containers are gone, too");
    world.delete("web", 30).await;
    world.gone("web").await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_whose_containers_write_too_much_is_evicted() {
    let world = World::new().await;
    let limited = json!({"resources": {"limits": {"ephemeral-storage": "1Mi"}}});
    let id = world.run_app("web", limited).await;
    world.ready("web").await;
    let uses = |written_bytes| FakeUsage { written_bytes, ..FakeUsage::default() };
    world.fake.uses(&id, "app", uses(1 << 20));
    tokio::time::advance(LOOK * 2).await;
    assert!(holds(async || phase(&world.get("web").await.unwrap()) == "Running").await);
    world.fake.uses(&id, "app", uses((1 << 20) + 1));
    tokio::time::advance(LOOK).await;
    let message = "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. ";
    world.pod_until("web", "to be evicted", |pod| is_evicted(pod, message)).await;
}
