//! Where the database's bytes live: a file in the data directory, or memory.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use redb::StorageBackend;
use redb::backends::{FileBackend, InMemoryBackend};

use crate::Options;

/// What the writer needs of a disk to recover from its errors.
pub(crate) trait Disk: Debug + Send + Sync + 'static {
    /// Opens the database's bytes, again where they are open already.
    fn backend(&self) -> io::Result<Box<dyn StorageBackend>>;

    /// Opens the journal's bytes, as many as it may have; `None` where there is no room for one.
    fn journal(&self) -> io::Result<Option<Box<dyn StorageBackend>>>;

    /// Reserves the space that recovery may need; fails where there is not enough.
    fn lay_ballast(&self) -> io::Result<()>;

    /// Gives the reserved space back.
    fn free_ballast(&self) -> io::Result<()>;

    /// Bytes free to us, where that is known.
    fn available_bytes(&self) -> Option<u64>;

    /// Where it is, for messages.
    fn path(&self) -> &Path;
}

/// A database file with its journal and its ballast beside it.
#[derive(Debug)]
pub(crate) struct FileDisk {
    directory: PathBuf,
    database: PathBuf,
    journal: PathBuf,
    journal_bytes: u64,
    ballast: PathBuf,
    ballast_bytes: u64,
}

/// A database that ends with its store.
#[derive(Debug)]
pub(crate) struct MemoryDisk;

// === impl FileDisk ===

impl FileDisk {
    pub(crate) fn new(directory: &Path, database: PathBuf, options: &Options) -> Self {
        Self {
            directory: directory.to_owned(),
            database,
            journal: directory.join("journal"),
            journal_bytes: options.journal_bytes,
            ballast: directory.join("ballast"),
            ballast_bytes: options.ballast_bytes,
        }
    }
}

impl FileDisk {
    /// Under another name until it has its space.
    fn make_journal(&self) -> io::Result<File> {
        let unfinished = self.directory.join("journal.new");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(&unfinished)?;
        if let Err(error) = reserve(&file, self.journal_bytes) {
            fs::remove_file(&unfinished)?;
            return Err(error);
        }
        file.sync_all()?;
        fs::rename(&unfinished, &self.journal)?;
        Ok(file)
    }
}

/// Whether there is no room, or none left for us.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl Disk for FileDisk {
    fn backend(&self) -> io::Result<Box<dyn StorageBackend>> {
        // Never `create`: a file that went missing has to be noticed, not replaced.
        let file = OpenOptions::new().read(true).write(true).open(&self.database)?;
        bytes_of(file)
    }

    fn journal(&self) -> io::Result<Option<Box<dyn StorageBackend>>> {
        let opened = OpenOptions::new().read(true).write(true).open(&self.journal);
        let file = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.journal_bytes == 0 => {
                return Ok(None);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => match self.make_journal() {
                Ok(file) => file,
                Err(error) if is_full(&error) => {
                    tracing::warn!(
                        store.path = %self.directory.display(),
                        "no room for a journal of {} bytes at `{}`: each write takes two syncs",
                        self.journal_bytes,
                        self.directory.display()
                    );
                    return Ok(None);
                }
                Err(error) => return Err(error),
            },
            // It may hold commits, whatever its size.
            opened => opened?,
        };
        // Also the name of one that was made right before a crash.
        File::open(&self.directory)?.sync_all()?;
        bytes_of(file).map(Some)
    }

    fn lay_ballast(&self) -> io::Result<()> {
        if fs::metadata(&self.ballast).is_ok_and(|found| found.len() == self.ballast_bytes) {
            return Ok(());
        }
        let file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&self.ballast)?;
        let laid = reserve(&file, self.ballast_bytes);
        if laid.is_err() {
            // Half a ballast takes the space and protects nothing.
            fs::remove_file(&self.ballast)?;
        }
        laid
    }

    fn free_ballast(&self) -> io::Result<()> {
        match fs::remove_file(&self.ballast) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn available_bytes(&self) -> Option<u64> {
        let found = rustix::fs::statvfs(&self.directory).ok()?;
        Some(found.f_bavail * found.f_frsize)
    }

    fn path(&self) -> &Path {
        &self.directory
    }
}

fn bytes_of(file: File) -> io::Result<Box<dyn StorageBackend>> {
    let backend = FileBackend::new(file).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(Box::new(backend))
}

/// Takes real blocks: a sparse file would reserve nothing.
fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    if bytes == 0 {
        return Ok(());
    }
    match fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) => {}
        Err(Errno::NOTSUP | Errno::NOSYS | Errno::INVAL) => write_noise(file, bytes)?,
        Err(errno) => return Err(errno.into()),
    }
    file.set_len(bytes)
}

/// Where blocks cannot be asked for, written ones are had; noise, since a file system may store
/// zeros in no space at all.
fn write_noise(mut file: &File, bytes: u64) -> io::Result<()> {
    let mut left = bytes;
    let mut seed = 1;
    while left > 0 {
        let block: Vec<u8> = (0..8_192u64)
            .flat_map(|word| {
                seed = xxhash_rust::xxh3::xxh3_64_with_seed(&word.to_be_bytes(), seed);
                seed.to_be_bytes()
            })
            .take(usize::try_from(left).unwrap_or(usize::MAX))
            .collect();
        file.write_all(&block)?;
        left -= block.len() as u64;
    }
    file.sync_data()
}

// === impl MemoryDisk ===

impl Disk for MemoryDisk {
    fn backend(&self) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(InMemoryBackend::new()))
    }

    fn journal(&self) -> io::Result<Option<Box<dyn StorageBackend>>> {
        Ok(None)
    }

    fn lay_ballast(&self) -> io::Result<()> {
        Ok(())
    }

    fn free_ballast(&self) -> io::Result<()> {
        Ok(())
    }

    fn available_bytes(&self) -> Option<u64> {
        None
    }

    fn path(&self) -> &Path {
        Path::new("memory")
    }
}
