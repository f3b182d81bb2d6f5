//! The pod worker against the real API server in process: with a scripted
//! runtime, and once with real processes.

mod config;
mod crash_loop;
mod deadline;
mod deletion;
mod eviction;
mod hooks;
mod network;
mod order;
mod probes;
mod processes;
mod restart;
mod services;
mod start;
mod tokens;
mod world;

use std::sync::{Arc, LazyLock};

use spur_runtime::ports::PortAllocator;

/// One for all tests of this process: a port that one of them has given back is the last
/// that another is given, so that a test which wants its own again finds it free.
pub(super) fn port_allocator() -> Arc<PortAllocator> {
    static PORTS: LazyLock<Arc<PortAllocator>> =
        LazyLock::new(|| Arc::new(PortAllocator::per_user(&std::env::temp_dir()).unwrap()));
    PORTS.clone()
}
