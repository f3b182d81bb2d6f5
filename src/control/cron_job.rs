//! CronJobs: a job whenever the schedule says so.
//!
//! What is due is decided in [`decide`], a pure function of the jobs and the time; here it is
//! read, done and told.
//!
//! Source: `pkg/controller/cronjob`.

mod decide;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{CronJob, CronJobStatus, Job};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Api, DeleteParams, PostParams, Preconditions};
use kube::runtime::controller::Action;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, Resource, ResourceExt};

use self::decide::{News, Start};
use crate::cache::{self, Cache};
use crate::drive::{self, Queue, Reconcile};
use crate::events::{EventType, Events};
use crate::owner;
use crate::run::{Context, Failure, unless_gone};

/// Runs the controller; it never ends by itself.
pub(crate) async fn run(ctx: Arc<Context>) {
    let (cron_jobs, cron_job_news) = cache::watch::<CronJob>(Api::all(ctx.client.clone()));
    let (jobs, job_news) = cache::watch_of::<CronJob, Job>(Api::all(ctx.client.clone()));
    let store = cron_jobs.store();
    let mut queue = Queue::new();
    queue.push(drive::itself(&store, cron_job_news));
    queue.push(drive::wakes(&store, job_news, of_job));
    let controller = CronJobs {
        client: ctx.client.clone(),
        events: ctx.events.clone(),
        cron_jobs,
        store: store.clone(),
        jobs,
    };
    drive::drive(controller, store, queue).await;
}

struct CronJobs {
    client: Client,
    events: Events,
    cron_jobs: Cache<CronJob>,
    store: Store<CronJob>,
    jobs: Cache<Job>,
}

/// The CronJob that controls a job. None takes over a job of nobody.
fn of_job(job: &Job) -> Vec<ObjectRef<CronJob>> {
    let owner = owner::controller(job.meta()).filter(|owner| owner.kind == "CronJob");
    let namespace = job.namespace().unwrap_or_default();
    owner.map(|owner| ObjectRef::new(&owner.name).within(&namespace)).into_iter().collect()
}

// === impl CronJobs ===

impl Reconcile<CronJob> for CronJobs {
    fn reconcile<'a>(&'a self, cron_job: &'a CronJob) -> BoxFuture<'a, Result<Action, Failure>> {
        self.reconcile_cron_job(cron_job).boxed()
    }
}

impl CronJobs {
    async fn reconcile_cron_job(&self, cron_job: &CronJob) -> Result<Action, Failure> {
        self.cron_jobs.caught_up().await?;
        self.jobs.caught_up().await?;
        // The one that woke may be from before our last write.
        let Some(cron_job) = self.store.get(&ObjectRef::from_obj(cron_job)) else {
            return Ok(Action::await_change());
        };
        let uid = cron_job.uid().unwrap_or_default();
        let namespace = cron_job.namespace().unwrap_or_default();
        let jobs = self.jobs.within(&namespace, |job| owner::is_controlled_by(job.meta(), &uid));
        let decision = decide::decide(&cron_job, &cron_job.spec, &jobs, Timestamp::now());
        let mut status = decision.status;
        for news in &decision.news {
            self.tell(&cron_job, news).await;
        }
        if let Some(start) = &decision.start {
            self.start(&cron_job, start, &mut status).await?;
        }
        self.write_status(&cron_job, status).await?;
        for job in &decision.forget {
            self.delete(&cron_job, job).await?;
        }
        Ok(decision.wake.map_or_else(Action::await_change, Action::requeue))
    }

    /// Makes the job that is due, and adds it to the status. One that is there already was made
    /// in a round that was cut off.
    async fn start(
        &self,
        cron_job: &CronJob,
        start: &Start,
        status: &mut CronJobStatus,
    ) -> Result<(), Failure> {
        for job in &start.replaces {
            self.delete(cron_job, job).await?;
            let active = status.active.take().unwrap_or_default();
            let left: Vec<_> = active.into_iter().filter(|active| active.uid != job.uid()).collect();
            status.active = (!left.is_empty()).then_some(left);
        }
        let api = self.jobs_api(cron_job);
        let job = match api.create(&PostParams::default(), &start.job).await {
            Ok(created) => {
                self.jobs.wrote(&created);
                let message = format!("Created job {}", created.name_any());
                self.tell(cron_job, &News::normal("SuccessfulCreate", message)).await;
                created
            }
            Err(kube::Error::Api(answer)) if answer.reason == "AlreadyExists" => {
                let Some(found) = api.get_opt(&start.job.name_any()).await? else { return Ok(()) };
                if !owner::is_controlled_by(found.meta(), &cron_job.uid().unwrap_or_default()) {
                    let name = found.name_any();
                    let message = format!("Error creating job: jobs.batch \"{name}\" already exists");
                    self.tell(cron_job, &News::warning("FailedCreate", message)).await;
                    return Ok(());
                }
                found
            }
            Err(error) => {
                let message = format!("Error creating job: {error}");
                self.tell(cron_job, &News::warning("FailedCreate", message)).await;
                return Err(error.into());
            }
        };
        let active = status.active.get_or_insert_default();
        let is_listed = active.iter().any(|active| active.uid == job.uid());
        if !is_listed && crate::job::finished(&job).is_none() {
            active.push(job.object_ref(&()));
        }
        if active.is_empty() {
            status.active = None;
        }
        status.last_schedule_time = Some(Time(start.at));
        Ok(())
    }

    /// Writes the status at the version that was read, where it changed.
    async fn write_status(&self, cron_job: &CronJob, status: CronJobStatus) -> Result<(), Failure> {
        if cron_job.status.as_ref() == Some(&status) {
            return Ok(());
        }
        let namespace = cron_job.namespace().unwrap_or_default();
        let api: Api<CronJob> = Api::namespaced(self.client.clone(), &namespace);
        let written = CronJob { status: Some(status), ..cron_job.clone() };
        let written = api.replace_status(&cron_job.name_any(), &PostParams::default(), &written).await?;
        self.cron_jobs.wrote(&written);
        Ok(())
    }

    async fn delete(&self, cron_job: &CronJob, job: &Job) -> Result<(), Failure> {
        let only_this = Preconditions { uid: job.uid(), resource_version: None };
        let params = DeleteParams::background().preconditions(only_this);
        match self.jobs_api(cron_job).delete(&job.name_any(), &params).await {
            Ok(deleted) => match deleted.left() {
                Some(ending) => self.jobs.wrote(&ending),
                None => self.jobs.deleted(job),
            },
            outcome => return unless_gone(outcome),
        }
        let message = format!("Deleted job {}", job.name_any());
        self.tell(cron_job, &News::normal("SuccessfulDelete", message)).await;
        Ok(())
    }

    async fn tell(&self, cron_job: &CronJob, news: &News) {
        let type_ = if news.is_warning { EventType::Warning } else { EventType::Normal };
        self.events.record(&cron_job.object_ref(&()), type_, news.reason, &news.message).await;
    }

    fn jobs_api(&self, cron_job: &CronJob) -> Api<Job> {
        Api::namespaced(self.client.clone(), &cron_job.namespace().unwrap_or_default())
    }
}
