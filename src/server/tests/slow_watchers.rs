//! AP-1: many watchers, some of which do not read.
//!
//! A watch pulls from the store's window when its client reads, so nobody is waited for and a
//! silent client holds nothing but its place; `net` closes its connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use spur_store::Options;
use tokio::task::JoinSet;

use super::world::{CONFIG_MAPS, Events, World, config_map, world_with};

const N_FAST: usize = 60;
/// They read one event, then nothing.
const N_STALLED: usize = 10;
/// They read nothing at all.
const N_SILENT: usize = 10;
/// Twice what the window holds, so that whoever does not read falls out.
const N_WRITES: usize = 300;
const WINDOW: usize = 150;
/// So far the writer runs ahead of the slowest of those who read: less than the window.
const AHEAD: usize = 50;
/// Events that one watch holds ready at most (the store's batch).
const HELD_MAX: usize = 256;
const DEADLINE: Duration = Duration::from_secs(60);

fn name(idx: usize) -> String {
    format!("cm-{idx:04}")
}

fn version(event: &Value) -> u64 {
    event["object"]["metadata"]["resourceVersion"].as_str().expect("a version").parse().expect("a number")
}

async fn watches(world: &World, count: usize) -> Vec<Events> {
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        all.push(world.watch(&format!("{CONFIG_MAPS}?watch=true")).await);
    }
    all
}

/// Reads everything, in order, and counts it.
async fn follow(mut events: Events, n_seen: Arc<Vec<AtomicUsize>>, me: usize) {
    let mut last = 0;
    for idx in 0..N_WRITES {
        let event = events.next_raw().await.expect("an event");
        assert_eq!(
            (&event["type"], &event["object"]["metadata"]["name"]),
            (&"ADDED".into(), &name(idx).into())
        );
        assert!(version(&event) > last, "versions rise");
        last = version(&event);
        n_seen[me].store(idx + 1, Ordering::SeqCst);
    }
}

/// What a watch that was left alone still tells: events without a gap, then that it is too old.
async fn leftovers(events: &mut Events, first: usize) -> usize {
    for idx in first.. {
        let event = events.next_raw().await.expect("an event or the error");
        if event["type"] == "ERROR" {
            assert_eq!(
                (&event["object"]["code"], &event["object"]["reason"]),
                (&410.into(), &"Expired".into())
            );
            assert_eq!(events.next_raw().await, None, "it is over");
            return idx - first;
        }
        assert_eq!(event["object"]["metadata"]["name"], name(idx), "no gap before the end");
    }
    unreachable!("the range has no end")
}

/// AP-1: those who read get everything, those who do not are told so and hold a bounded part.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ap_1_watchers_that_do_not_read_are_cut_and_the_others_see_everything() {
    let world = world_with(Options { window_max_changes: WINDOW, ..Options::default() }).await;
    let mut silent = watches(&world, N_SILENT).await;
    let mut stalled = watches(&world, N_STALLED).await;
    let n_seen: Arc<Vec<AtomicUsize>> = Arc::new((0..N_FAST).map(|_| AtomicUsize::new(0)).collect());
    let mut fast = JoinSet::new();
    for (me, events) in watches(&world, N_FAST).await.into_iter().enumerate() {
        fast.spawn(follow(events, n_seen.clone(), me));
    }
    for idx in 0..N_WRITES {
        world.post(CONFIG_MAPS, &config_map(&name(idx))).await.expect(201);
        if idx == AHEAD {
            for events in &mut stalled {
                assert_eq!(events.next().await, format!("ADDED {}", name(0)));
            }
        }
        // Nobody who reads is left behind for want of a processor.
        let wanted = (idx + 1).saturating_sub(AHEAD);
        let have_read = async {
            while n_seen.iter().any(|n_seen| n_seen.load(Ordering::SeqCst) < wanted) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(DEADLINE, have_read).await.expect("those who read keep up");
    }
    while let Some(outcome) = fast.join_next().await {
        outcome.expect("it has seen everything");
    }
    for events in &mut silent {
        assert_eq!(leftovers(events, 0).await, 0, "nothing was held for it");
    }
    for events in &mut stalled {
        let n_held = leftovers(events, 1).await;
        assert!((1..HELD_MAX).contains(&n_held), "{n_held} events were held");
    }
}
