//! Containers that end: restarted, put off, or done.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use serde_json::json;
use spur_runtime::{PodId, StartError};
use tokio::time::advance;

use super::world::{World, is_running, phase, status, waits};

async fn restarted(world: &World, n_restarts: i32) -> Pod {
    let is_so =
        |pod: &Pod| is_running(pod) && status(pod).is_some_and(|status| status.restart_count == n_restarts);
    world.pod_until("web", &format!("to be restarted {n_restarts} times"), is_so).await
}

/// Ends the container and waits for the state that tells of the delay.
async fn crash(world: &World, id: &PodId, delay: &str) {
    world.fake.exit(id, "app", 3);
    let wanted = format!("back-off {delay} restarting failed container=app pod=web_default({})", id.uid);
    let is_so = |pod: &Pod| waits(pod) == ("CrashLoopBackOff".to_owned(), wanted.clone());
    let pod = world.pod_until("web", &format!("to back off {delay}"), is_so).await;
    assert_eq!(phase(&pod), "Running");
}

#[tokio::test(start_paused = true)]
async fn a_crash_loop_waits_twice_as_long_each_time() {
    let world = World::new().await;
    let id = world.run_app("web", json!({})).await;
    world.ready("web").await;
    world.fake.exit(&id, "app", 3);
    let pod = restarted(&world, 1).await;
    let last = status(&pod).unwrap().last_state.clone().unwrap().terminated.unwrap();
    assert_eq!((last.exit_code, last.reason.as_deref()), (3, Some("Error")));
    assert_eq!(last.container_id.as_deref(), Some("fake://1"));
    for (n_restarts, delay, seconds) in [(2, "10s", 10), (3, "20s", 20), (4, "40s", 40)] {
        crash(&world, &id, delay).await;
        advance(Duration::from_secs(seconds) - Duration::from_millis(500)).await;
        assert_eq!(waits(&world.get("web").await.unwrap()).0, "CrashLoopBackOff", "not yet");
        advance(Duration::from_secs(1)).await;
        restarted(&world, n_restarts).await;
    }
    let uid = &id.uid;
    world
        .event(&format!("Warning BackOff Back-off restarting failed container app in pod web_default({uid})"))
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_comes_later_ends_the_wait() {
    let world = World::new().await;
    let id = world.run_app("web", json!({})).await;
    world.ready("web").await;
    world.fake.exit(&id, "app", 3);
    restarted(&world, 1).await;
    crash(&world, &id, "10s").await;
    world.service("cart", json!({}), json!([{"port": 80}])).await;
    restarted(&world, 2).await;
    assert!(world.env(&id, "CART_URL").is_some());
    // Not 20 s: the failures before it say nothing any more.
    crash(&world, &id, "10s").await;
}

#[tokio::test]
async fn a_pod_that_is_not_restarted_succeeds_or_fails() {
    let world = World::new().await;
    for (name, policy, exit_code, wanted) in [
        ("done", "Never", 0, "Succeeded"),
        ("broken", "Never", 2, "Failed"),
        ("enough", "OnFailure", 0, "Succeeded"),
    ] {
        let containers = json!([{"name": "app", "command": ["x"], "ports": [{"containerPort": 80}]}]);
        let id = world.run_pod(name, json!({"restartPolicy": policy, "containers": containers})).await;
        world.ready(name).await;
        world.fake.exit(&id, "app", exit_code);
        let pod = world.pod_until(name, &format!("to be {wanted}"), |pod| phase(pod) == wanted).await;
        let ended = status(&pod).unwrap().state.clone().unwrap().terminated.unwrap();
        assert_eq!(ended.exit_code, exit_code);
        assert_eq!(super::world::condition(&pod, "Ready"), "False");
    }
}

#[tokio::test]
async fn a_program_that_is_missing_says_so_and_is_tried_again() {
    let world = World::new().await;
    let missing = || StartError::NotInPath { program: "serve".into(), path: "/bin".into() };
    world.fake.fail_next_start("app", missing());
    world.fake.fail_next_start("app", missing());
    world.run_app("web", json!({})).await;
    let message = world.waiting("web", "RunContainerError").await;
    assert!(message.contains("exec: \"serve\": executable file not found in $PATH"), "{message}");
    let pod = world.get("web").await.unwrap();
    let last = status(&pod).unwrap().last_state.clone().unwrap().terminated.unwrap();
    assert_eq!((last.exit_code, last.reason.as_deref()), (128, Some("StartError")));
    world.event(&format!("Warning Failed Error: {message}")).await;
}
