//! A Docker engine of a test's own, which it may end and fill.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::bridge::Bridge;

/// A Docker daemon with nothing in it.
pub(crate) struct Daemon {
    /// Before the folder in which it is, so that it goes first.
    _disk: Option<Disk>,
    dir: tempfile::TempDir,
    bridge: Bridge,
    flags: &'static [&'static str],
    child: std::process::Child,
}

/// A small disk at this path.
struct Disk(PathBuf);

// === impl Daemon ===

impl Daemon {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// One with these flags, too.
    pub(crate) fn start_with(flags: &'static [&'static str]) -> Self {
        Self::start_in(Self::folder(), None, flags)
    }

    /// One whose containers, images and volumes share a disk of so many megabytes.
    pub(crate) fn start_on_disk(megabytes: u32) -> Self {
        let dir = Self::folder();
        let disk = Disk::mount(dir.path().join("data"), megabytes);
        Self::start_in(dir, Some(disk), &[])
    }

    fn folder() -> tempfile::TempDir {
        tempfile::Builder::new().prefix("spur-dockerd-").tempdir_in("/tmp").unwrap()
    }

    fn start_in(dir: tempfile::TempDir, disk: Option<Disk>, flags: &'static [&'static str]) -> Self {
        let bridge = Bridge::new();
        let child = Self::spawn(dir.path(), bridge.name(), flags);
        let daemon = Self { _disk: disk, dir, bridge, flags, child };
        daemon.wait();
        daemon
    }

    fn spawn(dir: &std::path::Path, bridge: &str, flags: &[&str]) -> std::process::Child {
        let mut command = Command::new("dockerd");
        command.arg("--host").arg(format!("unix://{}", dir.join("sock").display()));
        command.arg("--data-root").arg(dir.join("data")).arg("--exec-root").arg(dir.join("exec"));
        command
            .arg("--pidfile")
            .arg(dir.join("pid"))
            .args(["--iptables=false", "--bridge", bridge])
            .args(flags);
        let log = std::fs::File::options().create(true).append(true).open(dir.join("log")).unwrap();
        command.stdout(std::process::Stdio::null()).stderr(log).spawn().unwrap()
    }

    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.dir.path().join("sock").display())
    }

    fn wait(&self) {
        let host = self.host();
        for _ in 0..600 {
            let asked = Command::new("docker").args(["--host", &host, "version"]).output().unwrap();
            if asked.status.success() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        panic!("the daemon does not answer: {log}");
    }

    /// What is free where its containers are.
    pub(crate) fn free_bytes(&self) -> u64 {
        let found = rustix::fs::statvfs(self.dir.path().join("data")).unwrap();
        found.f_bavail * found.f_frsize
    }

    pub(crate) fn stop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn again(&mut self) {
        self.child = Self::spawn(self.dir.path(), self.bridge.name(), self.flags);
        self.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let host = self.host();
        let listed = Command::new("docker").args(["--host", &host, "ps", "-aq"]).output();
        let listed =
            listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        for id in listed.lines() {
            let _ = Command::new("docker").args(["--host", &host, "rm", "-f", id]).output();
        }
        let _ = Command::new("docker").args(["--host", &host, "network", "prune", "-f"]).output();
        self.stop();
    }
}

// === impl Disk ===

impl Disk {
    fn mount(path: PathBuf, megabytes: u32) -> Self {
        std::fs::create_dir(&path).unwrap();
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(&path).output();
        let mounted = mounted.unwrap();
        assert!(mounted.status.success(), "{}", String::from_utf8_lossy(&mounted.stderr));
        Self(path)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What the daemon has mounted below may be left for a moment.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
    }
}
