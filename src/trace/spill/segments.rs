//! The files that traces are written to, one after another.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::SpillTo;

/// Segments that the bound is divided into: an eighth of it goes at once.
const N_SEGMENTS: u64 = 8;

/// The files, and the one that is written to.
#[derive(Debug)]
pub(super) struct Segments {
    to: SpillTo,
    number: u64,
    file: io::BufWriter<File>,
    n_bytes: u64,
}

// === impl Segments ===

impl Segments {
    /// Begins another file; what is there stays, as far as the bound allows.
    pub(super) fn open(to: &SpillTo) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&to.dir)?;
        let last = Self::list(&to.dir)?.last().and_then(|path| number(path)).unwrap_or(0);
        let number = last + 1;
        let mut segments = Self { to: to.clone(), number, file: create(&to.dir, number)?, n_bytes: 0 };
        segments.make_room()?;
        Ok(segments)
    }

    /// The files of a directory, oldest first; none where there is no directory.
    pub(super) fn list(dir: &Path) -> io::Result<Vec<PathBuf>> {
        let entries = match std::fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        let mut numbered: Vec<(u64, PathBuf)> =
            paths.into_iter().filter_map(|path| Some((number(&path)?, path))).collect();
        numbered.sort();
        Ok(numbered.into_iter().map(|(_, path)| path).collect())
    }

    /// Adds a line, in another file where this one is full.
    pub(super) fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.n_bytes > 0 && self.n_bytes + line.len() as u64 > self.to.max_bytes / N_SEGMENTS {
            self.file.flush()?;
            self.number += 1;
            self.file = create(&self.to.dir, self.number)?;
            self.n_bytes = 0;
            self.make_room()?;
        }
        self.file.write_all(line)?;
        self.n_bytes += line.len() as u64;
        Ok(())
    }

    /// Hands what was written to the system, which keeps it when this process is killed.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// Removes the oldest files until the others and a full one fit.
    fn make_room(&mut self) -> io::Result<()> {
        let paths = Self::list(&self.to.dir)?;
        let sizes = paths.iter().map(|path| Ok(path.metadata()?.len())).collect::<io::Result<Vec<_>>>()?;
        let mut n_bytes: u64 = sizes.iter().sum::<u64>() + self.to.max_bytes / N_SEGMENTS;
        let full = paths.iter().zip(sizes).filter(|(path, _)| number(path) != Some(self.number));
        for (path, size) in full {
            if n_bytes <= self.to.max_bytes {
                break;
            }
            std::fs::remove_file(path)?;
            n_bytes -= size;
        }
        Ok(())
    }
}

fn create(dir: &Path, number: u64) -> io::Result<io::BufWriter<File>> {
    let path = dir.join(format!("traces-{number:08}.jsonl"));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    Ok(io::BufWriter::new(file))
}

fn number(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_prefix("traces-")?.strip_suffix(".jsonl")?.parse().ok()
}
