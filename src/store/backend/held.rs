//! What was written and is not in the file yet, and the file as it reads with it.

use std::io;

use redb::StorageBackend;

use crate::journal::{Journal, Operation};

/// Bytes that may be held back. 64 MiB: the largest group of writes has 16 MiB of values and as
/// many of previous ones; repairing at an opening writes the allocator's state, about 64 kB per GB
/// of data, and a few tree pages. More than that means that something is wrong.
const MAX_BYTES: usize = 64 << 20;

/// Operations on a file, in order, that were not performed for good.
#[derive(Debug)]
pub(super) struct Held {
    operations: Vec<Operation>,
    /// So many of them, the first, come from the journal.
    n_found: usize,
    /// So many of them, the first, are in the journal already: it has no more to tell of them.
    n_sealed: usize,
    /// Whether the journal has to be forgotten once they are in the file.
    has_journal: bool,
    /// Before how many of them the file is to be synced.
    syncs: Vec<usize>,
    bytes: usize,
    /// Length of the file with them; `None` where there are none.
    len: Option<u64>,
}

/// Performs one.
pub(super) fn perform(file: &dyn StorageBackend, operation: &Operation) -> io::Result<()> {
    match operation {
        Operation::Write { offset, data } => file.write(*offset, data),
        Operation::SetLen(len) => file.set_len(*len),
    }
}

// === impl Held ===

impl Held {
    /// Nothing, over that file.
    pub(super) fn over(file: &dyn StorageBackend) -> io::Result<Self> {
        let (operations, syncs) = (Vec::new(), Vec::new());
        let len = Some(file.len()?);
        Ok(Self { operations, n_found: 0, n_sealed: 0, has_journal: false, syncs, bytes: 0, len })
    }

    /// What a journal held, over the file that it belongs to.
    pub(super) fn with_found(mut self, file: &dyn StorageBackend, found: Vec<Operation>) -> io::Result<Self> {
        self.has_journal = true;
        self.n_found = found.len();
        found.into_iter().try_for_each(|operation| self.push(file, operation))?;
        Ok(self)
    }

    pub(super) fn operations(&self) -> &[Operation] {
        &self.operations
    }

    pub(super) fn n_sealed(&self) -> usize {
        self.n_sealed
    }

    /// All that is held is in the journal.
    pub(super) fn seal(&mut self) {
        self.n_sealed = self.operations.len();
    }

    pub(super) fn push(&mut self, file: &dyn StorageBackend, operation: Operation) -> io::Result<()> {
        let len = self.len(file)?;
        self.len = Some(match &operation {
            Operation::Write { offset, data } => {
                self.bytes += data.len();
                len.max(offset + data.len() as u64)
            }
            Operation::SetLen(len) => *len,
        });
        if self.bytes > MAX_BYTES {
            let bytes = self.bytes;
            return Err(io::Error::other(format!(
                "{bytes} bytes are to be held back, at most {MAX_BYTES} are"
            )));
        }
        self.operations.push(operation);
        Ok(())
    }

    pub(super) fn push_sync(&mut self) {
        self.syncs.push(self.operations.len());
    }

    /// Performs everything, in order and with its syncs.
    pub(super) fn perform(&self, file: &dyn StorageBackend, journal: Option<&mut Journal>) -> io::Result<()> {
        let (found, later) = self.operations.split_at(self.n_found);
        found.iter().try_for_each(|operation| perform(file, operation))?;
        if self.has_journal
            && let Some(journal) = journal
        {
            // Before anything that the journal does not tell of: it would no longer fit the file.
            file.sync_data()?;
            journal.forget()?;
        }
        let mut syncs = self.syncs.iter().peekable();
        for (at, operation) in later.iter().enumerate() {
            while syncs.next_if(|sync| **sync <= self.n_found + at).is_some() {
                file.sync_data()?;
            }
            perform(file, operation)?;
        }
        syncs.try_for_each(|_| file.sync_data())
    }

    pub(super) fn clear(&mut self) {
        *self = Self {
            operations: Vec::new(),
            n_found: 0,
            n_sealed: 0,
            has_journal: false,
            syncs: Vec::new(),
            bytes: 0,
            len: None,
        };
    }

    /// Length of the file with what is held laid over it.
    pub(super) fn len(&self, file: &dyn StorageBackend) -> io::Result<u64> {
        self.len.map_or_else(|| file.len(), Ok)
    }

    /// Reads the file with what is held laid over it.
    pub(super) fn read(&self, file: &dyn StorageBackend, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if self.operations.is_empty() {
            return file.read(offset, out);
        }
        if offset + out.len() as u64 > self.len(file)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // Asked anew, since a release that failed may have changed it.
        let on_file = file.len()?.saturating_sub(offset).min(out.len() as u64);
        let on_file = usize::try_from(on_file).expect("it is at most a slice's length");
        let (old, beyond) = out.split_at_mut(on_file);
        if !old.is_empty() {
            file.read(offset, old)?;
        }
        beyond.fill(0);
        self.overlay(offset, out);
        Ok(())
    }

    fn overlay(&self, offset: u64, out: &mut [u8]) {
        let end = offset + out.len() as u64;
        for operation in &self.operations {
            match operation {
                Operation::Write { offset: at, data } => {
                    let from = offset.max(*at);
                    let to = end.min(at + data.len() as u64);
                    if from < to {
                        out[index(from - offset)..index(to - offset)]
                            .copy_from_slice(&data[index(from - at)..index(to - at)]);
                    }
                }
                // What a cut took away reads as zero when the file grows again.
                Operation::SetLen(len) if *len < end => {
                    out[index(len.saturating_sub(offset))..].fill(0);
                }
                Operation::SetLen(_) => {}
            }
        }
    }
}

fn index(distance: u64) -> usize {
    usize::try_from(distance).expect("distances inside one buffer fit its index")
}
