//! The bytes of a stored value and of a log entry, each with its own checksum.
//!
//! redb verifies no page checksum on read: a flipped bit comes back as a wrong value without any
//! error. So every record carries an XXH3 over key, revision and value, checked on every read.

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{ChangeKind, Previous, Revision};

/// Revision and checksum, 8 bytes each, before the value.
const OBJECT_HEADER: usize = 16;
/// Checksum 8, kind 1, flags 1, previous revision 8, key length 4, previous length 4.
const ENTRY_HEADER: usize = 26;
const HAS_PREVIOUS: u8 = 1;
const HAS_LAST: u8 = 2;

/// The record's checksum does not fit its content.
#[derive(Debug)]
pub(crate) struct Corrupt;

/// A value as read, still borrowed from its page.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    pub(crate) revision: Revision,
    pub(crate) value: &'a [u8],
}

/// A log entry: enough to undo the change. The value after it is not repeated here: it is the
/// previous value of the key's next change, or the object itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: Vec<u8>,
    pub(crate) kind: ChangeKind,
    pub(crate) previous: Option<Previous>,
    /// A deletion's last state, where the caller gave one.
    pub(crate) last: Option<Bytes>,
}

pub(crate) fn encode_object(key: &[u8], revision: Revision, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(OBJECT_HEADER + value.len());
    out.extend_from_slice(&revision.0.to_be_bytes());
    out.extend_from_slice(&object_checksum(key, revision, value).to_be_bytes());
    out.extend_from_slice(value);
    out
}

pub(crate) fn decode_object<'a>(key: &[u8], record: &'a [u8]) -> Result<Object<'a>, Corrupt> {
    let (revision, rest) = record.split_first_chunk().ok_or(Corrupt)?;
    let (checksum, value) = rest.split_first_chunk().ok_or(Corrupt)?;
    let revision = Revision(u64::from_be_bytes(*revision));
    if u64::from_be_bytes(*checksum) != object_checksum(key, revision, value) {
        return Err(Corrupt);
    }
    Ok(Object { revision, value })
}

fn object_checksum(key: &[u8], revision: Revision, value: &[u8]) -> u64 {
    xxh3_64_with_seed(value, xxh3_64_with_seed(key, revision.0))
}

// === impl Entry ===

impl Entry {
    pub(crate) fn encode(&self, revision: Revision) -> Vec<u8> {
        let previous = self.previous.as_ref();
        let previous_value = previous.map_or(&[][..], |previous| &previous.value);
        let last = self.last.as_deref().unwrap_or_default();
        let mut flags = 0;
        if previous.is_some() {
            flags |= HAS_PREVIOUS;
        }
        if self.last.is_some() {
            flags |= HAS_LAST;
        }
        let mut out = Vec::with_capacity(ENTRY_HEADER + self.key.len() + previous_value.len() + last.len());
        out.extend_from_slice(&[0; 8]);
        out.push(match self.kind {
            ChangeKind::Created => 1,
            ChangeKind::Updated => 2,
            ChangeKind::Deleted => 3,
        });
        out.push(flags);
        let previous_revision = previous.map_or(0, |previous| previous.revision.0);
        out.extend_from_slice(&previous_revision.to_be_bytes());
        out.extend_from_slice(&length(self.key.len()).to_be_bytes());
        out.extend_from_slice(&length(previous_value.len()).to_be_bytes());
        out.extend_from_slice(&self.key);
        out.extend_from_slice(previous_value);
        out.extend_from_slice(last);
        let checksum = xxh3_64_with_seed(&out[8..], revision.0);
        out[..8].copy_from_slice(&checksum.to_be_bytes());
        out
    }

    pub(crate) fn decode(revision: Revision, record: &[u8]) -> Result<Self, Corrupt> {
        let (checksum, body) = record.split_first_chunk().ok_or(Corrupt)?;
        if u64::from_be_bytes(*checksum) != xxh3_64_with_seed(body, revision.0) {
            return Err(Corrupt);
        }
        let (&[kind, flags], body) = body.split_first_chunk().ok_or(Corrupt)?;
        let (previous_revision, body) = body.split_first_chunk().ok_or(Corrupt)?;
        let (key_len, body) = body.split_first_chunk().ok_or(Corrupt)?;
        let (previous_len, body) = body.split_first_chunk().ok_or(Corrupt)?;
        let key_len = u32::from_be_bytes(*key_len) as usize;
        let previous_len = u32::from_be_bytes(*previous_len) as usize;
        let (key, body) = body.split_at_checked(key_len).ok_or(Corrupt)?;
        let (previous, last) = body.split_at_checked(previous_len).ok_or(Corrupt)?;
        let kind = match kind {
            1 => ChangeKind::Created,
            2 => ChangeKind::Updated,
            3 => ChangeKind::Deleted,
            _ => return Err(Corrupt),
        };
        let previous = (flags & HAS_PREVIOUS != 0).then(|| Previous {
            revision: Revision(u64::from_be_bytes(*previous_revision)),
            value: Bytes::copy_from_slice(previous),
        });
        let last = (flags & HAS_LAST != 0).then(|| Bytes::copy_from_slice(last));
        Ok(Self { key: key.to_vec(), kind, previous, last })
    }
}

fn length(len: usize) -> u32 {
    u32::try_from(len).expect("keys and values are bounded far below 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_of_an_object_is_noticed() {
        let record = encode_object(b"k", Revision(7), b"value");
        assert_eq!(decode_object(b"k", &record).unwrap().value, b"value");
        assert!(decode_object(b"other", &record).is_err(), "a record moved to another key");
        for bit in 0..record.len() * 8 {
            let mut damaged = record.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_object(b"k", &damaged).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_of_an_entry_is_noticed() {
        let entry = Entry {
            key: b"k".to_vec(),
            kind: ChangeKind::Deleted,
            previous: Some(Previous { revision: Revision(3), value: Bytes::from_static(b"old") }),
            last: Some(Bytes::from_static(b"last")),
        };
        let record = entry.encode(Revision(9));
        assert_eq!(Entry::decode(Revision(9), &record).unwrap(), entry);
        assert!(Entry::decode(Revision(8), &record).is_err(), "an entry at another revision");
        for bit in 0..record.len() * 8 {
            let mut damaged = record.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Entry::decode(Revision(9), &damaged).is_err(), "bit {bit}");
        }
        for len in 0..record.len() {
            assert!(Entry::decode(Revision(9), &record[..len]).is_err(), "cut to {len}");
        }
    }

    #[test]
    fn an_absent_previous_differs_from_an_empty_one() {
        for previous in [None, Some(Previous { revision: Revision(2), value: Bytes::new() })] {
            let entry = Entry { key: b"k".to_vec(), kind: ChangeKind::Updated, previous, last: None };
            assert_eq!(Entry::decode(Revision(3), &entry.encode(Revision(3))).unwrap(), entry);
        }
    }
}
