//! What a run came to, for programs (`summary.json`) and for people.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::child::Ready;
use crate::error;
use crate::ready::Unready;

/// The summary, filled in as the run goes.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    pub(super) command: Vec<String>,
    started: jiff::Timestamp,
    /// The exit code of `spur test`.
    pub(super) exit: Option<u8>,
    /// In words.
    pub(super) outcome: Option<String>,
    hint: Option<String>,
    phases: Vec<Phase>,
    environment: Option<BTreeMap<&'static str, String>>,
    /// What CMD was given.
    pub(super) variables: BTreeMap<String, String>,
    pub(super) unready: Vec<Unready>,
    pub(super) teardown: Option<&'static str>,
}

#[derive(Clone, Debug, Serialize)]
struct Phase {
    name: &'static str,
    ms: u64,
}

// === impl Summary ===

impl Summary {
    pub(super) fn new(command: &[OsString]) -> Self {
        Self {
            command: command.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
            started: jiff::Timestamp::now(),
            exit: None,
            outcome: None,
            hint: None,
            phases: Vec::new(),
            environment: None,
            variables: BTreeMap::new(),
            unready: Vec::new(),
            teardown: None,
        }
    }

    pub(super) fn phase(&mut self, name: &'static str, took: Duration) {
        self.phases.push(Phase { name, ms: took.as_millis().try_into().unwrap_or(u64::MAX) });
    }

    pub(super) fn environment(&mut self, up: &Ready) {
        self.environment = Some(BTreeMap::from([
            ("api", up.api.clone()),
            ("entry", up.entry.clone()),
            ("pid", up.pid.to_string()),
        ]));
    }

    pub(super) fn fail(&mut self, error: &anyhow::Error) {
        self.outcome = Some(format!("the environment failed: {error:#}"));
        self.hint = error::hint(error);
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |label: &str, value: &str| {
            writeln!(text, "{label:<10}{value}").expect("writing to a string does not fail");
        };
        line("command", &self.command.join(" "));
        line("started", &self.started.to_string());
        line("exit", &self.exit.map_or_else(|| "-".to_owned(), |exit| exit.to_string()));
        line("outcome", self.outcome.as_deref().unwrap_or("-"));
        if let Some(hint) = &self.hint {
            line("hint", hint);
        }
        for Phase { name, ms } in &self.phases {
            line(name, &format!("{ms} ms"));
        }
        for Unready { name, namespace, report } in &self.unready {
            line("unready", &format!("{name} in {namespace}"));
            for report in report {
                line("", report);
            }
        }
        line("teardown", self.teardown.unwrap_or("-"));
        text
    }

    /// The last line on the terminal.
    pub(super) fn last_line(&self, artifacts: &Path) -> String {
        let exit = self.exit.map_or_else(|| "-".to_owned(), |exit| exit.to_string());
        let outcome = self.outcome.as_deref().unwrap_or("unknown");
        // A failed environment has been told in full already.
        let outcome = outcome.split(':').next().unwrap_or(outcome);
        format!("exit {exit}: {outcome}; evidence in {}", artifacts.display())
    }
}
