//! Heads and bodies: where they stand, how they are asked for, and what goes first.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Version};
use spur_trace::{
    BODY_MAX_BYTES, Capture, CapturedBody, CapturedRequest, CapturedResponse, Filter, HopId, Limits, Ring,
    RingCounts, TraceStore,
};

use crate::world::{hop, settle, settled};

/// A capture of a POST with these bodies.
fn capture(id: HopId, sent: &[u8], got: &[u8]) -> Box<Capture> {
    let body = |bytes: &[u8]| {
        let mut body = CapturedBody::default();
        body.add(bytes);
        body.has_ended = true;
        body
    };
    let mut headers = HeaderMap::new();
    headers.append("x-team", HeaderValue::from_static("blue"));
    headers.append("x-raw", HeaderValue::from_bytes(b"\xff").unwrap());
    Box::new(Capture {
        id,
        request: CapturedRequest {
            method: Method::POST,
            is_tls: false,
            authority: Some("pricing".into()),
            target: PathAndQuery::from_static("/quote?id=1"),
            http_version: Version::HTTP_11,
            headers,
            body: body(sent),
            ended: Some(Duration::from_micros(7)),
        },
        response: Some(CapturedResponse {
            status: 201,
            began: Duration::from_micros(40),
            headers: HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("\"1\""))]),
            body: body(got),
            trailers: HeaderMap::new(),
        }),
    })
}

#[test]
fn a_capture_stands_at_its_hop_and_filters_read_it() {
    let (first, second) = (hop(1, "frontend", 0, 9), hop(2, "pricing", 1, 8).parent(1));
    let mut store = TraceStore::new(Limits::default());
    store.capture(capture(second.id(), b"an order", b"seven"));
    for record in [first.start(), second.start(), second.end(), first.end()] {
        store.apply(record);
    }
    let traces = settle(&mut store);
    let [trace] = &traces[..] else { panic!("one: {traces:?}") };
    let captured: Vec<_> = trace.hops.iter().map(|hop| (hop.name(), hop.captured.is_some())).collect();
    assert_eq!(captured, [("frontend", false), ("pricing", true)]);
    assert_eq!(store.captures(trace.trace_id), [Arc::from(capture(second.id(), b"an order", b"seven"))]);
    for (filter, fits) in [
        (r#"svc:pricing & {req.x-team=blue & body~"^an order$"}"#, true),
        ("{svc:pricing & req.X-Team=blue}", true),
        ("{svc:pricing & req.x-team=red}", false),
        ("{svc:pricing & res.etag:1}", true),
        ("{svc:pricing & body:SEVEN}", true),
        // Of the request that came in, which was not captured.
        ("body:seven", false),
    ] {
        let Ok(filter) = Filter::parse(filter) else { panic!("{filter}") };
        assert_eq!(filter.matches(&trace.at(SystemTime::now())), fits, "{filter}");
    }
    let told = serde_json::to_value(&**trace).unwrap();
    assert_eq!(told["hops"][1]["captured"], true);
    assert!(told["hops"][0].get("captured").is_none());
}

#[test]
fn the_oldest_captures_go_where_bytes_are_too_many() {
    let limits = Limits { max_capture_bytes: 3 * BODY_MAX_BYTES, ..Limits::default() };
    let mut store = TraceStore::new(limits);
    for span in 1..=6 {
        let hop = hop(span, "pricing", span, span + 1);
        store.capture(capture(hop.id(), &[b'x'; BODY_MAX_BYTES / 2], b""));
        store.apply(hop.start());
        store.apply(hop.end());
    }
    settle(&mut store);
    let (_, traces) = settled(&[hop(1, "pricing", 1, 2)]);
    let kept: Vec<_> = store.captures(traces[0].trace_id).iter().map(|it| it.id).collect();
    assert_eq!(kept, [2, 3, 4, 5, 6].map(|span| hop(span, "", 0, 1).id()));
    let counts = store.counts();
    assert_eq!((counts.n_captures, counts.n_evicted_captures), (5, 1));
    assert!(counts.n_capture_bytes <= limits.max_capture_bytes as u64);
}

#[test]
fn a_queue_that_nobody_reads_keeps_the_newest_and_counts_the_rest() {
    let ring = Ring::default();
    let sent = [b'x'; BODY_MAX_BYTES];
    for span in 1..=100 {
        ring.push_capture(capture(hop(span, "", 0, 1).id(), &sent, &sent));
    }
    let RingCounts { n_captures, n_lost_captures, .. } = ring.counts();
    assert_eq!((n_captures, n_lost_captures + ring.n_captures() as u64), (100, 100));
    assert!(ring.n_captures() * 2 * BODY_MAX_BYTES <= 8 << 20, "bounded by bytes: {}", ring.n_captures());
    let kept: Vec<_> = std::iter::from_fn(|| ring.pop_capture()).map(|capture| capture.id).collect();
    assert_eq!(kept.last(), Some(&hop(100, "", 0, 1).id()));
    // Small ones are bounded by number, and what was taken out counts no more.
    for span in 1..=300 {
        ring.push_capture(capture(hop(span, "", 0, 1).id(), b"", b""));
    }
    assert_eq!(ring.n_captures(), 256);
}

#[test]
fn json_gives_a_capture_back_whatever_its_bytes_are() {
    for sent in [&b"text"[..], b"\xff\x00\xfe", b""] {
        let capture = capture(hop(1, "", 0, 1).id(), sent, b"got");
        let json = serde_json::to_string(&capture).unwrap();
        assert_eq!(serde_json::from_str::<Capture>(&json).unwrap(), *capture, "{json}");
    }
    let json = serde_json::to_value(capture(hop(1, "", 0, 1).id(), b"\xff", b"got")).unwrap();
    assert_eq!(
        json["request"]["body"],
        serde_json::json!({"base64": "/w==", "n_bytes": 1, "has_ended": true})
    );
    assert_eq!(json["request"]["headers"][0], serde_json::json!({"name": "x-team", "text": "blue"}));
    assert_eq!(json["response"]["began_us"], 40);
}
