//! Writing a volume's files so that they change together.
//!
//! Source: `pkg/volume/util/atomic_writer.go`. The files lie in a directory named for the time,
//! `..data` is a link to it that is replaced by a rename, and the names that programs know are links
//! through `..data`. Whoever opens `..data` once sees one version whole; whoever opens each file by
//! its name sees whole files, of which the later ones may be newer. Names that begin with `..` are
//! the writer's, which deletes what it does not know of them.
//!
//! One writer for each volume: the caller sees to it.

use std::ffi::{OsStr, OsString};

use jiff::Timestamp;
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use super::folder::{Folder, Rights, is_directory, mode_of};
use super::payload::{Node, Tree};
use super::{File, Payload, VolumeError, delete};

/// The link to the current version, and the one that is about to replace it.
const DATA: &str = "..data";
const NEXT: &str = "..data_tmp";
/// Directories, for everybody to enter; what is secret is shut off above the volume.
const DIRECTORY_MODE: u32 = 0o755;
/// What a group gets (`pkg/volume/volume_linux.go`, `SetVolumeOwnership`, of a volume that is read
/// only): its directories with setgid, its files to read.
const GROUP_DIRECTORY_MODE: u32 = 0o2110;
const GROUP_FILE_MODE: u32 = 0o440;
/// Names that were tried for a version: two in one second are told apart by 32 random bits.
const TRIES: usize = 8;

/// What became of a volume's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// They were as they should be; nothing was written.
    Unchanged,
    /// A new version is in place.
    Replaced,
}

/// Makes the volume hold these files and no others.
pub(super) fn write(volume: &Folder, payload: &Payload) -> Result<Change, VolumeError> {
    let current = current(volume)?;
    let change = match &current {
        Some((_, version)) if holds(version, &payload.tree, payload.group)? => Change::Unchanged,
        Some(_) | None => Change::Replaced,
    };
    let current = match (change, current) {
        (Change::Unchanged, Some((name, _))) => name,
        (Change::Unchanged | Change::Replaced, _) => replace(volume, payload)?,
    };
    // Also where nothing has changed: a crash may have come in between.
    show(volume, &payload.tree)?;
    clean(volume, &current, &payload.tree)?;
    Ok(change)
}

/// The current version and its name, where there is one. A link to anywhere else is none.
fn current(volume: &Folder) -> Result<Option<(OsString, Folder)>, VolumeError> {
    let Some(target) = volume.link_target(OsStr::new(DATA))? else { return Ok(None) };
    let bytes = target.as_encoded_bytes();
    if !bytes.starts_with(b"..") || bytes == b".." || bytes.contains(&b'/') {
        return Ok(None);
    }
    match volume.try_child(&target) {
        Ok(version) => Ok(Some((target, version))),
        Err(_) => Ok(None),
    }
}

/// Whether a directory holds exactly these files.
fn holds(folder: &Folder, tree: &Tree, group: Option<u32>) -> Result<bool, VolumeError> {
    let names = folder.names(tree.len() + 1)?;
    if names.len() != tree.len() {
        return Ok(false);
    }
    for (name, node) in tree {
        let name = OsStr::new(name);
        let Some(found) = folder.stat(name)? else { return Ok(false) };
        let is_same = match node {
            Node::File(file) => {
                is_file(&found, rights(file, group)) && folder.read(name)?.as_ref() == Some(&file.bytes)
            }
            Node::Directory(tree) => is_directory(&found) && holds(&folder.child(name)?, tree, group)?,
        };
        if !is_same {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_file(found: &Stat, rights: Rights) -> bool {
    let Rights { mode, owner, group } = rights;
    FileType::from_raw_mode(found.st_mode) == FileType::RegularFile
        && mode_of(found) == mode
        && owner.is_none_or(|owner| owner == found.st_uid)
        && group.is_none_or(|group| group == found.st_gid)
}

/// Writes a new version and swaps it in; gives its name.
fn replace(volume: &Folder, payload: &Payload) -> Result<OsString, VolumeError> {
    let (name, version) = new_version(volume)?;
    fill(&version, &payload.tree, payload.group)?;
    volume.unlink(OsStr::new(NEXT))?;
    volume.link(&name, OsStr::new(NEXT))?;
    volume.rename(OsStr::new(NEXT), OsStr::new(DATA))?;
    Ok(name)
}

fn new_version(volume: &Folder) -> Result<(OsString, Folder), VolumeError> {
    let mut tried = Err(Errno::EXIST);
    let mut name = OsString::new();
    for _ in 0..TRIES {
        let time = Timestamp::now().strftime("..%Y_%m_%d_%H_%M_%S");
        let random = uuid::Uuid::new_v4().as_fields().0;
        name = OsString::from(format!("{time}.{random}"));
        tried = volume.make(&name);
        if !matches!(tried, Err(Errno::EXIST)) {
            break;
        }
    }
    match tried {
        Ok(version) => Ok((name, version)),
        Err(errno) => Err(volume.failed("make", &name, errno)),
    }
}

fn fill(folder: &Folder, tree: &Tree, group: Option<u32>) -> Result<(), VolumeError> {
    for (name, node) in tree {
        let name = OsStr::new(name);
        match node {
            Node::File(file) => folder.write(name, &file.bytes, rights(file, group))?,
            Node::Directory(tree) => fill(&folder.child_or_new(name)?, tree, group)?,
        }
    }
    folder.give(directory_rights(group))
}

/// The rights of a directory of files.
pub(super) fn directory_rights(group: Option<u32>) -> Rights {
    let mode = DIRECTORY_MODE | group.map_or(0, |_| GROUP_DIRECTORY_MODE);
    Rights { mode, owner: None, group }
}

fn rights(file: &File, group: Option<u32>) -> Rights {
    let mode = (file.mode & 0o777) | group.map_or(0, |_| GROUP_FILE_MODE);
    Rights { mode, owner: file.owner, group }
}

/// Gives each file and directory at the top its name.
fn show(volume: &Folder, tree: &Tree) -> Result<(), VolumeError> {
    for name in tree.keys() {
        let (target, name) = (visible_target(name), OsStr::new(name));
        if volume.link_target(name)?.as_ref() == Some(&target) {
            continue;
        }
        if volume.stat(name)?.is_some() {
            delete::remove(volume, name)?;
        }
        volume.link(&target, name)?;
    }
    Ok(())
}

/// Deletes names that lead to nothing any more, and versions that are over.
fn clean(volume: &Folder, current: &OsStr, tree: &Tree) -> Result<(), VolumeError> {
    for name in volume.names(usize::MAX)? {
        let bytes = name.as_encoded_bytes();
        if bytes.starts_with(b"..") {
            if name != DATA && name != current {
                delete::remove(volume, &name)?;
            }
            continue;
        }
        let is_known = name.to_str().is_some_and(|name| tree.contains_key(name));
        let leads = volume.link_target(&name)?;
        if !is_known && leads.is_some_and(|target| target.as_encoded_bytes().starts_with(b"..data/")) {
            volume.unlink(&name)?;
        }
    }
    Ok(())
}

fn visible_target(name: &str) -> OsString {
    OsString::from(format!("{DATA}/{name}"))
}
