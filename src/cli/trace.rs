//! `spur trace`: finished requests, one a line (how a line looks is in `line`), and what can be done
//! with one of them.

mod assert;
mod export;
pub(crate) mod find;
mod line;
#[cfg(test)]
pub(crate) mod made;
mod said;
mod show;

use anyhow::{Context, Result};
use http::Method;
use serde::Deserialize;
use serde_json::json;
use spur_trace::{Filter, FilterError, Trace};

use crate::args::{TraceArgs, TraceCommand, TraceListArgs, TraceMarkArgs, TraceOutput, WhichArgs};
use crate::client::{Client, JSON};
use crate::console::Console;
use crate::error::{Exit, Failure};
use crate::facts::Facts;
use crate::kinds;
use said::Said;
use spur_tui::Lines;

/// Lines that fit a screen.
const LIMIT_DEFAULT: &str = "20";

/// The media type of JSON lines.
pub(crate) const LINES: &str = "application/x-ndjson";

/// One line of `/spur/v1/traces`.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Told {
    /// The reader was too slow: so many traces went by.
    Lost { lost: u64 },
    /// A finished trace.
    Trace(Box<Trace>),
}

/// Runs `spur trace`.
pub(crate) async fn run(args: &TraceArgs, client: &Client, console: &mut Console) -> Result<Exit> {
    match &args.command {
        None => list(&args.list, client, console).await,
        Some(TraceCommand::Show(args)) => show::run(args, client, console).await,
        Some(TraceCommand::Assert(args)) => assert::run(args, client, console).await,
        Some(TraceCommand::Export(args)) => export::run(args, client, console).await,
        Some(TraceCommand::Curl(args)) => export::curl(args, client, console).await,
        Some(TraceCommand::Mark(args)) => mark(args, client, console).await,
    }
}

async fn mark(args: &TraceMarkArgs, client: &Client, console: &mut Console) -> Result<Exit> {
    let TraceMarkArgs { trace, text, clear: _ } = args;
    let trace = find::trace(client, trace).await?;
    let path = format!("/spur/v1/traces/{}/mark", trace.trace_id);
    match text {
        Some(text) => client.send(Method::PUT, &path, JSON, &json!({"mark": text})).await?,
        None => client.send(Method::DELETE, &path, JSON, &json!({})).await?,
    };
    let done = if text.is_some() { "marked" } else { "its mark is off" };
    console.talk(&format!("trace {}: {done}", trace.trace_id));
    Ok(Exit::Success)
}

async fn list(args: &TraceListArgs, client: &Client, console: &mut Console) -> Result<Exit> {
    let TraceListArgs { follow, which, limit, output } = args;
    let WhichArgs { key, filter } = which;
    checked(filter.as_deref())?;
    let limit = limit.map(|limit| limit.to_string());
    let limit = match output {
        None => Some(limit.as_deref().unwrap_or(LIMIT_DEFAULT)),
        Some(TraceOutput::Json) => limit.as_deref(),
    };
    let wanted = Wanted { limit, is_followed: *follow, ..Wanted::of(which) };
    let mut lines = lines(client, wanted).await?;
    let mut said = Said::default();
    let mut n_told = 0_u64;
    while let Some(line) = lines.next().await? {
        n_told += 1;
        match output {
            Some(TraceOutput::Json) => {
                let mut line = line;
                line.push(b'\n');
                console.bytes(&line)?;
            }
            None => match serde_json::from_slice(&line).context("failed to read a trace")? {
                Told::Trace(trace) => {
                    let line = line::of(&trace, console.data_paint());
                    if said.is_new(trace.trace_id, &line) {
                        console.line(&line)?;
                    }
                }
                Told::Lost { lost } => {
                    console.talk(&format!("({lost} requests went by too fast to be shown)"));
                }
            },
        }
    }
    if n_told == 0 && output.is_none() {
        let is_off = Facts::read(client).await?.text("tracing") == Some("off");
        console.talk(&match key {
            _ if is_off => "No requests are recorded: `spur up` was started with `--tracing off`.".to_owned(),
            _ if filter.is_some() => "No finished requests fit the filter.".to_owned(),
            Some(key) => format!("No finished requests with the key `{key}`."),
            None => "No requests yet; send one through the entry that `spur status` shows.".to_owned(),
        });
    }
    Ok(Exit::Success)
}

/// Which requests are asked for.
#[derive(Default)]
pub(crate) struct Wanted<'a> {
    pub(crate) key: Option<&'a str>,
    pub(crate) filter: Option<&'a str>,
    pub(crate) limit: Option<&'a str>,
    pub(crate) is_followed: bool,
}

// === impl Wanted ===

impl<'a> Wanted<'a> {
    /// These, and all of them.
    fn of(which: &'a WhichArgs) -> Self {
        let WhichArgs { key, filter } = which;
        Self { key: key.as_deref(), filter: filter.as_deref(), ..Self::default() }
    }
}

/// A filter that cannot be read is the user's mistake, and told before anybody is asked.
pub(crate) fn checked(text: Option<&str>) -> Result<(), Failure> {
    let Some(text) = text else { return Ok(()) };
    let told = |error: FilterError| Failure::usage(format!("the filter is wrong\n{}", error.drawn(text)));
    Filter::parse(text).map(|_| ()).map_err(told)
}

/// The lines of `/spur/v1/traces`.
pub(crate) async fn lines(client: &Client, wanted: Wanted<'_>) -> Result<Lines> {
    let Wanted { key, filter, limit, is_followed } = wanted;
    let follow = is_followed.then_some("true");
    let query = kinds::query(&[("key", key), ("filter", filter), ("limit", limit), ("follow", follow)]);
    Ok(client.lines(&format!("/spur/v1/traces{query}"), LINES).await?)
}

/// The last finished traces, oldest first.
///
/// # Errors
/// When the server does not answer, or with something else.
pub(crate) async fn last(client: &Client, limit: u32) -> Result<Vec<Trace>> {
    let mut lines = lines(client, Wanted { limit: Some(&limit.to_string()), ..Wanted::default() }).await?;
    let mut traces = Vec::new();
    while let Some(line) = lines.next().await? {
        traces.push(serde_json::from_slice(&line).context("failed to read a trace")?);
    }
    Ok(traces)
}
