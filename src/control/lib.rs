//! Controllers and the route compiler.
//!
//! ```text
//!  API ──watch──► deployment ─► replica_set ──┐
//!   ▲             stateful_set, daemon_set ────┼─► pod worker ─► runtime
//!   │             cron_job ─► job ─────────────┘      │ Inlets ─► proxy
//!   │             endpoint_slice ◄── pods, services
//!   │             sandbox ─► workloads, services (the forks)
//!   │                    services, slices, sandboxes ──► compile ──► RoutingTable ─► proxy
//!   └── status, events ── all of them        garbage, namespace,
//!                                             custom_resources: what is to go, goes
//! ```
//!
//! Controllers know the system only through the Kubernetes API: embedded, over
//! a client that calls the router in process. Each reconciler takes no news as
//! input: it wakes, reads what is there, acts, and is right twice.

mod cache;
mod claim;
mod cron_job;
mod custom_resources;
mod daemon_set;
mod deployment;
mod disruption;
mod drive;
mod endpoint_slice;
mod events;
mod garbage;
mod heartbeat;
mod host_ports;
mod job;
mod metadata;
mod namespace;
mod node;
mod owner;
mod pod;
mod pods;
mod replica_set;
mod revisions;
mod routes;
mod rule_status;
mod run;
mod sandbox;
mod served;
mod service_network;
mod stateful_set;
mod surplus;
mod transport;
mod volume_claims;

pub use heartbeat::heartbeat;
pub use host_ports::ServicePorts;
pub use pod::UsualRuntime;
pub use rule_status::{GatewayPorts, certificate_faults};
pub use run::{Parts, ServiceNetworkOf, run};

#[cfg(test)]
mod tests;
