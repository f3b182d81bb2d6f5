//! The bytes of a record: a header, the operations of one commit, zeros up to a whole page.

use std::borrow::Borrow;

use uuid::Uuid;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::SLOTS;

/// Records begin on a page of their own, so that writing one never touches another. 4 KiB: what
/// file systems and disks write at once.
pub(super) const PAGE: usize = 4_096;

const MAGIC: [u8; 8] = *b"spurjrn1";
/// Magic 8, checksum of what follows in the header 8, checksum of what follows it 16, epoch 16,
/// index 8, length of what follows it 8.
pub(super) const HEADER: usize = 64;

const WRITE: u8 = 1;
const SET_LEN: u8 = 2;

/// What is done to the database file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Write { offset: u64, data: Vec<u8> },
    SetLen(u64),
}

/// A commit, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// The commit slots that the file had before a cycle; in its first record.
    pub(super) base: Option<[u8; SLOTS]>,
    pub(super) operations: Vec<Operation>,
}

/// Where in a journal's life a record belongs. The epoch is drawn anew for each cycle, so that
/// what an older one left, and what a user has stored, is never taken for a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) epoch: Uuid,
    pub(super) index: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) place: Place,
    /// Of what follows the header, without padding.
    bytes: u64,
    checksum: u128,
}

/// How long the record of these operations is.
pub(super) fn bytes(operations: &[impl Borrow<Operation>], is_first: bool) -> u64 {
    let base = if is_first { SLOTS } else { 0 };
    let operations: u64 = operations.iter().map(|operation| operation.borrow().bytes()).sum();
    (operations + (HEADER + base) as u64).next_multiple_of(PAGE as u64)
}

/// A record; the first of a cycle has a base.
pub(super) fn encode(
    place: Place,
    base: Option<&[u8; SLOTS]>,
    operations: &[impl Borrow<Operation>],
) -> Vec<u8> {
    let mut out = vec![0; HEADER];
    out.extend_from_slice(base.map_or(&[][..], |slots| slots));
    for operation in operations {
        operation.borrow().encode(&mut out);
    }
    let header = Header { place, bytes: (out.len() - HEADER) as u64, checksum: xxh3_128(&out[HEADER..]) };
    header.encode(&mut out);
    out.resize(out.len().next_multiple_of(PAGE), 0);
    out
}

/// Reads a record with its padding; `None` where it does not fit its checksum.
pub(super) fn decode(record: &[u8]) -> Option<Record> {
    let header = Header::decode(record)?;
    let end = HEADER + usize::try_from(header.bytes).ok()?;
    let mut rest = record.get(HEADER..end)?;
    if header.checksum != xxh3_128(rest) {
        return None;
    }
    let base = if header.place.index == 0 { Some(take(&mut rest)?) } else { None };
    let mut operations = Vec::new();
    while !rest.is_empty() {
        operations.push(Operation::decode(&mut rest)?);
    }
    Some(Record { base, operations })
}

// === impl Place ===

impl Place {
    pub(super) fn first(epoch: Uuid) -> Self {
        Self { epoch, index: 0 }
    }

    pub(super) fn next(self) -> Self {
        Self { index: self.index + 1, ..self }
    }
}

// === impl Header ===

impl Header {
    fn encode(self, out: &mut [u8]) {
        out[16..32].copy_from_slice(&self.checksum.to_be_bytes());
        out[32..48].copy_from_slice(self.place.epoch.as_bytes());
        out[48..56].copy_from_slice(&self.place.index.to_be_bytes());
        out[56..HEADER].copy_from_slice(&self.bytes.to_be_bytes());
        let checksum = xxh3_64(&out[16..HEADER]);
        out[8..16].copy_from_slice(&checksum.to_be_bytes());
        out[..8].copy_from_slice(&MAGIC);
    }

    /// What the first page of a record says of it; whether the operations fit is not looked at.
    pub(super) fn decode(page: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER] = page.first_chunk()?;
        let mut rest = &header[..];
        let (magic, sum) = (take(&mut rest)?, take(&mut rest)?);
        if magic != MAGIC || u64::from_be_bytes(sum) != xxh3_64(rest) {
            return None;
        }
        let checksum = u128::from_be_bytes(take(&mut rest)?);
        let place =
            Place { epoch: Uuid::from_bytes(take(&mut rest)?), index: u64::from_be_bytes(take(&mut rest)?) };
        let bytes = u64::from_be_bytes(take(&mut rest)?);
        Some(Self { place, bytes, checksum })
    }

    pub(super) fn record_bytes(self) -> u64 {
        (HEADER as u64).saturating_add(self.bytes).next_multiple_of(PAGE as u64)
    }
}

// === impl Operation ===

impl Operation {
    fn bytes(&self) -> u64 {
        match self {
            Self::Write { data, .. } => 1 + 8 + 4 + data.len() as u64,
            Self::SetLen(_) => 1 + 8,
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => {
                let len = u32::try_from(data.len()).expect("a page is far below 4 GiB");
                out.push(WRITE);
                out.extend_from_slice(&offset.to_be_bytes());
                out.extend_from_slice(&len.to_be_bytes());
                out.extend_from_slice(data);
            }
            Self::SetLen(len) => {
                out.push(SET_LEN);
                out.extend_from_slice(&len.to_be_bytes());
            }
        }
    }

    fn decode(rest: &mut &[u8]) -> Option<Self> {
        Some(match take::<1>(rest)? {
            [WRITE] => {
                let offset = u64::from_be_bytes(take(rest)?);
                let len = u32::from_be_bytes(take(rest)?) as usize;
                let (data, after) = rest.split_at_checked(len)?;
                *rest = after;
                Self::Write { offset, data: data.to_vec() }
            }
            [SET_LEN] => Self::SetLen(u64::from_be_bytes(take(rest)?)),
            _ => return None,
        })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*taken)
}
