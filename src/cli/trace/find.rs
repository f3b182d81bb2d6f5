//! Finding one trace by the beginning of its id, and one hop of it.

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;
use spur_trace::{Capture, Hop, Trace};

use super::{Wanted, lines};
use crate::client::Client;
use crate::error::Failure;

/// Digits that are enough: with fewer, many fit.
const DIGITS_MIN: usize = 4;

/// Most traces that a wrong beginning is told to fit.
const LISTED_MAX: usize = 5;

/// `/spur/v1/traces/<id>/captures`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Captures {
    pub(crate) captures: Vec<Capture>,
    pub(crate) n_dropped: usize,
}

/// The trace whose id begins so.
///
/// # Errors
/// When there is none, or more than one.
pub(crate) async fn trace(client: &Client, id: &str) -> Result<Trace> {
    let is_id = id.bytes().all(|byte| byte.is_ascii_hexdigit()) && (DIGITS_MIN..=32).contains(&id.len());
    if !is_id {
        let message = format!("`{id}` is no trace id: expected {DIGITS_MIN} to 32 hexadecimal digits");
        return Err(Failure::usage(message).hint("`spur trace -o json` shows them as trace_id").into());
    }
    let id = id.to_ascii_lowercase();
    if id.len() == 32 {
        let found = client.get(&format!("/spur/v1/traces/{id}")).await?;
        return serde_json::from_value(found).context("failed to read a trace");
    }
    let filter = format!("trace~^{id}");
    let mut found = Vec::new();
    let mut lines = lines(client, Wanted { filter: Some(&filter), ..Wanted::default() }).await?;
    while let Some(line) = lines.next().await? {
        found.push(serde_json::from_slice::<Trace>(&line).context("failed to read a trace")?);
    }
    match found.len() {
        0 => Err(Failure::new(format!("no finished request has a trace id that begins with `{id}`"))
            .hint("older ones have to make room: `spur trace mark` keeps one for longer")
            .into()),
        1 => Ok(found.remove(0)),
        n => {
            let ids: Vec<_> = found.iter().take(LISTED_MAX).map(|trace| trace.trace_id.to_string()).collect();
            let message = format!("{n} trace ids begin with `{id}`, such as {}", ids.join(", "));
            Err(Failure::usage(message).hint("give more digits").into())
        }
    }
}

/// What was captured of it.
///
/// # Errors
/// When the server does not answer, or with something else.
pub(crate) async fn captures(client: &Client, trace: &Trace, is_revealed: bool) -> Result<Captures> {
    serde_json::from_value(captures_value(client, trace, is_revealed).await?)
        .context("failed to read captures")
}

/// The same as it came.
pub(super) async fn captures_value(client: &Client, trace: &Trace, is_revealed: bool) -> Result<Value> {
    let reveal = if is_revealed { "?reveal=true" } else { "" };
    Ok(client.get(&format!("/spur/v1/traces/{}/captures{reveal}", trace.trace_id)).await?)
}

/// The hop to a service, by its name or span; the one that came in where none is named.
///
/// # Errors
/// When there is none.
pub(crate) fn hop<'a>(trace: &'a Trace, name: Option<&str>) -> Result<&'a Hop, Failure> {
    let Some(name) = name else {
        return trace.entry().ok_or_else(|| Failure::new("the trace has no hops"));
    };
    let is_it = |hop: &&Hop| hop.name() == name || hop.start.id.span_id.to_string() == name;
    trace.hops.iter().find(is_it).ok_or_else(|| {
        let names: Vec<&str> = trace.hops.iter().map(Hop::name).collect();
        Failure::usage(format!("the trace has no hop to `{name}`"))
            .hint(format!("it has {}", names.join(", ")))
    })
}

/// What was captured of a hop.
///
/// # Errors
/// When there is nothing.
pub(crate) fn of_hop<'a>(captures: &'a Captures, hop: &Hop) -> Result<&'a Capture, Failure> {
    captures.captures.iter().find(|capture| capture.id == hop.start.id).ok_or_else(|| {
        let (method, name) = (&hop.start.method, hop.name());
        let failure =
            Failure::new(format!("{method} to `{name}` was not captured, or had to make room since"));
        failure.hint("requests with a key are captured; `spur up --capture all` captures each")
    })
}
