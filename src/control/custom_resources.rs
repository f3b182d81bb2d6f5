//! A CustomResourceDefinition that is deleted takes its objects with it: they are deleted first,
//! and the definition goes when none is left.
//!
//! Source: `apiextensions-apiserver/pkg/controller/finalizer/crd_finalizer.go`.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionCondition,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::{Client, Resource, ResourceExt};
use serde_json::json;
use spur_api::kinds::apiextensions::CLEANUP;

use crate::cache;
use crate::drive::{self, Queue, Reconcile};
use crate::run::{Context, Failure, unless_gone};
use crate::served::Served;

/// When objects that have finalizers are looked at again; nothing wakes us when the last is gone.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Runs the controller; it never ends by itself.
pub(crate) async fn run(ctx: Arc<Context>) {
    let (definitions, news) = cache::watch::<CustomResourceDefinition>(Api::all(ctx.client.clone()));
    let store = definitions.store();
    let mut queue = Queue::new();
    queue.push(drive::itself(&store, news));
    drive::drive(Cleanup { client: ctx.client.clone() }, store, queue).await;
}

struct Cleanup {
    client: Client,
}

// === impl Cleanup ===

impl Reconcile<CustomResourceDefinition> for Cleanup {
    fn reconcile<'a>(
        &'a self,
        definition: &'a CustomResourceDefinition,
    ) -> BoxFuture<'a, Result<Action, Failure>> {
        self.reconcile_definition(definition).boxed()
    }
}

impl Cleanup {
    async fn reconcile_definition(&self, definition: &CustomResourceDefinition) -> Result<Action, Failure> {
        let is_ours = definition.finalizers().iter().any(|finalizer| finalizer == CLEANUP);
        if definition.meta().deletion_timestamp.is_none() || !is_ours {
            return Ok(Action::await_change());
        }
        // What was never served has no objects.
        let n_left = match Served::of(definition) {
            Some(kind) => self.empty(&kind).await?,
            None => 0,
        };
        if n_left > 0 {
            let what = format!("CustomResource deletion is in progress, {n_left} objects are left");
            self.tell(definition, "InstanceDeletionInProgress", &what).await?;
            return Ok(Action::requeue(LOOK_AGAIN));
        }
        self.finish(definition).await?;
        Ok(Action::await_change())
    }

    /// Asks for the deletion of every object, and says how many are left.
    async fn empty(&self, kind: &Served) -> Result<usize, Failure> {
        let everywhere: Api<DynamicObject> = Api::all_with(self.client.clone(), kind.resource());
        let found = everywhere.list_metadata(&ListParams::default()).await?;
        let staying = found.items.iter().filter(|object| object.metadata.deletion_timestamp.is_none());
        let mut namespaces: Vec<Option<String>> = staying.map(ResourceExt::namespace).collect();
        namespaces.sort();
        namespaces.dedup();
        for namespace in namespaces {
            let api: Api<DynamicObject> = match namespace {
                Some(namespace) => Api::namespaced_with(self.client.clone(), &namespace, kind.resource()),
                None => everywhere.clone(),
            };
            api.delete_collection(&DeleteParams::background(), &ListParams::default()).await?;
        }
        Ok(everywhere.list_metadata(&ListParams::default()).await?.items.len())
    }

    /// Says in the status what the deletion waits for, where that changed.
    async fn tell(
        &self,
        definition: &CustomResourceDefinition,
        reason: &str,
        message: &str,
    ) -> Result<(), Failure> {
        let status = definition.status.clone().unwrap_or_default();
        let mut conditions = status.conditions.unwrap_or_default();
        let known = conditions.iter().find(|condition| condition.type_ == "Terminating");
        if known.is_some_and(|known| known.message.as_deref() == Some(message)) {
            return Ok(());
        }
        let since = known.and_then(|known| known.last_transition_time.clone());
        conditions.retain(|condition| condition.type_ != "Terminating");
        conditions.push(CustomResourceDefinitionCondition {
            type_: "Terminating".to_owned(),
            status: "True".to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            last_transition_time: since.or_else(|| Some(Time(Timestamp::now()))),
            ..CustomResourceDefinitionCondition::default()
        });
        let patch = json!({"metadata": {"uid": definition.uid()}, "status": {"conditions": conditions}});
        let name = definition.name_any();
        unless_gone(
            self.definitions().patch_status(&name, &PatchParams::default(), &Patch::Merge(patch)).await,
        )
    }

    async fn finish(&self, definition: &CustomResourceDefinition) -> Result<(), Failure> {
        let kept: Vec<&String> = definition.finalizers().iter().filter(|one| *one != CLEANUP).collect();
        let patch = json!({"metadata": {
            "uid": definition.uid(),
            "resourceVersion": definition.resource_version(),
            "finalizers": kept,
        }});
        let name = definition.name_any();
        unless_gone(self.definitions().patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await)
    }

    fn definitions(&self) -> Api<CustomResourceDefinition> {
        Api::all(self.client.clone())
    }
}
