//! A place inside of a volume (`subPath`), which a pod's programs cannot bend to lead out of it.
//!
//! The path is walked one name at a time from an open directory, and links are followed here and not
//! by the kernel: `..` never leads above the volume and an absolute target is refused. `openat2(2)`
//! with `RESOLVE_BENEATH` refuses the same on Linux alone, makes no directories on the way, and does
//! not say where the place really is, which an engine has to be told.
//!
//! What is found is a path without links. Between this and the mount a program of the same pod that
//! already runs could still put a link in its way; Kubernetes mounts by descriptor against that
//! (`pkg/volume/util/subpath`), for which one has to be root. Resolve it right before the start.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use super::VolumeError;
use super::folder::{Folder, Rights, mode_of};

/// As many as Linux follows (`path_resolution(7)`).
const LINKS_MAX: usize = 40;
/// Directories in each other: each is an open descriptor during the walk.
const DEPTH_MAX: usize = 128;

/// Why there is no such place.
#[derive(Debug, thiserror::Error)]
pub enum SubPathError {
    /// It would be somewhere else. The first words are Kubernetes'.
    #[error("subPath `{sub_path}` {found}")]
    Refused {
        /// As it was given.
        sub_path: String,
        /// What is wrong with it.
        found: &'static str,
    },
    /// The system refuses.
    #[error(transparent)]
    Volume(#[from] VolumeError),
}

/// The walk through a volume.
struct Walk {
    /// The volume, and each directory below that the walk is in.
    entered: Vec<Folder>,
    /// The names that are left, the next one last.
    left: Vec<OsString>,
    n_links: usize,
}

/// What the next name led to.
enum Step {
    On,
    Ended(PathBuf),
    Refused(&'static str),
}

/// The file or directory at `sub_path` in the directory `volume`. What is missing is made, as
/// directories with the volume's own permissions (`SafeMakeDir`).
///
/// # Errors
/// When it leads out of the volume or through a file, or something cannot be made.
pub fn resolve(volume: &Path, sub_path: &str) -> Result<PathBuf, SubPathError> {
    let refused = |found| SubPathError::Refused { sub_path: sub_path.to_owned(), found };
    check(sub_path).map_err(refused)?;
    let root = Folder::open(volume)?;
    let left = names(OsStr::new(sub_path)).rev().collect();
    let mut walk = Walk { entered: vec![root], left, n_links: 0 };
    loop {
        match walk.step()? {
            Step::On => {}
            Step::Ended(path) => return Ok(path),
            Step::Refused(found) => return Err(refused(found)),
        }
    }
}

/// Source: `pkg/kubelet/kubelet_pods.go`, `makeMounts`.
fn check(sub_path: &str) -> Result<(), &'static str> {
    if sub_path.starts_with('/') {
        return Err("must not be an absolute path");
    }
    if sub_path.split('/').any(|name| name == "..") {
        return Err("must not contain '..'");
    }
    if sub_path.contains('\0') {
        return Err("must not contain NUL");
    }
    Ok(())
}

fn names(path: &OsStr) -> impl DoubleEndedIterator<Item = OsString> {
    let names = path.as_bytes().split(|byte| *byte == b'/');
    names.filter(|name| !matches!(*name, b"" | b".")).map(|name| OsStr::from_bytes(name).to_owned())
}

// === impl Walk ===

impl Walk {
    fn step(&mut self) -> Result<Step, VolumeError> {
        let here = self.entered.last().expect("the volume is never left");
        let Some(name) = self.left.pop() else { return Ok(Step::Ended(here.path.clone())) };
        if name == ".." {
            if self.entered.len() == 1 {
                return Ok(Step::Refused("leads out of the volume"));
            }
            self.entered.pop();
            return Ok(Step::On);
        }
        match here.stat(&name)?.map(|found| FileType::from_raw_mode(found.st_mode)) {
            None => {
                let made = made(here, &self.entered[0], &name)?;
                Ok(self.enter(made))
            }
            Some(FileType::Directory) => {
                let child = here.child(&name)?;
                Ok(self.enter(child))
            }
            Some(FileType::Symlink) => self.follow(&name),
            Some(_) if self.left.is_empty() => Ok(Step::Ended(here.path.join(&name))),
            Some(_) => Ok(Step::Refused("leads through a file")),
        }
    }

