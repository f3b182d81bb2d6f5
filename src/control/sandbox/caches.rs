//! What the controller knows of the API, and which sandboxes each change wakes.
//!
//! Wakers may wake too often, never too seldom: a reconciliation that finds
//! nothing to do writes nothing.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use futures::stream::{BoxStream, SelectAll};
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::DeserializeGuard;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{ObjectRef, Store, reflector};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch_all};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use spur_api::labels;
use spur_api::sandbox::Sandbox;

use super::key;
use super::workload::WorkloadKind;

/// A sandbox as it is cached: one that cannot be read must not hide the others.
pub(super) type Guarded = DeserializeGuard<Sandbox>;

/// A reference to a sandbox that is to be reconciled.
pub(super) type Waking = ObjectRef<Guarded>;

/// The sandboxes to reconcile, as they come.
pub(super) type Queue = SelectAll<BoxStream<'static, Result<Waking, Infallible>>>;

/// The objects that matter, each as last seen.
#[derive(Clone)]
pub(super) struct Caches {
    pub(super) sandboxes: Store<Guarded>,
    /// Untyped, because whole objects are copied and compared.
    workloads: [(WorkloadKind, Store<DynamicObject>); WorkloadKind::ALL.len()],
    services: Store<DynamicObject>,
    /// Only those of sandboxes, and without their spec.
    pods: Store<DynamicObject>,
}

/// Begins to watch. The caches fill while the queue is polled.
pub(super) fn watch(client: &Client) -> (Caches, Queue) {
    let (sandboxes, sandbox_events) = cached::<Guarded>(Api::all(client.clone()), (), all());
    let mut workload_events = Vec::new();
    let workloads = WorkloadKind::ALL.map(|kind| {
        let (store, events) = untyped(client, kind.api_resource(), all());
        workload_events.push(events);
        (kind, store)
    });
    let (services, service_events) = untyped(client, ApiResource::erase::<Service>(&()), all());
    let of_sandboxes = all().labels(labels::SANDBOX);
    let (pods, pod_events) = untyped(client, ApiResource::erase::<Pod>(&()), of_sandboxes);
    let caches = Caches { sandboxes, workloads, services, pods };
    let mut queue = futures::stream::select_all([
        waking(&caches, sandbox_events, by_sandbox),
        waking(&caches, service_events, by_service),
        waking(&caches, pod_events, by_label),
    ]);
    queue.extend(workload_events.into_iter().map(|events| waking(&caches, events, by_workload)));
    (caches, queue)
}

fn all() -> watcher::Config {
    watcher::Config::default()
}

fn untyped(
    client: &Client,
    resource: ApiResource,
    config: watcher::Config,
) -> (Store<DynamicObject>, impl Stream<Item = Event<DynamicObject>> + Send + 'static) {
    cached(Api::all_with(client.clone(), &resource), resource, config)
}

/// A cache of the objects, and their events after the cache has taken them in.
fn cached<K>(
    api: Api<K>,
    dyntype: K::DynamicType,
    config: watcher::Config,
) -> (Store<K>, impl Stream<Item = Event<K>> + Send + 'static)
where
    K: Resource + Clone + Debug + DeserializeOwned + Slim + Send + Sync + 'static,
    K::DynamicType: Clone + Debug + Eq + Hash + Send + Sync,
{
    let writer = Writer::<K>::new(dyntype);
    let store = writer.as_reader();
    let events = watch_all(api, config).default_backoff().modify(Slim::slim);
    let events = reflector(writer, events).filter_map(|event| async {
        event.inspect_err(|error| tracing::warn!(%error, "failed to watch for sandboxes, trying again")).ok()
    });
    (store, events)
}

/// The sandboxes to wake for each event. After a list all are woken, because
/// what was deleted unseen is in no event.
fn waking<K: Send + 'static>(
    caches: &Caches,
    events: impl Stream<Item = Event<K>> + Send + 'static,
    of: fn(&Caches, &K) -> Vec<Waking>,
) -> BoxStream<'static, Result<Waking, Infallible>> {
    let caches = caches.clone();
    let woken = move |event| match event {
        Event::Apply(object) | Event::Delete(object) => of(&caches, &object),
        Event::InitDone => caches.all_sandboxes(|_| true),
        Event::Init | Event::InitApply(_) => Vec::new(),
    };
    events.flat_map(move |event| futures::stream::iter(woken(event).into_iter().map(Ok))).boxed()
}

