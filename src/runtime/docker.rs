//! `DockerRuntime`: containers on a Docker engine.
//!
//! ```text
//!  runtime   trait Runtime ──► start, end ──► create (what to make) ──► engine ──► the daemon
//!  follow    the daemon's events ──► inspected (what became of it) ──► world ──► events, list, state
//!  logs, session, usage                                read straight from the daemon
//! ```
//!
//! The daemon keeps containers while Spur is gone: they carry labels (`owned`) by which the next
//! Spur of the same environment takes them over, and nobody else's are touched. A container that
//! is started again is made anew, as the kubelet does, so that the one before keeps its log for
//! `--previous`; of those one is kept.
//!
//! A pod is on the network of its namespace, at an address of its own that it keeps (`network`). Where
//! it has several containers, one more has its network, which they join (`pod_network`). Services have
//! addresses on that network, too, all of which one container has (`holder`).
//!
//! Images are made by the engine, too (`build`), which nothing of the above waits for.
//!
//! Only what API 1.41 (Docker 20.10) knows is sent. What a pod may ask for is the caller's.

mod address;
mod build;
mod create;
mod end;
mod engine;
mod follow;
mod group;
mod holder;
mod image;
mod inspected;
mod logs;
mod network;
mod owned;
mod pod_network;
mod pull;
mod purge;
mod runtime;
mod session;
mod start;
mod subnet;
mod transport;
mod usage;
mod world;

pub use address::EngineAddress;
pub use build::{BuildError, BuildNewsSender, BuildPlan};
pub use engine::{Engine, EngineError, EngineFacts};
pub use image::{SELF_IMAGE, SELF_PROGRAM};
pub use network::{Place, PlaceError};
pub use owned::Environment;
pub use purge::{Share, VolumesToo};
pub use runtime::{DockerConfig, DockerRuntime};
pub use subnet::{NoSubnet, Subnet};
