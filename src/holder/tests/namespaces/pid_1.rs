//! The life of pid 1 of a container.

use std::process::Command;

use super::world::{World, wait_for};

pub(crate) async fn holder() {
    let mut world = World::start(&["--pid", "--fork"], "be-a-holder");
    let holder = world.connect().await;
    reaps_and_ends(&mut world).await;
    holder.gone().await;
    assert!(!world.path().exists(), "it leaves no socket");
}

pub(crate) async fn pause() {
    let mut world = World::start(&["--pid", "--fork"], "be-a-pause");
    wait_for("pid 1", async || !children(world.pid()).is_empty()).await;
    reaps_and_ends(&mut world).await;
}

async fn reaps_and_ends(world: &mut World) {
    let pid_1 = children(world.pid())[0];
    // SIGTERM counts once there is a handler (bit 15 of `SigCgt`, from 1).
    wait_for("its handlers", async || caught(pid_1) & (1 << 14) != 0).await;
    let mut sh = Command::new("nsenter");
    sh.args(["--preserve-credentials", "--user", "--pid", "--target", &pid_1.to_string(), "sh", "-c"]);
    // The shell ends and leaves its child, which ends with the pipe; in the background the input
    // of a command would be `/dev/null`.
    sh.arg("exec 3<&0; cat <&3 >/dev/null 2>&1 &");
    let (reads, writes) = std::io::pipe().unwrap();
    assert!(sh.stdin(reads).status().unwrap().success());
    wait_for("the orphan", async || children(pid_1).len() == 1).await;
    drop(writes);
    wait_for("the orphan's end to be taken", async || children(pid_1).is_empty()).await;

    let killed = Command::new("kill").arg(pid_1.to_string()).status().unwrap();
    assert!(killed.success());
    assert!(world.ends().await, "it ends as it was told");
}

/// Also those that have ended and were not waited for.
fn children(pid: u32) -> Vec<u32> {
    let listed = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    listed.split_whitespace().map(|child| child.parse().unwrap()).collect()
}

fn caught(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(caught.trim(), 16).unwrap()
}
