//! An API server in memory with the pod worker over it, and words for what the
//! tests do over and over.

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use k8s_openapi::api::core::v1::{ConfigMap, ContainerStatus, Event, Pod, Service};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use spur_net::{Dial, Inlet};
use spur_route::{EndpointSpec, PortSpec, RoutingTable, ServiceSpec, Visibility, Wire};
use spur_runtime::ports::PortAllocator;
use spur_runtime::{FakeRuntime, PodId, Runtime, Runtimes};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::events::Events;
use crate::pod::tests::port_allocator;
use crate::pod::{Context, UsualRuntime, run};

/// Far above what anything here takes, so that only a fault reaches it.
const LONG: Duration = Duration::from_secs(30);

pub(super) struct World {
    pub(super) client: Client,
    pub(super) fake: FakeRuntime,
    pub(super) tmp: TempDir,
    runtime: Arc<dyn Runtime>,
    ports: Arc<PortAllocator>,
    table: Arc<ArcSwap<RoutingTable>>,
    routes_tx: watch::Sender<u64>,
    /// What the worker has handed to the proxy.
    pub(super) inlets: Arc<Mutex<Vec<Inlet>>>,
    worker: Option<Worker>,
}

struct Worker {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

// === impl World ===

impl World {
    /// With a scripted runtime, and the worker running.
    pub(super) async fn new() -> Self {
        let fake = FakeRuntime::new();
        let mut world = Self::without_worker(fake.clone(), Arc::new(fake)).await;
        world.start_worker();
        world
    }

    /// With this runtime, and the worker running.
    pub(super) async fn with(runtime: Arc<dyn Runtime>) -> Self {
        let mut world = Self::without_worker(FakeRuntime::new(), runtime).await;
        world.start_worker();
        world
    }

    pub(super) async fn without_worker(fake: FakeRuntime, runtime: Arc<dyn Runtime>) -> Self {
        let store = Arc::new(spur_store::Store::in_memory(spur_store::Options::default()));
        spur_server::bootstrap(&store).await.unwrap();
        let limits = spur_trace::Limits::default();
        let (_, traces) = spur_trace::collector(Vec::new(), limits);
        let server = spur_server::Server::new(spur_server::Parts {
            store,
            runtimes: Runtimes::only(runtime.clone()),
            identity: Arc::new(spur_server::Identity::generate().expect("random numbers")),
            table: Arc::default(),
            traces,
            logs: spur_trace::Logs::default(),
            redaction: std::sync::Arc::default(),
            entry: ([127, 0, 0, 1], 0).into(),
            routes: tokio::sync::watch::channel(0).1,
            ejected: std::sync::Arc::new(Vec::new),
            telemetry: std::sync::Arc::new(|| serde_json::Value::Null),
            facts: tokio::sync::watch::channel(serde_json::Map::new()).1,
            draining: CancellationToken::new(),
        });
        let router = server.acting_as(spur_server::User::controller("spur"));
        let tmp = tempfile::tempdir().unwrap();
        let ports = port_allocator();
        let client = Client::new(router, "default");
        Self {
            client,
            fake,
            tmp,
            runtime,
            ports,
            table: Arc::default(),
            routes_tx: watch::channel(0).0,
            inlets: Arc::default(),
            worker: None,
        }
    }

    /// Routes a Service to these pods, as the route controller would.
    pub(super) fn route_to(&self, revision: u64, pods: &[&str]) {
        let endpoint = |pod: &&str| EndpointSpec {
            port: 80,
            address: ([127, 0, 0, 1], 1).into(),
            labels: Arc::default(),
            is_ready: true,
            pod: (*pod).into(),
            workload: "shop".into(),
        };
        let service = ServiceSpec {
            namespace: "default".into(),
            name: "shop".into(),
            revision,
            hosts: Vec::new(),
            export_to: Visibility::Everyone,
            affinity: None,
            datagrams: Vec::new(),
            ports: vec![PortSpec { number: 80, name: "http".into(), wire: Wire::Auto }],
            endpoints: pods.iter().map(endpoint).collect(),
        };
        self.table.store(Arc::new(RoutingTable::build(revision, vec![service], Vec::new())));
        self.routes_tx.send_replace(revision);
    }

