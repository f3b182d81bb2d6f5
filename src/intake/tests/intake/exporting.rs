//! Traces sent on to a collector that answers as it is told.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Read;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use spur_intake::{ExportCounts, ExportProgress, ExportTarget, Exporter};
use spur_trace::{Limits, SpanSender};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

type Said = Response<Full<Bytes>>;

/// A collector, and an exporter that sends to it.
struct World {
    spans: SpanSender,
    progress: ExportProgress,
    /// The names of the spans of each request.
    requests_rx: mpsc::UnboundedReceiver<Vec<String>>,
    stop: CancellationToken,
    exporter: JoinHandle<()>,
    collector: JoinHandle<()>,
}

fn said(status: u16) -> Said {
    Response::builder().status(status).body(Full::default()).unwrap()
}

fn busy() -> Said {
    Response::builder().status(503).header("retry-after", "0").body(Full::default()).unwrap()
}

impl World {
    /// What is answered in turn; then 200 for ever.
    async fn start(answers: Vec<Said>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target: ExportTarget = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let target = target.with_headers("authorization=Bearer%20hush").unwrap();
        let (requests_tx, requests_rx) = mpsc::unbounded_channel();
        tokio::spawn(serve(listener, Arc::new(Mutex::new(answers.into())), requests_tx));
        let (collector, traces) = spur_trace::collector(Vec::new(), Limits::default());
        let (spans, stop) = (collector.spans(), CancellationToken::new());
        let collector = tokio::spawn(collector.run(stop.clone()));
        let exporter = Exporter::new(target, traces);
        let progress = exporter.progress();
        let exporter = tokio::spawn(exporter.run());
        // Until it follows.
        tokio::task::yield_now().await;
        Self { spans, progress, requests_rx, stop, exporter, collector }
    }

    async fn report(&self, trace: u128, name: &str) {
        let mut span = crate::exporting::span(trace);
        span.name = name.into();
        span.span_id =
            spur_route::SpanId::new(name.bytes().fold(7, |id, byte| id * 31 + u64::from(byte))).unwrap();
        assert_eq!(self.spans.send([span]).await, 0);
    }

    async fn request(&mut self) -> Vec<String> {
        self.requests_rx.recv().await.unwrap()
    }

    /// The counts once everything has come to its end.
    async fn end(self) -> ExportCounts {
        self.stop.cancel();
        self.collector.await.unwrap();
        self.exporter.await.unwrap();
        self.progress.counts()
    }
}

fn span(trace: u128) -> spur_trace::Span {
    spur_trace::Span {
        trace_id: spur_route::TraceId::new(trace).unwrap(),
        span_id: spur_route::SpanId::new(1).unwrap(),
        parent_id: None,
        resource: Arc::default(),
        scope: Arc::default(),
        name: "".into(),
        kind: spur_trace::SpanKind::Internal,
        started: std::time::SystemTime::UNIX_EPOCH,
        duration: std::time::Duration::from_millis(1),
        status: spur_trace::SpanStatus::Unset,
        status_message: None,
        attributes: [("n", 1_i64)].into_iter().collect(),
        events: Vec::new(),
        links: Vec::new(),
        n_dropped: 0,
    }
}

async fn serve(
    listener: TcpListener,
    answers: Arc<Mutex<VecDeque<Said>>>,
    requests_tx: mpsc::UnboundedSender<Vec<String>>,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (answers, requests_tx) = (answers.clone(), requests_tx.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (answers, requests_tx) = (answers.clone(), requests_tx.clone());
            async move {
                assert_eq!(request.uri().path(), "/v1/traces");
                assert_eq!(request.headers()["content-type"], "application/x-protobuf");
                assert_eq!(request.headers()["authorization"], "Bearer hush");
                let body = request.into_body().collect().await.unwrap().to_bytes();
                requests_tx.send(names(&body)).unwrap();
                let answer = answers.lock().unwrap().pop_front();
                Ok::<_, Infallible>(answer.unwrap_or_else(|| said(200)))
            }
        });
        tokio::spawn(
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
        );
    }
}

