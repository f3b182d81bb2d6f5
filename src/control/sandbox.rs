//! Sandboxes: from changes to running forks that get the requests with the key.
//!
//! ```text
//!  Sandbox ─┐                ┌─► Services, workloads (ensure)
//!  baseline ┼─► plan (pure) ─┤
//!  caches ──┘                └─► observe ─► routed? ─► status, events
//! ```
//!
//! A fork's workload is run, and its Services get their slices, by the same
//! controllers as everything else; routing follows by `compile`. What a sandbox
//! owns goes with it by owner reference. A sandbox is ready when the routing
//! table that the proxy uses holds its forks, and not before.

mod caches;
mod ensure;
mod env;
mod fork;
mod fork_service;
mod key;
mod lifetime;
mod make;
mod names;
mod observe;
mod plan;
mod preview;
mod reconcile;
mod report;
mod routed;
mod status;
mod workload;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::StreamExt;
use jiff::Timestamp;
use kube::runtime::controller::{self, Action};
use kube::runtime::reflector::ObjectRef;
use kube::{Client, ResourceExt};
use spur_route::RoutingTable;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::events::Events;
use crate::run::{Failure, Parts};
use caches::{Caches, Guarded, Waking};
use routed::Routed;

/// Reconciliations at a time: each waits for a few writes, and 32 of them fill
/// one group commit of the store.
const CONCURRENCY: u16 = 32;

/// The wait after a first failure; it doubles with each further one.
const RETRY_FIRST: Duration = Duration::from_millis(100);
/// The longest wait after failures, as long as a person watches a status line.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// Sandboxes whose failures are counted; beyond it all counts begin anew.
const FAILING_MAX: usize = 10_000;

/// Runs the controller until `parts.stop` is cancelled.
///
/// routes -- the revision of each table after it is in `parts.table` --> this controller
pub(crate) async fn run(parts: Parts, events: Events, published_rx: watch::Receiver<u64>) {
    let Parts { client, table, entry_port, stop, .. } = parts;
    let controller = Controller { client, table, entry_port, events, now: Arc::new(Timestamp::now), stop };
    controller.run(published_rx).await;
}

/// What time it is.
type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What the controller is built from.
struct Controller {
    client: Client,
    table: Arc<ArcSwap<RoutingTable>>,
    /// The port of the entry listener, for preview addresses.
    entry_port: u16,
    events: Events,
    now: Clock,
    stop: CancellationToken,
}

/// What every reconciliation works with.
struct Context {
    client: Client,
    events: Events,
    caches: Caches,
    routed: Routed,
    entry_port: u16,
    now: Clock,
    /// Guards how often in a row each sandbox has failed.
    failures: Mutex<HashMap<Waking, u32>>,
}

// === impl Controller ===

impl Controller {
    async fn run(self, published_rx: watch::Receiver<u64>) {
        let Self { client, table, entry_port, events, now, stop } = self;
        let (caches, mut queue) = caches::watch(&client);
        let (routed, failures) = (Routed::new(table), Mutex::default());
        let ctx = Arc::new(Context { client, events, caches, routed, entry_port, now, failures });
        queue.push(woken_by_tables(ctx.clone(), published_rx).boxed());
        let store = ctx.caches.sandboxes.clone();
        let queue = queue.take_until(stop.cancelled_owned());
        let config = controller::Config::default().concurrency(CONCURRENCY);
        let reconcile = |sandbox, ctx| Box::pin(reconcile::reconcile(sandbox, ctx));
        // An error is a failure that `retry` has told of, or a sandbox that is gone.
        controller::applier(reconcile, retry, ctx, store, queue, config).for_each(|_| async {}).await;
    }
}

/// The sandboxes for which each published table is news.
fn woken_by_tables(
    ctx: Arc<Context>,
    published_rx: watch::Receiver<u64>,
) -> impl futures::Stream<Item = Result<Waking, std::convert::Infallible>> + Send {
    let batches = futures::stream::unfold((ctx, published_rx), |(ctx, mut published_rx)| async move {
        published_rx.changed().await.ok()?;
        let woken = ctx.routed.changed(&ctx.caches.sandboxes);
        Some((woken, (ctx, published_rx)))
    });
    batches.flat_map(|woken| futures::stream::iter(woken.into_iter().map(Ok)))
}

fn retry(sandbox: Arc<Guarded>, error: &Failure, ctx: Arc<Context>) -> Action {
    let wait = ctx.failed(ObjectRef::from_obj(&*sandbox));
    let (namespace, name) = (sandbox.namespace().unwrap_or_default(), sandbox.name_any());
    tracing::warn!(sandbox.namespace = namespace, sandbox.name = name, %error, "failed to reconcile a sandbox, trying again");
    Action::requeue(wait)
}

// === impl Context ===

impl Context {
    /// Counts a failure, and says how long to wait.
    fn failed(&self, sandbox: Waking) -> Duration {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= FAILING_MAX {
            failures.clear();
        }
        let n_failures = failures.entry(sandbox).or_default();
        let wait = RETRY_FIRST.saturating_mul(2_u32.saturating_pow(*n_failures)).min(RETRY_MAX);
        *n_failures += 1;
        wait
    }

    fn succeeded(&self, sandbox: &Waking) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(sandbox);
    }
}
