//! A controller to copy: it keeps a ConfigMap for every `Greeting`.
//!
//! ```text
//!   Greeting ──watch──► reconcile ──apply──► ConfigMap (owned), a line in the guest book (shared),
//!      ▲                    │                an event
//!      └──── status ────────┘
//! ```
//!
//! It asks for nothing of Spur's: it runs against any Kubernetes API that its kubeconfig leads to.
//!
//! ```sh
//! spur up &
//! export KUBECONFIG=$(spur kubeconfig --path)
//! cargo run -p spur-sdk --example controller
//! kubectl apply -f - <<EOF
//! apiVersion: example.spur.dev/v1
//! kind: Greeting
//! metadata: {name: ann}
//! spec: {who: Ann}
//! EOF
//! kubectl get greetings,configmaps,events
//! ```
//!
//! | module | what it shows |
//! |---|---|
//! | `greeting` | a kind of one's own: derived from a struct, defined by server-side apply |
//! | `reconcile` | apply, finalizer, owner reference, status, event |
//! | `lease` | one leader among many instances |

mod greeting;
mod lease;
mod reconcile;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::{Controller, watcher};
use kube::{Api, Client};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::greeting::Greeting;
use crate::lease::Candidate;
use crate::reconcile::{Context, MANAGER};

/// Keeps a ConfigMap for every Greeting.
#[derive(Debug, Parser)]
struct Args {
    /// What this instance is called in the lease and in events; no two may share it.
    #[arg(long, default_value_t = format!("{MANAGER}-{}", std::process::id()))]
    identity: String,
    /// The namespace of the lease.
    #[arg(long, default_value = "default")]
    lease_namespace: String,
    /// A leader that is not heard of for so long is replaced. 15 s is client-go's default.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..))]
    lease_seconds: u16,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Args { identity, lease_namespace, lease_seconds } = Args::parse();
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let stop = stop_on_signals()?;
    let client = Client::try_default().await.context("failed to find a Kubernetes API")?;
    greeting::define(&client).await?;

    let leases = Api::namespaced(client.clone(), &lease_namespace);
    let lease_time = Duration::from_secs(lease_seconds.into());
    let mut candidate = Candidate::new(leases, MANAGER, &identity, lease_time);
    tokio::select! {
        () = candidate.lead() => info!("`{identity}` leads"),
        () = stop.cancelled() => return Ok(()),
    }
    let ended = tokio::select! {
        () = reconcile_all(client, &identity, stop) => Ok(()),
        // Another instance may lead by now: whatever is half done here is left to it.
        why = candidate.keep() => Err(why),
    };
    match ended {
        Ok(()) => candidate.give_up().await.context("failed to give up the lease"),
        Err(why) => Err(why).with_context(|| format!("`{identity}` no longer leads")),
    }
}

/// Runs until it is to stop, and then to the end of what has begun.
async fn reconcile_all(client: Client, identity: &str, stop: CancellationToken) {
    // One watch gives all objects and then the changes, in place of pages of a list and a watch.
    let config = watcher::Config::default().streaming_lists();
    let reporter = Reporter { controller: MANAGER.to_owned(), instance: Some(identity.to_owned()) };
    let ctx = Context { client: client.clone(), recorder: Recorder::new(client.clone(), reporter) };
    Controller::new(Api::<Greeting>::all(client.clone()), config.clone())
        .owns(Api::<ConfigMap>::all(client), config)
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(reconcile::reconcile, reconcile::retry, Arc::new(ctx))
        .for_each(async |reconciled| match reconciled {
            Ok((greeting, _next)) => info!(%greeting, "reconciled `{}`", greeting.name),
            // A watch that broke off is taken up again where it ended; so is an object that failed.
            Err(error) => warn!("{error}"),
        })
        .await;
}

/// Is cancelled by SIGINT (a terminal's) or SIGTERM (a supervisor's).
fn stop_on_signals() -> std::io::Result<CancellationToken> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        stopping.cancel();
    });
    Ok(stop)
}
