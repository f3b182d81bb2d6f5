//! Controllers and the route compiler.
//!
//! ```text
//!  API ──watch──► deployment ─► replica_set ─► pod worker ─► runtime
//!   ▲                                             │ Inlets ─► proxy
//!   │             endpoint_slice ◄── pods, services
//!   │             sandbox ─► deployments, services (the forks)
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
mod custom_resources;
mod deployment;
mod drive;
mod endpoint_slice;
mod events;
mod garbage;
mod heartbeat;
mod host_ports;
mod metadata;
mod namespace;
mod node;
mod owner;
mod pod;
mod replica_set;
mod routes;
mod rule_status;
mod run;
mod sandbox;
mod served;
mod service_network;
mod transport;

pub use heartbeat::heartbeat;
pub use host_ports::ServicePorts;
pub use pod::UsualRuntime;
pub use rule_status::{GatewayPorts, certificate_faults};
pub use run::{Parts, run};

#[cfg(test)]
mod tests;
