//! What makes a commit durable with one sync: the pages that it writes, in a file of their own.
//!
//! redb syncs twice for a commit that no torn write can spoil. Here both syncs are one: everything
//! that a commit writes is appended to the journal as one record, which counts whole or not at
//! all, and only then written to the database file, whose own sync can wait until the journal is
//! full. Whoever opens the database lays the records over the file first.
//!
//! ```text
//!  journal   | record 0 | record 1 | record 2 | free ... |   a cycle: records of one epoch, in
//!            each on pages of its own                        order; the next begins at the start
//! ```

mod record;
#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::io;

use redb::StorageBackend;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

pub(crate) use record::Operation;
use record::{Header, PAGE, Place, Record};

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;
/// Bytes of a redb file that its commits write over: its header with the commit slots.
const FILE_HEADER: usize = 320;
/// Where a bit says that the file was opened and not closed, as it is while a journal has records.
const GOD_BYTE: usize = 9;
const RECOVERY_REQUIRED: u8 = 2;
/// One commit slot, of two that follow the 64 bytes of the header. Its last 16 bytes are the
/// checksum of the others (redb 4.4, `page_store/header.rs`).
const SLOT: usize = 128;
const SLOTS: usize = FILE_HEADER - 64;

/// A journal that is open for appending.
#[derive(Debug)]
pub(crate) struct Journal {
    file: Box<dyn StorageBackend>,
    capacity: u64,
    place: Place,
    /// Where the next record goes.
    offset: u64,
    /// Where the last record that was read lies, and how long it is.
    last: Option<(u64, u64)>,
}

/// What a journal tells to whoever opens the database.
#[derive(Debug)]
pub(crate) enum Found {
    Nothing,
    /// What has to be laid over the file, in order.
    Commits(Vec<Operation>),
    /// Commits of another file, or of another state of this one.
    Foreign,
    /// A record before the last one does not fit its checksum.
    Damaged {
        /// Which, from 0.
        record: u64,
    },
}

// === impl Journal ===

impl Journal {
    /// A journal on its file, which is as long as it may get. Nothing is read or written.
    pub(crate) fn new(file: Box<dyn StorageBackend>) -> io::Result<Self> {
        let capacity = file.len()?;
        Ok(Self { file, capacity, place: Place::first(Uuid::new_v4()), offset: 0, last: None })
    }

    /// Reads what was committed since the database file was last synced.
    pub(crate) fn read(&mut self, database: &dyn StorageBackend) -> io::Result<Found> {
        let Some((header, first)) = self.record_at(0, None)? else {
            let is_damaged = self.has_lost_its_first()?;
            return Ok(if is_damaged { Found::Damaged { record: 0 } } else { Found::Nothing });
        };
        let mut known: Vec<_> = first.slots().collect();
        let mut operations = first.operations;
        let mut place = header.place.next();
        let mut offset = header.record_bytes();
        self.last = Some((0, offset));
        while let Some((header, record)) = self.record_at(offset, Some(place))? {
            known.extend(record.slots());
            operations.extend(record.operations);
            place = place.next();
            self.last = Some((offset, header.record_bytes()));
            offset += header.record_bytes();
        }
        if !is_of(database, &known)? {
            return Ok(Found::Foreign);
        }
        // Each record was synced before the next was written.
        if self.has_later(offset, place)? {
            return Ok(Found::Damaged { record: place.index });
        }
        Ok(Found::Commits(without_the_overwritten(operations)))
    }

    /// Whether these fit behind the records that are there.
    pub(crate) fn has_room(&self, operations: &[impl Borrow<Operation>]) -> bool {
        self.offset + record::bytes(operations, self.offset == 0) <= self.capacity
    }

    /// Makes a commit durable. `database` is the file as the records before it left it.
    pub(crate) fn append(
        &mut self,
        database: &dyn StorageBackend,
        operations: &[impl Borrow<Operation>],
    ) -> io::Result<()> {
        let base = if self.offset == 0 { Some(slots(database)?) } else { None };
        let record = record::encode(self.place, base.as_ref(), operations);
        self.file.write(self.offset, &record)?;
        self.file.sync_data()?;
        self.offset += record.len() as u64;
        self.place = self.place.next();
        Ok(())
    }

    /// Makes sure that no record is read any more, and begins at the start: when the database file
    /// was synced. Before it is written to in another way; and before the next cycle, since a first
    /// record that is torn may be any part of itself over any part of an older one.
    pub(crate) fn forget(&mut self) -> io::Result<()> {
        self.file.write(0, &[0; SECTOR])?;
        self.file.sync_data()?;
        self.place = Place::first(Uuid::new_v4());
        self.offset = 0;
        self.last = None;
        Ok(())
    }

