//! What the holder's container image is made of: this executable, the shared libraries that it
//! names, and nothing that would have to be pulled.
//!
//! Who talks to an engine imports the archive under [`Image::name`], once for each build of the
//! executable, with [`Image::ENTRYPOINT`] as its entry point.

mod archive;
mod cache;
mod elf;
mod search;

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

/// How the archive is laid out; another layout is another image.
const LAYOUT: u64 = 1;

/// The files of an image.
#[derive(Clone, Debug)]
pub struct Image {
    /// The first is the executable, by its real path: `$ORIGIN` in it is where it really lies.
    files: Vec<File>,
    digest: String,
}

/// A file at the path that it has on this machine.
#[derive(Clone, Debug)]
struct File {
    path: PathBuf,
    size_bytes: u64,
    mode: u32,
}

/// Why no image can be made.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file is no program or library that the loader of this machine reads.
    #[error("cannot tell what `{}` needs: {found}", path.display())]
    Elf {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        found: String,
    },
    /// A library is nowhere where the loader would look for it, `LD_LIBRARY_PATH` aside.
    #[error("library `{name}`, which `{}` needs, is not found", needed_by.display())]
    Missing {
        /// As it is named.
        name: String,
        /// Who names it.
        needed_by: PathBuf,
    },
}

// === impl Image ===

impl Image {
    /// What runs in a container of it; the path of the unix socket comes behind.
    pub const ENTRYPOINT: [&str; 2] = ["/spur", "__holder"];

    /// Of an executable. Reads heads of files only; blocks for some milliseconds.
    ///
    /// # Errors
    /// It, or a library of it, is not there or cannot be read.
    pub fn of(executable: &Path) -> Result<Self, ImageError> {
        let read = |source| ImageError::Read { path: executable.to_owned(), source };
        let executable = executable.canonicalize().map_err(read)?;
        let mut digest = Xxh3::new();
        digest.update(&LAYOUT.to_le_bytes());
        let paths = search::files(&executable)?;
        let files = paths.into_iter().map(|path| File::at(path, &mut digest)).collect::<Result<_, _>>()?;
        Ok(Self { files, digest: format!("{:032x}", digest.digest128()) })
    }

    /// What it is called on an engine. It tells builds apart by paths, sizes and times of its
    /// files: what is equal in all of these was not written to in between.
    #[must_use]
    pub fn name(&self) -> String {
        format!("spur/holder:{}", self.digest)
    }
}

// === impl File ===

impl File {
    fn at(path: PathBuf, digest: &mut Xxh3) -> Result<Self, ImageError> {
        let metadata = match std::fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(source) => return Err(ImageError::Read { path, source }),
        };
        digest.update(path.as_os_str().as_encoded_bytes());
        // A path has no such byte, so that no two lists of files look the same.
        digest.update(&[0]);
        digest.update(&metadata.size().to_le_bytes());
        // The time of the last change of the inode cannot be set by whoever sets the other.
        for time in [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()] {
            digest.update(&time.to_le_bytes());
        }
        Ok(Self { size_bytes: metadata.size(), mode: metadata.mode() & 0o755, path })
    }
}
