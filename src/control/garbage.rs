//! Garbage collection: an object whose owners are all gone goes too, and the
//! `foregroundDeletion` and `orphan` finalizers are honoured.
//!
//! ```text
//!  watches of every kind's metadata ──► graph (who owns whom) ──► objects to look at
//!                                                                   │ collect: reads the
//!                       deletions, finalizers ◄─────────────────────┘ API, then acts
//! ```
//!
//! The graph only says where to look: before anything is done, the object and
//! its owners are read from the API, since a watch of one kind may be behind
//! that of another.
//!
//! Source: `pkg/controller/garbagecollector`.

mod collect;
mod graph;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{SelectAll, StreamExt};
use futures::{FutureExt, Stream};
use kube::api::{Api, DynamicObject, PartialObjectMeta};
use kube::runtime::{WatchStreamExt, watcher};
use spur_api::{Kind, registry};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use self::collect::Collector;
use self::graph::{Graph, Node};
use crate::run::Context;

/// How soon a failed step is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// Objects looked at together: their deletions share a commit of the store.
const TOGETHER: usize = 32;

/// Holds an owner until its dependents are gone.
const FOREGROUND: &str = "foregroundDeletion";
/// Holds an owner until its dependents have let go of it.
const ORPHAN: &str = "orphan";

type Object = PartialObjectMeta<DynamicObject>;
type Change = (&'static Kind, Result<watcher::Event<Object>, watcher::Error>);

/// What is known, and what is still to be done.
struct Work {
    graph: Graph,
    /// Kinds that were not listed yet: before all were, an owner may only seem to be missing.
    unlisted: BTreeSet<String>,
    /// What could not be done, and when it is tried again.
    failed: BTreeSet<String>,
    retry_at: Option<Instant>,
}

/// Collects garbage until stopped.
pub(crate) async fn run(ctx: Arc<Context>, stop: CancellationToken) {
    let mut changes: SelectAll<_> = registry::stored().map(|kind| watch(&ctx, kind).boxed()).collect();
    let collector = Collector::new(ctx.client.clone());
    let mut work = Work::new();
    loop {
        while let Some(Some((kind, change))) = changes.next().now_or_never() {
            work.take(kind, change);
        }
        if work.is_due() {
            tokio::select! {
                () = stop.cancelled() => return,
                () = work.look_at_some(&collector) => {}
            }
            continue;
        }
        let retry_at = work.retry_at;
        tokio::select! {
            () = stop.cancelled() => return,
            Some((kind, change)) = changes.next() => work.take(kind, change),
            () = sleep_until(retry_at.unwrap_or_else(Instant::now)), if retry_at.is_some() => work.retry(),
        }
    }
}

fn watch(ctx: &Context, kind: &'static Kind) -> impl Stream<Item = Change> + use<> {
    let api: Api<Object> = Api::all_with(ctx.client.clone(), &collect::resource(kind));
    watcher(api, watcher::Config::default()).default_backoff().map(move |change| (kind, change))
}

// === impl Work ===

impl Work {
    fn new() -> Self {
        let unlisted = registry::stored().map(Kind::resource).collect();
        Self { graph: Graph::default(), unlisted, failed: BTreeSet::new(), retry_at: None }
    }

    fn take(&mut self, kind: &'static Kind, change: Result<watcher::Event<Object>, watcher::Error>) {
        match change {
            Ok(watcher::Event::Apply(object)) => self.graph.put(Node::of(kind, &object.metadata)),
            Ok(watcher::Event::Delete(object)) => {
                self.graph.remove(object.metadata.uid.as_deref().unwrap_or_default());
            }
            Ok(watcher::Event::Init) => self.graph.begin_list(kind),
            Ok(watcher::Event::InitApply(object)) => self.graph.put_listed(Node::of(kind, &object.metadata)),
            Ok(watcher::Event::InitDone) => {
                self.graph.end_list(kind);
                self.unlisted.remove(&kind.resource());
            }
            Err(error) => tracing::debug!(%error, kind = kind.kind, "a watch broke and is opened again"),
        }
    }

    fn is_due(&self) -> bool {
        self.unlisted.is_empty() && self.graph.is_anything_to_look_at()
    }

    async fn look_at_some(&mut self, collector: &Collector) {
        let uids: Vec<String> = std::iter::from_fn(|| self.graph.next_to_look_at()).take(TOGETHER).collect();
        let graph = &self.graph;
        let looks = uids.into_iter().map(|uid| async move {
            let outcome = collector.look_at(graph, &uid).await;
            outcome.err().map(|error| (uid, error))
        });
        for (uid, error) in futures::future::join_all(looks).await.into_iter().flatten() {
            tracing::debug!(%error, uid, "failed to collect, trying again");
            self.failed.insert(uid);
            self.retry_at.get_or_insert_with(|| Instant::now() + RETRY);
        }
    }

    fn retry(&mut self) {
        self.retry_at = None;
        std::mem::take(&mut self.failed).iter().for_each(|uid| self.graph.look_at(uid));
    }
}
