//! Watches: ordered, unique, without a gap, resumable; slow ones fall out, idle ones sleep on.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use spur_store::{
    Change, ChangeKind, Expect, Key, ListRange, NextError, Options, Previous, Revision, Store, WatchError,
    WriteError,
};

use crate::{bytes, drain, in_memory, key};

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_change_tells_what_happened_and_what_was_there() {
    let store = in_memory();
    let cart = key("pods", "shop/cart");
    let mut watch = store.watch("pods", None, store.revision()).unwrap();
    store.put(cart.clone(), Expect::Absent, bytes("a")).await.unwrap();
    store.put(cart.clone(), Expect::Any, bytes("b")).await.unwrap();
    store.delete(cart.clone(), Expect::Any, Some(bytes("last"))).await.unwrap();
    store.put(cart.clone(), Expect::Absent, bytes("c")).await.unwrap();
    store.delete(cart.clone(), Expect::Any, None).await.unwrap();
    let was = |revision, value| Some(Previous { revision: Revision(revision), value: bytes(value) });
    let change = |revision, kind, value, previous| Change {
        revision: Revision(revision),
        key: cart.clone(),
        kind,
        value: bytes(value),
        previous,
    };
    let expected = [
        change(2, ChangeKind::Created, "a", None),
        change(3, ChangeKind::Updated, "b", was(2, "a")),
        change(4, ChangeKind::Deleted, "last", was(3, "b")),
        change(5, ChangeKind::Created, "c", None),
        change(6, ChangeKind::Deleted, "c", was(5, "c")),
    ];
    assert_eq!(drain(&mut watch, store.revision()).await, expected);
}

#[tokio::test]
async fn a_watch_of_one_namespace_skips_the_others_and_its_position_still_rises() {
    let store = in_memory();
    let mut watch = store.watch("pods", Some("a"), Revision(1)).unwrap();
    store.put(key("pods", "a/1"), Expect::Any, bytes("1")).await.unwrap();
    store.put(key("pods", "b/1"), Expect::Any, bytes("2")).await.unwrap();
    assert_eq!(watch.position(), Revision(1), "there is something to deliver");
    let changes = drain(&mut watch, store.revision()).await;
    assert_eq!(changes.len(), 1);
    assert_eq!(watch.position(), Revision(3));
    store.put(key("nodes", "n"), Expect::Any, bytes("3")).await.unwrap();
    assert_eq!(watch.position(), Revision(4), "a bookmark may say so");
}

#[tokio::test]
async fn a_watch_of_a_future_revision_tells_nothing_older() {
    let store = in_memory();
    let mut watch = store.watch("pods", None, Revision(3)).unwrap();
    for n in 0..4 {
        store.put(key("pods", &format!("shop/{n}")), Expect::Any, bytes("a")).await.unwrap();
        assert!(watch.position() >= Revision(3));
    }
    let changes = watch.next().await.unwrap();
    let revisions: Vec<_> = changes.iter().map(|change| change.revision.0).collect();
    assert_eq!(revisions, [4, 5]);
}

/// ST-15: told, and never a gap.
#[tokio::test]
async fn a_slow_watch_is_told_that_it_lagged_and_a_quiet_one_does_not_suffer() {
    let options = Options { window_max_changes: 10, ..Options::default() };
    let store = Store::in_memory(options);
    store.put(key("nodes", "n"), Expect::Any, bytes("a")).await.unwrap();
    let mut slow = store.watch("pods", None, Revision(2)).unwrap();
    let mut quiet = store.watch("nodes", None, Revision(2)).unwrap();
    for n in 0..20 {
        store.put(key("pods", &format!("shop/{n}")), Expect::Any, bytes("a")).await.unwrap();
    }
    assert_eq!(slow.position(), Revision(2), "what was lost was not delivered");
    let (position, oldest) = (Revision(2), Revision(12));
    assert_eq!(slow.next().await, Err(NextError::Lagged { position, oldest }));
    let requested = Revision(11);
    assert_eq!(
        store.watch("pods", None, requested).unwrap_err(),
        WatchError::Compacted { requested, oldest }
    );
    let mut resumed = store.watch("pods", None, oldest).unwrap();
    assert_eq!(drain(&mut resumed, store.revision()).await.len(), 10);
    assert_eq!(quiet.position(), store.revision());
    store.watch("nodes", None, Revision(2)).expect("no change of a node was lost since");
    store.put(key("nodes", "n"), Expect::Any, bytes("b")).await.unwrap();
    assert_eq!(quiet.next().await.unwrap().len(), 1);
}

