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

use crate::journal::{Journal, Operation};
use held::{Held, perform, perform_with};

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
    /// Guards what was written and is not in the file, and the mode's changes. Taken after
    /// `journal`; not held while a commit is synced, since readers need it.
    held: RwLock<Held>,
    /// Guards the journal, where there is one.
    journal: Mutex<Option<Journal>>,
}

// === impl Gated ===

impl Gated {
    /// Holds all writes back until [`Gated::release`].
    pub(crate) fn hold(inner: Box<dyn StorageBackend>) -> Self {
        Self::new(inner, Vec::new(), None)
    }

    /// As [`Gated::hold`], with what the journal found laid over the file. Whatever is in the
    /// journal is forgotten when the writes are released; later commits go through it.
    pub(crate) fn hold_with(inner: Box<dyn StorageBackend>, journal: Journal, found: Vec<Operation>) -> Self {
        Self::new(inner, found, Some(journal))
    }

    fn new(inner: Box<dyn StorageBackend>, found: Vec<Operation>, journal: Option<Journal>) -> Self {
        let held = Held::of_opening(found);
        let (mode, held, journal) = (AtomicU8::new(HELD), RwLock::new(held), Mutex::new(journal));
        Self(Arc::new(Gate { inner, mode, held, journal }))
    }

    /// Performs what was held back, in its order and with its syncs, and holds nothing any more.
    /// The order makes a crash in here the same as a crash during an ordinary opening.
    ///
    /// Where that fails, all that is not durable is still held back: laid over a file that has some
    /// of it already it reads the same, so reads go on, and it can be performed again. Again from
    /// its start, since a failed sync leaves open what became of the writes before it.
    pub(crate) fn release(&self) -> io::Result<()> {
        let mut journal = self.journal();
        let mut held = self.held_mut();
        let file = &*self.0.inner;
        if let Some(journal) = journal.as_mut() {
            journal.sync()?;
            perform(file, held.sealed())?;
            // Before what the journal does not tell of: it would no longer fit the file.
            file.sync_data()?;
            journal.forget()?;
            held.forget_sealed();
        }
        perform_with(file, held.operations(), held.syncs())?;
        let mode = match *journal {
            None => THROUGH,
            Some(_) => {
                // What comes after the last sync may be pages that the next commit counts on.
                file.sync_data()?;
                JOURNALED
            }
        };
        *held = Held::default();
        self.0.mode.store(mode, Ordering::SeqCst);
        Ok(())
    }

    /// Makes what was written since the last time durable, whole or not at all. To be called after
    /// each commit; one sync. Without a journal redb's own syncs have done it.
    ///
    /// The journal has it then, and reads see it; the file gets it by [`Gated::catch_up`], or by the
    /// next commit, which fails where the file does not take it.
    pub(crate) fn seal(&self) -> io::Result<()> {
        let mut journal = self.journal();
        let Some(journal) = journal.as_mut() else { return Ok(()) };
        let file = &*self.0.inner;
        match self.mode() {
            JOURNALED => {}
            FENCED => return Err(replaced()),
            _ => return Ok(()),
        }
        self.perform_sealed()?;
        // What is added meanwhile, by a reader that makes room in redb's cache, is of no commit yet.
        let operations = self.held().operations().to_vec();
        if !journal.has_room(&operations) {
            file.sync_data()?;
            journal.forget()?;
        }
        if journal.has_room(&operations) {
            journal.append(file, &operations)?;
            self.held_mut().seal(operations.len());
        } else {
            // Too large for any journal: with redb's own syncs.
            let syncs = self.held().syncs().to_vec();
            perform_with(file, &operations, &syncs)?;
            // What comes after the last one may be pages that the next commit counts on.
            file.sync_data()?;
            self.held_mut().forget_first(operations.len());
        }
        Ok(())
    }

    /// Lets what the journal has into the file, without a sync: when nobody waits.
    pub(crate) fn catch_up(&self) {
        let _nobody_seals = self.journal();
        if self.mode() == JOURNALED
            && let Err(error) = self.perform_sealed()
        {
            tracing::warn!("a commit is in the journal and not in the database file yet: {error}");
        }
    }

    fn perform_sealed(&self) -> io::Result<()> {
        let sealed = self.held().sealed().to_vec();
        if !sealed.is_empty() {
            perform(&*self.0.inner, &sealed)?;
            self.held_mut().forget_sealed();
        }
        Ok(())
    }

    /// Brings the file up to date and does without the journal from here on: for closing, when
    /// nobody reads or writes any more.
    pub(crate) fn settle(&self) -> io::Result<()> {
        let mut journal = self.journal();
        let Some(journal) = journal.as_mut() else { return Ok(()) };
        let mut held = self.held_mut();
        if self.mode() != JOURNALED {
            return Ok(());
        }
        let file = &*self.0.inner;
        perform(file, held.sealed())?;
        file.sync_data()?;
        // Before what the journal does not tell of: it would no longer fit the file.
        journal.forget()?;
        held.forget_sealed();
        perform(file, held.operations())?;
        *held = Held::default();
        self.0.mode.store(THROUGH, Ordering::SeqCst);
        Ok(())
    }

    /// Whether an opening's writes are still held back.
    pub(crate) fn is_holding(&self) -> bool {
        self.mode() == HELD
    }

    /// Makes durable what is in file and journal, without what is held back.
    pub(crate) fn sync_file(&self) -> io::Result<()> {
        if let Some(journal) = &mut *self.journal() {
            journal.sync()?;
        }
        self.0.inner.sync_data()
    }

    /// Refuses every write from here on; reads go on, also of what only the journal has.
    pub(crate) fn fence(&self) {
        // Under the lock, so that nothing is being released meanwhile.
        let mut held = self.held_mut();
        self.0.mode.store(FENCED, Ordering::SeqCst);
        held.keep_sealed();
    }

    fn mode(&self) -> u8 {
        self.0.mode.load(Ordering::SeqCst)
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
        match self.mode() {
            THROUGH => through(&*self.0.inner),
            FENCED => Err(replaced()),
            _ => self.held_mut().push(operation()),
        }
    }
}

fn replaced() -> io::Error {
    io::Error::other("the database was replaced")
}

impl StorageBackend for Gated {
    fn len(&self) -> io::Result<u64> {
        match self.mode() {
            THROUGH => self.0.inner.len(),
            _ => self.held().len(&*self.0.inner),
        }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match self.mode() {
            THROUGH => self.0.inner.read(offset, out),
            _ => self.held().read(&*self.0.inner, offset, out),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.write_through(|| Operation::SetLen(len), |file| file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.mode() {
            THROUGH => self.0.inner.sync_data(),
            FENCED => Err(replaced()),
            // Nothing of a commit is in the file before the journal has all of it.
            _ => {
                self.held_mut().push_sync();
                Ok(())
            }
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write_through(
            || Operation::Write { offset, data: data.to_vec() },
            |file| file.write(offset, data),
        )
    }

    fn close(&self) -> io::Result<()> {
        self.0.inner.close()
    }

    // No locks: the directory's lock keeps other processes out, and a second opening in this
    // process is the point of the gate.
}
