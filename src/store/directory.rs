//! The data directory: who may use it, which files it holds, and that only one store does.
//!
//! ```text
//! cluster      marker: which database belongs here; its presence forbids creating one
//! store.redb   the database
//! journal      commits that the database file may not have yet
//! lock         held by the running store, holds its pid and a number that no other has
//! ballast      space given up when the disk is full
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::backends::FileBackend;
use uuid::Uuid;

use crate::OpenError;
use crate::network;
use crate::tables::{self, Identity};

/// The first bytes of every redb file (its design document, "Database header").
const MAGIC: [u8; 9] = [b'r', b'e', b'd', b'b', 0x1A, 0x0A, 0xA9, 0x0D, 0x0A];

/// A directory that this process has to itself.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    pub(crate) lock: Arc<DirectoryLock>,
}

/// Keeps other stores out for as long as it lives.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
    path: PathBuf,
    /// What the file holds as long as nobody else has taken the directory.
    text: String,
    written: Written,
}

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Written {
    device: u64,
    inode: u64,
    len: u64,
    /// Seconds and nanoseconds of the last change, as fine as the kernel's tick (4 ms at most).
    changed: (i64, i64),
}

// === impl Directory ===

impl Directory {
    /// Makes the directory where it is missing, and takes it.
    pub(crate) fn enter(path: &Path) -> Result<Self, OpenError> {
        let refuse = |error| OpenError::of_io(path, error);
        match fs::metadata(path) {
            Ok(found) if !found.is_dir() => {
                return Err(OpenError::NotADirectory { path: path.to_owned() });
            }
            Ok(found) => {
                let mode = found.permissions().mode() & 0o777;
                if mode & 0o077 != 0 {
                    return Err(OpenError::TooOpen { path: path.to_owned(), mode });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(refuse)?;
            }
            Err(error) => return Err(refuse(error)),
        }
        if let Some(name) = network::file_system(path) {
            return Err(OpenError::OnNetwork { path: path.to_owned(), name });
        }
        let lock = Arc::new(DirectoryLock::take(path)?);
        Ok(Self { path: path.to_owned(), lock })
    }

    /// The database file.
    pub(crate) fn database(&self) -> PathBuf {
        self.path.join("store.redb")
    }

    /// Which database belongs here; `None` before the first start has finished.
    pub(crate) fn marker(&self) -> Result<Option<Identity>, OpenError> {
        let text = match fs::read_to_string(self.path.join("cluster")) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(OpenError::of_io(&self.path, error)),
        };
        parse_marker(&text)
            .map(Some)
            .ok_or_else(|| OpenError::Marker { path: self.path.join("cluster"), found: text })
    }

    /// Whether there is a database to open. Says no only where none was ever made here.
    pub(crate) fn has_database(&self, marker: Option<Identity>) -> Result<bool, OpenError> {
        let database = self.database();
        let cluster = marker.map(|marker| marker.cluster);
        let mut file = match File::open(&database) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return match cluster {
                    None => Ok(false),
                    Some(cluster) => Err(OpenError::Missing { path: database, cluster }),
                };
            }
            Err(error) => return Err(OpenError::of_io(&self.path, error)),
        };
        let len = file.metadata().map_err(|error| OpenError::of_io(&self.path, error))?.len();
        if len == 0 {
            return Err(OpenError::Empty { path: database, cluster });
        }
        let mut magic = [0; MAGIC.len()];
        match file.read_exact(&mut magic) {
            Ok(()) if magic == MAGIC => Ok(true),
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                Err(OpenError::of_io(&self.path, error))
            }
            _ => Err(OpenError::NotADatabase { path: database }),
        }
    }

    /// Makes an empty database, under another name until it is whole, so that a crash in here
    /// leaves nothing that looks like a damaged one.
    pub(crate) fn create_database(&self, cache_bytes: usize) -> Result<(), OpenError> {
        let refuse = |error| OpenError::of_io(&self.path, error);
        let unfinished = self.path.join("store.redb.new");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)
            .map_err(refuse)?;
        let identity = Identity { cluster: Uuid::new_v4(), generation: 1 };
        let made = FileBackend::new(file).and_then(|backend| {
            redb::Builder::new().set_cache_size(cache_bytes).create_with_backend(backend)
        });
        let fail = |error: redb::Error| OpenError::of_fault(&self.database(), error.into());
        let database = made.map_err(|error| fail(error.into()))?;
        tables::initialise(&database, identity).map_err(fail)?;
        drop(database);
        fs::rename(&unfinished, self.database()).map_err(refuse)?;
        self.sync().map_err(refuse)
    }

    /// Writes down which database belongs here.
    pub(crate) fn write_marker(&self, identity: Identity) -> Result<(), OpenError> {
        let refuse = |error| OpenError::of_io(&self.path, error);
        let unfinished = self.path.join("cluster.new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)
            .map_err(refuse)?;
        let Identity { cluster, generation } = identity;
        write!(file, "cluster: {cluster}\ngeneration: {generation}\n").map_err(refuse)?;
        file.sync_all().map_err(refuse)?;
        fs::rename(&unfinished, self.path.join("cluster")).map_err(refuse)?;
        self.sync().map_err(refuse)
    }

    /// Makes names in the directory durable.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

// === impl DirectoryLock ===

impl DirectoryLock {
    fn take(directory: &Path) -> Result<Self, OpenError> {
        let refuse = |error| OpenError::of_io(directory, error);
        let path = directory.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(refuse)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The holder may be about to write its pid, or its file be unreadable.
                let pid = file.read_to_string(&mut holder).ok().and_then(|_| pid_in(&holder));
                return Err(OpenError::InUse { path: directory.to_owned(), pid });
            }
            Err(TryLockError::Error(error)) => return Err(refuse(error)),
        }
        file.set_len(0).map_err(refuse)?;
        let text = format!("{} {}\n", std::process::id(), Uuid::new_v4());
        file.write_all(text.as_bytes()).map_err(refuse)?;
        let written = Written::of(&path).map_err(refuse)?;
        Ok(Self { _file: file, path, text, written })
    }

    /// Who has taken the directory since, or what else became of the lock; `None` while it is
    /// ours. Asked before each commit: one `stat`, and a look into the file where that differs.
    pub(crate) fn taken_over(&self) -> Option<String> {
        if Written::of(&self.path).is_ok_and(|now| now == self.written) {
            return None;
        }
        let path = self.path.display();
        match fs::read_to_string(&self.path) {
            Ok(text) if text == self.text => None,
            Ok(text) => {
                let by = pid_in(&text).map_or_else(|| "somebody".into(), |pid| format!("pid {pid}"));
                Some(format!("`{path}` was taken over by {by}"))
            }
            Err(error) => Some(format!("`{path}` cannot be read any more: {error}")),
        }
    }
}

// === impl Written ===

impl Written {
    fn of(path: &Path) -> io::Result<Self> {
        let file = fs::metadata(path)?;
        Ok(Self {
            device: file.dev(),
            inode: file.ino(),
            len: file.len(),
            changed: (file.ctime(), file.ctime_nsec()),
        })
    }
}

fn pid_in(lock: &str) -> Option<u32> {
    lock.split_whitespace().next()?.parse().ok()
}

fn parse_marker(text: &str) -> Option<Identity> {
    let mut cluster = None;
    let mut generation = None;
    for line in text.lines() {
        match line.split_once(": ")? {
            ("cluster", value) => cluster = Uuid::parse_str(value).ok(),
            ("generation", value) => generation = value.parse().ok(),
            _ => return None,
        }
    }
    Some(Identity { cluster: cluster?, generation: generation? })
}
