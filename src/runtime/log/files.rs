//! The files of one attempt: `0.log`, `1.log`, … of at most 10 MiB, of which the
//! last two are kept. Numbers instead of renames, so that a reader knows which
//! file comes after the one it holds.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tokio::sync::watch;

use super::cri::count_lines;

/// The kubelet's `containerLogMaxSize` default
/// (<https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/>).
/// With the rotated file an attempt holds twice this at most.
pub(super) const FILE_MAX_BYTES: u64 = 10 * 1024 * 1024;

/// What a reader has to know of the writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The oldest file kept.
    pub(super) oldest: u64,
    /// The file that is written.
    pub(super) current: u64,
    /// Its length: a reader that does not follow stops there.
    pub(super) current_bytes: u64,
    /// Lines in files that are gone.
    pub(super) lines_before_oldest: u64,
    /// Nothing more comes.
    pub(super) is_closed: bool,
}

/// The writing end.
pub(crate) struct LogFiles {
    dir: PathBuf,
    file: File,
    /// Lines in each kept file: the rotated one, if any, and the current one.
    rotated_lines: u64,
    current_lines: u64,
    progress: Progress,
    /// writer -- how far the log is --> readers of this attempt
    progress_tx: watch::Sender<Progress>,
}

/// Why records are not in the log, and how many lines they were.
#[derive(Debug, thiserror::Error)]
#[error("write a container's log: {lines} lines lost")]
pub(super) struct Lost {
    pub(super) lines: u64,
    #[source]
    pub(super) source: io::Error,
}

// === impl LogFiles ===

impl LogFiles {
    /// Makes the directory, which must not exist, and the first file in it.
    pub(crate) fn create(dir: &Path) -> io::Result<(Self, watch::Receiver<Progress>)> {
        std::fs::create_dir_all(dir)?;
        let progress =
            Progress { oldest: 0, current: 0, current_bytes: 0, lines_before_oldest: 0, is_closed: false };
        let (progress_tx, progress_rx) = watch::channel(progress);
        let files = Self {
            file: create_new(&path_of(dir, 0))?,
            dir: dir.into(),
            rotated_lines: 0,
            current_lines: 0,
            progress,
            progress_tx,
        };
        Ok((files, progress_rx))
    }

    /// Appends whole records, and rotates where the next one would not fit.
    ///
    /// # Errors
    /// The disk is full or gone; the file ends with a whole record.
    pub(super) fn append(&mut self, mut records: &[u8]) -> Result<(), Lost> {
        while !records.is_empty() {
            let fit = fitting(records, FILE_MAX_BYTES - self.progress.current_bytes);
            let (now, rest) = records.split_at(fit);
            let done = if fit == 0 { self.rotate() } else { self.write(now) };
            done.map_err(|source| Lost { lines: count_lines(records), source })?;
            records = rest;
        }
        Ok(())
    }

    fn write(&mut self, records: &[u8]) -> io::Result<()> {
        if let Err(e) = self.file.write_all(records) {
            // Half a record would swallow the next one. Appending goes on at the cut, as the
            // file is open for append.
            self.file.set_len(self.progress.current_bytes)?;
            return Err(e);
        }
        self.progress.current_bytes += u64::try_from(records.len()).expect("a length fits");
        self.current_lines += count_lines(records);
        self.progress_tx.send_replace(self.progress);
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let next = self.progress.current + 1;
        self.file = create_new(&path_of(&self.dir, next))?;
        let gone = self.progress.oldest;
        if self.progress.current > gone {
            self.progress.lines_before_oldest += self.rotated_lines;
            self.progress.oldest = self.progress.current;
        }
        self.rotated_lines = std::mem::take(&mut self.current_lines);
        self.progress.current = next;
        self.progress.current_bytes = 0;
        self.progress_tx.send_replace(self.progress);
        if self.progress.oldest > gone {
            std::fs::remove_file(path_of(&self.dir, gone))?;
        }
        Ok(())
    }
}

impl Drop for LogFiles {
    /// Readers that follow end here, however the writer ended.
    fn drop(&mut self) {
        self.progress.is_closed = true;
        self.progress_tx.send_replace(self.progress);
    }
}

/// How much of `records`, cut after a record, fits into `room`. A record that fits into no
/// file does not exist: it is 16 KiB long at most.
fn fitting(records: &[u8], room: u64) -> usize {
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    if records.len() <= room {
        return records.len();
    }
    let last = records[..room].iter().rposition(|b| *b == b'\n');
    last.map_or(0, |at| at + 1)
}

fn create_new(path: &Path) -> io::Result<File> {
    // Logs may hold secrets: they are for their owner only.
    OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)
}

pub(super) fn path_of(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number}.log"))
}

/// The progress of an attempt that nobody writes any more, from what is in its directory.
///
/// # Errors
/// There is no such directory, or no log in it.
pub(crate) fn progress_of_closed(dir: &Path) -> io::Result<Progress> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|n| n.strip_suffix(".log"));
        numbers.extend(number.and_then(|n| n.parse::<u64>().ok()));
    }
    let (oldest, current) = numbers.iter().min().zip(numbers.iter().max()).ok_or(io::ErrorKind::NotFound)?;
    Ok(Progress {
        oldest: *oldest,
        current: *current,
        current_bytes: std::fs::metadata(path_of(dir, *current))?.len(),
        // Only a reader that follows asks how many it missed, and here nothing moves.
        lines_before_oldest: 0,
        is_closed: true,
    })
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::super::cri::{Stream, Tag, encode, stamp};
    use super::*;

    fn records(n: usize, content: &[u8]) -> Vec<u8> {
        let (mut batch, at) = (Vec::new(), stamp(UNIX_EPOCH));
        for _ in 0..n {
            encode(&mut batch, &at, Stream::Stdout, Tag::Full, content);
        }
        batch
    }

    #[test]
    fn two_files_of_at_most_10_mib_are_kept_and_lines_before_them_counted() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("0");
        let (mut files, progress_rx) = LogFiles::create(&dir).unwrap();
        let (n_batches, n_each) = (36, 10_000_u64);
        for _ in 0..n_batches {
            files.append(&records(10_000, &[b'x'; 59])).unwrap();
        }
        let progress = *progress_rx.borrow();
        assert_eq!((progress.oldest, progress.current), (2, 3));
        let read = |n| std::fs::read(path_of(&dir, n)).unwrap();
        let (rotated, current) = (read(2), read(3));
        for file in [&rotated, &current] {
            assert!(file.len() <= FILE_MAX_BYTES as usize, "{}", file.len());
            assert_eq!(file.last(), Some(&b'\n'));
        }
        let n_kept = count_lines(&rotated) + count_lines(&current);
        assert_eq!(progress.lines_before_oldest + n_kept, n_batches * n_each);
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 2);
        drop(files);
        let closed = Progress { lines_before_oldest: 0, ..*progress_rx.borrow() };
        assert!(closed.is_closed);
        assert_eq!(progress_of_closed(&dir).unwrap(), closed);
    }
}
