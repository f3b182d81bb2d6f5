//! What the store does when its disk fails.

mod given_up;
mod power_cuts;
mod readers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;

use super::{Faults, FaultyDisk};
use crate::{
    ChangeKind, Expect, Health, Key, ListRange, Options, Revision, Store, Stored, Watch, WriteError,
};

/// Far beyond the longest pause in the writer.
const PATIENCE: Duration = Duration::from_secs(30);

fn pod(n: usize) -> Key {
    Key::namespaced("pods", "shop", &format!("pod-{n:04}"))
}

fn value(n: usize) -> Bytes {
    Bytes::from(format!("{n}:").repeat(500))
}

fn options() -> Options {
    let reopen_pauses = [Duration::from_millis(100), Duration::from_millis(200)];
    Options { ballast_bytes: 1 << 20, reopen_pauses, ..Options::default() }
}

async fn healthy(store: &Store) {
    let mut health_rx = store.health_changes();
    tokio::time::timeout(PATIENCE, health_rx.wait_for(|health| *health == Health::Ready))
        .await
        .expect("the store recovers")
        .expect("the store is open");
}

/// Until the writer has let what it has answered into the database file, so that the next operation
/// is of the next write. There is a pod 0.
async fn at_rest(store: &Store) {
    let refused = store.put(pod(0), Expect::Absent, value(0)).await;
    assert!(matches!(refused, Err(WriteError::Exists { .. })), "{refused:?}");
}

fn listed(store: &Store) -> Vec<Stored> {
    let listing = store.list("pods", ListRange::default()).unwrap();
    assert_eq!(listing.corrupt, []);
    listing.items
}

/// The state that a watch's changes since the empty store make.
async fn told(watch: &mut Watch, until: Revision) -> Vec<Stored> {
    let mut state = BTreeMap::new();
    let mut last = Revision(1);
    while watch.position() < until {
        for change in watch.next().await.unwrap() {
            assert!(change.revision > last, "ordered and unique");
            last = change.revision;
            let change = Arc::unwrap_or_clone(change);
            state.remove(&change.key);
            if change.kind != ChangeKind::Deleted {
                let (key, revision, value) = (change.key, change.revision, change.value);
                state.insert(key.clone(), Stored { key, revision, value });
            }
        }
    }
    state.into_values().collect()
}

