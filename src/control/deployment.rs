//! Deployments: one ReplicaSet per pod template, rolled from old to new.
//!
//! What to do is decided in [`rollout`], a pure function; here it is read,
//! done and told.
//!
//! Source: `pkg/controller/deployment` (sync.go, rolling.go, recreate.go, progress.go).

mod rollout;
mod status;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, ReplicaSetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::watcher;
use kube::{Resource, ResourceExt};
use serde_json::json;
use spur_api::labels;
use tokio_util::sync::CancellationToken;

use crate::events::EventType;
use crate::owner;
use crate::run::{Context, Failure, retry};

/// Runs the controller until stopped.
pub(crate) async fn run(ctx: Arc<Context>, stop: CancellationToken) {
    let deployments: Api<Deployment> = Api::all(ctx.client.clone());
    let replica_sets: Api<ReplicaSet> = Api::all(ctx.client.clone());
    Controller::new(deployments, watcher::Config::default())
        .owns(replica_sets, watcher::Config::default())
        .graceful_shutdown_on(async move { stop.cancelled().await })
        .run(reconcile_deployment, retry, ctx)
        .for_each(|_| async {})
        .await;
}

async fn reconcile_deployment(deployment: Arc<Deployment>, ctx: Arc<Context>) -> Result<Action, Failure> {
    if deployment.meta().deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let namespace = deployment.namespace().unwrap_or_default();
    let replica_sets: Api<ReplicaSet> = Api::namespaced(ctx.client.clone(), &namespace);
    let mut owned = owned(&replica_sets, &deployment).await?;
    let spec = deployment.spec.as_ref().ok_or_else(|| Failure::plain("the deployment has no spec"))?;
    if spec.paused != Some(true) {
        ensure_current(&ctx, &replica_sets, &deployment, &mut owned).await?;
        let plan = rollout::plan(&deployment, &owned);
        for (name, replicas) in &plan.scales {
            scale(&replica_sets, name, *replicas).await?;
            let involved = deployment.object_ref(&());
            let message = format!("Scaled replica set {name} to {replicas}");
            ctx.events.record(&involved, EventType::Normal, "ScalingReplicaSet", &message).await;
        }
        for name in &plan.deletions {
            let outcome = replica_sets.delete(name, &DeleteParams::background()).await;
            outcome.map(|_| ()).or_else(unless_gone)?;
        }
    }
    let requeue = write_status(&ctx, &deployment, &owned).await?;
    Ok(requeue.map_or_else(Action::await_change, Action::requeue))
}

/// The ReplicaSets that the deployment controls, oldest first.
async fn owned(replica_sets: &Api<ReplicaSet>, deployment: &Deployment) -> Result<Vec<ReplicaSet>, Failure> {
    let uid = deployment.uid().unwrap_or_default();
    let mut owned: Vec<ReplicaSet> = replica_sets
        .list(&ListParams::default())
        .await?
        .into_iter()
        .filter(|set| owner::is_controlled_by(set.meta(), &uid))
        .collect();
    owned.sort_by_key(rollout::revision);
    Ok(owned)
}

