//! Starting a program in a pod's network: this process moves there and becomes the program.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{StatVfsMountFlags, statvfs};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount_bind, mount_remount};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use crate::pod::{open, unshare};
use crate::protocol::Refusal;

/// What a program returns that could not be started: as for a container
/// (`containerd`, `errorStartExitCode`).
pub(crate) const EXIT_CODE: u8 = 128;

/// A pod's network, and what the program sees that others do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entrance {
    /// The process that holds the pod's namespaces.
    pub pid: u32,
    /// Its descriptor of the pod's network.
    pub descriptor: i32,
    /// What lies over the machine's own files.
    pub shown: Vec<Shown>,
}

/// A file or directory in the place of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// What is seen.
    pub source: PathBuf,
    /// Where, which has to be there.
    pub target: PathBuf,
    /// Whether it may not be written.
    pub is_read_only: bool,
}

// === impl Entrance ===

impl Entrance {
    /// Becomes the program at `path`, whose name for itself and arguments are `words`, with the
    /// environment and in the directory of the caller. To be called before there is a second thread.
    ///
    /// It comes back with the reason where that fails.
    pub fn become_program(&self, path: &OsString, words: &[OsString]) -> String {
        if let Err(refusal) = self.enter() {
            return refusal.to_string();
        }
        let mut program = Command::new(path);
        if let Some((name, args)) = words.split_first() {
            program.arg0(name).args(args);
        }
        format!("start `{}`: {}", path.to_string_lossy(), program.exec())
    }

    fn enter(&self) -> Result<(), Refusal> {
        let (pid, descriptor) = (self.pid, self.descriptor);
        let users = open(format!("/proc/{pid}/ns/user"))?;
        let network = open(format!("/proc/{pid}/fd/{descriptor}"))?;
        for (namespace, kind) in [(users, LinkNameSpaceType::User), (network, LinkNameSpaceType::Network)] {
            move_into_link_name_space(namespace.as_fd(), Some(kind))
                .map_err(|error| Refusal::new(format!("enter the pod's {kind:?} namespace"), error))?;
        }
        if self.shown.is_empty() {
            return Ok(());
        }
        mount_namespace()?;
        self.shown.iter().try_for_each(Shown::show)
    }
}

// === impl Shown ===

impl Shown {
    fn show(&self) -> Result<(), Refusal> {
        let Self { source, target, is_read_only } = self;
        let refused =
            |error| Refusal::new(format!("show `{}` as `{}`", source.display(), target.display()), error);
        mount_bind(source, target).map_err(refused)?;
        if *is_read_only {
            let kept = kept_flags(target).map_err(refused)?;
            mount_remount(target, MountFlags::BIND | MountFlags::RDONLY | kept, "").map_err(refused)?;
        }
        Ok(())
    }
}

/// What a mount forbids and a namespace of less rights may not allow again: whoever sets other flags
/// has to set these, too (mount_namespaces(7), "Restrictions on mount namespaces").
fn kept_flags(target: &Path) -> Result<MountFlags, Errno> {
    const LOCKED: [(StatVfsMountFlags, MountFlags); 5] = [
        (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::NODEV, MountFlags::NODEV),
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
    ];
    let found = statvfs(target)?.f_flag;
    let kept = LOCKED.iter().filter(|(flag, _)| found.contains(*flag)).map(|(_, flag)| *flag);
    Ok(kept.collect())
}

/// One of the caller's own: in a user namespace of less rights it is a slave of the one before, so
/// that nothing mounted in it is seen outside (mount_namespaces(7)).
pub(crate) fn mount_namespace() -> Result<(), Refusal> {
    unshare("a mount namespace", UnshareFlags::NEWNS)
}