fn names(body: &[u8]) -> Vec<String> {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(body).read_to_end(&mut bytes).unwrap();
    let request = ExportTraceServiceRequest::decode(&*bytes).unwrap();
    let scopes = request.resource_spans.into_iter().flat_map(|of| of.scope_spans);
    let mut names: Vec<_> = scopes.flat_map(|scope| scope.spans).map(|span| span.name).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_busy_collector_gets_the_same_again() {
    let mut world = World::start(vec![busy(), busy()]).await;
    world.report(1, "one").await;
    for _ in 0..3 {
        assert_eq!(world.request().await, ["one"]);
    }
    let counts = world.end().await;
    assert_eq!(counts, ExportCounts { n_spans: 1, n_sent: 1, ..ExportCounts::default() });
}

#[tokio::test]
async fn what_is_refused_is_not_sent_again_and_counted() {
    let mut world = World::start(vec![said(400)]).await;
    world.report(1, "one").await;
    assert_eq!(world.request().await, ["one"]);
    world.report(2, "two").await;
    assert_eq!(world.request().await, ["two"]);
    let counts = world.end().await;
    assert_eq!(counts, ExportCounts { n_spans: 2, n_sent: 1, n_failed: 1, ..ExportCounts::default() });
}

#[tokio::test]
async fn a_partial_success_is_counted_as_what_it_is() {
    let partial = ExportTracePartialSuccess { rejected_spans: 1, error_message: "no".into() };
    let partial = ExportTraceServiceResponse { partial_success: Some(partial) };
    let partial = Response::new(Full::new(partial.encode_to_vec().into()));
    let mut world = World::start(vec![partial]).await;
    world.report(1, "one").await;
    world.report(1, "two").await;
    assert_eq!(world.request().await, ["one", "two"]);
    let counts = world.end().await;
    assert_eq!(counts, ExportCounts { n_spans: 2, n_sent: 1, n_rejected: 1, ..ExportCounts::default() });
}

#[tokio::test]
async fn a_trace_that_is_published_again_brings_what_is_new() {
    let mut world = World::start(Vec::new()).await;
    world.report(1, "one").await;
    assert_eq!(world.request().await, ["one"]);
    world.report(1, "two").await;
    assert_eq!(world.request().await, ["two"]);
    assert_eq!(world.end().await.n_sent, 2);
}

#[tokio::test]
async fn what_waits_at_the_end_is_sent() {
    let mut world = World::start(Vec::new()).await;
    world.report(1, "one").await;
    assert_eq!(world.request().await, ["one"]);
    world.report(2, "two").await;
    let World { spans, progress, mut requests_rx, stop, exporter, collector } = world;
    drop(spans);
    stop.cancel();
    collector.await.unwrap();
    exporter.await.unwrap();
    assert_eq!(requests_rx.recv().await.unwrap(), ["two"]);
    assert_eq!(progress.counts(), ExportCounts { n_spans: 2, n_sent: 2, ..ExportCounts::default() });
}

#[tokio::test]
async fn at_the_end_nobody_waits_for_a_collector_that_is_away() {
    // Nobody is there: the listener is closed.
    let away = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (collector, traces) = spur_trace::collector(Vec::new(), Limits::default());
    let (spans, stop) = (collector.spans(), CancellationToken::new());
    let collector = tokio::spawn(collector.run(stop.clone()));
    let exporter = Exporter::new(format!("http://{away}").parse().unwrap(), traces);
    let progress = exporter.progress();
    let exporter = tokio::spawn(exporter.run());
    tokio::task::yield_now().await;
    assert_eq!(spans.send([span(1)]).await, 0);
    stop.cancel();
    collector.await.unwrap();
    tokio::time::timeout(std::time::Duration::from_secs(10), exporter).await.unwrap().unwrap();
    assert_eq!(progress.counts(), ExportCounts { n_spans: 1, n_failed: 1, ..ExportCounts::default() });
}
