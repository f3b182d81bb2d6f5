//! `kubectl logs`, `exec`, `attach` and `cp` on containers.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::harness::command;
use crate::world::{World, pod, shell};

pub(crate) fn why_not() -> Option<String> {
    let tried = std::process::Command::new("kubectl").args(["version", "--client"]).output();
    match tried {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!("kubectl does not run: {}", output.status)),
        Err(error) => Some(format!("kubectl cannot be started: {error}")),
    }
}

fn command(world: &World, args: &[&str]) -> Command {
    let mut kubectl = Command::new("kubectl");
    kubectl.env("KUBECONFIG", world.spur().kubeconfig()).env("HOME", world.data.home());
    kubectl.env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "true").args(args).kill_on_drop(true);
    kubectl
}

pub(crate) async fn kubectl() {
    let world = World::up().await;
    let mut container =
        shell("main", "echo ready; while read line; do echo \"heard $line\"; done; sleep 1000");
    container["stdin"] = serde_json::json!(true);
    let api = world.spur().api();
    api.create(&pod("talks", &[container])).await.ok();
    api.until_condition(("pods", "talks"), "Ready").await;
    let run = async |args: &[&str]| command::run(command(&world, args)).await.ok().stdout;
    assert_eq!(run(&["logs", "talks"]).await, "ready\n");
    assert_eq!(run(&["exec", "talks", "--", "echo", "a b"]).await, "a b\n");
    let failed = command::run(command(&world, &["exec", "talks", "--", "sh", "-c", "exit 3"])).await;
    assert_eq!(failed.code, 3, "{}", failed.stderr);
    let mut piped = command(&world, &["exec", "-i", "talks", "--", "cat"]);
    let mut child = piped.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"through the pipe").await.unwrap();
    drop(stdin);
    let output = tokio::time::timeout(crate::harness::DEADLINE, child.wait_with_output()).await;
    assert_eq!(output.expect("cat ends with its input").unwrap().stdout, b"through the pipe");
    // cp is tar through exec.
    let file = world.data.write("letter", "a letter\n");
    run(&["cp", file.to_str().unwrap(), "talks:/tmp/letter"]).await;
    assert_eq!(run(&["exec", "talks", "--", "cat", "/tmp/letter"]).await, "a letter\n");
    let back = world.data.home().join("back");
    run(&["cp", "talks:/tmp/letter", back.to_str().unwrap()]).await;
    assert_eq!(std::fs::read_to_string(&back).unwrap(), "a letter\n");
    let mut attached = command(&world, &["attach", "-i", "talks"]);
    let mut child = attached.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"you\n").await.unwrap();
    let mut lines =
        tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(child.stdout.take().unwrap()));
    let heard = tokio::time::timeout(crate::harness::DEADLINE, lines.next_line()).await;
    assert_eq!(heard.expect("it answers").unwrap().as_deref(), Some("heard you"));
}
