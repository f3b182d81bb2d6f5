use std::time::Duration;

use spur_runtime::{LogOptions, Runtime, StatsError};

use crate::world::{World, pod, wait_for};

pub(crate) async fn cgroup() {
    let world = World::new().await;
    let (busy, idle) = (pod("busy"), pod("idle"));
    // A file that was written and is not read any more could be had back.
    world.sh(&busy, "echo begun; while true; do :; done").await.unwrap();
    world.sh(&idle, "seq 1 1000000 > /tmp/unused; echo written; exec sleep 1000").await.unwrap();
    world.wait_for_text(&idle, "written\n").await;
    let of = [&busy, &idle].map(|pod| (pod.clone(), "app".to_owned()));
    let first = world.runtime.stats(&of).await;
    let [Ok(busy_first), Ok(idle_first)] = first.as_slice() else { panic!("{first:?}") };
    wait_for("200 ms of work", async || {
        let next = world.runtime.stats(&of).await;
        let [Ok(busy_next), Ok(idle_next)] = next.as_slice() else { panic!("{next:?}") };
        let (cpu, passed) = (
            busy_next.cpu - busy_first.cpu,
            busy_next.at.duration_since(busy_first.at).unwrap() + Duration::from_millis(100),
        );
        assert!(cpu <= passed, "{first:?} {next:?}");
        assert!(idle_next.cpu - idle_first.cpu < Duration::from_millis(100), "{first:?} {next:?}");
        cpu > Duration::from_millis(200)
    })
    .await;
    assert_eq!(world.text(&busy, LogOptions::default()).await, "begun\n");
    // A shell that sleeps, without the 6.9 MB that it has written.
    assert!((1..4_000_000).contains(&idle_first.memory_bytes), "{idle_first:?}");
    world.runtime.stop(&busy, "app", Duration::ZERO).await.unwrap();
    let ended = world.runtime.stats(&of).await;
    assert!(matches!(ended.as_slice(), [Err(StatsError::NotRunning { .. }), Ok(_)]), "{ended:?}");
}
