//! What is to be done for a job, and what its status says, as a pure function of its pods.
//!
//! Source: `pkg/controller/job/job_controller.go` (syncJob, manageJob, enactJobFinished).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::{Job, JobCondition, JobSpec, JobStatus};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::pod::{self, New, is_failed, n_failures_before};
use super::policy::{self, Action};
use super::tally::{self, Fate, Tally};
use super::{backoff, conditions, indexes};
use crate::pods::{BURST, is_deleting, is_over, ready_since};
use crate::surplus::surplus;

/// What is to be done, in this order.
#[derive(Clone, Debug, Default)]
pub(super) struct Decision {
    pub(super) status: JobStatus,
    /// What is told once the status is written.
    pub(super) news: Vec<News>,
    /// Pods that are counted once the status is written: their finalizers go.
    pub(super) release: Vec<Arc<Pod>>,
    /// Pods of a job that has ended.
    pub(super) end: Vec<Arc<Pod>>,
    /// Pods that are too many, and count for nothing.
    pub(super) spare: Vec<Arc<Pod>>,
    pub(super) create: Vec<New>,
    /// When to look again though nothing changes.
    pub(super) wake: Option<Duration>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct News {
    pub(super) is_warning: bool,
    pub(super) reason: String,
    pub(super) message: String,
}

/// How the job ends, where it does.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    GoesOn,
    Succeeds { reason: String, message: String },
    Fails { reason: String, message: String },
}

/// What is to be done for a job that has not ended.
pub(super) fn decide(job: &Job, spec: &JobSpec, pods: &[Arc<Pod>], now: Timestamp) -> Decision {
    let mut status = job.status.clone().unwrap_or_default();
    let mut known = status.conditions.take().unwrap_or_default();
    let is_suspended = spec.suspend == Some(true);
    let seconds = Timestamp::from_second(now.as_second()).unwrap_or(now);
    if status.start_time.is_none() && !is_suspended {
        status.start_time = Some(Time(seconds));
    }
    tally::settle(&mut status, pods);
    let tally = tally::tally(spec, &status, pods);
    let verdict = verdict(spec, (&status, &known), &tally, now);
    let mut decision = Decision::default();
    let is_leaving = job.metadata.deletion_timestamp.is_some();
    let fate = match &verdict {
        // What is deleted with its job is counted while there is somebody to count it.
        Verdict::GoesOn => Fate::GoesOn,
        Verdict::Succeeds { .. } => Fate::Succeeds,
        Verdict::Fails { .. } => Fate::Fails,
    };
    decision.release = tally::track(spec, &mut status, (&tally, fate), pods);
    if fate != Fate::GoesOn {
        decision.end.clone_from(&tally.active);
    } else if !is_leaving {
        manage(spec, &tally, pods, now, &mut decision);
        suspension(&mut known, (&mut status, is_suspended), seconds, &mut decision.news);
    }
    let deadline = deadline(spec, &status).filter(|due| *due > now && fate == Fate::GoesOn);
    let left = deadline.and_then(|due| Duration::try_from(due.duration_since(now)).ok());
    decision.wake = decision.wake.into_iter().chain(left).min();
    let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    status.active = Some(count(tally.active.len())).filter(|n| *n > 0);
    status.ready = Some(count(tally.active.iter().filter(|pod| ready_since(pod).is_some()).count()));
    status.terminating = Some(tally.n_terminating);
    let n_uncounted = status.uncounted_terminated_pods.as_ref().map_or(0, tally::n_listed);
    let has_ended = n_uncounted == 0 && decision.release.is_empty() && tally.active.is_empty();
    let has_ended = has_ended && tally.n_terminating == 0;
    conclude((&mut status, &mut known), (verdict, has_ended), seconds, &mut decision.news);
    status.conditions = (!known.is_empty()).then_some(known);
    decision.status = status;
    decision
}

/// Whether the job ends, and why. What was found once stays found.
fn verdict(
    spec: &JobSpec,
    (status, known): (&JobStatus, &[JobCondition]),
    tally: &Tally,
    now: Timestamp,
) -> Verdict {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    if let Some(met) = conditions::holds(known, "SuccessCriteriaMet") {
        return Verdict::Succeeds { reason: text(&met.reason), message: text(&met.message) };
    }
    if let Some(failing) = conditions::holds(known, "FailureTarget") {
        return Verdict::Fails { reason: text(&failing.reason), message: text(&failing.message) };
    }
    if let Some((reason, message)) = failure(spec, status, tally, now) {
        return Verdict::Fails { reason: reason.to_owned(), message };
    }
    if tally::indexed(spec).is_some()
        && let Some(message) = policy::success(spec, &tally.completed)
    {
        return Verdict::Succeeds { reason: "SuccessPolicy".to_owned(), message };
    }
    let is_enough = match spec.completions {
        Some(completions) => tally.n_succeeded >= completions,
        None => tally.n_succeeded > 0,
    };
    if is_enough && tally.active.is_empty() {
        let message = "Reached expected number of succeeded pods".to_owned();
        return Verdict::Succeeds { reason: "CompletionsReached".to_owned(), message };
    }
    Verdict::GoesOn
}

