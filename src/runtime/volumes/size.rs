//! How much a volume takes of its disk.

use std::collections::HashSet;
use std::ffi::OsStr;

use rustix::fs::Stat;

use super::folder::{Folder, is_directory};
use super::{VolumeError, VolumeId, Volumes};

/// Directories inside of each other that are looked into, each held open meanwhile. Nobody's data is
/// as deep; what is deeper counts without what it holds.
const DEPTH_MAX: usize = 128;

/// The unit of `st_blocks` (`inode(7)`).
const BLOCK_BYTES: u64 = 512;

// === impl Volumes ===

impl Volumes {
    /// The bytes of the blocks that a volume takes, as the kubelet counts them
    /// (`pkg/volume/util/fs`, `DiskUsage`): holes take none, and a file of several names is one. What
    /// Spur's user may not look into counts without what it holds; a volume that is not there takes
    /// nothing.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn used_bytes(&self, id: &VolumeId) -> Result<u64, VolumeError> {
        let mut used = Used::default();
        for place in self.places() {
            let Some(pod) = folder(place, OsStr::new(id.pod_uid()))? else { continue };
            if let Some(volume) = folder(&pod, OsStr::new(id.volume()))? {
                used.add_all_in(&volume, 0)?;
            }
        }
        Ok(used.bytes)
    }
}

/// What was seen so far.
#[derive(Debug, Default)]
struct Used {
    bytes: u64,
    /// Files of several names: device and number.
    seen: HashSet<(u64, u64)>,
}

// === impl Used ===

impl Used {
    fn add_all_in(&mut self, of: &Folder, depth: usize) -> Result<(), VolumeError> {
        for name in of.names(usize::MAX)? {
            // Programs delete while we look.
            let Some(found) = of.stat(&name)? else { continue };
            self.add(&found);
            if is_directory(&found)
                && depth < DEPTH_MAX
                && let Some(inner) = folder(of, &name)?
            {
                self.add_all_in(&inner, depth + 1)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, found: &Stat) {
        let is_first = found.st_nlink < 2 || is_directory(found) || self.seen.insert(identity(found));
        if is_first {
            self.bytes += u64::try_from(found.st_blocks).unwrap_or_default() * BLOCK_BYTES;
        }
    }
}

fn identity(found: &Stat) -> (u64, u64) {
    #[cfg(target_os = "linux")]
    let device = found.st_dev;
    #[cfg(not(target_os = "linux"))]
    let device = u64::from(found.st_dev.cast_unsigned());
    (device, found.st_ino)
}

/// The directory of this name; `None` where there is none, or none that may be read.
fn folder(parent: &Folder, name: &OsStr) -> Result<Option<Folder>, VolumeError> {
    use rustix::io::Errno;
    match parent.try_child(name) {
        Ok(folder) => Ok(Some(folder)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS | Errno::PERM) => Ok(None),
        Err(errno) => Err(parent.failed("open", name, errno)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::{Medium, VolumeId, Volumes};

    #[test]
    fn what_is_there_counts_once_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let volumes = Volumes::open(&home.path().join("volumes"), None).unwrap();
        let id = VolumeId::new("u", "cache").unwrap();
        assert_eq!(volumes.used_bytes(&id).unwrap(), 0, "it is not there yet");
        let at = volumes.empty_dir(&id, Medium::Disk, None).unwrap().path;
        let empty = volumes.used_bytes(&id).unwrap();
        fs::create_dir_all(at.join("a/b")).unwrap();
        fs::write(at.join("a/b/file"), vec![7; 100_000]).unwrap();
        let one = volumes.used_bytes(&id).unwrap() - empty;
        assert!((100_000..150_000).contains(&one), "{one}");
        fs::hard_link(at.join("a/b/file"), at.join("again")).unwrap();
        let outside = home.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), vec![7; 100_000]).unwrap();
        symlink(&outside, at.join("link")).unwrap();
        let hole = fs::File::create(at.join("hole")).unwrap();
        hole.set_len(1 << 30).unwrap();
        let with_others = volumes.used_bytes(&id).unwrap() - empty;
        assert!((one..one + 20_000).contains(&with_others), "{with_others} after {one}");
        // What another user's container has closed to us is left out; root may look.
        fs::set_permissions(at.join("a"), fs::Permissions::from_mode(0o000)).unwrap();
        assert!(volumes.used_bytes(&id).is_ok());
        fs::set_permissions(at.join("a"), fs::Permissions::from_mode(0o755)).unwrap();
    }
}
