//! Keeps the routing table what Services, EndpointSlices, Sandboxes, Secrets and Istio's objects say.
//!
//! ```text
//!  watches ────────► FragmentCache ──► table (swapped whole) ──► published_tx
//!  names' addresses ─┘     └─ the names that ServiceEntries give endpoints by ──► Names
//! ```
//!
//! A change is compiled as soon as it is seen, together with whatever else has
//! arrived by then: no timer, so that a lone change waits for nothing and a
//! burst costs few tables. What the table means is left to `compile`.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;

use arc_swap::ArcSwap;
use futures::stream::{BoxStream, SelectAll};
use futures::{FutureExt, StreamExt};
use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::Api;
use kube::core::DeserializeGuard;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch_all};
use kube::{Client, ResourceExt};
use spur_api::sandbox::Sandbox;
use spur_net::{Names, Resolved};
use spur_route::RoutingTable;
use tokio::sync::{mpsc, watch};

use crate::run::Parts;
use spur_compile::{
    DestinationRule, FragmentCache, Gateway, Istio, ServiceEntry, Source, SourceKind, VirtualService,
};

/// Changes that one table is made from. 1,000: under endless change a table is
/// still published again and again.
const BATCH_MAX: usize = 1_000;

/// Objects of each kind that one page of a list holds (client-go's page size is
/// 500; in process a page costs no round trip, so pages only bound memory).
const PAGE_SIZE: u32 = 2_000;

/// Runs until `parts.stop` is cancelled.
///
/// routes -- the revision of each table after it is in `parts.table` --> the sandbox controller
pub(crate) async fn run(parts: Parts, published_tx: watch::Sender<u64>) {
    let cache = FragmentCache::default().with_entry_port(parts.entry_port);
    let keeping = keep(cache, &parts.client, parts.table, published_tx);
    tokio::select! {
        () = parts.stop.cancelled() => {}
        () = keeping => {}
    }
}

/// Keeps the table for as long as it is polled.
pub(crate) async fn keep(
    cache: FragmentCache,
    client: &Client,
    table: Arc<ArcSwap<RoutingTable>>,
    published_tx: watch::Sender<u64>,
) {
    let (names, resolved_rx) = Names::new();
    let mut changes = changes(client);
    changes.push(resolutions(resolved_rx));
    Keeper { cache, listed: HashSet::new(), names, table, published_tx }.follow(changes).await;
}

/// A change to the cache, whose answer says whether the table may be another.
type Change = Box<dyn FnOnce(&mut FragmentCache) -> Effect + Send>;

/// Whether a list was refused because there is no such kind.
fn is_not_found(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status)) => status.code == 404,
        _ => false,
    }
}

/// What a change comes to.
enum Effect {
    /// Nothing that routing knows of.
    None,
    /// The table may be another.
    Table,
    /// All objects of the kind are known.
    Listed(SourceKind),
}

struct Keeper {
    cache: FragmentCache,
    /// The kinds of which all objects are known.
    listed: HashSet<SourceKind>,
    /// The names whose addresses are endpoints.
    names: Names,
    table: Arc<ArcSwap<RoutingTable>>,
    published_tx: watch::Sender<u64>,
}

/// The changes of all kinds, merged.
fn changes(client: &Client) -> SelectAll<BoxStream<'static, Change>> {
    futures::stream::select_all([
        changes_of::<Service>(client),
        changes_of::<EndpointSlice>(client),
        changes_of::<Pod>(client),
        changes_of::<Secret>(client),
        changes_of::<Sandbox>(client),
        changes_of::<Istio<VirtualService>>(client),
        changes_of::<Istio<DestinationRule>>(client),
        changes_of::<Istio<Gateway>>(client),
        changes_of::<Istio<ServiceEntry>>(client),
    ])
}

