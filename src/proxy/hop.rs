//! One hop in progress: its counts, and its records.
//!
//! A hop ends once: with its response, with its failure, or, where nobody said
//! so, because the client went away and everything was dropped.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{Method, Version, uri::PathAndQuery};
use http_body::Frame;
use spur_net::{Busy, Caller};
use spur_route::{Endpoint, SpanId, TraceId, TraceParent, Verdict};
use spur_trace::{
    CapturedRequest, Carried, Decision, HopEnd, HopError, HopId, HopProgress, HopSource, HopStart, Record,
    own_target,
};
use tokio::time::Instant;

use crate::{
    access_log::{Asked, Begun},
    body::ResponseBody,
    capture::Capturing,
    metrics::Labels,
    stats::count,
    worker::Worker,
};

/// A long hop writes how far it is once a second: a reader sees it move, and
/// 16,384 records of a ring still hold hours of one stream.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// A hop, shared by whoever still has a part of it: request body, response body,
/// the future between them. The last to let go ends it.
#[derive(Debug)]
pub(crate) struct Hop {
    worker: Rc<Worker>,
    id: HopId,
    started: Instant,
    request_bytes: Cell<u64>,
    response_bytes: Cell<u64>,
    /// When the request last moved towards the upstream.
    request_moved: Cell<Instant>,
    /// The upstream would take more of the request, and the client has not sent it.
    awaits_client: Cell<bool>,
    progress_due: Cell<Instant>,
    status: Cell<Option<u16>>,
    grpc_status: Cell<Option<u32>>,
    served_by: RefCell<Option<Endpoint>>,
    labels: Labels,
    /// What the access log tells of it; `None` where none is written.
    logged: RefCell<Option<Box<Begun>>>,
    /// What its client sends and gets, where that is captured.
    capturing: Capturing,
    /// The client's own body failed, so whatever fails next is not the upstream's fault.
    client_failed: Cell<bool>,
    is_ended: Cell<bool>,
    /// The client's connection is not idle while any part of the hop is left.
    _busy: Option<Busy>,
}

/// What is known of a request when it was decided.
#[derive(Debug)]
pub(crate) struct Begin<'a> {
    pub(crate) verdict: &'a Verdict,
    /// The endpoint that will be tried first.
    pub(crate) endpoint: Option<&'a Endpoint>,
    pub(crate) caller: Option<&'a Caller>,
    pub(crate) incoming: Option<TraceParent>,
    pub(crate) method: &'a Method,
    pub(crate) target: Option<&'a PathAndQuery>,
    pub(crate) version: Version,
    /// Which headers that can hold a key came.
    pub(crate) carried: Carried,
    pub(crate) busy: Option<Busy>,
    /// The trace that it repeats.
    pub(crate) replay_of: Option<TraceId>,
    /// What is captured of it.
    pub(crate) captured: Option<Box<CapturedRequest>>,
    /// Where an access log is written.
    pub(crate) asked: Option<Asked>,
}

// === impl Hop ===

impl Hop {
    /// Begins a hop and writes its start record.
    pub(crate) fn begin(worker: &Rc<Worker>, begin: Begin<'_>) -> Rc<Self> {
        let Begin {
            verdict,
            endpoint,
            caller,
            incoming,
            method,
            target,
            version,
            carried,
            busy,
            replay_of,
            captured,
            asked,
        } = begin;
        let id = HopId {
            trace_id: incoming.map_or_else(new_trace_id, |incoming| incoming.trace_id),
            span_id: new_span_id(),
        };
        count(&worker.stats.n_hops);
        let start = || HopStart {
            id,
            incoming_parent_id: incoming.map(|incoming| incoming.parent_id),
            started: SystemTime::now(),
            source: caller.map(source),
            decision: Decision::from(verdict),
            endpoint: endpoint.cloned(),
            method: method.clone(),
            target: target.map(|target| told(worker, target)),
            http_version: version,
            carried,
            replay_of,
        };
        let logged = asked.map(|asked| Box::new(Begun { asked, start: Some(start()) }));
        if let Some(ring) = &worker.ring {
            ring.push(Record::Start(Arc::new(start())));
        }
        let now = Instant::now();
        Rc::new(Self {
            worker: Rc::clone(worker),
            id,
            started: now,
            request_bytes: Cell::new(0),
            response_bytes: Cell::new(0),
            request_moved: Cell::new(now),
            awaits_client: Cell::new(false),
            progress_due: Cell::new(now + PROGRESS_EVERY),
            status: Cell::new(None),
            grpc_status: Cell::new(None),
            served_by: RefCell::new(None),
            labels: Labels::of(verdict, caller),
            logged: RefCell::new(logged),
            capturing: Capturing::new(id, captured),
            client_failed: Cell::new(false),
            is_ended: Cell::new(false),
            _busy: busy,
        })
    }

