//! Directories as a crash leaves them: commits that are in the journal alone.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use spur_store::{Expect, OpenError, Options, Revision, Store};
use tempfile::TempDir;

use crate::{bytes, key};

/// A page of the journal; each record here takes more than one.
const PAGE: usize = 4_096;
const N_OBJECTS: usize = 8;

fn open(path: &Path) -> Result<Store, OpenError> {
    Store::open(path, Options::default())
}

/// A directory whose process was killed after eight writes.
async fn killed() -> (TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let living = parent.path().join("living");
    let store = open(&living).unwrap();
    for n in 0..N_OBJECTS {
        store.put(key("pods", &format!("shop/pod-{n}")), Expect::Absent, bytes("a")).await.unwrap();
    }
    let path = as_a_kill_leaves(&living);
    (parent, path)
}

/// A copy of what is in the files of a store that runs.
fn as_a_kill_leaves(living: &Path) -> PathBuf {
    let mut path = living.to_owned();
    path.as_mut_os_string().push(".killed");
    DirBuilder::new().mode(0o700).create(&path).unwrap();
    for name in ["cluster", "store.redb", "journal"] {
        fs::copy(living.join(name), path.join(name)).unwrap();
    }
    path
}

fn found(store: &Store) -> usize {
    store.list("pods", spur_store::ListRange::default()).unwrap().items.len()
}

/// ST-1: what was acknowledged is there.
#[tokio::test]
async fn st_1_commits_that_only_the_journal_has_are_there_after_a_kill() {
    let (_parent, path) = killed().await;
    let store = open(&path).unwrap();
    assert_eq!((found(&store), store.revision()), (N_OBJECTS, Revision(1 + N_OBJECTS as u64)));
    drop(store);
    let closed = fs::read(path.join("journal")).unwrap();
    assert_eq!(closed[..512], [0; 512], "what is closed needs no journal");
    assert_eq!(found(&open(&path).unwrap()), N_OBJECTS);
}

/// ST-10: a backup takes nothing from the journal of what was lost; put there on purpose or not.
#[tokio::test]
async fn st_10_a_backup_is_never_mixed_with_the_journal_of_what_it_replaces() {
    let (_parent, path) = killed().await;
    let store = open(&path).unwrap();
    store.put(key("pods", "shop/more"), Expect::Absent, bytes("b")).await.unwrap();
    drop(store);
    let backup = fs::read(path.join("store.redb")).unwrap();
    let (_other_parent, other) = killed().await;
    fs::write(other.join("store.redb"), &backup).unwrap();
    fs::copy(path.join("cluster"), other.join("cluster")).unwrap();
    let refused = open(&other).unwrap_err().to_string();
    assert!(refused.contains("the journal beside it was written for another database"), "{refused}");
    assert!(refused.contains("delete `cluster`"), "{refused}");
    assert_eq!(fs::read(other.join("store.redb")).unwrap(), backup, "left as it is");

    fs::remove_file(other.join("cluster")).unwrap();
    let store = open(&other).unwrap();
    assert_eq!(found(&store), N_OBJECTS + 1);
    drop(store);
    assert_eq!(found(&open(&other).unwrap()), N_OBJECTS + 1);
}

/// ST-10: not even where it is a copy of the very state that the journal began with.
#[tokio::test]
async fn st_10_a_backup_of_the_last_clean_stop_gets_nothing_of_what_came_after() {
    let parent = tempfile::tempdir().unwrap();
    let living = parent.path().join("living");
    drop(open(&living).unwrap());
    let backup = fs::read(living.join("store.redb")).unwrap();
    let store = open(&living).unwrap();
    store.put(key("pods", "shop/mistake"), Expect::Absent, bytes("a")).await.unwrap();
    let path = as_a_kill_leaves(&living);
    fs::write(path.join("store.redb"), &backup).unwrap();
    let refused = open(&path).unwrap_err().to_string();
    assert!(refused.contains("the journal beside it was written for another database"), "{refused}");
    fs::remove_file(path.join("cluster")).unwrap();
    assert_eq!(found(&open(&path).unwrap()), 0);
}

/// ST-5: what was acknowledged is missed, and said to be.
#[tokio::test]
async fn st_5_a_damaged_record_in_the_journal_is_refused_and_nothing_is_changed() {
    let (_parent, path) = killed().await;
    let journal = path.join("journal");
    let mut content = fs::read(&journal).unwrap();
    content[PAGE + 100] ^= 0x40;
    fs::write(&journal, &content).unwrap();
    let database = fs::read(path.join("store.redb")).unwrap();
    let refused = open(&path).unwrap_err();
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}");
    assert!(
        refused.to_string().contains("the checksum of record 0 of its journal does not fit"),
        "{refused}"
    );
    assert_eq!(fs::read(path.join("store.redb")).unwrap(), database);
    assert_eq!(fs::read(&journal).unwrap(), content);
}

/// A directory of a version that had none, or one that somebody has deleted from a closed store.
#[tokio::test]
async fn a_missing_journal_is_made() {
    let (_parent, path) = killed().await;
    drop(open(&path).unwrap());
    fs::remove_file(path.join("journal")).unwrap();
    assert_eq!(found(&open(&path).unwrap()), N_OBJECTS);
    assert_eq!(fs::metadata(path.join("journal")).unwrap().len(), Options::default().journal_bytes);
}

/// Without one all is as with one, and one that is there is read all the same.
#[tokio::test]
async fn a_store_without_a_journal_still_reads_the_one_that_is_there() {
    let (_parent, path) = killed().await;
    let options = Options { journal_bytes: 0, ..Options::default() };
    let store = Store::open(&path, options).unwrap();
    assert_eq!(found(&store), N_OBJECTS);
}

/// A write that is larger than the journal is as durable as others.
#[tokio::test]
async fn a_value_that_does_not_fit_the_journal_is_there_after_a_kill() {
    let (_parent, path) = killed().await;
    let options = Options { journal_bytes: 64 << 10, ..Options::default() };
    fs::remove_file(path.join("journal")).unwrap();
    let store = Store::open(&path, options.clone()).unwrap();
    let large = bytes(&"v".repeat(1 << 20));
    store.put(key("pods", "shop/small"), Expect::Any, bytes("s")).await.unwrap();
    let written = store.put(key("pods", "shop/large"), Expect::Any, large.clone()).await.unwrap();
    let again = Store::open(&as_a_kill_leaves(&path), options).unwrap();
    let found = again.get(&key("pods", "shop/large")).unwrap().unwrap();
    assert_eq!((found.revision, found.value), (written, large));
    assert!(again.get(&key("pods", "shop/small")).unwrap().is_some());
}
