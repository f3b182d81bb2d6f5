//! Garbage collection: an object whose owners are all gone goes too, and the
//! `foregroundDeletion` and `orphan` finalizers are honoured.
//!
//! A graph of owners is kept from watches of every kind's metadata. Before
//! anything is deleted the owner's absence is read from the API: the graph
//! only says where to look.
//!
//! Source: `pkg/controller/garbagecollector`.

mod graph;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{SelectAll, StreamExt};
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, PartialObjectMeta, Patch, PatchParams,
    Preconditions,
};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::json;
use spur_api::{Kind, REGISTRY, Scope, registry};
use tokio_util::sync::CancellationToken;

use self::graph::{Graph, Node, Step};
use crate::run::{Context, Failure};

/// How soon a failed step is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// Holds an owner until its dependents are gone.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";
/// Holds an owner until its dependents have let go of it.
pub(crate) const ORPHAN: &str = "orphan";

type Change = (&'static Kind, Result<watcher::Event<PartialObjectMeta<DynamicObject>>, watcher::Error>);

/// Collects garbage until stopped.
pub(crate) async fn run(ctx: Arc<Context>, stop: CancellationToken) {
    let mut changes: SelectAll<_> = REGISTRY.iter().map(|kind| watch(&ctx, kind).boxed()).collect();
    let mut graph = Graph::default();
    let mut failed: BTreeSet<String> = BTreeSet::new();
    let mut waiting = REGISTRY.len();
    loop {
        let retry = tokio::time::sleep(RETRY);
        tokio::select! {
            () = stop.cancelled() => return,
            Some((kind, change)) = changes.next() => {
                if matches!(change, Ok(watcher::Event::InitDone)) {
                    waiting = waiting.saturating_sub(1);
                }
                take(&mut graph, kind, change);
            }
            () = retry, if !failed.is_empty() => {
                std::mem::take(&mut failed).iter().for_each(|uid| graph.look_at(uid));
            }
        }
        // Before every kind was listed once, an owner may only seem to be missing.
        if waiting > 0 {
            continue;
        }
        while let Some(uid) = graph.next_to_look_at() {
            if let Err(error) = look_at(&ctx, &graph, &uid).await {
                tracing::debug!(%error, uid, "failed to collect, trying again");
                failed.insert(uid);
            }
        }
    }
}

fn watch(ctx: &Context, kind: &'static Kind) -> impl futures::Stream<Item = Change> + use<> {
    let api: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(ctx.client.clone(), &resource(kind));
    watcher(api, watcher::Config::default()).default_backoff().map(move |change| (kind, change))
}

fn take(
    graph: &mut Graph,
    kind: &'static Kind,
    change: Result<watcher::Event<PartialObjectMeta<DynamicObject>>, watcher::Error>,
) {
    match change {
        Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) => {
            graph.put(Node::of(kind, &object.metadata));
        }
        Ok(watcher::Event::Delete(object)) => {
            graph.remove(object.metadata.uid.as_deref().unwrap_or_default());
        }
        Ok(watcher::Event::Init | watcher::Event::InitDone) => {}
        Err(error) => tracing::debug!(%error, kind = kind.kind, "a watch broke and is opened again"),
    }
}

async fn look_at(ctx: &Context, graph: &Graph, uid: &str) -> Result<(), Failure> {
    let Some(node) = graph.node(uid) else { return Ok(()) };
    match graph.step(node) {
        Step::Nothing => Ok(()),
        Step::CheckOwners => delete_unless_owned(ctx, graph, node).await,
        Step::DeleteDependents(dependents) => {
            for dependent in dependents {
                delete(ctx, dependent, DeleteParams::foreground()).await?;
            }
            Ok(())
        }
        Step::ReleaseDependents(dependents) => {
            for dependent in dependents {
                release(ctx, dependent, &node.uid).await?;
            }
            remove_finalizer(ctx, node, ORPHAN).await
        }
        Step::Finish => remove_finalizer(ctx, node, FOREGROUND).await,
    }
}

/// Deletes the object when none of its owners is there.
async fn delete_unless_owned(ctx: &Context, graph: &Graph, node: &Node) -> Result<(), Failure> {
    for owner in &node.owners {
        if graph.node(&owner.uid).is_some() || exists(ctx, node, owner).await? {
            return Ok(());
        }
    }
    delete(ctx, node, DeleteParams::background()).await
}

async fn exists(ctx: &Context, node: &Node, owner: &graph::Owner) -> Result<bool, Failure> {
    let Some(kind) = registry::by_kind(&owner.api_version, &owner.kind) else {
        // What is not served here cannot be looked up: leave its dependents alone.
        return Ok(true);
    };
    let found = api_of(ctx, kind, &node.namespace).get_metadata_opt(&owner.name).await?;
    Ok(found.is_some_and(|found| found.metadata.uid.as_deref() == Some(&owner.uid)))
}

async fn delete(ctx: &Context, node: &Node, params: DeleteParams) -> Result<(), Failure> {
    let params = params.preconditions(Preconditions { uid: Some(node.uid.clone()), resource_version: None });
    unless_gone(api_of(ctx, node.kind, &node.namespace).delete(&node.name, &params).await)
}

async fn release(ctx: &Context, node: &Node, owner_uid: &str) -> Result<(), Failure> {
    let patch =
        json!({"metadata": {"uid": node.uid, "ownerReferences": [{"$patch": "delete", "uid": owner_uid}]}});
    let api = api_of(ctx, node.kind, &node.namespace);
    if node.kind.is_structural() {
        let kept: Vec<_> = node.raw_owners.iter().filter(|owner| owner.uid != owner_uid).collect();
        let patch = json!({"metadata": {"uid": node.uid, "ownerReferences": kept}});
        return unless_gone(
            api.patch_metadata(&node.name, &PatchParams::default(), &Patch::Merge(patch)).await,
        );
    }
    unless_gone(api.patch_metadata(&node.name, &PatchParams::default(), &Patch::Strategic(patch)).await)
}

async fn remove_finalizer(ctx: &Context, node: &Node, finalizer: &str) -> Result<(), Failure> {
    let kept: Vec<&String> = node.finalizers.iter().filter(|one| *one != finalizer).collect();
    let patch = json!({"metadata": {
        "uid": node.uid, "resourceVersion": node.resource_version, "finalizers": kept,
    }});
    let api = api_of(ctx, node.kind, &node.namespace);
    unless_gone(api.patch_metadata(&node.name, &PatchParams::default(), &Patch::Merge(patch)).await)
}

fn unless_gone<T>(outcome: Result<T, kube::Error>) -> Result<(), Failure> {
    match outcome {
        // Gone, or another object of the same name by now.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 409 && status.message.contains("UID") => Ok(()),
        outcome => outcome.map(|_| ()).map_err(Failure::from),
    }
}

fn resource(kind: &Kind) -> ApiResource {
    ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk(kind.group, kind.version, kind.kind),
        kind.plural,
    )
}

fn api_of(ctx: &Context, kind: &Kind, namespace: &str) -> Api<DynamicObject> {
    match kind.scope {
        Scope::Namespaced => Api::namespaced_with(ctx.client.clone(), namespace, &resource(kind)),
        Scope::Cluster => Api::all_with(ctx.client.clone(), &resource(kind)),
    }
}
