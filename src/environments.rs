//! The environments of this machine: each `spur up` writes down where it is, and what a dead one has left
//! can be found and removed.
//!
//! ```text
//!  spur up ──► <state>/environments/<id>.json, as long as it runs      spur ps    all of them, and what engines have
//!     │                                                                spur down  ends one and removes what it has
//!     └ --rm ─► spur __reap: waits for its end, however that comes     spur clean what nobody owns any more
//! ```

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde::{Deserialize, Serialize};
use serde_json::json;
use spur_cli::args::{CleanArgs, DownArgs, PsArgs, PsOutput};
use spur_runtime::docker::{Engine, Environment, Share, VolumesToo};

use crate::config::Config;
use crate::docker::environment_id;
use crate::identity::write_private;
use crate::say::say;

/// How long an environment may take to end when it is asked to: its pods get 5 s after SIGTERM, and
/// its requests as much before.
const ENDS_WITHIN: Duration = Duration::from_secs(40);
/// How often it is looked whether it has ended.
const LOOKS_EVERY: Duration = Duration::from_millis(20);

/// An environment as it has written itself down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    id: String,
    data: PathBuf,
    pid: i32,
    api: String,
    started: Timestamp,
    /// Whether nothing of it is to stay.
    rm: bool,
}

/// The record of this process, which is removed with it.
pub(crate) struct Recorded(PathBuf);

/// Writes down that this process is the environment in `data`; with `rm`, somebody waits for its end.
///
/// # Errors
/// The record cannot be written.
pub(crate) fn record(config: &Config, data: &Path, api: &str, rm: bool) -> Result<Recorded> {
    let id = environment_id(data)?;
    let data = std::path::absolute(data)?;
    let pid = i32::try_from(std::process::id()).context("process ids are small")?;
    let record = Record { id: id.clone(), data, pid, api: api.to_owned(), started: Timestamp::now(), rm };
    let dir = dir(config);
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&dir)
        .with_context(|| format!("failed to make `{}`", dir.display()))?;
    let path = dir.join(format!("{id}.json"));
    write_private(&path, serde_json::to_string(&record)?.as_bytes())?;
    if rm {
        start_reaper(config, &path)?;
    }
    Ok(Recorded(path))
}