/// AP-1: what watchers can be behind is bounded, however large the objects.
#[tokio::test]
async fn the_window_is_bounded_in_bytes_too() {
    let options = Options { window_max_bytes: 10_000, ..Options::default() };
    let store = Store::in_memory(options);
    for n in 0..20 {
        let pod = key("pods", &format!("shop/{n}"));
        store.put(pod, Expect::Any, bytes(&"v".repeat(1_000))).await.unwrap();
    }
    let oldest = store.watch("pods", None, Revision(1)).unwrap_err();
    let WatchError::Compacted { oldest, .. } = oldest else { panic!("{oldest}") };
    // 1,000 bytes and what surrounds them, eight times.
    assert_eq!(oldest, Revision(13));
}

/// AP-1: an idle watcher costs no time.
#[tokio::test]
async fn a_change_wakes_only_watches_of_its_resource() {
    let store = in_memory();
    let mut idle = store.watch("nodes", None, Revision(1)).unwrap();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    let mut ctx = Context::from_waker(&waker);
    let mut next = Box::pin(idle.next());
    assert!(next.as_mut().poll(&mut ctx).is_pending());
    for n in 0..50 {
        store.put(key("pods", &format!("shop/{n}")), Expect::Any, bytes("a")).await.unwrap();
    }
    // Watches are woken after the answer, each commit's before the next one's: all but the last.
    assert_eq!(wakes.0.load(Ordering::SeqCst), 0);
    store.put(key("nodes", "n"), Expect::Any, bytes("a")).await.unwrap();
    let woken = async {
        while wakes.0.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), woken).await.expect("it is woken");
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
    let Poll::Ready(Ok(changes)) = next.as_mut().poll(&mut ctx) else { panic!("not ready") };
    assert_eq!(changes.len(), 1);
}