    /// Makes durable what was read. The last record is written again: where it was one whose sync
    /// failed, what was read is the operating system's memory, and it takes that for written.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if let Some((offset, bytes)) = self.last {
            let record = self.bytes_at(offset, bytes)?;
            self.file.write(offset, &record)?;
        }
        self.file.sync_data()
    }

    /// The record there, if it is whole and the expected one; a first one where none is expected.
    fn record_at(&self, offset: u64, expected: Option<Place>) -> io::Result<Option<(Header, Record)>> {
        let Some(header) = self.header_at(offset)? else { return Ok(None) };
        let is_expected = match expected {
            None => header.place.index == 0,
            Some(place) => header.place == place,
        };
        if !is_expected || header.record_bytes() > self.capacity - offset {
            return Ok(None);
        }
        let record = self.bytes_at(offset, header.record_bytes())?;
        Ok(record::decode(&record).map(|record| (header, record)))
    }

    fn bytes_at(&self, offset: u64, bytes: u64) -> io::Result<Vec<u8>> {
        let mut record = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
        self.file.read(offset, &mut record)?;
        Ok(record)
    }

    fn header_at(&self, offset: u64) -> io::Result<Option<Header>> {
        if offset + PAGE as u64 > self.capacity {
            return Ok(None);
        }
        let mut page = [0; PAGE];
        self.file.read(offset, &mut page)?;
        Ok(Header::decode(&page))
    }

    /// Whether the first record, which is not whole, was so once. Where power failed while it was
    /// written, there can be no other of its own cycle behind it, and its beginning is its own or
    /// zero, as it is where it was forgotten.
    fn has_lost_its_first(&self) -> io::Result<bool> {
        if let Some(header) = self.header_at(0)? {
            return self.has_later(PAGE as u64, header.place);
        }
        if self.capacity < PAGE as u64 {
            return Ok(false);
        }
        let mut header = [0; record::HEADER];
        self.file.read(0, &mut header)?;
        if header == [0; record::HEADER] {
            return Ok(false);
        }
        self.has_record(PAGE as u64, |_| true)
    }

    /// Whether a whole record that comes after the place lies behind the offset.
    fn has_later(&self, offset: u64, place: Place) -> io::Result<bool> {
        self.has_record(offset, |later| later.epoch == place.epoch && later.index > place.index)
    }

    /// Whether a whole record of such a place lies behind the offset.
    fn has_record(&self, mut offset: u64, is_sought: impl Fn(Place) -> bool) -> io::Result<bool> {
        while offset + PAGE as u64 <= self.capacity {
            let found = self.header_at(offset)?.map(|header| header.place);
            if let Some(place) = found.filter(|place| is_sought(*place))
                && self.record_at(offset, Some(place))?.is_some()
            {
                return Ok(true);
            }
            offset += PAGE as u64;
        }
        Ok(false)
    }
}

/// Whether the file is in the state that the journal began with, or in one that it tells of: it was
/// not closed, has a commit slot that is known, and none that is whole and unknown. A torn one is
/// neither: power may fail while it is written.
fn is_of(database: &dyn StorageBackend, known: &[[u8; SLOT]]) -> io::Result<bool> {
    if database.len()? < FILE_HEADER as u64 {
        return Ok(false);
    }
    let mut header = [0; FILE_HEADER];
    database.read(0, &mut header)?;
    let is_known = |slot: &[u8; SLOT]| known.contains(slot);
    let (found, _) = header[FILE_HEADER - SLOTS..].as_chunks();
    let is_open = header[GOD_BYTE] & RECOVERY_REQUIRED != 0;
    Ok(is_open && found.iter().any(is_known) && found.iter().all(|slot| is_known(slot) || !is_whole(slot)))
}

fn is_whole(slot: &[u8; SLOT]) -> bool {
    slot.split_last_chunk().is_some_and(|(body, checksum)| *checksum == xxh3_128(body).to_le_bytes())
}

fn slots(database: &dyn StorageBackend) -> io::Result<[u8; SLOTS]> {
    let mut slots = [0; SLOTS];
    database.read((FILE_HEADER - SLOTS) as u64, &mut slots)?;
    Ok(slots)
}

/// Leaves out what a later operation writes to the same place. Commits come back to few pages.
fn without_the_overwritten(operations: Vec<Operation>) -> Vec<Operation> {
    let mut written = std::collections::HashSet::new();
    let mut kept: Vec<_> = operations
        .into_iter()
        .rev()
        .filter(|operation| match operation {
            Operation::Write { offset, data } => written.insert((*offset, data.len())),
            Operation::SetLen(_) => true,
        })
        .collect();
    kept.reverse();
    kept
}

// === impl Record ===

impl Record {
    /// The commit slots of the file before it, where it tells, and those that it writes.
    fn slots(&self) -> impl Iterator<Item = [u8; SLOT]> {
        let written = self.operations.iter().filter_map(|operation| match operation {
            Operation::Write { offset: 0, data } => data.get(FILE_HEADER - SLOTS..FILE_HEADER),
            Operation::Write { .. } | Operation::SetLen(_) => None,
        });
        let base = self.base.iter().map(|slots| &slots[..]);
        base.chain(written).flat_map(|slots| slots.as_chunks().0).copied()
    }
}
