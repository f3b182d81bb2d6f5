//! Jobs: pods until enough have succeeded, or too many have failed.
//!
//! ```text
//!  job, pods ─► decide (pure) ─► status ─► finalizers off ─► pods deleted, pods made
//!                                            │
//!                                            └─ wakes, and is counted in the next round
//! ```
//!
//! The status is written at the version of the job that was read, since counts are added to it:
//! who comes second reads again.
//!
//! Source: `pkg/controller/job` and `pkg/controller/ttlafterfinished`.

mod backoff;
mod conditions;
mod decide;
mod indexes;
pub(crate) mod orphans;
mod pod;
mod policy;
mod tally;

pub(crate) use conditions::finished;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, PostParams, Preconditions};
use kube::runtime::controller::Action;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, Resource, ResourceExt};
use serde_json::json;

use self::decide::Decision;
use self::pod::{TRACKING, is_active, is_tracked};
use crate::cache::{self, Cache};
use crate::claim::{self, Claimant};
use crate::drive::{self, Queue, Reconcile};
use crate::events::EventType;
use crate::pods::{self, Pods};
use crate::run::{Context, Failure, unless_gone};

/// Runs the controller; it never ends by itself.
pub(crate) async fn run(ctx: Arc<Context>) {
    let (jobs, job_news) = cache::watch::<Job>(Api::all(ctx.client.clone()));
    let (pods, pod_news) = pods::watch::<Job>(&ctx);
    let store = jobs.store();
    let known = store.clone();
    let mut queue = Queue::new();
    queue.push(drive::itself(&store, job_news));
    queue.push(drive::wakes(&store, pod_news, move |pod| claim::owners(&known, pod.meta(), claimant)));
    let controller = Jobs { client: ctx.client.clone(), jobs, store: store.clone(), pods };
    drive::drive(controller, store, queue).await;
}

struct Jobs {
    client: Client,
    jobs: Cache<Job>,
    store: Store<Job>,
    pods: Pods,
}

fn spec(job: &Job) -> Result<&JobSpec, Failure> {
    job.spec.as_ref().ok_or_else(|| Failure::plain("the job has no spec"))
}

fn claimant(job: &Job) -> Result<Claimant, Failure> {
    Claimant::new(job.meta(), &spec(job)?.selector.clone().unwrap_or_default())
}

/// Whether somebody else runs the job (`spec.managedBy`).
fn is_of_others(job: &Job) -> bool {
    let manager = job.spec.as_ref().and_then(|spec| spec.managed_by.as_deref());
    manager.is_some_and(|manager| manager != "kubernetes.io/job-controller")
}

/// Takes the finalizer off a pod.
async fn untrack(pods: &Pods, pod: &Pod) -> Result<(), Failure> {
    pods.patch(pod, json!({"metadata": {"$deleteFromPrimitiveList/finalizers": [TRACKING]}})).await
}

// === impl Jobs ===

impl Reconcile<Job> for Jobs {
    fn reconcile<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<Action, Failure>> {
        self.reconcile_job(job).boxed()
    }
}

impl Jobs {
    async fn reconcile_job(&self, job: &Job) -> Result<Action, Failure> {
        self.jobs.caught_up().await?;
        self.pods.caught_up().await?;
        // The one that woke may be from before our last write.
        let Some(job) = self.store.get(&ObjectRef::from_obj(job)) else { return Ok(Action::await_change()) };
        if is_of_others(&job) {
            return Ok(Action::await_change());
        }
        if conditions::finished(&job).is_some() {
            return self.expire(&job).await;
        }
        let pods = self.pods_of(&job).await?;
        let decision = decide::decide(&job, spec(&job)?, &pods, Timestamp::now());
        self.write_status(&job, &decision).await?;
        self.act(&job, &decision).await?;
        Ok(decision.wake.map_or_else(Action::await_change, Action::requeue))
    }

    /// The job's pods. One that was taken over is tracked from then on.
    async fn pods_of(&self, job: &Job) -> Result<Vec<Arc<Pod>>, Failure> {
        let pods = self.pods.of(job, &claimant(job)?, |_| true).await?;
        let is_leaving = job.meta().deletion_timestamp.is_some();
        for pod in pods.iter().filter(|pod| is_active(pod) && !is_tracked(pod) && !is_leaving) {
            self.pods.patch(pod, json!({"metadata": {"finalizers": [TRACKING]}})).await?;
        }
        Ok(pods)
    }

    async fn write_status(&self, job: &Job, decision: &Decision) -> Result<(), Failure> {
        if job.status.as_ref() == Some(&decision.status) {
            return Ok(());
        }
        let api: Api<Job> = Api::namespaced(self.client.clone(), &job.namespace().unwrap_or_default());
        let written = Job { status: Some(decision.status.clone()), ..job.clone() };
        let written = api.replace_status(&job.name_any(), &PostParams::default(), &written).await?;
        self.jobs.wrote(&written);
        for news in &decision.news {
            let type_ = if news.is_warning { EventType::Warning } else { EventType::Normal };
            self.pods.tell(job, type_, &news.reason, &news.message).await;
        }
        Ok(())
    }

    async fn act(&self, job: &Job, decision: &Decision) -> Result<(), Failure> {
        let Decision { status: _, news: _, release, end, spare, create, wake: _ } = decision;
        let mut outcomes = join_all(release.iter().map(|pod| untrack(&self.pods, pod))).await;
        let ended = end.iter().map(async |pod| Ok(self.pods.delete(job, pod).await.map(drop)?));
        outcomes.extend(join_all(ended).await);
        // What counts for nothing is not tracked any more when it goes.
        let spared = spare.iter().map(async |pod| {
            untrack(&self.pods, pod).await?;
            Ok(self.pods.delete(job, pod).await.map(drop)?)
        });
        outcomes.extend(join_all(spared).await);
        outcomes.into_iter().collect::<Result<(), Failure>>()?;
        let spec = spec(job)?;
        let mut n_batch = 1;
        let mut left = &create[..];
        // In batches of 1, 2, 4, …: where none can be made only one fails (`slowStartBatch`).
        while !left.is_empty() {
            let (now, rest) = left.split_at(n_batch.min(left.len()));
            let made =
                now.iter().map(async |new| self.pods.create(job, &pod::make(job, spec, new)).await.map(drop));
            for made in join_all(made).await {
                made?;
            }
            (left, n_batch) = (rest, n_batch * 2);
        }
        Ok(())
    }

    /// Deletes a job that has ended long enough ago.
    async fn expire(&self, job: &Job) -> Result<Action, Failure> {
        let (now, is_leaving) = (Timestamp::now(), job.meta().deletion_timestamp.is_some());
        let Some(due) = decide::expiry(job).filter(|_| !is_leaving) else {
            return Ok(Action::await_change());
        };
        if due > now {
            let left = Duration::try_from(due.duration_since(now)).unwrap_or(Duration::ZERO);
            return Ok(Action::requeue(left));
        }
        let only_this = Preconditions { uid: job.uid(), resource_version: job.resource_version() };
        let params = DeleteParams::foreground().preconditions(only_this);
        let api: Api<Job> = Api::namespaced(self.client.clone(), &job.namespace().unwrap_or_default());
        unless_gone(api.delete(&job.name_any(), &params).await)?;
        Ok(Action::await_change())
    }
}
