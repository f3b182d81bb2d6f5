//! Starts every controller, and what all of them share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use kube::Client;
use kube::runtime::controller::Action;
use serde::Serialize;
use serde_json::{Map, Value};
use spur_net::Inlet;
use spur_route::RoutingTable;
use spur_runtime::Runtime;
use spur_runtime::ports::PortAllocator;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::events::Events;
use crate::{
    deployment, endpoint_slice, garbage, host_ports, namespace, node, pod, replica_set, routes, sandbox,
};

/// What the controllers are built from.
#[derive(Clone)]
pub struct Parts {
    /// The API, in process or remote.
    pub client: Client,
    /// What runs pods.
    pub runtime: Arc<dyn Runtime>,
    /// pod worker -- the listeners of each pod --> proxy
    pub inlets_tx: mpsc::Sender<Inlet>,
    /// What the proxy routes by; replaced whole.
    pub table: Arc<ArcSwap<RoutingTable>>,
    /// controllers -- addresses of Services on this machine --> `/spur/v1/status`
    pub services_tx: watch::Sender<Map<String, Value>>,
    /// routes -- the revision of each table after it is in `table` --> sandbox controller, `/spur/v1/status`
    pub routes_tx: watch::Sender<u64>,
    /// The port of the entry listener, for preview addresses.
    pub entry_port: u16,
    /// This program, which pods may start as `spur`.
    pub executable: PathBuf,
    /// The `PATH` that pods inherit.
    pub search_path: String,
    /// Gives pods their real ports.
    pub ports: Arc<PortAllocator>,
    /// Cancelled to end all controllers.
    pub stop: CancellationToken,
}

/// What every reconciler gets.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) events: Events,
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
    let ctx = Arc::new(Context { client: parts.client.clone(), events: events.clone() });
    let stop = &parts.stop;
    let pods = pod::Context {
        client: parts.client.clone(),
        runtime: parts.runtime.clone(),
        events: events.clone(),
        inlets_tx: parts.inlets_tx.clone(),
        ports: parts.ports.clone(),
        executable: parts.executable.clone(),
        search_path: parts.search_path.clone(),
        stop: stop.clone(),
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(until(stop.clone(), deployment::run(ctx.clone(), stop.clone())));
    tasks.spawn(until(stop.clone(), replica_set::run(ctx.clone(), stop.clone())));
    tasks.spawn(until(stop.clone(), endpoint_slice::run(ctx.clone(), stop.clone())));
    tasks.spawn(until(stop.clone(), namespace::run(ctx.clone(), stop.clone())));
    tasks.spawn(garbage::run(ctx.clone(), stop.clone()));
    tasks.spawn(node::run(ctx.clone(), parts.runtime.name(), stop.clone()));
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

/// Runs a controller until it is stopped, wherever it stands: kube-runtime's own
/// graceful shutdown never ends when it is asked for before the first list is
/// complete, and a reconciler that is cut off is right the next time.
async fn until(stop: CancellationToken, controller: impl Future<Output = ()>) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = controller => {}
    }
}

/// When a failed reconciliation is tried again: soon, since the API is in this
/// process and most failures are conflicts with another writer.
pub(crate) fn retry<K>(_object: Arc<K>, error: &Failure, _ctx: Arc<Context>) -> Action {
    match error {
        Failure::Api(kube::Error::Api(status)) if status.code == 409 => {
            Action::requeue(Duration::from_millis(10))
        }
        // The object goes with its namespace; until then there is nothing to do.
        Failure::Api(kube::Error::Api(status)) if is_terminating(status) => {
            Action::requeue(Duration::from_secs(5))
        }
        _ => {
            tracing::warn!(%error, "failed to reconcile, trying again");
            Action::requeue(Duration::from_secs(1))
        }
    }
}

fn is_terminating(status: &kube::core::Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
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

// === impl Failure ===

impl Failure {
    pub(crate) fn plain(message: &str) -> Self {
        Self::Plain(message.to_owned())
    }
}
