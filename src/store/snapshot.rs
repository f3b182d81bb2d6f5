//! One committed state of the database, shared by all readers until the next commit.

use std::sync::{Arc, RwLock, RwLockWriteGuard};

use bytes::Bytes;
use redb::{Database, Range, ReadOnlyTable, ReadableDatabase};

use crate::backend::Gated;
use crate::directory::DirectoryLock;
use crate::key::EncodedRange;
use crate::record::decode_object;
use crate::tables::OBJECTS;
use crate::{Key, ReadError, Revision, Stored, guard};

/// An open database. Fields drop in order: the directory's lock goes last.
#[derive(Debug)]
pub(crate) struct Opened {
    /// Taken only when dropping.
    database: Option<Database>,
    pub(crate) gated: Gated,
    /// Guards: readers hold it for as long as they read pages, so that whoever opens the file a
    /// second time can wait for them before it writes.
    in_use: RwLock<InUse>,
    pub(crate) lock: Option<Arc<DirectoryLock>>,
}

/// Whether this handle of the database still is the one to read from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum InUse {
    Current,
    /// The file was opened again: its pages change under this handle. There is a newer snapshot.
    Retired,
}

/// The state right after one commit. Holding it keeps redb from reusing its pages, which is why
/// there is only ever the newest one, and no reader keeps it longer than one call.
pub(crate) struct Snapshot {
    pub(crate) revision: Revision,
    objects: ReadOnlyTable<&'static [u8], &'static [u8]>,
    pub(crate) opened: Arc<Opened>,
}

// === impl Opened ===

impl Opened {
    pub(crate) fn new(database: Database, gated: Gated, lock: Option<Arc<DirectoryLock>>) -> Self {
        let in_use = RwLock::new(InUse::Current);
        Self { database: Some(database), gated, in_use, lock }
    }

    pub(crate) fn database(&self) -> &Database {
        self.database.as_ref().expect("it is taken only when dropping")
    }

    /// Keeps readers out for as long as the answer is held; waits for those who are in.
    pub(crate) fn exclude_readers(&self) -> RwLockWriteGuard<'_, InUse> {
        self.in_use.write().expect("no one panics while marking")
    }
}

impl Drop for Opened {
    /// Closing writes too, and redb panics on damaged pages there as elsewhere. Whoever happens to
    /// hold the last reference is not the one to suffer: the next opening says what is damaged.
    fn drop(&mut self) {
        if let Err(error) = self.gated.settle() {
            // The journal has everything: what closing would write must not spoil it.
            tracing::warn!("failed to bring the database up to date, the next opening does: {error}");
            self.gated.fence();
        }
        let database = self.database.take();
        if let Err(cause) = guard::guarded(|| drop(database)) {
            tracing::warn!("failed to close the database: {cause}");
        }
    }
}

// === impl Snapshot ===

impl Snapshot {
    /// The newest state of an open database, whose revision the caller knows.
    pub(crate) fn take(opened: Arc<Opened>, revision: Revision) -> Result<Self, redb::Error> {
        let objects = opened.database().begin_read()?.open_table(OBJECTS)?;
        Ok(Self { revision, objects, opened })
    }

    /// Runs a read, or returns `None` when the handle was retired and the newest snapshot has to
    /// be fetched. redb panics on some damaged pages; that fails this read and nothing else.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Self) -> Result<T, ReadError>,
    ) -> Option<Result<T, ReadError>> {
        let in_use = self.opened.in_use.read().expect("no one panics while marking");
        match &*in_use {
            InUse::Current => {}
            InUse::Retired => return None,
        }
        // Nothing of ours is left half-changed by a read that unwinds.
        Some(
            guard::guarded(|| read(self))
                .unwrap_or_else(|cause| Err(ReadError::Damaged { cause: cause.into() })),
        )
    }

    pub(crate) fn get(&self, key: &Key) -> Result<Option<Stored>, ReadError> {
        let encoded = key.encode();
        let Some(record) = self.objects.get(encoded.as_slice())? else {
            return Ok(None);
        };
        Self::stored(key.clone(), &encoded, record.value())
            .map(Some)
            .map_err(|key| ReadError::Corrupt { key })
    }

    pub(crate) fn range(
        &self,
        keys: &EncodedRange,
    ) -> Result<Range<'static, &'static [u8], &'static [u8]>, ReadError> {
        Ok(self.objects.range(keys.start.as_slice()..keys.end.as_slice())?)
    }

    /// Checks a record against its key; gives the key back where it does not fit.
    pub(crate) fn stored(key: Key, encoded: &[u8], record: &[u8]) -> Result<Stored, Key> {
        match decode_object(encoded, record) {
            Ok(object) => {
                let value = Bytes::copy_from_slice(object.value);
                Ok(Stored { key, revision: object.revision, value })
            }
            Err(_) => Err(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;

    use super::*;
    use crate::{Options, open};

    fn snapshot() -> Snapshot {
        let (attached, _) = open::open_memory(&Options::default()).unwrap();
        Snapshot::take(attached.opened, Revision::FIRST).unwrap()
    }

    #[test]
    fn who_excludes_readers_waits_for_those_who_are_in() {
        let snapshot = Arc::new(snapshot());
        let has_left = AtomicBool::new(false);
        let (is_in_tx, is_in_rx) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let read = snapshot.read(|_| {
                    is_in_tx.send(()).unwrap();
                    // Long enough for the other thread to come to the lock, usually.
                    (0..1_000).for_each(|_| std::thread::yield_now());
                    has_left.store(true, Ordering::SeqCst);
                    Ok(())
                });
                assert!(matches!(read, Some(Ok(()))));
            });
            is_in_rx.recv().unwrap();
            let mut in_use = snapshot.opened.exclude_readers();
            assert!(has_left.load(Ordering::SeqCst));
            *in_use = InUse::Retired;
        });
        assert!(snapshot.read(|_| Ok(())).is_none(), "there is a newer one");
    }

    /// AP-18: no lock is poisoned by a read that panics.
    #[test]
    fn a_panicking_page_is_an_error() {
        let snapshot = snapshot();
        let read = snapshot.read(|_| -> Result<(), _> { panic!("unreachable page") });
        let Some(Err(ReadError::Damaged { cause })) = read else { panic!("{read:?}") };
        assert!(cause.contains("unreachable page"));
        assert!(matches!(snapshot.read(|_| Ok(())), Some(Ok(()))), "others read on");
    }
}
