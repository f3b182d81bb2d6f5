//! The data plane.
//!
//! ```text
//!            Inlet ──► acceptor (one thread, all listeners)
//!                          │ accepted socket, to the least loaded
//!                          ▼
//!   worker (N threads, each with its own connections, pool, counters and ring)
//!     connection: sniff ─► hyper server ─► request ──────────────────────────┐
//!                   └► relay (TCP)            datagrams (UDP)                ▼
//!       sanitise ─► route::decide ─► pick ─► pool ─► forward ─► bodies ─► record
//!           │            │                    │         │                   │
//!           └────────────┴──── respond ◄──────┴─────────┘                 Ring
//! ```
//!
//! A request asks nobody: the table is read once, and everything else is the
//! worker's own. Which version takes a request is decided in `spur-route`;
//! joining hops into traces, in `spur-trace`; opening listeners is left to
//! runtimes.

mod acceptor;
mod access_log;
mod affinity;
mod apply;
mod attempts;
mod body;
mod capture;
mod cluster;
mod config;
mod connect;
mod connection;
mod datagrams;
mod date;
mod egress;
mod failure;
mod fields;
mod forward;
mod grpc_web;
mod handle;
mod hop;
mod http2;
mod incoming;
mod interim;
mod metrics;
mod pool;
mod relay;
mod replay;
mod request;
mod respond;
mod sanitise;
mod stats;
mod sticky;
mod switch;
mod tls;
mod trust;
mod tunnel;
mod upgrade;
mod worker;

pub use access_log::{AccessLog, AccessLogWriter, Encoding};
pub use cluster::Ejected;
pub use config::Config;
pub use handle::{Drained, Handle, Proxy, StartError};
pub use metrics::{Format, Metrics};
pub use stats::Stats;
pub use trust::{Network, NoNetwork};