    pub(super) fn start_worker(&mut self) {
        let (inlets_tx, mut inlets_rx) = mpsc::channel(64);
        let stop = CancellationToken::new();
        let context = Context {
            client: self.client.clone(),
            runtimes: Runtimes::only(self.runtime.clone()),
            usual_runtime: UsualRuntime::Process,
            service_networks: Vec::new(),
            dial: Dial::default(),
            volumes: Arc::new(
                spur_runtime::volumes::Volumes::open(&self.tmp.path().join("volumes"), None).unwrap(),
            ),
            events: Events::new(self.client.clone()),
            inlets_tx,
            datagrams_tx: mpsc::channel(64).0,
            table: self.table.clone(),
            routes_rx: self.routes_tx.subscribe(),
            ports: self.ports.clone(),
            telemetry: Some(([127, 0, 0, 1], 4318).into()),
            executable: PathBuf::from("/opt/spur/bin/spur"),
            search_path: "/usr/local/bin:/usr/bin:/bin".to_owned(),
            stop: stop.clone(),
        };
        let inlets = self.inlets.clone();
        let task = tokio::spawn(async move {
            let take = async {
                while let Some(inlet) = inlets_rx.recv().await {
                    inlets.lock().unwrap().push(inlet);
                }
            };
            tokio::join!(run(context), take);
        });
        self.worker = Some(Worker { stop, task });
    }

    /// Ends the worker as a server's end does, and waits for it.
    pub(super) async fn stop_worker(&mut self) {
        let Worker { stop, task } = self.worker.take().unwrap();
        stop.cancel();
        tokio::time::timeout(LONG, task).await.expect("the worker ends when it is stopped").unwrap();
    }

    pub(super) fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), "default")
    }

    /// Makes a pod `name` with one container `app` and these further fields of it.
    pub(super) async fn run_app(&self, name: &str, container: Value) -> PodId {
        self.run_pod(name, json!({"containers": [app(container)]})).await
    }

    pub(super) async fn run_pod(&self, name: &str, spec: Value) -> PodId {
        self.create(json!({"metadata": {"name": name}, "spec": spec})).await
    }

    pub(super) async fn create(&self, pod: Value) -> PodId {
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let pod = awake(self.pods().create(&PostParams::default(), &pod)).await.unwrap();
        PodId::new("default", &pod.name_any(), &pod.uid().unwrap())
    }

    pub(super) async fn config_map(&self, name: &str, data: Value) {
        let map = serde_json::from_value(json!({"metadata": {"name": name}, "data": data})).unwrap();
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), "default");
        awake(maps.create(&PostParams::default(), &map)).await.unwrap();
    }

    pub(super) async fn service(&self, name: &str, labels: Value, ports: Value) {
        let service = json!({"metadata": {"name": name, "labels": labels}, "spec": {"ports": ports}});
        let services: Api<Service> = Api::namespaced(self.client.clone(), "default");
        awake(services.create(&PostParams::default(), &serde_json::from_value(service).unwrap()))
            .await
            .unwrap();
    }

    pub(super) async fn delete(&self, name: &str, grace_seconds: u32) {
        let params = DeleteParams::default().grace_period(grace_seconds);
        awake(self.pods().delete(name, &params)).await.unwrap();
    }

    pub(super) async fn patch(&self, name: &str, patch: Value) {
        awake(self.pods().patch(name, &PatchParams::default(), &Patch::Merge(patch))).await.unwrap();
    }

    pub(super) async fn get(&self, name: &str) -> Option<Pod> {
        self.pods().get_opt(name).await.unwrap()
    }

    /// Waits until the pod is so, and gives it.
    pub(super) async fn pod_until(&self, name: &str, what: &str, is_so: impl Fn(&Pod) -> bool) -> Pod {
        let found = Mutex::new(None);
        let look = async || {
            let pod = self.get(name).await;
            let is_so = pod.as_ref().is_some_and(&is_so);
            *found.lock().unwrap() = pod;
            is_so
        };
        let so = holds(look).await;
        let pod = found.into_inner().unwrap();
        assert!(so, "waited {LONG:?} for pod `{name}` {what}; it is {pod:#?}");
        pod.unwrap()
    }

    pub(super) async fn ready(&self, name: &str) -> Pod {
        self.pod_until(name, "to be ready", |pod| condition(pod, "Ready") == "True").await
    }

    /// Waits until the pod's first container waits for this reason; gives the message.
    pub(super) async fn waiting(&self, name: &str, reason: &str) -> String {
        let is_so = |pod: &Pod| waits(pod).0 == reason;
        waits(&self.pod_until(name, &format!("to wait: {reason}"), is_so).await).1
    }

    pub(super) async fn gone(&self, name: &str) {
        assert!(holds(async || self.get(name).await.is_none()).await, "waited {LONG:?} for `{name}` to go");
    }

    /// Waits until there is such an event: `Type Reason message`.
    pub(super) async fn event(&self, wanted: &str) {
        let so = holds(async || self.events().await.iter().any(|event| event == wanted)).await;
        assert!(so, "waited {LONG:?} for event {wanted:?}; there are {:#?}", self.events().await);
    }

    pub(super) async fn events(&self) -> Vec<String> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), "default");
        let text = |event: &Event| {
            let text = |field: &Option<String>| field.clone().unwrap_or_default();
            format!("{} {} {}", text(&event.type_), text(&event.reason), text(&event.message))
        };
        events.list(&ListParams::default()).await.unwrap().iter().map(text).collect()
    }

    /// What the container of a pod was last started with.
    pub(super) fn env(&self, id: &PodId, name: &str) -> Option<String> {
        let plan = self.fake.plan(id, "app").expect("it was started");
        plan.env.into_iter().rev().find(|(of, _)| of == name).map(|(_, value)| value)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(worker) = &self.worker {
            worker.stop.cancel();
        }
    }
}

