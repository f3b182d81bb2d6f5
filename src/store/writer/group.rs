//! One transaction: each write checked against the state the ones before it left.

use std::cell::Cell;

use bytes::Bytes;
use redb::{ReadableTable, StorageBackend, Table, WriteTransaction};

use super::{Operation, Waiting, Written};
use crate::history::Ledger;
use crate::record::{Entry, decode_object, encode_object};
use crate::snapshot::Opened;
use crate::tables::{self, Fault, LOG, OBJECTS, State};
use crate::{Change, ChangeKind, Expect, Options, Previous, Revision, Stored, WriteError};

/// A committed group, or the first part of it: as many as there are answers. `changes` is empty
/// where every expectation failed, and then there was no commit and no revision was used.
#[derive(Debug)]
pub(super) struct Applied {
    pub(super) state: State,
    pub(super) changes: Vec<Change>,
    pub(super) answers: Vec<Result<Written, WriteError>>,
}

/// A group that failed as a whole.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) fault: Fault,
    pub(super) stage: Stage,
}

/// How far the group had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing can have been written.
    Before,
    /// It may have been made durable.
    Commit,
}

/// What is stored under a key.
enum Found {
    Nothing,
    Intact(Previous),
    Corrupt,
}

type Row = &'static [u8];

/// Applies and commits a group.
pub(super) fn apply(
    opened: &Opened,
    state: State,
    ledger: &mut Ledger,
    group: &[Waiting],
    options: &Options,
) -> Result<Applied, Failure> {
    let stage = Cell::new(Stage::Before);
    // A page that redb panics on fails the group; the database is then opened again, so nothing
    // half-changed is used further.
    tables::guarded(|| run(opened, state, ledger, group, options, &stage).map_err(Fault::from))
        .map_err(|fault| Failure { fault, stage: stage.get() })
}

fn run(
    opened: &Opened,
    mut state: State,
    ledger: &mut Ledger,
    group: &[Waiting],
    options: &Options,
    stage: &Cell<Stage>,
) -> Result<Applied, redb::Error> {
    let mut txn = opened.database().begin_write()?;
    // The default relies on a checksum that is no cryptographic one, which redb's design document
    // advises against where users choose the values ("Security of 1PC+C"). Its second sync costs
    // nothing: with a journal neither is one.
    txn.set_two_phase_commit(true);
    txn.set_quick_repair(opened.gated.len()? >= options.fast_recovery_bytes);
    let mut changes = Vec::with_capacity(group.len());
    let mut answers = Vec::with_capacity(group.len());
    {
        let mut objects = txn.open_table(OBJECTS)?;
        let mut log = txn.open_table(LOG)?;
        let mut bytes = 0;
        for waiting in group {
            // What a write replaces goes into the log, and only now is known how large it is.
            if bytes >= options.group_max_bytes {
                break;
            }
            let revision = state.revision.next();
            match change(&mut objects, &mut log, ledger, waiting, revision)? {
                Err(refused) => answers.push(Err(refused)),
                Ok(change) => {
                    state.revision = revision;
                    bytes += change.size();
                    answers.push(Ok(Written::of(&change)));
                    changes.push(change);
                }
            }
        }
    }
    if changes.is_empty() {
        txn.abort()?;
        return Ok(Applied { state, changes, answers });
    }
    trim(&txn, ledger, options)?;
    state.write(&txn)?;
    stage.set(Stage::Commit);
    txn.commit()?;
    opened.gated.seal()?;
    Ok(Applied { state, changes, answers })
}

