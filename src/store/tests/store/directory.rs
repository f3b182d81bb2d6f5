//! Data directories: who may use one, and what is said of one that cannot be used.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use redb::ReadableDatabase;
use spur_store::{
    Expect, Health, ListRange, OpenError, Options, ReadError, Revision, Store, WatchError, WriteError,
};
use tempfile::TempDir;

use crate::{bytes, key};

/// A directory with one object in it, and nobody using it.
async fn filled() -> (TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("data with space – ü");
    let store = open(&path).unwrap();
    store.put(key("pods", "shop/cart"), Expect::Any, bytes("a")).await.unwrap();
    drop(store);
    (parent, path)
}

fn open(path: &Path) -> Result<Store, OpenError> {
    Store::open(path, Options::default())
}

/// The opening fails, changes no byte of the database, and says what, why and what to do.
#[track_caller]
fn check_refused(path: &Path, said: &[&str]) -> OpenError {
    let database = path.join("store.redb");
    let before = fs::read(&database).ok();
    let error = open(path).expect_err("the directory is not usable");
    assert_eq!(fs::read(&database).ok(), before, "the file is left as it was");
    let text = error.to_string();
    for part in said.iter().chain(&["hint: "]) {
        assert!(text.contains(part), "{text:?} lacks {part:?}");
    }
    error
}

#[tokio::test]
async fn a_store_opens_again_where_it_was() {
    let (_parent, path) = filled().await;
    let store = open(&path).unwrap();
    assert_eq!(store.revision(), Revision(2));
    assert_eq!(store.get(&key("pods", "shop/cart")).unwrap().unwrap().value, bytes("a"));
}

#[tokio::test]
async fn files_are_for_their_owner_alone() {
    let (_parent, path) = filled().await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    let mut names = Vec::new();
    for entry in fs::read_dir(&path).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(mode(&entry.path()), 0o600, "{entry:?}");
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["ballast", "cluster", "journal", "lock", "store.redb"]);
    assert_eq!(fs::metadata(path.join("ballast")).unwrap().len(), 4 << 20);
}

/// ST-8: whoever comes second is told who came first.
#[tokio::test]
async fn a_second_store_on_the_same_directory_is_refused_with_the_pid() {
    let (_parent, path) = filled().await;
    let store = open(&path).unwrap();
    let pid = std::process::id();
    let error = check_refused(&path, &["in use by", &format!("pid {pid}")]);
    assert!(matches!(error, OpenError::InUse { pid: Some(found), .. } if found == pid));
    store.put(key("pods", "shop/cart"), Expect::Any, bytes("b")).await.unwrap();
    drop(store);
    open(&path).unwrap();
}

/// ST-9: a mode that is too open.
#[tokio::test]
async fn a_directory_that_others_may_enter_is_refused() {
    let (_parent, path) = filled().await;
    for mode in [0o750, 0o705, 0o777] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        check_refused(&path, &[&format!("{mode:o}"), "chmod 700"]);
    }
}

/// ST-7: a marker without a database, and 0 bytes.
#[tokio::test]
async fn a_missing_or_empty_database_is_never_replaced_by_a_new_one() {
    let (_parent, path) = filled().await;
    let database = path.join("store.redb");
    fs::write(&database, b"").unwrap();
    check_refused(&path, &["0 bytes", "of cluster"]);
    fs::remove_file(&database).unwrap();
    let error = check_refused(&path, &["initialised as cluster", "missing"]);
    assert!(matches!(error, OpenError::Missing { .. }));
    assert!(!database.exists());
}

/// ST-6: wrong magic.
#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let (_parent, path) = filled().await;
    for content in [&b"x"[..], &[7; 100_000]] {
        fs::write(path.join("store.redb"), content).unwrap();
        let error = check_refused(&path, &["is not a database"]);
        assert!(matches!(error, OpenError::NotADatabase { .. }));
    }
}

/// ST-6: a file that ends early.
#[tokio::test]
async fn a_truncated_database_is_refused() {
    let (_parent, path) = filled().await;
    let database = path.join("store.redb");
    let whole = fs::read(&database).unwrap();
    for len in [9, 100, 320, 4_096, 20_000, whole.len() / 2, whole.len() - 4_096] {
        fs::write(&database, &whole[..len]).unwrap();
        let error = check_refused(&path, &["is damaged"]);
        assert!(matches!(error, OpenError::Damaged { .. }), "{len} bytes: {error}");
    }
}

/// ST-14: written by a later version.
#[tokio::test]
async fn a_newer_format_is_refused_with_both_versions() {
    let (_parent, path) = filled().await;
    let mut row = 7u32.to_be_bytes().to_vec();
    row.extend_from_slice(b"what a later version keeps here");
    row.extend_from_slice(&xxhash_rust::xxh3::xxh3_64(&row).to_be_bytes());
    let table: redb::TableDefinition<'_, (), &[u8]> = redb::TableDefinition::new("state");
    let database = redb::Database::open(path.join("store.redb")).unwrap();
    let txn = database.begin_write().unwrap();
    txn.open_table(table).unwrap().insert((), row.as_slice()).unwrap();
    txn.commit().unwrap();
    drop(database);
    let error = check_refused(&path, &["format is 7", "reads up to 1"]);
    assert!(matches!(error, OpenError::Format { .. }));
}

