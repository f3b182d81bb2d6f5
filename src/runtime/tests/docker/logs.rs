use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use spur_runtime::{LogError, LogOptions, Runtime};

use crate::world::{LONG, World, pod};

pub(crate) async fn output() {
    let world = World::new().await;
    let of = pod("p");
    world.sh(&of, "seq 100; while [ ! -e /tmp/go ]; do sleep 0.02; done; echo end").await.unwrap();
    let all: String = (1..=100).map(|n| format!("{n}\n")).collect();
    world.wait_for_text(&of, &all).await;
    let tail = LogOptions { tail_lines: Some(2), ..LogOptions::default() };
    assert_eq!(world.text(&of, tail.clone()).await, "99\n100\n");
    let first = LogOptions { limit_bytes: Some(7), ..LogOptions::default() };
    assert_eq!(world.text(&of, first.clone()).await, "1\n2\n3\n4");
    // Also one that would go on.
    assert_eq!(world.text(&of, LogOptions { follow: true, ..first }).await, "1\n2\n3\n4");
    let stamped = world.text(&of, LogOptions { timestamps: true, ..tail }).await;
    let (time, line) = stamped.lines().next().unwrap().split_once(' ').unwrap();
    assert_eq!(line, "99");
    assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");

    let follow = LogOptions { follow: true, tail_lines: Some(1), ..LogOptions::default() };
    let mut followed = world.runtime.logs(&of, "app", follow).await.unwrap();
    assert_eq!(followed.next().await.unwrap().unwrap(), "100\n");
    world.runtime.exec(&of, "app", vec!["sh".into(), "-c".into(), "> /tmp/go".into()], LONG).await.unwrap();
    let rest: Vec<Bytes> = tokio::time::timeout(LONG, followed.try_collect()).await.unwrap().unwrap();
    assert_eq!(rest.concat(), b"end\n");
}

pub(crate) async fn previous() {
    let world = World::new().await;
    let of = pod("p");
    let previous = LogOptions { previous: true, ..LogOptions::default() };
    for n in 0..4 {
        world.sh(&of, &format!("echo start {n}")).await.unwrap();
        world.end(&of).await;
        if n == 0 {
            let error = world.runtime.logs(&of, "app", previous.clone()).await.err().unwrap();
            assert!(matches!(error, LogError::NoPrevious { .. }), "{error}");
        } else {
            assert_eq!(world.text(&of, previous.clone()).await, format!("start {}\n", n - 1));
        }
    }
    // The last and the one before it.
    assert_eq!(world.ids().len(), 2);
    let error = world.runtime.logs(&of, "other", previous).await.err().unwrap();
    assert!(matches!(error, LogError::NotFound { .. }), "{error}");
}
