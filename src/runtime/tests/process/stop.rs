//! How containers end when they are told to, and what ends with them.

use std::time::Duration;

use crate::world::{LONG, World, all_gone, pod};
use spur_runtime::{ContainerState, Runtime, StopError};

#[tokio::test]
async fn the_group_ends_with_its_leader() {
    let world = World::new().await;
    let pod = pod("p");
    let script = "sh -c 'sleep 60 & echo $!; touch up; wait' & echo $!; \
        until [ -e up ]; do sleep 0.01; done; exit 5";
    world.sh(&pod, "app", script).await.unwrap();
    world.end(&pod, "app").await;
    let text = world.text(&pod, "app").await;
    assert_eq!(text.lines().count(), 2, "{text}");
    all_gone(text.lines()).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_left_the_group_ends_too() {
    let world = World::new().await;
    let pod = pod("p");
    // Holds the pipes as well: the end of the container does not wait for it.
    let script = "setsid sh -c 'echo $$; touch up; exec sleep 60' & \
        until [ -e up ]; do sleep 0.01; done";
    world.sh(&pod, "app", script).await.unwrap();
    world.end(&pod, "app").await;
    let text = world.text(&pod, "app").await;
    assert_eq!(text.lines().count(), 1, "{text}");
    all_gone(text.lines()).await;
}

#[tokio::test]
async fn stop_sends_sigterm_and_gives_the_final_state() {
    let world = World::new().await;
    let pod = pod("p");
    world
        .sh(
            &pod,
            "app",
            "exec 2>/dev/null; trap 'echo bye; exit 4' TERM; echo up; while :; do sleep 0.05; done",
        )
        .await
        .unwrap();
    world.wait_for_text(&pod, "app", "up\n").await;
    let state = world.runtime.stop(&pod, "app", LONG).await.unwrap();
    let ContainerState::Terminated { exit_code: 4, .. } = state else {
        panic!("{state:?}");
    };
    assert_eq!(world.text(&pod, "app").await, "up\nbye\n");
    // Once more changes nothing.
    assert_eq!(world.runtime.stop(&pod, "app", LONG).await.unwrap(), state);
    let none = world.runtime.stop(&pod, "other", LONG).await;
    assert!(matches!(none, Err(StopError::NotFound { .. })), "{none:?}");
}

#[tokio::test]
async fn who_ignores_sigterm_gets_sigkill_after_the_grace() {
    let world = World::new().await;
    let pod = pod("p");
    let script = "trap '' TERM; echo up; while :; do sleep 0.05; done";
    world.sh(&pod, "app", script).await.unwrap();
    world.wait_for_text(&pod, "app", "up\n").await;
    let (grace, begin) = (Duration::from_millis(300), std::time::Instant::now());
    let state = world.runtime.stop(&pod, "app", grace).await.unwrap();
    assert!(begin.elapsed() >= grace);
    let ContainerState::Terminated { exit_code: 137, signal: Some(9), .. } = state else {
        panic!("{state:?}");
    };
}

#[tokio::test]
async fn a_server_behind_a_shell_has_the_grace_too() {
    let world = World::new().await;
    let pod = pod("p");
    // The outer shell ends at SIGTERM at once; the inner one is still at work.
    let inner =
        "exec 2>/dev/null; trap 'sleep 0.3; echo done; exit 0' TERM; echo up; while :; do sleep 0.05; done";
    let script = format!("sh -c \"{inner}\" & wait");
    world.sh(&pod, "app", &script).await.unwrap();
    world.wait_for_text(&pod, "app", "up\n").await;
    world.runtime.stop(&pod, "app", LONG).await.unwrap();
    assert_eq!(world.text(&pod, "app").await, "up\ndone\n");
}

#[tokio::test]
async fn a_second_stop_with_less_grace_cuts_the_first_short() {
    let world = World::new().await;
    let pod = pod("p");
    let script = "trap '' TERM; echo up; while :; do sleep 0.05; done";
    world.sh(&pod, "app", script).await.unwrap();
    world.wait_for_text(&pod, "app", "up\n").await;
    let (patient, hasty) = tokio::join!(
        world.runtime.stop(&pod, "app", 100 * LONG),
        world.runtime.stop(&pod, "app", Duration::ZERO),
    );
    assert_eq!(patient.unwrap(), hasty.unwrap());
}
