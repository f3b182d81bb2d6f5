//! The changes that the log on disk still tells, rebuilt at opening.
//!
//! A log entry holds what a write replaced. So walking back from the newest, the value after a
//! write is what the key's next write replaced or, where there was none, the object itself.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use redb::{Database, ReadableDatabase, ReadableTable};

use crate::record::{Entry, decode_object};
use crate::tables::{Fault, LOG, OBJECTS, State};
use crate::{Change, ChangeKind, Key, Previous, Revision};

/// What the log tells.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) state: State,
    /// The changes after `base`, oldest first, without a gap up to the state's revision.
    pub(crate) changes: Vec<Change>,
    pub(crate) base: Revision,
    pub(crate) ledger: Ledger,
}

/// Sizes of the entries on disk: how the writer knows what to trim without reading.
#[derive(Debug, Default, Clone)]
pub(crate) struct Ledger {
    entries: VecDeque<(u64, usize)>,
    bytes: usize,
}

/// The log cannot be followed further back.
struct Broken;

// === impl History ===

impl History {
    /// Reads the whole log, which is bounded as the window is.
    pub(crate) fn load(database: &Database) -> Result<Self, Fault> {
        let txn = database.begin_read().map_err(redb::Error::from)?;
        let state = State::read(&txn)?;
        let objects = txn.open_table(OBJECTS).map_err(redb::Error::from)?;
        let log = txn.open_table(LOG).map_err(redb::Error::from)?;
        let mut newer = Newer { objects, values: HashMap::new() };
        let mut ledger = Ledger::default();
        let mut changes = Vec::new();
        let mut base = state.revision;
        let mut is_broken = false;
        for row in log.iter().map_err(redb::Error::from)?.rev() {
            let (revision, record) = row.map_err(redb::Error::from)?;
            let (revision, record) = (Revision(revision.value()), record.value());
            ledger.push_front(revision, record.len());
            if is_broken {
                continue;
            }
            if revision > state.revision {
                return Err(Fault::Damaged(format!(
                    "its log goes to revision {revision}, its state only to {}",
                    state.revision
                )));
            }
            match newer.change(revision, record)? {
                // An entry per revision: a hole is damage like a broken entry.
                Ok(change) if revision == base => {
                    changes.push(change);
                    base = Revision(revision.0 - 1);
                }
                Ok(_) | Err(Broken) => {
                    tracing::warn!(
                        store.revision = revision.0,
                        "change log is damaged at revision {revision}: older changes are forgotten"
                    );
                    is_broken = true;
                }
            }
        }
        changes.reverse();
        // Nothing was ever trimmed or lost: also the empty state before the first write is known.
        if base == Revision::FIRST {
            base = Revision(0);
        }
        Ok(Self { state, changes, base, ledger })
    }
}

/// The value of each key right after the entry that is looked at.
struct Newer {
    objects: redb::ReadOnlyTable<&'static [u8], &'static [u8]>,
    values: HashMap<Vec<u8>, Option<Bytes>>,
}

impl Newer {
    fn change(&mut self, revision: Revision, record: &[u8]) -> Result<Result<Change, Broken>, Fault> {
        let Ok(entry) = Entry::decode(revision, record) else { return Ok(Err(Broken)) };
        let Some(key) = Key::decode(&entry.key) else { return Ok(Err(Broken)) };
        let after = match self.values.get(&entry.key) {
            Some(value) => value.clone(),
            None => self.object(&entry.key, revision)?,
        };
        let Entry { key: encoded, kind, previous, last } = entry;
        let value = match kind {
            ChangeKind::Created | ChangeKind::Updated => after,
            ChangeKind::Deleted => last.or_else(|| previous.as_ref().map(|p| p.value.clone())),
        };
        let Some(value) = value else { return Ok(Err(Broken)) };
        self.values.insert(encoded, previous.as_ref().map(|Previous { value, .. }| value.clone()));
        Ok(Ok(Change { revision, key, kind, value, previous }))
    }

    /// The object, if it is whole and this entry's write is its last.
    fn object(&self, key: &[u8], revision: Revision) -> Result<Option<Bytes>, Fault> {
        let record = self.objects.get(key).map_err(redb::Error::from)?;
        let object = record.as_ref().and_then(|record| decode_object(key, record.value()).ok());
        Ok(object
            .filter(|object| object.revision == revision)
            .map(|object| Bytes::copy_from_slice(object.value)))
    }
}

// === impl Ledger ===

impl Ledger {
    pub(crate) fn push(&mut self, revision: Revision, size: usize) {
        self.entries.push_back((revision.0, size));
        self.bytes += size;
    }

    fn push_front(&mut self, revision: Revision, size: usize) {
        self.entries.push_front((revision.0, size));
        self.bytes += size;
    }

    /// Drops the oldest down to the bounds and gives the last revision dropped. Only once they
    /// are passed by a sixteenth, so that trimming is one range now and then, not a row each
    /// time.
    pub(crate) fn trim(&mut self, max_entries: usize, max_bytes: usize) -> Option<Revision> {
        let slack_entries = max_entries + max_entries / 16;
        let slack_bytes = max_bytes + max_bytes / 16;
        if self.entries.len() <= slack_entries && self.bytes <= slack_bytes {
            return None;
        }
        let mut last = None;
        while self.entries.len() > max_entries || self.bytes > max_bytes {
            let Some((revision, size)) = self.entries.pop_front() else { break };
            self.bytes -= size;
            last = Some(Revision(revision));
        }
        last
    }
}
