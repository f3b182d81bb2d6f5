//! Listing one resource: pages, and older revisions by undoing later changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::key::{Decoder, EncodedRange};
use crate::snapshot::Snapshot;
use crate::{Change, Key, ReadError, Revision, Stored};

/// How many objects past the limit are counted. Counting reads their pages, one or two objects in
/// each: 1,000 take a few milliseconds, and the next page finds them in the cache.
const REMAINING_MAX: u64 = 1_000;

/// Which objects of a resource to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListRange<'a> {
    /// Only this namespace; an empty one is none, as everywhere.
    pub namespace: Option<&'a str>,
    /// Only what sorts after this namespace (empty: cluster-scoped) and name.
    pub after: Option<(&'a str, &'a str)>,
    /// At most so many objects.
    pub limit: Option<usize>,
    /// The state right after this write; without it, the newest.
    pub at: Option<Revision>,
}

/// Objects in key order.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The objects.
    pub items: Vec<Stored>,
    /// The state they were read from: a watch after it continues without a gap.
    pub revision: Revision,
    /// Whether the limit cut the list.
    pub has_more: bool,
    /// How many objects follow: exact below 1,000, which stands for that many or more (clients
    /// of `remainingItemCount` "should not rely on" more than an estimate). `None` without a limit.
    pub remaining: Option<u64>,
    /// Objects of the range that are damaged and so not among `items`.
    pub corrupt: Vec<Key>,
}

/// The state of one object at an older revision, where that differs from the snapshot's.
#[derive(Debug)]
pub(crate) enum Before {
    Absent,
    Was(Stored),
    /// It was corrupt then, and replaced since.
    Unknown(Key),
}

/// Older states by encoded key.
pub(crate) type Undo = BTreeMap<Vec<u8>, Before>;

/// Reads a page from a snapshot with some objects put back to an earlier state.
pub(crate) fn list(
    snapshot: &Snapshot,
    resource: &str,
    range: ListRange<'_>,
    undo: Undo,
) -> Result<Listing, ReadError> {
    let ListRange { namespace, after, limit, at } = range;
    let mut keys = EncodedRange::of(resource, namespace.filter(|ns| !ns.is_empty()));
    if let Some((namespace, name)) = after {
        keys = keys.after(resource, Some(namespace).filter(|ns| !ns.is_empty()), name);
    }
    let mut page = Page::new(limit, at.unwrap_or(snapshot.revision));
    let mut undo = undo.into_iter().filter(|(key, _)| keys.contains(key)).peekable();
    for row in snapshot.range(&keys)? {
        let (key, record) = row?;
        let key = key.value();
        while let Some((_, before)) = undo.next_if(|(undone, _)| undone.as_slice() < key) {
            page.take_before(before);
        }
        match undo.next_if(|(undone, _)| undone.as_slice() == key) {
            Some((_, before)) => page.take_before(before),
            None => page.take_record(key, record.value())?,
        }
        if page.is_counted() {
            return Ok(page.listing);
        }
    }
    for (_, before) in undo {
        page.take_before(before);
    }
    Ok(page.listing)
}

/// The earliest state each key had after `at`'s write, from the changes since, oldest first.
pub(crate) fn undo(changes: impl Iterator<Item = Arc<Change>>) -> Undo {
    let mut undo = Undo::new();
    for change in changes {
        undo.entry(change.key.encode()).or_insert_with(|| Before::of(&change));
    }
    undo
}

struct Page {
    listing: Listing,
    limit: usize,
    decoder: Decoder,
}

// === impl Page ===

impl Page {
    fn new(limit: Option<usize>, revision: Revision) -> Self {
        Self {
            listing: Listing {
                items: Vec::new(),
                revision,
                has_more: false,
                remaining: limit.map(|_| 0),
                corrupt: Vec::new(),
            },
            limit: limit.unwrap_or(usize::MAX),
            decoder: Decoder::default(),
        }
    }

    /// Whether the page is full; what comes is then only counted, without reading its value.
    fn is_past_the_limit(&mut self) -> bool {
        if self.listing.items.len() < self.limit {
            return false;
        }
        self.listing.has_more = true;
        self.listing.remaining = self.listing.remaining.map(|counted| (counted + 1).min(REMAINING_MAX));
        true
    }

    /// Whether nothing more is wanted.
    fn is_counted(&self) -> bool {
        self.listing.remaining.is_some_and(|counted| counted >= REMAINING_MAX)
    }

    fn take_before(&mut self, before: Before) {
        match before {
            Before::Absent => {}
            Before::Was(stored) => {
                if !self.is_past_the_limit() {
                    self.listing.items.push(stored);
                }
            }
            Before::Unknown(key) => self.listing.corrupt.push(key),
        }
    }

    fn take_record(&mut self, key: &[u8], record: &[u8]) -> Result<(), ReadError> {
        if self.is_past_the_limit() {
            return Ok(());
        }
        let Some(decoded) = self.decoder.decode(key) else {
            return Err(ReadError::Damaged { cause: format!("key {key:?} is no key").into() });
        };
        match Snapshot::stored(decoded, key, record) {
            Ok(stored) => self.listing.items.push(stored),
            Err(key) => self.listing.corrupt.push(key),
        }
        Ok(())
    }
}

// === impl Before ===

impl Before {
    fn of(change: &Change) -> Self {
        match (&change.previous, change.kind) {
            (Some(previous), _) => Self::Was(Stored {
                key: change.key.clone(),
                revision: previous.revision,
                value: previous.value.clone(),
            }),
            (None, crate::ChangeKind::Created) => Self::Absent,
            (None, crate::ChangeKind::Updated | crate::ChangeKind::Deleted) => {
                Self::Unknown(change.key.clone())
            }
        }
    }
}
