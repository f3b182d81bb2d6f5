//! Everything in OTLP's JSON: one document, or with `follow` one a line, as things happen.
//!
//! | path below `/api/telemetry/` | what |
//! |---|---|
//! | `resources` | who reported, and which services were asked |
//! | `traces`, `traces/{id}` | whole traces; with `resource`, `traceId`, `hasError`, `limit`, `follow` |
//! | `spans` | the same, but only the spans that fit |
//! | `logs` | log lines; with `resource`, `traceId`, `limit`, `follow` |
//! | `metrics` | the last value of each series; with `resource` |

use std::convert::Infallible;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures::{Stream, stream};
use http::StatusCode;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde::Serialize;
use spur_trace::otlp_json::{logs_data, spans_data, traces_data};
use spur_trace::{LogQuery, LogUpdate, Query, Span, Trace, Update};

use super::asked::Asked;
use super::facts;
use super::search::{LIMIT_MAX, Search};
use super::{Answered, Fault, json, trace_id};
use crate::reply::{self, Reply};
use crate::serve::Intake;

/// A few screens.
const LIMIT_USUAL: u64 = 100;

const LINES: &str = "application/x-ndjson";

/// What of a trace is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Whole,
    /// The spans that fit.
    Spans,
}

impl Intake {
    pub(super) async fn telemetry(&self, path: &str, asked: &Asked) -> Answered {
        match path {
            "resources" => {
                let mut services = self.of_all(facts::services).await?;
                let lines =
                    self.shared.parts.logs.query(&LogQuery { limit: LIMIT_MAX, ..LogQuery::default() });
                services.extend(lines.records.iter().map(|line| line.resource.service.to_string()));
                services.extend(self.shared.parts.metrics.services());
                json(&services)
            }
            "traces" => self.traces(asked, Part::Whole).await,
            "spans" => self.traces(asked, Part::Spans).await,
            "logs" => self.lines(asked),
            "metrics" => json(&self.shared.parts.metrics.data(asked.get("resource"), SystemTime::now())),
            _ => match path.strip_prefix("traces/") {
                Some(id) => json(&traces_data([&*self.trace_of(id).await?])),
                None => Err(Fault::NoPath),
            },
        }
    }

    async fn traces(&self, asked: &Asked, part: Part) -> Answered {
        let search = Search {
            service: asked.get("resource").map(str::to_owned),
            has_error: asked.flag("hasError")?,
            limit: limit(asked)?,
            ..Search::default()
        };
        let wanted = asked.get("traceId").map(trace_id).transpose()?;
        if asked.flag("follow")? == Some(true) {
            return self.follow_traces(search, (wanted, part)).await;
        }
        let mut found: Vec<Vec<Arc<Span>>> = match wanted {
            Some(id) => {
                let trace = self.shared.parts.traces.trace(id).await.map_err(|_| Fault::Gone)?;
                search.among(&trace.into_iter().collect::<Vec<_>>())
            }
            None => self.found(search.clone()).await?,
        };
        // Oldest first, as they are followed.
        found.reverse();
        json(&spans_data(found.into_iter().flat_map(|spans| told(spans, &search, part))))
    }

    async fn follow_traces(
        &self,
        search: Search,
        (wanted, part): (Option<spur_route::TraceId>, Part),
    ) -> Answered {
        let query = Query { limit: search.limit, ..Query::default() };
        let follow = self.shared.parts.traces.follow(query).await.map_err(|_| Fault::Gone)?;
        let stop = self.shared.parts.stop.clone();
        let lines = stream::unfold((follow, search), move |(mut follow, search)| {
            let stop = stop.clone();
            async move {
                loop {
                    let update = tokio::select! {
                        update = follow.next() => update?,
                        () = stop.cancelled() => return None,
                    };
                    let line = match update {
                        Update::Trace(trace) => line_of(&trace, &search, (wanted, part)),
                        Update::Lost(n) => Some(line(&serde_json::json!({ "lost": n }))),
                        Update::Sampled(_) => None,
                    };
                    if let Some(line) = line {
                        return Some((line, (follow, search)));
                    }
                }
            }
        });
        Ok(streamed(lines))
    }

    fn lines(&self, asked: &Asked) -> Answered {
        let query = LogQuery {
            since_seq: None,
            limit: limit(asked)?,
            service: asked.get("resource").map(Arc::from),
            trace_id: asked.get("traceId").map(trace_id).transpose()?,
        };
        if asked.flag("follow")? != Some(true) {
            return json(&logs_data(&self.shared.parts.logs.query(&query).records));
        }
        let stop = self.shared.parts.stop.clone();
        let lines = stream::unfold(self.shared.parts.logs.follow(query), move |mut follow| {
            let stop = stop.clone();
            async move {
                let update = tokio::select! {
                    update = follow.next() => update,
                    () = stop.cancelled() => return None,
                };
                let line = match update {
                    LogUpdate::Record(record) => line(&logs_data(&[record])),
                    LogUpdate::Lost(n) => line(&serde_json::json!({ "lost": n })),
                };
                Some((line, follow))
            }
        });
        Ok(streamed(lines))
    }
}

fn limit(asked: &Asked) -> Result<usize, Fault> {
    Ok(usize::try_from(asked.number("limit")?.unwrap_or(LIMIT_USUAL)).unwrap_or(usize::MAX))
}

/// What of a trace that is wanted is told.
fn told(spans: Vec<Arc<Span>>, search: &Search, part: Part) -> Vec<Arc<Span>> {
    match part {
        Part::Whole => spans,
        Part::Spans => spans
            .into_iter()
            .filter(|span| search.fits(span) && search.has_error.is_none_or(|has| span.is_failed() == has))
            .collect(),
    }
}

fn line_of(
    trace: &Arc<Trace>,
    search: &Search,
    (wanted, part): (Option<spur_route::TraceId>, Part),
) -> Option<Bytes> {
    if wanted.is_some_and(|id| id != trace.trace_id) {
        return None;
    }
    let one = Search { limit: 1, ..search.clone() };
    let spans = one.among(std::slice::from_ref(trace)).pop()?;
    Some(line(&spans_data(told(spans, search, part))))
}

fn line(value: &impl Serialize) -> Bytes {
    let mut line = serde_json::to_vec(value).expect("what we write has texts as names");
    line.push(b'\n');
    line.into()
}

fn streamed(lines: impl Stream<Item = Bytes> + Send + 'static) -> Reply {
    use futures::StreamExt;
    let frames = lines.map(|line| Ok::<_, Infallible>(Frame::data(line)));
    let mut reply = reply::typed(StatusCode::OK, LINES, Bytes::new());
    *reply.body_mut() = StreamBody::new(frames).boxed_unsync();
    reply
}
