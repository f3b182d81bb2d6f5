use std::time::Duration;

use spur_runtime::{ContainerState, LogOptions, Runtime};

use crate::world::{World, pod, wait_for};

/// SB-3.
pub(crate) async fn taken_over() {
    let world = World::new().await;
    let (runs, ended, ends) = (pod("runs"), pod("ended"), pod("ends"));
    let started = world.sh(&runs, "echo up; sleep 1000").await.unwrap();
    world.sh(&ended, "echo first").await.unwrap();
    world.end(&ended).await;
    world.sh(&ended, "echo second; exit 7").await.unwrap();
    world.end(&ended).await;
    world.sh(&ends, "sleep 0.5; exit 8").await.unwrap();
    let world = world.reopen().await;
    let ContainerState::Running { pid, started_at } = world.state(&runs) else {
        panic!("it runs: {:?}", world.state(&runs))
    };
    assert_eq!((pid, started_at), (started.pid, started.started_at));
    let state = world.state(&ended);
    assert!(matches!(state, ContainerState::Terminated { exit_code: 7, .. }), "{state:?}");
    let previous = LogOptions { previous: true, ..LogOptions::default() };
    assert_eq!(world.text(&ended, previous).await, "first\n");
    let state = world.end(&ends).await;
    assert!(matches!(state, ContainerState::Terminated { exit_code: 8, .. }), "{state:?}");
    assert_eq!(world.sh(&ended, "true").await.unwrap().attempt, 2);
    world.runtime.stop(&runs, "app", Duration::ZERO).await.unwrap();
}

pub(crate) async fn others() {
    let (a, b) = (World::new().await, World::new().await);
    let of = pod("p");
    a.sh(&of, "sleep 1000").await.unwrap();
    b.sh(&of, "sleep 1000").await.unwrap();
    assert_eq!((a.runtime.list().len(), b.runtime.list().len()), (1, 1));
    a.runtime.remove(&of).await.unwrap();
    wait_for("the one to go", async || a.ids().is_empty()).await;
    assert!(b.state(&of).is_running());
}