/// What becomes of names.
fn resolutions(resolved_rx: mpsc::Receiver<Resolved>) -> BoxStream<'static, Change> {
    let news = futures::stream::unfold(resolved_rx, |mut resolved_rx| async {
        let Resolved { name, addresses } = resolved_rx.recv().await?;
        let change: Change = Box::new(move |cache| match cache.resolve(&name, addresses) {
            true => Effect::Table,
            false => Effect::None,
        });
        Some((change, resolved_rx))
    });
    news.boxed()
}

/// One object that cannot be read must not hide the others, hence the guard.
fn changes_of<K>(client: &Client) -> BoxStream<'static, Change>
where
    K: Source + Clone + Debug + Send + 'static,
{
    let objects: Api<DeserializeGuard<K>> = Api::all(client.clone());
    watch_all(objects, watcher::Config::default().page_size(PAGE_SIZE))
        .default_backoff()
        .filter_map(|event| async {
            match event {
                Ok(event) => Some(change(event)),
                // The user's own definition of the kind does not have our version.
                Err(error) if is_not_found(&error) => {
                    let nothing: Change = Box::new(|_| Effect::Listed(K::KIND));
                    Some(nothing)
                }
                Err(error) => {
                    tracing::warn!(kind = ?K::KIND, %error, "failed to watch for routes, trying again");
                    None
                }
            }
        })
        .boxed()
}

fn change<K: Source + Clone + Debug + Send + 'static>(event: Event<DeserializeGuard<K>>) -> Change {
    Box::new(move |cache| {
        let may_change = match event {
            Event::Init => {
                cache.begin_list(K::KIND);
                false
            }
            Event::InitDone => {
                cache.end_list(K::KIND);
                return Effect::Listed(K::KIND);
            }
            Event::Apply(DeserializeGuard(Ok(object))) | Event::InitApply(DeserializeGuard(Ok(object))) => {
                cache.apply(&object)
            }
            Event::Apply(object) | Event::InitApply(object) => {
                tell_unreadable::<K>(&object);
                cache.remove::<K>(&object)
            }
            Event::Delete(object) => cache.remove::<K>(&object),
        };
        if may_change { Effect::Table } else { Effect::None }
    })
}

fn tell_unreadable<K: Source>(object: &DeserializeGuard<K>) {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let error = object.0.as_ref().err().map(ToString::to_string).unwrap_or_default();
    tracing::warn!(kind = ?K::KIND, namespace, name, error, "left an unreadable object out of the routing table");
}

// === impl Keeper ===

impl Keeper {
    async fn follow(mut self, mut changes: SelectAll<BoxStream<'static, Change>>) {
        while let Some(is_due) = self.take_batch(&mut changes).await {
            if is_due && self.knows_all() {
                self.publish();
                self.names.keep(&self.cache.names());
            }
        }
    }

    /// Waits for a change and takes it with all that have arrived; whether a new table is due.
    async fn take_batch(&mut self, changes: &mut SelectAll<BoxStream<'static, Change>>) -> Option<bool> {
        let mut is_due = self.take(changes.next().await?);
        for _ in 1..BATCH_MAX {
            let Some(Some(change)) = changes.next().now_or_never() else { break };
            is_due |= self.take(change);
        }
        Some(is_due)
    }

    /// Whether a new table is due.
    fn take(&mut self, change: Change) -> bool {
        match change(&mut self.cache) {
            Effect::None => false,
            Effect::Table => true,
            Effect::Listed(kind) => {
                self.listed.insert(kind);
                true
            }
        }
    }

    /// Until every kind was listed once, a table would send keyed requests to the baseline.
    fn knows_all(&self) -> bool {
        self.listed.len() == SourceKind::ALL.len()
    }

