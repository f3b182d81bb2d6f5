//! File systems on which a data directory is not safe: those of other machines.

use std::path::Path;

/// What `statfs` calls them: `NFS_SUPER_MAGIC`, `SMB_SUPER_MAGIC`, `CIFS_SUPER_MAGIC`,
/// `SMB2_SUPER_MAGIC`, `AFS_FS_MAGIC`, `CEPH_SUPER_MAGIC` (Linux, `include/uapi/linux/magic.h`).
/// FUSE is missing on purpose: what lies behind it cannot be told, and is often a local disk.
const NETWORK: [(u32, &str); 6] = [
    (0x0000_6969, "NFS"),
    (0x0000_517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB"),
    (0x6B41_4653, "AFS"),
    (0x00C3_6400, "Ceph"),
];

/// The network file system that a path is on, where it is on one.
#[cfg(target_os = "linux")]
pub(crate) fn file_system(path: &Path) -> Option<&'static str> {
    // What cannot be asked is not refused for it: opening will say what is wrong.
    let found = rustix::fs::statfs(path).ok()?;
    // The field is signed and wider than the number on some systems.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "32 bits count")]
    name(found.f_type as u32)
}

/// Elsewhere there is no such number.
#[cfg(not(target_os = "linux"))]
pub(crate) fn file_system(_path: &Path) -> Option<&'static str> {
    None
}

#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "nobody asks there"))]
fn name(magic: u32) -> Option<&'static str> {
    NETWORK.iter().find(|(known, _)| *known == magic).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ST-9: a data directory on NFS and its like is told from one on a disk.
    #[test]
    fn st_9_network_file_systems_are_known_and_disks_are_not_taken_for_them() {
        for (magic, expected) in [(0x6969, "NFS"), (0xFF53_4D42, "CIFS")] {
            assert_eq!(name(magic), Some(expected));
        }
        // ext, tmpfs, btrfs, xfs, overlayfs.
        for magic in [0xEF53, 0x0102_1994, 0x9123_683E, 0x5846_5342, 0x794C_7630] {
            assert_eq!(name(magic), None, "{magic:x}");
        }
        let here = tempfile::tempdir().unwrap();
        assert_eq!(file_system(here.path()), None, "tests run on a disk of this machine");
    }
}