fn failure(
    spec: &JobSpec,
    status: &JobStatus,
    tally: &Tally,
    now: Timestamp,
) -> Option<(&'static str, String)> {
    if let Some(why) = &tally.fail_job {
        return Some(("PodFailurePolicy", why.clone()));
    }
    let limit = spec.backoff_limit.unwrap_or(6);
    if tally.n_failed > limit || restarts_beyond(spec, limit, &tally.active) {
        return Some(("BackoffLimitExceeded", "Job has reached the specified backoff limit".to_owned()));
    }
    if deadline(spec, status).is_some_and(|due| due <= now) {
        return Some(("DeadlineExceeded", "Job was active longer than specified deadline".to_owned()));
    }
    let (completions, n_failed) = (tally::indexed(spec)?, tally.failed_indexes.count());
    spec.backoff_limit_per_index?;
    if spec.max_failed_indexes.is_some_and(|limit| n_failed > limit) {
        let message = "Job has exceeded the specified maximal number of failed indexes";
        return Some(("MaxFailedIndexesExceeded", message.to_owned()));
    }
    let is_over = n_failed > 0 && n_failed + tally.completed.count() >= completions;
    is_over.then(|| ("FailedIndexes", "Job has failed indexes".to_owned()))
}

/// Containers that are restarted in place count, too (`pastBackoffLimitOnFailure`).
fn restarts_beyond(spec: &JobSpec, limit: i32, active: &[Arc<Pod>]) -> bool {
    let policy = spec.template.spec.as_ref().and_then(|pod| pod.restart_policy.as_deref());
    let statuses = active.iter().filter_map(|pod| pod.status.as_ref()).flat_map(|status| {
        let init = status.init_container_statuses.iter().flatten();
        init.chain(status.container_statuses.iter().flatten())
    });
    let n_restarts = statuses.fold(0_i32, |sum, container| sum.saturating_add(container.restart_count));
    policy == Some("OnFailure") && n_restarts > 0 && n_restarts >= limit
}

fn deadline(spec: &JobSpec, status: &JobStatus) -> Option<Timestamp> {
    let seconds = spec.active_deadline_seconds.filter(|_| spec.suspend != Some(true))?;
    let start = status.start_time.as_ref()?.0;
    Some(start.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX))
}

/// Which pods are too many, or else which are missing (`manageJob`).
fn manage(spec: &JobSpec, tally: &Tally, pods: &[Arc<Pod>], now: Timestamp, decision: &mut Decision) {
    let n_active = i32::try_from(tally.active.len()).unwrap_or(i32::MAX);
    let wanted = wanted_active(spec, tally, n_active);
    let mut spare = outside(spec, &tally.active);
    let rest: Vec<Arc<Pod>> = tally.active.iter().filter(|pod| !has(&spare, pod)).cloned().collect();
    let n_surplus = usize::try_from(n_active - wanted).unwrap_or(0).saturating_sub(spare.len());
    spare.extend(surplus(&rest, n_surplus));
    spare.truncate(BURST);
    if !spare.is_empty() || spec.suspend == Some(true) {
        decision.spare = spare;
        return;
    }
    let waited_for = if pod::replaces_failed_only(spec) { tally.n_terminating } else { 0 };
    let n_missing = usize::try_from(wanted - n_active - waited_for).unwrap_or(0).min(BURST);
    if n_missing == 0 {
        return;
    }
    match tally::indexed(spec) {
        Some(completions) if spec.backoff_limit_per_index.is_some() => {
            let pending = pending(completions, tally, pods, spec);
            per_index(pending.take(n_missing), (completions, pods, spec), now, decision);
        }
        indexed => {
            decision.wake = backoff::left(pods.iter().map(|pod| &**pod).filter(|pod| is_over(pod)), now);
            if decision.wake.is_some() {
                return;
            }
            decision.create = match indexed {
                Some(completions) => {
                    let pending = pending(completions, tally, pods, spec).take(n_missing);
                    pending.map(|index| New { index: Some(index), n_failures: None }).collect()
                }
                None => vec![New { index: None, n_failures: None }; n_missing],
            };
        }
    }
}

/// How many pods are to run at once.
fn wanted_active(spec: &JobSpec, tally: &Tally, n_active: i32) -> i32 {
    let parallelism = spec.parallelism.unwrap_or(1);
    match spec.completions {
        _ if spec.suspend == Some(true) => 0,
        // Where one success is enough, what runs then may run on.
        None if tally.n_succeeded > 0 => n_active,
        None => parallelism,
        Some(completions) => {
            let left = completions.saturating_sub(tally.n_succeeded);
            left.saturating_sub(tally.failed_indexes.count()).clamp(0, parallelism)
        }
    }
}

