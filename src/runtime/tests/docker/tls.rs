use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use spur_net::Authority;
use spur_runtime::docker::{BuildPlan, DockerRuntime, Engine, EngineAddress, EngineError};
use spur_runtime::{LogOptions, Runtime};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::bridge::Bridge;
use crate::world::{World, config, image_at, pod, wait_for};

/// An engine that listens at ports of loopback: one for those with certificates, one for everybody.
struct Ports {
    dir: TempDir,
    tls: u16,
    child: Child,
    /// Goes after the daemon has ended.
    _bridge: Bridge,
}

/// A port that nobody has now; `dockerd` takes no 0.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A folder of certificates as the Docker CLI wants it.
fn write(folder: &Path, ca: &Authority, credential: &spur_net::Credential) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("ca.pem"), ca.certificate_pem()).unwrap();
    std::fs::write(folder.join("cert.pem"), &credential.certificate_pem).unwrap();
    std::fs::write(folder.join("key.pem"), &credential.key_pem).unwrap();
}

impl Ports {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ca = Authority::generate().unwrap();
        let of = |name: &str| dir.path().join(name);
        write(&of("server"), &ca, &ca.server(&["127.0.0.1".to_owned()]).unwrap());
        write(&of("client"), &ca, &ca.client("ann", "people").unwrap());
        let stranger = Authority::generate().unwrap();
        write(&of("stranger"), &ca, &stranger.client("eve", "people").unwrap());
        write(&of("distrust"), &stranger, &ca.client("ann", "people").unwrap());
        let tls = free_port();
        let at = |name: &str| of(name).display().to_string();
        let mut command = Command::new("dockerd");
        command.args([
            "--host",
            &format!("tcp://127.0.0.1:{tls}"),
            "--host",
            &format!("unix://{}", at("socket")),
        ]);
        command.args(["--tlsverify", "--tlscacert", &at("server/ca.pem")]);
        command.args(["--tlscert", &at("server/cert.pem"), "--tlskey", &at("server/key.pem")]);
        command.args(["--data-root", &at("data"), "--exec-root", &at("exec"), "--pidfile", &at("pid")]);
        let bridge = Bridge::new();
        command.args(["--bridge", bridge.name(), "--iptables=false"]);
        let log = std::fs::File::create(of("log")).unwrap();
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Self { dir, tls, child, _bridge: bridge }
    }

    fn folder(&self, certificates: &str) -> PathBuf {
        self.dir.path().join(certificates)
    }

    fn address(&self, certificates: Option<&str>) -> EngineAddress {
        EngineAddress {
            host: Some(format!("tcp://127.0.0.1:{}", self.tls)),
            certificates: certificates.map(|name| self.folder(name)),
        }
    }
}

impl Drop for Ports {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _it_may_have_ended = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

pub(crate) async fn certificates() {
    let ports = Ports::start();
    let ours = ports.address(Some("client"));
    wait_for("the daemon to answer", async || Engine::connect(ours.clone()).await.is_ok()).await;
    let refused = async |certificates| {
        let error = Engine::connect(ports.address(certificates)).await.unwrap_err();
        assert!(matches!(error, EngineError::Unreachable { .. } | EngineError::Host { .. }), "{error:?}");
        format!("{error}\n{}", error.hint())
    };
    let told = refused(None).await;
    assert!(told.contains("Client sent an HTTP request to an HTTPS server"), "{told}");
    let told = refused(Some("distrust")).await;
    assert!(told.contains("invalid peer certificate") && told.contains("compare `ca.pem`"), "{told}");
    let told = refused(Some("stranger")).await;
    assert!(told.contains("alert"), "{told}");
    let told = refused(Some("nowhere")).await;
    assert!(
        told.contains("nowhere/ca.pem`: No such file") && told.contains("DOCKER_CERT_PATH names"),
        "{told}"
    );

    // Pods, streams and builds go the same way.
    let socket = format!("unix://{}", ports.folder("socket").display());
    let image = image_at(Some(&socket));
    let engine = Engine::connect(ours).await.unwrap();
    let context = ports.folder("context");
    std::fs::create_dir(&context).unwrap();
    std::fs::write(context.join("Dockerfile"), format!("FROM {image}\nCMD [\"echo\", \"by port\"]\n"))
        .unwrap();
    let (news_tx, mut news_rx) = mpsc::channel::<String>(1);
    let plan = BuildPlan { context, ..BuildPlan::default() };
    let build = async {
        let built = engine.build(&plan, None, &news_tx).await;
        drop(news_tx);
        built
    };
    let (built, ()) = tokio::join!(build, async { while news_rx.recv().await.is_some() {} });
    let mut container = World::plan("app", &["sh", "-c", "echo out; sleep 1000"]);
    container.image = Some(image);
    let runtime = DockerRuntime::open(engine, config("tls")).await.unwrap();
    let mut of_built = World::plan("built", &[]);
    of_built.image = Some(built.unwrap());
    let of = pod("p");
    runtime.start(&of, container).await.unwrap();
    let ran =
        runtime.exec(&of, "app", vec!["echo".to_owned(), "in".to_owned()], crate::world::LONG).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "in\n");
    let other = pod("q");
    runtime.start(&other, of_built).await.unwrap();
    wait_for("its end", async || runtime.state(&other, "built").unwrap().is_terminated()).await;
    let text = {
        use futures::TryStreamExt;
        let stream = runtime.logs(&other, "built", LogOptions::default()).await.unwrap();
        stream.try_collect::<Vec<bytes::Bytes>>().await.unwrap().concat()
    };
    assert_eq!(String::from_utf8_lossy(&text), "by port\n");
    for of in [of, other] {
        runtime.remove(&of).await.unwrap();
    }
    runtime.remove_unused_networks().await.unwrap();
}
