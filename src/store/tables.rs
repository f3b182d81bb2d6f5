//! The tables, the state row, and what can be wrong with a database as a whole.

use std::io;

use redb::{Database, ReadTransaction, TableDefinition, WriteTransaction};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use crate::disk::is_full;
use crate::{Revision, guard};

/// Encoded key → revision, checksum, value.
pub(crate) const OBJECTS: TableDefinition<'static, &'static [u8], &'static [u8]> =
    TableDefinition::new("objects");
/// Revision → what undoes that write.
pub(crate) const LOG: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new("log");
/// One row: the [`State`].
pub(crate) const STATE: TableDefinition<'static, (), &'static [u8]> = TableDefinition::new("state");

/// The layout of tables and records that this code writes. A higher one is refused.
pub(crate) const FORMAT: u32 = 1;

/// What is true of the database as a whole; written with every commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) identity: Identity,
    pub(crate) revision: Revision,
}

/// Which database this is: compared with the marker file beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) cluster: Uuid,
    /// Rises when a backup is restored, so that a file from before it is recognised.
    pub(crate) generation: u64,
}

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("{0}")]
    Damaged(String),
    #[error("its format is {found}, this version reads up to {FORMAT}")]
    Newer { found: u32 },
    #[error("its file format is redb's version {found}, which has to be upgraded")]
    Older { found: u8 },
    #[error("disk is full")]
    DiskFull,
    #[error("{0}")]
    Io(io::Error),
}

// === impl State ===

impl State {
    /// The state of a database that nothing was written to.
    pub(crate) fn new(identity: Identity) -> Self {
        Self { identity, revision: Revision::FIRST }
    }

    pub(crate) fn read(txn: &ReadTransaction) -> Result<Self, Fault> {
        let table = txn.open_table(STATE).map_err(redb::Error::from)?;
        let row = table.get(()).map_err(redb::Error::from)?;
        let row = row.ok_or_else(|| Fault::Damaged("its state row is missing".into()))?;
        Self::decode(row.value())
    }

    pub(crate) fn write(&self, txn: &WriteTransaction) -> Result<(), redb::Error> {
        txn.open_table(STATE)?.insert((), self.encode().as_slice())?;
        Ok(())
    }

    fn encode(&self) -> Vec<u8> {
        // The format comes first and outside the checksum's reach of later formats, so that any
        // version can tell that a newer one wrote the row.
        let mut out = FORMAT.to_be_bytes().to_vec();
        out.extend_from_slice(&self.revision.0.to_be_bytes());
        out.extend_from_slice(self.identity.cluster.as_bytes());
        out.extend_from_slice(&self.identity.generation.to_be_bytes());
        out.extend_from_slice(&xxh3_64(&out).to_be_bytes());
        out
    }

    fn decode(row: &[u8]) -> Result<Self, Fault> {
        let damaged = || Fault::Damaged("the checksum of its state row does not fit".into());
        let (format, _) = row.split_first_chunk().ok_or_else(damaged)?;
        let found = u32::from_be_bytes(*format);
        let is_intact =
            row.split_last_chunk().is_some_and(|(body, sum)| u64::from_be_bytes(*sum) == xxh3_64(body));
        if !is_intact {
            return Err(damaged());
        }
        if found > FORMAT {
            return Err(Fault::Newer { found });
        }
        let (revision, rest) = row[4..].split_first_chunk().ok_or_else(damaged)?;
        let (cluster, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
        let (generation, _) = rest.split_first_chunk().ok_or_else(damaged)?;
        Ok(Self {
            revision: Revision(u64::from_be_bytes(*revision)),
            identity: Identity {
                cluster: Uuid::from_bytes(*cluster),
                generation: u64::from_be_bytes(*generation),
            },
        })
    }
}

/// Creates the tables of an empty database.
pub(crate) fn initialise(database: &Database, identity: Identity) -> Result<(), redb::Error> {
    let txn = database.begin_write()?;
    txn.open_table(OBJECTS)?;
    txn.open_table(LOG)?;
    State::new(identity).write(&txn)?;
    txn.commit()?;
    Ok(())
}

/// Runs something that may meet a damaged page.
pub(crate) fn guarded<T>(run: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    guard::guarded(run).unwrap_or_else(|cause| Err(Fault::Damaged(cause)))
}

// === impl Fault ===

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            _ if is_full(&error) => Self::DiskFull,
            // What redb says of a wrong magic number, and of a file that ends early.
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Self::Damaged(error.to_string()),
            _ => Self::Io(error),
        }
    }
}

impl From<redb::Error> for Fault {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Io(error) => error.into(),
            redb::Error::UpgradeRequired(found) => Self::Older { found },
            redb::Error::PreviousIo | redb::Error::DatabaseClosed => {
                Self::Io(io::Error::other(error.to_string()))
            }
            error => Self::Damaged(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_row_round_trips_and_tells_damage_from_a_newer_format() {
        let identity = Identity { cluster: Uuid::from_u128(7), generation: 3 };
        let state = State { identity, revision: Revision(42) };
        let row = state.encode();
        assert_eq!(State::decode(&row).unwrap(), state);
        for byte in 0..row.len() {
            let mut damaged = row.clone();
            damaged[byte] ^= 0x10;
            assert!(matches!(State::decode(&damaged), Err(Fault::Damaged(_))), "byte {byte}");
        }
        let mut newer = (FORMAT + 1).to_be_bytes().to_vec();
        newer.extend_from_slice(b"whatever that format holds");
        newer.extend_from_slice(&xxh3_64(&newer).to_be_bytes());
        assert!(matches!(State::decode(&newer), Err(Fault::Newer { found: 2 })));
    }
}
