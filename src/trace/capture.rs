//! What a hop's client sent and got: heads, and the beginnings of bodies.
//!
//! The proxy fills one in beside the streams, without holding them up, and hands it to the
//! collector over a queue of its own; `kept` keeps the latest within a bound of bytes. Secrets are
//! in it as they came, because what is sent again needs them: [`Redaction`](crate::Redaction)
//! takes them out for whoever reads.

mod host;
mod kept;
mod message;
mod octets;
mod own;
mod queue;

pub use self::host::entry_host;
pub use self::kept::Captured;
pub(crate) use self::kept::Kept;
pub use self::message::{Capture, CapturedBody, CapturedRequest, CapturedResponse};
pub use self::own::{own_headers, own_target};
pub(crate) use self::queue::CaptureQueue;

/// Bytes of one body that are kept (the proposal's cap: a page of JSON is whole, a download is
/// not).
pub const BODY_MAX_BYTES: usize = 64 << 10;

/// Of which requests heads and bodies are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CapturePolicy {
    /// Of none.
    Off,
    /// Of those with a routing key: somebody is testing, and there are few.
    #[default]
    Keyed,
    /// Of each.
    All,
}

// === impl CapturePolicy ===

impl CapturePolicy {
    /// Whether a request is captured, by whether it has a key.
    #[must_use]
    pub fn wants(self, has_key: bool) -> bool {
        match self {
            Self::Off => false,
            Self::Keyed => has_key,
            Self::All => true,
        }
    }
}
