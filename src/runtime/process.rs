//! The `process` runtime: a container is a group of local processes on the
//! machine's own network, or on its pod's where that has asked for one.
//!
//! ```text
//!  start ─► program (what file?) ─► group (spawn) ─► supervise ─► state, event, record
//!              │ private: in which network?
//!                                     │ pipes ─► log::Pump            ▲
//!  exec, attach ─► Session (streams) ◄─ the group's own, or log::Tap
//!  stop ──► SIGTERM … SIGKILL ────────┘            leader's end ──────┘
//!  open ──► reap: what a killed Spur left behind (record + start time, cookie)
//! ```
//!
//! What belongs to a container is its process group and, on Linux, every process
//! that inherited the container's cookie in its environment: so also what left
//! the group with `setsid` is ended with it.

mod attach;
mod container;
mod cookie;
mod environment;
mod exec;
mod group;
mod identity;
mod output;
mod private;
mod program;
mod reap;
mod record;
mod registry;
mod runtime;
mod session;
#[cfg(target_os = "linux")]
mod stat;
mod stdin;
mod supervise;
mod terminal;
mod usage;
mod wiring;

pub use environment::{INHERITED, inherited};
pub use private::{PRIVATE_NETWORK, private_networks_allowed};
pub use reap::{Reaped, ReapedBy};
pub use registry::OpenError;
pub use runtime::{ProcessConfig, ProcessRuntime};
#[cfg(target_os = "linux")]
pub(crate) use stat::of_ticks;
