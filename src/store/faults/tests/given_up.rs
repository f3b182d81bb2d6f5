//! When a disk does not come back, and when it is worth waiting for.

use super::*;

/// What every test here does first: one object is there, then the disk fails.
async fn broken(options: &Options, faults: Faults) -> (FaultyDisk, Store, WriteError) {
    let disk = FaultyDisk::formatted(options);
    let store = disk.open(options);
    store.put(pod(0), Expect::Absent, value(0)).await.unwrap();
    at_rest(&store).await;
    disk.fail(faults);
    let failed = store.put(pod(1), Expect::Absent, value(1)).await.unwrap_err();
    (disk, store, failed)
}

/// ST-4: three openings fail, then the store says so and only reads; its process is to end.
#[tokio::test]
async fn st_4_after_three_failed_openings_it_gives_up_and_still_reads() {
    let faults = Faults { operation: Some(0), openings: 3, ..Faults::default() };
    let (disk, store, failed) = broken(&options(), faults).await;
    assert!(matches!(failed, WriteError::NotWritten { .. } | WriteError::Unknown { .. }), "{failed}");
    let mut health_rx = store.health_changes();
    let given_up = health_rx.wait_for(|health| matches!(health, Health::Failed { .. }));
    let given_up = tokio::time::timeout(PATIENCE, given_up).await.expect("in time").unwrap().clone();
    let Health::Failed { cause } = given_up else { panic!("{given_up:?}") };
    assert!(cause.contains("injected input/output error"), "{cause}");

    // The disk is well again, and nobody tries any more: that is for a restart.
    let refused = store.put(pod(1), Expect::Absent, value(1)).await.unwrap_err();
    assert!(refused.to_string().contains("nothing was written"), "{refused}");
    assert_eq!(store.get(&pod(0)).unwrap().unwrap().value, value(0));
    assert_eq!(listed(&store).len(), 1);
    assert_eq!(store.stats().reopens, 0);
    drop(store);
    assert_eq!(listed(&disk.open(&options())).len(), 1);
}

/// ST-4: two openings fail, the third does not: nobody has to do anything.
#[tokio::test]
async fn st_4_two_failed_openings_are_survived() {
    let faults = Faults { operation: Some(0), openings: 2, ..Faults::default() };
    let (_disk, store, _failed) = broken(&options(), faults).await;
    healthy(&store).await;
    store.put(pod(1), Expect::Any, value(1)).await.unwrap();
    assert_eq!(store.stats().reopens, 1);
}

/// ST-3: a lack of room is waited out, also where it keeps the database from being opened: more
/// often than a broken disk is tried.
#[tokio::test]
async fn st_3_a_disk_too_full_to_open_is_waited_for() {
    let faults = Faults { operation: Some(0), openings: 4, is_full: true, ..Faults::default() };
    let (_disk, store, failed) = broken(&options(), faults).await;
    // What cannot be read back may have been written.
    assert!(matches!(failed, WriteError::DiskFull { .. } | WriteError::Unknown { .. }), "{failed}");
    let refused = store.put(pod(1), Expect::Absent, value(1)).await.unwrap_err();
    assert!(matches!(refused, WriteError::DiskFull { .. }), "{refused}");
    assert_eq!(listed(&store).len(), 1, "reads go on");
    healthy(&store).await;
    store.put(pod(1), Expect::Any, value(1)).await.unwrap();
}
