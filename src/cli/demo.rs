//! `spur demo`: a shop of five services, a sandbox that forks one of them, and
//! the same request without and with the sandbox's key.
//!
//! ```text
//!  fixtures ──► child (`up -o json`) ──► ready ──► sandbox ──► ask, ask ──► report
//!                                                              answers and traces
//! ```
//!
//! Everything that is shown was measured: prices from the answers, ways from
//! the traces. A step that is not as expected fails the demo.

mod ask;
mod call_tree;
mod fixtures;
mod report;
mod side_by_side;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use spur_api::meta;
use tempfile::TempDir;

use crate::args::DemoArgs;
use crate::child::{self, Up};
use crate::client::Client;
use crate::console::Console;
use crate::environment::Environment;
use crate::error::{Exit, Failure};
use crate::facts::Facts;
use crate::manifest::{self, Manifest};
use crate::ready::{self, NotReady, Patience};
use crate::signals::{Ending, Signals};
use crate::wait::Deadline;
use crate::{apply, connect, sandbox};

/// Five processes are ready in a second; a minute is for a busy CI machine.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A sandbox is ready in 200 ms.
const SANDBOX_WITHIN: Duration = Duration::from_secs(30);

/// Why the demo stopped before its end.
enum Early {
    Signal(Ending),
    Failed(anyhow::Error),
}

/// Runs `spur demo`.
pub(crate) async fn run(args: &DemoArgs, environment: &Environment, console: &mut Console) -> Result<Exit> {
    // From before the start to after the end, so that no signal skips the teardown.
    let mut signals = Signals::catch().context("failed to catch signals")?;
    let scratch = tempfile::Builder::new().prefix("spur-demo-").tempdir_in(&environment.temp_dir);
    let scratch = scratch
        .with_context(|| format!("failed to make a directory in `{}`", environment.temp_dir.display()))?;
    let stays = environment.is_stdout_terminal && !args.exit;
    let mut up = None;
    let shown = tokio::select! {
        shown = show((args, environment), &scratch, &mut up, console) => shown.map_err(Early::Failed),
        ending = signals.next() => Err(Early::Signal(ending)),
    };
    let result = match shown {
        Ok(()) if stays => {
            console.talk("\nIt all runs until you press Ctrl-C.");
            until_told(&mut signals, up.as_mut()).await
        }
        Ok(()) => {
            console.talk("\nTearing it all down; without --exit it stays up on a terminal.");
            Ok(Exit::Success)
        }
        Err(Early::Signal(ending)) => Ok(ending.exit()),
        Err(Early::Failed(error)) => Err(error),
    };
    if let Some(up) = up
        && up.stop().await? == child::Stopped::Killed
    {
        console.talk("spur did not stop in time and was killed");
    }
    keep(args, scratch, console);
    result
}

/// Every step up to the report; the child is the caller's as soon as it runs.
async fn show(
    (args, environment): (&DemoArgs, &Environment),
    scratch: &TempDir,
    up: &mut Option<Up>,
    console: &mut Console,
) -> Result<()> {
    console.talk("Starting a shop of five services in a temporary directory");
    let since = Instant::now();
    let up = up.insert(child::start(&environment.executable, scratch.path(), args.runtime.flag())?);
    let ready = up.until_ready().await?;
    console.done(since, &format!("spur runs, with its API at {}", ready.api));
    let client = connect::connect_by(&ready.kubeconfig).await?;

    let program = fixtures::Program::of(args.runtime, &environment.executable);
    let shop = fixtures::shop(client.namespace(), &program, args.network)?;
    apply_all(&client, &shop).await?;
    let patience = Patience { timeout: READY_WITHIN, since };
    if let Err(error) = ready::until_ready(&client, &ready::awaited(&shop), patience, console).await {
        bail!(match error.downcast::<NotReady>() {
            Ok(not_ready) => ready::tell(&not_ready, console).into(),
            Err(error) => error,
        });
    }
    console.done(since, "the shop is ready");

    let forked = fixtures::sandbox(client.namespace())?;
    apply_all(&client, std::slice::from_ref(&forked)).await?;
    let name = meta::name(&forked.object);
    let target = (meta::namespace(&forked.object), name);
    let sandbox = sandbox::until_ready(&client, target, Deadline::after(SANDBOX_WITHIN)).await?;
    let key = meta::text(&sandbox, "/status/routingKey").to_owned();
    console.done(since, &format!("sandbox `{name}` forks pricing for requests with the key {key}"));

    let facts = Facts::read(&client).await?;
    let shop_front = ask::ShopFront::new(&ready.entry, meta::namespace(&forked.object))?;
    let without = shop_front.ask(&client, None).await?;
    let with = shop_front.ask(&client, Some(&key)).await?;
    console.done(since, "asked for the same cart without and with the key");
    let story = report::Story {
        url: shop_front.url(),
        preview: shop_front.preview(name),
        key: &key,
        sandbox: name,
        kubeconfig: facts.text("kubeconfig").map_or_else(|| ready.kubeconfig.clone(), PathBuf::from),
        without: &without,
        with: &with,
    };
    report::print(&story, console)?;
    Ok(report::check(&story)?)
}

async fn apply_all(client: &Client, manifests: &[Manifest]) -> Result<()> {
    for manifest in manifests {
        apply::apply(client, manifest, apply::How::default()).await?;
    }
    Ok(())
}

/// Ctrl-C is how a demo that stays ends well.
async fn until_told(signals: &mut Signals, up: Option<&mut Up>) -> Result<Exit> {
    let ended = async {
        match up {
            Some(up) => up.ended().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        ending = signals.next() => match ending {
            Ending::Interrupt => Ok(Exit::Success),
            Ending::Terminate => Ok(Exit::Terminated),
        },
        status = ended => {
            let failure = Failure::new(format!("spur ended by itself: {}", status?));
            bail!(failure.hint("`spur demo --keep` keeps its log").exit(Exit::EnvironmentFailed))
        }
    }
}

fn keep(args: &DemoArgs, scratch: TempDir, console: &mut Console) {
    if args.keep {
        console.talk(&format!("kept {}", scratch.keep().display()));
        return;
    }
    let path = scratch.path().to_owned();
    if let Err(error) = scratch.close() {
        console.talk(&format!("failed to remove `{}`: {error}", path.display()));
    }
}

/// Sorted manifests with the namespace put in, as `spur apply` would have them.
fn placed(mut manifests: Vec<Manifest>, namespace: &str) -> Result<Vec<Manifest>> {
    for manifest in &mut manifests {
        apply::place_in_namespace(manifest, None, namespace)?;
    }
    manifest::sort(&mut manifests);
    Ok(manifests)
}
