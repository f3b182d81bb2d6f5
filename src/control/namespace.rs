//! Namespaces: each has its `default` ServiceAccount, and one that is deleted
//! is emptied before it goes.
//!
//! Source: `pkg/controller/namespace/deletion` and `pkg/controller/serviceaccount`.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Namespace, NamespaceCondition, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams,
    PostParams,
};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::watcher;
use kube::{Resource, ResourceExt};
use serde_json::json;
use spur_api::{Kind, REGISTRY, Scope};
use tokio_util::sync::CancellationToken;

use crate::run::{Context, Failure, retry};

/// How soon a namespace that is not empty yet is looked at again: pods end within
/// their grace, and nothing wakes this controller when the last one has.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Runs the controller until stopped.
pub(crate) async fn run(ctx: Arc<Context>, stop: CancellationToken) {
    let namespaces: Api<Namespace> = Api::all(ctx.client.clone());
    Controller::new(namespaces, watcher::Config::default())
        .graceful_shutdown_on(async move { stop.cancelled().await })
        .run(reconcile_namespace, retry, ctx)
        .for_each(|_| async {})
        .await;
}

async fn reconcile_namespace(namespace: Arc<Namespace>, ctx: Arc<Context>) -> Result<Action, Failure> {
    let name = namespace.name_any();
    if namespace.meta().deletion_timestamp.is_none() {
        ensure_service_account(&ctx, &name).await?;
        return Ok(Action::await_change());
    }
    let has_finalizer =
        namespace.spec.as_ref().and_then(|spec| spec.finalizers.as_ref()).is_some_and(|finalizers| {
            finalizers.iter().any(|one| one == spur_api::kinds::namespace::FINALIZER)
        });
    if !has_finalizer {
        return Ok(Action::await_change());
    }
    let mut left = Vec::new();
    for kind in REGISTRY.iter().filter(|kind| kind.scope == Scope::Namespaced) {
        let n_left = empty(&ctx, kind, &name).await?;
        if n_left > 0 {
            left.push(format!("{} has {n_left} resource instances", kind.resource()));
        }
    }
    if left.is_empty() {
        finalize(&ctx, &namespace).await?;
        return Ok(Action::await_change());
    }
    tell_what_is_left(&ctx, &namespace, &left).await?;
    Ok(Action::requeue(LOOK_AGAIN))
}

/// Asks for the deletion of every object of a kind; gives how many are left.
async fn empty(ctx: &Context, kind: &Kind, namespace: &str) -> Result<usize, Failure> {
    let api = api_of(ctx, kind, namespace);
    let all = api.list_metadata(&ListParams::default()).await?;
    if all.items.iter().any(|object| object.metadata.deletion_timestamp.is_none()) {
        api.delete_collection(&DeleteParams::background(), &ListParams::default()).await?;
        return Ok(api.list_metadata(&ListParams::default()).await?.items.len());
    }
    Ok(all.items.len())
}

fn api_of(ctx: &Context, kind: &Kind, namespace: &str) -> Api<DynamicObject> {
    let gvk = GroupVersionKind::gvk(kind.group, kind.version, kind.kind);
    let resource = ApiResource::from_gvk_with_plural(&gvk, kind.plural);
    Api::namespaced_with(ctx.client.clone(), namespace, &resource)
}

async fn finalize(ctx: &Context, namespace: &Namespace) -> Result<(), Failure> {
    let mut done = namespace.clone();
    let finalizers = done.spec.get_or_insert_default().finalizers.get_or_insert_default();
    finalizers.retain(|one| one != spur_api::kinds::namespace::FINALIZER);
    let namespaces: Api<Namespace> = Api::all(ctx.client.clone());
    let name = namespace.name_any();
    match namespaces.replace_subresource("finalize", &name, &PostParams::default(), &done).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        outcome => outcome.map(|_| ()).map_err(Failure::from),
    }
}

/// Says in the status what the deletion waits for, where that changed.
async fn tell_what_is_left(ctx: &Context, namespace: &Namespace, left: &[String]) -> Result<(), Failure> {
    let message = format!("Some resources are remaining: {}", left.join(", "));
    let status = namespace.status.clone().unwrap_or_default();
    let is_told =
        status.conditions.iter().flatten().any(|condition| condition.message.as_ref() == Some(&message));
    if is_told {
        return Ok(());
    }
    let condition = NamespaceCondition {
        type_: "NamespaceContentRemaining".to_owned(),
        status: "True".to_owned(),
        reason: Some("SomeResourcesRemain".to_owned()),
        message: Some(message),
        last_transition_time: Some(Time(jiff::Timestamp::now())),
    };
    let namespaces: Api<Namespace> = Api::all(ctx.client.clone());
    let patch = Patch::Merge(json!({"status": {"conditions": [condition]}}));
    match namespaces.patch_status(&namespace.name_any(), &PatchParams::default(), &patch).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        outcome => outcome.map(|_| ()).map_err(Failure::from),
    }
}

async fn ensure_service_account(ctx: &Context, namespace: &str) -> Result<(), Failure> {
    let accounts: Api<ServiceAccount> = Api::namespaced(ctx.client.clone(), namespace);
    let account = ServiceAccount {
        metadata: ObjectMeta { name: Some("default".to_owned()), ..ObjectMeta::default() },
        ..ServiceAccount::default()
    };
    match accounts.create(&PostParams::default(), &account).await {
        // There already, or the namespace is going or gone.
        Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404 | 409) => Ok(()),
        outcome => outcome.map(|_| ()).map_err(Failure::from),
    }
}
