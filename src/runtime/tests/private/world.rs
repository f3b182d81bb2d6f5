//! A process runtime with private pods, and the programs in them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use futures::TryStreamExt;
use rustix::process::Pid;
use spur_net::Dial;
use spur_runtime::process::{PRIVATE_NETWORK, ProcessConfig};
use spur_runtime::{AskedNetwork, ContainerPlan, LogOptions, PodId, PodNetwork, ProcessRuntime, Runtime};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub(crate) use super::patience::{LONG, wait_for};

pub(crate) struct World {
    pub(crate) runtime: ProcessRuntime,
    pub(crate) dial: Dial,
    pub(crate) reaped: usize,
    tmp: TempDir,
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().unwrap().block_on(future)
}

pub(crate) fn pod(name: &str) -> PodId {
    PodId::new("shop", name, &format!("uid-of-{name}"))
}

// === impl World ===

impl World {
    pub(crate) async fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap()).await
    }

    pub(crate) async fn at(tmp: TempDir) -> Self {
        let dial = Dial::new(PRIVATE_NETWORK);
        let (runtime, reaped) = open(tmp.path(), dial.clone()).await;
        Self { runtime, dial, reaped, tmp }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.tmp.path()
    }

    pub(crate) async fn address(&self, pod: &PodId) -> Ipv4Addr {
        address(&self.runtime, pod).await
    }

    /// This test, as a program in a pod.
    pub(crate) fn program(&self) -> String {
        program()
    }

    pub(crate) fn plan(&self, container: &str, words: &[&str]) -> ContainerPlan {
        plan(container, words)
    }

    /// Starts a server that answers with its pod's name and who asks; gives its number once it listens.
    pub(crate) async fn serves(&self, pod: &PodId, at: &str) -> Pid {
        serves(&self.runtime, pod, at).await
    }

    pub(crate) async fn ask(&self, address: Ipv4Addr, port: u16) -> String {
        let mut stream = self.dial.connect(SocketAddr::from((address, port))).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    pub(crate) async fn text(&self, pod: &PodId, container: &str) -> String {
        text(&self.runtime, pod, container).await
    }

    pub(crate) async fn says(&self, pod: &PodId, container: &str, wanted: &str) {
        wait_for(wanted, async || self.text(pod, container).await == wanted).await;
    }

    /// The holders that this process has started.
    pub(crate) fn holders(&self) -> Vec<Pid> {
        let id = std::fs::read_to_string(self.dir().join("runtime/id")).unwrap();
        let mark = format!("SPUR_CONTAINER={id}/");
        let is_ours = |pid: &i32| {
            let read = |what| std::fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
            let (environ, words) = (read("environ"), read("cmdline"));
            let words: Vec<&[u8]> = words.split(|byte| *byte == 0).collect();
            String::from_utf8_lossy(&environ).contains(&mark)
                && words.get(1..3) == Some(&[&b"__pod"[..], b"hold"])
        };
        let numbers = std::fs::read_dir("/proc").unwrap();
        let numbers = numbers.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
        numbers.filter(is_ours).map(|pid| Pid::from_raw(pid).unwrap()).collect()
    }
}

async fn open(dir: &Path, dial: Dial) -> (ProcessRuntime, usize) {
    let path = "/usr/local/bin:/usr/bin:/bin".to_owned();
    let base_env = BTreeMap::from([("PATH".to_owned(), path)]);
    let config = ProcessConfig { dir: dir.join("runtime"), base_env, dial };
    let (runtime, reaped) = ProcessRuntime::open(config).await.unwrap();
    (runtime, reaped.len())
}

async fn address(runtime: &ProcessRuntime, pod: &PodId) -> Ipv4Addr {
    let network = runtime.network(pod, AskedNetwork::Private).await.unwrap();
    let PodNetwork::Own { address, host } = network else { panic!("{network:?}") };
    assert_eq!(host, Ipv4Addr::new(10, 211, 0, 1));
    address
}

fn program() -> String {
    std::env::current_exe().unwrap().to_str().unwrap().to_owned()
}

fn plan(container: &str, words: &[&str]) -> ContainerPlan {
    let program = program();
    let words: Vec<&str> = std::iter::once(program.as_str()).chain(words.iter().copied()).collect();
    ContainerPlan::new(container, &words)
}

async fn serves(runtime: &ProcessRuntime, pod: &PodId, at: &str) -> Pid {
    let at = if at.contains(':') { at.to_owned() } else { format!("0.0.0.0:{at}") };
    let mut plan = plan("server", &["be-a-server", &at]);
    plan.env = vec![("NAME".to_owned(), pod.name.to_string())];
    let started = runtime.start(pod, plan).await.unwrap();
    let up = || async { text(runtime, pod, "server").await };
    wait_for("the server to listen", async || up().await == "listens\n").await;
    Pid::from_raw(started.pid.try_into().unwrap()).unwrap()
}

async fn text(runtime: &ProcessRuntime, pod: &PodId, container: &str) -> String {
    let Ok(pieces) = runtime.logs(pod, container, LogOptions::default()).await else { return String::new() };
    let pieces: Vec<_> = pieces.try_collect().await.unwrap();
    String::from_utf8(pieces.concat()).unwrap()
}

/// Accepts one connection and answers it.
pub(crate) async fn answer(listener: std::net::TcpListener, words: &str) -> SocketAddr {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let accepted = tokio::time::timeout(LONG, listener.accept()).await.expect("somebody connects");
    let (mut stream, caller) = accepted.unwrap();
    stream.write_all(words.as_bytes()).await.unwrap();
    caller
}

// --- What the other processes are.

/// Answers every connection.
pub(crate) fn be_a_server(at: &str) {
    let listener = std::net::TcpListener::bind(at).unwrap();
    say("listens");
    let name = std::env::var("NAME").unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let caller = stream.peer_addr().unwrap().ip();
        // A probe has gone already.
        let _ = write!(stream, "{name} from {caller}");
    }
}

/// Says what it is answered.
pub(crate) fn be_a_client(at: &str) {
    let mut answer = String::new();
    std::net::TcpStream::connect(at).unwrap().read_to_string(&mut answer).unwrap();
    print!("{answer}");
}

/// Starts a private pod, says its number, and never ends by itself.
pub(crate) async fn be_a_spur(dir: &Path) {
    let (runtime, _) = open(dir, Dial::new(PRIVATE_NETWORK)).await;
    let a = pod("a");
    address(&runtime, &a).await;
    let server = serves(&runtime, &a, "8080").await;
    say(&server.as_raw_nonzero().to_string());
    std::future::pending::<()>().await;
}

fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().unwrap();
}

/// Another Spur.
pub(crate) struct OtherSpur {
    process: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl OtherSpur {
    pub(crate) fn start(dir: &Path) -> Self {
        let mut command = Command::new(program());
        let mut process = command.arg("be-a-spur").arg(dir).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap());
        Self { process, lines }
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for OtherSpur {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
