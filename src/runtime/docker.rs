//! `DockerRuntime`: containers on a Docker engine.
//!
//! ```text
//!  runtime   trait Runtime ──► create (what to make) ──► engine ──► the daemon
//!  follow    the daemon's events ──► inspected (what became of it) ──► world ──► events, list, state
//!  logs, session                                       read straight from the daemon
//! ```
//!
//! The daemon keeps containers while Spur is gone: they carry labels (`owned`) by which the next
//! Spur of the same environment takes them over, and nobody else's are touched. A container that
//! is started again is made anew, as the kubelet does, so that the one before keeps its log for
//! `--previous`; of those one is kept.
//!
//! Only what API 1.41 (Docker 20.10) knows is sent. Networks, volumes and what a pod may ask for
//! are the caller's.

mod create;
mod engine;
mod follow;
mod inspected;
mod logs;
mod owned;
mod runtime;
mod session;
mod world;

pub use engine::{Engine, EngineError};
pub use owned::Environment;
pub use runtime::DockerRuntime;
