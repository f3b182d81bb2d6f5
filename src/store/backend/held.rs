//! What was written and is not in the file yet, and the file as it reads with it.

use std::io;
use std::sync::Arc;

use redb::StorageBackend;

use crate::journal::Operation;

/// Bytes that an opening may hold back. 64 MiB: repair writes the allocator's state, about 64 kB per
/// GB of data, and a few tree pages; a hundred times that means something is wrong.
const OPENING_MAX_BYTES: usize = 64 << 20;

/// Operations on a file, in order, that were not performed for good.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Those that the journal has, and that only the file lacks; then those that nothing has yet.
    operations: Vec<Arc<Operation>>,
    n_sealed: usize,
    /// Before how many of the latter the file is to be synced.
    syncs: Vec<usize>,
    /// Bytes that an opening may still write; a commit is bounded by what it is made of.
    left_bytes: Option<usize>,
}

/// Performs operations in order.
pub(super) fn perform(file: &dyn StorageBackend, operations: &[Arc<Operation>]) -> io::Result<()> {
    operations.iter().try_for_each(|operation| match &**operation {
        Operation::Write { offset, data } => file.write(*offset, data),
        Operation::SetLen(len) => file.set_len(*len),
    })
}

/// Performs operations in order, with syncs before so many of them.
pub(super) fn perform_with(
    file: &dyn StorageBackend,
    operations: &[Arc<Operation>],
    syncs: &[usize],
) -> io::Result<()> {
    let mut done = 0;
    for sync in syncs {
        perform(file, &operations[done..*sync])?;
        file.sync_data()?;
        done = *sync;
    }
    perform(file, &operations[done..])
}

// === impl Held ===

impl Held {
    /// What a journal held, over the file that it belongs to.
    pub(super) fn of_opening(found: Vec<Operation>) -> Self {
        Self {
            n_sealed: found.len(),
            operations: found.into_iter().map(Arc::new).collect(),
            syncs: Vec::new(),
            left_bytes: Some(OPENING_MAX_BYTES),
        }
    }

    /// What the journal has.
    pub(super) fn sealed(&self) -> &[Arc<Operation>] {
        &self.operations[..self.n_sealed]
    }

    /// What nothing has yet.
    pub(super) fn operations(&self) -> &[Arc<Operation>] {
        &self.operations[self.n_sealed..]
    }

    /// Before how many of [`Held::operations`] the file is to be synced.
    pub(super) fn syncs(&self) -> &[usize] {
        &self.syncs
    }

    pub(super) fn push(&mut self, operation: Operation) -> io::Result<()> {
        if let (Some(left), Operation::Write { data, .. }) = (&mut self.left_bytes, &operation) {
            let still_left = left.checked_sub(data.len()).ok_or_else(|| {
                io::Error::other(format!(
                    "opening writes more than the {OPENING_MAX_BYTES} bytes that are held back"
                ))
            })?;
            *left = still_left;
        }
        self.operations.push(Arc::new(operation));
        Ok(())
    }

    pub(super) fn push_sync(&mut self) {
        self.syncs.push(self.operations().len());
    }

    /// The first so many of what nothing had are in the journal now.
    pub(super) fn seal(&mut self, n: usize) {
        self.n_sealed += n;
        self.forget_syncs(n);
    }

    /// What the journal has is in the file.
    pub(super) fn forget_sealed(&mut self) {
        self.operations.drain(..self.n_sealed);
        self.n_sealed = 0;
    }

    /// So are the first so many of what nothing had.
    pub(super) fn forget_first(&mut self, n: usize) {
        self.seal(n);
        self.forget_sealed();
    }

    /// Forgets what nothing has: it will not be written.
    pub(super) fn keep_sealed(&mut self) {
        self.operations.truncate(self.n_sealed);
        self.syncs.clear();
    }

    fn forget_syncs(&mut self, n: usize) {
        self.syncs.retain_mut(|sync| {
            let is_later = *sync > n;
            *sync = sync.saturating_sub(n);
            is_later
        });
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