/// Makes sure that the ReplicaSet of the current template is there and has the
/// highest revision.
async fn ensure_current(
    ctx: &Context,
    replica_sets: &Api<ReplicaSet>,
    deployment: &Deployment,
    owned: &mut Vec<ReplicaSet>,
) -> Result<(), Failure> {
    let highest_other = owned
        .iter()
        .filter(|set| !rollout::is_current(deployment, set))
        .map(rollout::revision)
        .max()
        .unwrap_or(0);
    match owned.iter().position(|set| rollout::is_current(deployment, set)) {
        Some(idx) if rollout::revision(&owned[idx]) > highest_other => {}
        // An old template is the current one again (`kubectl rollout undo`).
        Some(idx) => {
            let patch =
                json!({"metadata": {"annotations": {labels::REVISION: (highest_other + 1).to_string()}}});
            let name = owned[idx].name_any();
            owned[idx] = replica_sets.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        }
        None => {
            let set = replica_set(deployment, highest_other + 1)?;
            let created = replica_sets.create(&PostParams::default(), &set).await?;
            let involved = deployment.object_ref(&());
            let message = format!("Created replica set {}", created.name_any());
            ctx.events.record(&involved, EventType::Normal, "CreatedReplicaSet", &message).await;
            owned.push(created);
        }
    }
    owned.sort_by_key(rollout::revision);
    let revision = owned.last().map(rollout::revision).unwrap_or(1).to_string();
    if deployment.annotations().get(labels::REVISION) != Some(&revision) {
        let deployments: Api<Deployment> =
            Api::namespaced(ctx.client.clone(), &deployment.namespace().unwrap_or_default());
        let patch = json!({"metadata": {"annotations": {labels::REVISION: revision}}});
        deployments.patch(&deployment.name_any(), &PatchParams::default(), &Patch::Merge(patch)).await?;
    }
    Ok(())
}

/// A new ReplicaSet of the deployment's template, with no pods yet.
fn replica_set(deployment: &Deployment, revision: i64) -> Result<ReplicaSet, Failure> {
    let spec = deployment.spec.as_ref().ok_or_else(|| Failure::plain("the deployment has no spec"))?;
    let hash = owner::template_hash(&spec.template);
    let mut template = spec.template.clone();
    let template_labels = template.metadata.get_or_insert_default().labels.get_or_insert_default();
    template_labels.insert(labels::POD_TEMPLATE_HASH.to_owned(), hash.clone());
    let set_labels = template_labels.clone();
    let mut match_labels = spec.selector.match_labels.clone().unwrap_or_default();
    match_labels.insert(labels::POD_TEMPLATE_HASH.to_owned(), hash.clone());
    let annotations = BTreeMap::from([(labels::REVISION.to_owned(), revision.to_string())]);
    Ok(ReplicaSet {
        metadata: ObjectMeta {
            name: Some(owner::suffixed(&deployment.name_any(), &hash)),
            namespace: deployment.namespace(),
            labels: Some(set_labels),
            annotations: Some(annotations),
            owner_references: Some(vec![owner::controlled_by(deployment)]),
            ..ObjectMeta::default()
        },
        spec: Some(ReplicaSetSpec {
            replicas: Some(0),
            min_ready_seconds: spec.min_ready_seconds,
            selector: LabelSelector {
                match_labels: Some(match_labels),
                match_expressions: spec.selector.match_expressions.clone(),
            },
            template: Some(template),
        }),
        status: None,
    })
}

async fn scale(replica_sets: &Api<ReplicaSet>, name: &str, replicas: i32) -> Result<(), Failure> {
    let patch = json!({"spec": {"replicas": replicas}});
    replica_sets.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
    Ok(())
}

/// Writes the status where it changed; when progress is due, asks to be woken then.
async fn write_status(
    ctx: &Context,
    deployment: &Deployment,
    owned: &[ReplicaSet],
) -> Result<Option<Duration>, Failure> {
    let now = jiff::Timestamp::now();
    let status = status::of(deployment, owned, now);
    let requeue = status::deadline(deployment, &status, now);
    if deployment.status.as_ref() == Some(&status) {
        return Ok(requeue);
    }
    let deployments: Api<Deployment> =
        Api::namespaced(ctx.client.clone(), &deployment.namespace().unwrap_or_default());
    let patch = Patch::Merge(json!({"status": crate::run::with_nulls(deployment.status.as_ref(), &status)?}));
    let patched = deployments.patch_status(&deployment.name_any(), &PatchParams::default(), &patch).await;
    patched.map(|_| ()).or_else(unless_gone)?;
    Ok(requeue)
}

fn unless_gone(error: kube::Error) -> Result<(), Failure> {
    match error {
        kube::Error::Api(status) if status.code == 404 => Ok(()),
        error => Err(error.into()),
    }
}
