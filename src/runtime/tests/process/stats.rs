use std::time::Duration;

use spur_runtime::{PodId, Runtime, Stats, StatsError};

use crate::world::{World, pod, wait_for};

async fn stats(world: &World, pod: &PodId) -> Result<Stats, StatsError> {
    world.runtime.stats(&[(pod.clone(), "a".to_owned())]).await.remove(0)
}

/// Takes some 200 ms of one core.
const BURN: &str = "i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); done";
/// Well below that, and far above what a shell that does nothing takes.
const BURNT: Duration = Duration::from_millis(40);

#[tokio::test]
async fn time_and_memory_are_those_of_all_its_processes() {
    let world = World::new().await;
    let scripts = [
        ("ended", format!("sh -c '{BURN}'; echo ready; exec sleep 60")),
        ("left", format!("exec setsid --wait sh -c '{BURN}; echo ready; exec sleep 60'")),
        ("idle", "echo ready; exec sleep 60".to_owned()),
    ];
    for (name, script) in &scripts {
        world.sh(&pod(name), "a", script).await.unwrap();
    }
    for (name, _) in &scripts {
        world.wait_for_text(&pod(name), "a", "ready\n").await;
    }
    let of = ["ended", "left", "none", "idle"].map(|name| (pod(name), "a".to_owned()));
    let found = world.runtime.stats(&of).await;
    let [Ok(ended), Ok(left), Err(StatsError::NotRunning { pod: none, .. }), Ok(idle)] = found.as_slice()
    else {
        panic!("{found:?}")
    };
    assert_eq!(none, "default/none");
    // A child that has ended, and a process that is not of the group any more.
    assert!(ended.cpu > BURNT && left.cpu > BURNT && idle.cpu < BURNT, "{found:?}");
    for stats in [ended, left, idle] {
        assert!((4096..1 << 26).contains(&stats.memory_bytes), "{stats:?}");
    }
}

#[tokio::test]
async fn the_time_of_a_container_grows_as_it_runs() {
    let world = World::new().await;
    world.sh(&pod("p"), "a", "while true; do :; done").await.unwrap();
    let first = stats(&world, &pod("p")).await.unwrap();
    wait_for("200 ms of work", async || {
        let next = stats(&world, &pod("p")).await.unwrap();
        // It is one thread, so that it has no more than all the time there was, to a tick.
        let passed = next.at.duration_since(first.at).unwrap() + Duration::from_millis(30);
        assert!(next.cpu >= first.cpu && next.cpu - first.cpu <= passed, "{first:?} {next:?}");
        next.cpu - first.cpu > Duration::from_millis(200)
    })
    .await;
    world.runtime.stop(&pod("p"), "a", Duration::ZERO).await.unwrap();
    assert!(matches!(stats(&world, &pod("p")).await, Err(StatsError::NotRunning { .. })));
}
