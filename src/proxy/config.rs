//! What a proxy is started with.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use spur_net::Limits;
use spur_route::RoutingTable;

use crate::trust::{LOOPBACK, Network};

/// What [`Proxy::start`](crate::Proxy::start) needs.
#[derive(Debug, Clone)]
pub struct Config {
    /// Worker threads; at least one is started.
    pub workers: usize,
    /// Bounds of client connections; `n_connections_max` counts for each worker.
    pub limits: Limits,
    /// How long upstreams may take.
    pub timeouts: Timeouts,
    /// Whose routing keys and `x-forwarded-*` are believed, besides those of callers that are
    /// known: this machine's, where nothing is said.
    pub trusted: Vec<Network>,
    /// The routing table. Whoever holds it replaces it whole; every request
    /// reads it once.
    pub table: Arc<ArcSwap<RoutingTable>>,
    /// Records in each worker's ring ([`spur_trace::Ring::DEFAULT_CAPACITY`]).
    pub ring_capacity: usize,
}

/// How long an upstream may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first SYN to the connection. 1 s, as linkerd2-proxy; on one
    /// machine a connection takes microseconds.
    pub connect: Duration,
    /// From the last byte of the request that the upstream took to the head of
    /// its response. 60 s, nginx's `proxy_read_timeout`. Not for gRPC, which
    /// brings its own deadline and whose streams may be silent, and not for upgrades.
    pub response_head: Duration,
}

// === impl Config ===

impl Config {
    /// The usual bounds with `workers` threads reading `table`.
    pub fn new(workers: usize, table: Arc<ArcSwap<RoutingTable>>) -> Self {
        Self {
            workers,
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            trusted: LOOPBACK.to_vec(),
            table,
            ring_capacity: spur_trace::Ring::DEFAULT_CAPACITY,
        }
    }
}

// === impl Timeouts ===

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(1), response_head: Duration::from_secs(60) }
    }
}
