//! A process runtime in a directory of its own, with words for what the tests do
//! over and over.
use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;
use futures::TryStreamExt;
use rustix::process::{Pid, test_kill_process};
use spur_net::Dial;
use spur_runtime::process::{ProcessConfig, Reaped};
use spur_runtime::{
    ContainerPlan, ContainerState, LogOptions, PodId, ProcessRuntime, Runtime, StartError, Started,
};
use tempfile::TempDir;

pub(crate) use crate::patience::{LONG, wait_for};

pub(crate) struct World {
    pub(crate) runtime: ProcessRuntime,
    pub(crate) tmp: TempDir,
}

pub(crate) fn pod(name: &str) -> PodId {
    PodId::new("default", name, &format!("uid-of-{name}"))
}

pub(crate) fn config(dir: PathBuf) -> ProcessConfig {
    let path = "/usr/local/bin:/usr/bin:/bin".to_owned();
    ProcessConfig {
        dir,
        base_env: BTreeMap::from([("PATH".into(), path), ("LANG".into(), "C".into())]),
        dial: Dial::default(),
    }
}

/// Waits until none of these processes is left, but for zombies: whose child they are now
/// decides when those go.
pub(crate) async fn all_gone<'a>(pids: impl IntoIterator<Item = &'a str>) {
    for pid in pids {
        let number = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        wait_for(&format!("process {pid} to end"), async || {
            test_kill_process(number).is_err() || is_zombie(pid)
        })
        .await;
    }
}

fn is_zombie(pid: &str) -> bool {
    let ps = std::process::Command::new("ps").args(["-o", "stat=", "-p", pid.trim()]).output().unwrap();
    let state = String::from_utf8_lossy(&ps.stdout).into_owned();
    state.is_empty() || state.starts_with('Z')
}

impl World {
    pub(crate) async fn new() -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let config = config(tmp.path().join("runtime"));
        let (runtime, reaped) = ProcessRuntime::open(config).await.unwrap();
        assert_eq!(reaped, []);
        Self { runtime, tmp }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.tmp.path().join("runtime")
    }

    /// Shuts this runtime down and opens its directory again.
    pub(crate) async fn reopen(self) -> (Self, Vec<Reaped>) {
        let Self { runtime, tmp } = self;
        runtime.shutdown(LONG).await.unwrap();
        drop(runtime);
        let config = config(tmp.path().join("runtime"));
        let (runtime, reaped) = ProcessRuntime::open(config).await.unwrap();
        (Self { runtime, tmp }, reaped)
    }

    pub(crate) fn plan(&self, container: &str, command: &[&str]) -> ContainerPlan {
        ContainerPlan::new(container, command)
    }

    /// Starts a container that runs a shell script, in the directory of this world.
    pub(crate) async fn sh(&self, pod: &PodId, container: &str, script: &str) -> Result<Started, StartError> {
        let mut plan = self.plan(container, &["sh", "-c", script]);
        plan.working_dir = Some(self.tmp.path().into());
        self.runtime.start(pod, plan).await
    }

    /// Waits for the container's end.
    pub(crate) async fn end(&self, pod: &PodId, container: &str) -> ContainerState {
        wait_for(&format!("the end of `{container}`"), async || self.state(pod, container).is_terminated())
            .await;
        self.state(pod, container)
    }

    fn state(&self, pod: &PodId, container: &str) -> ContainerState {
        self.runtime.state(pod, container).unwrap()
    }

    /// All output so far.
    pub(crate) async fn text(&self, pod: &PodId, container: &str) -> String {
        self.text_of(pod, container, LogOptions::default()).await
    }

    pub(crate) async fn text_of(&self, pod: &PodId, container: &str, options: LogOptions) -> String {
        String::from_utf8(self.bytes_of(pod, container, options).await).unwrap()
    }

    pub(crate) async fn bytes_of(&self, pod: &PodId, container: &str, options: LogOptions) -> Vec<u8> {
        let stream = self.runtime.logs(pod, container, options).await.unwrap();
        let pieces: Vec<Bytes> =
            tokio::time::timeout(LONG, stream.try_collect()).await.expect("the log ends").unwrap();
        pieces.concat()
    }

    /// Waits until the output is this.
    pub(crate) async fn wait_for_text(&self, pod: &PodId, container: &str, wanted: &str) {
        wait_for(&format!("the output {wanted:?}"), async || self.text(pod, container).await == wanted).await;
    }
}
