//! `spur logs` of all workloads: one stream, filtered on the server, a line each.

use anyhow::{Context, Result};
use serde::Deserialize;
use spur_trace::{LogLine, sanitize::log_line_for_terminal, sanitize_for_terminal};

use crate::args::LogsArgs;
use crate::client::Client;
use crate::console::{Console, Paint};
use crate::error::Exit;
use crate::kinds;
use crate::trace;

/// One line of `/spur/v1/logs`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Told {
    /// The reader was too slow: so many lines of applications went by.
    Lost {
        lost: u64,
    },
    Line(Box<LogLine>),
}

/// Columns of a pod's name: deployments' pods have their name, two hashes, and hyphens between.
const NAME_WIDTH: usize = 24;

pub(super) async fn run(args: &LogsArgs, client: &Client, console: &mut Console) -> Result<Exit> {
    let LogsArgs { filter, trace, all_namespaces, namespace, follow, tail, since, output, .. } = args;
    trace::checked(filter.as_deref())?;
    let trace_id = match trace {
        Some(trace) => Some(trace::find::trace(client, trace).await?.trace_id.to_string()),
        None => None,
    };
    let namespace = namespace.as_deref().unwrap_or(client.namespace());
    let since = since.map(|since| since.as_secs().max(1).to_string());
    let tail = tail.map(|lines| lines.to_string());
    let query = kinds::query(&[
        ("filter", filter.as_deref()),
        ("trace", trace_id.as_deref()),
        ("namespace", (!all_namespaces).then_some(namespace)),
        ("sinceSeconds", since.as_deref()),
        ("limit", tail.as_deref()),
        ("follow", follow.then_some("true")),
    ]);
    let mut lines = client.lines(&format!("/spur/v1/logs{query}"), trace::LINES).await?;
    let mut n_told = 0_u64;
    while let Some(mut line) = lines.next().await? {
        n_told += 1;
        if output.is_some() {
            line.push(b'\n');
            console.bytes(&line)?;
            continue;
        }
        match serde_json::from_slice(&line).context("failed to read a line")? {
            Told::Line(line) => console.line(&told(&line, console.data_paint()))?,
            Told::Lost { lost } => console.talk(&format!("({lost} lines went by too fast to be shown)")),
        }
    }
    if n_told == 0 && output.is_none() {
        console.talk(match filter.is_some() || trace.is_some() {
            true => "No lines fit.",
            false => "No lines yet.",
        });
    }
    Ok(Exit::Success)
}

/// `08:04:07.118Z checkout-7d9f-x2lq5      WARN  the message`, safe to print.
fn told(line: &LogLine, paint: Paint) -> String {
    let time = jiff::Timestamp::try_from(line.time).unwrap_or(jiff::Timestamp::MAX);
    let time = paint.dim(time.strftime("%H:%M:%S.%3fZ"));
    let name = line.pod.as_deref().unwrap_or(&line.service);
    let name = sanitize_for_terminal(name);
    let name: String = name.chars().take(NAME_WIDTH).collect();
    let name = format!("{name:<NAME_WIDTH$}");
    let name = if line.sandbox.is_some() { paint.fork(name) } else { name };
    let level = format!("{:<5}", line.severity.word().to_ascii_uppercase());
    let level = match line.severity.number() {
        17.. => paint.red(level),
        13.. => paint.yellow(level),
        1..9 => paint.dim(level),
        _ => level,
    };
    format!("{time} {name} {level} {}", log_line_for_terminal(line.message.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn a_line_says_when_who_how_bad_and_what() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_796_025_847_118);
        let line = LogLine {
            pod: Some("checkout-7d9f-x2lq5".into()),
            ..LogLine::read(time, b"WARN slow\x1b[2J \x1b[31mred\x1b[0m")
        };
        assert_eq!(
            told(&line, Paint::Plain),
            "08:04:07.118Z checkout-7d9f-x2lq5      WARN  WARN slow\\x1b[2J red"
        );
        let line = LogLine { service: "worker".into(), ..LogLine::read(time, b"hello") };
        assert_eq!(told(&line, Paint::Plain), "08:04:07.118Z worker                         hello");
    }
}
