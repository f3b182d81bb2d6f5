//! Deleting what pods' programs have left, whatever they have made of it.
//!
//! A directory is emptied by moving the directories in it up into a *trash* beside the first one,
//! to be emptied in turn. So no path gets long, no stack deep and few descriptors are open, however
//! deep the tree was. Links are deleted as themselves. What is mounted in the tree is never entered:
//! a mount point cannot be renamed (`rename(2)`, `EBUSY`), and then the deletion fails.

use std::ffi::{OsStr, OsString};

use rustix::io::Errno;

use super::VolumeError;
use super::folder::{Folder, OWNER_ALL, is_directory, mode_of};

/// What a trash is called: a name that no volume's files have.
const TRASH: &str = "..removing.";
/// Names that are read at once; a directory may hold millions.
const BATCH: usize = 1024;
/// How often a directory that was emptied may be found full again. What wrote into it has been
/// ended before, so that once is already strange.
const REFILLS_MAX: usize = 8;

/// A directory whose entries are to be deleted; all of them are directories.
struct Trash {
    folder: Folder,
    n_taken: u64,
}

/// Deletes what has this name in `parent`. It is out of sight at once, and what a crash leaves in
/// the trash is deleted by [`sweep`]. What is not there counts as deleted.
pub(super) fn remove(parent: &Folder, name: &OsStr) -> Result<(), VolumeError> {
    let Some(found) = parent.stat(name)? else { return Ok(()) };
    if !is_directory(&found) {
        return parent.unlink(name);
    }
    let trash_name = OsString::from(format!("{TRASH}{}", uuid::Uuid::new_v4()));
    let folder = parent.make(&trash_name).map_err(|errno| parent.failed("make", &trash_name, errno))?;
    let mut trash = Trash { folder, n_taken: 0 };
    let emptied = trash.take(parent, name).and_then(|()| trash.empty());
    // Of no use if it still holds something; then `emptied` says what.
    let removed = parent.remove_empty(&trash_name);
    emptied?;
    removed.map_err(|errno| parent.failed("delete", &trash_name, errno))
}

/// Deletes what earlier deletions have left in `parent`.
pub(super) fn sweep(parent: &Folder) -> Result<(), VolumeError> {
    for name in parent.names(usize::MAX)? {
        if is_trash(&name) {
            remove(parent, &name)?;
        }
    }
    Ok(())
}

/// Whether a name is that of a trash.
pub(super) fn is_trash(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(TRASH.as_bytes())
}

// === impl Trash ===

impl Trash {
    /// Moves a directory in.
    fn take(&mut self, from: &Folder, name: &OsStr) -> Result<(), VolumeError> {
        self.n_taken += 1;
        let new = OsString::from(self.n_taken.to_string());
        let moved = match from.move_to(name, &self.folder, &new) {
            // A directory that is moved has to be writable, since it holds `..`.
            Err(Errno::ACCESS | Errno::PERM) => {
                from.let_owner_in(name);
                from.move_to(name, &self.folder, &new)
            }
            moved => moved,
        };
        match moved {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(from.failed("delete", name, errno)),
        }
    }

    fn empty(&mut self) -> Result<(), VolumeError> {
        loop {
            let names = self.folder.names(BATCH)?;
            if names.is_empty() {
                return Ok(());
            }
            for name in names {
                self.empty_one(&name)?;
            }
        }
    }

    fn empty_one(&mut self, name: &OsStr) -> Result<(), VolumeError> {
        let folder = self.entered(name)?;
        for _ in 0..REFILLS_MAX {
            self.clear(&folder)?;
            match self.folder.remove_empty(name) {
                Ok(()) | Err(Errno::NOENT) => return Ok(()),
                Err(Errno::NOTEMPTY | Errno::EXIST) => {}
                Err(errno) => return Err(self.folder.failed("delete", name, errno)),
            }
        }
        Err(VolumeError::Busy { path: folder.path })
    }

    /// Opens a directory that may be read and written from then on.
    fn entered(&self, name: &OsStr) -> Result<Folder, VolumeError> {
        let folder = match self.folder.try_child(name) {
            Err(Errno::ACCESS | Errno::PERM) => {
                self.folder.let_owner_in(name);
                self.folder.child(name)?
            }
            opened => opened.map_err(|errno| self.folder.failed("open", name, errno))?,
        };
        if mode_of(&folder.stat_self()?) & OWNER_ALL != OWNER_ALL {
            self.folder.let_owner_in(name);
        }
        Ok(folder)
    }

    /// Deletes the files, and moves the directories into the trash.
    fn clear(&mut self, folder: &Folder) -> Result<(), VolumeError> {
        loop {
            let names = folder.names(BATCH)?;
            if names.is_empty() {
                return Ok(());
            }
            for name in names {
                match folder.stat(&name)? {
                    Some(found) if is_directory(&found) => self.take(folder, &name)?,
                    Some(_) => folder.unlink(&name)?,
                    None => {}
                }
            }
        }
    }
}
