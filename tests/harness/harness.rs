//! The built binary as its users meet it: started, asked over HTTP and by its own
//! commands, and ended without a trace.
//!
//! ```text
//!   let spur = Spur::up().with("fixtures/demo").start().await;
//!   let answer = spur.service("frontend").get("/api/cart").key("k3x9").send().await;
//!   spur.end().await;       SIGTERM, exit code 0, no process of its pods left
//! ```
//!
//! Every Spur has its own data directory and free ports, so tests run side by
//! side. It knows nothing of Spur's crates: what it sees, a user sees.

pub(crate) mod api;
pub(crate) mod command;
mod credentials;
pub(crate) mod http;
pub(crate) mod manifests;
pub(crate) mod processes;
pub(crate) mod spur;
pub(crate) mod until;
pub(crate) mod upstream;

pub(crate) use api::Api;
pub(crate) use command::Output;
pub(crate) use http::{Answer, Site};
pub(crate) use spur::{Data, Spur};
pub(crate) use until::{DEADLINE, until};
pub(crate) use upstream::Upstream;
