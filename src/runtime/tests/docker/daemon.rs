use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use spur_runtime::docker::{DockerRuntime, Engine};
use spur_runtime::{ContainerState, Runtime, StartError};
use tempfile::TempDir;

use crate::bridge::Bridge;
use crate::world::{World, image_at, pod, wait_for};

/// An engine of the test's own, which it may restart.
struct Daemon {
    dir: TempDir,
    bridge: Bridge,
    child: Option<Child>,
}

// === impl Daemon ===

impl Daemon {
    fn host(dir: &Path) -> String {
        format!("unix://{}/docker.sock", dir.display())
    }

    async fn start(&mut self) {
        let dir = self.dir.path();
        let at = |name: &str| dir.join(name).display().to_string();
        let log = std::fs::File::create(dir.join("log")).unwrap();
        let mut command = Command::new("dockerd");
        command.args(["--host", &Self::host(dir), "--data-root", &at("data"), "--exec-root", &at("exec")]);
        // Beside another engine, whose rules for packets it leaves alone.
        command.args(["--pidfile", &at("pid"), "--bridge", self.bridge.name(), "--iptables=false"]);
        self.child = Some(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
        let host = Self::host(dir);
        wait_for("the daemon to answer", async || Engine::connect(Some(&host)).await.is_ok()).await;
    }

    /// As a service manager does it.
    async fn end(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let pid = rustix::process::Pid::from_child(&child);
        let _it_may_have_ended = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let pid = rustix::process::Pid::from_child(&child);
            let _it_may_have_ended = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            let _ = child.wait();
        }
    }
}

/// SB-2: what ran has ended with the daemon (it has no `live-restore`), nothing is there twice, and
/// what comes next works, without a new connection of ours.
pub(crate) async fn restarts() {
    let mut daemon = Daemon { dir: tempfile::tempdir().unwrap(), bridge: Bridge::new(), child: None };
    daemon.start().await;
    let host = Daemon::host(daemon.dir.path());
    let image = image_at(Some(&host));
    let engine = Engine::connect(Some(&host)).await.unwrap();
    let runtime = DockerRuntime::open(engine, crate::world::config("restarts")).await.unwrap();
    let of = pod("p");
    let plan = || {
        let mut plan = World::plan("app", &["sleep", "1000"]);
        plan.image = Some(image.clone());
        plan
    };
    runtime.start(&of, plan()).await.unwrap();
    let mut events = runtime.events();

    daemon.end().await;
    let error = runtime.start(&pod("other"), plan()).await.unwrap_err();
    assert!(matches!(error, StartError::Engine { .. }), "{error}");
    daemon.start().await;
    wait_for("the end to be told", async || runtime.state(&of, "app").unwrap().is_terminated()).await;
    assert_eq!(runtime.list().len(), 1);
    let told = std::iter::from_fn(|| events.try_recv().ok());
    assert_eq!(told.filter(|event| event.state.is_terminated()).count(), 1);

    assert_eq!(runtime.start(&of, plan()).await.unwrap().attempt, 1);
    let state = runtime.stop(&of, "app", Duration::ZERO).await.unwrap();
    assert!(matches!(state, ContainerState::Terminated { signal: Some(9), .. }), "{state:?}");
    // The events are followed again, too.
    runtime.start(&of, plan()).await.unwrap();
    wait_for("it to run", async || runtime.state(&of, "app").unwrap().is_running()).await;
    runtime.remove(&of).await.unwrap();
    runtime.remove_unused_networks().await.unwrap();
}
