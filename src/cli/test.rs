//! `spur test`: a fresh environment, a command in it, the evidence kept, and
//! everything torn down.
//!
//! ```text
//!  files ──► child (`up -o json`) ──► apply ──► ready ──► [sandbox] ──► CMD
//!    │                                                                   │
//!    └────────────── whatever ends it, at any point ─────────────────────┤
//!                                                                        ▼
//!                                         artifacts ──► teardown ──► exit code
//! ```

mod addresses;
mod artifacts;
mod command;
mod summary;

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use spur_api::meta;

use crate::args::TestArgs;
use crate::child::{self, Ready, Stopped, Up};
use crate::console::Console;
use crate::environment::Environment;
use crate::error::{self, Exit, Failure};
use crate::facts::Facts;
use crate::manifest::{self, Depth, Manifest};
use crate::ready::{self, NotReady, Patience};
use crate::signals::{Ending, Signals};
use crate::wait::Deadline;
use crate::{apply, connect, sandbox};

use artifacts::Artifacts;
use command::Outcome;
use summary::Summary;

/// What runs, so that it is torn down whatever happens.
#[derive(Default)]
struct Running {
    up: Option<Up>,
    /// Known once it serves.
    ready: Option<Ready>,
}

/// Runs `spur test`.
pub(crate) async fn run(args: &TestArgs, environment: &Environment, console: &mut Console) -> Result<Exit> {
    let mut signals = Signals::catch().context("failed to catch signals")?;
    let artifacts = Artifacts::open(args.artifacts.as_deref()).map_err(environment_failed)?;
    let scratch = tempfile::Builder::new().prefix("spur-test-").tempdir_in(&environment.temp_dir);
    let scratch = scratch
        .with_context(|| format!("failed to make a directory in `{}`", environment.temp_dir.display()));
    let scratch = scratch.map_err(environment_failed)?;

    let mut summary = Summary::new(&args.command);
    let mut running = Running::default();
    let exit =
        run_in(args, (environment, scratch.path()), &mut running, &mut summary, (&mut signals, console))
            .await;

    // The evidence first, as long as there is somebody to ask.
    if let Some(up) = &running.up {
        for problem in artifacts.keep(&up.log, running.ready.as_ref(), &mut signals).await {
            console.talk(&format!("not kept: {problem}"));
        }
    }
    let stopped = teardown(running, console).await;
    summary.exit = Some(exit.code());
    summary.teardown = Some(if stopped == Stopped::InTime { "in time" } else { "killed" });
    if let Err(error) = artifacts.write_summary(&summary) {
        console.talk(&format!("not kept: {error:#}"));
    }
    console.talk(&summary.last_line(artifacts.directory()));
    Ok(exit)
}

/// Everything up to the end of CMD; errors are told here, once.
async fn run_in(
    args: &TestArgs,
    (environment, scratch): (&Environment, &Path),
    running: &mut Running,
    summary: &mut Summary,
    (signals, console): (&mut Signals, &mut Console),
) -> Exit {
    let prepared = tokio::select! {
        prepared = prepare(args, (environment, scratch), running, summary, console) => prepared,
        ending = signals.next() => {
            summary.outcome = Some("interrupted while the environment started".to_owned());
            return interrupted(ending, console);
        }
    };
    let variables = match prepared {
        Ok(variables) => variables,
        Err(error) => {
            summary.fail(&error);
            error::report(console, &error);
            // Whatever it was, CMD never ran.
            return Exit::EnvironmentFailed;
        }
    };
    let Some(up) = running.up.as_mut() else { unreachable!("an environment that was prepared runs") };
    let since = Instant::now();
    let is_on_terminal = environment.is_stdin_terminal;
    let outcome = tokio::select! {
        outcome = command::run(&args.command, &variables, (args.timeout, is_on_terminal), signals) => outcome,
        ended = up.ended() => Outcome::EnvironmentEnded(ended.map_or_else(|error| error.to_string(), |s| s.to_string())),
    };
    summary.phase("command", since.elapsed());
    summary.outcome = Some(outcome.to_string());
    if outcome.is_worth_telling() {
        let label = console.talk_paint().red("error:");
        console.talk(&format!("{label} {outcome}"));
    }
    outcome.exit()
}

