//! Waits until a set of applied objects is ready, and tells what is not.
//!
//! ```text
//!  Snapshot::read ──► state::of(object) ──► Ready | Waiting(why)      (pure)
//!        ▲                     │
//!        └── again, until all are ready, or the time is up
//! ```
//!
//! After some silence the logs of what is not ready are streamed (`follow`);
//! at the end of the time each unready object is explained (`explain`).

mod explain;
mod follow;
mod snapshot;
mod state;

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Result, bail};
use spur_api::{Kind, meta};
use tokio::time::Instant;

use crate::client::Client;
use crate::console::Console;
use crate::error::{Exit, Failure};
use crate::facts::Facts;
use crate::kinds;
use crate::manifest::Manifest;
use crate::wait::{Deadline, TimeIsUp};

use follow::LogFollower;
use snapshot::Snapshot;
use state::State;

/// Between two looks. A look is six lists of one machine's objects; a sandbox
/// is to be ready within 200 ms, so this is what we may add to it.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The same once it has taken so long that a quarter of a second is nothing.
const LOOK_EVERY_LATER: Duration = Duration::from_millis(250);

/// Silence after which logs are streamed.
const SILENCE: Duration = Duration::from_secs(5);

/// How long to wait, and since when times are told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) timeout: Duration,
    pub(crate) since: std::time::Instant,
}

/// An object that has to become ready.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Awaited {
    pub(crate) kind: &'static str,
    pub(crate) namespace: String,
    pub(crate) name: String,
    shown: String,
}

/// An object that did not become ready, explained.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Unready {
    /// `deployment.apps/web`.
    pub(crate) name: String,
    /// Its namespace.
    pub(crate) namespace: String,
    /// Lines for people.
    pub(crate) report: Vec<String>,
}

/// The time was up.
#[derive(Debug, thiserror::Error)]
#[error("{} of {n_awaited} objects did not become ready within {after:?}", unready.len())]
pub(crate) struct NotReady {
    pub(crate) unready: Vec<Unready>,
    n_awaited: usize,
    after: Duration,
}

/// Those of the objects that can be ready: workloads, and Services of pods.
pub(crate) fn awaited(manifests: &[Manifest]) -> Vec<Awaited> {
    let can_be_ready = |kind: &Kind| {
        matches!(kind.kind, "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Pod" | "Service")
    };
    let awaited = manifests.iter().filter(|manifest| can_be_ready(manifest.kind)).map(|manifest| Awaited {
        kind: manifest.kind.kind,
        namespace: meta::namespace(&manifest.object).to_owned(),
        name: meta::name(&manifest.object).to_owned(),
        shown: kinds::named(manifest.kind, meta::name(&manifest.object)),
    });
    awaited.collect()
}

/// Waits; says each workload that becomes ready.
///
/// # Errors
/// [`NotReady`] when the time is up; anything else when the server fails.
pub(crate) async fn until_ready(
    client: &Client,
    awaited: &[Awaited],
    patience: Patience,
    console: &mut Console,
) -> Result<()> {
    let mut follower = LogFollower::new(client.clone());
    match Deadline::after(patience.timeout)
        .limit(watch(client, awaited, patience, (&mut follower, console)))
        .await
    {
        Ok(result) => result,
        Err(TimeIsUp { after }) => {
            let snapshot = Snapshot::read(client).await?;
            let unready = explain::all(client, awaited, &snapshot).await;
            if unready.is_empty() {
                // The last moment was enough.
                return Ok(());
            }
            bail!(NotReady { unready, n_awaited: awaited.len(), after })
        }
    }
}

async fn watch(
    client: &Client,
    awaited: &[Awaited],
    Patience { since, .. }: Patience,
    (follower, console): (&mut LogFollower, &mut Console),
) -> Result<()> {
    let mut told: HashSet<&Awaited> = HashSet::new();
    let mut last_news = Instant::now();
    let mut streams_logs = false;
    let mut next_look = Instant::now();
    loop {
        tokio::select! {
            line = follower.next() => console.talk(&line),
            () = tokio::time::sleep_until(next_look) => {
                let snapshot = Snapshot::read(client).await?;
                let mut waiting = Vec::new();
                for object in awaited {
                    match state::of(object, &snapshot) {
                        State::Waiting(why) => {
                            if told.remove(object) && object.kind != "Service" {
                                console.talk(&format!("           {} is not ready any longer: {why}", object.shown));
                            }
                            waiting.push(object);
                        }
                        State::Ready if !told.insert(object) || object.kind == "Service" => {}
                        State::Ready => {
                            last_news = Instant::now();
                            console.done(since, &format!("{} is ready", object.shown));
                        }
                    }
                }
                if waiting.is_empty() {
                    return until_routed(client, &snapshot).await;
                }
                if last_news.elapsed() >= SILENCE && !streams_logs {
                    streams_logs = true;
                    let names = names(&waiting);
                    console.talk(&format!("  … waiting for {names}; their logs:"));
                }
                if streams_logs {
                    follower.follow_only(snapshot.pods_of(&waiting));
                }
                next_look = Instant::now() + if streams_logs { LOOK_EVERY_LATER } else { LOOK_EVERY };
            }
        }
    }
}

/// The workloads; the Services only where nothing else is waited for.
fn names(waiting: &[&Awaited]) -> String {
    let workloads = waiting.iter().filter(|object| object.kind != "Service");
    let names: Vec<&str> = workloads.map(|object| object.shown.as_str()).collect();
    if names.is_empty() {
        return waiting.iter().map(|object| object.shown.as_str()).collect::<Vec<_>>().join(", ");
    }
    names.join(", ")
}

/// Endpoints that are ready now are routed to a moment later; waits for that
/// moment where the server tells how far its routes are.
async fn until_routed(client: &Client, snapshot: &Snapshot) -> Result<()> {
    let newest = snapshot.newest_slice_revision();
    loop {
        match Facts::read(client).await?.routes_revision() {
            Some(revision) if revision < newest => tokio::time::sleep(LOOK_EVERY).await,
            Some(_) | None => return Ok(()),
        }
    }
}

/// Says why objects are not ready, and makes the error a failed environment.
pub(crate) fn tell(not_ready: &NotReady, console: &mut Console) -> Failure {
    for Unready { name, namespace, report } in &not_ready.unready {
        let mark = console.talk_paint().red("✗");
        console.talk(&format!("  {mark} {name} in {namespace} is not ready"));
        for line in report {
            console.talk(&format!("      {line}"));
        }
    }
    Failure::new(not_ready.to_string()).hint("the reasons stand above").exit(Exit::EnvironmentFailed)
}
