//! The controllers together, against a real API server in process: what a user
//! does, and what comes of it. Pods run in a runtime without processes.
//!
//! Every wait is for a state, with a deadline. What must hold in between is read
//! afterwards from the store's log, which has every change in its order.

mod cron_jobs;
mod custom_resources;
mod daemon_sets;
mod deployments;
mod endpoints;
mod events;
mod forks;
mod garbage;
mod history;
mod host_ports;
mod jobs;
mod names_anew;
mod namespaces;
mod replica_sets;
mod restart;
mod rollouts;
mod rules;
mod scale;
mod service_networks;
mod stateful_sets;
mod volume_claims;
mod world;
