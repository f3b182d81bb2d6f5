//! An open directory, and what can be done in it by one name, never through a symbolic link.
//!
//! A path that is walked by the kernel can be bent by whoever may write anywhere along it; a name
//! in an open directory cannot (`openat(2)`, `O_NOFOLLOW`). The path is kept for messages only.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;

use super::VolumeError;

/// Permissions of a directory.
pub(super) const OWNER_ALL: u32 = 0o700;

/// An open directory.
#[derive(Debug)]
pub(super) struct Folder {
    fd: OwnedFd,
    pub(super) path: PathBuf,
}

/// The names in a directory.
pub(super) struct Entries(Dir);

/// Whom something belongs to, and who may do what with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rights {
    pub(super) mode: u32,
    pub(super) owner: Option<u32>,
    pub(super) group: Option<u32>,
}

// === impl Folder ===

impl Folder {
    /// The directory at a path that no pod has a hand in.
    pub(super) fn open(path: &Path) -> Result<Self, VolumeError> {
        let fd = fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let fd = fd.map_err(|errno| failed("open", path, errno))?;
        Ok(Self { fd, path: path.to_owned() })
    }

    /// The directory of this name.
    pub(super) fn child(&self, name: &OsStr) -> Result<Self, VolumeError> {
        self.try_child(name).map_err(|errno| self.failed("open", name, errno))
    }