/// Looks until it is so, at most [`LONG`] of real time: a paused clock stands still
/// meanwhile, since this never lets the runtime run out of work.
pub(super) async fn holds<F: Future<Output = bool>>(look: impl Fn() -> F) -> bool {
    let started = Instant::now();
    while started.elapsed() < LONG {
        if look().await {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

/// Waits without letting the runtime run out of work: the store's answer comes from
/// another thread, and a paused clock would jump ahead meanwhile.
async fn awake<T>(work: impl Future<Output = T>) -> T {
    let busy = async {
        loop {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        done = work => done,
        () = busy => unreachable!("it never ends"),
    }
}

/// A container `app` with a command, where `fields` give no other.
pub(super) fn app(fields: Value) -> Value {
    let mut container = json!({"name": "app", "command": ["serve"]});
    container.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    container
}

pub(super) fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

/// The status of a condition, or `""`.
pub(super) fn condition<'a>(pod: &'a Pod, type_: &str) -> &'a str {
    let mut conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.find(|condition| condition.type_ == type_).map_or("", |condition| &condition.status)
}

pub(super) fn status(pod: &Pod) -> Option<&ContainerStatus> {
    pod.status.as_ref()?.container_statuses.as_ref()?.first()
}

/// Reason and message of the first container's waiting state.
pub(super) fn waits(pod: &Pod) -> (String, String) {
    let waiting = status(pod).and_then(|status| status.state.as_ref()?.waiting.clone()).unwrap_or_default();
    (waiting.reason.unwrap_or_default(), waiting.message.unwrap_or_default())
}

pub(super) fn is_running(pod: &Pod) -> bool {
    status(pod).and_then(|status| status.state.as_ref()?.running.as_ref()).is_some()
}

/// The real port of the container `app` for this declared one, as the annotation tells.
pub(super) fn real_port(pod: &Pod, declared: u16) -> u16 {
    let ports: Value = serde_json::from_str(&pod.annotations()[spur_api::labels::PORTS]).unwrap();
    ports[format!("app/{declared}")].as_u64().unwrap().try_into().unwrap()
}
