//! Why a read can fail.

use std::io;
use std::sync::Arc;

use crate::{Key, Revision};

/// A read that gave nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// The stored bytes do not fit their checksum; other objects are not affected.
    #[error("stored value of `{key}` is corrupt: its checksum does not fit")]
    Corrupt {
        /// The damaged object.
        key: Key,
    },
    /// The asked-for past is not kept any more.
    #[error("revision {requested} is compacted: the oldest that can be read is {oldest}")]
    Compacted {
        /// What was asked for.
        requested: Revision,
        /// The oldest revision that can be read.
        oldest: Revision,
    },
    /// The asked-for revision was not written yet; see [`crate::Store::wait_for`].
    #[error("revision {requested} is in the future: the newest is {current}")]
    Future {
        /// What was asked for.
        requested: Revision,
        /// The newest revision.
        current: Revision,
    },
    /// The database's own structure is damaged where this read went.
    #[error("database is damaged: {cause}")]
    Damaged {
        /// What the database said.
        cause: Arc<str>,
    },
    /// Reading the file failed.
    #[error("failed to read the database")]
    Io(#[source] Arc<io::Error>),
    /// The store was closed.
    #[error("store is closed")]
    Closed,
}

/// A wait for a revision that did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// The deadline passed.
    #[error("revision {requested} was not written in time: the newest is {current}")]
    Deadline {
        /// What was waited for.
        requested: Revision,
        /// The newest revision.
        current: Revision,
    },
    /// The store was closed.
    #[error("store is closed")]
    Closed,
}

// === impl ReadError ===

impl From<redb::StorageError> for ReadError {
    fn from(error: redb::StorageError) -> Self {
        match error {
            redb::StorageError::Io(error) => Self::Io(Arc::new(error)),
            error => Self::Damaged { cause: error.to_string().into() },
        }
    }
}
