//! The runtime's directory: whose it is, what is in it, and what an earlier Spur
//! left in it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tracing::warn;

use super::record::Record;

/// A directory that is ours until this is dropped.
pub(super) struct Registry {
    pods: PathBuf,
    /// Tells this directory's processes from those of another one; kept in the directory.
    pub(super) id: String,
    /// Held for as long as we may start processes; a killed Spur's lock goes with it.
    _lock: File,
}

/// Why a runtime could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another Spur runs processes from this directory: what it runs is not to be reaped.
    #[error("open {}: another spur uses it", .dir.display())]
    InUse {
        /// Which directory.
        dir: PathBuf,
    },
    /// A file or directory could not be made, read or locked.
    #[error("open {}", .path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

// === impl Registry ===

impl Registry {
    /// Makes the directory where it is missing, and locks it.
    pub(super) fn open(dir: &Path) -> Result<Self, OpenError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Io { path, source }
        };
        let pods = dir.join("pods");
        // Output and records are for their owner only.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&pods).map_err(at(&pods))?;
        let path = dir.join("lock");
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(at(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { dir: dir.into() }),
            Err(TryLockError::Error(e)) => return Err(at(&path)(e)),
        }
        let path = dir.join("id");
        let id = read_or_make_id(&path).map_err(at(&path))?;
        Ok(Self { pods, id, _lock: lock })
    }

    /// Where a container's files are. The names must have passed [`is_file_name`].
    pub(super) fn container_dir(&self, uid: &str, container: &str) -> PathBuf {
        self.pods.join(uid).join(container)
    }

    /// Deletes a container's files, and its pod's directory with the last of them.
    pub(super) fn delete(container_dir: &Path) -> io::Result<()> {
        match std::fs::remove_dir_all(container_dir) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            Ok(()) | Err(_) => {}
        }
        if let Some(pod_dir) = container_dir.parent() {
            // Refused while the pod has other containers.
            let _ = std::fs::remove_dir(pod_dir);
        }
        Ok(())
    }

    /// Every record with its directory. What cannot be read is deleted: without a name
    /// nobody could ask for its logs, and its processes are found by their cookie.
    pub(super) fn load(&self) -> Result<Vec<(PathBuf, Record)>, OpenError> {
        let mut records = Vec::new();
        for pod_dir in children(&self.pods)? {
            for dir in children(&pod_dir)? {
                match Record::read(&dir) {
                    Ok(record) => records.push((dir, record)),
                    Err(error) => {
                        warn!(%error, path = %dir.display(), "drop a container without a readable record");
                        Self::delete(&dir).map_err(|source| OpenError::Io { path: dir, source })?;
                    }
                }
            }
        }
        Ok(records)
    }
}

/// Whether a name from an object can be a file's name as it is: letters, digits, `-`, `_` and
/// `.`, not beginning with a dot. Pod uids and container names are by their own rules.
pub(super) fn is_file_name(name: &str) -> bool {
    // 253 is the longest name Kubernetes has (RFC 1123 subdomain); file systems take 255.
    (1..=253).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

fn read_or_make_id(path: &Path) -> io::Result<String> {
    match std::fs::read_to_string(path) {
        Ok(id) if is_file_name(&id) => return Ok(id),
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        Ok(_) | Err(_) => {}
    }
    let id = uuid::Uuid::new_v4().to_string();
    // Renamed into place: half an id would never be found again in an environment.
    let new = path.with_extension("new");
    std::fs::write(&new, &id)?;
    std::fs::rename(new, path)?;
    Ok(id)
}

fn children(dir: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let read = || std::fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
    read().map_err(|source| OpenError::Io { path: dir.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_become_file_names() {
        let check = |name: &str, wanted| assert_eq!(is_file_name(name), wanted, "{name:?}");
        check("2f1c5ab0-8a63-4f4a-9c2b-0a4f8a4f7d11", true);
        check("app_1.x", true);
        for name in ["", ".", "..", ".x", "a/b", "a\0", "ä", "a b"] {
            check(name, false);
        }
        check(&"x".repeat(254), false);
    }

    #[test]
    fn a_directory_has_one_owner_and_keeps_its_id() {
        let dir = tempfile::tempdir().unwrap();
        let first = Registry::open(dir.path()).unwrap();
        let second = Registry::open(dir.path()).err().unwrap();
        assert!(second.to_string().ends_with("another spur uses it"));
        let id = first.id.clone();
        drop(first);
        assert_eq!(Registry::open(dir.path()).unwrap().id, id);
    }
}
