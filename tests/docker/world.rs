//! A Spur on Docker, whose environment goes with it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::bridge::Bridge;
use crate::harness::manifests::{deployment, service};
use crate::harness::spur::Builder;
use crate::harness::{Data, Spur, command};

/// Debian's `busybox-static`.
const BUSYBOX: &str = "/bin/busybox";

/// The image of shell scripts, made by the first that wants it.
pub(crate) static BUSYBOX_IMAGE: LazyLock<String> = LazyLock::new(make_image);

fn make_image() -> String {
    image_at(None)
}

/// The image on an engine, the usual one or another.
pub(crate) fn image_at(host: Option<&str>) -> String {
    let root = tempfile::tempdir().unwrap();
    let bin = root.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::fs::create_dir(root.path().join("tmp")).unwrap();
    std::fs::copy(BUSYBOX, bin.join("busybox")).unwrap();
    for name in ["sh", "cat", "echo", "sleep", "nc", "tar", "id", "ls", "printf", "seq", "hostname"] {
        std::os::unix::fs::symlink("busybox", bin.join(name)).unwrap();
    }
    let cc = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docker/udp.c");
    let compiled = Command::new(cc).args(["-O1", "-static", "-o"]).arg(bin.join("udp")).arg(source).status();
    assert!(compiled.unwrap().success());
    let mut tar = Command::new("tar");
    let mut tar = tar.arg("-C").arg(root.path()).args(["-c", "."]).stdout(Stdio::piped()).spawn().unwrap();
    let name = "spur-test/busybox:e2e".to_owned();
    let mut import = Command::new("docker");
    import.args(host.map(|host| ["--host", host]).into_iter().flatten());
    let imported = import.args(["import", "-", &name]).stdin(tar.stdout.take().unwrap()).output().unwrap();
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    assert!(tar.wait().unwrap().success());
    name
}

/// Why there can be no containers here; `None` where there can.
pub(crate) fn why_not() -> Option<String> {
    if !Path::new(BUSYBOX).is_file() {
        return Some(format!("`{BUSYBOX}` is not installed (Debian's busybox-static)"));
    }
    match Command::new("docker").args(["version", "--format", "{{.Server.Version}}"]).output() {
        Err(_) => Some("the Docker CLI is not installed".to_owned()),
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
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

/// What the Docker CLI prints.
pub(crate) fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The variables by which an engine is found.
pub(crate) fn docker_host() -> Vec<(String, String)> {
    std::env::var("DOCKER_HOST").ok().map(|host| ("DOCKER_HOST".to_owned(), host)).into_iter().collect()
}

/// A Spur whose pods run on Docker; what is left of it when the test ends is removed.
pub(crate) struct World {
    pub(crate) spur: Option<Spur>,
    pub(crate) data: Data,
}

// === impl World ===

impl World {
    pub(crate) fn builder() -> Builder {
        let builder = Spur::up().flags(&["--runtime", "docker"]);
        docker_host().iter().fold(builder, |builder, (name, value)| builder.env(name, value))
    }

    pub(crate) async fn up() -> Self {
        Self::of(Self::builder().start().await)
    }

    pub(crate) fn of(spur: Spur) -> Self {
        let data = spur.data().clone();
        Self { spur: Some(spur), data }
    }

    pub(crate) fn spur(&self) -> &Spur {
        self.spur.as_ref().unwrap()
    }

    /// Killed, and started again on the same data.
    pub(crate) async fn killed_and_started(mut self) -> Self {
        let data = self.spur.take().unwrap().kill().await;
        self.spur = Some(Self::builder().on(&data).start().await);
        self
    }

    /// The environment's id.
    pub(crate) fn id(&self) -> String {
        std::fs::read_to_string(self.data.path().join("environment")).unwrap().trim().to_owned()
    }

    /// What `docker ps` says of the environment's containers, in this format.
    pub(crate) fn containers(&self, format: &str) -> Vec<String> {
        let filter = format!("label=spur.dev/environment={}", self.id());
        let listed = docker(&["ps", "-a", "--no-trunc", "--filter", &filter, "--format", format]);
        listed.lines().map(str::to_owned).collect()
    }

    /// A command of `spur`, which finds the engine.
    pub(crate) fn command(&self, args: &[&str]) -> tokio::process::Command {
        let mut command = command::spur(self.data.home());
        command.envs(docker_host()).args(args);
        command
    }
}

impl Drop for World {
    fn drop(&mut self) {
        drop(self.spur.take());
        if !self.data.path().join("environment").is_file() {
            return;
        }
        let mut down = Command::new(env!("CARGO_BIN_EXE_spur"));
        down.args(["down", "--volumes", "--data"]).arg(self.data.path());
        down.env("HOME", self.data.home()).stdout(Stdio::null());
        let status = down.status().unwrap();
        if !std::thread::panicking() {
            assert!(status.success(), "spur down: {status}");
        }
    }
}

/// One of the demo's services, from the image of this executable.
pub(crate) fn sample(name: &str, sample: &str, env: &[(&str, &str)]) -> Vec<Value> {
    let mut service = service(name);
    if sample == "recommendation" {
        // The one that speaks gRPC.
        service["spec"]["ports"][0]["appProtocol"] = json!("kubernetes.io/h2c");
    }
    let env: Vec<Value> = env.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    let container = json!({
        "name": name,
        "image": "spur.dev/self",
        "command": ["/spur", "sample", sample],
        "env": env,
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/health", "port": "http"}},
    });
    vec![service, deployment(name, container)]
}

/// A container that runs a shell script.
pub(crate) fn shell(name: &str, script: &str) -> Value {
    json!({"name": name, "image": *BUSYBOX_IMAGE, "command": ["sh", "-c", script]})
}

/// A pod of these containers.
pub(crate) fn pod(name: &str, containers: &[Value]) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"terminationGracePeriodSeconds": 1, "restartPolicy": "Never", "containers": containers},
    })
}

/// A shell command that asks a Service over HTTP and prints the answer.
pub(crate) fn ask(host: &str, port: u16) -> String {
    format!(
        "(printf 'GET / HTTP/1.1\\r\\nHost: {host}\\r\\nConnection: close\\r\\n\\r\\n'; sleep 2) | nc {host} {port}"
    )
}
