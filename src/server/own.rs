//! Our own paths beside the Kubernetes API, below `/spur/v1`: which there are and what they take.

use axum::body::Body;
use http::Method;
use http::request::Parts;
use spur_api::Status;

use crate::answer::{self, Outcome};
use crate::state::State;
use crate::{body, captures, explain, replay, trace_summary, traces, workload_logs};

/// The paths that name no trace, for the list of all paths.
pub(crate) const PATHS: [&str; 6] = [
    "/spur/v1/explain",
    "/spur/v1/logs",
    "/spur/v1/replay",
    "/spur/v1/status",
    "/spur/v1/traces",
    "/spur/v1/traces/summary",
];

/// Answers for what is below `/spur/v1`.
pub(crate) async fn answer(state: &State, parts: &Parts, path: &[&str], body: Body) -> Outcome {
    let query = parts.uri.query().unwrap_or("");
    let allowed = methods(path).ok_or_else(Status::no_such_path)?;
    if !allowed.contains(&parts.method.as_str()) {
        return Ok(answer::method_not_allowed(allowed));
    }
    match path {
        ["explain"] => explain::explain(state, query),
        ["logs"] => workload_logs::logs(state, query).await,
        ["replay"] => replay::replay(state, &body::read(body).await?).await,
        ["status"] => traces::status(state).await,
        ["traces"] => traces::traces(state, query).await,
        ["traces", "summary"] => trace_summary::summary(state, query).await,
        ["traces", id] => traces::one(state, id).await,
        ["traces", id, "captures"] => captures::captures(state, id, query).await,
        ["traces", id, "mark"] if parts.method == Method::DELETE => traces::mark(state, id, None).await,
        ["traces", id, "mark"] => traces::mark(state, id, Some(&body::read(body).await?)).await,
        _ => Err(Status::no_such_path()),
    }
}

/// The methods that a path takes; `None` where there is no such path.
fn methods(path: &[&str]) -> Option<&'static [&'static str]> {
    match path {
        ["explain" | "logs" | "status" | "traces"] | ["traces", _] | ["traces", _, "captures"] => {
            Some(&["GET", "HEAD"])
        }
        ["replay"] => Some(&["POST"]),
        ["traces", _, "mark"] => Some(&["DELETE", "PUT"]),
        _ => None,
    }
}