/// Starts, applies, waits; gives the variables for CMD.
async fn prepare(
    args: &TestArgs,
    (environment, scratch): (&Environment, &Path),
    running: &mut Running,
    summary: &mut Summary,
    console: &mut Console,
) -> Result<Vec<(String, String)>> {
    let files: Vec<String> = args.filename.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    let mut manifests = manifest::read_all(&files, Depth::Flat)?;
    let mut forked = match &args.sandbox {
        Some(file) => Some(sandbox::one_sandbox(&file.to_string_lossy())?),
        None => None,
    };

    let since = Instant::now();
    let up = running.up.insert(child::start(&environment.executable, scratch, "auto")?);
    let ready = up.until_ready().await?;
    running.ready = Some(ready.clone());
    let client = connect::connect_by(&ready.kubeconfig).await?;
    summary.phase("start", since.elapsed());
    summary.environment(&ready);

    let since = Instant::now();
    for manifest in manifests.iter_mut().chain(forked.as_mut()) {
        apply::place_in_namespace(manifest, None, client.namespace())?;
    }
    for manifest in &manifests {
        apply::apply(&client, manifest, apply::How::default()).await?;
    }
    summary.phase("apply", since.elapsed());

    let since = Instant::now();
    console.talk(&format!("applied {} objects; waiting until they are ready", manifests.len()));
    let patience = Patience { timeout: args.ready_timeout, since };
    let waited = ready::until_ready(&client, &ready::awaited(&manifests), patience, console).await;
    summary.phase("ready", since.elapsed());
    if let Err(error) = waited {
        return Err(match error.downcast::<NotReady>() {
            Ok(not_ready) => {
                summary.unready.clone_from(&not_ready.unready);
                let hint = "the reasons stand above; --ready-timeout gives slow ones more time";
                ready::tell(&not_ready, console).hint(hint).into()
            }
            Err(error) => error,
        });
    }

    let key = match &forked {
        None => None,
        Some(manifest) => {
            let since = Instant::now();
            let key = make_sandbox(&client, manifest, args).await?;
            summary.phase("sandbox", since.elapsed());
            console.done(since, &format!("the sandbox is ready, with the key {key}"));
            Some(key)
        }
    };
    let facts = Facts::read(&client).await?;
    let services = addresses::services(&client).await?;
    let variables = addresses::variables(&services, &facts, &ready, key.as_deref());
    summary.variables.extend(variables.iter().cloned());
    Ok(variables)
}

async fn make_sandbox(
    client: &crate::client::Client,
    manifest: &Manifest,
    args: &TestArgs,
) -> Result<String> {
    apply::apply(client, manifest, apply::How::default()).await?;
    let target = (meta::namespace(&manifest.object), meta::name(&manifest.object));
    let ready = sandbox::until_ready(client, target, Deadline::after(args.ready_timeout)).await?;
    Ok(meta::text(&ready, "/status/routingKey").to_owned())
}

async fn teardown(running: Running, console: &mut Console) -> Stopped {
    let Some(up) = running.up else {
        return Stopped::InTime;
    };
    match up.stop().await {
        Ok(Stopped::InTime) => Stopped::InTime,
        Ok(Stopped::Killed) => {
            console.talk("the environment did not stop in time and was killed");
            Stopped::Killed
        }
        Err(error) => {
            console.talk(&format!("failed to stop the environment: {error:#}"));
            Stopped::Killed
        }
    }
}

fn interrupted(ending: Ending, console: &mut Console) -> Exit {
    console.talk("interrupted; keeping the evidence and tearing down");
    ending.exit()
}

/// The same error with the exit code of a failed environment.
fn environment_failed(error: anyhow::Error) -> anyhow::Error {
    let hint = error::hint(&error);
    let failure = Failure::new(format!("{error:#}")).exit(Exit::EnvironmentFailed);
    match hint {
        Some(hint) => failure.hint(hint).into(),
        None => failure.into(),
    }
}
