//! A disk that fails on demand: `disk.c`, compiled here and loaded into the server
//! before the C library, with the block of memory that they share.
//!
//! A size-limited file system would have to be mounted, which takes root, and knows
//! no EIO.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::Data;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/consistency/disk.c");

/// What the disk does from now on; the numbers are those of `disk.c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Sound = 0,
    /// ENOSPC for every new byte.
    Full = 1,
    /// EIO for writes.
    FailingWrites = 2,
    /// EIO for syncs, after which what was written may be there.
    FailingSyncs = 3,
    /// EIO for both.
    Failing = 4,
}

pub(crate) struct FaultyDisk {
    library: PathBuf,
    control_path: PathBuf,
    control: File,
    file: PathBuf,
}

/// Why there can be no such disk on this machine.
pub(crate) fn absent() -> Option<String> {
    if !cfg!(all(target_os = "linux", target_env = "gnu")) {
        return Some("needs Linux and a binary that is linked with glibc".to_owned());
    }
    match compiler().arg("--version").output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!("no C compiler: {:?} --version gives {}", compiler(), output.status)),
        Err(error) => Some(format!("no C compiler: {:?}: {error}", compiler())),
    }
}

fn compiler() -> Command {
    Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()))
}

// === impl FaultyDisk ===

impl FaultyDisk {
    /// A sound disk under a data directory.
    pub(crate) fn under(data: &Data) -> Self {
        let library = data.home().join("disk.so");
        compile(&library);
        let control_path = data.write("disk.control", "");
        let control = File::options().read(true).write(true).open(&control_path).expect("it was just made");
        control.set_len(24).expect("six numbers");
        Self { library, control_path, control, file: data.path().join("store/store.redb") }
    }

    /// What a server is started with, to have this disk.
    pub(crate) fn environment(&self) -> [(&'static str, String); 3] {
        let text = |path: &Path| path.to_str().expect("temporary paths are text").to_owned();
        [
            ("LD_PRELOAD", text(&self.library)),
            ("SPUR_FAULT_FILE", text(&self.file)),
            ("SPUR_FAULT_CONTROL", text(&self.control_path)),
        ]
    }

    /// Full from now on.
    pub(crate) fn fill(&self) {
        // No room is left of an earlier time.
        self.write(3, 0);
        self.write(0, Mode::Full as u32);
    }

    /// Lets some calls pass, and so many after them fail.
    pub(crate) fn fail(&self, mode: Mode, n_passing: u32, n_failing: u32) {
        self.write(4, n_passing);
        self.write(5, n_failing);
        self.write(0, mode as u32);
    }

    pub(crate) fn mend(&self) {
        self.write(0, Mode::Sound as u32);
    }

    /// Servers that have had it.
    pub(crate) fn n_loaded(&self) -> u32 {
        self.read(1)
    }

    /// Calls that it has let fail.
    pub(crate) fn n_failed(&self) -> u32 {
        self.read(2)
    }

    // The server maps the file; the system keeps a mapping and writes to its file
    // the same (POSIX, mmap, for MAP_SHARED; Linux has one page cache for both).
    fn write(&self, index: u64, value: u32) {
        self.control.write_all_at(&value.to_ne_bytes(), index * 4).expect("the control block is written");
    }

    fn read(&self, index: u64) -> u32 {
        let mut bytes = [0; 4];
        self.control.read_exact_at(&mut bytes, index * 4).expect("the control block is read");
        u32::from_ne_bytes(bytes)
    }
}

fn compile(library: &Path) {
    let arguments = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"];
    let output = compiler().args(arguments).arg(library).arg(SOURCE).arg("-ldl").output();
    let output = output.unwrap_or_else(|error| panic!("failed to compile `{SOURCE}`: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "failed to compile `{SOURCE}`: {said}");
}
