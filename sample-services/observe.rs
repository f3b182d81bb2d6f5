//! What is seen of every request: one line, one count, and the `served-by`
//! header, by which `curl -i` tells a fork from its baseline. Leaves storage and
//! format of the counts to `metrics`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use spur_sdk::propagation::Context;

use crate::log::Log;
use crate::metrics::{self, Metrics};
use crate::serve::Setup;

/// The response header that names service and version: `pricing/v1`. A response
/// without it was not made by a sample, but by something on the way.
pub(crate) const SERVED_BY: HeaderName = HeaderName::from_static("served-by");

/// Paths that machines ask every few seconds; they would drown the requests that
/// somebody made, in the log as in the counts.
const UNSEEN_PATHS: [&str; 2] = ["/health", "/metrics"];

/// Watches the requests of one service.
#[derive(Debug)]
pub(crate) struct Observer {
    log: Log,
    metrics: Metrics,
    labels: String,
    served_by: Option<HeaderValue>,
}

/// Answers a request through `next`, and tells of it.
pub(crate) async fn observe(State(observer): State<Arc<Observer>>, req: Request, next: Next) -> Response {
    let started = Instant::now();
    let (method, path) = (req.method().clone(), req.uri().path().to_owned());
    let mut rsp = next.run(req).await;
    if let Some(served_by) = &observer.served_by {
        rsp.headers_mut().insert(SERVED_BY, served_by.clone());
    }
    if !UNSEEN_PATHS.contains(&path.as_str()) {
        let duration = started.elapsed();
        observer.metrics.count(rsp.status().as_u16(), duration);
        let context = Context::current();
        let line = line(&method, &path, (rsp.status(), duration), context.routing_key());
        observer.log.line(&line);
    }
    rsp
}

// === impl Observer ===

impl Observer {
    pub(crate) fn new(service: &str, setup: &Setup) -> Self {
        let version = setup.settings.version();
        let escaped = metrics::escape(version);
        Self {
            log: setup.log.clone(),
            metrics: Metrics::default(),
            labels: format!("service=\"{service}\",version=\"{escaped}\""),
            // A version that is no header value is only left out of the header.
            served_by: HeaderValue::try_from(format!("{service}/{version}")).ok(),
        }
    }

    /// The answer to `GET /metrics`.
    pub(crate) fn render_metrics(&self) -> impl IntoResponse + use<> {
        let content_type = (header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
        ([content_type], self.metrics.render(&self.labels))
    }
}

/// `GET /price/mug 200 1.4ms key=cheaper`. A path may hold any bytes above 0x7f,
/// and terminals obey some of them, so they are escaped; a key is a token.
fn line(
    method: &Method,
    path: &str,
    (status, duration): (StatusCode, Duration),
    key: Option<&str>,
) -> String {
    let path = path.escape_default();
    let ms = duration.as_secs_f64() * 1000.0;
    let key = key.map(|key| format!(" key={key}")).unwrap_or_default();
    format!("{method} {path} {} {ms:.1}ms{key}", status.as_u16())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, key: Option<&str>, expected: &str) {
        let answer = (StatusCode::OK, Duration::from_micros(1_449));
        assert_eq!(line(&Method::GET, path, answer, key), expected);
    }

    #[test]
    fn a_line_tells_of_one_request() {
        check("/price/mug", Some("cheaper"), "GET /price/mug 200 1.4ms key=cheaper");
        check("/price/mug", None, "GET /price/mug 200 1.4ms");
        check("/\u{9b}31m", None, "GET /\\u{9b}31m 200 1.4ms");
    }
}
