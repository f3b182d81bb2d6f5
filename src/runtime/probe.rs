//! One try of a readiness, liveness or startup check over the network, with the
//! kubelet's rules and words.
//!
//! When to try, how often, and what a result changes is the caller's; it also
//! writes "Readiness probe failed: " before the words given here. Checks that
//! run a command go through [`crate::Runtime::exec`].

mod http;
mod tcp;

pub use self::http::{HttpGet, http_get};
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
