//! What a proxy is started with.

use std::sync::Arc;

use arc_swap::ArcSwap;
use spur_net::{Dial, Limits};
use spur_route::RoutingTable;
use spur_trace::{CapturePolicy, Redaction};

use crate::access_log::AccessLog;
use crate::trust::{LOOPBACK, Network};

/// What [`Proxy::start`](crate::Proxy::start) needs.
#[derive(Debug, Clone)]
pub struct Config {
    /// Worker threads; at least one is started.
    pub workers: usize,
    /// Bounds of connections; `n_connections_max` counts for each worker.
    pub limits: Limits,
    /// Whose routing keys and `x-forwarded-*` are believed, besides those of callers that are
    /// known: this machine's, where nothing is said.
    pub trusted: Vec<Network>,
    /// How endpoints are reached: as the system does, where nothing is said.
    pub dial: Dial,
    /// The routing table. Whoever holds it replaces it whole; every request
    /// reads it once.
    pub table: Arc<ArcSwap<RoutingTable>>,
    /// Whether hops are recorded, in a ring of each worker.
    pub records_hops: bool,
    /// Of which of them heads and bodies are captured: of those with a key, where nothing is said.
    pub capture: CapturePolicy,
    /// What is taken out of what is recorded.
    pub redaction: Arc<Redaction>,
    /// Where a line is written for each request; nowhere unless given.
    pub access_log: Option<AccessLog>,
}

// === impl Config ===

impl Config {
    /// The usual bounds with `workers` threads reading `table`.
    pub fn new(workers: usize, table: Arc<ArcSwap<RoutingTable>>) -> Self {
        Self {
            workers,
            limits: Limits::default(),
            trusted: LOOPBACK.to_vec(),
            dial: Dial::default(),
            table,
            records_hops: true,
            capture: CapturePolicy::default(),
            redaction: Arc::default(),
            access_log: None,
        }
    }
}
