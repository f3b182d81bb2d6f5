//! A guarantee and how it was broken. The words are etcd's, whose guarantees these
//! are (<https://etcd.io/docs/v3.5/learning/api_guarantees/>).

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guarantee {
    /// Every call takes place at one moment between its beginning and its end.
    Linearizable,
    /// A watch's revisions rise.
    Ordered,
    /// No event is told twice.
    Unique,
    /// No event is left out, and each is told as what it was.
    Reliable,
    /// A list is one whole state, the one that the events up to its revision make.
    Atomic,
    /// A broken watch goes on where it was.
    Resumable,
    /// After a bookmark comes nothing from before it.
    Bookmarkable,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) guarantee: Guarantee,
    pub(crate) what: String,
}

// === impl Violation ===

impl Violation {
    pub(crate) fn new(guarantee: Guarantee, what: impl Into<String>) -> Self {
        Self { guarantee, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not {}: {}", format!("{:?}", self.guarantee).to_lowercase(), self.what)
    }
}
