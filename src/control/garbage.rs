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

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::stream::{BoxStream, SelectAll, StreamExt};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DynamicObject};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use self::collect::Collector;
use self::graph::{Graph, Node};
use crate::metadata::Metadata;
use crate::run::Context;
use crate::served::Served;

/// How soon a failed step is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// Objects looked at together: their deletions share a commit of the store.
const TOGETHER: usize = 32;

/// Holds an owner until its dependents are gone.
const FOREGROUND: &str = "foregroundDeletion";
/// Holds an owner until its dependents have let go of it.
const ORPHAN: &str = "orphan";

type Object = Metadata<DynamicObject>;

/// What a watch tells.
enum Change {
    /// Of an object of a kind.
    Object(Served, Box<Result<watcher::Event<Object>, watcher::Error>>),
    /// Of a definition, which brings or takes a kind.
    Definition(Box<Result<watcher::Event<CustomResourceDefinition>, watcher::Error>>),
}

/// What is known, and what is still to be done.
struct Work {
    client: Client,
    graph: Graph,
    changes: SelectAll<BoxStream<'static, Change>>,
    /// The kinds that are watched, by name, and how to end each watch.
    watched: BTreeMap<String, (Served, CancellationToken)>,
    /// What was not listed yet: before all was, an owner may only seem to be missing.
    unlisted: BTreeSet<String>,
    /// What could not be done, and when it is tried again.
    failed: BTreeSet<String>,
    retry_at: Option<Instant>,
}

/// Stands in `unlisted` for the definitions, which may bring kinds that are not watched yet.
const DEFINITIONS: &str = "definitions";

/// Collects garbage until stopped.
pub(crate) async fn run(ctx: Arc<Context>, stop: CancellationToken) {
    let mut work = Work::new(ctx.client.clone());
    loop {
        while let Some(Some(change)) = work.changes.next().now_or_never() {
            work.take(change);
        }
        if work.is_due() {
            tokio::select! {
                () = stop.cancelled() => return,
                () = work.look_at_some() => {}
            }
            continue;
        }
        let retry_at = work.retry_at;
        tokio::select! {
            () = stop.cancelled() => return,
            Some(change) = work.changes.next() => work.take(change),
            () = sleep_until(retry_at.unwrap_or_else(Instant::now)), if retry_at.is_some() => work.retry(),
        }
    }
}

// === impl Work ===

impl Work {
    fn new(client: Client) -> Self {
        let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
        let definitions = watcher(definitions, watcher::Config::default()).default_backoff();
        let definitions = definitions.map(|change| Change::Definition(Box::new(change))).boxed();
        let mut work = Self {
            client,
            graph: Graph::default(),
            changes: SelectAll::from_iter([definitions]),
            watched: BTreeMap::new(),
            unlisted: BTreeSet::from([DEFINITIONS.to_owned()]),
            failed: BTreeSet::new(),
            retry_at: None,
        };
        Served::all_bundled().into_iter().for_each(|kind| work.follow(kind));
        work
    }

    /// Watches a kind, instead of the one of its name that was watched before.
    fn follow(&mut self, kind: Served) {
        if self.watched.get(&kind.name()).is_some_and(|(known, _)| *known == kind) {
            return;
        }
        let end = CancellationToken::new();
        let api: Api<Object> = Api::all_with(self.client.clone(), kind.resource());
        let (of, ended) = (kind.clone(), end.clone());
        let changes = watcher(api, watcher::Config::default()).default_backoff();
        let changes = changes.map(move |change| Change::Object(of.clone(), Box::new(change)));
        self.changes.push(changes.take_until(async move { ended.cancelled().await }).boxed());
        self.unlisted.insert(kind.name());
        if let Some((_, before)) = self.watched.insert(kind.name(), (kind, end)) {
            before.cancel();
        }
    }

    /// Ends the watch of a kind that is not served any more; its objects are gone.
    fn leave(&mut self, name: &str) {
        let Some((kind, end)) = self.watched.remove(name) else { return };
        end.cancel();
        self.unlisted.remove(name);
        self.graph.begin_list(&kind);
        self.graph.end_list(&kind);
        // A definition may have stood in the place of a bundled kind.
        Served::all_bundled()
            .into_iter()
            .filter(|kind| kind.name() == name)
            .for_each(|kind| self.follow(kind));
    }

    fn take(&mut self, change: Change) {
        match change {
            Change::Object(kind, change) => self.take_object(&kind, *change),
            Change::Definition(change) => self.take_definition(*change),
        }
    }

    fn take_definition(&mut self, change: Result<watcher::Event<CustomResourceDefinition>, watcher::Error>) {
        match change {
            Ok(watcher::Event::Apply(definition) | watcher::Event::InitApply(definition)) => {
                Served::of(&definition).into_iter().for_each(|kind| self.follow(kind));
            }
            Ok(watcher::Event::Delete(definition)) => self.leave(&definition.name_any()),
            Ok(watcher::Event::Init) => {}
            Ok(watcher::Event::InitDone) => drop(self.unlisted.remove(DEFINITIONS)),
            Err(error) => tracing::debug!(%error, "the watch of definitions broke and is opened again"),
        }
    }

    fn take_object(&mut self, kind: &Served, change: Result<watcher::Event<Object>, watcher::Error>) {
        match change {
            Ok(watcher::Event::Apply(object)) => self.graph.put(Node::of(kind, &object.metadata)),
            Ok(watcher::Event::Delete(object)) => {
                self.graph.remove(object.metadata.uid.as_deref().unwrap_or_default());
            }
            Ok(watcher::Event::Init) => self.graph.begin_list(kind),
            Ok(watcher::Event::InitApply(object)) => self.graph.put_listed(Node::of(kind, &object.metadata)),
            Ok(watcher::Event::InitDone) => {
                self.graph.end_list(kind);
                self.unlisted.remove(&kind.name());
            }
            Err(error) => {
                tracing::debug!(%error, kind = kind.name(), "a watch broke and is opened again");
            }
        }
    }

    fn is_due(&self) -> bool {
        self.unlisted.is_empty() && self.graph.is_anything_to_look_at()
    }

    async fn look_at_some(&mut self) {
        let kinds = self.watched.values().map(|(kind, _)| kind.clone()).collect();
        let collector = &Collector::new(self.client.clone(), kinds);
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
