//! `spur replay`: a captured request sent again, and what is different about the answers.

use std::io::IsTerminal;

use anyhow::{Context, Result};
use http::Method;
use serde_json::{Value, json};
use spur_trace::{
    CapturedRequest, ReplayResult, ReplayTarget, Replayed, ResponseDifference, sanitize_for_terminal,
    sent_to, short_duration,
};

use crate::args::ReplayArgs;
use crate::client::{Client, JSON};
use crate::console::{Console, Paint};
use crate::error::{Exit, Failure};
use crate::render;
use crate::trace::find;

/// Runs `spur replay`.
pub(crate) async fn run(args: &ReplayArgs, client: &Client, console: &mut Console) -> Result<Exit> {
    let ReplayArgs { trace, hop, to, no_diff, noise, without_credentials, yes, dry_run, output } = args;
    let trace = find::trace(client, trace).await?;
    let hop = find::hop(&trace, hop.as_deref())?;
    let to = if to.is_empty() { vec!["same".to_owned()] } else { to.clone() };
    let compares = to.len() > 1 && !no_diff;
    let method = &hop.start.method;
    if !method.is_safe() && !yes && !dry_run {
        confirm(method, hop.name(), &to, compares)?;
    }
    let targets: Vec<ReplayTarget> = to.iter().map(|name| target(name)).collect();
    let targets = if compares { sent_to(&targets) } else { targets };
    let asked = json!({
        "traceId": trace.trace_id.to_string(),
        "spanId": hop.start.id.span_id.to_string(),
        "targets": targets,
        "isConfirmed": true,
        "withoutCredentials": without_credentials,
        "isDryRun": dry_run,
    });
    let answer = client.send(Method::POST, "/spur/v1/replay", JSON, &asked).await?.value;
    let mut replayed: Replayed = serde_json::from_value(answer).context("failed to read the answer")?;
    let differences = if compares { replayed.compared() } else { Vec::new() };
    let Replayed { request, results } = replayed;
    let told = Told { request: &request, names: &to, results: &results, differences: &differences };
    match output {
        Some(format) => console.bytes(render::structured(*format, &told.value()).as_bytes())?,
        None => {
            for line in told.lines(*dry_run, *noise, console.data_paint()) {
                console.line(&line)?;
            }
        }
    }
    let has_failed = results.iter().any(|sent| sent.error.is_some());
    let differs = differences.iter().flatten().any(|difference| !difference.is_noise);
    Ok(if has_failed || differs { Exit::Failed } else { Exit::Success })
}

fn target(name: &str) -> ReplayTarget {
    match name {
        "baseline" => ReplayTarget::Baseline,
        "same" => ReplayTarget::Same,
        key => ReplayTarget::Key(key.to_owned()),
    }
}

/// Asks whoever sits there; a script has to say it by a flag.
fn confirm(method: &Method, service: &str, to: &[String], compares: bool) -> Result<(), Failure> {
    let twice = if compares { " (the first twice, to learn what differs anyway)" } else { "" };
    let what = format!("{method} to `{service}` may change something");
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(what).hint("say --yes to send it, or --dry-run to see it"));
    }
    eprint!("{what}. Send it to {}{twice}? [y/N] ", sanitize_for_terminal(&to.join(", ")));
    let mut answer = String::new();
    let is_read = std::io::stdin().read_line(&mut answer).is_ok();
    match is_read && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        true => Ok(()),
        false => Err(Failure::new("not sent")),
    }
}

/// What is told.
struct Told<'a> {
    request: &'a CapturedRequest,
    names: &'a [String],
    results: &'a [ReplayResult],
    /// Of each target but the first.
    differences: &'a [Vec<ResponseDifference>],
}

// === impl Told ===

impl Told<'_> {
    fn value(&self) -> Value {
        let results = self.names.iter().zip(self.results).enumerate().map(|(idx, (name, sent))| {
            let ReplayResult { trace_id, response, duration_us, error } = sent;
            let differences = idx.checked_sub(1).and_then(|other| self.differences.get(other));
            json!({
                "target": name,
                "trace_id": trace_id,
                "response": response,
                "duration_us": duration_us,
                "error": error,
                "differences": differences,
            })
        });
        json!({"request": self.request, "results": results.collect::<Vec<_>>()})
    }

    fn lines(&self, is_dry_run: bool, with_noise: bool, paint: Paint) -> Vec<String> {
        let request = self.request;
        let host = request.authority.as_deref().unwrap_or("");
        let asked = format!("{} {host}{}", request.method, request.target.as_str());
        let mut lines = vec![paint.bold(sanitize_for_terminal(&asked))];
        let width = self.names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        for (name, sent) in self.names.iter().zip(self.results) {
            let name = sanitize_for_terminal(name);
            let outcome = match (&sent.response, &sent.error) {
                (Some(response), _) => {
                    let took = sent.duration_us.map(std::time::Duration::from_micros).unwrap_or_default();
                    let n_bytes = response.body.n_bytes;
                    format!(
                        "{}  {:>8}  {n_bytes} bytes  trace {}",
                        response.status,
                        short_duration(took),
                        sent.trace_id
                    )
                }
                (None, Some(error)) => paint.red(sanitize_for_terminal(error)),
                (None, None) if is_dry_run => "would be sent".to_owned(),
                (None, None) => "no answer".to_owned(),
            };
            lines.push(format!("  ↺ {name:<width$}  {outcome}"));
        }
        for (name, differences) in self.names.iter().skip(1).zip(self.differences) {
            lines.extend(different((&self.names[0], name), differences, with_noise, paint));
        }
        lines
    }
}

/// What is different about two targets.
fn different(
    (first, other): (&str, &str),
    found: &[ResponseDifference],
    with_noise: bool,
    paint: Paint,
) -> Vec<String> {
    let n_noise = found.iter().filter(|difference| difference.is_noise).count();
    let told: Vec<_> = found.iter().filter(|difference| with_noise || !difference.is_noise).collect();
    let (first, other) = (sanitize_for_terminal(first), sanitize_for_terminal(other));
    let hidden = match n_noise {
        0 => String::new(),
        n => format!(
            " ({n} that differ from one time to the next{})",
            if with_noise { "" } else { " left out" }
        ),
    };
    let mut lines = vec![match told.len() {
        0 => format!("{first} and {other}: the same{hidden}"),
        1 => format!("{first} and {other}: 1 difference{hidden}"),
        n => format!("{first} and {other}: {n} differences{hidden}"),
    }];
    for ResponseDifference { part, left, right, is_noise } in told {
        let side = |side: &Option<String>| match side {
            Some(side) => sanitize_for_terminal(side).into_owned(),
            None => "–".to_owned(),
        };
        let line =
            format!("  {}: {} → {}", sanitize_for_terminal(&part.to_string()), side(left), side(right));
        lines.push(if *is_noise { paint.dim(line) } else { paint.yellow(line) });
    }
    lines
}