    pub(super) fn try_child(&self, name: &OsStr) -> rustix::io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = fs::openat(&self.fd, name, flags, Mode::empty())?;
        Ok(Self { fd, path: self.path.join(name) })
    }

    /// Makes the directory if there is none of this name, for its owner alone at first.
    pub(super) fn child_or_new(&self, name: &OsStr) -> Result<Self, VolumeError> {
        match self.make(name) {
            Ok(folder) => Ok(folder),
            Err(Errno::EXIST) => self.child(name),
            Err(errno) => Err(self.failed("make", name, errno)),
        }
    }

    /// Makes a directory that must not be there, for its owner alone at first.
    pub(super) fn make(&self, name: &OsStr) -> rustix::io::Result<Self> {
        fs::mkdirat(&self.fd, name, Mode::from_raw_mode(OWNER_ALL.into_raw()))?;
        self.try_child(name)
    }

    /// What there is of this name, a link as itself.
    pub(super) fn stat(&self, name: &OsStr) -> Result<Option<Stat>, VolumeError> {
        match fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.failed("look at", name, errno)),
        }
    }

    /// The first names in it, at most `n_max`.
    pub(super) fn names(&self, n_max: usize) -> Result<Vec<OsString>, VolumeError> {
        let read = || -> rustix::io::Result<Vec<OsString>> {
            let entries = Dir::read_from(&self.fd)?
                .filter(|entry| !matches!(entry, Ok(entry) if is_dots(entry.file_name().to_bytes())));
            entries
                .take(n_max)
                .map(|entry| Ok(OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned()))
                .collect()
        };
        read().map_err(|errno| failed("list", &self.path, errno))
    }

    /// The names in it, one after the other.
    pub(super) fn entries(&self) -> Result<Entries, VolumeError> {
        let dir = Dir::read_from(&self.fd).map_err(|errno| failed("list", &self.path, errno))?;
        Ok(Entries(dir))
    }

    /// Where a link leads; `None` where there is none of this name, or something else.
    pub(super) fn link_target(&self, name: &OsStr) -> Result<Option<OsString>, VolumeError> {
        match fs::readlinkat(&self.fd, name, Vec::new()) {
            Ok(target) => Ok(Some(OsStr::from_bytes(target.to_bytes()).to_owned())),
            Err(Errno::NOENT | Errno::INVAL) => Ok(None),
            Err(errno) => Err(self.failed("read link", name, errno)),
        }
    }

    pub(super) fn link(&self, target: &OsStr, name: &OsStr) -> Result<(), VolumeError> {
        fs::symlinkat(target, &self.fd, name).map_err(|errno| self.failed("make link", name, errno))
    }

    /// Renames within the directory, over what is there.
    pub(super) fn rename(&self, from: &OsStr, to: &OsStr) -> Result<(), VolumeError> {
        self.move_to(from, self, to).map_err(|errno| self.failed("rename to", to, errno))
    }

    pub(super) fn move_to(&self, name: &OsStr, to: &Self, new: &OsStr) -> rustix::io::Result<()> {
        fs::renameat(&self.fd, name, &to.fd, new)
    }

    /// Deletes what is no directory; what is not there counts as deleted.
    pub(super) fn unlink(&self, name: &OsStr) -> Result<(), VolumeError> {
        match fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.failed("delete", name, errno)),
        }
    }

    pub(super) fn remove_empty(&self, name: &OsStr) -> rustix::io::Result<()> {
        fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR)
    }

    /// What a file holds; `None` where its mode keeps us from reading it.
    pub(super) fn read(&self, name: &OsStr) -> Result<Option<Vec<u8>>, VolumeError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let read = || -> io::Result<Vec<u8>> {
            let mut file = std::fs::File::from(fs::openat(&self.fd, name, flags, Mode::empty())?);
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        match read() {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
            Err(error) => Err(self.failed("read", name, error)),
        }
    }

    /// The last bytes of a file, `max_bytes` at most.
    pub(super) fn read_end(&self, name: &OsStr, max_bytes: u64) -> Result<Vec<u8>, VolumeError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let read = || -> io::Result<Vec<u8>> {
            let mut file = std::fs::File::from(fs::openat(&self.fd, name, flags, Mode::empty())?);
            let len = file.metadata()?.len();
            file.seek(SeekFrom::Start(len.saturating_sub(max_bytes)))?;
            let mut bytes = Vec::new();
            // What is written meanwhile does not count.
            file.take(max_bytes).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().map_err(|error| self.failed("read", name, error))
    }

    /// Writes a file that must not be there.
    pub(super) fn write(&self, name: &OsStr, bytes: &[u8], rights: Rights) -> Result<(), VolumeError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let write = || -> io::Result<()> {
            let mut file = std::fs::File::from(fs::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR)?);
            file.write_all(bytes)?;
            Ok(rights.give(&file)?)
        };
        write().map_err(|error| self.failed("write", name, error))
    }

    /// Sets the directory's own rights.
    pub(super) fn give(&self, rights: Rights) -> Result<(), VolumeError> {
        rights.give(&self.fd).map_err(|errno| failed("set the rights of", &self.path, errno))
    }

    /// The directory's own rights and kind.
    pub(super) fn stat_self(&self) -> Result<Stat, VolumeError> {
        fs::fstat(&self.fd).map_err(|errno| failed("look at", &self.path, errno))
    }

    /// Lets the owner of a directory of this name into it, whatever its mode was. Best effort: what
    /// comes next says what is wrong.
    pub(super) fn let_owner_in(&self, name: &OsStr) {
        // `chmodat` follows links; by way of the descriptor it is this directory and no other.
        #[cfg(target_os = "linux")]
        {
            use std::os::fd::AsRawFd;
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            if let Ok(fd) = fs::openat(&self.fd, name, flags, Mode::empty()) {
                let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
                let _ = fs::chmod(path, Mode::RWXU);
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = fs::chmodat(&self.fd, name, Mode::RWXU, AtFlags::SYMLINK_NOFOLLOW);
    }

    /// Whether what is in it is kept in memory and never on a disk.
    pub(super) fn is_in_memory(&self) -> bool {
        // `statfs(2)`: TMPFS_MAGIC and RAMFS_MAGIC. Swap may hold a tmpfs, as in Kubernetes.
        #[cfg(target_os = "linux")]
        {
            const IN_MEMORY: [i64; 2] = [0x0102_1994, 0x8584_58f6];
            fs::fstatfs(&self.fd).is_ok_and(|found| IN_MEMORY.contains(&found.f_type))
        }
        #[cfg(not(target_os = "linux"))]
        false
    }

    pub(super) fn failed(
        &self,
        what: &'static str,
        name: &OsStr,
        error: impl Into<io::Error>,
    ) -> VolumeError {
        failed(what, &self.path.join(name), error)
    }
}

// === impl Entries ===

impl Entries {
    /// The next name in this folder.
    pub(super) fn next(&mut self, of: &Folder) -> Result<Option<OsString>, VolumeError> {
        for entry in &mut self.0 {
            let entry = entry.map_err(|errno| failed("list", &of.path, errno))?;
            let name = entry.file_name().to_bytes();
            if !is_dots(name) {
                return Ok(Some(OsStr::from_bytes(name).to_owned()));
            }
        }
        Ok(None)
    }
}

/// Whether a name is the directory itself or the one above.
fn is_dots(name: &[u8]) -> bool {
    matches!(name, b"." | b"..")
}

/// The permissions of what was found.
pub(super) fn mode_of(stat: &Stat) -> u32 {
    #[cfg(target_os = "linux")]
    let mode = stat.st_mode;
    #[cfg(not(target_os = "linux"))]
    let mode = u32::from(stat.st_mode);
    mode & 0o7777
}

pub(super) fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

fn failed(what: &'static str, path: &Path, error: impl Into<io::Error>) -> VolumeError {
    VolumeError::Io { what, path: path.to_owned(), source: error.into() }
}

// === impl Rights ===

impl Rights {
    /// First whose it is: a change of owner takes setgid away.
    fn give(self, fd: impl std::os::fd::AsFd) -> rustix::io::Result<()> {
        let Self { mode, owner, group } = self;
        if owner.is_some() || group.is_some() {
            fs::fchown(&fd, owner.map(Uid::from_raw), group.map(Gid::from_raw))?;
        }
        fs::fchmod(&fd, Mode::from_raw_mode(mode.into_raw()))
    }
}

/// Modes are 16 bits wide on macOS and 32 on Linux.
trait IntoRaw {
    fn into_raw(self) -> fs::RawMode;
}

impl IntoRaw for u32 {
    fn into_raw(self) -> fs::RawMode {
        #[cfg(target_os = "linux")]
        {
            self
        }
        #[cfg(not(target_os = "linux"))]
        {
            // Twelve bits at most are used.
            (self & 0o7777) as fs::RawMode
        }
    }
}