    fn enter(&mut self, folder: Folder) -> Step {
        if self.entered.len() > DEPTH_MAX {
            return Step::Refused("is deeper than 128 directories");
        }
        self.entered.push(folder);
        Step::On
    }

    fn follow(&mut self, name: &OsStr) -> Result<Step, VolumeError> {
        self.n_links += 1;
        if self.n_links > LINKS_MAX {
            return Ok(Step::Refused("leads through too many links"));
        }
        let here = self.entered.last().expect("the volume is never left");
        // Somebody may have replaced it since; then there is nothing to follow.
        let target = here.link_target(name)?.unwrap_or_default();
        if target.as_bytes().starts_with(b"/") {
            return Ok(Step::Refused("leads out of the volume"));
        }
        self.left.extend(names(&target).rev());
        Ok(Step::On)
    }
}

fn made(here: &Folder, volume: &Folder, name: &OsStr) -> Result<Folder, VolumeError> {
    let mode = mode_of(&volume.stat_self()?) & 0o777;
    let child = here.make(name).map_err(|errno| here.failed("make", name, errno))?;
    child.give(Rights { mode, owner: None, group: None })?;
    Ok(child)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// A volume with `real/file` and some links, beside something secret.
    fn volume() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let volume = dir.path().canonicalize().unwrap().join("volume");
        fs::create_dir_all(volume.join("real/deep")).unwrap();
        fs::write(volume.join("real/file"), "x").unwrap();
        fs::create_dir(volume.with_file_name("secret")).unwrap();
        for (name, target) in [
            ("inside", "real/file"),
            ("around", "real/deep/../../real"),
            ("out", "../secret"),
            ("far", "real/../../secret"),
            ("root", "/etc"),
            ("loop", "loop"),
        ] {
            symlink(target, volume.join(name)).unwrap();
        }
        (dir, volume)
    }

    #[test]
    fn places_inside_are_found_without_links() {
        let (_dir, volume) = volume();
        let check = |sub_path: &str, wanted: &str| {
            assert_eq!(resolve(&volume, sub_path).unwrap(), volume.join(wanted), "{sub_path}");
        };
        check("real/file", "real/file");
        check("./real//deep/", "real/deep");
        check("inside", "real/file");
        check("around/file", "real/file");
        check("around/deep", "real/deep");
    }

    #[test]
    fn nothing_leads_out_of_the_volume() {
        let (_dir, volume) = volume();
        let check = |sub_path: &str, wanted: &str| {
            let found = resolve(&volume, sub_path).unwrap_err().to_string();
            assert_eq!(found, format!("subPath `{sub_path}` {wanted}"));
        };
        check("/etc", "must not be an absolute path");
        check("real/../..", "must not contain '..'");
        check("out", "leads out of the volume");
        check("out/new", "leads out of the volume");
        check("far", "leads out of the volume");
        check("root/passwd", "leads out of the volume");
        check("loop", "leads through too many links");
        check("inside/x", "leads through a file");
        check(&"d/".repeat(200), "is deeper than 128 directories");
        assert!(!volume.with_file_name("secret").join("new").exists());
    }

    #[test]
    fn what_is_missing_is_made_with_the_volumes_permissions() {
        let (_dir, volume) = volume();
        fs::set_permissions(&volume, PermissionsExt::from_mode(0o777)).unwrap();
        let found = resolve(&volume, "around/a/b").unwrap();
        assert_eq!(found, volume.join("real/a/b"));
        assert_eq!(fs::metadata(found).unwrap().permissions().mode() & 0o7777, 0o777);
    }
}
