//! The machine's own files as a volume (`hostPath`): whether what is there is what was asked for.
//!
//! Source: `pkg/volume/hostpath/host_path.go`, `checkTypeInternal`, whose words these are.

use std::fs::{self, FileType};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What has to be at the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostPathKind {
    /// Whatever is there, or nothing.
    Any,
    /// A directory, made if nothing is there.
    DirectoryOrCreate,
    /// A directory.
    Directory,
    /// A file, made if nothing is there; its directory has to be there.
    FileOrCreate,
    /// A file.
    File,
    /// A unix socket.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
}

/// Why a path cannot be mounted.
#[derive(Debug, thiserror::Error)]
pub enum HostPathError {
    /// Something else is there, or nothing.
    #[error("hostPath type check failed: {} is not {wanted}", .path.display())]
    Other {
        /// Where.
        path: PathBuf,
        /// What was asked for.
        wanted: &'static str,
    },
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
}

/// Makes what is to be made, and looks whether the path is what it has to be.
///
/// # Errors
/// When it is not.
pub fn check(path: &Path, kind: HostPathKind) -> Result<(), HostPathError> {
    let failed = |what| move |source| HostPathError::Io { what, path: path.to_owned(), source };
    let found = match fs::metadata(path) {
        Ok(found) => Some(found.file_type()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed("look at")(error)),
    };
    match (kind, found) {
        // 0755 and 0644: `makeDir`, `makeFile`.
        (HostPathKind::DirectoryOrCreate, None) => {
            fs::DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(failed("make"))
        }
        (HostPathKind::FileOrCreate, None) => {
            let file = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o644).open(path);
            file.map(drop).map_err(failed("make"))
        }
        (kind, found) => match wanted(kind) {
            Some((is_it, _)) if found.as_ref().is_some_and(is_it) => Ok(()),
            Some((_, wanted)) => Err(HostPathError::Other { path: path.to_owned(), wanted }),
            None => Ok(()),
        },
    }
}

type Question = fn(&FileType) -> bool;

fn wanted(kind: HostPathKind) -> Option<(Question, &'static str)> {
    match kind {
        HostPathKind::Any => None,
        HostPathKind::DirectoryOrCreate | HostPathKind::Directory => Some((FileType::is_dir, "a directory")),
        HostPathKind::FileOrCreate | HostPathKind::File => Some((FileType::is_file, "a file")),
        HostPathKind::Socket => Some((FileType::is_socket, "a socket file")),
        HostPathKind::CharDevice => Some((FileType::is_char_device, "a character device")),
        HostPathKind::BlockDevice => Some((FileType::is_block_device, "a block device")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_has_to_be_what_was_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let check_it = |name: &str, kind: HostPathKind, wanted: Option<&str>| {
            let found = check(&at(name), kind).err().map(|error| error.to_string());
            let place = at(name);
            let wanted =
                wanted.map(|what| format!("hostPath type check failed: {} is not {what}", place.display()));
            assert_eq!(found, wanted, "{name} {kind:?}");
        };
        fs::write(at("file"), "").unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        check_it("none", HostPathKind::Any, None);
        check_it("none", HostPathKind::Directory, Some("a directory"));
        check_it("none", HostPathKind::File, Some("a file"));
        check_it("file", HostPathKind::Directory, Some("a directory"));
        check_it("file", HostPathKind::DirectoryOrCreate, Some("a directory"));
        check_it("file", HostPathKind::File, None);
        check_it("file", HostPathKind::Socket, Some("a socket file"));
        check_it("socket", HostPathKind::Socket, None);
        check_it("a/b", HostPathKind::DirectoryOrCreate, None);
        check_it("a/b/f", HostPathKind::FileOrCreate, None);
        check_it("a/b", HostPathKind::Directory, None);
        check_it("a/b/f", HostPathKind::File, None);
    }
}
