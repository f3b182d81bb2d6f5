//! A gate between redb and the file: an opening writes nothing until it has succeeded, and a
//! database that was replaced writes nothing any more.
//!
//! redb marks the file as soon as it opens it, and repairs it while opening. With the writes of
//! the opening held back, a damaged file is left exactly as it was, and an attempt to open a
//! second time can fail without harm to those who still read through the first.

#[cfg(test)]
mod tests;

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

const HELD: u8 = 0;
const THROUGH: u8 = 1;
const FENCED: u8 = 2;

/// Bytes that an opening may hold back. 64 MiB: repair writes the allocator's state, about 64 kB
/// per GB of data, and a few tree pages; a hundred times that means something is wrong.
const HELD_MAX_BYTES: usize = 64 << 20;

/// A storage backend behind a gate; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Gated(Arc<Gate>);

#[derive(Debug)]
struct Gate {
    inner: Box<dyn StorageBackend>,
    mode: AtomicU8,
    /// Guards what an opening has written so far.
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    operations: Vec<Operation>,
    bytes: usize,
    /// Length of the file as redb sees it.
    len: u64,
}

#[derive(Debug)]
enum Operation {
    Write { offset: u64, data: Vec<u8> },
    SetLen(u64),
    Sync,
}

// === impl Gated ===

impl Gated {
    /// Holds all writes back until [`Gated::release`].
    pub(crate) fn hold(inner: Box<dyn StorageBackend>) -> io::Result<Self> {
        let len = inner.len()?;
        let held = Held { operations: Vec::new(), bytes: 0, len };
        Ok(Self(Arc::new(Gate { inner, mode: AtomicU8::new(HELD), held: Mutex::new(held) })))
    }

    /// Performs what was held back, in its order and with its syncs, and holds nothing any more.
    /// The order makes a crash in here the same as a crash during an ordinary opening.
    ///
    /// Where that fails, all is still held back: laid over a file that has some of it already it
    /// reads the same, so reads go on, and all of it can be performed again. Again from the
    /// start, since a failed sync leaves open what became of the writes before it.
    pub(crate) fn release(&self) -> io::Result<()> {
        let mut held = self.held();
        for operation in &held.operations {
            match operation {
                Operation::Write { offset, data } => self.0.inner.write(*offset, data)?,
                Operation::SetLen(len) => self.0.inner.set_len(*len)?,
                Operation::Sync => self.0.inner.sync_data()?,
            }
        }
        held.operations = Vec::new();
        self.0.mode.store(THROUGH, Ordering::SeqCst);
        Ok(())
    }

    /// Whether writes are still held back.
    pub(crate) fn is_holding(&self) -> bool {
        self.0.mode.load(Ordering::SeqCst) == HELD
    }

    /// Makes durable what is in the file, without what is held back.
    pub(crate) fn sync_file(&self) -> io::Result<()> {
        self.0.inner.sync_data()
    }

    /// Refuses every write from here on; reads go on.
    pub(crate) fn fence(&self) {
        // Under the lock, so that nothing is being released meanwhile.
        let mut held = self.held();
        self.0.mode.store(FENCED, Ordering::SeqCst);
        held.operations.clear();
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.0.held.lock().expect("no one panics with it")
    }

    fn write_through(
        &self,
        operation: impl FnOnce() -> Operation,
        through: impl FnOnce(&dyn StorageBackend) -> io::Result<()>,
    ) -> io::Result<()> {
        match self.0.mode.load(Ordering::SeqCst) {
            THROUGH => through(&*self.0.inner),
            FENCED => Err(io::Error::other("the database was replaced")),
            _ => self.held().push(operation()),
        }
    }
}

impl StorageBackend for Gated {
    fn len(&self) -> io::Result<u64> {
        match self.0.mode.load(Ordering::SeqCst) {
            HELD => Ok(self.held().len),
            _ => self.0.inner.len(),
        }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if self.0.mode.load(Ordering::SeqCst) == HELD {
            return self.held().read(&*self.0.inner, offset, out);
        }
        self.0.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.write_through(|| Operation::SetLen(len), |inner| inner.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.write_through(|| Operation::Sync, |inner| inner.sync_data())
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

// === impl Held ===

impl Held {
    fn push(&mut self, operation: Operation) -> io::Result<()> {
        match &operation {
            Operation::Write { offset, data } => {
                self.bytes += data.len();
                self.len = self.len.max(offset + data.len() as u64);
            }
            Operation::SetLen(len) => self.len = *len,
            Operation::Sync => {}
        }
        if self.bytes > HELD_MAX_BYTES {
            let bytes = self.bytes;
            return Err(io::Error::other(format!(
                "opening wrote {bytes} bytes, at most {HELD_MAX_BYTES} are held back"
            )));
        }
        self.operations.push(operation);
        Ok(())
    }

    /// The file with the held operations laid over it.
    fn read(&self, inner: &dyn StorageBackend, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if offset + out.len() as u64 > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // Asked anew, since a release that failed may have changed it.
        let on_file = inner.len()?.saturating_sub(offset).min(out.len() as u64);
        let on_file = usize::try_from(on_file).expect("it is at most a slice's length");
        let (file, beyond) = out.split_at_mut(on_file);
        if !file.is_empty() {
            inner.read(offset, file)?;
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
                Operation::SetLen(_) | Operation::Sync => {}
            }
        }
    }
}

fn index(distance: u64) -> usize {
    usize::try_from(distance).expect("distances inside one buffer fit its index")
}
