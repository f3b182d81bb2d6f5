//! Damaged files: never a wrong value, never a crash, and only what is damaged is lost.

use std::fs;
use std::path::Path;

use spur_store::{Expect, Key, ListRange, Options, ReadError, Store, WriteError};

use crate::{bytes, key};

const N_OBJECTS: usize = 60;

/// Redb's page size (its `PAGE_SIZE`, the same on all systems).
const PAGE: usize = 4_096;

fn pod(n: usize) -> Key {
    key("pods", &format!("shop/pod-{n:03}"))
}

/// Unlike any other bytes in the file.
fn value(n: usize) -> String {
    format!("<value of pod {n}>").repeat(20)
}

async fn fill(path: &Path) {
    // No log, so that each value is in the file once.
    let options = Options { window_max_changes: 0, ..Options::default() };
    let store = Store::open(path, options).unwrap();
    for n in 0..N_OBJECTS {
        store.put(pod(n), Expect::Absent, bytes(&value(n))).await.unwrap();
    }
}

fn flip(path: &Path, what: &[u8]) {
    let database = path.join("store.redb");
    let mut content = fs::read(&database).unwrap();
    let places: Vec<_> =
        (0..content.len() - what.len()).filter(|at| content[*at..].starts_with(what)).collect();
    assert!(!places.is_empty());
    // Copies that commits left behind are flipped too: which one is live is redb's business.
    for place in places {
        content[place + 3] ^= 0x40;
    }
    fs::write(&database, content).unwrap();
}

/// ST-5: its checksum does not fit.
#[tokio::test]
async fn a_flipped_bit_in_a_value_is_reported_for_that_object_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    fill(&path).await;
    flip(&path, value(17).as_bytes());
    let store = Store::open(&path, Options::default()).unwrap();

    let error = store.get(&pod(17)).unwrap_err();
    assert!(matches!(&error, ReadError::Corrupt { key } if *key == pod(17)), "{error}");
    assert!(error.to_string().contains("pods/shop/pod-017"));
    let listing = store.list("pods", ListRange::default()).unwrap();
    assert_eq!(listing.corrupt, [pod(17)]);
    assert_eq!(listing.items.len(), N_OBJECTS - 1);
    for stored in &listing.items {
        assert_eq!(store.get(&stored.key).unwrap().as_ref(), Some(stored));
    }

    // Nothing can be compared with it, yet it can be replaced.
    let refused = WriteError::Corrupt { key: pod(17) };
    let put = |expect| store.put(pod(17), expect, bytes("new"));
    assert_eq!(put(Expect::Absent).await, Err(refused.clone()));
    assert_eq!(put(Expect::Revision(store.revision())).await, Err(refused.clone()));
    assert_eq!(store.delete(pod(17), Expect::Any, None).await, Err(refused));
    let before = store.revision();
    put(Expect::Any).await.unwrap();
    assert_eq!(store.get(&pod(17)).unwrap().unwrap().value, bytes("new"));
    let listing = store.list("pods", ListRange::default()).unwrap();
    assert_eq!((listing.items.len(), listing.corrupt.len()), (N_OBJECTS, 0));
    let at = ListRange { at: Some(before), ..ListRange::default() };
    let listing = store.list("pods", at).unwrap();
    assert_eq!(listing.corrupt, [pod(17)], "what it was before is still not known");
    store.delete(pod(17), Expect::Any, None).await.unwrap();
}

/// Opens the file; says what was wrong, or reads everything and demands the right value or an
/// error.
fn check_never_wrong(path: &Path, content: &[u8], damage: &str) -> Outcome {
    let database = path.join("store.redb");
    fs::write(&database, content).unwrap();
    let store = match Store::open(path, Options::default()) {
        Ok(store) => store,
        Err(error) => {
            assert!(error.to_string().contains("hint: "), "{damage}: {error}");
            assert!(fs::read(&database).unwrap() == content, "{damage}: the file was changed");
            return Outcome::Refused;
        }
    };
    let mut outcome = Outcome::Intact;
    for n in 0..N_OBJECTS {
        match store.get(&pod(n)) {
            Ok(found) => {
                let found = found.unwrap_or_else(|| panic!("{damage}: pod {n} is missing"));
                assert_eq!(found.value, bytes(&value(n)), "{damage}");
            }
            Err(ReadError::Corrupt { .. } | ReadError::Damaged { .. } | ReadError::Io(_)) => {
                outcome = Outcome::Reported;
            }
            Err(error) => panic!("{damage}: {error}"),
        }
    }
    match store.list("pods", ListRange::default()) {
        Ok(listing) => {
            assert_eq!(listing.items.len() + listing.corrupt.len(), N_OBJECTS, "{damage}");
        }
        Err(ReadError::Damaged { .. } | ReadError::Io(_)) => outcome = Outcome::Reported,
        Err(error) => panic!("{damage}: {error}"),
    }
    outcome
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Refused,
    Reported,
    Intact,
}

/// ST-6: every page, one after the other.
#[tokio::test]
async fn zeroed_and_garbled_pages_are_refused_or_reported_and_never_read_as_something_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    fill(&path).await;
    let whole = fs::read(path.join("store.redb")).unwrap();
    let used: Vec<_> =
        (0..whole.len() / PAGE).filter(|page| whole[page * PAGE..][..PAGE] != [0; PAGE]).collect();
    let mut outcomes = Vec::new();
    for page in used {
        for (fill, what) in [(0x00, "zeroed"), (0xA5, "garbled")] {
            let mut content = whole.clone();
            content[page * PAGE..][..PAGE].fill(fill);
            outcomes.push(check_never_wrong(&path, &content, &format!("page {page} {what}")));
        }
    }
    assert!(outcomes.contains(&Outcome::Refused), "{outcomes:?}");
    // With its debug assertions redb walks every page at opening, so nothing is left to report.
    let is_lazy = !cfg!(debug_assertions);
    assert_eq!(outcomes.contains(&Outcome::Reported), is_lazy, "{outcomes:?}");
}
