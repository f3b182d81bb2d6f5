//! Deployments: one ReplicaSet per pod template, rolled from old to new.
//!
//! What to do is decided in [`rollout`], a pure function; here it is read,
//! done and told. ReplicaSets are read from a cache that is waited for until it
//! holds what this controller has written.
//!
//! Source: `pkg/controller/deployment` (sync.go, rolling.go, recreate.go, progress.go).

mod current;
mod rollout;
mod status;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::runtime::controller::Action;
use kube::{Client, Resource, ResourceExt};
use serde_json::{Map, Value, json};
use spur_api::labels;

use self::rollout::Scale;
use crate::cache::{self, Cache};
use crate::claim::{self, Claimant};
use crate::drive::{self, Queue, Reconcile};
use crate::events::{EventType, Events};
use crate::run::{Context, Failure, unless_gone, with_nulls};

/// Runs the controller; it never ends by itself.
pub(crate) async fn run(ctx: Arc<Context>) {
    let (deployments, deployment_news) = cache::watch::<Deployment>(Api::all(ctx.client.clone()));
    let (sets, set_news) = cache::watch_of::<Deployment, ReplicaSet>(Api::all(ctx.client.clone()));
    let store = deployments.store();
    let known = store.clone();
    let mut queue = Queue::new();
    queue.push(drive::itself(&store, deployment_news));
    queue.push(drive::wakes(&store, set_news, move |set| claim::owners(&known, set.meta(), claimant)));
    let controller = Deployments { client: ctx.client.clone(), events: ctx.events.clone(), sets };
    drive::drive(controller, store, queue).await;
}

struct Deployments {
    client: Client,
    events: Events,
    sets: Cache<ReplicaSet>,
}

/// One reconciliation: the Deployment, the APIs of its namespace and its sets, oldest revision first.
struct Rollout<'a> {
    deployment: &'a Deployment,
    deployments: Api<Deployment>,
    sets_api: Api<ReplicaSet>,
    owned: Vec<Arc<ReplicaSet>>,
}

fn claimant(deployment: &Deployment) -> Result<Claimant, Failure> {
    let spec = deployment.spec.as_ref().ok_or_else(|| Failure::plain("the deployment has no spec"))?;
    Claimant::new(deployment.meta(), &spec.selector)
}

// === impl Deployments ===

impl Reconcile<Deployment> for Deployments {
    fn reconcile<'a>(&'a self, deployment: &'a Deployment) -> BoxFuture<'a, Result<Action, Failure>> {
        self.reconcile_deployment(deployment).boxed()
    }
}

impl Deployments {
    async fn reconcile_deployment(&self, deployment: &Deployment) -> Result<Action, Failure> {
        if deployment.meta().deletion_timestamp.is_some() {
            return Ok(Action::await_change());
        }
        self.sets.caught_up().await?;
        let mut rollout = self.read(deployment).await?;
        let is_paused = deployment.spec.as_ref().and_then(|spec| spec.paused) == Some(true);
        if is_paused {
            let scales = rollout::scale_paused(deployment, &rollout.owned);
            self.scale(&mut rollout, scales).await?;
        } else if let Some(scales) = rollout::scale_resized(deployment, &rollout.owned) {
            // The change of the sets wakes the Deployment, and the rollout goes on.
            self.scale(&mut rollout, scales).await?;
        } else {
            self.ensure_current(&mut rollout).await?;
            let plan = rollout::plan(deployment, &rollout.owned);
            self.scale(&mut rollout, plan.scales).await?;
            self.delete(&rollout, &plan.deletions).await?;
        }
        let requeue = self.write_status(&rollout).await?;
        Ok(requeue.map_or_else(Action::await_change, Action::requeue))
    }

