//! The store's front door.

use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use bytes::Bytes;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use crate::disk::Disk;
use crate::list;
use crate::open::{self, Attached};
use crate::published::Shared;
use crate::snapshot::Snapshot;
use crate::tables::Fault;
use crate::window::Window;
use crate::writer::{Message, Operation, Waiting, Writer, Written};
use crate::{
    Expect, Health, Key, ListRange, Listing, OpenError, Options, ReadError, Revision, Stats, Stored,
    WaitError, Watch, WatchError, WriteError,
};

/// Encoded keys are at most this long. A Kubernetes name has 253 bytes, a namespace 63, a plural
/// with its group 63 + 1 + 253: 1 KiB leaves room for the escapes.
const KEY_MAX_BYTES: usize = 1_024;
/// What the smallest write counts towards the queue's bound: so that it bounds the count too.
const WRITE_MIN_BYTES: usize = 4_096;

/// Objects with revisions, in one directory or in memory. Shared as `Arc<Store>`.
///
/// Dropping it lets the write in progress finish and closes the file, which blocks for as long
/// as an fsync takes.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    options: Options,
    /// callers -- writes, and the word to stop --> writer thread. Bounded by `room`.
    queue_tx: Sender<Message>,
    /// Bytes of writes that may still be queued.
    room: Arc<Semaphore>,
    /// Guards the handle until someone joins it.
    writer: Mutex<Option<JoinHandle<()>>>,
}

// === impl Store ===

impl Store {
    /// Opens the store of a data directory. The first start creates it, with a marker beside the
    /// database; ever after a missing or empty database is an error. Blocks while reading the
    /// change log and, after a crash, while redb repairs the file (about 0.8 s per GB).
    ///
    /// # Errors
    /// [`OpenError`] says what was found, what was expected and what to do. The database file is
    /// then as it was.
    pub fn open(directory: &Path, options: Options) -> Result<Self, OpenError> {
        let (attached, disk) = open::open_directory(directory, &options)?;
        Self::start(attached, disk, options).map_err(|fault| OpenError::of_fault(directory, fault))
    }

    /// A store that ends with this value: for tests, and where nothing is to be kept.
    ///
    /// # Panics
    /// Where memory cannot be written to, which does not happen short of running out of it.
    #[must_use]
    pub fn in_memory(options: Options) -> Self {
        open::open_memory(&options)
            .and_then(|(attached, disk)| Self::start(attached, disk, options))
            .expect("a memory disk has no faults")
    }

    pub(crate) fn start(attached: Attached, disk: Arc<dyn Disk>, options: Options) -> Result<Self, Fault> {
        let snapshot = Snapshot::take(attached.opened.clone(), attached.revision())?;
        let history = attached.history;
        let mut window = Window::new(&options, history.base, history.state.revision);
        window.append(history.changes, history.state.revision).wake();
        let shared = Arc::new(Shared::new(window, snapshot));
        let writer = Writer::new(
            shared.clone(),
            disk,
            options.clone(),
            attached.opened,
            history.state,
            history.ledger,
        );
        let (queue_tx, queue_rx) = mpsc::channel();
        let thread =
            std::thread::Builder::new().name("store-writer".into()).spawn(move || writer.run(queue_rx))?;
        Ok(Self {
            room: Arc::new(Semaphore::new(options.queue_max_bytes)),
            shared,
            options,
            queue_tx,
            writer: Mutex::new(Some(thread)),
        })
    }

