//! Power cuts: at every sync, with some of the unsynced writes lost, torn or out of order.

use super::super::PowerCut;
use super::*;

/// Every state a store was in, by revision.
type Past = BTreeMap<u64, BTreeMap<Key, Bytes>>;

fn small(fast_recovery_bytes: u64) -> Options {
    Options { window_max_changes: 20, fast_recovery_bytes, ..options() }
}

/// Journals that take all forty writes, a few at a time, the smaller ones only, and none.
const JOURNALS: [u64; 4] = [8 << 20, 256 << 10, 48 << 10, 0];

/// Forty writes, the states they lead through, and a cut before every sync.
async fn lived_through(seed: u64, options: &Options) -> (Past, Vec<PowerCut>) {
    let disk = FaultyDisk::formatted(options);
    let store = disk.open(options);
    disk.record_power_cuts(seed);
    let mut past = BTreeMap::from([(1, BTreeMap::new())]);
    for n in 0..40 {
        let key = pod(n % 7);
        let mut state: BTreeMap<Key, Bytes> = past.values().last().unwrap().clone();
        let revision = if n % 5 == 4 && state.contains_key(&key) {
            state.remove(&key);
            store.delete(key, Expect::Any, None).await.unwrap().0
        } else {
            // Up to several pages, so that the file grows on the way.
            let value = Bytes::from(format!("{n}").repeat(1 + n * 200));
            state.insert(key.clone(), value.clone());
            store.put(key, Expect::Any, value).await.unwrap()
        };
        disk.acknowledge(revision.0);
        past.insert(revision.0, state);
    }
    drop(store);
    (past, disk.take_power_cuts())
}

/// What was acknowledged is there, at most one write more, and nothing else.
#[track_caller]
fn check(store: &Store, cut: &PowerCut, past: &Past) {
    let revision = store.revision().0;
    // Before the first acknowledgement there is the empty store.
    assert!(revision >= cut.acknowledged.max(1), "{revision} < {}", cut.acknowledged);
    assert!(revision <= cut.acknowledged.max(1) + 1, "one write was in flight");
    let found: BTreeMap<_, _> = listed(store).into_iter().map(|stored| (stored.key, stored.value)).collect();
    assert_eq!(found, past[&revision]);
}

/// ST-2: the last durable commit is what is found.
#[tokio::test]
async fn a_power_cut_at_any_sync_keeps_everything_acknowledged() {
    let seeds = [(0, 0), (1, u64::MAX), (2, 0), (3, u64::MAX), (5, 0), (6, u64::MAX)];
    for ((seed, fast_recovery_bytes), journal_bytes) in seeds.into_iter().zip(JOURNALS.repeat(2)) {
        // Without a cache pages are written at any time.
        let cache_bytes = if seed % 2 == 0 { 0 } else { 64 << 20 };
        let options = Options { journal_bytes, cache_bytes, ..small(fast_recovery_bytes) };
        let (past, cuts) = lived_through(seed, &options).await;
        assert!(cuts.len() > 100);
        for cut in cuts {
            check(&FaultyDisk::after(&cut).open(&options), &cut, &past);
        }
    }
}

/// ST-2: the power goes again while the database is being repaired.
#[tokio::test]
async fn st_2_a_power_cut_during_the_recovery_loses_nothing_more() {
    let mut n_second = 0;
    for (seed, fast_recovery_bytes, journal_bytes) in [(4, 0, JOURNALS[1]), (5, u64::MAX, JOURNALS[0])] {
        let options = Options { journal_bytes, ..small(fast_recovery_bytes) };
        let (past, cuts) = lived_through(seed, &options).await;
        // One at every tenth sync: each makes a dozen more.
        for cut in cuts.iter().step_by(30) {
            let disk = FaultyDisk::after(cut);
            disk.record_power_cuts(seed + cut.acknowledged);
            drop(disk.open(&options));
            for second in disk.take_power_cuts() {
                n_second += 1;
                check(&FaultyDisk::after(&second).open(&options), cut, &past);
            }
        }
    }
    assert!(n_second > 100, "{n_second} second cuts");
}

/// ST-2: the disk fails while the database is being repaired, at every operation of that.
#[tokio::test]
async fn st_2_an_error_during_the_recovery_loses_nothing_more() {
    let options = small(u64::MAX);
    let (past, cuts) = lived_through(6, &options).await;
    let mut n_failed = 0;
    for cut in cuts.iter().step_by(20) {
        for operation in 0.. {
            let disk = FaultyDisk::after(cut);
            disk.fail(Faults { operation: Some(operation), ..Faults::default() });
            let opened = disk.try_open(&options);
            disk.fail(Faults::default());
            let is_failed = opened.is_err();
            drop(opened);
            check(&disk.open(&options), cut, &past);
            if !is_failed {
                break;
            }
            n_failed += 1;
        }
    }
    assert!(n_failed > 10, "{n_failed} openings failed");
}
