//! An API server over a store in memory, all controllers, and a client that
//! says what it wants.
//!
//! Objects are addressed as a person types them: `deploy/web`, `pods`, or with
//! another namespace than `default`, `pods@shop`.

mod faults;
mod held;
mod objects;

use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::middleware;
use http::{Method, header};
use serde_json::{Map, Value, json};
use spur_api::{Scope, Status, registry};
use spur_net::{DatagramInlet, Dial, Inlet};
use spur_route::RoutingTable;
use spur_runtime::ports::PortAllocator;
use spur_runtime::{FakeRuntime, Runtimes};
use spur_store::{Options, Revision, Store};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::faults::{Fault, Faults, answer_wrongly};
pub(super) use self::held::Held;
pub(super) use self::objects::*;
use crate::{GatewayPorts, Parts, ServicePorts, UsualRuntime};

/// No wait of a test takes this long unless something is wrong: the slowest test
/// needs two seconds, on a machine that is shared by many.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

/// Listeners on their way to the proxy that is not there; as many as `up` lets wait.
const INLETS_MAX: usize = 1024;

/// The server and, once started, the controllers.
pub(super) struct World {
    pub(super) client: kube::Client,
    pub(super) store: Arc<Store>,
    pub(super) runtime: Held,
    /// Every listener that was handed to the proxy.
    pub(super) inlets: Arc<Mutex<Vec<Inlet>>>,
    /// The same of datagrams.
    pub(super) datagram_inlets: Arc<Mutex<Vec<DatagramInlet>>>,
    pub(super) services_rx: watch::Receiver<Map<String, Value>>,
    /// What requests would be routed by.
    pub(super) table: Arc<ArcSwap<RoutingTable>>,
    faults: Faults,
    parts: Parts,
    controllers: Option<JoinHandle<()>>,
    _ports_dir: tempfile::TempDir,
}

// === impl World ===

impl World {
    /// The server alone.
    pub(super) async fn server() -> Self {
        // So many that a test finds in the log all that it did.
        Self::server_that_remembers(100_000).await
    }

    /// The server alone, whose log forgets all but so many changes.
    pub(super) async fn server_that_remembers(n_changes: usize) -> Self {
        let options = Options { window_max_changes: n_changes, ..Options::default() };
        Self::over(Arc::new(Store::in_memory(options))).await
    }

    /// The server with all controllers.
    pub(super) async fn start() -> Self {
        let mut world = Self::server().await;
        world.start_controllers();
        world
    }

