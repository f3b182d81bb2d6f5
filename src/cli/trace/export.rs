//! `spur trace export` and `spur trace curl`: requests in other tools' forms.

use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::json;
use spur_trace::{Capture, Trace, entry_host, export, otlp_json, sanitize_for_terminal};

use super::{Wanted, checked, find, lines};
use crate::args::{TraceCurlArgs, TraceExportArgs, TraceExportFormat};
use crate::client::Client;
use crate::console::Console;
use crate::error::{Exit, Failure};
use crate::facts::Facts;

/// Runs `spur trace export`.
pub(super) async fn run(args: &TraceExportArgs, client: &Client, console: &mut Console) -> Result<Exit> {
    let TraceExportArgs { file, which, limit, reveal, output } = args;
    checked(which.filter.as_deref())?;
    let limit = limit.map(|limit| limit.to_string());
    let wanted = Wanted { limit: limit.as_deref(), ..Wanted::of(which) };
    let mut lines = lines(client, wanted).await?;
    let mut found: Vec<(Arc<Trace>, Vec<Capture>)> = Vec::new();
    while let Some(line) = lines.next().await? {
        let trace: Trace = serde_json::from_slice(&line).context("failed to read a trace")?;
        let has_captures = trace.hops.iter().any(|hop| hop.captured.is_some());
        let is_captured = has_captures && *output != TraceExportFormat::Otlp;
        let captures = match is_captured {
            true => find::captures(client, &trace, *reveal).await?.captures,
            false => Vec::new(),
        };
        found.push((Arc::new(trace), captures));
    }
    let text = match output {
        TraceExportFormat::Har => format!("{:#}\n", export::har(&found)),
        TraceExportFormat::Otlp => {
            let data = otlp_json::traces_data(found.iter().map(|(trace, _)| &**trace));
            format!("{:#}\n", json!(data))
        }
        TraceExportFormat::Jsonl => {
            found.iter().map(|(trace, captures)| export::json_line(trace, captures)).collect()
        }
    };
    match file {
        None => console.bytes(text.as_bytes())?,
        Some(file) => {
            let shown = file.display();
            std::fs::write(file, text).map_err(|error| {
                Failure::new(format!("cannot write `{shown}`: {error}")).hint("name another file")
            })?;
            let n_captured: usize = found.iter().map(|(_, captures)| captures.len()).sum();
            console.talk(&format!(
                "wrote {} requests to {}, {n_captured} hops with heads and bodies",
                found.len(),
                sanitize_for_terminal(&shown.to_string())
            ));
        }
    }
    Ok(Exit::Success)
}

/// Runs `spur trace curl`.
pub(super) async fn curl(args: &TraceCurlArgs, client: &Client, console: &mut Console) -> Result<Exit> {
    let TraceCurlArgs { trace, hop, reveal } = args;
    let trace = find::trace(client, trace).await?;
    let hop = find::hop(&trace, hop.as_deref())?;
    let captures = find::captures(client, &trace, *reveal).await?;
    let capture = find::of_hop(&captures, hop)?;
    let facts = Facts::read(client).await?;
    let entry = facts.entry().context("this spur has no entry")?;
    // It is printed for a shell, which reads no escapes of a terminal's: its bytes are quoted.
    console.line(&export::curl(&capture.request, entry, entry_host(hop, capture).as_deref()))?;
    let body = &capture.request.body;
    if body.is_cut() {
        let (kept, n_bytes) = (body.bytes.len(), body.n_bytes);
        console.talk(&format!("(its body is cut: the first {kept} of {n_bytes} bytes)"));
    }
    if !reveal {
        console.talk("(secrets are replaced by REDACTED: --reveal prints them)");
    }
    Ok(Exit::Success)
}
