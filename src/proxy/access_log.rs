//! The access log: one line for each request that has ended, and each TCP connection.
//!
//! ```text
//!  Hop ends ─► Entry ─► queue (bounded) ─► a thread: line ─► file or stdout
//! ```
//!
//! A worker never waits for the disk: where the queue is full the entry is lost, and counted.
//! Lines are made by the thread that writes them. Names and codes are those of Istio and Envoy
//! (<https://istio.io/latest/docs/tasks/observability/logs/access-log/>).

mod flags;
mod line;
mod writer;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{SyncSender, TrySendError},
    },
    time::SystemTime,
};

use http::{
    HeaderValue, Method, StatusCode, Version, header,
    request::Parts,
    uri::{Authority, PathAndQuery},
};
use spur_trace::{HopEnd, HopError, HopStart};

pub use self::line::Encoding;
pub use self::writer::AccessLogWriter;

/// Entries that wait for the thread. At 1 KiB each they are 16 MiB at most; a disk that stands
/// still for a tenth of a second at 100,000 requests/s loses none.
const N_WAITING: usize = 16_384;

/// The way into an access log; cheap to clone.
#[derive(Clone, Debug)]
pub struct AccessLog {
    /// workers -- what has ended --> the writing thread
    entries_tx: SyncSender<Entry>,
    n_lost: Arc<AtomicU64>,
}

/// What a line is made of.
#[derive(Debug)]
pub(crate) struct Entry {
    begun: Begun,
    end: HopEnd,
}

/// What is known when a request begins.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) asked: Asked,
    /// `None` where the request was refused before anything was decided.
    pub(crate) start: Option<HopStart>,
}

/// What was asked for, and by whom.
#[derive(Debug)]
pub(crate) struct Asked {
    started: SystemTime,
    method: Method,
    /// `None` of a TCP connection, and of CONNECT.
    target: Option<PathAndQuery>,
    version: Version,
    peer: SocketAddr,
    authority: Option<String>,
    forwarded_for: Option<HeaderValue>,
    user_agent: Option<HeaderValue>,
    request_id: Option<HeaderValue>,
}

// === impl AccessLog ===

impl AccessLog {
    /// Writes what has ended.
    pub(crate) fn write(&self, begun: Begun, end: HopEnd) {
        match self.entries_tx.try_send(Entry { begun, end }) {
            Ok(()) => {}
            // Whoever writes has ended, or does not keep up.
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.n_lost.fetch_add(1, Relaxed);
            }
        }
    }

    /// Writes that a request was refused before anything was decided about it.
    pub(crate) fn write_refused(&self, asked: Asked, status: StatusCode) {
        let end = HopEnd {
            duration: asked.started.elapsed().unwrap_or_default(),
            served_by: None,
            status: Some(status.as_u16()),
            grpc_status: None,
            request_bytes: 0,
            response_bytes: 0,
            error: Some(HopError::RejectedRequest),
        };
        self.write(Begun { asked, start: None }, end);
    }

    /// Counts the entries that were lost since the start.
    pub(crate) fn lost(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.n_lost)
    }
}

// === impl Asked ===

impl Asked {
    /// What a request says. `host` is what it was found to be for; without, what stands in it.
    pub(crate) fn of_request(peer: SocketAddr, parts: &Parts, host: Option<&str>) -> Self {
        let header = |name| parts.headers.get(name).cloned();
        let sent = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let sent = parts.uri.authority().map(Authority::as_str).or(sent);
        Self {
            started: SystemTime::now(),
            method: parts.method.clone(),
            target: parts.uri.path_and_query().cloned(),
            version: parts.version,
            peer,
            authority: host.or(sent).map(str::to_owned),
            forwarded_for: header("x-forwarded-for"),
            user_agent: header("user-agent"),
            request_id: header("x-request-id"),
        }
    }

    /// What is known of a connection whose bytes are not read.
    pub(crate) fn of_connection(peer: SocketAddr) -> Self {
        Self {
            started: SystemTime::now(),
            method: Method::CONNECT,
            target: None,
            version: Version::HTTP_11,
            peer,
            authority: None,
            forwarded_for: None,
            user_agent: None,
            request_id: None,
        }
    }
}
