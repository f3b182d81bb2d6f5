//! `spur build` and `spur doctor`, as a shell calls them.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::harness::{Data, command};
use crate::world::{BUSYBOX_IMAGE, docker, docker_host};

fn spur(home: &Data, args: &[&str]) -> tokio::process::Command {
    let mut spur = command::spur(home.home());
    spur.envs(docker_host()).args(args);
    spur
}

/// A context whose steps are like no other's.
fn context(steps: &str) -> (TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let id = dir.path().file_name().unwrap().to_str().unwrap().trim_start_matches('.').to_lowercase();
    let text = format!("FROM {}\nLABEL id={id}\n{steps}", *BUSYBOX_IMAGE);
    std::fs::write(dir.path().join("Dockerfile"), text).unwrap();
    (dir, format!("spur-test/{id}:it"))
}

pub(crate) async fn build() {
    let home = Data::new();
    let (dir, tag) = context("ARG WHO\nRUN echo \"for $WHO\"\n");
    let path = dir.path().to_str().unwrap();
    let mut told = spur(&home, &["build", "-t", &tag, "--build-arg", "WHO", path]);
    told.env("WHO", "ann");
    let shown = command::run(told).await.ok().prints_nothing();
    shown.tells(&["Step 4/4 : RUN", "\nfor ann\n", &format!("Successfully tagged {tag}\n")]);
    let id = docker(&["inspect", "--format", "{{.Id}}", &tag]).trim().to_owned();
    let args = ["build", "-q", "-t", &tag, "--build-arg", "WHO=ann", path];
    let quiet = command::run(spur(&home, &args)).await.ok();
    assert_eq!((&*quiet.stdout, &*quiet.stderr), (&*format!("{id}\n"), ""));
    let json =
        command::run(spur(&home, &["build", "-o", "json", "-t", &tag, "--build-arg", "WHO=ann", path]));
    assert_eq!(json.await.ok().json(), serde_json::json!({"id": id, "tags": [tag]}));
    docker(&["rmi", "--force", &tag]);

    std::fs::write(dir.path().join("Other"), format!("FROM {}\nRUN exit 4\n", *BUSYBOX_IMAGE)).unwrap();
    let other = dir.path().join("Other");
    let failed = command::run(spur(&home, &["build", "-f", other.to_str().unwrap(), path])).await.code(1);
    failed.prints_nothing().tells(&[
        "error: failed at `Step 2/2 : RUN exit 4`: The command '/bin/sh -c exit 4' returned a non-zero code: 4",
    ]);
    let failed = command::run(spur(&home, &["build", "https://example.org/x.git"])).await.code(1);
    failed.tells(&["is an address, which is not supported"]);
}

pub(crate) async fn interrupted() {
    let home = Data::new();
    let (dir, tag) = context("RUN echo begun; sleep 2000\n");
    let mut build = spur(&home, &["build", "-t", &tag, dir.path().to_str().unwrap()]);
    let mut build = build.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(build.stderr.take().unwrap()).lines();
    while lines.next_line().await.unwrap().expect("it goes on") != "begun" {}
    let pid = Pid::from_raw(build.id().unwrap().cast_signed()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!(build.wait().await.unwrap().code(), Some(130));
    crate::harness::until("its container is gone", async || {
        let running = docker(&["ps", "--no-trunc", "--format", "{{.Command}}"]);
        if running.contains("sleep 2000") { Err(running) } else { Ok(()) }
    })
    .await;
    assert_eq!(docker(&["images", "-q", &tag]), "");
}

pub(crate) async fn doctor() {
    let home = Data::new();
    let told = command::run(spur(&home, &["doctor", "-o", "json"])).await.ok().json();
    assert_eq!(told["runtimes"], serde_json::json!(["process", "docker"]), "{told}");
    let engine = told["checks"].as_array().unwrap().iter().find(|check| check["name"] == "Docker engine");
    let version = docker(&["version", "--format", "{{.Server.Version}}"]);
    assert!(engine.unwrap()["found"].as_str().unwrap().starts_with(version.trim()), "{told}");
    let mut without = command::spur(home.home());
    without.env("DOCKER_HOST", "unix:///nowhere/docker.sock").args(["doctor"]);
    let shown = command::run(without).await.ok();
    shown.prints(&[
        "cannot talk to Docker at `unix:///nowhere/docker.sock`: No such file",
        "hint: start it, or set DOCKER_HOST",
        "pods can run here by: process\n",
    ]);
}
