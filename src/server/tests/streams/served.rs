//! A server on a loopback port with one pod of real processes, and a client of
//! its streams.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::{Sink, SinkExt, Stream, StreamExt};
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use spur_runtime::process::ProcessConfig;
use spur_runtime::{ContainerPlan, PodId, ProcessRuntime, Runtime, StdinMode, StdioPlan};
use spur_store::{Options, Store};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;

use crate::tests::world::{PODS, World, with};

/// Far above what anything here takes, so that only a fault reaches it.
pub(in crate::tests) const LONG: Duration = Duration::from_secs(20);

pub(in crate::tests) struct Served {
    pub(super) world: World,
    pub(super) runtime: Arc<dyn Runtime>,
    /// Where commands run.
    pub(super) tmp: TempDir,
    pub(super) draining: CancellationToken,
    address: SocketAddr,
}

pub(super) struct Client {
    socket: WebSocketStream<TcpStream>,
}

/// What came on the outputs.
#[derive(Default)]
pub(super) struct Said {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// Looks until it is so, at most [`LONG`].
pub(super) async fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let look = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(LONG, look).await.is_ok(), "waited {LONG:?} for {what}");
}

// === impl Served ===

impl Served {
    /// Over processes.
    pub(in crate::tests) async fn new() -> Self {
        let tmp = tempfile::tempdir().expect("a directory");
        let path = "/usr/local/bin:/usr/bin:/bin".to_owned();
        let config = ProcessConfig {
            dir: tmp.path().join("runtime"),
            base_env: [("PATH".to_owned(), path)].into(),
            dial: spur_net::Dial::default(),
        };
        let (runtime, _) = ProcessRuntime::open(config).await.expect("a runtime");
        Self::over(Arc::new(runtime), tmp).await
    }

    pub(super) async fn over(runtime: Arc<dyn Runtime>, tmp: TempDir) -> Self {
        let draining = CancellationToken::new();
        let store = Arc::new(Store::in_memory(Options::default()));
        let world = with(store, runtime.clone(), draining.clone()).await;
        let listener = spur_net::bind_loopback().expect("a port");
        let address = listener.local_addr().expect("an address");
        listener.set_nonblocking(true).expect("a setting");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        let service = TowerToHyperService::new(world.router());
        let limits = spur_net::Limits::default();
        let listening = spur_net::Listening { tcp: listener, tls: None };
        tokio::spawn(spur_net::serve(listening, service, limits, draining.clone()));
        let served = Self { world, runtime, tmp, draining, address };
        served.pod("p", &[("app", "sleep 600", StdioPlan::default())]).await;
        served
    }

    pub(in crate::tests) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A pod of containers, each with a script that runs.
    pub(super) async fn pod(&self, name: &str, containers: &[(&str, &str, StdioPlan)]) -> PodId {
        let list: Vec<Value> = containers
            .iter()
            .map(|(name, _, stdio)| json!({"name": name, "image": "a", "tty": stdio.tty, "stdin": stdio.stdin != StdinMode::Closed}))
            .collect();
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": list}});
        let pod = self.world.post(PODS, &pod).await.expect(201);
        let id = PodId::new("default", name, pod["metadata"]["uid"].as_str().expect("a uid"));
        for (name, script, stdio) in containers {
            let mut plan = ContainerPlan::new(name, &["sh", "-c", script]);
            plan.working_dir = Some(self.tmp.path().to_owned());
            plan.stdio = *stdio;
            self.runtime.start(&id, plan).await.expect("it starts");
        }
        id
    }

    /// Connects as a client that offers one subprotocol.
    pub(super) async fn connect(&self, path: &str, protocol: &str) -> Client {
        let mut request = format!("ws://{}{PODS}/{path}", self.address).into_client_request().expect("a URL");
        request.headers_mut().insert("sec-websocket-protocol", protocol.parse().expect("a header"));
        let stream = TcpStream::connect(self.address).await.expect("a connection");
        let (socket, answer) = tokio_tungstenite::client_async(request, stream).await.expect("an upgrade");
        assert_eq!(answer.headers()["sec-websocket-protocol"], protocol);
        Client { socket }
    }

    /// Runs a script in the container that sleeps.
    pub(super) async fn sh(&self, script: &str, streams: &str, protocol: &str) -> Client {
        let script: String = form_urlencoded::byte_serialize(script.as_bytes()).collect();
        let path = format!("p/exec?command=sh&command=-c&command={script}&{streams}");
        self.connect(&path, protocol).await
    }

    /// A file in the directory where commands run.
    pub(super) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.tmp.path().join(name)).unwrap_or_default()
    }
}

// === impl Client ===

impl Client {
    pub(super) fn split(
        self,
    ) -> (impl Sink<Message, Error = Error> + Unpin, impl Stream<Item = Result<Message, Error>>) {
        self.socket.split()
    }

    pub(super) async fn send(&mut self, frame: &[u8]) {
        self.say(Message::Binary(frame.to_vec().into())).await;
    }

    pub(super) async fn say(&mut self, message: Message) {
        self.socket.send(message).await.expect("the server takes it");
    }

    pub(super) async fn next(&mut self) -> Option<Message> {
        let next = tokio::time::timeout(LONG, self.socket.next()).await.expect("the server says something");
        next.map(|message| message.expect("a frame"))
    }

    /// Reads to the end: what came, and the last word. After it comes a close and no more.
    pub(super) async fn end(&mut self) -> (Said, Value) {
        let mut said = Said::default();
        loop {
            let Some(Message::Binary(frame)) = self.next().await else { panic!("no status") };
            match frame[0] {
                1 => said.stdout.extend_from_slice(&frame[1..]),
                2 => said.stderr.extend_from_slice(&frame[1..]),
                3 => {
                    let status = serde_json::from_slice(&frame[1..]).expect("a status");
                    let close = self.next().await.expect("a close");
                    assert!(close.is_close(), "{close:?}");
                    assert!(self.next().await.is_none());
                    return (said, status);
                }
                other => panic!("channel {other}"),
            }
        }
    }

    /// Reads on until standard output holds `wanted`.
    pub(super) async fn until(&mut self, wanted: &str) {
        let mut text = String::new();
        while !text.contains(wanted) {
            match self.next().await {
                Some(Message::Binary(frame)) if frame[0] == 1 => {
                    text.push_str(&String::from_utf8_lossy(&frame[1..]));
                }
                other => panic!("{other:?} after {text:?}, which has no {wanted:?}"),
            }
        }
    }
}
