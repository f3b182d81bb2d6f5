//! `spur verify propagation`: which services lose the key, judged by finished requests.
//!
//! Judging is `spur_trace::Propagation`'s; here is what it is fed with and how it is shown.

use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use spur_trace::{Missing, Propagation, PropagationEdge, PropagationReport, sanitize_for_terminal};
use tokio::time::{Instant, timeout_at};

use crate::args::{PropagationArgs, VerifyArgs, VerifyCommand};
use crate::client::Client;
use crate::console::{Console, Paint};
use crate::error::{Exit, Failure};
use crate::render;
use crate::table::Aligned;
use crate::trace::{self, Told, Wanted};
use spur_tui::Lines;

/// What was judged, and what went by unseen.
struct Seen {
    report: PropagationReport,
    n_missed: u64,
}

/// Runs `spur verify`.
pub(crate) async fn run(args: &VerifyArgs, client: &Client, console: &mut Console) -> Result<Exit> {
    match &args.command {
        VerifyCommand::Propagation(args) => propagation(args, client, console).await,
    }
}

async fn propagation(args: &PropagationArgs, client: &Client, console: &mut Console) -> Result<Exit> {
    let PropagationArgs { key, watch, output } = args;
    // Those without a key are wanted, too, so the server is not asked for the key.
    let wanted = match watch {
        Some(_) => Wanted { limit: Some("0"), is_followed: true, ..Wanted::default() },
        None => Wanted::default(),
    };
    let lines = trace::lines(client, wanted).await?;
    let end = watch.map(|watch| Instant::now() + watch);
    if let Some(watch) = watch {
        console.talk(&format!("Watching requests for {watch:?} …"));
    }
    let judge = Propagation::of(key.as_deref().map(Arc::from));
    let Seen { report, n_missed } = look(judge, lines, end).await?;
    match output {
        Some(format) => {
            console.bytes(render::structured(*format, &value(&report, n_missed)).as_bytes())?;
        }
        None => {
            for line in table(&report.edges, console.data_paint()) {
                console.line(&line)?;
            }
        }
    }
    let n_unseen = n_missed + report.n_dropped_traces;
    if n_unseen > 0 {
        console.talk(&format!("({n_unseen} requests went by too fast, or were too many, to be judged)"));
    }
    if report.edges.is_empty() {
        let whose = key.as_ref().map_or_else(|| "a key".to_owned(), |key| format!("the key `{key}`"));
        let message = format!("nothing could be verified: no service that got {whose} called another");
        return Err(Failure::new(message)
            .hint("send requests with the key while this runs with `--for`")
            .into());
    }
    console.talk(&summary(&report.edges));
    Ok(if report.has_losses() { Exit::Failed } else { Exit::Success })
}

/// Feeds the judge with what comes, to the end of it or of the time.
async fn look(mut judge: Propagation, mut lines: Lines, end: Option<Instant>) -> Result<Seen> {
    let mut n_missed = 0;
    loop {
        let line = match end {
            // The time being up is how it is meant to end.
            Some(end) => timeout_at(end, lines.next()).await.unwrap_or(Ok(None))?,
            None => lines.next().await?,
        };
        let Some(line) = line else { return Ok(Seen { report: judge.report(), n_missed }) };
        match serde_json::from_slice(&line).context("failed to read a trace")? {
            Told::Trace(trace) => judge.add(Arc::from(trace)),
            Told::Lost { lost } => n_missed += lost,
        }
    }
}

fn value(report: &PropagationReport, n_missed: u64) -> Value {
    let edges = report.edges.iter().map(|edge| {
        let mut value = json!(edge);
        value["lost_percent"] = json!(edge.lost_percent());
        value
    });
    json!({
        "edges": edges.collect::<Vec<_>>(),
        "n_traces": report.n_traces,
        "n_keyed_traces": report.n_keyed_traces,
        "n_dropped_traces": report.n_dropped_traces,
        "n_missed_traces": n_missed,
    })
}

/// A table of the edges: losses first, the largest share on top.
fn table(edges: &[PropagationEdge], paint: Paint) -> Vec<String> {
    if edges.is_empty() {
        return Vec::new();
    }
    let mut edges: Vec<&PropagationEdge> = edges.iter().collect();
    edges.sort_by_key(|edge| std::cmp::Reverse(edge.lost_percent()));
    let header = ["SERVICE", "CALLED", "WITH KEY", "LOST", "SHARE", "MISSING"].map(str::to_owned).to_vec();
    let rows: Vec<Vec<String>> = edges.iter().map(|edge| row(edge)).collect();
    let mut aligned = Aligned::default();
    aligned.fit([&header]);
    aligned.fit(&rows);
    let painted = |(edge, row): (&&PropagationEdge, &Vec<String>)| {
        let line = aligned.line(row);
        if edge.n_lost > 0 { paint.yellow(line) } else { line }
    };
    std::iter::once(aligned.line(&header)).chain(edges.iter().zip(&rows).map(painted)).collect()
}

fn row(edge: &PropagationEdge) -> Vec<String> {
    let place = |place: &spur_trace::Place| {
        sanitize_for_terminal(&format!("{}/{}", place.namespace, place.name)).into_owned()
    };
    vec![
        place(&edge.service),
        place(&edge.to),
        // What is implied has its key without the service's doing.
        (edge.n_handed_on + edge.n_implied).to_string(),
        edge.n_lost.to_string(),
        format!("{}%", edge.lost_percent()),
        remarks(edge).join("; "),
    ]
}

fn remarks(edge: &PropagationEdge) -> Vec<String> {
    let mut remarks = Vec::new();
    let is_traceparent = |missing: &Missing| &*missing.header == "traceparent";
    let headers: Vec<String> = edge
        .missing
        .iter()
        .filter(|(missing, _)| !is_traceparent(missing))
        .map(|(missing, _)| match missing.is_sent_without_key {
            true => format!("{} (sent without it)", sanitize_for_terminal(&missing.header)),
            false => sanitize_for_terminal(&missing.header).into_owned(),
        })
        .collect();
    match &headers[..] {
        [] if edge.n_lost > 0 => remarks.push("any header with the key".to_owned()),
        [] => {}
        [one] => remarks.push(one.clone()),
        several => remarks.push(format!("any of {}", several.join(", "))),
    }
    let counted = [
        (edge.n_untraced, "without `traceparent`"),
        (edge.n_changed, "with another key"),
        (edge.n_unsure, "outside of any trace, perhaps of a request without a key"),
        (edge.n_implied, "by the key of the fork"),
    ];
    remarks.extend(counted.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
    remarks
}

fn summary(edges: &[PropagationEdge]) -> String {
    let sum = |of: fn(&PropagationEdge) -> u64| edges.iter().map(of).sum::<u64>();
    let n_lost = sum(|edge| edge.n_lost);
    let n_calls = n_lost + sum(|edge| edge.n_handed_on + edge.n_implied + edge.n_changed);
    match n_lost {
        0 => format!("No key was lost in {n_calls} calls."),
        _ => format!("{n_lost} of {n_calls} calls went without the key that their service got."),
    }
}
