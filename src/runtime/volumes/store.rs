//! Where the volumes of all pods are, made and removed.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::folder::{Folder, OWNER_ALL, Rights, mode_of};
use super::write::{self, Change};
use super::{Payload, VolumeError, delete};

/// An empty directory is everybody's: containers run as anybody (`pkg/volume/emptydir`, `perm`).
const EMPTY_DIR_MODE: u32 = 0o777;
/// With a group: what is made in it gets the group, too (`SetVolumeOwnership`).
const SETGID: u32 = 0o2000;

/// The volumes of all pods.
#[derive(Debug)]
pub struct Volumes {
    pub(super) disk: Folder,
    /// Only where it is kept in memory.
    memory: Option<Folder>,
}

/// One volume of one pod, by names that are safe.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeId {
    pod_uid: String,
    volume: String,
}

/// Where a volume is to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// On disk.
    Disk,
    /// In memory, where there is a place for that: secrets, and `emptyDir.medium: Memory`.
    Memory,
}

/// Where a volume lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The directory to be mounted.
    pub path: PathBuf,
    /// Whether it is kept in memory and never on a disk.
    pub is_in_memory: bool,
}

// === impl Volumes ===

impl Volumes {
    /// Opens the two places, which are made for Spur's user alone if they are not there, and
    /// finishes deletions that were cut short. `memory` is left aside where it is not kept in memory.
    /// Nothing else may be in them.
    ///
    /// # Errors
    /// When a place can not be made, or is not this user's alone.
    pub fn open(disk: &Path, memory: Option<&Path>) -> Result<Self, VolumeError> {
        let disk = place(disk)?;
        let memory = memory.map(place).transpose()?.filter(Folder::is_in_memory);
        let volumes = Self { disk, memory };
        for place in volumes.places() {
            // Left by a container that was root, maybe. It takes space and nothing else.
            if let Err(error) = delete::sweep(place) {
                let place = place.path.display();
                let error: &dyn std::error::Error = &error;
                tracing::warn!(dir.path = %place, error, "failed to finish deletions in `{place}`");
            }
        }
        Ok(volumes)
    }

    /// Whether there is a place in memory; without one secrets lie on disk.
    pub fn has_memory(&self) -> bool {
        self.disk.is_in_memory() || self.memory.is_some()
    }

    /// An empty directory; one that is there already keeps what it holds.
    ///
    /// # Errors
    /// When it can not be made, or not be given to the group.
    pub fn empty_dir(&self, id: &VolumeId, medium: Medium, group: Option<u32>) -> Result<Place, VolumeError> {
        let (volume, place) = self.volume(id, medium)?;
        let mode = EMPTY_DIR_MODE | group.map_or(0, |_| SETGID);
        volume.give(Rights { mode, owner: None, group })?;
        Ok(place)
    }

    /// Makes a volume hold these files and no others, now and each time they change.
    ///
    /// # Errors
    /// When something cannot be written; the version before stays in place.
    pub fn files(
        &self,
        id: &VolumeId,
        medium: Medium,
        payload: &Payload,
    ) -> Result<(Place, Change), VolumeError> {
        let (volume, place) = self.volume(id, medium)?;
        volume.give(write::directory_rights(payload.group))?;
        let change = write::write(&volume, payload)?;
        Ok((place, change))
    }

    /// Deletes a volume; one that is not there counts as deleted.
    ///
    /// # Errors
    /// When something in it can not be deleted.
    pub fn remove_volume(&self, id: &VolumeId) -> Result<(), VolumeError> {
        self.places().try_for_each(|place| match place.stat(OsStr::new(&id.pod_uid))? {
            Some(_) => delete::remove(&place.child(OsStr::new(&id.pod_uid))?, OsStr::new(&id.volume)),
            None => Ok(()),
        })
    }

    /// Deletes everything of a pod, whatever its programs have made of it. They must have ended.
    ///
    /// # Errors
    /// When something can not be deleted; the rest is.
    pub fn remove_pod(&self, pod_uid: &str) -> Result<(), VolumeError> {
        let name = safe_name(pod_uid)?;
        let removed: Vec<_> = self.places().map(|place| delete::remove(place, OsStr::new(name))).collect();
        removed.into_iter().collect()
    }

    /// The uids of pods that have volumes here: after a restart some may be gone.
    ///
    /// # Errors
    /// When the places can not be read.
    pub fn pods(&self) -> Result<BTreeSet<String>, VolumeError> {
        let mut pods = BTreeSet::new();
        for place in self.places() {
            let names = place.names(usize::MAX)?.into_iter().filter(|name| !delete::is_trash(name));
            pods.extend(names.filter_map(|name| name.into_string().ok()));
        }
        Ok(pods)
    }

    pub(super) fn places(&self) -> impl Iterator<Item = &Folder> {
        std::iter::once(&self.disk).chain(&self.memory)
    }

    fn volume(&self, id: &VolumeId, medium: Medium) -> Result<(Folder, Place), VolumeError> {
        let place = match (medium, &self.memory) {
            (Medium::Memory, Some(memory)) => memory,
            (Medium::Memory, None) | (Medium::Disk, _) => &self.disk,
        };
        let volume = place.child_or_new(OsStr::new(&id.pod_uid))?.child_or_new(OsStr::new(&id.volume))?;
        let found = Place { path: volume.path.clone(), is_in_memory: volume.is_in_memory() };
        Ok((volume, found))
    }
}

/// One that is there already has to be ours alone and no link: `/dev/shm` is everybody's, and what
/// pods have left is deleted from here.
fn place(path: &Path) -> Result<Folder, VolumeError> {
    let failed = |source| VolumeError::Io { what: "make", path: path.to_owned(), source };
    std::fs::DirBuilder::new().recursive(true).mode(OWNER_ALL).create(path).map_err(failed)?;
    // The engine is given these paths, so they have to be whole ones.
    let whole = std::path::absolute(path).map_err(failed)?;
    let (Some(parent), Some(name)) = (whole.parent(), whole.file_name()) else {
        return Err(VolumeError::Shared { path: whole });
    };
    let folder = Folder::open(&parent.canonicalize().map_err(failed)?)?.child(name)?;
    let found = folder.stat_self()?;
    let is_ours = found.st_uid == rustix::process::geteuid().as_raw() && mode_of(&found) & 0o077 == 0;
    if is_ours { Ok(folder) } else { Err(VolumeError::Shared { path: folder.path }) }
}

// === impl VolumeId ===

impl VolumeId {
    /// The volume of this name of the pod with this uid.
    ///
    /// # Errors
    /// When one of them cannot name a directory.
    pub fn new(pod_uid: &str, volume: &str) -> Result<Self, VolumeError> {
        Ok(Self { pod_uid: safe_name(pod_uid)?.to_owned(), volume: safe_name(volume)?.to_owned() })
    }

    pub(super) fn pod_uid(&self) -> &str {
        &self.pod_uid
    }

    pub(super) fn volume(&self) -> &str {
        &self.volume
    }
}

/// Uids and names of volumes are of letters, digits and `-`; what a static uid may hold is refused
/// where it could lead elsewhere.
pub(super) fn safe_name(name: &str) -> Result<&str, VolumeError> {
    let is_safe = !name.is_empty() && name.len() <= 255 && !name.starts_with("..") && name != ".";
    match is_safe && !name.contains(['/', '\0']) {
        true => Ok(name),
        false => Err(VolumeError::Name { name: name.to_owned() }),
    }
}