#[tokio::test]
async fn a_dropped_wait_loses_nothing() {
    let store = in_memory();
    let mut watch = store.watch("pods", None, Revision(1)).unwrap();
    for n in 0..5 {
        let mut ctx = Context::from_waker(Waker::noop());
        assert!(Box::pin(watch.next()).as_mut().poll(&mut ctx).is_pending());
        store.put(key("pods", &format!("shop/{n}")), Expect::Any, bytes("a")).await.unwrap();
        assert_eq!(watch.next().await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn closing_the_store_ends_its_watches() {
    let store = in_memory();
    let mut watch = store.watch("pods", None, Revision(1)).unwrap();
    store.put(key("pods", "shop/cart"), Expect::Any, bytes("a")).await.unwrap();
    let waiting = tokio::spawn(async move {
        let delivered = watch.next().await;
        (delivered.map(|changes| changes.len()), watch.next().await)
    });
    tokio::task::yield_now().await;
    drop(store);
    let (delivered, end) = waiting.await.unwrap();
    assert_eq!(delivered, Ok(1), "what was acknowledged is delivered first");
    assert_eq!(end, Err(NextError::Closed));
}

/// What one resource's history has to look like, checked against what was acknowledged.
fn check_history(resource: &str, changes: &[Change], acknowledged: &BTreeMap<Revision, Key>) {
    let told: Vec<_> = changes.iter().map(|change| (change.revision, &change.key)).collect();
    let expected: Vec<_> = acknowledged
        .iter()
        .filter(|(_, key)| &*key.resource == resource)
        .map(|(revision, key)| (*revision, key))
        .collect();
    assert_eq!(told, expected, "ordered, unique, none missing, none invented");
    let mut state = BTreeMap::new();
    for change in changes {
        let previous = match change.kind {
            ChangeKind::Deleted => state.remove(&change.key),
            ChangeKind::Created | ChangeKind::Updated => {
                let now = Previous { revision: change.revision, value: change.value.clone() };
                state.insert(change.key.clone(), now)
            }
        };
        assert_eq!(change.previous, previous, "each previous value is the one told before");
        assert_eq!(change.kind == ChangeKind::Created, previous.is_none());
    }
}

/// AP-2: ordered, unique, reliable, atomic and resumable, with and without a resumption at every batch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_under_concurrent_writers_tell_every_acknowledged_write_once_and_in_order() {
    const RESOURCES: [&str; 3] = ["pods", "nodes", "leases"];
    const WRITES_PER_CLIENT: u64 = 150;
    let store = Arc::new(in_memory());
    let clients: Vec<_> = (0..8u64)
        .map(|client| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for n in 0..WRITES_PER_CLIENT {
                    // Few keys, so that clients meet on them.
                    let pick = (client * 31 + n * 17) % 15;
                    let target = key(RESOURCES[(pick % 3) as usize], &format!("shop/{}", pick / 3));
                    let written = if (client + n) % 4 == 0 {
                        let deleted = store.delete(target.clone(), Expect::Any, None).await;
                        deleted.map(|(revision, _)| revision)
                    } else {
                        let value = bytes(&format!("{client}-{n}"));
                        store.put(target.clone(), Expect::Any, value).await
                    };
                    match written {
                        Ok(revision) => acknowledged.push((revision, target)),
                        Err(WriteError::NotFound { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                acknowledged
            })
        })
        .collect();
    // Plain watches, and ones that start again from their position at every batch.
    let watchers: Vec<_> = RESOURCES
        .iter()
        .flat_map(|resource| [(*resource, false), (*resource, true)])
        .map(|(resource, is_resuming)| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut changes: Vec<Change> = Vec::new();
                let mut watch = store.watch(resource, None, Revision(1)).unwrap();
                let end = key(resource, "end");
                while changes.last().is_none_or(|change| change.key != end) {
                    for change in watch.next().await.unwrap() {
                        // What a watch told, a read made afterwards shows: that or later.
                        assert!(store.revision() >= change.revision);
                        if let Some(read) = store.get(&change.key).unwrap() {
                            assert!(read.revision >= change.revision, "a stale read");
                        }
                        changes.push((*change).clone());
                    }
                    if is_resuming {
                        watch = store.watch(resource, None, watch.position()).unwrap();
                    }
                }
                (resource, changes)
            })
        })
        .collect();
    let mut acknowledged = BTreeMap::new();
    for client in clients {
        for (revision, target) in client.await.unwrap() {
            assert_eq!(acknowledged.insert(revision, target), None, "a revision given twice");
        }
    }
    for resource in RESOURCES {
        let end = key(resource, "end");
        let revision = store.put(end.clone(), Expect::Absent, bytes("")).await.unwrap();
        acknowledged.insert(revision, end);
    }
    for watcher in watchers {
        let (resource, changes) = watcher.await.unwrap();
        check_history(resource, &changes, &acknowledged);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_and_a_watch_from_its_revision_make_the_newest_state() {
    let store = Arc::new(in_memory());
    let writer = {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 0..600u32 {
                let pod = key("pods", &format!("shop/{}", n % 7));
                if n % 5 == 4 {
                    // Absent when the same pod was deleted last.
                    let _ = store.delete(pod, Expect::Any, None).await;
                } else {
                    store.put(pod, Expect::Any, bytes(&n.to_string())).await.unwrap();
                }
            }
        })
    };
    let mut views = Vec::new();
    while !writer.is_finished() {
        let listing = store.list("pods", ListRange::default()).unwrap();
        let watch = store.watch("pods", None, listing.revision).unwrap();
        views.push((listing, watch));
        tokio::task::yield_now().await;
    }
    writer.await.unwrap();
    let newest = store.list("pods", ListRange::default()).unwrap();
    assert!(!views.is_empty());
    for (listing, mut watch) in views {
        let mut state: BTreeMap<_, _> =
            listing.items.into_iter().map(|item| (item.key.clone(), item)).collect();
        for change in drain(&mut watch, store.revision()).await {
            assert!(change.revision > listing.revision);
            state.remove(&change.key);
            if change.kind != ChangeKind::Deleted {
                let Change { revision, key, value, .. } = change;
                state.insert(key.clone(), spur_store::Stored { key, revision, value });
            }
        }
        assert_eq!(state.into_values().collect::<Vec<_>>(), newest.items);
    }
}
