//! A gate between redb and the file: an opening writes nothing until it has succeeded, a commit
//! reaches the file when the journal has all of it, and a database that was replaced writes nothing
//! any more.
//!
//! redb marks the file as soon as it opens it, and repairs it while opening. With the writes of
//! the opening held back, a damaged file is left exactly as it was, and an attempt to open a
//! second time can fail without harm to those who still read through the first.

mod held;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use redb::StorageBackend;

use crate::journal::{FILE_HEADER, Journal, Operation};
use held::Held;

/// An opening's writes are held back.
const HELD: u8 = 0;
/// A commit's writes are held back until it is sealed.
const JOURNALED: u8 = 1;
/// Everything goes through.
const THROUGH: u8 = 2;
/// Nothing does.
const FENCED: u8 = 3;

/// A storage backend behind a gate; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Gated(Arc<Gate>);

#[derive(Debug)]
struct Gate {
    inner: Box<dyn StorageBackend>,
    mode: AtomicU8,
    /// Guards what was written and is not in the file. Taken after `journal`.
    held: RwLock<Held>,
    /// Guards the journal, where there is one.
    journal: Mutex<Option<Journal>>,
}

// === impl Gated ===

impl Gated {
    /// Holds all writes back until [`Gated::release`].
    pub(crate) fn hold(inner: Box<dyn StorageBackend>) -> io::Result<Self> {
        let held = Held::over(&*inner)?;
        Ok(Self::new(inner, held, None))
    }

    /// As [`Gated::hold`], with what the journal found laid over the file. Whatever is in the
    /// journal is forgotten when the writes are released; later commits go through it.
    pub(crate) fn hold_with(
        inner: Box<dyn StorageBackend>,
        journal: Journal,
        found: Vec<Operation>,
    ) -> io::Result<Self> {
        let held = Held::over(&*inner)?.with_found(&*inner, found)?;
        Ok(Self::new(inner, held, Some(journal)))
    }

    fn new(inner: Box<dyn StorageBackend>, held: Held, journal: Option<Journal>) -> Self {
        Self(Arc::new(Gate {
            inner,
            mode: AtomicU8::new(HELD),
            held: RwLock::new(held),
            journal: Mutex::new(journal),
        }))
    }

    /// Performs what was held back, in its order and with its syncs, and holds nothing any more.
    /// The order makes a crash in here the same as a crash during an ordinary opening.
    ///
    /// Where that fails, all is still held back: laid over a file that has some of it already it
    /// reads the same, so reads go on, and all of it can be performed again. Again from the
    /// start, since a failed sync leaves open what became of the writes before it.
    pub(crate) fn release(&self) -> io::Result<()> {
        let mut journal = self.journal();
        let mut held = self.held_mut();
        held.perform(&*self.0.inner, journal.as_mut())?;
        held.clear();
        let mode = if journal.is_some() { JOURNALED } else { THROUGH };
        self.0.mode.store(mode, Ordering::SeqCst);
        Ok(())
    }

    /// Makes what was written since the last time durable, whole or not at all, and lets it into
    /// the file. To be called after each commit; one sync. Without a journal redb's own syncs
    /// have done it.
    ///
    /// Where it cannot be let into the file, it is durable nevertheless and read from memory; the
    /// next commit tries again, and fails where that fails.
    pub(crate) fn seal(&self) -> io::Result<()> {
        let mut journal = self.journal();
        let Some(journal) = journal.as_mut() else { return Ok(()) };
        let file = &*self.0.inner;
        let held = self.held();
        match self.0.mode.load(Ordering::SeqCst) {
            JOURNALED => {}
            FENCED => return Err(replaced()),
            _ => return Ok(()),
        }
        let (sealed, operations) = held.operations().split_at(held.n_sealed());
        perform_all(file, sealed)?;
        if !journal.takes(operations) {
            write_large(file, journal, operations)?;
        } else {
            if !journal.has_room(operations) {
                file.sync_data()?;
                journal.begin_again();
            }
            journal.append(file, operations)?;
            if let Err(error) = perform_all(file, operations) {
                tracing::warn!("a commit is in the journal and not in the database file yet: {error}");
                drop(held);
                self.held_mut().seal();
                return Ok(());
            }
        }
        drop(held);
        self.held_mut().clear();
        Ok(())
    }