    async fn over(store: Arc<Store>) -> Self {
        spur_server::bootstrap(&store).await.expect("the first namespaces can be made");
        let runtime = Held { fake: FakeRuntime::new(), lets_go_tx: watch::Sender::new(true) };
        let (_, traces) = spur_trace::collector(Vec::new(), spur_trace::Limits::default());
        let (_, facts) = watch::channel(Map::new());
        let routes_tx = watch::Sender::new(0);
        let table = Arc::new(ArcSwap::from_pointee(RoutingTable::build(0, Vec::new(), Vec::new())));
        let server = spur_server::Server::new(spur_server::Parts {
            store: store.clone(),
            runtimes: Runtimes::only(Arc::new(runtime.clone())),
            identity: Arc::new(spur_server::Identity::generate().expect("random numbers")),
            table: table.clone(),
            traces,
            logs: spur_trace::Logs::default(),
            redaction: std::sync::Arc::default(),
            entry: ([127, 0, 0, 1], 0).into(),
            facts,
            routes: routes_tx.subscribe(),
            ejected: Arc::new(Vec::new),
            telemetry: Arc::new(|| serde_json::Value::Null),
            draining: CancellationToken::new(),
        });
        let router = server.acting_as(spur_server::User::controller("spur"));
        let faults: Faults = Arc::default();
        let router = router.layer(middleware::from_fn_with_state(faults.clone(), answer_wrongly));
        let client = kube::Client::new(router, "default");
        let (inlets_tx, inlets_rx) = mpsc::channel(INLETS_MAX);
        let inlets: Arc<Mutex<Vec<Inlet>>> = Arc::default();
        tokio::spawn(keep(inlets_rx, inlets.clone()));
        let (datagrams_tx, datagrams_rx) = mpsc::channel(INLETS_MAX);
        let datagram_inlets: Arc<Mutex<Vec<DatagramInlet>>> = Arc::default();
        tokio::spawn(keep(datagrams_rx, datagram_inlets.clone()));
        let (services_tx, services_rx) = watch::channel(Map::new());
        let ports_dir = tempfile::tempdir().expect("a directory");
        let parts = Parts {
            client: client.clone(),
            runtimes: Runtimes::only(Arc::new(runtime.clone())),
            usual_runtime: UsualRuntime::Process,
            service_networks: Vec::new(),
            dial: Dial::default(),
            volumes: Arc::new(
                spur_runtime::volumes::Volumes::open(&ports_dir.path().join("volumes"), None)
                    .expect("volumes"),
            ),
            inlets_tx,
            datagrams_tx,
            service_ports: ServicePorts::Own,
            table: table.clone(),
            services_tx,
            routes_tx,
            gateway_ports_rx: watch::channel(GatewayPorts::default()).1,
            entry_port: 8080,
            telemetry: None,
            executable: PathBuf::from("/usr/bin/spur"),
            search_path: "/usr/bin".to_owned(),
            ports: Arc::new(PortAllocator::at(ports_dir.path()).expect("ports")),
            authority_pem: "the authority's certificate".to_owned(),
            stop: CancellationToken::new(),
        };
        Self {
            client,
            store,
            runtime,
            inlets,
            datagram_inlets,
            services_rx,
            table,
            faults,
            parts,
            controllers: None,
            _ports_dir: ports_dir,
        }
    }

    pub(super) fn start_controllers(&mut self) {
        self.parts.stop = CancellationToken::new();
        self.controllers = Some(tokio::spawn(crate::run(self.parts.clone())));
    }

    /// Ends the controllers; the server and what runs stay.
    pub(super) async fn stop_controllers(&mut self) {
        self.parts.stop.cancel();
        let ended = self.controllers.take().expect("controllers that were started");
        tokio::time::timeout(DEADLINE, ended).await.expect("the controllers end in time").expect("no crash");
    }

    /// From now on `n_times` requests with this method and path get an answer with this code.
    pub(super) fn fail(&self, n_times: usize, method: Method, path_part: &str, status: Status) {
        let (path_part, left) = (path_part.to_owned(), AtomicUsize::new(n_times));
        self.faults.lock().expect("no panic").push(Fault { method, path_part, left, status });
    }

    /// Every request gets the server's own answer again.
    pub(super) fn fail_no_more(&self) {
        self.faults.lock().expect("no panic").clear();
    }

    pub(super) async fn create(&self, object: Value) -> Value {
        self.try_create(object).await.unwrap_or_else(|error| panic!("failed to create: {error}"))
    }

    pub(super) async fn try_create(&self, object: Value) -> Result<Value, kube::Error> {
        let (version, kind) = (object["apiVersion"].as_str(), object["kind"].as_str());
        let kind = registry::by_kind(version.expect("a version"), kind.expect("a kind"))
            .expect("a kind that is served");
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
        self.send(Method::POST, &path(kind, namespace, None), "application/json", &object).await
    }

    pub(super) async fn patch(&self, address: &str, patch: Value) -> Value {
        let path = path_of(address);
        let patched = self.send(Method::PATCH, &path, "application/merge-patch+json", &patch).await;
        patched.unwrap_or_else(|error| panic!("failed to patch {address}: {error}"))
    }

