//! Init containers, sidecars and the others, in their order.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use serde_json::json;
use spur_runtime::{FakeRuntime, PodId, Runtime};

use super::world::{World, condition, holds, phase};

/// What each container does: `name=state`.
fn shown(pod: &Pod) -> Vec<String> {
    let status = pod.status.as_ref();
    let of = |statuses: Option<&Vec<ContainerStatus>>| {
        let text = |status: &ContainerStatus| {
            let state = status.state.clone().unwrap_or_default();
            let state = match (state.running, state.terminated, state.waiting) {
                (Some(_), ..) => "running".to_owned(),
                (_, Some(ended), _) => format!("ended {}", ended.exit_code),
                (.., Some(waiting)) => waiting.reason.unwrap_or_default(),
                _ => String::new(),
            };
            format!("{}={state}", status.name)
        };
        statuses.into_iter().flatten().map(text).collect::<Vec<_>>()
    };
    let init = of(status.and_then(|status| status.init_container_statuses.as_ref()));
    [init, of(status.and_then(|status| status.container_statuses.as_ref()))].concat()
}

async fn until(world: &World, name: &str, wanted: &[&str]) -> Pod {
    world.pod_until(name, &format!("to be {wanted:?}"), |pod| shown(pod) == wanted).await
}

fn runs(fake: &FakeRuntime, id: &PodId, container: &str) -> bool {
    fake.state(id, container).is_some_and(|state| state.is_running())
}

#[tokio::test]
async fn init_containers_run_one_after_the_other_and_before_all_others() {
    let world = World::new().await;
    let id = world
        .run_pod(
            "p",
            json!({
                "initContainers": [{"name": "one", "command": ["x"]}, {"name": "two", "command": ["x"]}],
                "containers": [{"name": "app", "command": ["x"]}],
            }),
        )
        .await;
    let pod = until(&world, "p", &["one=running", "two=PodInitializing", "app=PodInitializing"]).await;
    assert_eq!((phase(&pod), condition(&pod, "Initialized")), ("Pending", "False"));
    world.fake.exit(&id, "one", 0);
    until(&world, "p", &["one=ended 0", "two=running", "app=PodInitializing"]).await;
    // One that fails is tried again, whatever the policy of the others.
    world.fake.exit(&id, "two", 1);
    assert!(holds(async || runs(&world.fake, &id, "two")).await);
    assert!(world.fake.state(&id, "app").is_none());
    world.fake.exit(&id, "two", 0);
    let pod = until(&world, "p", &["one=ended 0", "two=ended 0", "app=running"]).await;
    assert_eq!((phase(&pod), condition(&pod, "Initialized")), ("Running", "True"));
    world.ready("p").await;
}

#[tokio::test]
async fn a_pod_that_is_never_restarted_fails_with_its_init_container() {
    let world = World::new().await;
    let id = world
        .run_pod(
            "p",
            json!({
                "restartPolicy": "Never",
                "initContainers": [{"name": "one", "command": ["x"]}],
                "containers": [{"name": "app", "command": ["x"]}],
            }),
        )
        .await;
    until(&world, "p", &["one=running", "app=PodInitializing"]).await;
    world.fake.exit(&id, "one", 3);
    let pod = world.pod_until("p", "to fail", |pod| phase(pod) == "Failed").await;
    assert_eq!(shown(&pod), ["one=ended 3", "app=PodInitializing"]);
}

#[tokio::test]
async fn a_sidecar_is_up_before_the_others_and_ends_after_them() {
    let world = World::new().await;
    let id = world
        .run_pod(
            "p",
            json!({
                "restartPolicy": "Never",
                "initContainers": [{"name": "side", "command": ["x"], "restartPolicy": "Always"}],
                "containers": [{"name": "app", "command": ["x"]}],
            }),
        )
        .await;
    until(&world, "p", &["side=running", "app=running"]).await;
    world.fake.exit(&id, "app", 0);
    let pod = world.pod_until("p", "to succeed", |pod| phase(pod) == "Succeeded").await;
    assert_eq!(shown(&pod)[1], "app=ended 0");
    assert!(holds(async || !runs(&world.fake, &id, "side")).await, "it is stopped");
}
