//! Why a write can fail, and what is then known about it.

use std::path::PathBuf;
use std::sync::Arc;

use crate::{Key, Revision};

/// A write that was not acknowledged. Only [`WriteError::Unknown`] may have taken place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The object was written since.
    #[error("`{key}` is at revision {found}, expected {expected}")]
    Conflict {
        /// The object.
        key: Key,
        /// What the caller had seen.
        expected: Revision,
        /// Its last write.
        found: Revision,
    },
    /// The object exists already.
    #[error("`{key}` exists already, at revision {found}")]
    Exists {
        /// The object.
        key: Key,
        /// Its last write.
        found: Revision,
    },
    /// The object does not exist.
    #[error("`{key}` does not exist")]
    NotFound {
        /// The object.
        key: Key,
    },
    /// What is stored cannot be compared, since it is damaged; a put with
    /// [`crate::Expect::Any`] replaces it.
    #[error("stored value of `{key}` is corrupt: its checksum does not fit")]
    Corrupt {
        /// The object.
        key: Key,
    },
    /// The value is over the bound.
    #[error("value of `{key}` has {bytes} bytes, {max} are allowed")]
    ValueTooLarge {
        /// The object.
        key: Key,
        /// The value's size.
        bytes: usize,
        /// [`crate::Options::value_max_bytes`].
        max: usize,
    },
    /// Resource, namespace and name together are over the bound.
    #[error("key of {bytes} bytes is too long, {max} are allowed")]
    KeyTooLong {
        /// The encoded key's size.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// The disk is full; nothing was written.
    #[error(
        "disk is full at `{}`: {wanted_bytes} bytes have to be free{}\nhint: free some space, or \
         delete objects; writes are then taken again by themselves",
        path.display(), available(*available_bytes)
    )]
    DiskFull {
        /// The data directory.
        path: PathBuf,
        /// What has to be free before writes are taken again.
        wanted_bytes: u64,
        /// What the file system says is free.
        available_bytes: Option<u64>,
    },
    /// The storage failed; nothing was written.
    #[error("failed to write `{key}`, nothing was written: {cause}")]
    NotWritten {
        /// The object.
        key: Key,
        /// What the storage said.
        cause: Arc<str>,
    },
    /// The storage failed while making the write durable: it may or may not have taken place.
    #[error("outcome of writing `{key}` is unknown, read it back before retrying: {cause}")]
    Unknown {
        /// The object.
        key: Key,
        /// What the storage said.
        cause: Arc<str>,
    },
    /// The store was closed; nothing was written.
    #[error("store is closed")]
    Closed,
}

fn available(bytes: Option<u64>) -> String {
    bytes.map_or_else(String::new, |bytes| format!(", {bytes} are"))
}