    pub(super) async fn patch_status(&self, address: &str, status: Value) -> Value {
        let path = format!("{}/status", path_of(address));
        let patch = json!({"status": status});
        let patched = self.send(Method::PATCH, &path, "application/merge-patch+json", &patch).await;
        patched.unwrap_or_else(|error| panic!("failed to patch the status of {address}: {error}"))
    }

    pub(super) async fn get(&self, address: &str) -> Option<Value> {
        match self.send(Method::GET, &path_of(address), "application/json", &Value::Null).await {
            Ok(found) => Some(found),
            Err(kube::Error::Api(status)) if status.code == 404 => None,
            Err(error) => panic!("failed to get {address}: {error}"),
        }
    }

    pub(super) async fn list(&self, address: &str) -> Vec<Value> {
        let list = self.send(Method::GET, &path_of(address), "application/json", &Value::Null).await;
        let list = list.unwrap_or_else(|error| panic!("failed to list {address}: {error}"));
        list["items"].as_array().cloned().unwrap_or_default()
    }

    /// The objects whose `app` label is this, oldest name first.
    pub(super) async fn list_app(&self, address: &str, app: &str) -> Vec<Value> {
        let all = self.list(address).await;
        all.into_iter().filter(|object| object["metadata"]["labels"]["app"] == app).collect()
    }

