//! What a build sends: the files of a folder, as they are read.
//!
//! The folder may be anybody's, such as a repository that was just fetched. Each step is a name in an
//! open folder (`openat(2)`, `O_NOFOLLOW`), so that no link and no rename leads out of it; links are
//! sent as links, and what is neither file, folder nor link is refused by its name.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use rustix::fs::{self as sys, AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::archive::{Archive, Entry, Kind};
use super::ignore::{Ignore, Matched};

/// Folders in folders. Each is open while it is walked, and a process may have 1,024 files open at
/// many places; paths of programs have 30.
const DEPTH_MAX: usize = 256;
/// Names in one folder: they are held to be sorted. Ten times what the largest folders of packages have.
const NAMES_MAX: usize = 1_000_000;

/// The file that says what is left out; it is sent whatever it says, since the engine reads it, too.
pub(super) const IGNORE_FILE: &str = ".dockerignore";

/// A folder, and what of it is sent.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) root: PathBuf,
    pub(super) ignore: Ignore,
    /// Relative to the root; it is sent whatever is left out.
    pub(super) dockerfile: String,
    /// Where the Dockerfile is none of the context's files.
    pub(super) foreign: Option<Foreign>,
}

/// A Dockerfile from elsewhere.
#[derive(Clone, Debug)]
pub(super) struct Foreign {
    pub(super) dockerfile: Vec<u8>,
    /// What the context's own `.dockerignore` says, where it has one.
    pub(super) ignore_file: Option<Vec<u8>>,
}

/// An open folder of the context.
struct Folder {
    fd: OwnedFd,
    /// Relative to the root, which is empty.
    path: Vec<u8>,
    matched: Matched,
    depth: usize,
}

// === impl Context ===

impl Context {
    /// Writes the tar archive. Blocks for as long as the disk and the reader take.
    ///
    /// # Errors
    /// Something cannot be read or sent, by its name; or `to` failed.
    pub(super) fn write(&self, to: impl Write) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = sys::open(&self.root, flags, Mode::empty()).map_err(|errno| named(b".", errno))?;
        let root = Folder { fd, path: Vec::new(), matched: Matched::default(), depth: 0 };
        let mut archive = Archive::new(to);
        // What is made of the whole context has its permissions.
        archive.add(b"./", &root.entry()?, io::empty())?;
        self.walk(&root, &mut archive)?;
        if let Some(foreign) = &self.foreign {
            self.write_foreign(foreign, &mut archive)?;
        }
        archive.finish()
    }

    fn walk(&self, folder: &Folder, archive: &mut Archive<impl Write>) -> io::Result<()> {
        for name in folder.names()? {
            let path = folder.path_of(&name);
            // As Go sees names that are no text.
            let text = text(&path);
            let (is_out, matched) = self.ignore.leaves_out(&text, &folder.matched);
            let is_wanted = text == self.dockerfile || text == IGNORE_FILE;
            let is_out = is_out && !is_wanted;
            if self.foreign.is_some() && text == IGNORE_FILE {
                // It comes last, with one line more.
                continue;
            }
            let kind = folder.kind(&name, &path)?;
            if kind == FileType::Directory {
                let is_walked = !is_out
                    || self.ignore.has_exceptions_in(&text)
                    || self.dockerfile.strip_prefix(&*text).is_some_and(|rest| rest.starts_with('/'));
                if is_walked {
                    let below = folder.below(&name, path, matched)?;
                    if !is_out {
                        archive.add(&[&below.path[..], b"/"].concat(), &below.entry()?, io::empty())?;
                    }
                    self.walk(&below, archive)?;
                }
            } else if !is_out {
                folder.send(&name, &path, kind, archive)?;
            }
        }
        Ok(())
    }

    /// As the Docker CLI does: under a name that no file has, which the engine leaves out of what is
    /// copied (`AddDockerfileToBuildContext`).
    fn write_foreign(&self, foreign: &Foreign, archive: &mut Archive<impl Write>) -> io::Result<()> {
        let Foreign { dockerfile, ignore_file } = foreign;
        let own = ignore_file.as_deref().unwrap_or(IGNORE_FILE.as_bytes());
        let ignored = [own, b"\n", self.dockerfile.as_bytes(), b"\n"].concat();
        for (name, content) in [(&*self.dockerfile, dockerfile), (IGNORE_FILE, &ignored)] {
            let size_bytes = u64::try_from(content.len()).unwrap_or_default();
            let entry = Entry { kind: Kind::File { size_bytes }, mode: 0o600, mtime: 0 };
            archive.add(name.as_bytes(), &entry, &content[..])?;
        }
        Ok(())
    }
}

// === impl Folder ===