/// ST-3: refused with what has to be free, read from, deleted from, and written to again.
#[tokio::test]
async fn a_full_disk_refuses_puts_takes_deletes_and_reads_and_recovers_when_there_is_room() {
    let options = options();
    let disk = FaultyDisk::formatted(&options);
    let store = disk.open(&options);
    let mut watch = store.watch("pods", None, Revision(1)).unwrap();
    store.put(pod(0), Expect::Absent, value(0)).await.unwrap();
    disk.set_capacity(disk.used_bytes() + (1 << 20));
    let mut n_written = 1;
    let refused = loop {
        match store.put(pod(n_written), Expect::Absent, value(n_written)).await {
            Ok(_) => n_written += 1,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(&refused, WriteError::DiskFull { .. }), "{refused}");
    let text = refused.to_string();
    let wanted = 4 * options.ballast_bytes;
    assert!(text.contains(&format!("disk is full at `faulty`: {wanted} bytes have to be free, ")), "{text}");
    assert!(text.contains("hint: free some space"), "{text}");
    assert_eq!(store.health(), Health::DiskFull);

    // Everything acknowledged reads, the refused one does not.
    assert_eq!(listed(&store).len(), n_written);
    assert_eq!(store.get(&pod(n_written)).unwrap(), None);
    let again = store.put(pod(n_written), Expect::Absent, value(0)).await;
    assert!(matches!(again, Err(WriteError::DiskFull { .. })));
    for n in 0..n_written / 2 {
        store.delete(pod(n), Expect::Any, None).await.expect("deletes use what the ballast freed");
    }

    disk.set_capacity(64 << 20);
    healthy(&store).await;
    store.put(pod(n_written), Expect::Absent, value(n_written)).await.unwrap();
    let state = listed(&store);
    assert_eq!(told(&mut watch, store.revision()).await, state);
    drop(store);
    let store = disk.open(&options);
    assert_eq!(listed(&store), state, "the same after a restart");
}

/// Fifty pods on a disk with not one block more than is in use.
async fn without_a_free_block(options: &Options) -> (FaultyDisk, Store) {
    let disk = FaultyDisk::formatted(options);
    let store = disk.open(options);
    for n in 0..50 {
        store.put(pod(n), Expect::Absent, value(n)).await.unwrap();
    }
    at_rest(&store).await;
    disk.set_capacity(disk.used_bytes());
    (disk, store)
}

/// ST-3: the ballast is given up first, since deletes need room too.
#[tokio::test]
async fn a_delete_that_meets_the_full_disk_first_goes_through_on_the_ballast() {
    let (_disk, store) = without_a_free_block(&options()).await;
    // Some commits fit into what redb has free inside its file, so deletes go on until one has met
    // the full disk.
    let mut n_deleted = 0;
    while store.health() == Health::Ready && n_deleted < 50 {
        store.delete(pod(n_deleted), Expect::Any, None).await.expect("uses the ballast");
        n_deleted += 1;
    }
    // Where none did, puts larger than what is free must; the journal may take the first.
    let mut n_put = 0;
    while store.health() == Health::Ready && n_put < 3 {
        let large = Bytes::from(vec![b'v'; 2 << 20]);
        match store.put(pod(90 + n_put), Expect::Absent, large).await {
            Ok(_) => n_put += 1,
            Err(refused) => assert!(matches!(refused, WriteError::DiskFull { .. }), "{refused}"),
        }
    }
    assert_eq!(store.health(), Health::DiskFull);
    assert_eq!(listed(&store).len(), 50 - n_deleted + n_put);
}

/// ST-3: what the journal has is let into the database file on the ballast.
#[tokio::test]
async fn st_3_a_store_whose_last_commits_found_no_room_starts_on_the_full_disk() {
    let options = options();
    let (disk, store) = without_a_free_block(&options).await;
    let large = Bytes::from(vec![b'v'; 300 << 10]);
    store.put(pod(50), Expect::Absent, large.clone()).await.expect("the journal has room");
    assert_eq!((store.health(), store.get(&pod(50)).unwrap().unwrap().value), (Health::Ready, large.clone()));
    drop(store);
    let store = disk.open(&options);
    assert_eq!((listed(&store).len(), store.get(&pod(50)).unwrap().unwrap().value), (51, large));
}

/// A group may be far larger than the journal: many objects, and what they replace.
#[tokio::test]
async fn a_group_that_is_larger_than_the_journal_is_written_and_survives() {
    let options = options();
    let disk = FaultyDisk::formatted(&options);
    let store = Arc::new(disk.open(&options));
    for round in [1, 2, 3] {
        let mut writes = JoinSet::new();
        for n in 0..16 {
            let store = store.clone();
            writes.spawn(async move {
                match round {
                    3 => store.delete(pod(n), Expect::Any, None).await.map(|(revision, _)| revision),
                    _ => store.put(pod(n), Expect::Any, Bytes::from(vec![round; 2_100 << 10])).await,
                }
            });
        }
        for written in writes.join_all().await {
            written.unwrap();
        }
        store.put(pod(99), Expect::Any, value(1)).await.unwrap();
        assert_eq!(store.stats().reopens, 0, "round {round}");
    }
    assert_eq!(listed(&store).len(), 1);
    drop(store);
    assert_eq!(listed(&disk.open(&options)).len(), 1);
}

/// ST-4: at every operation of a commit.
#[tokio::test]
async fn one_failed_operation_leaves_a_known_or_an_unknown_outcome_and_never_a_wrong_one() {
    let options = options();
    let (mut n_unknown, mut n_unwritten, mut n_later) = (0, 0, 0);
    for operation in 0.. {
        let disk = FaultyDisk::formatted(&options);
        let store = disk.open(&options);
        let mut watch = store.watch("pods", None, Revision(1)).unwrap();
        for n in 0..5 {
            store.put(pod(n), Expect::Absent, value(n)).await.unwrap();
        }
        at_rest(&store).await;
        let faults = Faults { operation: Some(operation), ..Faults::default() };
        disk.fail(faults);
        let before = listed(&store);
        let put = store.put(pod(0), Expect::Any, value(77)).await;
        let found = store.get(&pod(0)).unwrap().unwrap();
        let n_reopens = u64::from(put.is_err());
        assert_eq!(store.stats().reopens, n_reopens, "operation {operation}");
        match put {
            Ok(revision) => {
                assert_eq!((found.revision, found.value), (revision, value(77)));
                at_rest(&store).await;
                if disk.is_about_to_fail() {
                    assert!(operation > 5, "a commit takes some operations");
                    break;
                }
                n_later += 1;
            }
            Err(WriteError::NotWritten { .. }) => {
                assert_eq!(listed(&store), before, "operation {operation}");
                n_unwritten += 1;
            }
            Err(error @ WriteError::Unknown { .. }) => {
                let told = "outcome of writing `pods/shop/pod-0000` is unknown, read it back before retrying";
                assert!(error.to_string().starts_with(told), "{error}");
                assert!([value(0), value(77)].contains(&found.value), "operation {operation}");
                n_unknown += 1;
            }
            Err(error) => panic!("operation {operation}: {error}"),
        }
        healthy(&store).await;
        store.put(pod(9), Expect::Absent, value(9)).await.expect("writes work again");
        let state = listed(&store);
        assert_eq!(told(&mut watch, store.revision()).await, state, "operation {operation}");
        drop(store);
        let store = disk.open(&options);
        assert_eq!(listed(&store), state, "operation {operation}, after a restart");
    }
    let outcomes = [n_unknown, n_unwritten, n_later];
    assert!(
        outcomes.iter().all(|n| *n > 0),
        "unknown, unwritten, written to the journal alone: {outcomes:?}"
    );
}

/// ST-4: reads do not depend on the opening.
#[tokio::test]
async fn reads_go_on_while_the_database_cannot_be_opened_again() {
    let options = options();
    let disk = FaultyDisk::formatted(&options);
    let store = disk.open(&options);
    store.put(pod(0), Expect::Absent, value(0)).await.unwrap();
    at_rest(&store).await;
    disk.fail(Faults { operation: Some(0), openings: 2, ..Faults::default() });
    let failed = store.put(pod(1), Expect::Absent, value(1)).await.unwrap_err();
    assert!(matches!(failed, WriteError::NotWritten { .. } | WriteError::Unknown { .. }));
    let Health::Reopening { attempts, .. } = store.health() else { panic!("{:?}", store.health()) };
    assert!((1..=2).contains(&attempts));
    assert_eq!(store.get(&pod(0)).unwrap().unwrap().value, value(0));
    assert_eq!(listed(&store).len(), 1);
    let refused = store.put(pod(1), Expect::Absent, value(1)).await;
    assert!(matches!(refused, Err(WriteError::NotWritten { .. }) | Ok(_)), "{refused:?}");
    healthy(&store).await;
    store.put(pod(2), Expect::Absent, value(2)).await.unwrap();
}

/// ST-4: nor on whether what an opening writes can be written.
#[tokio::test]
async fn reads_go_on_while_every_write_to_the_disk_fails() {
    // The disk is well again before the third attempt, the last one. Pages are read from the disk.
    let reopen_pauses = [Duration::from_millis(20), Duration::from_millis(500)];
    let options = Options { reopen_pauses, cache_bytes: 0, ..options() };
    for operation in 0.. {
        let disk = FaultyDisk::formatted(&options);
        let store = disk.open(&options);
        let mut watch = store.watch("pods", None, Revision(1)).unwrap();
        for n in 0..5 {
            store.put(pod(n), Expect::Absent, value(n)).await.unwrap();
        }
        let mut before = listed(&store);
        at_rest(&store).await;
        disk.fail(Faults { operation: Some(operation), lasts: true, ..Faults::default() });
        let mut n_written = 0;
        // Where the journal has it, that is all it takes; the next one finds out.
        while store.put(pod(0), Expect::Any, value(77 + n_written)).await.is_ok() {
            before = listed(&store);
            n_written += 1;
        }
        if n_written > 2 {
            assert!(operation > 5, "a commit takes some operations");
            break;
        }
        let mut health_rx = store.health_changes();
        let has_failed_again = |health: &Health| matches!(health, Health::Reopening { attempts: 2.., .. });
        let waited = tokio::time::timeout(PATIENCE, health_rx.wait_for(has_failed_again)).await;
        drop(waited.expect("it is tried again").expect("the store is open"));
        assert_eq!(listed(&store), before, "operation {operation}: what is not durable is not shown");
        assert_eq!(store.get(&pod(0)).unwrap().as_ref(), before.first(), "operation {operation}");

        disk.fail(Faults::default());
        healthy(&store).await;
        store.put(pod(9), Expect::Absent, value(9)).await.expect("writes work again");
        let state = listed(&store);
        assert_eq!(told(&mut watch, store.revision()).await, state, "operation {operation}");
        drop(store);
        let store = disk.open(&options);
        assert_eq!(listed(&store), state, "operation {operation}, after a restart");
    }
}

/// ST-4: a reader sees every state whole while handles change beneath it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_never_notice_that_the_database_is_opened_again() {
    let options = options();
    let disk = FaultyDisk::formatted(&options);
    let store = Arc::new(disk.open(&options));
    for n in 0..20 {
        store.put(pod(n), Expect::Absent, value(n)).await.unwrap();
    }
    let is_done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (store, is_done) = (store.clone(), is_done.clone());
            std::thread::spawn(move || {
                let mut n_reads = 0;
                let mut newest = Revision(0);
                while !is_done.load(Ordering::SeqCst) {
                    let listing = store.list("pods", ListRange::default()).unwrap();
                    assert_eq!((listing.items.len(), listing.corrupt.len()), (20, 0));
                    assert!(listing.revision >= newest, "reads went back");
                    newest = listing.revision;
                    n_reads += 1;
                }
                n_reads
            })
        })
        .collect();
    for round in 0..30u32 {
        at_rest(&store).await;
        // The write and the sync of the journal, and the first write of the file.
        disk.fail(Faults { operation: Some(round % 3), ..Faults::default() });
        // Some fail, which is the point; whatever becomes of them, twenty pods stay.
        let _ = store.put(pod(3), Expect::Any, value(round as usize)).await;
        healthy(&store).await;
    }
    is_done.store(true, Ordering::SeqCst);
    for reader in readers {
        assert!(reader.join().unwrap() > 0);
    }
    assert!(store.stats().reopens > 10, "{:?}", store.stats());
}