    fn publish(&mut self) {
        let table = self.cache.table();
        let revision = table.revision();
        self.table.store(table);
        self.published_tx.send_replace(revision);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;
    use serde_json::{Value, json};

    fn service(name: &str, revision: u64) -> DeserializeGuard<Service> {
        let service = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"namespace": "shop", "name": name, "uid": name, "resourceVersion": revision.to_string()},
            "spec": {"ports": [{"port": 80}]},
        });
        guarded(service)
    }

    fn guarded(object: Value) -> DeserializeGuard<Service> {
        serde_json::from_value(object).expect("the guard takes everything with metadata")
    }

    fn listed<K: Source + Clone + Debug + Send + 'static>(
        objects: impl IntoIterator<Item = DeserializeGuard<K>>,
    ) -> Vec<Change> {
        let applied = objects.into_iter().map(Event::InitApply);
        std::iter::once(Event::Init).chain(applied).chain([Event::InitDone]).map(change).collect()
    }

    fn nothing() -> Vec<Change> {
        let mut changes = listed::<EndpointSlice>([]);
        changes.extend(listed::<Pod>([]));
        changes.extend(listed::<Secret>([]));
        changes.extend(listed::<Sandbox>([]));
        changes.extend(listed::<Istio<VirtualService>>([]));
        changes.extend(listed::<Istio<DestinationRule>>([]));
        changes.extend(listed::<Istio<Gateway>>([]));
        changes.extend(listed::<Istio<ServiceEntry>>([]));
        changes
    }

    fn keeper() -> Keeper {
        let (table, (published_tx, _)) = (Arc::default(), watch::channel(0));
        let names = Names::new().0;
        Keeper { cache: FragmentCache::default(), listed: HashSet::new(), names, table, published_tx }
    }

    fn at_once(changes: Vec<Change>) -> SelectAll<BoxStream<'static, Change>> {
        stream::select_all([stream::iter(changes).boxed()])
    }

    /// The table after these changes.
    async fn kept(changes: Vec<Change>) -> Arc<RoutingTable> {
        let keeper = keeper();
        let table = keeper.table.clone();
        keeper.follow(at_once(changes)).await;
        table.load_full()
    }

    #[tokio::test]
    async fn nothing_is_published_until_every_kind_is_known() {
        let table = kept(listed([service("cart", 5)])).await;
        assert_eq!(*table, RoutingTable::default());
    }

    #[tokio::test]
    async fn what_arrives_at_once_makes_one_table_of_the_highest_revision() {
        let mut changes = listed([service("cart", 5)]);
        changes.extend(nothing());
        changes.extend((6..200).map(|revision| change(Event::Apply(service("cart", revision)))));
        changes.push(change(Event::Delete(service("cart", 200))));
        changes.push(change(Event::Apply(service("prices", 201))));
        let mut keeper = keeper();
        let mut changes = at_once(changes);
        assert_eq!(keeper.take_batch(&mut changes).await, Some(true));
        assert_eq!(keeper.take_batch(&mut changes).await, None);
        keeper.publish();
        let table = keeper.table.load();
        assert_eq!(table.revision(), 201);
        assert!(table.service_port("shop", "cart", 80).is_none());
        assert!(table.service_port("shop", "prices", 80).is_some());
    }

    #[tokio::test]
    async fn an_unreadable_object_hides_no_other() {
        let mut bad = json!({"metadata": {"namespace": "shop", "name": "bad", "resourceVersion": "7"}});
        bad["spec"] = json!({"ports": [null]});
        let bad = guarded(bad);
        assert!(bad.0.is_err());
        let mut changes = listed([service("bad", 5), service("cart", 6)]);
        changes.extend(nothing());
        changes.push(change(Event::Apply(bad)));
        let table = kept(changes).await;
        assert!(table.service_port("shop", "cart", 80).is_some());
        assert!(table.service_port("shop", "bad", 80).is_none());
    }

    #[tokio::test]
    async fn what_a_second_list_does_not_hold_is_gone() {
        let mut changes = listed([service("cart", 5), service("prices", 6)]);
        changes.extend(nothing());
        changes.extend(listed([service("prices", 6)]));
        let table = kept(changes).await;
        assert!(table.service_port("shop", "cart", 80).is_none());
        assert!(table.service_port("shop", "prices", 80).is_some());
    }
}
