//! Questions about what is kept, in the words of Jaeger, Zipkin and OTLP's JSON.
//!
//! ```text
//!  path, query ─Asked─► every trace that is kept ─as_spans, Search─► spans ─┬─► /api/v3/…   TracesData
//!                       (TraceReader, once a question)                      ├─► /api/…      Jaeger's JSON
//!                                                                          ├─► /api/v2/…   Zipkin's JSON
//!                                                                          └─► /api/telemetry/…
//! ```
//!
//! Nothing is indexed: what is kept is bounded, and who asks waits some milliseconds.

mod asked;
mod facts;
mod jaeger;
mod jaeger_v3;
mod search;
mod telemetry;
mod zipkin;

use std::sync::Arc;

use http::StatusCode;
use serde::Serialize;
use spur_route::TraceId;
use spur_trace::{InFlight, Query, Span, Trace};

use crate::reply::{self, Reply};
use crate::serve::Intake;
use asked::Asked;
use search::Search;

/// Why there is no answer.
#[derive(Debug)]
enum Fault {
    /// There is no such path.
    NoPath,
    /// There is no such thing.
    NotFound(String),
    /// It is not asked rightly.
    Wrong(String),
    /// Nobody is there who knows.
    Gone,
}

type Answered = Result<Reply, Fault>;

// === impl Intake ===

impl Intake {
    /// Answers a GET; `None` where there is no such path.
    pub(crate) async fn query(&self, path: &str, query: &str) -> Option<Reply> {
        let asked = Asked::of(query);
        let answered = if let Some(path) = path.strip_prefix("/api/v3/") {
            self.jaeger_v3(path, &asked).await
        } else if let Some(path) = path.strip_prefix("/api/v2/") {
            self.zipkin(path, &asked).await
        } else if let Some(path) = path.strip_prefix("/api/telemetry/") {
            self.telemetry(path, &asked).await
        } else if let Some(path) = path.strip_prefix("/api/") {
            self.jaeger(path, &asked).await
        } else {
            Err(Fault::NoPath)
        };
        match answered {
            Ok(reply) => Some(reply),
            Err(Fault::NoPath) => None,
            Err(Fault::NotFound(what)) => Some(reply::text(StatusCode::NOT_FOUND, what)),
            Err(Fault::Wrong(why)) => Some(reply::text(StatusCode::BAD_REQUEST, why)),
            Err(Fault::Gone) => Some(reply::text(StatusCode::SERVICE_UNAVAILABLE, "Spur is ending")),
        }
    }

    /// Everything that is kept, oldest first.
    async fn all_traces(&self) -> Result<Vec<Arc<Trace>>, Fault> {
        let everything = Query { limit: usize::MAX, in_flight: InFlight::With, ..Query::default() };
        let answer = self.shared.parts.traces.query(everything).await.map_err(|_| Fault::Gone)?;
        Ok(answer.traces)
    }

    /// Answers from everything that is kept, out of the way of others.
    async fn of_all<T: Send + 'static>(
        &self,
        work: impl FnOnce(&[Arc<Trace>]) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let traces = self.all_traces().await?;
        tokio::task::spawn_blocking(move || work(&traces)).await.map_err(|_| Fault::Gone)
    }

    /// The traces that are searched for, as spans, newest first.
    async fn found(&self, search: Search) -> Result<Vec<Vec<Arc<Span>>>, Fault> {
        self.of_all(move |traces| search.among(traces)).await
    }

    async fn trace_of(&self, id: &str) -> Result<Arc<Trace>, Fault> {
        let trace = self.shared.parts.traces.trace(trace_id(id)?).await.map_err(|_| Fault::Gone)?;
        trace.ok_or_else(|| Fault::NotFound(format!("trace `{id}` not found")))
    }
}

fn trace_id(text: &str) -> Result<TraceId, Fault> {
    crate::zipkin::trace_id(text).ok_or_else(|| Fault::Wrong(format!("`{text}` is no trace id")))
}

fn json(value: &impl Serialize) -> Answered {
    Ok(reply::json(StatusCode::OK, value))
}
