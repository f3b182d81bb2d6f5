//! What is to be done for a CronJob, as a pure function of its jobs and the time.
//!
//! Source: `pkg/controller/cronjob/cronjob_controllerv2.go` (syncCronJob, cleanupFinishedJobs) and
//! `utils.go` (mostRecentScheduleTime, getJobFromTemplate2).

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, CronJobStatus, Job};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::{Resource, ResourceExt};
use spur_api::cron::{self, Schedule};

use crate::job::finished;
use crate::owner;

/// On a job: the time for which it was made (`batch.CronJobScheduledTimestampAnnotation`).
const SCHEDULED: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";

/// More times than these in a row that were missed are told of (`nextScheduleTime`).
const MISSED_MAX: i64 = 100;

/// What is to be done.
#[derive(Clone, Debug, Default)]
pub(super) struct Decision {
    pub(super) status: CronJobStatus,
    pub(super) news: Vec<News>,
    pub(super) start: Option<Start>,
    /// Jobs that have ended and are one too many.
    pub(super) forget: Vec<Arc<Job>>,
    /// When the next job is due.
    pub(super) wake: Option<Duration>,
}

/// A job that is due.
#[derive(Clone, Debug)]
pub(super) struct Start {
    pub(super) at: Timestamp,
    /// Jobs that it takes the place of.
    pub(super) replaces: Vec<Arc<Job>>,
    pub(super) job: Job,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct News {
    pub(super) is_warning: bool,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// What is to be done for a CronJob that has these jobs.
pub(super) fn decide(cron_job: &CronJob, spec: &CronJobSpec, jobs: &[Arc<Job>], now: Timestamp) -> Decision {
    let mut decision = Decision { status: seen(cron_job, jobs), ..Decision::default() };
    decision.news = news(cron_job, jobs);
    decision.forget = beyond_history(spec, jobs);
    if cron_job.metadata.deletion_timestamp.is_none() && spec.suspend != Some(true) {
        schedule(cron_job, spec, jobs, now, &mut decision);
    }
    decision
}

/// Whether the job was made by the schedule and not by somebody else in its name.
fn is_scheduled(job: &Job) -> bool {
    job.annotations().contains_key(SCHEDULED)
}

fn succeeded_at(job: &Job) -> Option<Timestamp> {
    finished(job).filter(|condition| condition.type_ == "Complete")?;
    Some(job.status.as_ref()?.completion_time.as_ref()?.0)
}

fn listed(cron_job: &CronJob) -> &[ObjectReference] {
    cron_job.status.as_ref().and_then(|status| status.active.as_deref()).unwrap_or(&[])
}

/// The status that the jobs make.
fn seen(cron_job: &CronJob, jobs: &[Arc<Job>]) -> CronJobStatus {
    let mut status = cron_job.status.clone().unwrap_or_default();
    let known = |job: &Job| listed(cron_job).iter().find(|known| known.uid == job.uid());
    let running = jobs.iter().filter(|job| finished(job).is_none());
    let active = running.filter(|job| is_scheduled(job) || known(job).is_some());
    let active: Vec<ObjectReference> =
        active.map(|job| known(job).cloned().unwrap_or_else(|| job.object_ref(&()))).collect();
    status.active = (!active.is_empty()).then_some(active);
    let before = status.last_successful_time.as_ref().map(|time| time.0);
    let last = jobs.iter().filter_map(|job| succeeded_at(job)).chain(before).max();
    status.last_successful_time = last.map(Time);
    status
}

fn news(cron_job: &CronJob, jobs: &[Arc<Job>]) -> Vec<News> {
    let mut news = Vec::new();
    for known in listed(cron_job) {
        let name = known.name.clone().unwrap_or_default();
        match jobs.iter().find(|job| job.uid() == known.uid) {
            None => news.push(News::normal("MissingJob", format!("Active job went missing: {name}"))),
            Some(job) => news.extend(finished(job).map(|condition| {
                let message = format!("Saw completed job: {name}, condition: {}", condition.type_);
                News::normal("SawCompletedJob", message)
            })),
        }
    }
    news
}

/// Jobs that have ended beyond the limits, oldest first.
fn beyond_history(spec: &CronJobSpec, jobs: &[Arc<Job>]) -> Vec<Arc<Job>> {
    let beyond = |type_: &str, limit: Option<i32>| {
        let Some(limit) = limit else { return Vec::new() };
        let mut ended: Vec<Arc<Job>> = jobs
            .iter()
            .filter(|job| finished(job).is_some_and(|condition| condition.type_ == type_))
            .filter(|job| job.metadata.deletion_timestamp.is_none())
            .cloned()
            .collect();
        let start = |job: &Job| job.status.as_ref().and_then(|status| status.start_time.clone());
        ended.sort_by_key(|job| (start(job).map(|time| time.0), job.name_any()));
        let n_surplus = ended.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
        ended.truncate(n_surplus);
        ended
    };
    let mut surplus = beyond("Complete", spec.successful_jobs_history_limit);
    surplus.extend(beyond("Failed", spec.failed_jobs_history_limit));
    surplus
}

/// Whether a job is due, and when the next one is.
fn schedule(
    cron_job: &CronJob,
    spec: &CronJobSpec,
    jobs: &[Arc<Job>],
    now: Timestamp,
    decision: &mut Decision,
) {
    // Without a zone Kubernetes goes by the controller's own, which is UTC in clusters.
    let zone = spec.time_zone.as_deref().map_or(Some(TimeZone::UTC), cron::zone);
    let Some(zone) = zone else {
        let name = spec.time_zone.as_deref().unwrap_or_default();
        let message = format!("invalid timeZone: {name:?}: unknown time zone {name}");
        return decision.news.push(News::warning("UnknownTimeZone", message));
    };
    let schedule = match Schedule::parse(&spec.schedule) {
        Ok(schedule) => schedule,
        Err(why) => {
            let message = format!("unparseable schedule: {:?} : {why}", spec.schedule);
            return decision.news.push(News::warning("UnparseableSchedule", message));
        }
    };
    let next = schedule.next_after(now, &zone).map(|next| next.duration_since(now));
    decision.wake = next.and_then(|left| Duration::try_from(left).ok());
    let earliest = earliest(cron_job, spec, now);
    let Some(due) = schedule.last_between(earliest, now, &zone) else { return };
    decision.news.extend(missed(&schedule, (earliest, due), &zone));
    if decision.status.last_schedule_time.as_ref().is_some_and(|last| last.0 >= due) {
        return;
    }
    let running: Vec<Arc<Job>> = jobs
        .iter()
        .filter(|job| decision.status.active.iter().flatten().any(|active| active.uid == job.uid()))
        .cloned()
        .collect();
    let policy = spec.concurrency_policy.as_deref().unwrap_or("Allow");
    if policy == "Forbid" && !running.is_empty() {
        let message = "Not starting job because prior execution is running and concurrency policy is Forbid";
        return decision.news.push(News::normal("JobAlreadyActive", message.to_owned()));
    }
    let replaces = if policy == "Replace" { running } else { Vec::new() };
    decision.start = Some(Start { at: due, replaces, job: job(cron_job, spec, (due, &zone)) });
}

/// Nothing is due at this time or before.
fn earliest(cron_job: &CronJob, spec: &CronJobSpec, now: Timestamp) -> Timestamp {
    let last = cron_job.status.as_ref().and_then(|status| status.last_schedule_time.as_ref());
    let begin = last.or(cron_job.metadata.creation_timestamp.as_ref()).map_or(now, |time| time.0);
    let deadline = spec.starting_deadline_seconds.map(SignedDuration::from_secs);
    let bound = deadline.and_then(|deadline| now.checked_sub(deadline).ok());
    bound.map_or(begin, |bound| bound.max(begin))
}

/// Tells of many times that were missed; how many is reckoned from the first two.
fn missed(schedule: &Schedule, (earliest, due): (Timestamp, Timestamp), zone: &TimeZone) -> Option<News> {
    let first = schedule.next_after(earliest, zone)?;
    let second = schedule.next_after(first, zone)?;
    let period = (second.as_second() - first.as_second()).max(1);
    let n_missed = (due.as_second() - first.as_second()) / period + 1;
    (n_missed > MISSED_MAX).then(|| {
        let message =
            "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
        News::warning("TooManyMissedTimes", message.to_owned())
    })
}

/// The job for a time; its name makes it one, however often it is made.
fn job(cron_job: &CronJob, spec: &CronJobSpec, (at, zone): (Timestamp, &TimeZone)) -> Job {
    let template = spec.job_template.metadata.clone().unwrap_or_default();
    let mut annotations = template.annotations.unwrap_or_default();
    let local = at.to_zoned(zone.clone());
    let text = match &spec.time_zone {
        Some(_) => local.timestamp().display_with_offset(local.offset()).to_string(),
        None => at.to_string(),
    };
    annotations.insert(SCHEDULED.to_owned(), text);
    Job {
        metadata: ObjectMeta {
            name: Some(format!("{}-{}", cron_job.name_any(), at.as_second().div_euclid(60))),
            namespace: cron_job.namespace(),
            labels: template.labels,
            annotations: Some(annotations),
            owner_references: Some(vec![owner::controlled_by(cron_job)]),
            ..ObjectMeta::default()
        },
        spec: spec.job_template.spec.clone(),
        status: None,
    }
}

// === impl News ===

impl News {
    pub(super) fn normal(reason: &'static str, message: String) -> Self {
        Self { is_warning: false, reason, message }
    }

    pub(super) fn warning(reason: &'static str, message: String) -> Self {
        Self { is_warning: true, reason, message }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn cron_job(fields: Value, status: Value) -> CronJob {
        let mut spec = json!({
            "schedule": "0 * * * *", "successfulJobsHistoryLimit": 1, "failedJobsHistoryLimit": 0,
            "jobTemplate": {"metadata": {"labels": {"app": "n"}}, "spec": {"template": {}}},
        });
        spec.as_object_mut().expect("a map").extend(fields.as_object().expect("a map").clone());
        let metadata =
            json!({"name": "n", "namespace": "a", "uid": "c", "creationTimestamp": "2026-01-01T00:00:00Z"});
        serde_json::from_value(json!({"metadata": metadata, "spec": spec, "status": status}))
            .expect("a cron job")
    }

    fn job(name: &str, condition: Option<&str>) -> Arc<Job> {
        let time = format!("2026-01-01T0{}:00:00Z", name.len());
        let conditions: Vec<Value> =
            condition.map(|type_| json!({"type": type_, "status": "True"})).into_iter().collect();
        let job = json!({
            "metadata": {"name": name, "uid": name, "annotations": {SCHEDULED: time}},
            "status": {"startTime": time, "completionTime": time, "conditions": conditions},
        });
        Arc::new(serde_json::from_value(job).expect("a job"))
    }

    fn decided(cron_job: &CronJob, jobs: &[Arc<Job>], now: &str) -> Decision {
        decide(cron_job, &cron_job.spec, jobs, at(now))
    }

    fn reasons(decision: &Decision) -> Vec<&str> {
        decision.news.iter().map(|news| news.reason).collect()
    }

    #[test]
    fn a_job_is_made_when_its_time_has_come_and_once() {
        let early = decided(&cron_job(json!({}), json!({})), &[], "2026-01-01T00:59:50Z");
        assert!(early.start.is_none());
        assert_eq!(early.wake, Some(Duration::from_secs(10)));
        let due = decided(&cron_job(json!({}), json!({})), &[], "2026-01-01T03:00:10Z");
        let start = due.start.expect("it is due");
        assert_eq!(start.at, at("2026-01-01T03:00:00Z"));
        assert_eq!(start.job.name_any(), format!("n-{}", start.at.as_second() / 60));
        assert_eq!(start.job.annotations()[SCHEDULED], "2026-01-01T03:00:00Z");
        assert_eq!(start.job.labels()["app"], "n");
        let done = json!({"lastScheduleTime": "2026-01-01T03:00:00Z"});
        assert!(decided(&cron_job(json!({}), done), &[], "2026-01-01T03:00:10Z").start.is_none());
        let suspended = cron_job(json!({"suspend": true}), json!({}));
        assert!(decided(&suspended, &[], "2026-01-01T03:00:10Z").start.is_none());
    }

    #[test]
    fn the_zone_says_when() {
        let berlin = cron_job(json!({"schedule": "0 6 * * *", "timeZone": "Europe/Berlin"}), json!({}));
        let start = decided(&berlin, &[], "2026-01-02T05:00:10Z").start.expect("it is due");
        assert_eq!(start.at, at("2026-01-02T05:00:00Z"));
        assert_eq!(start.job.annotations()[SCHEDULED], "2026-01-02T06:00:00+01:00");
        let nowhere = cron_job(json!({"timeZone": "Nowhere"}), json!({}));
        assert_eq!(reasons(&decided(&nowhere, &[], "2026-01-02T05:00:10Z")), ["UnknownTimeZone"]);
    }

    #[test]
    fn what_is_too_late_is_left_out() {
        let strict = cron_job(json!({"startingDeadlineSeconds": 30}), json!({}));
        assert!(decided(&strict, &[], "2026-01-01T03:00:40Z").start.is_none());
        assert!(decided(&strict, &[], "2026-01-01T03:00:20Z").start.is_some());
        let often = cron_job(json!({"schedule": "* * * * *"}), json!({}));
        assert_eq!(reasons(&decided(&often, &[], "2026-01-01T03:00:40Z")), ["TooManyMissedTimes"]);
    }

    #[test]
    fn the_policy_says_whether_two_run() {
        let running = [job("a", None)];
        let decided = |policy: &str| {
            decided(
                &cron_job(json!({"concurrencyPolicy": policy}), json!({})),
                &running,
                "2026-01-01T03:00:10Z",
            )
        };
        let allowed = decided("Allow").start.expect("it is due");
        assert!(allowed.replaces.is_empty());
        let forbidden = decided("Forbid");
        assert!(forbidden.start.is_none());
        assert_eq!(reasons(&forbidden), ["JobAlreadyActive"]);
        assert_eq!(decided("Replace").start.expect("it is due").replaces[0].name_any(), "a");
    }

    #[test]
    fn the_status_follows_the_jobs() {
        let active = json!({"active": [{"name": "a", "uid": "a"}, {"name": "gone", "uid": "gone"}]});
        let jobs = [job("a", Some("Complete")), job("bb", None), job("ccc", Some("Failed"))];
        let decision = decided(&cron_job(json!({}), active), &jobs, "2026-01-01T00:30:00Z");
        assert_eq!(reasons(&decision), ["SawCompletedJob", "MissingJob"]);
        let names: Vec<_> =
            decision.status.active.iter().flatten().map(|active| active.name.clone()).collect();
        assert_eq!(names, [Some("bb".to_owned())]);
        assert_eq!(decision.status.last_successful_time, Some(Time(at("2026-01-01T01:00:00Z"))));
    }

    #[test]
    fn the_oldest_jobs_beyond_the_history_go() {
        let ended = |name: &str| job(name, Some("Complete"));
        let jobs = [ended("ccc"), ended("a"), ended("bb"), job("dddd", Some("Failed")), job("eeeee", None)];
        let decision = decided(&cron_job(json!({}), json!({})), &jobs, "2026-01-01T00:30:00Z");
        let names: Vec<String> = decision.forget.iter().map(|job| job.name_any()).collect();
        assert_eq!(names, ["a", "bb", "dddd"]);
    }
}