    /// The header that makes the next hop a child of this one.
    pub(crate) fn traceparent(&self, incoming: Option<TraceParent>) -> TraceParent {
        /// A new trace is sampled: it was made to be looked at.
        const SAMPLED: u8 = 1;
        TraceParent {
            trace_id: self.id.trace_id,
            parent_id: self.id.span_id,
            flags: incoming.map_or(SAMPLED, |incoming| incoming.flags),
        }
    }

    /// Bytes went from the client towards the upstream, of which this data was read now.
    pub(crate) fn add_request_data(&self, data: Option<&Bytes>) {
        if let Some(data) = data {
            self.capturing.request_data(data);
        }
        self.add_request_bytes(data.map_or(0, Bytes::len));
    }

    /// Bytes went from the client towards the upstream.
    pub(crate) fn add_request_bytes(&self, n_bytes: usize) {
        let now = Instant::now();
        self.request_bytes.set(self.request_bytes.get() + n_bytes as u64);
        self.request_moved.set(now);
        self.awaits_client.set(false);
        self.progress(now);
    }

    /// The upstream wants more of the request's body than has come.
    pub(crate) fn client_awaited(&self) {
        if !self.awaits_client.replace(true) {
            self.request_moved.set(Instant::now());
        }
    }

    /// The request is sent again from its beginning.
    pub(crate) fn begins_again(&self) {
        self.awaits_client.set(false);
        self.request_moved.set(Instant::now());
    }

    /// The request's body has ended.
    pub(crate) fn request_ended(&self) {
        if self.capturing.is_on() {
            self.capturing.request_ended(self.started.elapsed());
        }
        if self.awaits_client.replace(false) {
            self.request_moved.set(Instant::now());
        }
    }

    /// Whether the client is who has to move.
    pub(crate) fn awaits_client(&self) -> bool {
        self.awaits_client.get()
    }

    /// Bytes went from the upstream towards the client.
    pub(crate) fn add_response_bytes(&self, n_bytes: usize) {
        self.response_bytes.set(self.response_bytes.get() + n_bytes as u64);
        self.progress(Instant::now());
    }

    /// A frame went from the upstream towards the client.
    pub(crate) fn add_response_frame(&self, frame: &Frame<Bytes>) {
        if let Some(data) = frame.data_ref() {
            self.capturing.response_data(data);
            self.add_response_bytes(data.len());
        }
        if let Some(trailers) = frame.trailers_ref() {
            self.capturing.response_trailers(trailers);
            self.set_grpc_status(trailers);
        }
    }

    /// The client gets a body of our own.
    pub(crate) fn answered_with(&self, body: &ResponseBody) {
        if self.capturing.is_on() {
            if let Some(data) = body.own() {
                self.capturing.response_data(&data);
            }
            self.capturing.response_ended();
        }
    }

    /// The upstream's body has ended.
    pub(crate) fn response_ended(&self) {
        self.capturing.response_ended();
    }

    /// When the request last moved, or began to wait for its client.
    pub(crate) fn request_moved(&self) -> Instant {
        self.request_moved.get()
    }