impl Drop for Recorded {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Starts a process that outlives this one and reads until nobody writes: its standard input ends with us.
fn start_reaper(config: &Config, record: &Path) -> Result<()> {
    use std::os::unix::process::CommandExt;
    let mut command = std::process::Command::new(&config.environment.executable);
    command.arg("__reap").arg(record).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // What ends our group, such as Ctrl-C, must not end it.
    command.process_group(0);
    let mut child = command.spawn().context("failed to start the process that cleans up after this one")?;
    // Open until this process ends, in whatever way.
    std::mem::forget(child.stdin.take());
    Ok(())
}

/// `spur __reap RECORD`: waits for the end of who started it, and removes what that has left.
pub(crate) async fn reap(config: &Config, record: &Path) -> ExitCode {
    let waited = tokio::task::spawn_blocking(|| std::io::stdin().lock().read_to_end(&mut Vec::new())).await;
    drop(waited);
    let Some(found) = read(record) else { return ExitCode::SUCCESS };
    let removed = remove(config, &found.id, VolumesToo::Yes).await;
    let _ = std::fs::remove_file(record);
    if removed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Removes what this process' environment has outside of its data directory.
pub(crate) async fn remove_own(config: &Config, data: &Path) {
    let removed = match environment_id(data) {
        Ok(id) => remove(config, &id, VolumesToo::Yes).await.map(drop),
        Err(error) => Err(error),
    };
    if let Err(error) = removed {
        say(format_args!("warning: {error:#}"));
    }
}

/// `spur ps`.
pub(crate) async fn ps(args: &PsArgs, config: &Config) -> ExitCode {
    let engine = engine(config).await;
    let all = match all(config, engine.as_ref()).await {
        Ok(all) => all,
        Err(error) => return failed(&error),
    };
    match args.output {
        PsOutput::Json => {
            let rows: Vec<_> = all.iter().map(|(id, of)| of.to_json(id)).collect();
            println!("{}", serde_json::Value::Array(rows));
        }
        PsOutput::Text => {
            let header = ["ENVIRONMENT", "STATE", "PID", "API", "CONTAINERS", "NETWORKS", "VOLUMES", "DATA"];
            let mut rows = vec![header.map(str::to_owned)];
            rows.extend(all.iter().map(|(id, of)| of.to_row(id)));
            print_aligned(&rows);
        }
    }
    ExitCode::SUCCESS
}

/// `spur down`.
pub(crate) async fn down(args: &DownArgs, config: &Config) -> ExitCode {
    let data = args.data.clone().unwrap_or_else(|| config.data_dir.clone());
    let volumes = if args.volumes { VolumesToo::Yes } else { VolumesToo::No };
    match try_down(&data, volumes, config).await {
        Ok(share) => {
            let Share { n_containers, n_networks, n_volumes } = share;
            println!(
                "the environment in {} is down: removed {n_containers} containers, {n_networks} networks and {n_volumes} volumes",
                data.display()
            );
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error),
    }
}

async fn try_down(data: &Path, volumes: VolumesToo, config: &Config) -> Result<Share> {
    if !data.join("environment").is_file() {
        bail!(
            "there is no environment in `{}`\nhint: `spur ps` shows those of this machine; choose one by --data",
            data.display()
        );
    }
    let id = environment_id(data)?;
    let path = dir(config).join(format!("{id}.json"));
    if let Some(running) = read(&path).filter(Record::is_alive) {
        end(&running, &path).await?;
    }
    let _ = std::fs::remove_file(&path);
    remove(config, &id, volumes).await
}

/// `spur clean`.
pub(crate) async fn clean(args: &CleanArgs, config: &Config) -> ExitCode {
    let engine = engine(config).await;
    let all = match all(config, engine.as_ref()).await {
        Ok(all) => all,
        Err(error) => return failed(&error),
    };
    let mut code = ExitCode::SUCCESS;
    let mut n_removed = 0;
    for (id, of) in all.iter().filter(|(_, of)| of.is_abandoned()) {
        n_removed += 1;
        let Share { n_containers, n_networks, n_volumes } = of.share;
        let what = format!("{id}: {n_containers} containers, {n_networks} networks, {n_volumes} volumes");
        if args.dry_run {
            println!("would remove {what}");
            continue;
        }
        match remove(config, id, VolumesToo::Yes).await {
            Ok(_) => {
                let _ = std::fs::remove_file(dir(config).join(format!("{id}.json")));
                println!("removed {what}");
            }
            Err(error) => code = failed(&error),
        }
    }
    if n_removed == 0 {
        println!("nothing is left behind");
    }
    code
}

/// Asks it to end, and waits until it has.
async fn end(running: &Record, path: &Path) -> Result<()> {
    let pid = Pid::from_raw(running.pid).context("it has a process id")?;
    let asked = kill_process(pid, Signal::TERM);
    asked.with_context(|| format!("failed to end the spur with process id {}", running.pid))?;
    let ended = async {
        // It takes its record away last; a process that nobody waits for stays a zombie.
        while path.exists() && running.is_alive() {
            tokio::time::sleep(LOOKS_EVERY).await;
        }
    };
    let waited = tokio::time::timeout(ENDS_WITHIN, ended).await;
    waited.with_context(|| {
        format!("the spur with process id {} did not end within {ENDS_WITHIN:?}", running.pid)
    })
}

/// Removes what is outside of the data directory.
async fn remove(config: &Config, id: &str, volumes: VolumesToo) -> Result<Share> {
    let memory = crate::up::memory_dir(id);
    if memory.is_dir() {
        std::fs::remove_dir_all(&memory)
            .with_context(|| format!("failed to remove `{}`", memory.display()))?;
    }
    match Engine::connect(config.docker.clone()).await {
        Ok(engine) => Ok(engine.purge(&Environment::new(id), volumes).await?),
        // Whoever has no engine has no containers.
        Err(_) => Ok(Share::default()),
    }
}

/// What is known of an environment.
struct Known {
    record: Option<Record>,
    share: Share,
}

async fn all(config: &Config, engine: Option<&Engine>) -> Result<BTreeMap<String, Known>> {
    let mut all: BTreeMap<String, Known> = BTreeMap::new();
    for record in std::fs::read_dir(dir(config)).into_iter().flatten().flatten() {
        if let Some(record) = read(&record.path()) {
            all.insert(record.id.clone(), Known { record: Some(record), share: Share::default() });
        }
    }
    if let Some(engine) = engine {
        for (id, share) in engine.environments().await? {
            all.entry(id).or_insert(Known { record: None, share: Share::default() }).share = share;
        }
    }
    Ok(all)
}

async fn engine(config: &Config) -> Option<Engine> {
    Engine::connect(config.docker.clone()).await.ok()
}

fn dir(config: &Config) -> PathBuf {
    config.state_dir.join("environments")
}

fn read(path: &Path) -> Option<Record> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn failed(error: &anyhow::Error) -> ExitCode {
    say(format_args!("error: {error:#}"));
    ExitCode::FAILURE
}

fn print_aligned(rows: &[[String; 8]]) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    for row in rows {
        let cells = row.iter().enumerate().map(|(column, cell)| format!("{cell:<0$}", width(column)));
        println!("{}", cells.collect::<Vec<_>>().join("   ").trim_end());
    }
}

// === impl Record ===

impl Record {
    /// Whether its process is there. A process id may be another's by now: then it is shown as running,
    /// and nothing of it is removed.
    fn is_alive(&self) -> bool {
        Pid::from_raw(self.pid).is_some_and(|pid| test_kill_process(pid).is_ok())
    }
}

// === impl Known ===

impl Known {
    fn state(&self) -> &'static str {
        match &self.record {
            Some(record) if record.is_alive() => "running",
            Some(_) => "dead",
            // It has ended in order, or was of another user.
            None => "stopped",
        }
    }

    /// Nobody runs it, and nobody can start it again: what is left is in nobody's hands.
    fn is_abandoned(&self) -> bool {
        match &self.record {
            Some(record) => !record.is_alive() && (record.rm || !record.data.join("environment").is_file()),
            None => false,
        }
    }

    fn to_json(&self, id: &str) -> serde_json::Value {
        let Share { n_containers, n_networks, n_volumes } = self.share;
        json!({
            "id": id, "state": self.state(),
            "pid": self.record.as_ref().map(|record| record.pid),
            "api": self.record.as_ref().map(|record| &record.api),
            "data": self.record.as_ref().map(|record| &record.data),
            "started": self.record.as_ref().map(|record| record.started),
            "containers": n_containers, "networks": n_networks, "volumes": n_volumes,
        })
    }

    fn to_row(&self, id: &str) -> [String; 8] {
        let Share { n_containers, n_networks, n_volumes } = self.share;
        let of = |text: fn(&Record) -> String| self.record.as_ref().map_or_else(|| "-".to_owned(), text);
        [
            id.get(..8).unwrap_or(id).to_owned(),
            self.state().to_owned(),
            of(|record| record.pid.to_string()),
            of(|record| record.api.clone()),
            n_containers.to_string(),
            n_networks.to_string(),
            n_volumes.to_string(),
            of(|record| record.data.display().to_string()),
        ]
    }
}