    pub(super) async fn delete(&self, address: &str, propagation: &str) {
        let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation});
        let deleted = self.send(Method::DELETE, &path_of(address), "application/json", &options).await;
        deleted.unwrap_or_else(|error| panic!("failed to delete {address}: {error}"));
    }

    /// Creates an object of a kind that is not bundled, by the path of its kind.
    pub(super) async fn create_at(&self, path: &str, object: Value) -> Value {
        let created = self.send(Method::POST, path, "application/json", &object).await;
        created.unwrap_or_else(|error| panic!("failed to create at {path}: {error}"))
    }

    pub(super) async fn patch_at(&self, path: &str, patch: Value) -> Value {
        let patched = self.send(Method::PATCH, path, "application/merge-patch+json", &patch).await;
        patched.unwrap_or_else(|error| panic!("failed to patch {path}: {error}"))
    }

    pub(super) async fn strategic_patch_at(&self, path: &str, patch: Value) -> Value {
        let patched = self.send(Method::PATCH, path, "application/strategic-merge-patch+json", &patch).await;
        patched.unwrap_or_else(|error| panic!("failed to patch {path}: {error}"))
    }

    pub(super) async fn delete_at(&self, path: &str) {
        let deleted = self.send(Method::DELETE, path, "application/json", &Value::Null).await;
        deleted.unwrap_or_else(|error| panic!("failed to delete {path}: {error}"));
    }

    pub(super) async fn get_at(&self, path: &str) -> Value {
        let found = self.send(Method::GET, path, "application/json", &Value::Null).await;
        found.unwrap_or_else(|error| panic!("failed to get {path}: {error}"))
    }

    pub(super) async fn until_gone_at(&self, path: &str) {
        self.until(&format!("{path} is gone"), async || {
            match self.send(Method::GET, path, "application/json", &Value::Null).await {
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                found => Err(format!("{found:?}")),
            }
        })
        .await;
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        media: &str,
        body: &Value,
    ) -> Result<Value, kube::Error> {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = http::Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, media);
        self.client.request(request.body(body).expect("a request")).await
    }

    /// Waits until `look` finds what is wanted; until then it says what it finds instead.
    pub(super) async fn until<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let seen = self.store.revision();
            let instead = match look().await {
                Ok(found) => return found,
                Err(instead) => instead,
            };
            let news = self.store.wait_for(Revision(seen.0 + 1), deadline).await;
            assert!(news.is_ok(), "waited in vain until {what}; instead: {instead}");
        }
    }

    /// The same of the table that requests are routed by, which is made anew after what was written.
    pub(super) async fn until_routed(&self, what: &str, look: impl Fn(&RoutingTable) -> Result<(), String>) {
        let mut published_rx = self.parts.routes_tx.subscribe();
        let deadline = Instant::now() + DEADLINE;
        loop {
            let Err(instead) = look(&self.table.load()) else { return };
            let news = tokio::time::timeout_at(deadline, published_rx.changed()).await;
            assert!(news.is_ok(), "waited in vain until {what}; instead: {instead}");
        }
    }

    /// Waits until the object is there and this holds of it.
    pub(super) async fn until_is(&self, address: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        self.until(&format!("{address} {what}"), async || match self.get(address).await {
            Some(found) if holds(&found) => Ok(found),
            found => Err(format!("{found:#?}")),
        })
        .await
    }

    /// Waits until something of this kind was told of with this reason.
    pub(super) async fn until_event(&self, kind: &str, reason: &str) -> Value {
        let is_it = |event: &Value| event["reason"] == reason && event["involvedObject"]["kind"] == kind;
        self.until(&format!("{reason} is told of a {kind}"), async || {
            let events = self.list("events").await;
            let reasons = || format!("{:?}", events.iter().map(|event| &event["reason"]).collect::<Vec<_>>());
            events.iter().find(|event| is_it(event)).cloned().ok_or_else(reasons)
        })
        .await
    }

    pub(super) async fn until_gone(&self, address: &str) {
        self.until(&format!("{address} is gone"), async || match self.get(address).await {
            None => Ok(()),
            Some(found) => Err(format!("{found:#}")),
        })
        .await;
    }

    /// Waits until so many objects of the app are there of which this holds.
    pub(super) async fn until_count(
        &self,
        address: &str,
        app: &str,
        n_wanted: usize,
        holds: impl Fn(&Value) -> bool,
    ) -> Vec<Value> {
        self.until(&format!("{n_wanted} {address} of {app} are as wanted"), async || {
            let found: Vec<Value> = self.list_app(address, app).await.into_iter().filter(&holds).collect();
            if found.len() == n_wanted { Ok(found) } else { Err(format!("{found:#?}")) }
        })
        .await
    }

    /// Waits until the Deployment's newest template runs as often as wanted, and nothing else of it.
    pub(super) async fn until_rolled_out(&self, name: &str) -> Value {
        self.until_is(&format!("deploy/{name}"), "is rolled out", is_rolled_out).await
    }

    /// Waits until nothing has been written for a while: half a second, in which the
    /// controllers, which answer each change within milliseconds, would have gone on.
    pub(super) async fn until_quiet(&self) -> Revision {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let seen = self.store.revision();
            let until = Instant::now() + Duration::from_millis(500);
            if self.store.wait_for(Revision(seen.0 + 1), until).await.is_err() {
                return seen;
            }
            assert!(Instant::now() < deadline, "the controllers never come to rest");
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.parts.stop.cancel();
    }
}

async fn keep<T>(mut inlets_rx: mpsc::Receiver<T>, inlets: Arc<Mutex<Vec<T>>>) {
    while let Some(inlet) = inlets_rx.recv().await {
        inlets.lock().expect("no panic").push(inlet);
    }
}

fn path(kind: &spur_api::Kind, namespace: &str, name: Option<&str>) -> String {
    let root = if kind.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", kind.group) };
    let within = match kind.scope {
        Scope::Namespaced => format!("/namespaces/{namespace}"),
        Scope::Cluster => String::new(),
    };
    let name = name.map(|name| format!("/{name}")).unwrap_or_default();
    format!("{root}/{}{within}/{}{name}", kind.version, kind.plural)
}

/// The path of `<word>[/<name>][@<namespace>]`.
fn path_of(address: &str) -> String {
    let (object, namespace) = address.split_once('@').unwrap_or((address, "default"));
    let (word, name) = object.split_once('/').map_or((object, None), |(word, name)| (word, Some(name)));
    path(registry::by_word(word).unwrap_or_else(|| panic!("no kind is called {word}")), namespace, name)
}
