//! The pod worker: what the kubelet is in a cluster.
//!
//! ```text
//!  watch pods ─► dispatch ─► one worker per pod uid
//!  runtime events ─┘            │ observe: what became of the containers, what the probes found
//!                               │ act:     ports, Service listeners, environment, start
//!                               │ report:  status, when it changed
//!                               └ wait:    for any of pod, runtime, probe, configuration, clock
//! ```
//!
//! A worker takes no news as input: whatever woke it, it looks at the pod and at
//! the runtime and does what is due. Decisions are pure functions in files of
//! their own (`environment`, `exit`, `phase`, `conditions`, `probe::schedule`,
//! `support`); the worker joins them. What requests do on the listeners is the
//! proxy's business, how processes are run the runtime's.

mod dispatch;
mod worker;

mod adopt;
mod allowance;
mod choice;
mod container;
mod egress;
mod ending;
mod exit;
mod report;
mod status;
mod terminate;
mod termination_message;

mod conditions;
mod phase;

mod api_address;
mod bounds;
mod config_changes;
mod environment;
mod expand;
mod field;
mod hook;
mod links;
mod listeners;
mod notices;
mod place;
mod pod_security;
mod ports;
mod probe;
mod references;
mod resource;
mod service_names;
mod set_up;
mod support;
mod telemetry;
mod token;
mod volumes;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use kube::Client;
use spur_net::{DatagramInlet, Dial, Inlet};
use spur_route::RoutingTable;
use spur_runtime::ports::PortAllocator;
use spur_runtime::volumes::Volumes;
use spur_runtime::{RuntimeKind, Runtimes};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::events::Events;
use crate::service_network::ServiceNetworks;

pub use choice::UsualRuntime;
pub(crate) use dispatch::run;

/// What the pod worker works with.
pub(crate) struct Context {
    /// The API.
    pub(crate) client: Client,
    /// What runs the containers.
    pub(crate) runtimes: Runtimes,
    /// Which of them, where a pod does not say.
    pub(crate) usual_runtime: UsualRuntime,
    /// How pods are reached.
    pub(crate) dial: Dial,
    /// Where volumes of pods are made.
    pub(crate) volumes: Arc<Volumes>,
    /// Where pods with addresses of their own reach Services.
    pub(crate) service_networks: Vec<(RuntimeKind, Arc<ServiceNetworks>)>,
    /// Where events go.
    pub(crate) events: Events,
    /// pod worker -- listeners of its pods --> proxy
    pub(crate) inlets_tx: mpsc::Sender<Inlet>,
    /// the same of datagrams
    pub(crate) datagrams_tx: mpsc::Sender<DatagramInlet>,
    /// What requests are routed by.
    pub(crate) table: Arc<ArcSwap<RoutingTable>>,
    /// routes -- the revision of each table after it is in `table` --> pod workers
    pub(crate) routes_rx: watch::Receiver<u64>,
    /// Where real ports come from.
    pub(crate) ports: Arc<PortAllocator>,
    /// Where programs report to, if anywhere.
    pub(crate) telemetry: Option<SocketAddr>,
    /// This executable, for `SPUR_EXE` and the end of `PATH`.
    pub(crate) executable: PathBuf,
    /// The `PATH` that processes inherit; the executable's directory is put behind it.
    pub(crate) search_path: String,
    /// Ends every worker. What runs then goes on: ending it is the runtime's shutdown, which
    /// has to come after, or each end would be taken for a crash.
    pub(crate) stop: CancellationToken,
}

/// Where every pod of the shared process network is reached.
pub(crate) const LOOPBACK: &str = "127.0.0.1";

#[cfg(test)]
mod tests;
