//! What every request works with.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use serde_json::{Map, Value};
use spur_route::RoutingTable;
use spur_runtime::Runtimes;
use spur_store::Store;
use spur_trace::{Logs, Redaction, TraceReader};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::access::Identity;
use crate::cluster_addresses::ClusterAddresses;
use crate::custom_definitions;
use crate::in_flight::InFlight;
use crate::kinds::Kinds;
use crate::metrics::Sampler;
use crate::node_ports::NodePorts;
use crate::request_counts::RequestCounts;

/// What the server is built from.
#[derive(Clone)]
pub struct Parts {
    /// Where objects live.
    pub store: Arc<Store>,
    /// Where logs come from.
    pub runtimes: Runtimes,
    /// What this server vouches with.
    pub identity: Arc<Identity>,
    /// What the proxy routes by.
    pub table: Arc<ArcSwap<RoutingTable>>,
    /// Where traces come from.
    pub traces: TraceReader,
    /// What applications report.
    pub logs: Logs,
    /// What is taken out of what is told of requests.
    pub redaction: Arc<Redaction>,
    /// Where requests are sent again to.
    pub entry: SocketAddr,
    /// up -- facts of this environment, such as the entry address --> `/spur/v1/status`
    pub facts: watch::Receiver<Map<String, Value>>,
    /// routes -- the revision up to which objects are routed --> `/spur/v1/status`
    pub routes: watch::Receiver<u64>,
    /// The endpoints that get no requests now because they have failed too often, for
    /// `/spur/v1/status`.
    pub ejected: Arc<dyn Fn() -> Vec<Value> + Send + Sync>,
    /// What applications reported and what of it was not taken, for `/spur/v1/status`.
    pub telemetry: Arc<dyn Fn() -> Value + Send + Sync>,
    /// Cancelled when the server drains: watches and followed logs end then.
    pub draining: CancellationToken,
}

/// What every request works with; cheap to clone.
#[derive(Clone)]
pub struct State(Arc<Shared>);

struct Shared {
    parts: Parts,
    /// Taken by who replaces a damaged value, so that two never do it at once.
    burials: tokio::sync::Mutex<()>,
    /// Taken by who writes a CustomResourceDefinition, until what it defines is served.
    definitions: tokio::sync::Mutex<()>,
    addresses: ClusterAddresses,
    node_ports: NodePorts,
    /// What is served now.
    kinds: ArcSwap<Kinds>,
    in_flight: InFlight,
    metrics: Sampler,
    requests: RequestCounts,
    is_ending: AtomicBool,
}

// === impl State ===

impl State {
    /// Shares the parts.
    pub fn new(parts: Parts) -> Self {
        let definitions = custom_definitions::all(&parts.store);
        let kinds = ArcSwap::from_pointee(Kinds::with_definitions(&definitions, &Kinds::bundled()));
        let lock = || tokio::sync::Mutex::new(());
        Self(Arc::new(Shared {
            parts,
            burials: lock(),
            definitions: lock(),
            addresses: ClusterAddresses::default(),
            node_ports: NodePorts::default(),
            kinds,
            in_flight: InFlight::new(),
            metrics: Sampler::default(),
            requests: RequestCounts::default(),
            is_ending: AtomicBool::new(false),
        }))
    }

    /// Taken by who replaces a damaged value, so that two never do it at once.
    pub(crate) fn burials(&self) -> &tokio::sync::Mutex<()> {
        &self.0.burials
    }

    /// Taken by who writes a CustomResourceDefinition, until what it defines is served.
    pub(crate) fn definitions(&self) -> &tokio::sync::Mutex<()> {
        &self.0.definitions
    }

    /// The addresses of Services.
    pub(crate) fn addresses(&self) -> &ClusterAddresses {
        &self.0.addresses
    }

    /// The node ports of Services.
    pub(crate) fn node_ports(&self) -> &NodePorts {
        &self.0.node_ports
    }

    /// Makes `/readyz` say no.
    pub(crate) fn begin_ending(&self) {
        self.0.is_ending.store(true, Ordering::Relaxed);
    }

    /// Whether the end has begun.
    pub(crate) fn is_ending(&self) -> bool {
        self.0.is_ending.load(Ordering::Relaxed) || self.draining.is_cancelled()
    }

    /// Serves the kinds of these definitions beside the bundled ones.
    pub(crate) fn serve(&self, definitions: &[Value]) {
        let kinds = Kinds::with_definitions(definitions, &self.kinds());
        self.0.kinds.store(Arc::new(kinds));
    }

    /// The slots of requests that come over the network.
    pub(crate) fn in_flight(&self) -> &InFlight {
        &self.0.in_flight
    }

    /// What requests came to.
    pub(crate) fn requests(&self) -> &RequestCounts {
        &self.0.requests
    }

    /// What containers and the machine have used lately.
    pub(crate) fn metrics(&self) -> &Sampler {
        &self.0.metrics
    }

    /// What is served now.
    pub(crate) fn kinds(&self) -> Arc<Kinds> {
        self.0.kinds.load_full()
    }
}

impl std::ops::Deref for State {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0.parts
    }
}