    /// Brings the file up to date and does without the journal from here on: for closing.
    pub(crate) fn settle(&self) -> io::Result<()> {
        let mut journal = self.journal();
        let mut held = self.held_mut();
        let Some(journal) = journal.as_mut() else { return Ok(()) };
        if self.0.mode.load(Ordering::SeqCst) != JOURNALED {
            return Ok(());
        }
        held.perform(&*self.0.inner, None)?;
        self.0.inner.sync_data()?;
        journal.forget()?;
        held.clear();
        self.0.mode.store(THROUGH, Ordering::SeqCst);
        Ok(())
    }

    /// Whether an opening's writes are still held back.
    pub(crate) fn is_holding(&self) -> bool {
        self.0.mode.load(Ordering::SeqCst) == HELD
    }

    /// Makes durable what is in file and journal, without what is held back.
    pub(crate) fn sync_file(&self) -> io::Result<()> {
        if let Some(journal) = &*self.journal() {
            journal.sync()?;
        }
        self.0.inner.sync_data()
    }

    /// Refuses every write from here on; reads go on.
    pub(crate) fn fence(&self) {
        // Under the lock, so that nothing is being released meanwhile.
        let mut held = self.held_mut();
        self.0.mode.store(FENCED, Ordering::SeqCst);
        held.clear();
    }

    fn held(&self) -> RwLockReadGuard<'_, Held> {
        self.0.held.read().expect("no one panics with it")
    }

    fn held_mut(&self) -> RwLockWriteGuard<'_, Held> {
        self.0.held.write().expect("no one panics with it")
    }

    fn journal(&self) -> MutexGuard<'_, Option<Journal>> {
        self.0.journal.lock().expect("no one panics with it")
    }

    fn write_through(
        &self,
        operation: impl FnOnce() -> Operation,
        through: impl FnOnce(&dyn StorageBackend) -> io::Result<()>,
    ) -> io::Result<()> {
        match self.0.mode.load(Ordering::SeqCst) {
            THROUGH => through(&*self.0.inner),
            FENCED => Err(replaced()),
            _ => self.held_mut().push(&*self.0.inner, operation()),
        }
    }
}

fn perform_all(file: &dyn StorageBackend, operations: &[Operation]) -> io::Result<()> {
    operations.iter().try_for_each(|operation| held::perform(file, operation))
}

/// A commit that fits into no journal takes two syncs, as redb makes them: its pages and a commit
/// slot first, then the header that says which slot counts. What comes after that may be pages
/// that the commit has freed.
fn write_large(file: &dyn StorageBackend, journal: &mut Journal, operations: &[Operation]) -> io::Result<()> {
    let is_header = |operation: &Operation| matches!(operation, Operation::Write { offset, .. } if *offset < FILE_HEADER as u64);
    let header = operations.iter().rposition(is_header).unwrap_or(operations.len());
    let (pages, rest) = operations.split_at(header);
    let (header, freed) = rest.split_at(rest.len().min(1));
    file.sync_data()?;
    journal.forget()?;
    for operations in [pages, header] {
        perform_all(file, operations)?;
        file.sync_data()?;
    }
    perform_all(file, freed)
}

fn replaced() -> io::Error {
    io::Error::other("the database was replaced")
}

impl StorageBackend for Gated {
    fn len(&self) -> io::Result<u64> {
        match self.0.mode.load(Ordering::SeqCst) {
            HELD | JOURNALED => self.held().len(&*self.0.inner),
            _ => self.0.inner.len(),
        }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match self.0.mode.load(Ordering::SeqCst) {
            HELD | JOURNALED => self.held().read(&*self.0.inner, offset, out),
            _ => self.0.inner.read(offset, out),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.write_through(|| Operation::SetLen(len), |inner| inner.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.0.mode.load(Ordering::SeqCst) {
            THROUGH => self.0.inner.sync_data(),
            FENCED => Err(replaced()),
            HELD => {
                self.held_mut().push_sync();
                Ok(())
            }
            // Nothing of a commit is in the file before the journal has all of it.
            _ => Ok(()),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write_through(
            || Operation::Write { offset, data: data.to_vec() },
            |inner| inner.write(offset, data),
        )
    }

    fn close(&self) -> io::Result<()> {
        self.0.inner.close()
    }

    // No locks: the directory's lock keeps other processes out, and a second opening in this
    // process is the point of the gate.
}
