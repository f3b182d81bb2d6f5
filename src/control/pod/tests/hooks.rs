//! `postStart` and `preStop`, and in which order containers end.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use serde_json::json;
use spur_runtime::{ExecOutput, PodId, Runtime};

use super::world::{World, app, holds, is_running, phase, status, waits};

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The commands that were run in containers. `fails` returns 1, all others 0.
fn record_commands(world: &World) -> Arc<Mutex<Vec<String>>> {
    let commands = Arc::<Mutex<Vec<String>>>::default();
    let of_script = commands.clone();
    world.fake.on_exec(Box::new(move |container, command| {
        let command = command.join(" ");
        let exit_code = i32::from(command == "fails");
        of_script.lock().unwrap().push(format!("{container}: {command}"));
        let (stdout, stderr) = (Default::default(), Default::default());
        Ok(ExecOutput { exit_code, stdout, stderr, is_truncated: false })
    }));
    commands
}

/// Waits until stops were asked for, of these with their graces.
async fn stopped(world: &World, id: &PodId, wanted: &[(&str, u64)]) {
    let wanted: Vec<_> = wanted.iter().map(|(name, grace)| ((*name).to_owned(), seconds(*grace))).collect();
    let so = holds(async || world.fake.stops(id) == wanted).await;
    assert!(so, "{:?} instead of {wanted:?}", world.fake.stops(id));
}

#[tokio::test(start_paused = true)]
async fn pre_stop_comes_before_sigterm_and_takes_of_its_grace() {
    let world = World::new().await;
    let commands = record_commands(&world);
    let pod = |name: &str, hook: serde_json::Value| json!({"containers": [{"name": name, "command": ["x"], "lifecycle": {"preStop": hook}}]});
    let with_command = world.run_pod("a", pod("quick", json!({"exec": {"command": ["bye"]}}))).await;
    let sleeping = world.run_pod("b", pod("slow", json!({"sleep": {"seconds": 10}}))).await;
    world.ready("a").await;
    world.ready("b").await;
    world.delete("a", 30).await;
    world.gone("a").await;
    assert_eq!(*commands.lock().unwrap(), ["quick: bye"]);
    stopped(&world, &with_command, &[("quick", 30)]).await;

    world.delete("b", 30).await;
    world.event("Normal Killing Stopping container slow").await;
    assert!(!holds_soon(async || !world.fake.stops(&sleeping).is_empty()).await, "its hook sleeps");
    tokio::time::advance(seconds(10)).await;
    world.gone("b").await;
    let stops = world.fake.stops(&sleeping);
    assert!(stops.len() == 1 && (seconds(19)..=seconds(20)).contains(&stops[0].1), "{stops:?}");
}

