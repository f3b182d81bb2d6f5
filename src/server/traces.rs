//! `/spur/v1/traces`, one of them, its mark, and `/spur/v1/status`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::stream;
use http::StatusCode;
use serde_json::{Value, json};
use spur_api::Status;
use spur_route::TraceId;
use spur_trace::{Filter, Follow, InFlight, Query, Trace, TraceReader, Update};

use crate::answer::{self, Outcome};
use crate::state::State;

/// A mark is a word or a line.
const MARK_MAX_CHARS: usize = 200;

/// Most traces in one answer: what the store keeps at most by default.
const LIMIT_MAX: usize = 10_000;

/// Finished traces as JSON lines: `limit`, `key`, `filter`, `since`, `follow`, `inFlight`, with it
/// `minAgeMs`, so that what has only begun is left out, and for
/// followers `maxPerSecond`, beyond which ordinary ones are told as `{"sampled": N}`.
pub(crate) async fn traces(state: &State, query: &str) -> Outcome {
    let mut wanted = Query { limit: LIMIT_MAX, ..Query::default() };
    let mut is_follow = false;
    let mut max_per_second = None;
    let (mut is_in_flight, mut min_age) = (false, Duration::ZERO);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let number = || number(&name, &value);
        match &*name {
            "key" if !value.is_empty() => wanted.key = Some((&*value).into()),
            "filter" => wanted.filter = Some(Arc::new(filter(&value)?)),
            "limit" => wanted.limit = usize::try_from(number()?).unwrap_or(LIMIT_MAX).min(LIMIT_MAX),
            "since" => wanted.since_seq = Some(number()?),
            "maxPerSecond" => max_per_second = Some(usize::try_from(number()?).unwrap_or(usize::MAX)),
            "follow" => is_follow = value != "false",
            "inFlight" => is_in_flight = value != "false",
            "minAgeMs" => min_age = Duration::from_millis(number()?),
            _ => {}
        }
    }
    if is_in_flight {
        // A longer age than there is time is any.
        let before = SystemTime::now().checked_sub(min_age);
        wanted.in_flight = match before {
            Some(before) if !min_age.is_zero() => InFlight::BegunBefore(before),
            _ => InFlight::With,
        };
    }
    if is_follow { follow(state, wanted, max_per_second).await } else { page(&state.traces, wanted).await }
}

/// A number of a query.
pub(crate) fn number(name: &str, value: &str) -> Result<u64, Status> {
    let bad = || Status::bad_request(format!("query parameter `{name}`: `{value}` is no whole number"));
    value.parse().map_err(|_| bad())
}

/// Reads a filter of a query.
pub(crate) fn filter(text: &str) -> Result<Filter, Status> {
    Filter::parse(text).map_err(|error| {
        Status::bad_request(format!("query parameter `filter` is wrong\n{}", error.drawn(text)))
    })
}

/// One trace, finished or not.
pub(crate) async fn one(state: &State, id: &str) -> Outcome {
    let trace = found(state, self::id(id)?).await?;
    Ok(answer::ok(&json!(*trace)))
}

/// Sets the mark of a trace to what the body says, or takes it off.
pub(crate) async fn mark(state: &State, id: &str, body: Option<&[u8]>) -> Outcome {
    let trace_id = self::id(id)?;
    let mark = body.map(serde_json::from_slice::<Mark>).transpose();
    let mark = mark.map_err(|error| Status::bad_request(format!("the body is no mark: {error}")))?;
    if mark.as_ref().is_some_and(|mark| mark.mark.chars().count() > MARK_MAX_CHARS) {
        return Err(Status::bad_request(format!("mark: longer than {MARK_MAX_CHARS} characters")));
    }
    let marked = state.traces.mark(trace_id, mark.map(|mark| mark.mark.into())).await;
    match marked.map_err(|error| Status::internal(error.to_string()))? {
        true => Ok(answer::ok(&json!({"traceId": trace_id.to_string()}))),
        false => Err(unknown(trace_id)),
    }
}

/// The body of a mark.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    mark: String,
}

/// A trace id of a path.
pub(crate) fn id(text: &str) -> Result<TraceId, Status> {
    let bad = || Status::bad_request(format!("trace id `{text}` is not 32 hexadecimal digits"));
    text.parse().map_err(|_| bad())
}

/// The trace with this id.
pub(crate) async fn found(state: &State, trace_id: TraceId) -> Result<Arc<Trace>, Status> {
    let trace = state.traces.trace(trace_id).await.map_err(|error| Status::internal(error.to_string()))?;
    trace.ok_or_else(|| unknown(trace_id))
}

fn unknown(trace_id: TraceId) -> Status {
    Status::new(404, "NotFound", format!("trace `{trace_id}` is not there, or has had to make room since"))
}

/// Facts of this environment and what was counted.
pub(crate) async fn status(state: &State) -> Outcome {
    let counts = state.traces.counts().await.map_err(|error| Status::internal(error.to_string()))?;
    let mut status = state.facts.borrow().clone();
    status.insert("revision".to_owned(), json!(state.store.revision().0));
    status.insert("routesRevision".to_owned(), json!(*state.routes.borrow()));
    status.insert("ejected".to_owned(), json!((state.ejected)()));
    status.insert("telemetry".to_owned(), (state.telemetry)());
    status.insert(
        "traces".to_owned(),
        json!({
            "kept": counts.n_traces,
            "keptApart": counts.n_kept_apart,
            "evicted": counts.n_evicted_traces,
            "evictedApart": counts.n_evicted_apart,
            "records": counts.n_records,
            "lostRecords": counts.n_lost_records,
            "captures": counts.n_captures,
            "captureBytes": counts.n_capture_bytes,
            "evictedCaptures": counts.n_evicted_captures,
            "lostCaptures": counts.n_lost_captures,
            "spans": counts.n_spans,
            "rejectedSpans": counts.n_rejected_spans,
            "droppedSpans": counts.n_dropped_spans,
        }),
    );
    Ok(answer::ok(&Value::Object(status)))
}

async fn page(traces: &TraceReader, query: Query) -> Outcome {
    let found = traces.query(query).await.map_err(|error| Status::internal(error.to_string()))?;
    let mut body = Vec::new();
    for trace in &found.traces {
        body.extend_from_slice(&line(&**trace));
    }
    Ok(answer::typed(StatusCode::OK, "application/x-ndjson", body))
}

async fn follow(state: &State, query: Query, max_per_second: Option<usize>) -> Outcome {
    let follow = state.traces.follow(query).await.map_err(|error| Status::internal(error.to_string()))?;
    let follow = match max_per_second {
        Some(max) => follow.sampled(max),
        None => follow,
    };
    let draining = state.draining.clone();
    let lines = stream::unfold((follow, draining), |(mut follow, draining)| async move {
        let line = next_line(&mut follow, &draining).await?;
        Some((Ok::<_, std::convert::Infallible>(line), (follow, draining)))
    });
    Ok(answer::streamed("application/x-ndjson", lines))
}

async fn next_line(follow: &mut Follow, draining: &tokio_util::sync::CancellationToken) -> Option<Bytes> {
    let update = tokio::select! {
        update = follow.next() => update?,
        () = draining.cancelled() => return None,
    };
    Some(match update {
        Update::Trace(trace) => line(&*trace),
        Update::Lost(n_traces) => line(&json!({"lost": n_traces})),
        Update::Sampled(n_traces) => line(&json!({"sampled": n_traces})),
    })
}

fn line(value: &impl serde::Serialize) -> Bytes {
    let mut line = serde_json::to_vec(value).expect("a trace can always be written");
    line.push(b'\n');
    Bytes::from(line)
}
