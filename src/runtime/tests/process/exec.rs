//! Commands in a container.

use std::time::Duration;

use crate::world::{LONG, World, pod};
use spur_runtime::{ExecError, Runtime};

#[tokio::test]
async fn a_command_runs_beside_the_container_with_its_environment_and_directory() {
    let world = World::new().await;
    let dir = world.tmp.path().canonicalize().unwrap();
    let pod = pod("p");
    let mut plan = world.plan("app", &["sleep", "60"]);
    plan.working_dir = Some(dir.clone());
    plan.env = vec![("A".into(), "1".into())];
    world.runtime.start(&pod, plan).await.unwrap();
    let exec = |command: &[&str], timeout| {
        let command = command.iter().map(|s| (*s).to_owned()).collect();
        world.runtime.exec(&pod, "app", command, timeout)
    };
    let out = exec(&["sh", "-c", "pwd; echo $A >&2; exit 3"], LONG).await.unwrap();
    assert_eq!(out.exit_code, 3);
    assert_eq!(out.stdout, format!("{}\n", dir.display()));
    assert_eq!(out.stderr, "1\n");
    assert!(!out.is_truncated);
    let out = exec(&["head", "-c", "1000000", "/dev/zero"], LONG).await.unwrap();
    assert_eq!((out.exit_code, out.stdout.len(), out.is_truncated), (0, 10 * 1024, true));
    let missing = exec(&["none"], LONG).await.unwrap_err();
    assert!(missing.to_string().contains("not found in $PATH"), "{missing}");
    let slow = exec(&["sh", "-c", "sleep 60 & sleep 60"], Duration::from_millis(100)).await;
    let slow = slow.unwrap_err();
    assert_eq!(slow.to_string(), "command timed out after 100ms");
    let cut = exec(&["sleep", "60"], LONG);
    let stop = world.runtime.stop(&pod, "app", Duration::ZERO);
    let (cut, stopped) = tokio::join!(cut, stop);
    assert!(matches!(cut, Err(ExecError::NotRunning { .. })), "{cut:?}");
    stopped.unwrap();
    let late = exec(&["true"], LONG).await;
    assert!(matches!(late, Err(ExecError::NotRunning { .. })), "{late:?}");
}
