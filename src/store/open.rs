//! Opening a data directory, and what can be wrong with one. Whatever fails, the database file
//! is left as it was.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database, StorageBackend};
use uuid::Uuid;

use crate::backend::Gated;
use crate::directory::{Directory, DirectoryLock};
use crate::disk::{Disk, FileDisk, MemoryDisk, is_full};
use crate::history::History;
use crate::journal::{Found, Journal};
use crate::snapshot::Opened;
use crate::tables::{self, Fault, Identity};
use crate::{Options, Revision, restored};

/// What helps where the database is lost; `restored` says what comes of it.
const RESTORE: &str = "put a backup in its place and delete `cluster` beside it";

/// A data directory that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another store has it open.
    #[error(
        "data directory `{}` is in use by {}\nhint: stop that process, or give this one another \
         directory",
        path.display(), holder(*pid)
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The process that holds the lock, where it could be read.
        pid: Option<u32>,
    },
    /// Other users could read or change what is in it.
    #[error(
        "data directory `{}` is open to other users: mode {mode:03o}, expected 700\nhint: chmod \
         700 '{}'",
        path.display(), path.display()
    )]
    TooOpen {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The path is something else.
    #[error("`{}` is not a directory\nhint: give the path of a directory", path.display())]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// Locks of such a file system may not keep other machines out, and what it has acknowledged
    /// may be lost with its server.
    #[error(
        "data directory `{}` is on a network file system ({name})\nhint: give a directory on a \
         disk of this machine",
        path.display()
    )]
    OnNetwork {
        /// The directory.
        path: PathBuf,
        /// Which file system.
        name: &'static str,
    },
    /// It cannot be written to.
    #[error(
        "data directory `{}` cannot be written: {source}\nhint: check its owner and whether its \
         file system is mounted read-only",
        path.display()
    )]
    ReadOnly {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is a marker, but no database.
    #[error(
        "data directory was initialised as cluster {cluster}, but its database `{}` is \
         missing\nhint: {RESTORE}, or give an empty directory to start \
         anew",
        path.display()
    )]
    Missing {
        /// The database file.
        path: PathBuf,
        /// Whose it was.
        cluster: Uuid,
    },
    /// The database has no bytes.
    #[error(
        "database `{}`{} is empty: 0 bytes\nhint: {RESTORE}, or give an empty directory to \
         start anew",
        path.display(), owner(*cluster)
    )]
    Empty {
        /// The database file.
        path: PathBuf,
        /// Whose it was, where the marker says so.
        cluster: Option<Uuid>,
    },
    /// The file is something else.
    #[error(
        "`{}` is not a database: it does not begin as one\nhint: {RESTORE}",
        path.display()
    )]
    NotADatabase {
        /// The database file.
        path: PathBuf,
    },
    /// The marker cannot be read.
    #[error(
        "marker `{}` makes no sense: {found:?}\nhint: delete it, the database knows its own \
         identity",
        path.display()
    )]
    Marker {
        /// The marker file.
        path: PathBuf,
        /// What it holds.
        found: String,
    },
    /// Marker and database do not belong together.
    #[error(
        "database `{}` is cluster {found} generation {found_generation}, the directory belongs to \
         {expected} generation {expected_generation}\nhint: put the right file back, or delete \
         `cluster` beside it to accept this one",
        path.display()
    )]
    Foreign {
        /// The database file.
        path: PathBuf,
        /// The database's cluster.
        found: Uuid,
        /// The database's generation.
        found_generation: u64,
        /// The marker's cluster.
        expected: Uuid,
        /// The marker's generation.
        expected_generation: u64,
    },
    /// A newer version wrote it, or a much older one.
    #[error(
        "database `{}` cannot be read by this version: {cause}\nhint: use the version that wrote \
         it",
        path.display()
    )]
    Format {
        /// The database file.
        path: PathBuf,
        /// Which formats are concerned.
        cause: String,
    },
    /// Its content is damaged.
    #[error(
        "database `{}` is damaged: {cause}\nhint: it was left as it is; {RESTORE}",
        path.display()
    )]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What was found.
        cause: String,
    },
    /// There is no room even to open it.
    #[error("disk is full at `{}`\nhint: free some space and start again", path.display())]
    DiskFull {
        /// The directory or file.
        path: PathBuf,
    },
    /// Anything else the system said.
    #[error("failed to open `{}`: {source}", path.display())]
    Io {
        /// The directory or file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// An open database with its past. What opening wrote may still be held back.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) opened: Arc<Opened>,
    pub(crate) history: History,
}

/// Opens a data directory; its first start creates what is missing.
pub(crate) fn open_directory(path: &Path, options: &Options) -> Result<(Attached, Arc<dyn Disk>), OpenError> {
    let directory = Directory::enter(path)?;
    let marker = directory.marker()?;
    if !directory.has_database(marker)? {
        directory.create_database(options.cache_bytes)?;
    }
    let database = directory.database();
    let disk = FileDisk::new(path, database.clone(), options);
    let fail = |fault| OpenError::of_fault(&database, fault);
    // Without a marker the database may be another one than the journal was written for.
    let foreign = if marker.is_some() { Foreign::Refused } else { Foreign::Forgotten };
    let mut attached = attach(&disk, options, Some(directory.lock.clone()), foreign).map_err(fail)?;
    match marker {
        None => {
            // Without a marker a database was put here on purpose, unless nothing is in it yet:
            // then a first start did not finish.
            if attached.revision() > Revision::FIRST {
                attached.history =
                    tables::guarded(|| restored::adopt(attached.opened.database())).map_err(fail)?;
            }
            attached.release(&disk).map_err(fail)?;
            directory.write_marker(attached.history.state.identity)?;
        }
        Some(expected) => {
            compare(&database, attached.history.state.identity, expected)?;
            attached.release(&disk).map_err(fail)?;
        }
    }
    Ok((attached, Arc::new(disk)))
}