    /// A connection to this endpoint is there.
    pub(crate) fn reached(&self, endpoint: &Endpoint) {
        *self.served_by.borrow_mut() = Some(endpoint.clone());
    }

    /// The head of the client's response, as it goes out.
    pub(crate) fn set_head(&self, status: http::StatusCode, headers: &http::HeaderMap) {
        self.status.set(Some(status.as_u16()));
        if self.capturing.is_on() {
            self.capturing.response_head(status.as_u16(), headers, self.started.elapsed());
        }
    }

    /// `grpc-status`, wherever it came. What is no number is no status.
    pub(crate) fn set_grpc_status(&self, headers: &http::HeaderMap) {
        let status = headers
            .get("grpc-status")
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.parse().ok());
        if status.is_some() {
            self.grpc_status.set(status);
        }
    }

    /// The client's body broke off.
    pub(crate) fn client_failed(&self) {
        self.client_failed.set(true);
    }

    /// Whether the request's body broke off, or is not what it says.
    pub(crate) fn has_client_failed(&self) -> bool {
        self.client_failed.get()
    }

    /// `error`, or the client's own fault where that came first.
    pub(crate) fn blame(&self, error: HopError) -> HopError {
        if self.client_failed.get() { HopError::BadRequestBody } else { error }
    }

    /// Ends the hop, unless it has ended.
    pub(crate) fn end(&self, error: Option<HopError>) {
        if self.is_ended.replace(true) {
            return;
        }
        let end = HopEnd {
            duration: self.started.elapsed(),
            served_by: self.served_by.borrow_mut().take(),
            status: self.status.get(),
            grpc_status: self.grpc_status.get(),
            request_bytes: self.request_bytes.get(),
            response_bytes: self.response_bytes.get(),
            error,
        };
        if let (Some(log), Some(begun)) = (&self.worker.access_log, self.logged.borrow_mut().take()) {
            log.write(*begun, end.clone());
        }
        self.worker.meter.record(&self.labels, &end, self.id.trace_id);
        if let Some(ring) = &self.worker.ring {
            // First: it stands at the hop that ends.
            if let Some(capture) = self.capturing.take() {
                ring.push_capture(capture);
            }
            ring.push(Record::End(self.id, Arc::new(end)));
        }
    }

    fn progress(&self, now: Instant) {
        if now < self.progress_due.get() || self.is_ended.get() {
            return;
        }
        self.progress_due.set(now + PROGRESS_EVERY);
        let progress = HopProgress {
            after: now - self.started,
            status: self.status.get(),
            request_bytes: self.request_bytes.get(),
            response_bytes: self.response_bytes.get(),
        };
        if let Some(ring) = &self.worker.ring {
            ring.push(Record::Progress(self.id, progress));
        }
    }
}

impl Drop for Hop {
    fn drop(&mut self) {
        let error = if self.worker.cut.is_cancelled() {
            HopError::Draining
        } else {
            self.blame(HopError::ClientGone)
        };
        self.end(Some(error));
    }
}

/// A target without its secrets, in bytes of its own: as it comes, it is a part of the whole head,
/// which a record in the ring would keep for as long as the ring is.
fn told(worker: &Worker, target: &PathAndQuery) -> PathAndQuery {
    own_target(&worker.redaction.target(target.as_str()))
}

fn source(caller: &Caller) -> HopSource {
    let Caller { namespace, workload, pod, labels: _, sandbox } = caller;
    HopSource {
        namespace: namespace.clone(),
        workload: workload.clone(),
        pod: pod.clone(),
        sandbox: sandbox.clone(),
    }
}

fn new_trace_id() -> TraceId {
    TraceId::new(rand::random::<u128>() | 1).expect("an odd number is not zero")
}

fn new_span_id() -> SpanId {
    SpanId::new(rand::random::<u64>() | 1).expect("an odd number is not zero")
}
