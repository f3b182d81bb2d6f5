//! `kubectl …` told of a Spur by `KUBECONFIG`.

use std::path::PathBuf;

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

/// Every kubectl of this machine: those that stand beside the one on the path, by version, else
/// that one alone.
pub(crate) fn all() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join("kubectl")).find(|file| file.exists());
    let found = found.expect("it was started a moment ago");
    let real = std::fs::canonicalize(&found).unwrap_or_else(|_| found.clone());
    let beside = std::fs::read_dir(real.parent().expect("a file stands in a directory"));
    let mut all: Vec<PathBuf> = beside
        .into_iter()
        .flatten()
        .filter_map(|file| Some(file.ok()?.path()))
        .filter(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("kubectl.1.")))
        .collect();
    all.sort();
    if all.is_empty() { vec![found] } else { all }
}

/// Runs kubectl to its end.
#[track_caller]
pub(crate) fn run(spur: &Spur, args: &[&str]) -> impl Future<Output = Output> + use<> {
    command::run(command(spur, args))
}
