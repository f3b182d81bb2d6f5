//! Objects with revisions, compare-and-put and a watchable log, on redb.
//!
//! ```text
//!  put/delete ──► queue ──► writer thread ── one redb transaction for all that wait
//!   (await)      (bounded)       │             (objects + log + state, one sync of the journal)
//!      ▲                         ▼
//!      └──── answer ◄──── publish: window + snapshot, under one lock
//!                                │
//!            ┌───────────────────┼──────────────────────┐
//!            ▼                   ▼                      ▼
//!      get, list ──► snapshot   list at ──► window   Watch::next ──► window
//! ```
//!
//! An answered write is durable and visible to every read and watch. Keys are plain strings and
//! values opaque bytes: what an object means is the API server's business. Nothing outside this
//! crate knows redb.

mod health;
mod key;
mod list;
mod object;
mod open;
mod options;
mod read;
mod store;
mod watch;
mod write;

mod backend;
mod directory;
mod disk;
mod guard;
mod history;
mod journal;
mod network;
mod published;
mod record;
mod restored;
mod snapshot;
mod tables;
mod window;
mod writer;

#[cfg(test)]
mod faults;

pub use guard::quiet_caught_panics;
pub use health::{Health, Stats};
pub use key::Key;
pub use list::{ListRange, Listing};
pub use object::{Change, ChangeKind, Expect, Previous, Revision, Stored};
pub use open::OpenError;
pub use options::Options;
pub use read::{ReadError, WaitError};
pub use store::Store;
pub use watch::{NextError, Watch, WatchError};
pub use write::WriteError;
