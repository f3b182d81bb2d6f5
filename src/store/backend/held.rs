//! What was written and is not in the file yet, and the file as it reads with it.

use std::io;
use std::sync::Arc;

use redb::StorageBackend;

use crate::journal::{Journal, Operation};

/// Bytes that an opening may hold back. 64 MiB: repair writes the allocator's state, about 64 kB per
/// GB of data, and a few tree pages; the journal has 8 MiB. More means that something is wrong.
const OPENING_MAX_BYTES: usize = 64 << 20;

/// Operations on a file, in order, that were not performed for good.
#[derive(Debug, Default)]
pub(super) struct Held {
    operations: Vec<Arc<Operation>>,
    /// So many of them, the first, were found in the journal by an opening.
    n_found: usize,
    /// Whether there is a journal to forget once they are in the file.
    has_journal: bool,
    /// So many of them, the first, are in the journal already, and only the file lacks them.
    n_sealed: usize,
    /// Before how many of them the file is to be synced.
    syncs: Vec<usize>,
    /// Of the journal that the others take, rounding and first record left out.
    bytes: u64,
}

/// Performs operations in order.
pub(super) fn perform(file: &dyn StorageBackend, operations: &[Arc<Operation>]) -> io::Result<()> {
    operations.iter().try_for_each(|operation| match &**operation {
        Operation::Write { offset, data } => file.write(*offset, data),
        Operation::SetLen(len) => file.set_len(*len),
    })
}

// === impl Held ===

impl Held {
    /// What a journal held, over the file that it belongs to.
    pub(super) fn with_found(found: Vec<Operation>) -> Self {
        let mut held = Self { has_journal: true, n_found: found.len(), ..Self::default() };
        found.into_iter().for_each(|operation| held.push(operation));
        held
    }

    /// What is in the journal already, and what is not.
    pub(super) fn sealed_and_not(&self) -> (Vec<Arc<Operation>>, Vec<Arc<Operation>>) {
        let (sealed, not) = self.operations.split_at(self.n_sealed);
        (sealed.to_vec(), not.to_vec())
    }

    /// Bytes of the journal that what is not in it takes, rounding and first record left out.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds what an opening writes.
    pub(super) fn push_of_opening(&mut self, operation: Operation) -> io::Result<()> {
        let bytes = self.bytes + operation.bytes();
        if bytes > OPENING_MAX_BYTES as u64 {
            return Err(io::Error::other(format!(
                "opening wrote {bytes} bytes, at most {OPENING_MAX_BYTES} are held back"
            )));
        }
        self.push(operation);
        Ok(())
    }

    pub(super) fn push(&mut self, operation: Operation) {
        self.bytes += operation.bytes();
        self.operations.push(Arc::new(operation));
    }

    pub(super) fn push_sync(&mut self) {
        self.syncs.push(self.operations.len());
    }

    /// The first so many are in the journal, and not in the file.
    pub(super) fn seal(&mut self, n: usize) {
        self.n_sealed = n;
        self.count();
    }

    /// The first so many are in the file. What was added since stays.
    pub(super) fn forget_first(&mut self, n: usize) {
        self.operations.drain(..n);
        self.n_sealed = 0;
        self.count();
    }

    /// Forgets what is not in the journal: it will not be written.
    pub(super) fn keep_sealed(&mut self) {
        self.operations.truncate(self.n_sealed);
        *self = Self {
            operations: std::mem::take(&mut self.operations),
            n_sealed: self.n_sealed,
            ..Self::default()
        };
    }

    fn count(&mut self) {
        self.bytes = self.operations[self.n_sealed..].iter().map(|operation| operation.bytes()).sum();
    }

    /// Performs everything, in order and with its syncs.
    ///
    /// It can be done again where it failed midway: what an opening writes is the file's header, so
    /// that a journal that was forgotten by then is laid over nothing that it does not know.
    pub(super) fn perform(&self, file: &dyn StorageBackend, journal: Option<&mut Journal>) -> io::Result<()> {
        let (found, later) = self.operations.split_at(self.n_found);
        if self.has_journal
            && let Some(journal) = journal
        {
            journal.sync()?;
            perform(file, found)?;
            // Before anything that the journal does not tell of: it would no longer fit the file.
            file.sync_data()?;
            journal.forget()?;
        } else {
            perform(file, found)?;
        }
        let mut done = 0;
        for sync in &self.syncs {
            let until = sync - self.n_found;
            perform(file, &later[done..until])?;
            file.sync_data()?;
            done = until;
        }
        perform(file, &later[done..])
    }

    /// Length of the file with what is held laid over it; some of it may be in it already.
    pub(super) fn len(&self, file: &dyn StorageBackend) -> io::Result<u64> {
        Ok(self.operations.iter().fold(file.len()?, |len, operation| match &**operation {
            Operation::Write { offset, data } => len.max(offset + data.len() as u64),
            Operation::SetLen(len) => *len,
        }))
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
            match &**operation {
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
