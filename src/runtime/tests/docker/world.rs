//! A Docker runtime of an environment of its own, all of whose containers go with it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use spur_runtime::docker::{DockerConfig, DockerRuntime, Engine, Environment};
use spur_runtime::{ContainerPlan, ContainerState, LogOptions, PodId, Runtime, StartError, Started};
use uuid::Uuid;

use crate::bridge::Bridge;

/// Far above what anything here takes, so that only a fault reaches it.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Debian's `busybox-static`.
const BUSYBOX: &str = "/bin/busybox";

/// The image of all tests, made by the first that wants it.
pub(crate) static IMAGE: LazyLock<String> = LazyLock::new(|| image_at(None));

/// The image on an engine, the usual one or another; its own command says `by itself`.
pub(crate) fn image_at(host: Option<&str>) -> String {
    let root = tempfile::tempdir().unwrap();
    let bin = root.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::fs::create_dir(root.path().join("tmp")).unwrap();
    std::fs::copy(BUSYBOX, bin.join("busybox")).unwrap();
    for name in ["sh", "cat", "echo", "sleep", "stty", "seq", "id", "grep", "touch", "tail", "nc", "hostname"]
    {
        std::os::unix::fs::symlink("busybox", bin.join(name)).unwrap();
    }
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(root.path()).args(["-c", "."]).stdout(Stdio::piped());
    let mut tar = tar.spawn().unwrap();
    let name = "spur-test/busybox:runtime".to_owned();
    let own = ["--change", "CMD [\"/bin/echo\", \"by itself\"]", "-", &name];
    let mut import = Command::new("docker");
    import.args(host.map(|host| ["--host", host]).into_iter().flatten());
    import.arg("import").args(own).stdin(tar.stdout.take().unwrap());
    let imported = import.output().unwrap();
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    assert!(tar.wait().unwrap().success());
    name
}

/// Why there can be no engine of a test's own; `None` where there can.
pub(crate) fn why_no_daemon() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("an engine can be started by root only".to_owned());
    }
    let is_there = Command::new("dockerd").arg("--version").output().is_ok();
    let absent = (!is_there).then(|| "`dockerd` is not on the path".to_owned());
    why_not().or(absent).or_else(Bridge::why_not)
}

/// Why there can be no containers here; `None` where there can.
pub(crate) fn why_not() -> Option<String> {
    if !Path::new(BUSYBOX).is_file() {
        return Some(format!("`{BUSYBOX}` is not installed (Debian's busybox-static)"));
    }
    if Command::new("docker").arg("--version").output().is_err() {
        return Some("the Docker CLI is not installed".to_owned());
    }
    run(Engine::connect(docker_host().as_deref())).err().map(|error| error.to_string())
}

pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test)
}

pub(crate) fn docker_host() -> Option<String> {
    std::env::var("DOCKER_HOST").ok()
}

/// What the Docker CLI prints.
pub(crate) fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Looks until it is so, at most [`LONG`].
pub(crate) async fn wait_for(what: &str, is_so: impl AsyncFn() -> bool) {
    let look = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let done = tokio::time::timeout(LONG, look).await;
    assert!(done.is_ok(), "waited {LONG:?} for {what}");
}

pub(crate) fn pod(name: &str) -> PodId {
    PodId::new("default", name, &format!("uid-of-{name}"))
}

pub(crate) struct World {
    pub(crate) runtime: DockerRuntime,
    pub(crate) id: String,
}

/// What a runtime of the environment with this id is opened with.
pub(crate) fn config(id: &str) -> DockerConfig {
    DockerConfig {
        environment: Environment::new(id),
        // `main` of these tests is what Spur's own containers run.
        executable: std::env::current_exe().unwrap(),
        dir: dir(id),
        home: None,
    }
}

fn dir(id: &str) -> PathBuf {
    std::env::temp_dir().join(format!("spur-test-{id}"))
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::of(Uuid::new_v4().to_string()).await
    }

    async fn of(id: String) -> Self {
        let engine = Engine::connect(docker_host().as_deref()).await.unwrap();
        let runtime = DockerRuntime::open(engine, config(&id)).await.unwrap();
        Self { runtime, id }
    }

    /// Another Spur of the same environment, after this one was killed.
    pub(crate) async fn reopen(self) -> Self {
        let id = self.id.clone();
        // Nothing of it ends in order, and its containers stay.
        std::mem::forget(self);
        Self::of(id).await
    }

    pub(crate) fn plan(container: &str, command: &[&str]) -> ContainerPlan {
        ContainerPlan { image: Some(IMAGE.clone()), ..ContainerPlan::new(container, command) }
    }

    pub(crate) async fn sh(&self, pod: &PodId, script: &str) -> Result<Started, StartError> {
        self.runtime.start(pod, Self::plan("app", &["sh", "-c", script])).await
    }

    pub(crate) fn state(&self, pod: &PodId) -> ContainerState {
        self.runtime.state(pod, "app").unwrap()
    }

    pub(crate) async fn end(&self, pod: &PodId) -> ContainerState {
        wait_for("its end", async || self.state(pod).is_terminated()).await;
        self.state(pod)
    }

    pub(crate) async fn text(&self, pod: &PodId, options: LogOptions) -> String {
        let stream = self.runtime.logs(pod, "app", options).await.unwrap();
        let pieces: Vec<Bytes> =
            tokio::time::timeout(LONG, stream.try_collect()).await.expect("the log ends").unwrap();
        String::from_utf8(pieces.concat()).unwrap()
    }

    pub(crate) async fn wait_for_text(&self, pod: &PodId, wanted: &str) {
        let is_so = async || self.text(pod, LogOptions::default()).await == wanted;
        wait_for(&format!("the output {wanted:?}"), is_so).await;
    }

    /// The ids of the environment's networks.
    pub(crate) fn networks(&self) -> Vec<String> {
        let filter = format!("label=spur.dev/environment={}", self.id);
        docker(&["network", "ls", "-q", "--filter", &filter]).lines().map(str::to_owned).collect()
    }

    /// The ids of what the engine has of this environment.
    pub(crate) fn ids(&self) -> Vec<String> {
        let filter = format!("label=spur.dev/environment={}", self.id);
        docker(&["ps", "-aq", "--no-trunc", "--filter", &filter]).lines().map(str::to_owned).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for id in self.ids() {
            docker(&["rm", "--force", "--volumes", &id]);
        }
        for id in self.networks() {
            docker(&["network", "rm", &id]);
        }
        let _ = std::fs::remove_dir_all(dir(&self.id));
    }
}