    async fn read<'a>(&self, deployment: &'a Deployment) -> Result<Rollout<'a>, Failure> {
        let (claimant, namespace) = (claimant(deployment)?, deployment.namespace().unwrap_or_default());
        let sets_api: Api<ReplicaSet> = Api::namespaced(self.client.clone(), &namespace);
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), &namespace);
        let mut owned = claim::settled(&self.client, &self.sets, (deployment, &claimant), |_| true).await?;
        owned.sort_by_key(|set| rollout::revision(set));
        Ok(Rollout { deployment, deployments, sets_api, owned })
    }

    /// Makes sure that the set of the current template is there, has the highest revision and
    /// says what the Deployment says.
    async fn ensure_current(&self, rollout: &mut Rollout<'_>) -> Result<(), Failure> {
        let deployment = rollout.deployment;
        let current = current::index(deployment, &rollout.owned);
        let others = rollout.owned.iter().enumerate().filter(|(idx, _)| Some(*idx) != current);
        let highest_other = others.map(|(_, set)| rollout::revision(set)).max().unwrap_or(0);
        let revision = match current {
            Some(idx) => {
                // An old template may be the current one again (`kubectl rollout undo`).
                let revision = rollout::revision(&rollout.owned[idx]).max(highest_other + 1);
                if let Some(patch) = current::update(deployment, &rollout.owned[idx], revision) {
                    rollout.owned[idx] = self.patch(rollout, idx, patch).await?;
                }
                revision
            }
            None => {
                let revision = highest_other + 1;
                let created = self.create(rollout, revision).await?;
                rollout.owned.push(created);
                revision
            }
        };
        rollout.owned.sort_by_key(|set| rollout::revision(set));
        if deployment.annotations().get(labels::REVISION) != Some(&revision.to_string()) {
            let patch = json!({"metadata": {"uid": deployment.uid(), "annotations": {labels::REVISION: revision.to_string()}}});
            let (name, params) = (deployment.name_any(), PatchParams::default());
            rollout.deployments.patch(&name, &params, &Patch::Merge(patch)).await?;
        }
        Ok(())
    }

    /// Makes the set of the current template with its first pods.
    async fn create(&self, rollout: &Rollout<'_>, revision: i64) -> Result<Arc<ReplicaSet>, Failure> {
        let deployment = rollout.deployment;
        let replicas = rollout::first_replicas(deployment, &rollout.owned);
        let set = current::replica_set(deployment, revision, i32::try_from(replicas).unwrap_or(i32::MAX))?;
        let created = match rollout.sets_api.create(&PostParams::default(), &set).await {
            Ok(created) => created,
            Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => {
                // Another object has the name: the next try takes another.
                let n_collisions = current::n_collisions(deployment) + 1;
                let patch = json!({"metadata": {"uid": deployment.uid()}, "status": {"collisionCount": n_collisions}});
                let (name, params) = (deployment.name_any(), PatchParams::default());
                rollout.deployments.patch_status(&name, &params, &Patch::Merge(patch)).await?;
                return Err(kube::Error::Api(status).into());
            }
            Err(error) => return Err(error.into()),
        };
        self.sets.wrote(&created);
        if replicas > 0 {
            self.tell_scaled(deployment, &Scale { name: created.name_any(), from: 0, to: replicas }).await;
        }
        Ok(Arc::new(created))
    }

    async fn scale(&self, rollout: &mut Rollout<'_>, scales: Vec<Scale>) -> Result<(), Failure> {
        let size: Map<String, Value> = match &rollout.deployment.spec {
            Some(spec) => {
                rollout::size(spec).map(|(key, value)| (key.to_owned(), json!(value))).into_iter().collect()
            }
            None => Map::new(),
        };
        for scale in &scales {
            let Some(idx) = rollout.owned.iter().position(|set| set.name_any() == scale.name) else {
                continue;
            };
            let patch = json!({"metadata": {"annotations": size}, "spec": {"replicas": scale.to}});
            rollout.owned[idx] = self.patch(rollout, idx, patch).await?;
        }
        for scale in scales.iter().filter(|scale| scale.from != scale.to) {
            self.tell_scaled(rollout.deployment, scale).await;
        }
        Ok(())
    }

    /// Changes a set, unless it is another one by now.
    async fn patch(
        &self,
        rollout: &Rollout<'_>,
        idx: usize,
        mut patch: Value,
    ) -> Result<Arc<ReplicaSet>, Failure> {
        let set = &rollout.owned[idx];
        patch["metadata"]["uid"] = json!(set.uid());
        let (name, params) = (set.name_any(), PatchParams::default());
        let patched = rollout.sets_api.patch(&name, &params, &Patch::Merge(patch)).await?;
        self.sets.wrote(&patched);
        Ok(Arc::new(patched))
    }

    async fn delete(&self, rollout: &Rollout<'_>, names: &[String]) -> Result<(), Failure> {
        for set in rollout.owned.iter().filter(|set| names.contains(&set.name_any())) {
            let only_this = Preconditions { uid: set.uid(), resource_version: set.resource_version() };
            let params = DeleteParams::background().preconditions(only_this);
            unless_gone(rollout.sets_api.delete(&set.name_any(), &params).await)?;
            self.sets.deleted(set);
        }
        Ok(())
    }

    async fn tell_scaled(&self, deployment: &Deployment, scale: &Scale) {
        let Scale { name, from, to } = scale;
        let direction = if to > from { "up" } else { "down" };
        let message = format!("Scaled {direction} replica set {name} from {from} to {to}");
        let involved = deployment.object_ref(&());
        self.events.record(&involved, EventType::Normal, "ScalingReplicaSet", &message).await;
    }

    /// Writes the status where it changed; when progress is due, asks to be woken then.
    async fn write_status(&self, rollout: &Rollout<'_>) -> Result<Option<Duration>, Failure> {
        let (deployment, now) = (rollout.deployment, jiff::Timestamp::now());
        let status = status::of(deployment, &rollout.owned, now);
        let requeue = status::deadline(deployment, &status, now);
        if deployment.status.as_ref() != Some(&status) {
            let status = with_nulls(deployment.status.as_ref(), &status)?;
            let patch = Patch::Merge(json!({"metadata": {"uid": deployment.uid()}, "status": status}));
            let (name, params) = (deployment.name_any(), PatchParams::default());
            unless_gone(rollout.deployments.patch_status(&name, &params, &patch).await)?;
        }
        Ok(requeue)
    }
}
