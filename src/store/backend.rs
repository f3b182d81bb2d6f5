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
use held::{Held, perform};

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
    /// Bytes that a record may have; 0 without a journal.
    record_max_bytes: u64,
}

// === impl Gated ===

impl Gated {
    /// Holds all writes back until [`Gated::release`].
    pub(crate) fn hold(inner: Box<dyn StorageBackend>) -> Self {
        Self::new(inner, Held::default(), None)
    }

    /// As [`Gated::hold`], with what the journal found laid over the file. Whatever is in the
    /// journal is forgotten when the writes are released; later commits go through it.
    pub(crate) fn hold_with(inner: Box<dyn StorageBackend>, journal: Journal, found: Vec<Operation>) -> Self {
        Self::new(inner, Held::with_found(found), Some(journal))
    }

    fn new(inner: Box<dyn StorageBackend>, held: Held, journal: Option<Journal>) -> Self {
        let record_max_bytes = journal.as_ref().map_or(0, Journal::record_max_bytes);
        let (held, journal) = (RwLock::new(held), Mutex::new(journal));
        Self(Arc::new(Gate { inner, mode: AtomicU8::new(HELD), held, journal, record_max_bytes }))
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
        let mode = if journal.is_some() { JOURNALED } else { THROUGH };
        if mode == JOURNALED {
            self.0.inner.sync_data()?;
        }
        *held = Held::default();
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
        match self.mode() {
            JOURNALED => {}
            FENCED => return Err(replaced()),
            // The journal was too small for it: redb's syncs were real.
            _ => return self.resume(),
        }
        // What is added meanwhile, by a reader that makes room in redb's cache, is of no commit yet.
        let (sealed, operations) = self.held().sealed_and_not();
        let n = sealed.len() + operations.len();
        perform(file, &sealed)?;
        if !journal.has_room(&operations) {
            file.sync_data()?;
            journal.forget()?;
        }
        journal.append(file, &operations)?;
        match perform(file, &operations) {
            Ok(()) => self.held_mut().forget_first(n),
            Err(error) => {
                tracing::warn!("a commit is in the journal and not in the database file yet: {error}");
                self.held_mut().seal(n);
            }
        }
        Ok(())
    }

    /// Brings the file up to date and does without the journal: for closing, and for the rest of a
    /// commit that is too large for it. Then redb's two syncs are what they are without one.
    pub(crate) fn settle(&self) -> io::Result<()> {
        let mut journal = self.journal();
        let Some(journal) = journal.as_mut() else { return Ok(()) };
        if self.mode() != JOURNALED {
            return Ok(());
        }
        let file = &*self.0.inner;
        // Under the lock, so that nothing is added behind what is performed.
        let mut held = self.held_mut();
        let (sealed, operations) = held.sealed_and_not();
        perform(file, &sealed)?;
        file.sync_data()?;
        // Before what the journal does not tell of: it would no longer fit the file.
        journal.forget()?;
        perform(file, &operations)?;
        *held = Held::default();
        self.0.mode.store(THROUGH, Ordering::SeqCst);
        Ok(())
    }

    /// Goes through the journal again. What went past it and is not synced may be pages that the
    /// next commit counts on, and that redb will not write again.
    fn resume(&self) -> io::Result<()> {
        {
            let _nobody_writes = self.held_mut();
            self.0.mode.store(JOURNALED, Ordering::SeqCst);
        }
        self.0.inner.sync_data()
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

    /// Runs what goes past the gate, if it is open for that.
    fn past(&self, write: impl FnOnce(&dyn StorageBackend) -> io::Result<()>) -> Option<io::Result<()>> {
        // Who closes it waits for those who are in.
        let _held = self.held();
        (self.mode() == THROUGH).then(|| write(&*self.0.inner))
    }

    fn hold_back(&self, operation: Operation) -> io::Result<()> {
        if self.mode() == JOURNALED && self.held().bytes() + operation.bytes() > self.0.record_max_bytes {
            self.settle()?;
        }
        let mut held = self.held_mut();
        match self.mode() {
            HELD => held.push_of_opening(operation),
            JOURNALED => {
                held.push(operation);
                Ok(())
            }
            FENCED => Err(replaced()),
            _ => perform(&*self.0.inner, &[Arc::new(operation)]),
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
        let past = self.past(|file| file.set_len(len));
        past.unwrap_or_else(|| self.hold_back(Operation::SetLen(len)))
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.mode() {
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
        let past = self.past(|file| file.write(offset, data));
        past.unwrap_or_else(|| self.hold_back(Operation::Write { offset, data: data.to_vec() }))
    }

    fn close(&self) -> io::Result<()> {
        self.0.inner.close()
    }

    // No locks: the directory's lock keeps other processes out, and a second opening in this
    // process is the point of the gate.
}