#[tokio::test]
async fn another_clusters_database_is_refused() {
    let (_parent, path) = filled().await;
    let (_other_parent, other) = filled().await;
    fs::copy(other.join("store.redb"), path.join("store.redb")).unwrap();
    let error = check_refused(&path, &["belongs to"]);
    assert!(matches!(error, OpenError::Foreign { .. }));
    fs::remove_file(path.join("cluster")).unwrap();
    open(&path).expect("without a marker the database says whose it is");
    let theirs = fs::read_to_string(other.join("cluster")).unwrap();
    let successor = theirs.replace("generation: 1", "generation: 2");
    assert_eq!(fs::read_to_string(path.join("cluster")).unwrap(), successor);
}

#[tokio::test]
async fn a_marker_that_makes_no_sense_is_refused() {
    let (_parent, path) = filled().await;
    fs::write(path.join("cluster"), "cluster: 12\n").unwrap();
    let error = check_refused(&path, &["makes no sense"]);
    assert!(matches!(error, OpenError::Marker { .. }));
}

#[tokio::test]
async fn a_first_start_that_was_cut_short_starts_over() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("data");
    drop(open(&path).unwrap());
    fs::remove_file(path.join("cluster")).unwrap();
    fs::rename(path.join("store.redb"), path.join("store.redb.new")).unwrap();
    fs::write(path.join("store.redb.new"), b"half of something").unwrap();
    let store = open(&path).unwrap();
    assert_eq!(store.revision(), Revision(1));
    assert!(!path.join("store.redb.new").exists());
}

#[test]
fn a_path_that_is_no_directory_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, b"").unwrap();
    for path in [file.clone(), file.join("data")] {
        let error = open(&path).unwrap_err();
        assert!(matches!(error, OpenError::NotADirectory { .. }), "{error}");
    }
}

/// ST-8: where the lock does not keep another one out, as on some network file systems or when
/// somebody deletes it, the first notices at its next write, and leaves the file alone.
#[tokio::test]
async fn st_8_a_directory_that_was_taken_over_is_written_no_more() {
    let (_parent, path) = filled().await;
    let cart = || key("pods", "shop/cart");
    let first = open(&path).unwrap();
    fs::remove_file(path.join("lock")).unwrap();
    let second = open(&path).unwrap();
    let refused = first.put(cart(), Expect::Any, bytes("of the first")).await.unwrap_err();
    let taken = format!("was taken over by pid {}", std::process::id());
    assert!(matches!(&refused, WriteError::NotWritten { cause, .. } if cause.contains(&taken)), "{refused}");
    assert!(matches!(first.health(), Health::Failed { .. }));
    assert_eq!(first.get(&cart()).unwrap().unwrap().value, bytes("a"), "it reads on");
    let revision = second.put(cart(), Expect::Any, bytes("of the second")).await.unwrap();
    // Closing writes nothing over what the second has.
    drop(first);
    drop(second);
    let again = open(&path).unwrap();
    let found = again.get(&cart()).unwrap().unwrap();
    assert_eq!((found.revision, found.value), (revision, bytes("of the second")));
}

/// ST-10: a backup without its marker goes on past every revision that clients can hold, and
/// knows nothing of before.
#[tokio::test]
async fn st_10_a_backup_that_is_put_in_place_goes_on_past_every_revision_ever_given() {
    let (_parent, path) = filled().await;
    let database = path.join("store.redb");
    let backup = fs::read(&database).unwrap();
    let store = open(&path).unwrap();
    let mut newest = store.revision();
    for n in 0..5 {
        newest = store.put(key("pods", "shop/cart"), Expect::Any, bytes(&n.to_string())).await.unwrap();
    }
    drop(store);
    fs::write(&database, backup).unwrap();
    fs::remove_file(path.join("cluster")).unwrap();

    let store = open(&path).unwrap();
    let restored = store.revision();
    assert!(restored.0 >= newest.0 + 1_000_000_000 - 5, "{restored}");
    let cart = store.get(&key("pods", "shop/cart")).unwrap().unwrap();
    assert_eq!((cart.revision, cart.value), (Revision(2), bytes("a")), "the backup's own");
    for held in [Revision(1), Revision(2), newest] {
        let gone = WatchError::Compacted { requested: held, oldest: restored };
        assert_eq!(store.watch("pods", None, held).unwrap_err(), gone);
        let at = ListRange { at: Some(held), ..ListRange::default() };
        assert!(matches!(store.list("pods", at), Err(ReadError::Compacted { .. })), "{held}");
    }
    let written = store.put(key("pods", "shop/cart"), Expect::Any, bytes("b")).await.unwrap();
    assert!(written > restored);
    drop(store);
    // It is adopted once.
    assert_eq!(open(&path).unwrap().revision(), written);
}

/// ST-14: there is no older format than the first; what redb itself calls too old is refused.
#[test]
fn st_14_the_first_format_is_the_oldest() {
    // Once there is a second one, opening the first has to migrate it, and this test is where
    // that is missed.
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("data");
    drop(open(&path).unwrap());
    let database = redb::Database::open(path.join("store.redb")).unwrap();
    let table: redb::TableDefinition<'_, (), &[u8]> = redb::TableDefinition::new("state");
    let row = database.begin_read().unwrap().open_table(table).unwrap();
    let format = row.get(()).unwrap().unwrap().value()[..4].to_vec();
    assert_eq!(format, 1u32.to_be_bytes());
}
