//! The evidence of a run, in files: logs, traces, events, objects, a summary.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use spur_api::{meta, registry, yaml};
use tokio::time::Instant;

use super::summary::Summary;
use crate::child::Ready;
use crate::client::Client;
use crate::error::Failure;
use crate::facts::Facts;
use crate::signals::Signals;
use crate::{connect, kinds, logs};

/// Where runs are kept that name no directory.
const BASE: &str = "artifacts";

/// All of it together. Logs and traces of an hour's run are read in seconds;
/// nobody waits longer for evidence of a server that hangs.
const WITHIN: Duration = Duration::from_secs(60);

/// No new record for this long, and the collector, which looks every 50 ms
/// when idle, has read them all.
const RECORDS_QUIET: Duration = Duration::from_millis(150);

/// How long we wait for that quiet.
const RECORDS_WITHIN: Duration = Duration::from_secs(2);

/// Per container and run. What is older is gone; the runtime keeps less.
const LOG_MAX_BYTES: u64 = 64 << 20;

/// Held as long as the run writes into the directory.
const LOCK: &str = ".lock";

/// What earlier runs left in a directory that is given again.
const FILES: [&str; 6] =
    ["traces.jsonl", "events.jsonl", "objects.yaml", "spur.log", "summary.json", "summary.txt"];

/// A directory that is ours alone while this lives.
pub(super) struct Artifacts {
    directory: PathBuf,
    _lock: File,
}

// === impl Artifacts ===

impl Artifacts {
    /// Makes or takes over the directory; a name of its own where none is given.
    ///
    /// # Errors
    /// When it cannot be written, or another run is writing into it.
    pub(super) fn open(given: Option<&Path>) -> Result<Self> {
        let directory = match given {
            Some(directory) => directory.to_owned(),
            None => {
                let time = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S");
                Path::new(BASE).join(format!("{time}-{}", std::process::id()))
            }
        };
        let tried = || format!("failed to keep artifacts in `{}`", directory.display());
        fs::create_dir_all(&directory).with_context(tried)?;
        let lock = File::create(directory.join(LOCK)).with_context(tried)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let failure = Failure::new(format!("{}: another run is writing into it", tried()));
                bail!(failure.hint("give each run its own --artifacts directory, or leave it out"));
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(tried),
        }
        for file in FILES {
            remove(fs::remove_file(directory.join(file))).with_context(tried)?;
        }
        remove(fs::remove_dir_all(directory.join("logs"))).with_context(tried)?;
        fs::create_dir(directory.join("logs")).with_context(tried)?;
        Ok(Self { directory, _lock: lock })
    }

    /// Where it is.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Keeps everything that can be had, and says what could not. A signal to
    /// us cuts it short.
    pub(super) async fn keep(&self, log: &Path, ready: Option<&Ready>, signals: &mut Signals) -> Vec<String> {
        let mut problems = Vec::new();
        if let Err(error) = fs::copy(log, self.directory.join("spur.log")) {
            problems.push(format!("spur.log: {error}"));
        }
        let Some(ready) = ready else {
            // There was never a server to ask; its log says why.
            return problems;
        };
        let client = match connect::connect_by(&ready.kubeconfig).await {
            Ok(client) => client,
            Err(error) => {
                problems.push(format!("{error:#}"));
                return problems;
            }
        };
        let kept = tokio::select! {
            kept = tokio::time::timeout(WITHIN, self.keep_from(&client, &mut problems)) => kept.is_ok(),
            _ = signals.next() => false,
        };
        if !kept {
            problems.push("the rest: it took too long, or was interrupted".to_owned());
        }
        problems
    }

    async fn keep_from(&self, client: &Client, problems: &mut Vec<String>) {
        let mut note = |what: &str, result: Result<()>| {
            if let Err(error) = result {
                problems.push(format!("{what}: {error:#}"));
            }
        };
        note("traces.jsonl", self.traces(client).await);
        note("events.jsonl", self.events(client).await);
        note("objects.yaml", self.objects(client).await);
        match client.get("/api/v1/pods").await {
            Ok(list) => {
                for pod in meta::list(&list, "/items") {
                    for (name, path) in log_paths(pod) {
                        note(&name, self.lines(client, &path, &format!("logs/{name}")).await);
                    }
                }
            }
            Err(error) => note("logs", Err(error.into())),
        }
    }

    /// Every trace, those that hang included: they may be why the run failed.
    async fn traces(&self, client: &Client) -> Result<()> {
        last_records_are_in(client).await?;
        self.lines(client, "/spur/v1/traces?inFlight=true", "traces.jsonl").await
    }

    /// Copies an answer of lines into a file.
    async fn lines(&self, client: &Client, path: &str, file: &str) -> Result<()> {
        let mut lines = client.lines(path, "*/*").await?;
        let mut file = io::BufWriter::new(File::create(self.directory.join(file))?);
        while let Some(line) = lines.next().await? {
            file.write_all(&line)?;
            file.write_all(b"\n")?;
        }
        Ok(file.flush()?)
    }

    async fn events(&self, client: &Client) -> Result<()> {
        let list = client.get("/api/v1/events").await?;
        let mut file = io::BufWriter::new(File::create(self.directory.join("events.jsonl"))?);
        for event in meta::list(&list, "/items") {
            serde_json::to_writer(&mut file, event)?;
            file.write_all(b"\n")?;
        }
        Ok(file.flush()?)
    }

    /// Every object but events, with the values of Secrets left out.
    async fn objects(&self, client: &Client) -> Result<()> {
        let mut file = io::BufWriter::new(File::create(self.directory.join("objects.yaml"))?);
        for kind in registry::stored().filter(|kind| kind.kind != "Event") {
            let list = client.get(&kinds::collection_path(kind, None)).await?;
            for object in meta::list(&list, "/items") {
                let mut whole = json!({"apiVersion": kind.api_version(), "kind": kind.kind});
                if let (Some(whole), Some(fields)) = (whole.as_object_mut(), object.as_object()) {
                    whole.extend(fields.clone());
                }
                if kind.kind == "Secret" {
                    hide_values(&mut whole);
                }
                writeln!(file, "---\n{}", yaml::to_string(&whole).trim_end())?;
            }
        }
        Ok(file.flush()?)
    }

    /// Writes the summary for programs and for people.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn write_summary(&self, summary: &Summary) -> Result<()> {
        let mut text = serde_json::to_string_pretty(summary).context("failed to write summary.json")?;
        text.push('\n');
        fs::write(self.directory.join("summary.json"), text).context("failed to write summary.json")?;
        fs::write(self.directory.join("summary.txt"), summary.text()).context("failed to write summary.txt")
    }
}