/// The sandbox itself, and those that want the key that it has, had or asks for.
fn by_sandbox(caches: &Caches, changed: &Guarded) -> Vec<Waking> {
    let Ok(changed_sandbox) = &changed.0 else { return vec![ObjectRef::from_obj(changed)] };
    let key = key::wanted(changed_sandbox);
    let mut woken = caches.all_sandboxes(|other| {
        let status = other.status.as_ref();
        let is_waiting = status.is_none_or(|status| status.routing_key.is_none());
        is_waiting || key::wanted(other) == key
    });
    woken.push(ObjectRef::from_obj(changed));
    woken
}

/// The owner of a fork, or the sandboxes that fork the baseline.
fn by_workload(caches: &Caches, changed: &DynamicObject) -> Vec<Waking> {
    let mut woken = by_label(caches, changed);
    let (namespace, name) = (changed.namespace(), changed.name_any());
    woken.extend(caches.all_sandboxes(|sandbox| {
        sandbox.namespace() == namespace && sandbox.spec.forks.iter().any(|fork| fork.of.name == name)
    }));
    woken
}

/// The owner of a fork's Service, or all sandboxes of the namespace.
fn by_service(caches: &Caches, changed: &DynamicObject) -> Vec<Waking> {
    let namespace = changed.namespace();
    if changed.labels().contains_key(labels::FORK_OF_SERVICE) {
        return by_label(caches, changed);
    }
    let mut woken = by_label(caches, changed);
    woken.extend(caches.all_sandboxes(|sandbox| sandbox.namespace() == namespace));
    woken
}

/// The sandbox that the label or, where somebody took that off, the owner names.
fn by_label(caches: &Caches, changed: &DynamicObject) -> Vec<Waking> {
    let owners = changed.metadata.owner_references.iter().flatten();
    let owners = owners.filter(|owner| owner.kind == "Sandbox").map(|owner| &owner.name);
    let names: BTreeSet<&String> = changed.labels().get(labels::SANDBOX).into_iter().chain(owners).collect();
    let namespace = changed.namespace().unwrap_or_default();
    let named = names.into_iter().map(|name| ObjectRef::new(name).within(&namespace));
    named.filter(|sandbox| caches.sandboxes.get(sandbox).is_some()).collect()
}

// === impl Caches ===

impl Caches {
    /// Waits until everything was listed once: what is not known yet must not
    /// read as absent.
    pub(super) async fn are_filled(&self) -> Result<(), kube::runtime::reflector::store::WriterDropped> {
        self.sandboxes.wait_until_ready().await?;
        for (_, workloads) in &self.workloads {
            workloads.wait_until_ready().await?;
        }
        self.services.wait_until_ready().await?;
        self.pods.wait_until_ready().await
    }

    /// The workloads of a namespace that can be forked, by kind and name.
    pub(super) fn workloads(&self, namespace: &str) -> Vec<(WorkloadKind, Arc<DynamicObject>)> {
        let of_kind = |(kind, store): &(WorkloadKind, Store<DynamicObject>)| {
            let kind = *kind;
            within(store, namespace).into_iter().map(move |object| (kind, object))
        };
        self.workloads.iter().flat_map(of_kind).collect()
    }

    /// The Services of a namespace, by name.
    pub(super) fn services(&self, namespace: &str) -> Vec<Arc<DynamicObject>> {
        within(&self.services, namespace)
    }

    /// The pods of the sandboxes of a namespace, by name.
    pub(super) fn pods(&self, namespace: &str) -> Vec<Arc<DynamicObject>> {
        within(&self.pods, namespace)
    }

    fn all_sandboxes(&self, is_meant: impl Fn(&Sandbox) -> bool) -> Vec<Waking> {
        let all = self.sandboxes.state();
        let meant = all.iter().filter(|guarded| guarded.0.as_ref().is_ok_and(&is_meant));
        meant.map(|guarded| ObjectRef::from_obj(&**guarded)).collect()
    }
}

fn within(store: &Store<DynamicObject>, namespace: &str) -> Vec<Arc<DynamicObject>> {
    let mut objects = store.state_filter(|object| object.metadata.namespace.as_deref() == Some(namespace));
    objects.sort_by_key(|object| object.name_any());
    objects
}

/// What is kept of an object in a cache.
pub(super) trait Slim {
    /// Drops what nobody here reads.
    fn slim(&mut self);
}

// === impl Slim ===

impl Slim for Guarded {
    fn slim(&mut self) {}
}

impl Slim for DynamicObject {
    fn slim(&mut self) {
        self.metadata.managed_fields = None;
        let is_pod = self.types.as_ref().is_some_and(|types| types.kind == "Pod");
        if let (true, Some(data)) = (is_pod, self.data.as_object_mut()) {
            data.shift_remove("spec");
        }
    }
}
