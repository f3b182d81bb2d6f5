//! What the store holds and tells: revisions, stored values, expectations, changes.

use std::fmt;

use bytes::Bytes;

use crate::Key;

/// Position in the one global order of writes. An empty store is at 1, as etcd's is; every write
/// takes the next. It never goes back and is never given twice to acknowledged writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// A value with the revision of the write that put it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What it is the value of.
    pub key: Key,
    /// The write that made it.
    pub revision: Revision,
    /// The value as it was put.
    pub value: Bytes,
}

/// What has to be there for a write to take place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The object does not exist.
    Absent,
    /// The object exists and its last write was this one.
    Revision(Revision),
    /// Anything. A put creates or replaces; a delete needs the object to exist.
    Any,
}

/// One acknowledged write, as a watch tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The write's place in the global order; no two changes share one.
    pub revision: Revision,
    /// The object that changed.
    pub key: Key,
    /// What happened to it.
    pub kind: ChangeKind,
    /// The value after the write; for [`ChangeKind::Deleted`] the last state.
    pub value: Bytes,
    /// What was there before. `None` for [`ChangeKind::Created`], and for the rare update that
    /// replaced a value found corrupt.
    pub previous: Option<Previous>,
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It did not exist before.
    Created,
    /// Its value was replaced.
    Updated,
    /// It does not exist any more.
    Deleted,
}

/// The state of an object before a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Previous {
    /// The write that had made it.
    pub revision: Revision,
    /// The value before the change.
    pub value: Bytes,
}

// === impl Revision ===

impl Revision {
    /// The revision of a store that nothing was written to.
    pub const FIRST: Self = Self(1);

    /// The revision of the next write.
    #[must_use]
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
