//! What is read of a container's output, while it runs and afterwards.

use std::time::SystemTime;

use futures::StreamExt;
use spur_runtime::{LogError, LogOptions, Runtime};

use crate::world::{World, pod};

#[tokio::test]
async fn output_is_kept_in_order_byte_for_byte() {
    let world = World::new().await;
    let pod = pod("p");
    let script = r"printf 'a\n\377\033[31m\000\n\n'; printf 'no newline'";
    world.sh(&pod, "app", script).await.unwrap();
    world.end(&pod, "app").await;
    let bytes = world.bytes_of(&pod, "app", LogOptions::default()).await;
    assert_eq!(bytes, b"a\n\xff\x1b[31m\0\n\nno newline\n");
}

#[tokio::test]
async fn a_line_of_a_megabyte_is_one_line() {
    let world = World::new().await;
    let pod = pod("p");
    let script = "echo before; head -c 1000000 /dev/zero | tr '\\0' x; echo; echo after";
    world.sh(&pod, "app", script).await.unwrap();
    world.end(&pod, "app").await;
    let text = world.text(&pod, "app").await;
    assert_eq!(text, format!("before\n{}\nafter\n", "x".repeat(1_000_000)));
    let tail = LogOptions { tail_lines: Some(2), ..LogOptions::default() };
    assert_eq!(world.text_of(&pod, "app", tail).await.len(), 1_000_007);
}

#[tokio::test]
async fn both_streams_are_in_one_log() {
    let world = World::new().await;
    let pod = pod("p");
    let script = "for i in 1 2 3; do echo out $i; echo err $i >&2; done";
    world.sh(&pod, "app", script).await.unwrap();
    world.end(&pod, "app").await;
    let text = world.text(&pod, "app").await;
    for (stream, others) in [("out", "err"), ("err", "out")] {
        let own: Vec<_> = text.lines().filter(|l| !l.starts_with(others)).collect();
        assert_eq!(own, [1, 2, 3].map(|i| format!("{stream} {i}")));
    }
}

#[tokio::test]
async fn following_sees_lines_as_they_come_and_ends_with_the_container() {
    let world = World::new().await;
    let pod = pod("p");
    let script = "exec 2>/dev/null; trap 'echo two; exit 0' TERM; echo one; while :; do sleep 0.05; done";
    world.sh(&pod, "app", script).await.unwrap();
    let follow = LogOptions { follow: true, ..LogOptions::default() };
    let mut stream = world.runtime.logs(&pod, "app", follow).await.unwrap();
    let next = async |stream: &mut spur_runtime::LogStream| {
        tokio::time::timeout(crate::world::LONG, stream.next())
            .await
            .expect("the stream moves on")
            .map(|piece| String::from_utf8(piece.unwrap().to_vec()).unwrap())
    };
    assert_eq!(next(&mut stream).await.as_deref(), Some("one\n"));
    let stop = world.runtime.stop(&pod, "app", crate::world::LONG);
    let (text, stopped) = tokio::join!(next(&mut stream), stop);
    stopped.unwrap();
    assert_eq!(text.as_deref(), Some("two\n"));
    assert_eq!(next(&mut stream).await, None);
}

#[tokio::test]
async fn timestamps_are_those_of_the_lines_and_since_goes_by_them() {
    let world = World::new().await;
    let pod = pod("p");
    let before = SystemTime::now();
    let script = "exec 2>/dev/null; trap 'echo two; exit 0' TERM; echo one; while :; do sleep 0.05; done";
    world.sh(&pod, "app", script).await.unwrap();
    world.wait_for_text(&pod, "app", "one\n").await;
    let between = SystemTime::now();
    world.runtime.stop(&pod, "app", crate::world::LONG).await.unwrap();
    let stamped = LogOptions { timestamps: true, ..LogOptions::default() };
    let text = world.text_of(&pod, "app", stamped.clone()).await;
    let at: Vec<SystemTime> = text
        .lines()
        .map(|line| line.split(' ').next().unwrap())
        .map(|at| at.parse::<jiff::Timestamp>().unwrap().into())
        .collect();
    assert!(before <= at[0] && at[0] <= between && between <= at[1], "{text}");
    let since = LogOptions { since: Some(between), ..LogOptions::default() };
    assert_eq!(world.text_of(&pod, "app", since).await, "two\n");
}

#[tokio::test]
async fn the_log_before_the_last_start_is_kept_and_no_older_one() {
    let world = World::new().await;
    let pod = pod("p");
    let previous = || LogOptions { previous: true, ..LogOptions::default() };
    let none = world.runtime.logs(&pod, "app", previous()).await;
    assert!(matches!(none.err(), Some(LogError::NotFound { .. })));
    for (n, text) in ["first", "second", "third"].into_iter().enumerate() {
        world.sh(&pod, "app", &format!("echo {text}")).await.unwrap();
        world.end(&pod, "app").await;
        assert_eq!(world.text(&pod, "app").await, format!("{text}\n"));
        let got = world.runtime.logs(&pod, "app", previous()).await;
        if n == 0 {
            let error = got.err().unwrap().to_string();
            let wanted = "previous terminated container \"app\" in pod \"p\" not found";
            assert_eq!(error, wanted);
        }
    }
    assert_eq!(world.text_of(&pod, "app", previous()).await, "second\n");
    let dir = world.dir().join("pods").join(&*pod.uid).join("app");
    let mut names: Vec<_> =
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["1", "2", "record.json"]);
}

#[tokio::test]
async fn a_flood_stays_within_its_bound_and_every_line_is_accounted_for() {
    let world = World::new().await;
    let pod = pod("p");
    // 100 MB in lines of 10,000 bytes, far faster than is taken.
    let (n_lines, line) = (10_000_u64, 10_000);
    let script =
        format!("l=$(head -c {} /dev/zero | tr '\\0' x); yes $l | head -n {n_lines}; echo last", line - 1);
    world.sh(&pod, "app", &script).await.unwrap();
    let follow = LogOptions { follow: true, ..LogOptions::default() };
    let text = world.text_of(&pod, "app", follow).await;
    world.end(&pod, "app").await;
    let (mut n_seen, mut n_told) = (0, 0);
    for line in text.lines() {
        match line.strip_prefix("spur: ") {
            Some(note) => n_told += note.split(' ').next().unwrap().parse::<u64>().unwrap(),
            None => n_seen += 1,
        }
    }
    // The flood's lines and `last` are each seen, or counted as dropped or missed. Among the
    // missed may be markers, of which there are a few each second.
    let sum = n_seen + n_told;
    assert!((n_lines + 1..=n_lines + 100).contains(&sum), "{n_seen} + {n_told}");
    let dir = world.dir().join("pods").join(&*pod.uid).join("app").join("0");
    let sizes: Vec<u64> =
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).collect();
    assert!(sizes.len() <= 2, "{sizes:?}");
    assert!(sizes.iter().all(|n| *n <= 10 * 1024 * 1024), "{sizes:?}");
}
