//! `spur status`: one look at what runs.

use anyhow::Result;
use serde_json::{Value, json};
use spur_api::meta;
use spur_trace::sanitize_for_terminal;

use crate::args::StatusArgs;
use crate::client::Client;
use crate::console::Console;
use crate::error::Exit;
use crate::facts::Facts;
use crate::kinds;
use crate::render;
use crate::wait::Condition;

/// How many of a kind are ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Count {
    n_ready: usize,
    n_all: usize,
}

/// Runs `spur status`.
pub(crate) async fn run(args: &StatusArgs, client: &Client, console: &mut Console) -> Result<Exit> {
    let facts = Facts::read(client).await?;
    let pods = count(client, "pods").await?;
    let sandboxes = count(client, "sandboxes").await?;
    match args.output {
        Some(format) => {
            let Facts(mut value) = facts;
            value["pods"] = pods.to_json();
            value["sandboxes"] = sandboxes.to_json();
            console.bytes(render::structured(format, &value).as_bytes())?;
        }
        None => {
            for line in lines(client.url(), &facts, pods, sandboxes) {
                console.line(&line)?;
            }
        }
    }
    Ok(Exit::Success)
}

async fn count(client: &Client, word: &str) -> Result<Count> {
    let list = client.get(&kinds::collection_path(kinds::kind(word)?, None)).await?;
    let objects = meta::list(&list, "/items");
    let ready = Condition::ready();
    let is_done = |object: &Value| meta::text(object, "/status/phase") == "Succeeded";
    let n_ready = objects.iter().filter(|object| ready.is_met(Some(object)) || is_done(object)).count();
    Ok(Count { n_ready, n_all: objects.len() })
}

fn lines(url: &str, facts: &Facts, pods: Count, sandboxes: Count) -> Vec<String> {
    let mut lines = vec![line("api", facts.text("api").unwrap_or(url))];
    for (label, field) in [
        ("entry", "entry"),
        ("metrics", "metrics"),
        ("telemetry", "otlp"),
        ("data", "data"),
        ("kubeconfig", "kubeconfig"),
        ("runtime", "runtime"),
        ("tracing", "tracing"),
        ("version", "version"),
    ] {
        if let Some(text) = facts.text(field) {
            lines.push(line(label, text));
        }
    }
    let ports: Vec<String> = meta::list(&facts.0, "/gatewayPorts").iter().map(ToString::to_string).collect();
    if !ports.is_empty() {
        lines.push(line("gateways", &format!("ports {}", ports.join(", "))));
    }
    for out in meta::list(&facts.0, "/ejected") {
        let (service, address) = (meta::text(out, "/service"), meta::text(out, "/address"));
        let left = meta::number(out, "/secondsLeft").unwrap_or(0);
        lines
            .push(line("ejected", &format!("{address} of {service} for {left} s more: it failed too often")));
    }
    lines.push(line("pods", &pods.to_string()));
    lines.push(line("sandboxes", &sandboxes.to_string()));
    let number = |pointer| meta::number(&facts.0, pointer).unwrap_or(0);
    let mut traces = format!("{} kept", number("/traces/kept"));
    for (n, what) in [(number("/traces/evicted"), "evicted"), (number("/traces/lostRecords"), "records lost")]
    {
        if n > 0 {
            traces = format!("{traces}, {n} {what}");
        }
    }
    lines.push(line("traces", &traces));
    lines.extend(reported(&facts.0).map(|text| line("reported", &text)));
    lines.extend(exported(&facts.0).map(|text| line("exported", &text)));
    lines
}

/// What was sent on to a collector, if there is one, and what was not.
fn exported(facts: &Value) -> Option<String> {
    let export = facts.pointer("/telemetry/export").filter(|export| export.is_object())?;
    let count = |path: &str| meta::number(export, path).unwrap_or(0);
    let lost = [
        ("rejected by it", count("/rejected")),
        ("not delivered", count("/failed")),
        ("too many", count("/dropped")),
    ];
    let mut text = format!("{} spans to {}", count("/sent"), meta::text(export, "/to"));
    for (what, n) in lost.iter().filter(|(_, n)| *n > 0) {
        text = format!("{text}, {n} {what}");
    }
    Some(text)
}

/// What applications reported, if anything, and what of it was lost.
fn reported(facts: &Value) -> Option<String> {
    let count = |path: &str| meta::number(facts, path).unwrap_or(0);
    let what = [
        ("spans", count("/traces/spans")),
        ("log lines", count("/telemetry/logLines")),
        ("series of metrics", count("/telemetry/series")),
        ("requests not read", count("/telemetry/refused")),
        ("not valid", count("/telemetry/invalid")),
        ("spans turned away", count("/traces/rejectedSpans")),
        ("spans too many for their trace", count("/traces/droppedSpans")),
        ("points without room", count("/telemetry/turnedAwayPoints")),
    ];
    let said = what.iter().filter(|(_, n)| *n > 0).map(|(what, n)| format!("{n} {what}"));
    let said: Vec<String> = said.collect();
    (!said.is_empty()).then(|| said.join(", "))
}

fn line(label: &str, text: &str) -> String {
    format!("{label:<12}{}", sanitize_for_terminal(text))
}

// === impl Count ===

impl Count {
    fn to_json(self) -> Value {
        json!({"ready": self.n_ready, "total": self.n_all})
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.n_all {
            0 => f.write_str("none"),
            n_all => write!(f, "{}/{n_all} ready", self.n_ready),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_a_few_lines() {
        let facts = Facts(json!({
            "api": "http://127.0.0.1:7443", "entry": "http://127.0.0.1:8080", "data": "/data/spur",
            "otlp": "http://127.0.0.1:4318", "telemetry": {"logLines": 7, "refused": 1, "export": {"to": "http://there:4318", "sent": 9, "failed": 2}},
            "traces": {"kept": 12, "evicted": 3, "lostRecords": 0, "spans": 40}, "gatewayPorts": [8443, 9000],
            "ejected": [{"service": "shop/cart:80", "address": "127.0.0.1:41001", "secondsLeft": 12}],
        }));
        let (pods, sandboxes) = (Count { n_ready: 5, n_all: 6 }, Count { n_ready: 0, n_all: 0 });
        insta::assert_snapshot!(lines("", &facts, pods, sandboxes).join("\n"), @r"
        api         http://127.0.0.1:7443
        entry       http://127.0.0.1:8080
        telemetry   http://127.0.0.1:4318
        data        /data/spur
        gateways    ports 8443, 9000
        ejected     127.0.0.1:41001 of shop/cart:80 for 12 s more: it failed too often
        pods        5/6 ready
        sandboxes   none
        traces      12 kept, 3 evicted
        reported    40 spans, 7 log lines, 1 requests not read
        exported    9 spans to http://there:4318, 2 not delivered
        ");
    }
}