/// Waits until the collector has read what the proxy wrote down: the last
/// requests are the ones that matter. Where traffic goes on, not for ever.
async fn last_records_are_in(client: &Client) -> Result<()> {
    let end = Instant::now() + RECORDS_WITHIN;
    let mut last = None;
    while Instant::now() < end {
        let found = meta::number(&Facts::read(client).await?.0, "/traces/records");
        if found.is_some() && found == last {
            return Ok(());
        }
        last = found;
        tokio::time::sleep(RECORDS_QUIET).await;
    }
    Ok(())
}

/// The log files of a pod's containers, and where they come from.
fn log_paths(pod: &Value) -> Vec<(String, String)> {
    let (namespace, name) = (meta::namespace(pod), meta::name(pod));
    let max = LOG_MAX_BYTES.to_string();
    let mut paths = Vec::new();
    for status in meta::list(pod, "/status/containerStatuses") {
        let container = meta::text(status, "/name");
        let has_run = ["/state/running", "/state/terminated", "/lastState/terminated"];
        if !has_run.iter().any(|state| status.pointer(state).is_some()) {
            continue;
        }
        let has_restarted = meta::number(status, "/restartCount").unwrap_or(0) > 0;
        let runs = [(None, ""), (Some("true"), "_previous")];
        for (previous, suffix) in runs.into_iter().take(1 + usize::from(has_restarted)) {
            let query = kinds::query(&[
                ("container", Some(container)),
                ("limitBytes", Some(&max)),
                ("previous", previous),
            ]);
            let path = kinds::object_path(logs::pod_kind(), namespace, name) + "/log" + &query;
            paths.push((format!("{namespace}_{name}_{container}{suffix}.log"), path));
        }
    }
    paths
}

/// Artifacts are uploaded and shared; secrets are not to be in them.
fn hide_values(secret: &mut Value) {
    for field in ["data", "stringData"] {
        let values = secret.get_mut(field).and_then(Value::as_object_mut);
        for value in values.into_iter().flat_map(|map| map.values_mut()) {
            *value = json!("(left out)");
        }
    }
    // What was applied may stand here once more.
    if let Some(metadata) = secret.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("annotations");
        metadata.remove("managedFields");
    }
}

fn remove(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_cannot_write_into_one_directory() {
        let directory = tempfile::tempdir().unwrap();
        let first = Artifacts::open(Some(directory.path())).unwrap();
        let error = Artifacts::open(Some(directory.path())).err().unwrap();
        assert!(error.to_string().ends_with("another run is writing into it"), "{error}");
        drop(first);
        assert!(Artifacts::open(Some(directory.path())).is_ok());
    }

    #[test]
    fn what_an_earlier_run_left_is_gone_and_what_is_not_ours_stays() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str| fs::write(directory.path().join(name), "old").unwrap();
        fs::create_dir(directory.path().join("logs")).unwrap();
        for name in ["summary.json", "logs/old.log", "mine.txt"] {
            write(name);
        }
        let _artifacts = Artifacts::open(Some(directory.path())).unwrap();
        assert!(!directory.path().join("summary.json").exists());
        assert!(!directory.path().join("logs/old.log").exists());
        assert!(directory.path().join("mine.txt").exists());
    }

    #[test]
    fn secrets_are_left_out() {
        let mut secret =
            json!({"data": {"password": "aHVudGVyMg=="}, "metadata": {"annotations": {"x": "hunter2"}}});
        hide_values(&mut secret);
        assert_eq!(secret, json!({"data": {"password": "(left out)"}, "metadata": {}}));
    }

    #[test]
    fn a_container_that_never_ran_has_no_log_and_one_that_restarted_has_two() {
        let pod = json!({"metadata": {"namespace": "shop", "name": "web-1"}, "status": {"containerStatuses": [
            {"name": "a", "state": {"waiting": {}}},
            {"name": "b", "state": {"running": {}}, "restartCount": 1},
        ]}});
        let names: Vec<String> = log_paths(&pod).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["shop_web-1_b.log", "shop_web-1_b_previous.log"]);
    }
}