impl Folder {
    /// In the order of their bytes, as Go's `filepath.Walk` has them.
    fn names(&self) -> io::Result<Vec<OsString>> {
        let entries = Dir::read_from(&self.fd).map_err(|errno| self.failed(errno))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|errno| self.failed(errno))?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            if names.len() == NAMES_MAX {
                return Err(self.failed(io::Error::other(format!("it has more than {NAMES_MAX} names"))));
            }
            names.push(OsString::from_vec(name.to_vec()));
        }
        names.sort_unstable();
        Ok(names)
    }

    fn kind(&self, name: &OsStr, path: &[u8]) -> io::Result<FileType> {
        let stat = sys::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW);
        Ok(FileType::from_raw_mode(stat.map_err(|errno| named(path, errno))?.st_mode))
    }

    fn below(&self, name: &OsStr, path: Vec<u8>, matched: Matched) -> io::Result<Self> {
        let depth = self.depth + 1;
        if depth > DEPTH_MAX {
            return Err(named(&path, io::Error::other(format!("it is below more than {DEPTH_MAX} folders"))));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = sys::openat(&self.fd, name, flags, Mode::empty()).map_err(|errno| named(&path, errno))?;
        Ok(Self { fd, path, matched, depth })
    }

    fn entry(&self) -> io::Result<Entry> {
        let metadata = self.fd.try_clone().and_then(|fd| File::from(fd).metadata());
        Ok(Entry::of(Kind::Folder, &metadata.map_err(|error| self.failed(error))?))
    }

    fn send(
        &self,
        name: &OsStr,
        path: &[u8],
        kind: FileType,
        archive: &mut Archive<impl Write>,
    ) -> io::Result<()> {
        match kind {
            FileType::RegularFile => self.send_file(name, path, archive),
            FileType::Symlink => {
                let target =
                    sys::readlinkat(&self.fd, name, Vec::new()).map_err(|errno| named(path, errno))?;
                // Links have no permissions of their own, and nobody looks at their times.
                let kind = Kind::Link { target: target.into_bytes() };
                archive.add(path, &Entry { kind, mode: 0o777, mtime: 0 }, io::empty())
            }
            other => {
                let what = match other {
                    FileType::Fifo => "a named pipe",
                    FileType::Socket => "a socket",
                    FileType::CharacterDevice | FileType::BlockDevice => "a device",
                    _ => "neither file, folder nor link",
                };
                let found = format!("it is {what}, which no context can have: name it in `{IGNORE_FILE}`");
                Err(named(path, io::Error::other(found)))
            }
        }
    }

    fn send_file(&self, name: &OsStr, path: &[u8], archive: &mut Archive<impl Write>) -> io::Result<()> {
        // What has become a pipe since must not hold us up.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = sys::openat(&self.fd, name, flags, Mode::empty()).map_err(|errno| named(path, errno))?;
        let mut file = File::from(file);
        let metadata = file.metadata().map_err(|error| named(path, error))?;
        if !metadata.is_file() {
            return Err(changed(path));
        }
        let size_bytes = metadata.len();
        let mut left = Reading { content: (&mut file).take(size_bytes), path };
        archive.add(path, &Entry::of(Kind::File { size_bytes }, &metadata), &mut left)?;
        // What was cut or has grown would leave an archive that says something else than it has.
        let is_cut = left.content.limit() > 0;
        let is_longer = file.read(&mut [0]).map_err(|error| named(path, error))? > 0;
        if is_cut || is_longer { Err(changed(path)) } else { Ok(()) }
    }

    fn path_of(&self, name: &OsStr) -> Vec<u8> {
        if self.path.is_empty() {
            return name.as_bytes().to_vec();
        }
        [&self.path[..], b"/", name.as_bytes()].concat()
    }

    fn failed(&self, error: impl Into<io::Error>) -> io::Error {
        named(if self.path.is_empty() { b"." } else { &self.path }, error)
    }
}

/// A file whose errors name it; those of whom it is written to do not.
struct Reading<'a, R> {
    content: R,
    path: &'a [u8],
}

// === impl Reading ===

impl<R: Read> Read for Reading<'_, R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.content.read(bytes).map_err(|error| named(self.path, error))
    }
}

// === impl Entry ===

impl Entry {
    fn of(kind: Kind, metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        let mtime = u64::try_from(metadata.mtime()).unwrap_or_default();
        Self { kind, mode: metadata.mode() & 0o7777, mtime }
    }
}

/// Each byte that belongs to no character counts as one that nobody knows, as in Go.
fn text(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}

fn changed(path: &[u8]) -> io::Error {
    named(path, io::Error::other("it has changed while it was read"))
}

fn named(path: &[u8], error: impl Into<io::Error>) -> io::Error {
    let error = error.into();
    let found = match Errno::from_io_error(&error) {
        Some(Errno::LOOP) => "it has become a link while it was read".to_owned(),
        _ => error.to_string(),
    };
    io::Error::new(error.kind(), format!("`{}`: {found}", String::from_utf8_lossy(path).escape_debug()))
}

#[cfg(test)]
mod tests;
