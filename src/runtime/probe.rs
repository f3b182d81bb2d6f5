//! One try of a readiness, liveness or startup check over the network, with the
//! kubelet's rules and words.
//!
//! When to try, how often, and what a result changes is the caller's; it also
//! writes "Readiness probe failed: " before the words given here. Checks that
//! run a command go through [`crate::Runtime::exec`].
//!
//! Beside the kubelet's checks stands [`speaks`]: whether a server answers in the
//! protocol of its port.

mod grpc;
mod http;
mod protocol;
mod tcp;

mod exchange;
mod grpc_message;
mod grpc_status;

mod amqp;
mod any_http;
mod http2;
mod kafka;
mod mongodb;
mod mysql;
mod nats;
mod postgres;
mod redis;

pub use self::grpc::{GrpcHealth, grpc_health};
pub use self::http::{HttpGet, Scheme, http_get, http_send};
pub use self::protocol::{Protocol, speaks};
pub use self::tcp::tcp_connect;

/// What one try found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeResult {
    /// It answered as it should; with the kubelet's words or the start of the body.
    Success(String),
    /// It did not, and why.
    Failure(String),
}

// === impl ProbeResult ===

impl ProbeResult {
    /// Whether it answered as it should.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Success(_))
    }
}
