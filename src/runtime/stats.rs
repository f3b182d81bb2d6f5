//! What a container or this machine uses: counted since its start and read at one moment. A rate needs
//! two readings, and whoever wants one takes them.

use std::time::{Duration, SystemTime};

/// What something uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// When it was read.
    pub at: SystemTime,
    /// The time that it has had on all cores since its start.
    pub cpu: Duration,
    /// The memory that it has and that could not be had back without harm (the kubelet's *working set*).
    pub memory_bytes: u64,
}

/// Why it is not known what something uses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatsError {
    /// The container does not run, or ended first.
    #[error("container `{container}` of pod `{pod}` is not running")]
    NotRunning {
        /// The pod, `namespace/name`.
        pod: String,
        /// The container's name.
        container: String,
    },
    /// Nobody tells it on this system.
    #[error("{0}")]
    NotSupported(&'static str),
    /// The engine or the system did not say.
    #[error("read what {of} uses: {found}")]
    Unread {
        /// Of whom.
        of: String,
        /// What is wrong.
        found: String,
    },
}
