//! Pods' volumes on this machine's disk: directories and files, and nothing of Kubernetes.
//!
//! ```text
//!  <dir>/                      0700, Spur's alone: nobody else of this machine gets at what is below
//!    <pod uid>/                0700
//!      <volume>/               an empty directory, or:
//!        ..data ─► ..2026_01_02_03_04_05.123/      replaced by a rename, so that files change together
//!        <name> ─► ..data/<name>
//! ```
//!
//! [`Volumes`] makes, updates and removes them, [`Payload`] is what the files of one hold,
//! [`sub_path`] finds a place inside of one and [`host_path`] looks at the machine's own files.
//! Everything blocks on the disk: call it from `spawn_blocking`.
//!
//! A pod's programs write into these directories, so nothing here follows a symbolic link that
//! could be theirs: every step is taken from an open directory (`folder.rs`), by one name.
//!
//! **Secrets.** What is asked for as [`Medium::Memory`] lies in the second place that
//! [`Volumes::open`] is given where that is kept in memory (tmpfs), and on disk otherwise, readable
//! to Spur's user alone from outside of the pod. Spur mounts nothing.

mod delete;
mod folder;
pub mod host_path;
mod last_words;
mod payload;
mod size;
mod store;
pub mod sub_path;
mod write;

pub use payload::{File, PathError, Payload};
pub use store::{Medium, Place, VolumeId, Volumes};
pub use write::Change;

use std::io;
use std::path::PathBuf;

/// Why a volume is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// The system refuses.
    #[error("{what} {}", .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A pod's uid or a volume's name that is no name of a directory.
    #[error("{name:?} cannot name a directory")]
    Name {
        /// As it was given.
        name: String,
    },
    /// Somebody else may write there, or owns it: a place of this name may be theirs.
    #[error("{} is not this user's alone", .path.display())]
    Shared {
        /// Which directory.
        path: PathBuf,
    },
    /// Something goes on making files where others are deleted.
    #[error("{} fills up while it is deleted", .path.display())]
    Busy {
        /// Which directory.
        path: PathBuf,
    },
}

#[cfg(test)]
mod tests;