/// Performs one write, or says why its expectation does not hold.
fn change(
    objects: &mut Table<'_, Row, Row>,
    log: &mut Table<'_, u64, Row>,
    ledger: &mut Ledger,
    waiting: &Waiting,
    revision: Revision,
) -> Result<Result<Change, WriteError>, redb::Error> {
    let key = waiting.encoded.as_slice();
    let found = find(objects, key)?;
    if let Err(refused) = waiting.check(&found) {
        return Ok(Err(refused));
    }
    let (kind, value, last) = match (&waiting.operation, &found) {
        (Operation::Put(value), found) => {
            objects.insert(key, encode_object(key, revision, value).as_slice())?;
            let kind = match found {
                Found::Nothing => ChangeKind::Created,
                Found::Intact(_) | Found::Corrupt => ChangeKind::Updated,
            };
            (kind, value.clone(), None)
        }
        (Operation::Delete { last }, found) => {
            objects.remove(key)?;
            let value = last.clone().or_else(|| found.value().cloned()).unwrap_or_default();
            (ChangeKind::Deleted, value, last.clone())
        }
    };
    let entry = Entry { key: key.to_vec(), kind, previous: found.into_previous(), last };
    let record = entry.encode(revision);
    log.insert(revision.0, record.as_slice())?;
    ledger.push(revision, record.len());
    Ok(Ok(Change { revision, key: waiting.key.clone(), kind, value, previous: entry.previous }))
}

fn find(objects: &Table<'_, Row, Row>, key: &[u8]) -> Result<Found, redb::Error> {
    let Some(record) = objects.get(key)? else { return Ok(Found::Nothing) };
    Ok(match decode_object(key, record.value()) {
        Ok(object) => {
            Found::Intact(Previous { revision: object.revision, value: Bytes::copy_from_slice(object.value) })
        }
        Err(_) => Found::Corrupt,
    })
}

/// Drops the log entries that no window will hold again.
fn trim(txn: &WriteTransaction, ledger: &mut Ledger, options: &Options) -> Result<(), redb::Error> {
    let Options { window_max_changes, window_max_bytes, .. } = *options;
    if let Some(last) = ledger.trim(window_max_changes, window_max_bytes) {
        txn.open_table(LOG)?.retain_in(..=last.0, |_, _| false)?;
    }
    Ok(())
}

// === impl Failure ===

impl Failure {
    /// The commit went through, but what comes after it did not.
    pub(super) fn after_commit(fault: Fault) -> Self {
        Self { fault, stage: Stage::Commit }
    }
}

// === impl Found ===

impl Found {
    fn value(&self) -> Option<&Bytes> {
        match self {
            Self::Intact(previous) => Some(&previous.value),
            Self::Nothing | Self::Corrupt => None,
        }
    }

    fn into_previous(self) -> Option<Previous> {
        match self {
            Self::Intact(previous) => Some(previous),
            Self::Nothing | Self::Corrupt => None,
        }
    }
}

// === impl Waiting ===

impl Waiting {
    /// Whether the write may take place on what was found.
    fn check(&self, found: &Found) -> Result<(), WriteError> {
        let key = || self.key.clone();
        match (self.expect, found, &self.operation) {
            (Expect::Absent, Found::Nothing, Operation::Put(_))
            | (Expect::Any, Found::Nothing | Found::Intact(_) | Found::Corrupt, Operation::Put(_))
            | (Expect::Any, Found::Intact(_), Operation::Delete { .. }) => Ok(()),
            (Expect::Absent, Found::Intact(previous), _) => {
                Err(WriteError::Exists { key: key(), found: previous.revision })
            }
            (Expect::Revision(expected), Found::Intact(previous), _) => {
                let found = previous.revision;
                if found == expected {
                    return Ok(());
                }
                Err(WriteError::Conflict { key: key(), expected, found })
            }
            (Expect::Revision(_), Found::Nothing, _)
            | (Expect::Any | Expect::Absent, Found::Nothing, Operation::Delete { .. }) => {
                Err(WriteError::NotFound { key: key() })
            }
            (_, Found::Corrupt, _) => Err(WriteError::Corrupt { key: key() }),
        }
    }
}

// === impl Written ===

impl Written {
    fn of(change: &Change) -> Self {
        let removed = match (change.kind, &change.previous) {
            (ChangeKind::Deleted, Some(previous)) => Some(Stored {
                key: change.key.clone(),
                revision: previous.revision,
                value: previous.value.clone(),
            }),
            _ => None,
        };
        Self { revision: change.revision, removed }
    }
}
