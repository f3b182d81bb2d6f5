//! The commands of `commands.txt` with every kubectl that there is.

use std::path::Path;

use crate::cases::Case;
use crate::harness::{Spur, command};
use crate::kubectl;

pub(crate) const ALL: &[(&str, Case)] =
    &[("every_command_works_with_every_kubectl", || Box::pin(every_command()))];

const COMMANDS: &str = include_str!("commands.txt");

/// What a kubectl without WebSocket is told: 1.27 and 1.28 speak SPDY alone.
const NO_SPDY: &str = "SPDY/3.1 is not supported";

async fn every_command() {
    let spur = Spur::up().start().await;
    for (index, kubectl) in kubectl::all().iter().enumerate() {
        let namespace = format!("commands-{index}");
        let node = one(&spur, kubectl, "get nodes -o jsonpath={.items[0].metadata.name}").await;
        for line in COMMANDS.lines().filter(|line| !line.starts_with('#')) {
            let words = line.replace("NS", &namespace).replace("NODE", &node);
            one(&spur, kubectl, &words).await;
        }
    }
    spur.end().await;
}

/// Runs one command, which has to succeed, and gives what it printed.
async fn one(spur: &Spur, kubectl: &Path, words: &str) -> String {
    let mut started = tokio::process::Command::new(kubectl);
    started.env("KUBECONFIG", spur.kubeconfig()).env("HOME", spur.data().home());
    // 1.29 and 1.30 use WebSocket where they are asked to.
    started.env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "true");
    started.args(words.split(' ')).current_dir(env!("CARGO_MANIFEST_DIR")).kill_on_drop(true);
    let output = command::run(started).await;
    let is_without_websocket = words.contains(" exec ") && output.stderr.contains(NO_SPDY);
    let shown = kubectl.display();
    assert!(
        output.code == 0 || is_without_websocket,
        "{shown} {words}: {}\n{}{}",
        output.code,
        output.stdout,
        output.stderr
    );
    output.stdout
}
