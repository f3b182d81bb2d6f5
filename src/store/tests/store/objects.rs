//! Expectations, revisions, pages, group commit.

use std::sync::Arc;
use std::time::Duration;

use spur_store::{Expect, Health, ListRange, Options, ReadError, Revision, Store, WaitError, WriteError};
use tokio::time::Instant;

use crate::{bytes, in_memory, key};

#[tokio::test]
async fn an_empty_store_is_at_revision_1_and_the_first_write_takes_2() {
    let store = in_memory();
    assert_eq!(store.revision(), Revision(1));
    let revision = store.put(key("pods", "shop/cart"), Expect::Absent, bytes("a")).await.unwrap();
    assert_eq!(revision, Revision(2));
    let found = store.get(&key("pods", "shop/cart")).unwrap().unwrap();
    assert_eq!((found.revision, found.value), (Revision(2), bytes("a")));
    assert_eq!(store.revision(), Revision(2));
}

#[tokio::test]
async fn a_failed_expectation_says_what_is_there_and_uses_no_revision() {
    let store = in_memory();
    let cart = key("pods", "shop/cart");
    let put = |expect| store.put(cart.clone(), expect, bytes("x"));
    let not_found = WriteError::NotFound { key: cart.clone() };
    assert_eq!(put(Expect::Revision(Revision(1))).await, Err(not_found.clone()));
    assert_eq!(store.delete(cart.clone(), Expect::Any, None).await, Err(not_found.clone()));
    assert_eq!(store.delete(cart.clone(), Expect::Absent, None).await, Err(not_found));
    put(Expect::Absent).await.unwrap();
    let found = Revision(2);
    assert_eq!(put(Expect::Absent).await, Err(WriteError::Exists { key: cart.clone(), found }));
    let expected = Revision(1);
    let conflict = WriteError::Conflict { key: cart.clone(), expected, found };
    assert_eq!(put(Expect::Revision(expected)).await, Err(conflict.clone()));
    assert_eq!(store.delete(cart.clone(), Expect::Revision(expected), None).await, Err(conflict.clone()));
    assert_eq!(conflict.to_string(), "`pods/shop/cart` is at revision 2, expected 1");
    assert_eq!(store.revision(), found);
    assert_eq!(store.stats().commits, 1);
    assert_eq!(put(Expect::Revision(found)).await, Ok(Revision(3)));
    assert_eq!(put(Expect::Any).await, Ok(Revision(4)));
}

#[tokio::test]
async fn a_deletion_gives_what_was_stored_and_an_object_can_come_back() {
    let store = in_memory();
    let cart = key("pods", "shop/cart");
    store.put(cart.clone(), Expect::Absent, bytes("a")).await.unwrap();
    let (revision, removed) = store.delete(cart.clone(), Expect::Revision(Revision(2)), None).await.unwrap();
    assert_eq!(revision, Revision(3));
    assert_eq!((removed.revision, removed.value), (Revision(2), bytes("a")));
    assert_eq!(store.get(&cart).unwrap(), None);
    assert_eq!(store.put(cart, Expect::Absent, bytes("b")).await, Ok(Revision(4)));
}

/// ST-13: the limit is in the text.
#[tokio::test]
async fn too_large_a_value_or_key_is_refused_with_the_limit() {
    let options = Options { value_max_bytes: 10, ..Options::default() };
    let store = Store::in_memory(options);
    let cart = key("pods", "shop/cart");
    store.put(cart.clone(), Expect::Any, bytes("0123456789")).await.unwrap();
    let refused = store.put(cart, Expect::Any, bytes("0123456789a")).await.unwrap_err();
    assert_eq!(refused.to_string(), "value of `pods/shop/cart` has 11 bytes, 10 are allowed");
    let long = key("pods", &"n".repeat(10_000));
    let refused = store.put(long, Expect::Any, bytes("a")).await.unwrap_err();
    assert!(matches!(refused, WriteError::KeyTooLong { max: 1_024, .. }), "{refused}");
}

