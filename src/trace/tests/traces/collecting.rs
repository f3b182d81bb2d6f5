//! The collector with its readers, in paused time.

use std::sync::Arc;
use std::thread;

use spur_trace::{By, CollectorGone, Filter, Limits, Query, Ring, TraceReader, Update, Window, collector};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::world::{Hop, hop};

struct Running {
    rings: Vec<Arc<Ring>>,
    reader: TraceReader,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

fn run(rings: Vec<Arc<Ring>>) -> Running {
    let (collector, reader) = collector(rings.clone(), Limits::default());
    let stop = CancellationToken::new();
    let task = tokio::spawn(collector.run(stop.clone()));
    Running { rings, reader, stop, task }
}

impl Running {
    fn push(&self, ring: usize, hop: &Hop) {
        self.rings[ring].push(hop.start());
        self.rings[ring].push(hop.end());
    }
}

fn two_rings() -> Vec<Arc<Ring>> {
    vec![Arc::new(Ring::new(64)), Arc::new(Ring::new(64))]
}

fn seq(update: Option<Update>) -> u64 {
    match update {
        Some(Update::Trace(trace)) => trace.seq,
        other => panic!("wanted a trace, found {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn hops_of_several_rings_are_one_trace() {
    let running = run(two_rings());
    let mut follow = running.reader.follow(Query::default()).await.unwrap();
    running.push(0, &hop(2, "pricing", 10, 20).from("frontend").parent(1));
    running.push(1, &hop(1, "frontend", 0, 50));
    let Some(Update::Trace(trace)) = follow.next().await else {
        panic!("wanted a trace");
    };
    assert_eq!(trace.path(), "gw ▸ frontend ▸ pricing");
    let answer = running.reader.query(Query::default()).await.unwrap();
    assert_eq!(answer.traces, [trace]);
    assert_eq!((answer.counts.n_records, answer.counts.n_lost_records), (4, 0));
}

/// `curl …; spur trace` after a quiet time, in which the rings are seldom read.
#[tokio::test(start_paused = true)]
async fn what_was_over_before_it_was_asked_is_in_the_answer() {
    let running = run(two_rings());
    running.reader.query(Query::default()).await.unwrap();
    // The child's end is behind in a ring that is read first.
    running.push(1, &hop(1, "frontend", 0, 50));
    running.push(0, &hop(2, "pricing", 10, 20).from("frontend").parent(1));
    let answer = running.reader.query(Query::default()).await.unwrap();
    let paths: Vec<_> = answer.traces.iter().map(|trace| trace.path()).collect();
    assert_eq!(paths, ["gw ▸ frontend ▸ pricing"]);
    running.push(0, &hop(1, "frontend", 0, 5).in_trace(2));
    let window = Window { from: 0, to: u64::MAX, by: By::Edge };
    let summary = running.reader.summary(window).await.unwrap();
    assert_eq!(summary.rows.iter().map(|row| row.1.n).sum::<u64>(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_follower_gets_what_was_there_and_what_comes_each_once() {
    let running = run(two_rings());
    let mut first = running.reader.follow(Query::default()).await.unwrap();
    for trace in 1..=3 {
        running.push(0, &hop(1, "a", 0, 5).in_trace(trace));
    }
    for expected in 1..=3 {
        assert_eq!(seq(first.next().await), expected);
    }
    let since_seq = Some(1);
    let mut second = running.reader.follow(Query { since_seq, ..Query::default() }).await.unwrap();
    running.push(1, &hop(1, "a", 0, 5).in_trace(4));
    for expected in 2..=4 {
        assert_eq!(seq(second.next().await), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_follower_of_a_key_gets_no_others() {
    let running = run(two_rings());
    let key = Some("pr-421".into());
    let mut follow = running.reader.follow(Query { key, ..Query::default() }).await.unwrap();
    running.push(0, &hop(1, "a", 0, 5).in_trace(1));
    running.push(0, &hop(1, "a", 0, 5).in_trace(2).key("pr-421"));
    assert_eq!(seq(follow.next().await), 2);
}

#[tokio::test(start_paused = true)]
async fn a_filter_takes_the_newest_that_fit_and_is_followed() {
    let running = run(two_rings());
    let filter = Some(std::sync::Arc::new(Filter::parse("{status:5xx}").unwrap()));
    let query = Query { filter, limit: 2, ..Query::default() };
    let mut follow = running.reader.follow(query.clone()).await.unwrap();
    for trace in 1..=8 {
        let hop = hop(1, "a", 0, 5).in_trace(trace);
        running.push(0, &if trace % 2 == 0 { hop.status(503) } else { hop });
    }
    for expected in [2, 4, 6, 8] {
        assert_eq!(seq(follow.next().await), expected);
    }
    let answer = running.reader.query(query).await.unwrap();
    assert_eq!(answer.traces.iter().map(|trace| trace.seq).collect::<Vec<_>>(), [6, 8]);
    assert_eq!((answer.last_seq, answer.counts.n_traces), (8, 8));
}

#[tokio::test(start_paused = true)]
async fn counts_are_asked_for_and_marks_are_followed() {
    let running = run(two_rings());
    let mut follow = running.reader.follow(Query::default()).await.unwrap();
    running.push(0, &hop(1, "a", 0, 5));
    let Some(Update::Trace(trace)) = follow.next().await else { panic!("wanted a trace") };
    assert!(running.reader.mark(trace.trace_id, Some("odd".into())).await.unwrap());
    let Some(Update::Trace(marked)) = follow.next().await else { panic!("wanted it again") };
    assert_eq!((marked.seq, marked.mark.as_deref()), (2, Some("odd")));
    let window = Window { from: 0, to: u64::MAX, by: By::Edge };
    let summary = running.reader.summary(window).await.unwrap();
    assert_eq!((summary.rows.len(), summary.rows[0].1.n), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_follower_with_a_budget_gets_the_first_of_all_and_all_worth_looking_at() {
    let running = run(two_rings());
    let follow = running.reader.follow(Query::default()).await.unwrap();
    let mut follow = follow.sampled(3);
    for trace in 1..=20 {
        let hop = hop(1, if trace == 15 { "quiet" } else { "busy" }, 0, 5).in_trace(trace);
        running.push(0, &if trace % 10 == 0 { hop.status(500) } else { hop });
    }
    let mut told = Vec::new();
    let n_sampled = loop {
        match follow.next().await.unwrap() {
            Update::Trace(trace) => told.push(trace.seq),
            Update::Sampled(n) => break n,
            Update::Lost(n) => panic!("{n} lost"),
        }
    };
    assert_eq!((told, n_sampled), (vec![1, 2, 3, 10, 15, 20], 14));
    running.push(0, &hop(1, "busy", 0, 5).in_trace(21));
    assert_eq!(seq(follow.next().await), 21, "another second");
    running.stop.cancel();
    assert_eq!(follow.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn what_is_told_sampled_and_lost_is_everything() {
    let running = run(vec![Arc::new(Ring::new(8_192))]);
    let follow = running.reader.follow(Query::default()).await.unwrap();
    let mut follow = follow.sampled(100);
    for trace in 1..=3_000 {
        running.push(0, &hop(1, "a", 0, 5).in_trace(trace));
    }
    while running.reader.query(Query::default()).await.unwrap().last_seq < 3_000 {
        tokio::time::advance(std::time::Duration::from_millis(10)).await;
    }
    running.stop.cancel();
    running.task.await.unwrap();
    let (mut n_told, mut n_sampled, mut n_lost) = (0, 0, 0);
    while let Some(update) = follow.next().await {
        match update {
            Update::Trace(_) => n_told += 1,
            Update::Sampled(n) => n_sampled += n,
            Update::Lost(n) => n_lost += n,
        }
    }
    assert_eq!(n_told + n_sampled + n_lost, 3_000);
    assert!(n_told >= 100 && n_sampled > 0 && n_lost > 0, "{n_told} {n_sampled} {n_lost}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_follower_is_told_how_many_it_lost() {
    let ring = Arc::new(Ring::new(8_192));
    let running = run(vec![ring]);
    let mut slow = running.reader.follow(Query::default()).await.unwrap();
    let mut fast = running.reader.follow(Query::default()).await.unwrap();
    for trace in 1..=3_000 {
        running.push(0, &hop(1, "a", 0, 5).in_trace(trace));
    }
    while running.reader.query(Query::default()).await.unwrap().last_seq < 3_000 {
        tokio::time::advance(std::time::Duration::from_millis(10)).await;
    }
    for follow in [&mut slow, &mut fast] {
        let Some(Update::Lost(n_lost)) = follow.next().await else {
            panic!("wanted a loss");
        };
        let next = seq(follow.next().await);
        assert_eq!(next, n_lost + 1, "what is lost and what comes is everything");
        assert!(n_lost > 0 && n_lost < 3_000);
    }
}

#[tokio::test(start_paused = true)]
async fn overwritten_records_are_told() {
    let ring = Arc::new(Ring::new(4));
    for trace in 1..=10 {
        ring.push(hop(1, "a", 0, 5).in_trace(trace).start());
    }
    let running = run(vec![ring]);
    let counts = loop {
        let counts = running.reader.counts().await.unwrap();
        if counts.n_records > 0 {
            break counts;
        }
        tokio::time::advance(std::time::Duration::from_millis(10)).await;
    };
    assert_eq!((counts.n_records, counts.n_lost_records), (4, 6));
}

#[tokio::test(start_paused = true)]
async fn stopping_reads_the_rings_once_more_and_ends_the_readers() {
    let running = run(two_rings());
    let mut follow = running.reader.follow(Query::default()).await.unwrap();
    running.push(0, &hop(1, "a", 0, 5));
    running.stop.cancel();
    running.task.await.unwrap();
    assert_eq!(running.rings[0].len(), 0);
    assert_eq!(seq(follow.next().await), 1);
    assert_eq!(follow.next().await, None);
    assert_eq!(running.reader.query(Query::default()).await, Err(CollectorGone));
    assert_eq!(running.reader.follow(Query::default()).await.err(), Some(CollectorGone));
}

#[test]
fn threads_that_push_while_the_collector_reads_lose_nothing_uncounted() {
    const N_TRACES: u128 = 20_000;
    let rings: Vec<Arc<Ring>> = (0..2).map(|_| Arc::new(Ring::new(256))).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let producers: Vec<_> = rings
        .iter()
        .cloned()
        .zip(1_u128..)
        .map(|(ring, worker)| {
            thread::spawn(move || {
                for n in 0..N_TRACES {
                    let hop = hop(1, "a", 0, 5).in_trace(n * 2 + worker);
                    ring.push(hop.start());
                    ring.push(hop.end());
                }
            })
        })
        .collect();
    let (collector, reader) = collector(rings.clone(), Limits::default());
    let stop = CancellationToken::new();
    runtime.block_on(async {
        let task = tokio::spawn(collector.run(stop.clone()));
        for producer in producers {
            tokio::task::spawn_blocking(|| producer.join().unwrap()).await.unwrap();
        }
        // Everything has been pushed; once the rings are empty all is counted.
        let counts = tokio::time::timeout(std::time::Duration::from_secs(10), async {
            while rings.iter().any(|ring| !ring.is_empty()) {
                tokio::task::yield_now().await;
            }
            reader.counts().await.unwrap()
        });
        let counts = counts.await.unwrap();
        let n_produced: u64 = rings.iter().map(|ring| ring.counts().n_produced).sum();
        assert_eq!(n_produced, u64::try_from(N_TRACES * 4).unwrap());
        assert_eq!(n_produced, counts.n_records + counts.n_lost_records);
        stop.cancel();
        task.await.unwrap();
    });
}
