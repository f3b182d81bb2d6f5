//! `/spur/v1/logs`: the lines of all workloads in one stream, as JSON lines.
//!
//! ```text
//!  pods (store) ─► containers ─► runtime's logs ─► LogLine ─┐
//!  trace::Logs (what applications report) ───────► LogLine ─┴─► filter, trace ─► by time, the last N
//!                                                            └─► follow: as they come (`follow`)
//! ```
//!
//! What was written so far comes by its time; what comes later as it comes.

mod follow;
mod lines;
mod source;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::StatusCode;
use spur_api::Status;
use spur_trace::{Filter, LogLine, LogQuery, Trace};

use crate::answer::{self, Outcome};
use crate::state::State;
use crate::traces;

/// Lines of one answer where nobody says how many: some screens.
const LIMIT_DEFAULT: usize = 200;

/// Most lines of one answer, and of each container that are looked at for it.
const LIMIT_MAX: usize = 10_000;

/// Containers that are read at once.
const READ_AT_ONCE: usize = 16;

/// Which lines are wanted.
#[derive(Clone, Default)]
struct Wanted {
    filter: Filter,
    /// Only those of this trace.
    trace: Option<Arc<Trace>>,
    namespace: Option<String>,
    since: Option<SystemTime>,
    limit: usize,
}

/// Answers for `filter`, `trace`, `namespace`, `sinceSeconds`, `limit` and `follow`.
pub(crate) async fn logs(state: &State, query: &str) -> Outcome {
    let mut wanted = Wanted { limit: LIMIT_DEFAULT, ..Wanted::default() };
    let mut is_follow = false;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "filter" => wanted.filter = traces::filter(&value)?,
            "trace" => wanted.trace = Some(traces::found(state, traces::id(&value)?).await?),
            "namespace" if !value.is_empty() => wanted.namespace = Some(value.into_owned()),
            "sinceSeconds" => {
                let since = Duration::from_secs(traces::number(&name, &value)?);
                wanted.since = SystemTime::now().checked_sub(since);
            }
            "limit" => {
                let limit = usize::try_from(traces::number(&name, &value)?);
                wanted.limit = limit.unwrap_or(LIMIT_MAX).min(LIMIT_MAX);
            }
            "follow" => is_follow = value != "false",
            _ => {}
        }
    }
    if is_follow {
        let lines = follow::follow(state, wanted).await?;
        return Ok(answer::streamed("application/x-ndjson", lines));
    }
    let lines = so_far(state, &wanted, SystemTime::now()).await?;
    let body = lines.iter().flat_map(json_line).collect::<Vec<u8>>();
    Ok(answer::typed(StatusCode::OK, "application/x-ndjson", body))
}

/// What was written before a time, by its time.
async fn so_far(state: &State, wanted: &Wanted, until: SystemTime) -> Result<Vec<LogLine>, Status> {
    let sources = source::all(state, wanted.namespace.as_deref())?;
    let read = sources.into_iter().map(|source| lines::tail(state.clone(), source, wanted.since));
    let printed: Vec<Vec<LogLine>> = stream::iter(read).buffer_unordered(READ_AT_ONCE).collect().await;
    let reported = state.logs.query(&LogQuery { limit: LIMIT_MAX, ..LogQuery::default() }).records;
    let reported = reported.iter().map(|record| LogLine::from(&**record));
    let mut lines: Vec<LogLine> = printed
        .into_iter()
        .flatten()
        .chain(reported)
        .filter(|line| line.time <= until && wanted.wants(line))
        .collect();
    // Those of one time stay as they were written.
    lines.sort_by_key(|line| line.time);
    lines.drain(..lines.len().saturating_sub(wanted.limit));
    Ok(lines)
}

fn json_line(value: &impl serde::Serialize) -> Bytes {
    let mut line = serde_json::to_vec(value).expect("a line can always be written");
    line.push(b'\n');
    Bytes::from(line)
}

// === impl Wanted ===

impl Wanted {
    fn wants(&self, line: &LogLine) -> bool {
        let is_of_namespace = match (&self.namespace, &line.namespace) {
            (Some(wanted), Some(found)) => **wanted == **found,
            // An application that does not say where it runs is in none.
            (None, _) | (Some(_), None) => true,
        };
        is_of_namespace
            && self.since.is_none_or(|since| line.time >= since)
            && self.trace.as_ref().is_none_or(|trace| line.in_trace(trace).is_some())
            && self.filter.matches(line)
    }
}
