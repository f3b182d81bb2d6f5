//! The Kubernetes-compatible API server.
//!
//! ```text
//!  request ─► access ─► path ─► verb ─► decode ─► default ─► validate ─► compare-and-put ─► answer
//!              │                (write: one pipeline for every kind)     │
//!              │                                                         ▼
//!              ├─► discovery, openapi, health                          store
//!              ├─► get, list, watch ◄──────────────────────────── revisions, changes
//!              └─► exec, attach ◄─ WebSocket ─► streams of trait Runtime
//! ```
//!
//! One generic handler serves every kind (`served`), from the snapshot of them in `kinds`. What an
//! object means for workloads and traffic is the controllers' business; they
//! come through this router like everybody else. The semantics are those of
//! Kubernetes 1.36; each file names the part it follows.

mod access;
mod answer;
mod api_services;
mod attributes;
mod body;
mod bootstrap;
mod captures;
mod claims;
mod cluster_addresses;
mod component_status;
mod containers;
mod custom_definitions;
mod custom_kind;
mod discovery;
mod explain;
mod fixed;
mod health;
mod in_flight;
mod incoming;
mod indent;
mod kinds;
mod logs;
mod metrics;
mod namespaces;
mod negotiate;
mod node_ports;
mod object;
mod oidc;
mod openapi;
mod own;
mod path;
mod pipeline;
mod pod_admission;
mod query;
mod replay;
mod request_counts;
mod reviews;
mod router;
mod scale;
mod selection;
mod served;
mod splice;
mod state;
mod streams;
mod structural;
mod table;
mod token_request;
mod trace_summary;
mod traces;
mod unread;
mod verbs;
mod versions;
mod workload_logs;

pub use access::{Identity, IdentityError, Secrets, User};
pub use bootstrap::{BootstrapError, bootstrap, publish_address, publish_telemetry};
pub use router::Server;
pub use state::{Parts, State};

#[cfg(test)]
mod tests;
