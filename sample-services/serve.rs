//! Serves one sample on a listener until it is told to stop: HTTP/1.1, h2c and
//! WebSocket upgrades on one port, with deadlines on silence and a short drain.
//! Leaves answers to the samples, log and metrics to `observe`.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use axum::{Json, Router, middleware};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use spur_sdk::propagation::PropagationLayer;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::log::Log;
use crate::observe::{Observer, observe};
use crate::sample::Sample;
use crate::settings::{SettingError, Settings};

/// Connections beyond this many wait in the listener's queue. Far above what a
/// demo opens, below the 1,024 descriptors that a shell gives a process.
const CONNECTIONS_MAX: usize = 512;

/// A connection that says nothing, or not a whole request head, is closed after
/// this long. 10 s is axum's and nginx's order of magnitude (nginx: 60 s).
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// The largest request body: an order is a few hundred bytes.
const BODY_MAX_BYTES: usize = 64 * 1024;

/// What is not finished this long after the stop is cut. A service is to be gone
/// within a second; the slowest sample answers in 100 ms.
const DRAIN_MAX: Duration = Duration::from_millis(500);

/// The pause after an accept failed (too many open files): without it the loop
/// would spin until a descriptor is free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a service is run with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The service's environment variables.
    pub settings: Settings,
    /// Where its request lines go.
    pub log: Log,
    /// Cancelled by the owner to end the service.
    pub stop: CancellationToken,
    /// Tasks that outlive their request (WebSocket sessions); ended with `stop`.
    pub(crate) sessions: TaskTracker,
}

/// Serves `sample` on `listener`, whose address is its first log line, until
/// `setup.stop` is cancelled; then finishes what is under way for at most 500 ms
/// and cuts the rest. Returns an error at once where a setting cannot be used.
pub async fn serve(listener: TcpListener, sample: &'static Sample, setup: Setup) -> Result<(), SettingError> {
    let app = app(sample, &setup)?;
    if let Ok(bound) = listener.local_addr() {
        let version = setup.settings.version();
        setup.log.line(&format!("{} {version} listens on http://{bound}", sample.name));
    }
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = setup.stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_connection(stream, app.clone(), setup.stop.clone()));
                }
                Err(error) => {
                    setup.log.line(&format!("accept failed: {error}"));
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    setup.sessions.close();
    let drained = async {
        while connections.join_next().await.is_some() {}
        setup.sessions.wait().await;
    };
    if tokio::time::timeout(DRAIN_MAX, drained).await.is_err() {
        connections.shutdown().await;
    }
    Ok(())
}

// === impl Setup ===

impl Setup {
    /// Runs with these settings, and logs to stdout.
    pub fn new(settings: Settings) -> Self {
        Self { settings, log: Log::stdout(), stop: CancellationToken::new(), sessions: TaskTracker::new() }
    }
}

/// The sample's routes, the common ones, and the layers around all of them.
fn app(sample: &'static Sample, setup: &Setup) -> Result<Router, SettingError> {
    let observer = Arc::new(Observer::new(sample.name, setup));
    let health = Json(json!({
        "status": "ok",
        "service": sample.name,
        "version": setup.settings.version(),
    }));
    let metrics = {
        let observer = observer.clone();
        move || async move { observer.render_metrics() }
    };
    let app = (sample.router)(setup)?
        .route("/health", get(move || async { health }))
        .route("/metrics", get(metrics))
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        // Inside of the propagation, so that a request's line knows its key.
        .layer(middleware::from_fn_with_state(observer, observe))
        .layer(PropagationLayer::new());
    Ok(app)
}

async fn serve_connection(stream: TcpStream, app: Router, stop: CancellationToken) {
    // hyper-util reads the first bytes, which tell HTTP/1.1 from HTTP/2, without a
    // deadline; whoever has said something is under the deadlines below.
    let mut first_byte = [0];
    tokio::select! {
        () = stop.cancelled() => return,
        first = tokio::time::timeout(SILENCE_MAX, stream.peek(&mut first_byte)) => match first {
            Ok(Ok(1..)) => {}
            Ok(Ok(0) | Err(_)) | Err(_) => return,
        },
    }
    // Answers are small; waiting to fill a packet only costs latency.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = TowerToHyperService::new(app.into_service::<hyper::body::Incoming>());
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(SILENCE_MAX);
    builder.http2().timer(TokioTimer::new());
    let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    // How a connection ends is the peer's affair; requests have their own lines.
    let _ended: Result<_, _> = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
}