    /// The revision of the last commit that reads and watches can see.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.shared.published().window.revision()
    }

    /// The newest value of one object.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`] where its bytes do not fit their checksum.
    pub fn get(&self, key: &Key) -> Result<Option<Stored>, ReadError> {
        loop {
            let snapshot = self.snapshot()?;
            if let Some(found) = snapshot.read(|snapshot| snapshot.get(key)) {
                return found;
            }
        }
    }

    /// A resource's objects in key order, all from one state. Blocks while it reads.
    ///
    /// # Errors
    /// [`ReadError::Compacted`] or [`ReadError::Future`] where that revision cannot be read. A
    /// damaged object is no error: it is in [`Listing::corrupt`].
    pub fn list(&self, resource: &str, range: ListRange<'_>) -> Result<Listing, ReadError> {
        loop {
            let (snapshot, undo) = {
                let published = self.shared.published();
                let snapshot = published.snapshot.clone().ok_or(ReadError::Closed)?;
                let changes = match range.at {
                    None => Vec::new(),
                    Some(at) => changes_since(&published.window, resource, at)?,
                };
                (snapshot, changes)
            };
            let undo = list::undo(undo.into_iter());
            if let Some(listing) = snapshot.read(|snapshot| list::list(snapshot, resource, range, undo)) {
                return listing;
            }
        }
    }

    /// Writes a value and waits until it is durable and visible. A future dropped early does not
    /// take the write back.
    ///
    /// # Errors
    /// See [`WriteError`]; all but [`WriteError::Unknown`] mean that nothing was written.
    pub async fn put(&self, key: Key, expect: Expect, value: Bytes) -> Result<Revision, WriteError> {
        let max = self.options.value_max_bytes;
        if value.len() > max {
            return Err(WriteError::ValueTooLarge { key, bytes: value.len(), max });
        }
        let size = value.len();
        let written = self.write(key, expect, Operation::Put(value), size).await?;
        Ok(written.revision)
    }

    /// Deletes an object and waits until that is durable and visible. Watches are told `last` as
    /// its last state, or the stored value without it. Gives the deletion's revision and what was
    /// stored.
    ///
    /// # Errors
    /// See [`WriteError`]; all but [`WriteError::Unknown`] mean that nothing was deleted.
    pub async fn delete(
        &self,
        key: Key,
        expect: Expect,
        last: Option<Bytes>,
    ) -> Result<(Revision, Stored), WriteError> {
        let max = self.options.value_max_bytes;
        let size = last.as_ref().map_or(0, Bytes::len);
        if size > max {
            return Err(WriteError::ValueTooLarge { key, bytes: size, max });
        }
        let written = self.write(key, expect, Operation::Delete { last }, size).await?;
        let removed = written.removed.expect("a deletion removes something or fails");
        Ok((written.revision, removed))
    }

    /// Follows a resource, or one of its namespaces, from the state right after a revision.
    ///
    /// # Errors
    /// [`WatchError::Compacted`] where changes since then are not kept any more.
    pub fn watch(
        &self,
        resource: &str,
        namespace: Option<&str>,
        after: Revision,
    ) -> Result<Watch, WatchError> {
        Watch::start(self.shared.clone(), resource, namespace, after)
    }

    /// Waits until a revision was written: for reads that ask for the future.
    ///
    /// # Errors
    /// [`WaitError::Deadline`] where it was not in time.
    pub async fn wait_for(&self, revision: Revision, deadline: Instant) -> Result<(), WaitError> {
        let mut revision_rx = self.shared.subscribe();
        // A close wakes everybody too, so it is part of the condition.
        let has_come = revision_rx.wait_for(|current| *current >= revision || self.is_closed());
        let waited = match timeout_at(deadline, has_come).await {
            Ok(waited) => waited.map(|current| *current).ok(),
            Err(_) => {
                let current = self.revision();
                return Err(WaitError::Deadline { requested: revision, current });
            }
        };
        match waited {
            Some(current) if current >= revision => Ok(()),
            _ => Err(WaitError::Closed),
        }
    }

    /// Whether writes are taken, and if not, why.
    #[must_use]
    pub fn health(&self) -> Health {
        self.shared.health().borrow().clone()
    }

    /// Tells every change of [`Store::health`]: for whoever has to act on it. A process should
    /// end on [`Health::Failed`].
    #[must_use]
    pub fn health_changes(&self) -> watch::Receiver<Health> {
        self.shared.health()
    }

    /// Counters since the store was opened.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Finishes the writes that are queued, refuses later ones, ends all watches and closes the
    /// file. Blocks meanwhile. Dropping the store does the same.
    pub fn close(&self) {
        // The writer is gone already where this fails.
        let _ = self.queue_tx.send(Message::Stop);
        let writer = self.writer.lock().expect("taking does not panic").take();
        if let Some(writer) = writer {
            writer.join().expect("the writer catches panics");
        }
    }

    async fn write(
        &self,
        key: Key,
        expect: Expect,
        operation: Operation,
        size: usize,
    ) -> Result<Written, WriteError> {
        let encoded = key.encode();
        if encoded.len() > KEY_MAX_BYTES {
            return Err(WriteError::KeyTooLong { bytes: encoded.len(), max: KEY_MAX_BYTES });
        }
        // No more than there is at all: a single large write may fill the queue.
        let cost = size.max(WRITE_MIN_BYTES).min(self.options.queue_max_bytes);
        let cost = u32::try_from(cost).unwrap_or(u32::MAX);
        let room = self.room.clone().acquire_many_owned(cost).await.map_err(|_| WriteError::Closed)?;
        let (answer_tx, answer_rx) = oneshot::channel();
        let waiting = Waiting { key, encoded, expect, operation, answer_tx, _room: room };
        // A message that the writer did not get to was not executed: it stops between commits.
        self.queue_tx.send(Message::Write(waiting)).map_err(|_| WriteError::Closed)?;
        answer_rx.await.unwrap_or(Err(WriteError::Closed))
    }

    pub(crate) fn snapshot(&self) -> Result<Arc<Snapshot>, ReadError> {
        self.shared.published().snapshot.clone().ok_or(ReadError::Closed)
    }

    fn is_closed(&self) -> bool {
        self.shared.published().is_closed()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

/// The changes that have to be undone to see a resource as it was.
fn changes_since(
    window: &Window,
    resource: &str,
    at: Revision,
) -> Result<Vec<Arc<crate::Change>>, ReadError> {
    let current = window.revision();
    if at > current {
        return Err(ReadError::Future { requested: at, current });
    }
    let oldest = window.oldest(resource);
    if at < oldest {
        return Err(ReadError::Compacted { requested: at, oldest });
    }
    Ok(window.after(resource, at).cloned().collect())
}
