//! `kubectl …` told of a Spur by `KUBECONFIG`.

use tokio::process::Command;

use crate::harness::{Output, Spur, command};

/// Why there is no kubectl; `None` where there is one.
pub(crate) fn absent() -> Option<String> {
    let tried = std::process::Command::new("kubectl").args(["version", "--client"]).output();
    match tried {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!("kubectl does not run: {}", output.status)),
        Err(error) => Some(format!("kubectl cannot be started: {error}")),
    }
}

pub(crate) fn command(spur: &Spur, args: &[&str]) -> Command {
    let mut kubectl = Command::new("kubectl");
    kubectl.env("KUBECONFIG", spur.kubeconfig()).env("HOME", spur.data().home()).args(args);
    kubectl.current_dir(env!("CARGO_MANIFEST_DIR")).kill_on_drop(true);
    kubectl
}

/// Runs kubectl to its end.
#[track_caller]
pub(crate) fn run(spur: &Spur, args: &[&str]) -> impl Future<Output = Output> + use<> {
    command::run(command(spur, args))
}
