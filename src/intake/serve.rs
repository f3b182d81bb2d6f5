//! The listener, and what stands behind it.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use spur_net::{Limits, Listening};
use spur_trace::{Attributes, Logs, Resource, Resources, SpanLimits, SpanSender, TraceReader};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::counts::{Counters, IntakeCounts};
use crate::metrics::MetricStore;

/// Bodies that are read and worked on at once. Each may be 64 MiB and some times that as values; a
/// machine's exporters send some hundred kilobytes every few seconds.
const MAX_BODIES: usize = 8;

/// Where telemetry goes, and where answers come from.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Takes spans.
    pub spans: SpanSender,
    /// Takes log lines.
    pub logs: Logs,
    /// Takes metrics.
    pub metrics: MetricStore,
    /// Knows the traces.
    pub traces: TraceReader,
    /// Ends the answers that go on.
    pub stop: CancellationToken,
}

/// What answers; cheap to clone, all clones are the same.
#[derive(Clone, Debug)]
pub struct Intake {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) parts: Parts,
    pub(crate) counters: Counters,
    pub(crate) bodies: Semaphore,
    pub(crate) limits: SpanLimits,
    /// Held for a look.
    resources: Mutex<Resources>,
}

// === impl Intake ===

impl Intake {
    /// Answers from these.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let shared = Shared {
            parts,
            counters: Counters::default(),
            bodies: Semaphore::new(MAX_BODIES),
            limits: SpanLimits::default(),
            resources: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// What was received so far.
    #[must_use]
    pub fn counts(&self) -> IntakeCounts {
        self.shared.counters.read()
    }
}

// === impl Shared ===

impl Shared {
    /// The resource of these attributes, kept once.
    pub(crate) fn resource(&self, attributes: Attributes) -> Arc<Resource> {
        // What a panic left is a list of resources still.
        self.resources.lock().unwrap_or_else(PoisonError::into_inner).named(attributes, &self.limits)
    }
}

/// Serves HTTP/1.1 and HTTP/2 without TLS until the intake's `stop`; returns where.
///
/// # Errors
/// Where the listener is not one.
pub fn serve(listener: TcpListener, intake: Intake) -> std::io::Result<SocketAddr> {
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let listening = Listening { tcp: tokio::net::TcpListener::from_std(listener)?, tls: None };
    let stop = intake.shared.parts.stop.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let intake = intake.clone();
        async move { Ok::<_, Infallible>(intake.answer(request).await) }
    });
    tokio::spawn(spur_net::serve(listening, service, Limits::default(), stop));
    Ok(address)
}