#[tokio::test]
async fn pages_join_up_to_the_whole_list_and_count_what_remains() {
    let store = in_memory();
    for path in ["a/1", "a/2", "b/1", "node", "b/2", "c/1"] {
        store.put(key("pods", path), Expect::Absent, bytes(path)).await.unwrap();
        store.put(key("podsets", path), Expect::Absent, bytes("other")).await.unwrap();
    }
    let whole = store.list("pods", ListRange::default()).unwrap();
    let paths: Vec<_> = whole.items.iter().map(|stored| stored.value.clone()).collect();
    assert_eq!(paths, ["node", "a/1", "a/2", "b/1", "b/2", "c/1"], "cluster-scoped first");
    assert_eq!((whole.has_more, whole.remaining), (false, None));

    let mut joined = Vec::new();
    let mut after = None;
    loop {
        let range = ListRange {
            after: after.as_ref().map(|(ns, name): &(String, String)| (&**ns, &**name)),
            limit: Some(4),
            ..ListRange::default()
        };
        let page = store.list("pods", range).unwrap();
        joined.extend(page.items.clone());
        let left = whole.items.len() - joined.len();
        assert_eq!((page.has_more, page.remaining), (left > 0, Some(left as u64)));
        if !page.has_more {
            break;
        }
        let last = &page.items.last().unwrap().key;
        after = Some((last.namespace.as_deref().unwrap_or_default().to_owned(), last.name.to_string()));
    }
    assert_eq!(joined, whole.items);

    let b = store.list("pods", ListRange { namespace: Some("b"), ..ListRange::default() }).unwrap();
    assert_eq!(b.items.len(), 2);
    assert_eq!(b.revision, store.revision());
}

#[tokio::test]
async fn what_remains_is_counted_up_to_a_thousand() {
    let store = Arc::new(in_memory());
    let puts: Vec<_> = (0..1_010)
        .map(|n| {
            let (store, pod) = (store.clone(), key("pods", &format!("shop/{n:04}")));
            tokio::spawn(async move { store.put(pod, Expect::Absent, bytes("a")).await })
        })
        .collect();
    for put in puts {
        put.await.unwrap().unwrap();
    }
    for (limit, remaining) in [(5, 1_000), (10, 1_000), (11, 999), (1_009, 1), (1_010, 0)] {
        let range = ListRange { limit: Some(limit), ..ListRange::default() };
        let page = store.list("pods", range).unwrap();
        assert_eq!((page.items.len(), page.remaining), (limit, Some(remaining)));
        assert_eq!(page.has_more, remaining > 0);
    }
}