/// Makes a database that ends with its store.
pub(crate) fn open_memory(options: &Options) -> Result<(Attached, Arc<dyn Disk>), Fault> {
    let disk = MemoryDisk;
    let (database, gated) = open_database(Gated::hold(disk.backend()?), options)?;
    gated.release()?;
    tables::initialise(&database, Identity { cluster: Uuid::new_v4(), generation: 1 })?;
    let history = History::load(&database)?;
    let opened = Arc::new(Opened::new(database, gated, None));
    Ok((Attached { opened, history }, Arc::new(disk)))
}

/// What becomes of a journal that does not belong to the database.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Foreign {
    /// It may have been written for the one that is missed.
    Refused,
    /// The database was put there on purpose.
    Forgotten,
}

/// Opens a disk's database, holding back what that writes, and what closing it writes should the
/// caller drop it: not a byte changes until the gate is released.
pub(crate) fn attach(
    disk: &dyn Disk,
    options: &Options,
    lock: Option<Arc<DirectoryLock>>,
    foreign: Foreign,
) -> Result<Attached, Fault> {
    let backend = disk.backend()?;
    if backend.len()? == 0 {
        return Err(Fault::Damaged("it is empty: 0 bytes".into()));
    }
    let (database, gated) = open_database(gate(disk, backend, foreign)?, options)?;
    let opened = Arc::new(Opened::new(database, gated, lock));
    let history = tables::guarded(|| History::load(opened.database()))?;
    Ok(Attached { opened, history })
}

/// The database's bytes with the commits that only the journal has.
fn gate(disk: &dyn Disk, backend: Box<dyn StorageBackend>, foreign: Foreign) -> Result<Gated, Fault> {
    let Some(journal) = disk.journal()? else { return Ok(Gated::hold(backend)) };
    let mut journal = Journal::new(journal)?;
    let commits = match (journal.read(&*backend)?, foreign) {
        (Found::Nothing, _) => Vec::new(),
        (Found::Foreign | Found::Damaged { .. }, Foreign::Forgotten) => {
            tracing::warn!(
                store.path = %disk.path().display(),
                "a journal at `{}` does not belong to the database without a marker, and is forgotten",
                disk.path().display()
            );
            Vec::new()
        }
        (Found::Commits(commits), _) => commits,
        (Found::Foreign, Foreign::Refused) => {
            return Err(Fault::Damaged(
                "the journal beside it was written for another database, or for another state of it".into(),
            ));
        }
        (Found::Damaged { record }, Foreign::Refused) => {
            return Err(Fault::Damaged(format!(
                "the checksum of record {record} of its journal does not fit"
            )));
        }
    };
    Ok(Gated::hold_with(backend, journal, commits))
}

fn open_database(gated: Gated, options: &Options) -> Result<(Database, Gated), Fault> {
    let database = tables::guarded(|| {
        redb::Builder::new()
            .set_cache_size(options.cache_bytes)
            .create_with_backend(gated.clone())
            .map_err(|error| redb::Error::from(error).into())
    })?;
    Ok((database, gated))
}

fn compare(path: &Path, found: Identity, expected: Identity) -> Result<(), OpenError> {
    if found == expected {
        return Ok(());
    }
    Err(OpenError::Foreign {
        path: path.to_owned(),
        found: found.cluster,
        found_generation: found.generation,
        expected: expected.cluster,
        expected_generation: expected.generation,
    })
}

// === impl Attached ===

impl Attached {
    /// The revision of the last commit.
    pub(crate) fn revision(&self) -> Revision {
        self.history.state.revision
    }

    /// Lets what opening wrote reach the disk. What the journal has may need room.
    pub(crate) fn release(&self, disk: &dyn Disk) -> Result<(), Fault> {
        let gated = &self.opened.gated;
        match gated.release().map_err(Fault::from) {
            Err(Fault::DiskFull) => {
                disk.free_ballast()?;
                Ok(gated.release()?)
            }
            released => released,
        }
    }
}

// === impl OpenError ===

impl OpenError {
    pub(crate) fn of_io(path: &Path, error: io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly { path, source: error }
            }
            io::ErrorKind::NotADirectory => Self::NotADirectory { path },
            _ if is_full(&error) => Self::DiskFull { path },
            _ => Self::Io { path, source: error },
        }
    }

    pub(crate) fn of_fault(path: &Path, fault: Fault) -> Self {
        match fault {
            Fault::Damaged(cause) => Self::Damaged { path: path.to_owned(), cause },
            Fault::Newer { .. } | Fault::Older { .. } => {
                Self::Format { path: path.to_owned(), cause: fault.to_string() }
            }
            Fault::DiskFull => Self::DiskFull { path: path.to_owned() },
            Fault::Io(error) => Self::of_io(path, error),
        }
    }
}

fn holder(pid: Option<u32>) -> String {
    match pid {
        Some(pid) if pid == std::process::id() => format!("this process (pid {pid})"),
        Some(pid) => format!("pid {pid}"),
        None => "another process".into(),
    }
}

fn owner(cluster: Option<Uuid>) -> String {
    cluster.map_or_else(String::new, |cluster| format!(" of cluster {cluster}"))
}
