//! ReplicaSets: so many pods of one template.
//!
//! Source: `pkg/controller/replicaset/replica_set.go`.

mod status;

pub(crate) use status::REPLICA_FAILURE;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::{Client, Resource, ResourceExt};
use serde_json::json;

use self::status::Failed;
use crate::cache;
use crate::claim::{self, Claimant};
use crate::drive::{self, Queue, Reconcile};
use crate::pods::{self, BURST, Pods};
use crate::run::{Context, Failure, unless_gone, with_nulls};
use crate::surplus::surplus;

/// Runs the controller; it never ends by itself.
pub(crate) async fn run(ctx: Arc<Context>) {
    let (sets, set_news) = cache::watch::<ReplicaSet>(Api::all(ctx.client.clone()));
    let (pods, pod_news) = pods::watch::<ReplicaSet>(&ctx);
    let store = sets.store();
    let known = store.clone();
    let mut queue = Queue::new();
    queue.push(drive::itself(&store, set_news));
    queue.push(drive::wakes(&store, pod_news, move |pod| claim::owners(&known, pod.meta(), claimant)));
    let controller = ReplicaSets { client: ctx.client.clone(), pods };
    drive::drive(controller, store, queue).await;
}

struct ReplicaSets {
    client: Client,
    pods: Pods,
}

/// The pods of one set.
struct Found {
    /// Those that run or will: not ended and not being deleted.
    active: Vec<Arc<Pod>>,
    n_terminating: usize,
}

fn claimant(set: &ReplicaSet) -> Result<Claimant, Failure> {
    let spec = set.spec.as_ref().ok_or_else(|| Failure::plain("the replica set has no spec"))?;
    Claimant::new(set.meta(), &spec.selector)
}

// === impl ReplicaSets ===

impl Reconcile<ReplicaSet> for ReplicaSets {
    fn reconcile<'a>(&'a self, set: &'a ReplicaSet) -> BoxFuture<'a, Result<Action, Failure>> {
        self.reconcile_replica_set(set).boxed()
    }
}

impl ReplicaSets {
    async fn reconcile_replica_set(&self, set: &ReplicaSet) -> Result<Action, Failure> {
        self.pods.caught_up().await?;
        let mut pods = self.pods_of(set).await?;
        let scaled = match set.meta().deletion_timestamp {
            None => self.scale(set, &mut pods).await,
            Some(_) => Ok(()),
        };
        // What went wrong shows in the status before it is tried again.
        let requeue = self.write_status(set, &pods, scaled.as_ref().err()).await?;
        scaled.map_err(|failed| failed.error)?;
        Ok(requeue.map_or_else(Action::await_change, Action::requeue))
    }

    async fn pods_of(&self, set: &ReplicaSet) -> Result<Found, Failure> {
        let pods = self.pods.of(set, &claimant(set)?, |pod| !pods::is_over(pod)).await?;
        let (deleting, active): (Vec<_>, Vec<_>) = pods.into_iter().partition(|pod| pods::is_deleting(pod));
        Ok(Found { active, n_terminating: deleting.len() })
    }

    /// Makes or deletes pods until there are as many as wanted.
    async fn scale(&self, set: &ReplicaSet, pods: &mut Found) -> Result<(), Failed> {
        let wanted = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        let wanted = usize::try_from(wanted).unwrap_or(0);
        let n_active = pods.active.len();
        if n_active < wanted {
            self.create_pods(set, pods, (wanted - n_active).min(BURST)).await
        } else {
            self.delete_pods(set, pods, (n_active - wanted).min(BURST)).await
        }
    }

    /// Makes pods in batches of 1, 2, 4, …: many share a commit of the store, and where none
    /// can be made only one fails (`slowStartBatch`).
    async fn create_pods(&self, set: &ReplicaSet, pods: &mut Found, n_missing: usize) -> Result<(), Failed> {
        let template = set.spec.as_ref().and_then(|spec| spec.template.clone()).unwrap_or_default();
        let pod = pods::of_template(set, &template);
        let (mut n_left, mut n_batch) = (n_missing, 1);
        while n_left > 0 {
            let n_now = n_batch.min(n_left);
            let made = join_all((0..n_now).map(|_| self.pods.create(set, &pod))).await;
            let mut failed = None;
            for made in made {
                match made {
                    Ok(pod) => pods.active.push(Arc::new(pod)),
                    Err(error) => failed = Some(error),
                }
            }
            if let Some(error) = failed {
                return Err(Failed { reason: "FailedCreate", error: error.into() });
            }
            n_left -= n_now;
            n_batch *= 2;
        }
        Ok(())
    }

    async fn delete_pods(&self, set: &ReplicaSet, pods: &mut Found, n_surplus: usize) -> Result<(), Failed> {
        let surplus = surplus(&pods.active, n_surplus);
        let deleted = join_all(surplus.iter().map(|pod| self.pods.delete(set, pod))).await;
        let mut failed = None;
        for (pod, deleted) in surplus.iter().zip(deleted) {
            match deleted {
                Ok(is_terminating) => {
                    pods.active.retain(|other| other.uid() != pod.uid());
                    pods.n_terminating += usize::from(is_terminating);
                }
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(()), |error| Err(Failed { reason: "FailedDelete", error: error.into() }))
    }

    /// Writes the status where it changed; says when a ready pod becomes available.
    async fn write_status(
        &self,
        set: &ReplicaSet,
        pods: &Found,
        failed: Option<&Failed>,
    ) -> Result<Option<std::time::Duration>, Failure> {
        let (status, requeue) = status::of(set, (&pods.active, pods.n_terminating), failed, Timestamp::now());
        if set.status.as_ref() != Some(&status) {
            let api: Api<ReplicaSet> =
                Api::namespaced(self.client.clone(), &set.namespace().unwrap_or_default());
            let status = with_nulls(set.status.as_ref(), &status)?;
            let patch = Patch::Merge(json!({"metadata": {"uid": set.uid()}, "status": status}));
            unless_gone(api.patch_status(&set.name_any(), &PatchParams::default(), &patch).await)?;
        }
        Ok(requeue)
    }
}
