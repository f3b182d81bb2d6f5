//! Starts every controller, and what all of them share.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use kube::Client;
use serde::Serialize;
use serde_json::{Map, Value};
use spur_net::{DatagramInlet, Dial, Inlet};
use spur_route::RoutingTable;
use spur_runtime::ports::PortAllocator;
use spur_runtime::volumes::Volumes;
use spur_runtime::{RuntimeKind, Runtimes, ServiceNetwork};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::events::Events;
use crate::host_ports::ServicePorts;
use crate::pod::UsualRuntime;
use crate::rule_status::{GatewayPorts, Surroundings};
use crate::service_network::ServiceNetworks;
use crate::{
    cron_job, custom_resources, daemon_set, deployment, disruption, endpoint_slice, garbage, host_ports, job,
    namespace, node, pod, replica_set, routes, rule_status, sandbox, stateful_set, volume_claims,
};

/// What the controllers are built from.
#[derive(Clone)]
pub struct Parts {
    /// The API, in process or remote.
    pub client: Client,
    /// What runs pods.
    pub runtimes: Runtimes,
    /// Which of them, where a pod does not say.
    pub usual_runtime: UsualRuntime,
    /// Where pods with addresses of their own reach Services; there are none without it.
    pub service_networks: Vec<ServiceNetworkOf>,
    /// How pods are reached.
    pub dial: Dial,
    /// Where volumes of pods are made.
    pub volumes: Arc<Volumes>,
    /// pod worker -- the listeners of each pod --> proxy
    pub inlets_tx: mpsc::Sender<Inlet>,
    /// the same of datagrams
    pub datagrams_tx: mpsc::Sender<DatagramInlet>,
    /// Where ports of Services are opened on this machine.
    pub service_ports: ServicePorts,
    /// What the proxy routes by; replaced whole.
    pub table: Arc<ArcSwap<RoutingTable>>,
    /// controllers -- addresses of Services on this machine --> `/spur/v1/status`
    pub services_tx: watch::Sender<Map<String, Value>>,
    /// routes -- the revision of each table after it is in `table` --> sandbox controller, `/spur/v1/status`
    pub routes_tx: watch::Sender<u64>,
    /// gateways' listeners -- which ports are open and which are not --> the status of Gateways
    pub gateway_ports_rx: watch::Receiver<GatewayPorts>,
    /// The port of the entry listener, for preview addresses.
    pub entry_port: u16,
    /// This program, which pods may start as `spur`.
    pub executable: PathBuf,
    /// The `PATH` that pods inherit.
    pub search_path: String,
    /// Gives pods their real ports.
    pub ports: Arc<PortAllocator>,
    /// The certificate of the authority behind the API's, for programs in pods.
    pub authority_pem: String,
    /// Where OTLP is taken on this machine, if anywhere.
    pub telemetry: Option<SocketAddr>,
    /// Cancelled to end all controllers.
    pub stop: CancellationToken,
}

/// The networks of a runtime's pods.
#[derive(Clone)]
pub struct ServiceNetworkOf {
    /// Whose.
    pub runtime: RuntimeKind,
    /// What gives Services addresses there.
    pub network: Arc<dyn ServiceNetwork>,
    /// Where the hosts files of its pods are made.
    pub hosts_dir: PathBuf,
}

/// What every reconciler gets.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) events: Events,
    pub(crate) authority_pem: Arc<str>,
}

/// A reconciliation that failed and is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The API refused.
    #[error(transparent)]
    Api(#[from] kube::Error),
    /// An object could not be written or read as JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// Anything else.
    #[error("{0}")]
    Plain(String),
}

