//! An intake on a loopback port, with a collector behind it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use spur_intake::{Intake, MetricStore, Parts};
use spur_trace::{Limits, Logs, Query, Ring, Trace, TraceReader, Update};
use tokio_util::sync::CancellationToken;
use tokio_util::sync::DropGuard;

pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) intake: Intake,
    pub(crate) logs: Logs,
    pub(crate) metrics: MetricStore,
    pub(crate) traces: TraceReader,
    pub(crate) ring: Arc<Ring>,
    _stop: DropGuard,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: HeaderMap,
}

impl World {
    pub(crate) fn start() -> Self {
        let stop = CancellationToken::new();
        let ring = Arc::new(Ring::default());
        let (collector, traces) = spur_trace::collector(vec![ring.clone()], Limits::default());
        let (logs, metrics) = (Logs::default(), MetricStore::default());
        let intake = Intake::new(Parts {
            spans: collector.spans(),
            logs: logs.clone(),
            metrics: metrics.clone(),
            traces: traces.clone(),
            stop: stop.clone(),
        });
        tokio::spawn(collector.run(stop.clone()));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = spur_intake::serve(listener, intake.clone()).unwrap();
        Self { address, intake, logs, metrics, traces, ring, _stop: stop.drop_guard() }
    }

    pub(crate) async fn post(&self, path: &str, kind: &str, body: impl Into<Bytes>) -> Answer {
        self.post_with(path, &[("content-type", kind)], body).await
    }

    pub(crate) async fn post_with(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request = Request::post(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(false, request.body(Full::new(body.into())).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = Request::get(format!("http://{}{path}", self.address));
        send(false, request.body(Full::default()).unwrap()).await
    }

    /// The first trace that is published.
    pub(crate) async fn trace(&self) -> Arc<Trace> {
        let mut follow = self.traces.follow(Query::default()).await.unwrap();
        let Some(Update::Trace(trace)) = follow.next().await else { panic!("a trace") };
        trace
    }
}

pub(crate) async fn send(is_http2: bool, request: Request<Full<Bytes>>) -> Answer {
    let client = Client::builder(TokioExecutor::new()).http2_only(is_http2).build_http();
    let response = client.request(request).await.unwrap();
    let (head, body) = response.into_parts();
    let collected = body.collect().await.unwrap();
    let trailers = collected.trailers().cloned().unwrap_or_default();
    Answer { status: head.status, headers: head.headers, body: collected.to_bytes(), trailers }
}

// === impl Answer ===

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn kind(&self) -> &str {
        self.headers["content-type"].to_str().unwrap()
    }
}
