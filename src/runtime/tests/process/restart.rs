//! Removing, shutting down, and opening the same directory again.

use crate::world::{LONG, World, all_gone, pod};
use spur_runtime::{LogOptions, Runtime, StartError};

#[tokio::test]
async fn remove_kills_what_is_left_and_deletes_its_files() {
    let world = World::new().await;
    let (pod, other) = (pod("p"), pod("other"));
    let a = world.sh(&pod, "a", "trap '' TERM; sleep 60").await.unwrap();
    world.sh(&pod, "b", "true").await.unwrap();
    world.sh(&other, "a", "exec sleep 60").await.unwrap();
    world.runtime.remove(&pod).await.unwrap();
    all_gone([a.pid.to_string().as_str()]).await;
    let left: Vec<_> = world.runtime.list().into_iter().map(|l| l.pod).collect();
    assert_eq!(left, std::slice::from_ref(&other));
    let dirs = std::fs::read_dir(world.dir().join("pods")).unwrap();
    let dirs: Vec<_> = dirs.map(|e| e.unwrap().file_name()).collect();
    assert_eq!(dirs, [&*other.uid]);
    // Again, and one that never was.
    world.runtime.remove(&pod).await.unwrap();
    // The name is free again.
    assert_eq!(world.sh(&pod, "a", "true").await.unwrap().attempt, 0);
}

#[tokio::test]
async fn shutdown_ends_everything_and_starts_nothing_more() {
    let world = World::new().await;
    let mut pids = Vec::new();
    for name in ["a", "b", "c"] {
        let started = world.sh(&pod(name), "app", "sleep 60").await.unwrap();
        pids.push(started.pid.to_string());
    }
    world.runtime.shutdown(LONG).await.unwrap();
    all_gone(pids.iter().map(String::as_str)).await;
    assert!(world.runtime.list().iter().all(|l| l.state.is_terminated()));
    let late = world.sh(&pod("d"), "app", "true").await;
    assert!(matches!(late, Err(StartError::Withdrawn { .. })), "{late:?}");
}

#[tokio::test]
async fn dropping_the_runtime_kills() {
    let world = World::new().await;
    let started = world.sh(&pod("a"), "app", "trap '' TERM; sleep 60; :").await;
    drop(world.runtime);
    all_gone([started.unwrap().pid.to_string().as_str()]).await;
}

#[tokio::test]
async fn a_new_runtime_knows_what_the_last_one_ran() {
    let world = World::new().await;
    let pod = pod("p");
    world.sh(&pod, "app", "echo first; exit 3").await.unwrap();
    let state = world.end(&pod, "app").await;
    let (world, reaped) = world.reopen().await;
    assert_eq!(reaped, []);
    assert_eq!(world.runtime.state(&pod, "app"), Some(state));
    assert_eq!(world.text(&pod, "app").await, "first\n");
    let started = world.sh(&pod, "app", "echo second").await.unwrap();
    assert_eq!(started.attempt, 1);
    world.end(&pod, "app").await;
    let previous = LogOptions { previous: true, ..LogOptions::default() };
    assert_eq!(world.text_of(&pod, "app", previous).await, "first\n");
}
