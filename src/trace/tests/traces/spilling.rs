//! Traces on disk: what is there after a restart, what a crash tears, and what goes.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use spur_trace::{
    Capture, CapturedBody, CapturedRequest, Limits, Query, Ring, Spill, SpillTo, Trace, TraceReader,
    TraceStore, collector, restore,
};
use tokio_util::sync::CancellationToken;

use crate::world::{Hop, hop};

fn to(dir: &Path) -> SpillTo {
    SpillTo { dir: dir.join("traces"), max_bytes: 1 << 20 }
}

/// A capture with a secret in it.
fn capture(hop: &Hop) -> Box<Capture> {
    let mut headers = http::HeaderMap::new();
    headers.insert("authorization", http::HeaderValue::from_static("Bearer s3cret"));
    Box::new(Capture {
        id: hop.id(),
        is_redacted: false,
        request: CapturedRequest {
            method: http::Method::GET,
            is_tls: false,
            authority: None,
            target: http::uri::PathAndQuery::from_static("/"),
            http_version: http::Version::HTTP_11,
            headers,
            body: CapturedBody::default(),
            ended: None,
        },
        response: None,
    })
}

/// Records hops with a Spur that keeps them there, which then ends in order.
async fn recorded(to: &SpillTo, hops: &[Hop]) {
    let ring = Arc::new(Ring::default());
    let (collector, reader) = collector(vec![ring.clone()], Limits::default());
    let spill = Spill::start(to, (&collector, reader.clone()), Arc::default()).unwrap();
    let counts = spill.counts();
    let stop = CancellationToken::new();
    let collecting = tokio::spawn(collector.run(stop.clone()));
    let spilling = tokio::spawn(spill.run());
    for hop in hops {
        ring.push_capture(capture(hop));
        ring.push(hop.start());
        ring.push(hop.end());
    }
    until_recorded(&reader, hops.len()).await;
    // Written before the collector ends, since what was captured is asked of it.
    while counts.n_written() < hops.len() as u64 {
        assert_eq!((counts.n_lost(), counts.fault()), (0, None));
        tokio::task::yield_now().await;
    }
    stop.cancel();
    collecting.await.unwrap();
    spilling.await.unwrap();
}

async fn until_recorded(reader: &TraceReader, n: usize) {
    while reader.query(Query::default()).await.unwrap().traces.len() < n {
        tokio::task::yield_now().await;
    }
}

fn ids(traces: &[(Trace, Vec<Capture>)]) -> Vec<String> {
    traces.iter().map(|(trace, _)| trace.trace_id.to_string()[28..].to_owned()).collect()
}

fn segments(to: &SpillTo) -> Vec<std::path::PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(&to.dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[tokio::test]
async fn traces_are_there_again_without_their_secrets() {
    let home = tempfile::tempdir().unwrap();
    let to = to(home.path());
    assert!(restore(&to, 10).unwrap().traces.is_empty(), "no directory yet");
    recorded(&to, &[hop(1, "a", 0, 5).in_trace(1).key("k-1"), hop(2, "b", 9, 12).in_trace(2)]).await;
    recorded(&to, &[hop(3, "c", 20, 25).in_trace(3)]).await;
    for path in segments(&to) {
        assert!(!fs::read_to_string(path).unwrap().contains("s3cret"));
    }
    let restored = restore(&to, 10).unwrap();
    assert_eq!(
        (ids(&restored.traces), restored.n_broken),
        (vec!["0001".into(), "0002".into(), "0003".into()], 0)
    );
    assert_eq!(ids(&restore(&to, 2).unwrap().traces), ["0002", "0003"], "the newest");

    let mut store = TraceStore::new(Limits::default());
    for (trace, captures) in restored.traces {
        store.restore(trace, captures);
    }
    let answer = store.query(&Query { key: Some("k-1".into()), ..Query::default() });
    let [trace] = &answer.traces[..] else { panic!("{answer:?}") };
    assert_eq!(
        (trace.hops[0].name(), trace.is_finished, trace.hops[0].captured.is_some()),
        ("a", true, true)
    );
    let captures = store.captures(trace.trace_id);
    assert!(captures[0].is_redacted);
    assert_eq!(captures[0].request.headers["authorization"], "Bearer REDACTED");
    let counts = store.counts();
    assert_eq!((counts.n_traces, counts.n_started_traces, counts.n_hops), (3, 3, 3));
}

#[tokio::test]
async fn a_torn_line_costs_itself_alone() {
    let home = tempfile::tempdir().unwrap();
    let to = to(home.path());
    recorded(&to, &[hop(1, "a", 0, 5).in_trace(1), hop(2, "b", 9, 12).in_trace(2)]).await;
    let path = &segments(&to)[0];
    let text = fs::read_to_string(path).unwrap();
    fs::write(path, &text[..text.len() - 20]).unwrap();
    recorded(&to, &[hop(3, "c", 20, 25).in_trace(3)]).await;
    let restored = restore(&to, 10).unwrap();
    assert_eq!((ids(&restored.traces), restored.n_broken), (vec!["0001".into(), "0003".into()], 1));
}

#[tokio::test]
async fn a_trace_that_was_told_again_is_there_once_as_it_was_last() {
    let home = tempfile::tempdir().unwrap();
    let to = to(home.path());
    recorded(&to, &[hop(1, "a", 0, 5).in_trace(1)]).await;
    recorded(&to, &[hop(2, "later", 6, 7).in_trace(1)]).await;
    let restored = restore(&to, 10).unwrap().traces;
    assert_eq!(restored.len(), 1);
    assert_eq!(restored[0].0.hops[0].name(), "later");
}

#[tokio::test]
async fn the_oldest_files_go_where_all_are_too_many() {
    let home = tempfile::tempdir().unwrap();
    let to = SpillTo { max_bytes: 40_000, ..to(home.path()) };
    for batch in 0..6 {
        let hops: Vec<Hop> =
            (0..20).map(|n| hop(n + 1, "a", n, n + 1).in_trace(u128::from(batch * 20 + n + 1))).collect();
        recorded(&to, &hops).await;
    }
    let n_bytes: u64 = segments(&to).iter().map(|path| path.metadata().unwrap().len()).sum();
    assert!(n_bytes <= 40_000, "{n_bytes}");
    let restored = restore(&to, 1_000).unwrap().traces;
    assert!(restored.len() > 10 && restored.len() < 120, "{}", restored.len());
    let last = restored.last().unwrap().0.trace_id.to_string();
    assert!(last.ends_with("78"), "the newest is 120: {last}");
}