#[tokio::test]
async fn a_future_revision_is_told_apart_and_can_be_waited_for() {
    let store = Arc::new(in_memory());
    let at = Some(Revision(2));
    let early = store.list("pods", ListRange { at, ..ListRange::default() });
    assert!(matches!(early, Err(ReadError::Future { requested: Revision(2), current: Revision(1) })));
    let waiting = {
        let store = store.clone();
        let deadline = Instant::now() + Duration::from_secs(30);
        tokio::spawn(async move { store.wait_for(Revision(2), deadline).await })
    };
    store.put(key("pods", "shop/cart"), Expect::Any, bytes("a")).await.unwrap();
    assert_eq!(waiting.await.unwrap(), Ok(()));
    assert_eq!(store.list("pods", ListRange { at, ..ListRange::default() }).unwrap().items.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_revision_ends_at_the_deadline() {
    let store = in_memory();
    let deadline = Instant::now() + Duration::from_secs(3);
    let waited = store.wait_for(Revision(9), deadline).await;
    let (requested, current) = (Revision(9), Revision(1));
    assert_eq!(waited, Err(WaitError::Deadline { requested, current }));
    assert_eq!(Instant::now(), deadline);
}

#[tokio::test]
async fn a_closed_store_refuses_everything_and_ends_its_waits() {
    let store = Arc::new(in_memory());
    let cart = key("pods", "shop/cart");
    store.put(cart.clone(), Expect::Any, bytes("a")).await.unwrap();
    let waiting = {
        let store = store.clone();
        let deadline = Instant::now() + Duration::from_secs(30);
        tokio::spawn(async move { store.wait_for(Revision(9), deadline).await })
    };
    tokio::task::yield_now().await;
    store.close();
    assert_eq!(waiting.await.unwrap(), Err(WaitError::Closed));
    assert_eq!(store.put(cart.clone(), Expect::Any, bytes("b")).await, Err(WriteError::Closed));
    assert!(matches!(store.get(&cart), Err(ReadError::Closed)));
    assert!(store.watch("pods", None, Revision(1)).is_err());
    assert_eq!(store.health(), Health::Closed);
    store.close();
}

#[tokio::test]
async fn what_is_queued_when_the_store_closes_is_written_or_refused_never_lost_silently() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    let store = Arc::new(Store::open(&path, Options::default()).unwrap());
    let puts: Vec<_> = (0..50)
        .map(|n| {
            let store = store.clone();
            let cart = key("pods", &format!("shop/{n}"));
            tokio::spawn(async move { store.put(cart, Expect::Absent, bytes("a")).await })
        })
        .collect();
    tokio::task::yield_now().await;
    store.close();
    let mut answers = Vec::new();
    for put in puts {
        answers.push(put.await.unwrap());
    }
    drop(store);
    let store = Store::open(&path, Options::default()).unwrap();
    for (n, answer) in answers.into_iter().enumerate() {
        let found = store.get(&key("pods", &format!("shop/{n}"))).unwrap();
        assert_eq!(found.map(|stored| stored.revision).ok_or(WriteError::Closed), answer);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_at_the_same_time_share_commits() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("data"), Options::default()).unwrap();
    let store = Arc::new(store);
    let clients: Vec<_> = (0..64)
        .map(|client| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in 0..10 {
                    let pod = key("pods", &format!("shop/{client}-{n}"));
                    store.put(pod, Expect::Absent, bytes("a")).await.unwrap();
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    let stats = store.stats();
    assert_eq!(stats.writes, 640);
    assert_eq!(store.revision(), Revision(641));
    // Steady state is 32 writes per commit; a quarter of that allows for a slow start.
    assert!(stats.commits <= 640 / 8, "{stats:?}");
}

#[tokio::test]
async fn the_queue_takes_more_than_it_holds_by_making_callers_wait() {
    let options = Options { queue_max_bytes: 8_192, ..Options::default() };
    let store = Arc::new(Store::in_memory(options));
    let puts: Vec<_> = (0..40)
        .map(|n| {
            let store = store.clone();
            let pod = key("pods", &format!("shop/{n}"));
            // The second kind is larger than the whole queue.
            let value = "v".repeat(if n % 2 == 0 { 10 } else { 20_000 });
            tokio::spawn(async move { store.put(pod, Expect::Absent, bytes(&value)).await })
        })
        .collect();
    for put in puts {
        put.await.unwrap().unwrap();
    }
    assert_eq!(store.revision(), Revision(41));
}

/// ST-13: a hundred thousand objects are listed page by page, and what is kept of their writes is
/// bounded.
#[tokio::test]
async fn st_13_a_hundred_thousand_objects_come_in_pages() {
    const N_OBJECTS: usize = 100_000;
    const PAGE: usize = 5_000;
    let options = Options { window_max_changes: 1_000, ..Options::default() };
    let store = Arc::new(Store::in_memory(options));
    // As many at once as one commit takes.
    let writers: Vec<_> = (0..1_000)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in (writer..N_OBJECTS).step_by(1_000) {
                    let pod = key("pods", &format!("shop/pod-{n:06}"));
                    store.put(pod, Expect::Absent, bytes("a")).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let newest = store.revision();
    let (mut n_listed, mut last) = (0, String::new());
    loop {
        let after = Some(("shop", &*last)).filter(|_| n_listed > 0);
        let range = ListRange { after, limit: Some(PAGE), at: Some(newest), ..ListRange::default() };
        let page = store.list("pods", range).unwrap();
        assert!(page.items.len() <= PAGE);
        for stored in &page.items {
            assert_eq!(*stored.key.name, format!("pod-{n_listed:06}"));
            n_listed += 1;
        }
        if !page.has_more {
            break;
        }
        last = page.items.last().unwrap().key.name.to_string();
    }
    assert_eq!(n_listed, N_OBJECTS);
    // The window holds the last thousand changes and nothing of the others.
    store.watch("pods", None, Revision(newest.0 - 1_000)).unwrap();
    store.watch("pods", None, Revision(newest.0 - 1_001)).unwrap_err();
}
