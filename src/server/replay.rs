//! `/spur/v1/replay`: a captured request, sent again to the baseline, to a sandbox, or to both.
//!
//! What is sent is made in `made`, sent in `send`; what is different about the answers is for
//! whoever asked (`spur_trace::compare`). The server sends, since it has the secrets that a
//! request needs and reaches the entry, which a client on another machine may not.

mod made;
mod send;

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;
use spur_api::Status;
use spur_trace::{Capture, Hop, ReplayTarget, Trace};

use self::made::{Made, Unmade};
use crate::answer::{self, Outcome};
use crate::state::State;
use crate::traces;

/// Requests that one call may send: four targets four times over. They go out one after another,
/// so that they do not disturb each other's times.
const N_SENT_MAX: usize = 16;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Asked {
    trace_id: String,
    /// The hop, by its span; the entry where none is named.
    #[serde(default)]
    span_id: Option<String>,
    targets: Vec<ReplayTarget>,
    /// Methods that may change something are sent.
    #[serde(default)]
    is_confirmed: bool,
    /// `Authorization`, cookies and the like are left out.
    #[serde(default)]
    without_credentials: bool,
    /// Nothing is sent; what would be is told.
    #[serde(default)]
    is_dry_run: bool,
}

/// Answers with what each target answered, in their order.
pub(crate) async fn replay(state: &State, body: &[u8]) -> Outcome {
    let asked: Asked = serde_json::from_slice(body)
        .map_err(|error| Status::bad_request(format!("the body is no request to replay: {error}")))?;
    if asked.targets.is_empty() || asked.targets.len() > N_SENT_MAX {
        let n = asked.targets.len();
        return Err(Status::bad_request(format!("targets: expected 1 to {N_SENT_MAX}, found {n}")));
    }
    let (trace, capture) = captured(state, &asked).await?;
    let hop = trace.hops.iter().find(|hop| hop.start.id == capture.id);
    let hop = hop.ok_or_else(|| Status::internal("a capture without its hop"))?;
    let made =
        asked.targets.iter().map(|target| made::make((hop, &capture), target, asked.without_credentials));
    let made = made.collect::<Result<Vec<Made>, Unmade>>().map_err(unmade)?;
    if !capture.request.method.is_safe() && !asked.is_confirmed && !asked.is_dry_run {
        return Err(unconfirmed(hop, &capture));
    }
    let mut results = Vec::new();
    for (target, made) in asked.targets.iter().zip(made) {
        let mut result = json!({"target": target, "traceId": made.trace_id.to_string()});
        if !asked.is_dry_run {
            match send::send(state.entry, made.request).await {
                Ok((response, took)) => {
                    result["response"] = json!(state.redaction.response(&response));
                    result["durationUs"] = json!(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
                }
                Err(error) => result["error"] = json!(error.to_string()),
            }
        }
        results.push(result);
    }
    let request = state.redaction.capture(&capture).request;
    Ok(answer::ok(&json!({"request": request, "spanId": capture.id.span_id.to_string(), "results": results})))
}

/// The trace, and what was captured of the hop.
async fn captured(state: &State, asked: &Asked) -> Result<(Arc<Trace>, Arc<Capture>), Status> {
    let trace_id = traces::id(&asked.trace_id)?;
    let trace = traces::found(state, trace_id).await?;
    let span = asked.span_id.as_deref().map(|span| {
        let bad = || Status::bad_request(format!("spanId: `{span}` is not 16 hexadecimal digits"));
        span.parse::<spur_route::SpanId>().map_err(|_| bad())
    });
    let hop = match span.transpose()? {
        Some(span) => trace
            .hops
            .iter()
            .find(|hop| hop.start.id.span_id == span)
            .ok_or_else(|| Status::bad_request(format!("spanId: the trace has no hop `{span}`")))?,
        None => trace.entry().ok_or_else(|| Status::bad_request("the trace has no hop to send again"))?,
    };
    let captures = state.traces.captures(trace_id).await;
    let captures = captures.map_err(|error| Status::internal(error.to_string()))?;
    let capture = captures.into_iter().find(|capture| capture.id == hop.start.id);
    let capture = capture.ok_or_else(|| not_captured(hop))?;
    Ok((trace, capture))
}

fn not_captured(hop: &Hop) -> Status {
    let why = match hop.captured {
        Some(_) => "what was captured of it had to make room for newer requests",
        None => "it was not captured: requests with a key are; `spur up --capture all` captures each",
    };
    let (method, service) = (&hop.start.method, hop.name());
    unprocessable(format!("cannot send {method} to `{service}` again: {why}"))
}

fn unmade(why: Unmade) -> Status {
    unprocessable(format!("cannot be sent again: {why}"))
}

fn unprocessable(why: String) -> Status {
    Status::new(422, "Invalid", why)
}

fn unconfirmed(hop: &Hop, capture: &Capture) -> Status {
    let (method, service) = (&capture.request.method, hop.name());
    let why = format!("{method} to `{service}` may change something: confirm it (isConfirmed, --yes)");
    Status::new(409, "NotConfirmed", why)
}
