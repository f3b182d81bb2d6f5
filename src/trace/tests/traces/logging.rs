//! Log lines: numbered, bounded, asked for and followed.

use std::sync::Arc;
use std::time::SystemTime;

use proptest::prelude::*;
use spur_route::TraceId;
use spur_trace::{
    Attributes, LogLimits, LogQuery, LogRecord, LogUpdate, Logs, Resource, Severity, SpanLimits,
};

fn line(service: &str, body: &str) -> LogRecord {
    LogRecord {
        seq: 0,
        time: SystemTime::UNIX_EPOCH,
        resource: Arc::new(Resource { service: service.into(), resource: Attributes::default() }),
        scope: Arc::default(),
        severity: Severity::from_number(9),
        severity_text: None,
        body: body.into(),
        attributes: Attributes::default(),
        trace_id: None,
        span_id: None,
        n_dropped: 0,
    }
}

fn small(max_records: usize) -> Logs {
    Logs::new(LogLimits { max_records, ..LogLimits::default() })
}

fn seqs(records: &[Arc<LogRecord>]) -> Vec<u64> {
    records.iter().map(|record| record.seq).collect()
}

#[test]
fn a_query_takes_the_newest_of_a_service_or_trace_since_a_number() {
    let logs = small(100);
    let trace_id = TraceId::new(7);
    logs.append((0..6).map(|n| LogRecord {
        trace_id: trace_id.filter(|_| n >= 4),
        ..line(if n % 2 == 0 { "cart" } else { "mail" }, "hello")
    }));
    let ask = |query: LogQuery| {
        let answer = logs.query(&query);
        assert_eq!((answer.last_seq, answer.has_gap), (6, false));
        seqs(&answer.records)
    };
    assert_eq!(ask(LogQuery::default()), [1, 2, 3, 4, 5, 6]);
    assert_eq!(ask(LogQuery { limit: 2, ..LogQuery::default() }), [5, 6]);
    assert_eq!(ask(LogQuery { since_seq: Some(4), ..LogQuery::default() }), [5, 6]);
    assert_eq!(ask(LogQuery { service: Some("cart".into()), limit: 2, ..LogQuery::default() }), [3, 5]);
    assert_eq!(ask(LogQuery { trace_id, ..LogQuery::default() }), [5, 6]);
    assert_eq!(ask(LogQuery { since_seq: Some(u64::MAX), ..LogQuery::default() }), [] as [u64; 0]);
}

#[test]
fn the_oldest_lines_go_by_count_and_by_bytes_and_a_reader_is_told() {
    let logs = small(3);
    logs.append((0..5).map(|_| line("cart", "hello")));
    let answer = logs.query(&LogQuery { since_seq: Some(1), ..LogQuery::default() });
    assert_eq!((seqs(&answer.records), answer.has_gap), (vec![3, 4, 5], true));
    assert!(!logs.query(&LogQuery { since_seq: Some(2), ..LogQuery::default() }).has_gap);
    let logs = Logs::new(LogLimits { max_records: 1_000, max_bytes: 10_000 });
    logs.append((0..100).map(|_| line("cart", &"x".repeat(1_000))));
    let counts = logs.counts();
    assert!((2..10).contains(&counts.n_kept), "{counts:?}");
    assert_eq!((counts.n_records, counts.n_kept + counts.n_evicted), (100, 100));
}

#[tokio::test]
async fn a_follower_gets_what_is_there_and_what_comes() {
    let logs = small(100);
    logs.append([line("cart", "one"), line("mail", "two")]);
    let mut follow = logs.follow(LogQuery { service: Some("cart".into()), ..LogQuery::default() });
    let LogUpdate::Record(first) = follow.next().await else { panic!("a line") };
    assert_eq!(first.body, "one".into());
    let waits = tokio::spawn(async move { follow.next().await });
    tokio::task::yield_now().await;
    logs.append([line("mail", "three"), line("cart", "four")]);
    let LogUpdate::Record(second) = waits.await.unwrap() else { panic!("a line") };
    assert_eq!((second.seq, &second.body), (4, &"four".into()));
}

#[tokio::test]
async fn a_slow_follower_is_told_how_many_went_by() {
    let logs = small(3);
    let mut follow = logs.follow(LogQuery::default());
    logs.append((0..10).map(|_| line("cart", "hello")));
    assert_eq!(follow.next().await, LogUpdate::Lost(7));
    for seq in 8..=10 {
        let LogUpdate::Record(record) = follow.next().await else { panic!("a line") };
        assert_eq!(record.seq, seq);
    }
}

#[test]
fn a_line_is_bounded() {
    let mut large = line("cart", &"x".repeat(100_000));
    (0..1_000).for_each(|n| large.attributes.push(format!("n{n}"), "y".repeat(1_000)));
    large.bound(&SpanLimits::default());
    assert_eq!(large.body.to_string().len(), 8 << 10);
    assert!(large.attributes.len() < 64 && large.n_dropped == 1 + 1_000 - large.attributes.len() as u64);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_told_and_lost_is_all_that_came(batches in proptest::collection::vec((0_usize..8, any::<bool>()), 0..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let logs = small(5);
        let mut follow = logs.follow(LogQuery::default());
        let (mut n_told, mut n_lost, mut last) = (0, 0, 0);
        for (n, reads) in batches {
            logs.append((0..n).map(|_| line("cart", "hello")));
            while reads && n_told + n_lost < logs.counts().n_records {
                match runtime.block_on(follow.next()) {
                    LogUpdate::Record(record) => {
                        prop_assert!(record.seq > last);
                        last = record.seq;
                        n_told += 1;
                    }
                    LogUpdate::Lost(n) => n_lost += n,
                }
            }
            let counts = logs.counts();
            prop_assert_eq!(counts.n_records, counts.n_kept + counts.n_evicted);
            prop_assert!(counts.n_kept <= 5);
        }
    }
}