/// Runs all controllers until `parts.stop` is cancelled and all have ended.
pub async fn run(parts: Parts) {
    let events = Events::new(parts.client.clone());
    let ctx = Arc::new(Context {
        client: parts.client.clone(),
        events: events.clone(),
        authority_pem: parts.authority_pem.as_str().into(),
    });
    let stop = &parts.stop;
    let networks = parts.service_networks.iter().cloned();
    let service_networks = networks.map(|ServiceNetworkOf { runtime, network, hosts_dir }| {
        let proxy = (parts.inlets_tx.clone(), parts.datagrams_tx.clone());
        (runtime, Arc::new(ServiceNetworks::new(network, proxy, hosts_dir, stop.clone())))
    });
    let service_networks: Vec<_> = service_networks.collect();
    let pods = pod::Context {
        client: parts.client.clone(),
        runtimes: parts.runtimes.clone(),
        usual_runtime: parts.usual_runtime,
        dial: parts.dial.clone(),
        volumes: parts.volumes.clone(),
        service_networks: service_networks.clone(),
        events: events.clone(),
        inlets_tx: parts.inlets_tx.clone(),
        datagrams_tx: parts.datagrams_tx.clone(),
        table: parts.table.clone(),
        routes_rx: parts.routes_tx.subscribe(),
        ports: parts.ports.clone(),
        telemetry: parts.telemetry,
        executable: parts.executable.clone(),
        search_path: parts.search_path.clone(),
        stop: stop.clone(),
    };
    let mut tasks = JoinSet::new();
    for (_, networks) in service_networks {
        tasks.spawn(networks.run(parts.client.clone()));
    }
    tasks.spawn(until(stop.clone(), deployment::run(ctx.clone())));
    tasks.spawn(until(stop.clone(), replica_set::run(ctx.clone())));
    tasks.spawn(until(stop.clone(), stateful_set::run(ctx.clone())));
    tasks.spawn(until(stop.clone(), daemon_set::run(ctx.clone())));
    tasks.spawn(until(stop.clone(), cron_job::run(ctx.clone())));
    tasks.spawn(until(stop.clone(), job::run(ctx.clone())));
    tasks.spawn(until(stop.clone(), job::orphans::run(ctx.clone())));
    tasks.spawn(until(stop.clone(), disruption::run(ctx.clone())));
    tasks.spawn(until(stop.clone(), endpoint_slice::run(ctx.clone())));
    tasks.spawn(until(stop.clone(), namespace::run(ctx.clone())));
    tasks.spawn(until(stop.clone(), custom_resources::run(ctx.clone())));
    tasks.spawn(until(stop.clone(), rule_status::run::<spur_compile::VirtualService>(ctx.clone())));
    tasks.spawn(until(stop.clone(), rule_status::run::<spur_compile::DestinationRule>(ctx.clone())));
    tasks.spawn(until(
        stop.clone(),
        rule_status::run_gateways(
            ctx.clone(),
            Surroundings {
                table: parts.table.clone(),
                published_rx: parts.routes_tx.subscribe(),
                ports_rx: parts.gateway_ports_rx.clone(),
            },
        ),
    ));
    tasks.spawn(until(stop.clone(), rule_status::run::<spur_compile::ServiceEntry>(ctx.clone())));
    tasks.spawn(until(stop.clone(), volume_claims::run(ctx.clone(), parts.runtimes.clone())));
    tasks.spawn(garbage::run(ctx.clone(), stop.clone()));
    tasks.spawn(node::run(ctx.clone(), runtime_name(&parts.runtimes), stop.clone()));
    tasks.spawn(host_ports::run(ctx.clone(), parts.clone()));
    tasks.spawn(pod::run(pods));
    let published_rx = parts.routes_tx.subscribe();
    tasks.spawn(routes::run(parts.clone(), parts.routes_tx.clone()));
    tasks.spawn(until(stop.clone(), sandbox::run(parts.clone(), events.clone(), published_rx)));
    tasks.spawn(events.sweep(stop.clone()));
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a controller crashed");
        }
    }
}

/// As the node tells it.
fn runtime_name(runtimes: &Runtimes) -> &'static str {
    let usual = runtimes.get(RuntimeKind::Process);
    usual.map_or("process", |runtime| runtime.name())
}

/// Runs a controller until it is stopped, wherever it stands: kube-runtime's own
/// graceful shutdown never ends when it is asked for before the first list is
/// complete, and a reconciler that is cut off is right the next time.
async fn until(stop: CancellationToken, controller: impl Future<Output = ()>) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = controller => {}
    }
}

/// A merge patch's status: fields that were there and are no more become null.
pub(crate) fn with_nulls(
    old: Option<&impl Serialize>,
    new: &impl Serialize,
) -> Result<Value, serde_json::Error> {
    let mut patch = serde_json::to_value(new)?;
    let old = old.map(serde_json::to_value).transpose()?;
    if let (Some(patch), Some(Value::Object(old))) = (patch.as_object_mut(), old) {
        for (field, _) in old {
            patch.entry(field).or_insert(Value::Null);
        }
    }
    Ok(patch)
}

/// A write to an object that has gone meanwhile, or that another of its name has replaced, has
/// nothing left to do.
pub(crate) fn unless_gone<T>(outcome: Result<T, kube::Error>) -> Result<(), Failure> {
    match outcome {
        Err(kube::Error::Api(status)) if status.code == 404 || is_of_another(&status) => Ok(()),
        outcome => outcome.map(drop).map_err(Failure::from),
    }
}

/// Whether a write named the uid of another object than the one that has the name now: a failed
/// precondition of a PUT or DELETE (`registry/store.go`), an immutable field of a patch.
pub(crate) fn is_of_another(status: &kube::core::Status) -> bool {
    let is_patched = || {
        let causes = status.details.iter().flat_map(|details| &details.causes);
        causes.into_iter().any(|cause| cause.field == "metadata.uid")
    };
    status.message.contains("UID in precondition") || status.code == 422 && is_patched()
}

// === impl Failure ===

impl Failure {
    pub(crate) fn plain(message: &str) -> Self {
        Self::Plain(message.to_owned())
    }

    /// Whether another writer came between, or made an object of that name first.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Api(kube::Error::Api(status)) if status.code == 409)
    }

    /// Whether the object's namespace goes, and the object with it.
    pub(crate) fn is_of_terminating_namespace(&self) -> bool {
        let Self::Api(kube::Error::Api(status)) = self else { return false };
        let causes = status.details.iter().flat_map(|details| &details.causes);
        causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
    }
}
