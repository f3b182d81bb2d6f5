//! Namespaces: each is given its first objects, and one that is deleted is emptied
//! before it goes.
//!
//! Source: `pkg/controller/namespace/deletion`.

mod given;
mod remaining;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, ServiceAccount};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Client, Resource, ResourceExt};
use serde_json::json;

use self::remaining::Remaining;
use crate::cache;
use crate::drive::{self, Queue, Reconcile};
use crate::metadata::Metadata;
use crate::run::{Context, Failure, unless_gone};
use crate::served::Served;

/// When a namespace that is not empty yet is looked at again: pods wake it, but nothing does
/// when the last finalizer goes. First after this, then after a tenth of the time gone so
/// far, so that a hanging finalizer costs little.
const LOOK_AGAIN_FIRST: Duration = Duration::from_millis(100);
/// The longest time between two looks: what a person waits after removing a finalizer.
const LOOK_AGAIN_MAX: Duration = Duration::from_secs(5);

/// Runs the controller; it never ends by itself.
pub(crate) async fn run(ctx: Arc<Context>) {
    let (namespaces, namespace_news) = cache::watch::<Namespace>(Api::all(ctx.client.clone()));
    let account_news = cache::metadata::<ServiceAccount>(Api::all(ctx.client.clone()), given::account());
    let map_news = cache::metadata::<ConfigMap>(Api::all(ctx.client.clone()), given::root_ca());
    let pod_news = cache::metadata::<Pod>(Api::all(ctx.client.clone()), watcher::Config::default());
    let store = namespaces.store();
    let mut queue = Queue::new();
    queue.push(drive::itself(&store, namespace_news));
    queue.push(drive::wakes(&store, account_news, given::namespace_of));
    queue.push(drive::wakes(&store, map_news, given::namespace_of));
    queue.push(drive::wakes(&store, pod_news, namespace_of_ending_pod));
    let controller = Namespaces { client: ctx.client.clone(), authority_pem: ctx.authority_pem.clone() };
    drive::drive(controller, store, queue).await;
}

struct Namespaces {
    client: Client,
    authority_pem: Arc<str>,
}

/// The namespace that may wait for a pod's end.
fn namespace_of_ending_pod(pod: &Metadata<Pod>) -> Vec<ObjectRef<Namespace>> {
    let is_ending = pod.meta().deletion_timestamp.is_some();
    pod.namespace().filter(|_| is_ending).map(|namespace| ObjectRef::new(&namespace)).into_iter().collect()
}

// === impl Namespaces ===

impl Reconcile<Namespace> for Namespaces {
    fn reconcile<'a>(&'a self, namespace: &'a Namespace) -> BoxFuture<'a, Result<Action, Failure>> {
        self.reconcile_namespace(namespace).boxed()
    }
}

impl Namespaces {
    async fn reconcile_namespace(&self, namespace: &Namespace) -> Result<Action, Failure> {
        let Some(deleted) = &namespace.meta().deletion_timestamp else {
            given::ensure(&self.client, &namespace.name_any(), &self.authority_pem).await?;
            return Ok(Action::await_change());
        };
        let finalizers = namespace.spec.as_ref().and_then(|spec| spec.finalizers.as_ref());
        if !finalizers.into_iter().flatten().any(|one| one == spur_api::kinds::namespace::FINALIZER) {
            return Ok(Action::await_change());
        }
        let mut remaining = Remaining::default();
        for kind in Served::all(&self.client).await?.iter().filter(|kind| kind.is_namespaced()) {
            self.empty(kind, &namespace.name_any(), &mut remaining).await?;
        }
        if remaining.is_empty() {
            self.finalize(namespace).await?;
            return Ok(Action::await_change());
        }
        self.tell_what_remains(namespace, &remaining).await?;
        let gone_so_far = Timestamp::now().duration_since(deleted.0);
        Ok(Action::requeue(look_again(Duration::try_from(gone_so_far).unwrap_or(Duration::ZERO))))
    }

    /// Asks for the deletion of every object of a kind, and notes what is left.
    async fn empty(&self, kind: &Served, namespace: &str, remaining: &mut Remaining) -> Result<(), Failure> {
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, kind.resource());
        let mut left = api.list_metadata(&ListParams::default()).await?;
        if left.items.iter().any(|object| object.metadata.deletion_timestamp.is_none()) {
            api.delete_collection(&DeleteParams::background(), &ListParams::default()).await?;
            left = api.list_metadata(&ListParams::default()).await?;
        }
        left.items.iter().for_each(|object| remaining.add(kind, &object.metadata));
        Ok(())
    }

    async fn finalize(&self, namespace: &Namespace) -> Result<(), Failure> {
        let mut done = namespace.clone();
        let finalizers = done.spec.get_or_insert_default().finalizers.get_or_insert_default();
        finalizers.retain(|one| one != spur_api::kinds::namespace::FINALIZER);
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let name = namespace.name_any();
        unless_gone(namespaces.replace_subresource("finalize", &name, &PostParams::default(), &done).await)
    }

    /// Says in the status what the deletion waits for, where that changed.
    async fn tell_what_remains(&self, namespace: &Namespace, remaining: &Remaining) -> Result<(), Failure> {
        let known = namespace.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or(&[]);
        let conditions = remaining.conditions(known, Timestamp::now());
        if conditions == known {
            return Ok(());
        }
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let patch = json!({"metadata": {"uid": namespace.uid()}, "status": {"conditions": conditions}});
        let params = PatchParams::default();
        unless_gone(namespaces.patch_status(&namespace.name_any(), &params, &Patch::Merge(patch)).await)
    }
}

fn look_again(gone_so_far: Duration) -> Duration {
    (gone_so_far / 10).clamp(LOOK_AGAIN_FIRST, LOOK_AGAIN_MAX)
}
