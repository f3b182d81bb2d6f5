//! What a slow reader costs: nothing on the disk.

use super::*;

/// Bytes of one object: several pages.
const OBJECT_BYTES: usize = 20_000;
const N_OBJECTS: usize = 10;
/// Each rewrites one object: together twelve times what is stored.
const N_WRITES: usize = 120;

/// The size of the disk after many writes while somebody holds what `read` gave.
async fn used_while_holding<T>(read: impl FnOnce(&Store) -> T) -> u64 {
    let options = Options { window_max_changes: N_OBJECTS, ballast_bytes: 0, ..options() };
    let disk = FaultyDisk::formatted(&options);
    let store = disk.open(&options);
    let large = |n: usize| Bytes::from(vec![b'a' + (n % 26) as u8; OBJECT_BYTES]);
    for n in 0..N_OBJECTS {
        store.put(pod(n), Expect::Absent, large(n)).await.unwrap();
    }
    let held = read(&store);
    for n in 0..N_WRITES {
        store.put(pod(n % N_OBJECTS), Expect::Any, large(n)).await.unwrap();
    }
    let used = disk.used_bytes();
    drop(held);
    used
}

/// ST-12: whoever reads slowly holds a copy, or a place in the window, and never a transaction.
#[tokio::test]
async fn st_12_a_reader_that_takes_hours_does_not_make_the_file_grow() {
    let alone = used_while_holding(|_| ()).await;
    let page =
        |store: &Store| store.list("pods", ListRange { limit: Some(3), ..ListRange::default() }).unwrap();
    assert_eq!(used_while_holding(page).await, alone);
    let watch = |store: &Store| store.watch("pods", None, store.revision()).unwrap();
    assert_eq!(used_while_holding(watch).await, alone);
    // The same measure sees what a transaction that is held would do.
    let transaction = |store: &Store| store.snapshot().unwrap();
    let with_transaction = used_while_holding(transaction).await;
    assert!(with_transaction > 2 * alone, "{with_transaction} bytes with a transaction, {alone} without");
}
