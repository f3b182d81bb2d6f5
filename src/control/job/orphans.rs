//! Takes the tracking finalizer off pods whom no job counts any more: their job is gone, has let
//! them go or has ended.
//!
//! Source: `pkg/controller/job/job_controller.go`, `syncOrphanPod`.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use kube::runtime::controller::Action;
use kube::{Client, Resource, ResourceExt};

use super::{conditions, untrack};
use crate::cache;
use crate::drive::{self, Queue, Reconcile};
use crate::owner;
use crate::pods::{self, Pods};
use crate::run::{Context, Failure};

/// Runs the controller; it never ends by itself.
pub(crate) async fn run(ctx: Arc<Context>) {
    let all: Api<Pod> = Api::all(ctx.client.clone());
    let (tracked, news) = cache::watch_where(all, super::pod::is_tracked);
    let store = tracked.store();
    let mut queue = Queue::new();
    queue.push(drive::itself(&store, news));
    let (pods, _) = pods::watch::<Job>(&ctx);
    drive::drive(Orphans { client: ctx.client.clone(), pods }, store, queue).await;
}

struct Orphans {
    client: Client,
    pods: Pods,
}

// === impl Orphans ===

impl Reconcile<Pod> for Orphans {
    fn reconcile<'a>(&'a self, pod: &'a Pod) -> BoxFuture<'a, Result<Action, Failure>> {
        async move {
            if !self.has_job(pod).await? {
                untrack(&self.pods, pod).await?;
            }
            Ok(Action::await_change())
        }
        .boxed()
    }
}

impl Orphans {
    /// Whether a job will count the pod.
    async fn has_job(&self, pod: &Pod) -> Result<bool, Failure> {
        let Some(owner) = owner::controller(pod.meta()).filter(|owner| owner.kind == "Job") else {
            return Ok(false);
        };
        let jobs: Api<Job> = Api::namespaced(self.client.clone(), &pod.namespace().unwrap_or_default());
        let job = jobs.get_opt(&owner.name).await?;
        Ok(job.is_some_and(|job| {
            job.meta().uid.as_ref() == Some(&owner.uid) && conditions::finished(&job).is_none()
        }))
    }
}