fn has(pods: &[Arc<Pod>], pod: &Arc<Pod>) -> bool {
    pods.iter().any(|other| Arc::ptr_eq(other, pod))
}

/// Active pods of an indexed job that have no index, one beyond the completions, or that of
/// another active pod.
fn outside(spec: &JobSpec, active: &[Arc<Pod>]) -> Vec<Arc<Pod>> {
    let Some(completions) = tally::indexed(spec) else { return Vec::new() };
    let mut taken = BTreeSet::new();
    let is_outside =
        |pod: &&Arc<Pod>| !indexes::of(pod, completions).is_some_and(|index| taken.insert(index));
    active.iter().filter(is_outside).cloned().collect()
}

/// The indexes that have no pod and need one, lowest first.
fn pending<'a>(
    completions: i32,
    tally: &'a Tally,
    pods: &'a [Arc<Pod>],
    spec: &'a JobSpec,
) -> impl Iterator<Item = i32> + 'a {
    let is_taken = |pod: &&Arc<Pod>| !is_over(pod) && (!is_deleting(pod) || pod::replaces_failed_only(spec));
    let taken: BTreeSet<i32> =
        pods.iter().filter(is_taken).filter_map(|pod| indexes::of(pod, completions)).collect();
    (0..completions).filter(move |index| {
        !taken.contains(index) && !tally.completed.has(*index) && !tally.failed_indexes.has(*index)
    })
}

/// Each index waits for itself.
fn per_index(
    pending: impl Iterator<Item = i32>,
    (completions, pods, spec): (i32, &[Arc<Pod>], &JobSpec),
    now: Timestamp,
    decision: &mut Decision,
) {
    for index in pending {
        let failed =
            pods.iter().filter(|pod| indexes::of(pod, completions) == Some(index) && is_failed(spec, pod));
        let last = failed.max_by_key(|pod| (n_failures_before(pod), pod.metadata.creation_timestamp.clone()));
        let n_failures = last.map_or(0, |pod| {
            let counts = policy::of_failed(spec, pod) != Action::Ignore;
            n_failures_before(pod) + i32::from(counts)
        });
        let since = last.map(|pod| backoff::finished_at(pod, now));
        let left = since
            .and_then(|since| backoff::left_after((usize::try_from(n_failures).unwrap_or(0), since), now));
        match left {
            Some(left) => decision.wake = decision.wake.into_iter().chain([left]).min(),
            None => decision.create.push(New { index: Some(index), n_failures: Some(n_failures) }),
        }
    }
}

fn suspension(
    known: &mut Vec<JobCondition>,
    (status, is_suspended): (&mut JobStatus, bool),
    now: Timestamp,
    news: &mut Vec<News>,
) {
    if is_suspended {
        if conditions::set(known, "Suspended", ("JobSuspended", "Job suspended"), now) {
            news.push(News::normal("Suspended", "Job suspended"));
        }
    } else if conditions::unset(known, "Suspended", ("JobResumed", "Job resumed"), now) {
        news.push(News::normal("Resumed", "Job resumed"));
        // The deadline counts from here.
        status.start_time = Some(Time(now));
    }
}

/// Writes down that the job ends, and once its pods have ended, that it has.
fn conclude(
    (status, known): (&mut JobStatus, &mut Vec<JobCondition>),
    (verdict, has_ended): (Verdict, bool),
    now: Timestamp,
    news: &mut Vec<News>,
) {
    match verdict {
        Verdict::GoesOn => {}
        Verdict::Succeeds { reason, message } => {
            conditions::set(known, "SuccessCriteriaMet", (&reason, &message), now);
            if has_ended && conditions::set(known, "Complete", (&reason, &message), now) {
                status.completion_time = Some(Time(now));
                news.push(News::normal("Completed", "Job completed"));
            }
        }
        Verdict::Fails { reason, message } => {
            conditions::set(known, "FailureTarget", (&reason, &message), now);
            if has_ended && conditions::set(known, "Failed", (&reason, &message), now) {
                news.push(News { is_warning: true, reason, message });
            }
        }
    }
}

/// When a job that has ended is to be deleted (`ttl_after_finished_controller.go`).
pub(super) fn expiry(job: &Job) -> Option<Timestamp> {
    let ttl = job.spec.as_ref()?.ttl_seconds_after_finished?;
    let ended = conditions::finished(job)?.last_transition_time.as_ref()?.0;
    Some(ended.saturating_add(SignedDuration::from_secs(i64::from(ttl))).unwrap_or(Timestamp::MAX))
}

// === impl News ===

impl News {
    fn normal(reason: &str, message: &str) -> Self {
        Self { is_warning: false, reason: reason.to_owned(), message: message.to_owned() }
    }
}

#[cfg(test)]
mod tests;
