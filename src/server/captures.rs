//! `/spur/v1/traces/<id>/captures`: heads and bodies of a trace's hops, without secrets unless they
//! are asked for.

use serde_json::{Value, json};
use spur_api::Status;

use crate::answer::{self, Outcome};
use crate::state::State;
use crate::traces;

/// Answers for `reveal=true`, with which secrets are told.
pub(crate) async fn captures(state: &State, id: &str, query: &str) -> Outcome {
    let trace_id = traces::id(id)?;
    let is_revealed =
        form_urlencoded::parse(query.as_bytes()).any(|(name, value)| name == "reveal" && value == "true");
    let found = traces::found(state, trace_id).await?;
    let captures = state.traces.captures(trace_id).await;
    let captures = captures.map_err(|error| Status::internal(error.to_string()))?;
    let told: Vec<Value> = captures
        .iter()
        .map(|capture| if is_revealed { json!(**capture) } else { json!(state.redaction.capture(capture)) })
        .collect();
    let n_captured = found.hops.iter().filter(|hop| hop.captured.is_some()).count();
    Ok(answer::ok(&json!({
        "captures": told,
        "isRedacted": !is_revealed,
        // Those that had to make room since.
        "nDropped": n_captured.saturating_sub(told.len()),
        "nHops": found.hops.len(),
    })))
}
