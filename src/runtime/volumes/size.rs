//! How much a volume takes of its disk.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;

use rustix::fs::Stat;
use rustix::io::Errno;

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
    /// (`pkg/volume/util/fs`, `DiskUsage`): holes take none, a file of several names is one, and what is
    /// mounted inside is not the volume's. What Spur's user may not look into counts without what it
    /// holds; a volume that is not there takes nothing. `None` where it is not wanted any more.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn used_bytes(
        &self,
        id: &VolumeId,
        is_wanted: &dyn Fn() -> bool,
    ) -> Result<Option<u64>, VolumeError> {
        let mut bytes = 0;
        for place in self.places() {
            let Some(pod) = folder(place, OsStr::new(id.pod_uid()))? else { continue };
            let Some(volume) = folder(&pod, OsStr::new(id.volume()))? else { continue };
            let device = identity(&volume.stat_self()?).0;
            let mut used = Used { bytes: 0, seen: HashSet::new(), device, is_wanted };
            if !used.add_all_in(&volume, 0)? {
                return Ok(None);
            }
            bytes += used.bytes;
        }
        Ok(Some(bytes))
    }
}

/// What was seen so far.
struct Used<'a> {
    bytes: u64,
    /// Files of several names: device and number.
    seen: HashSet<(u64, u64)>,
    /// The volume's.
    device: u64,
    is_wanted: &'a dyn Fn() -> bool,
}

// === impl Used ===

impl Used<'_> {
    /// Whether it came to the end.
    fn add_all_in(&mut self, of: &Folder, depth: usize) -> Result<bool, VolumeError> {
        let mut entries = match of.entries() {
            Ok(entries) => entries,
            Err(error) if is_closed_to_us(&error) => return Ok(true),
            Err(error) => return Err(error),
        };
        while let Some(name) = entries.next(of)? {
            if !(self.is_wanted)() {
                return Ok(false);
            }
            let found = match of.stat(&name) {
                Ok(Some(found)) => found,
                // Programs delete while we look.
                Ok(None) => continue,
                Err(error) if is_closed_to_us(&error) => return Ok(true),
                Err(error) => return Err(error),
            };
            if identity(&found).0 != self.device {
                continue;
            }
            self.add(&found);
            if is_directory(&found)
                && depth < DEPTH_MAX
                && let Some(inner) = folder(of, &name)?
                && !self.add_all_in(&inner, depth + 1)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn add(&mut self, found: &Stat) {
        let is_first = found.st_nlink < 2 || is_directory(found) || self.seen.insert(identity(found));
        if is_first {
            self.bytes += u64::try_from(found.st_blocks).unwrap_or_default() * BLOCK_BYTES;
        }
    }
}

/// Another user may have made a directory that we may list and not enter, or not even list.
fn is_closed_to_us(error: &VolumeError) -> bool {
    matches!(error, VolumeError::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
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
        let used = || volumes.used_bytes(&id, &|| true).unwrap().unwrap();
        assert_eq!(used(), 0, "it is not there yet");
        let at = volumes.empty_dir(&id, Medium::Disk, None).unwrap().path;
        let empty = used();
        fs::create_dir_all(at.join("a/b")).unwrap();
        fs::write(at.join("a/b/file"), vec![7; 100_000]).unwrap();
        let one = used() - empty;
        assert!((100_000..150_000).contains(&one), "{one}");
        fs::hard_link(at.join("a/b/file"), at.join("again")).unwrap();
        let outside = home.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), vec![7; 100_000]).unwrap();
        symlink(&outside, at.join("link")).unwrap();
        let hole = fs::File::create(at.join("hole")).unwrap();
        hole.set_len(1 << 30).unwrap();
        let with_others = used() - empty;
        assert!((one..one + 20_000).contains(&with_others), "{with_others} after {one}");
        assert_eq!(volumes.used_bytes(&id, &|| false).unwrap(), None, "nobody wants to know");
        // What another user's container has closed to us is left out, and nothing else; root may look.
        for mode in [0o000, 0o400, 0o100] {
            fs::set_permissions(at.join("a"), fs::Permissions::from_mode(mode)).unwrap();
            assert!(used() > empty);
        }
        fs::set_permissions(at.join("a"), fs::Permissions::from_mode(0o755)).unwrap();
    }
}