/// Whether it comes to be so within some turns of every task, without any time passing.
async fn holds_soon(look: impl AsyncFn() -> bool) -> bool {
    for _ in 0..1000 {
        if look().await {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

#[tokio::test(start_paused = true)]
async fn a_pre_stop_that_takes_all_of_the_grace_leaves_two_seconds() {
    let world = World::new().await;
    let id = world.run_app("web", json!({"lifecycle": {"preStop": {"sleep": {"seconds": 60}}}})).await;
    world.ready("web").await;
    world.delete("web", 60).await;
    world.event("Normal Killing Stopping container app").await;
    // A second delete takes of it.
    world.delete("web", 5).await;
    assert!(!holds_soon(async || !world.fake.stops(&id).is_empty()).await);
    tokio::time::advance(seconds(6)).await;
    world.gone("web").await;
    stopped(&world, &id, &[("app", 2)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_pre_stop_that_fails_is_told_and_the_end_comes_all_the_same() {
    let world = World::new().await;
    record_commands(&world);
    let id = world.run_app("web", json!({"lifecycle": {"preStop": {"exec": {"command": ["fails"]}}}})).await;
    world.ready("web").await;
    world.delete("web", 30).await;
    world.gone("web").await;
    world.event("Warning FailedPreStopHook PreStopHook failed").await;
    stopped(&world, &id, &[("app", 30)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_program_that_ends_during_its_pre_stop_is_not_waited_for() {
    let world = World::new().await;
    let id = world.run_app("web", json!({"lifecycle": {"preStop": {"sleep": {"seconds": 20}}}})).await;
    world.ready("web").await;
    world.delete("web", 30).await;
    world.event("Normal Killing Stopping container app").await;
    world.fake.exit(&id, "app", 0);
    world.gone("web").await;
    assert!(!world.events().await.iter().any(|event| event.contains("FailedPreStopHook")));
}

#[tokio::test(start_paused = true)]
async fn until_post_start_is_done_the_container_is_being_created_and_others_wait() {
    let world = World::new().await;
    let hook = json!({"postStart": {"sleep": {"seconds": 10}}});
    let containers = json!([app(json!({"lifecycle": hook})), {"name": "other", "command": ["x"]}]);
    let id = world.run_pod("web", json!({"containers": containers})).await;
    world.event("Normal Started Started container app").await;
    let other_runs = async || world.fake.state(&id, "other").is_some();
    assert!(!holds_soon(other_runs).await);
    let pod = world.get("web").await.unwrap();
    assert_eq!((waits(&pod).0.as_str(), phase(&pod)), ("ContainerCreating", "Pending"));
    tokio::time::advance(seconds(11)).await;
    world.ready("web").await;
    assert!(other_runs().await);
}

#[tokio::test(start_paused = true)]
async fn a_container_whose_post_start_fails_is_killed_and_started_again() {
    let world = World::new().await;
    let commands = record_commands(&world);
    let hooks = json!({
        "postStart": {"exec": {"command": ["fails"]}}, "preStop": {"exec": {"command": ["bye"]}},
    });
    let id = world.run_app("web", json!({"lifecycle": hooks})).await;
    world.event("Warning FailedPostStartHook PostStartHook failed").await;
    world.event("Normal Killing FailedPostStartHook").await;
    let is_so = |pod: &Pod| waits(pod).0 == "CrashLoopBackOff";
    let pod = world.pod_until("web", "to back off", is_so).await;
    let of_app = status(&pod).unwrap();
    assert_eq!(of_app.last_state.clone().unwrap().terminated.unwrap().exit_code, 143);
    assert_eq!(commands.lock().unwrap()[..2], ["app: fails", "app: bye"]);
    assert_eq!(world.fake.stops(&id)[0], ("app".to_owned(), seconds(30)));
}

#[tokio::test]
async fn a_tcp_socket_is_taken_and_fails_as_it_does_in_kubernetes() {
    let world = World::new().await;
    let hooks = json!({"postStart": {"tcpSocket": {"port": 80}}});
    let spec = json!({"restartPolicy": "Never", "containers": [app(json!({"lifecycle": hooks}))]});
    world.run_pod("web", spec).await;
    world.event("Warning FailedPostStartHook PostStartHook failed").await;
    world.pod_until("web", "to fail", |pod| phase(pod) == "Failed").await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_can_be_deleted_while_its_post_start_is_under_way() {
    let world = World::new().await;
    let id = world.run_app("web", json!({"lifecycle": {"postStart": {"sleep": {"seconds": 999}}}})).await;
    world.event("Normal Started Started container app").await;
    world.delete("web", 30).await;
    world.gone("web").await;
    stopped(&world, &id, &[("app", 30)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_sidecar_gets_sigterm_after_the_others_and_the_first_of_them_last() {
    let world = World::new().await;
    let sidecar = |name: &str| json!({"name": name, "command": ["x"], "restartPolicy": "Always"});
    let spec = json!({
        "initContainers": [sidecar("one"), sidecar("two")],
        "containers": [app(json!({"lifecycle": {"preStop": {"sleep": {"seconds": 10}}}}))],
    });
    let id = world.run_pod("web", spec).await;
    world.pod_until("web", "to run", is_running).await;
    world.delete("web", 30).await;
    world.event("Normal Killing Stopping container one").await;
    assert!(!holds_soon(async || !world.fake.stops(&id).is_empty()).await, "the others' hook sleeps");
    tokio::time::advance(seconds(10)).await;
    world.gone("web").await;
    let stops: Vec<String> = world.fake.stops(&id).into_iter().map(|(name, _)| name).collect();
    assert_eq!(stops, ["app", "two", "one"]);
}
