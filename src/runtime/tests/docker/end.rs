use std::time::{Duration, Instant};

use spur_runtime::volumes::Volumes;
use spur_runtime::{ContainerPlan, ContainerState, Mount, MountSource, Runtime, Security, StopError};

use crate::world::{LONG, World, docker, pod, wait_for};

pub(crate) async fn stop() {
    let world = World::new().await;
    let (hears, deaf) = (pod("hears"), pod("deaf"));
    world.sh(&hears, "trap 'exit 3' TERM; echo up; while :; do sleep 0.05; done").await.unwrap();
    world.sh(&deaf, "trap '' TERM; echo up; while :; do sleep 0.05; done").await.unwrap();
    for pod in [&hears, &deaf] {
        world.wait_for_text(pod, "up\n").await;
    }
    let ended = world.runtime.stop(&hears, "app", LONG).await.unwrap();
    assert!(matches!(ended, ContainerState::Terminated { exit_code: 3, signal: None, .. }), "{ended:?}");
    let start = Instant::now();
    let ended = world.runtime.stop(&deaf, "app", Duration::from_secs(1)).await.unwrap();
    assert!(matches!(ended, ContainerState::Terminated { signal: Some(9), .. }), "{ended:?}");
    assert!(start.elapsed() >= Duration::from_secs(1));
    // Twice is once.
    assert_eq!(world.runtime.stop(&deaf, "app", LONG).await.unwrap(), ended);
    let error = world.runtime.stop(&pod("none"), "app", LONG).await.unwrap_err();
    assert!(matches!(error, StopError::NotFound { .. }));
}

pub(crate) async fn killed_by_others() {
    let world = World::new().await;
    let of = pod("p");
    let mut events = world.runtime.events();
    world.sh(&of, "sleep 1000").await.unwrap();
    docker(&["kill", &world.ids()[0]]);
    let told = async {
        loop {
            let event = events.recv().await.unwrap();
            if let ContainerState::Terminated { exit_code, signal, .. } = event.state {
                return (event.container, exit_code, signal);
            }
        }
    };
    let told = tokio::time::timeout(LONG, told).await.expect("it is told");
    assert_eq!(told, ("app".to_owned(), 137, Some(9)));
    docker(&["rm", &world.ids()[0]]);
    wait_for("it to be forgotten", async || world.runtime.list().is_empty()).await;

    // One that is removed while it runs may be gone before anybody has looked how it ended.
    world.sh(&of, "sleep 1000").await.unwrap();
    docker(&["rm", "--force", &world.ids()[0]]);
    let told = async {
        loop {
            let event = events.recv().await.unwrap();
            if let ContainerState::Terminated { exit_code, .. } = event.state {
                return exit_code;
            }
        }
    };
    assert_eq!(tokio::time::timeout(LONG, told).await.expect("it is told"), 137);
}

pub(crate) async fn remove() {
    let world = World::new().await;
    let (of, other) = (pod("p"), pod("other"));
    world.sh(&of, "true").await.unwrap();
    world.end(&of).await;
    world.sh(&of, "sleep 1000").await.unwrap();
    world.sh(&other, "sleep 1000").await.unwrap();
    assert_eq!(world.ids().len(), 3);
    world.runtime.remove(&of).await.unwrap();
    assert_eq!(world.runtime.state(&of, "app"), None);
    assert_eq!(world.ids().len(), 1);
    assert!(world.state(&other).is_running());
    // Twice is once.
    world.runtime.remove(&of).await.unwrap();
}

/// Where Kubernetes has the file, and elsewhere in an image that may not be written.
pub(crate) async fn last_words() {
    let world = World::new().await;
    let dir = tempfile::tempdir().unwrap();
    let volumes = Volumes::open(&dir.path().join("volumes"), None).unwrap();
    for (name, path) in [("usual", "/dev/termination-log"), ("other", "/tmp/why")] {
        let of = pod(name);
        let file = volumes.new_last_words(&of.uid, "app").unwrap();
        let script = format!("echo no disk > {path}; exit 3");
        let plan = ContainerPlan {
            mounts: vec![Mount { source: MountSource::Path(file), path: path.into(), is_read_only: false }],
            security: Security { user: Some("1000".into()), has_read_only_root: true, ..Security::default() },
            ..World::plan("app", &["sh", "-c", &script])
        };
        world.runtime.start(&of, plan).await.unwrap();
        world.end(&of).await;
        assert_eq!(volumes.last_words(&of.uid, "app", 4096).unwrap().unwrap(), b"no disk\n", "{path}");
    }
}
