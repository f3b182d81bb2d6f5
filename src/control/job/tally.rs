//! What of a job's pods has ended, without counting a pod twice or not at all: pure.
//!
//! A pod that has ended carries a finalizer until it is counted. Its uid is written into the
//! status as uncounted, then the finalizer is taken off, and then the uid becomes one more in
//! the count. Indexes need no uids: one that is written down is done.
//!
//! Source: `pkg/controller/job/job_controller.go` (trackJobStatusAndRemoveFinalizers,
//! cleanUncountedPodsWithoutFinalizers, canRemoveFinalizer) and `indexed_job_utils.go`.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::batch::v1::{JobSpec, JobStatus, UncountedTerminatedPods};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::indexes::{self, Indexes};
use super::pod::{is_active, is_failed, is_tracked, n_failures_before};
use super::policy::{self, Action};
use crate::pods::{is_deleting, is_over, phase};

/// Pods that are written down as uncounted at a time (`MaxUncountedPods`), so that the status
/// stays small.
const UNCOUNTED_MAX: usize = 500;

/// How far the pods of a job are.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) active: Vec<Arc<Pod>>,
    /// Being deleted and not ended.
    pub(super) n_terminating: i32,
    pub(super) n_succeeded: i32,
    pub(super) n_failed: i32,
    /// Of an indexed job.
    pub(super) completed: Indexes,
    /// Of a job whose limit holds per index.
    pub(super) failed_indexes: Indexes,
    /// Why a pod has failed the job by itself.
    pub(super) fail_job: Option<String>,
}

/// Whether the job goes on, as far as its pods are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    GoesOn,
    /// What still runs ends, and counts for nothing.
    Succeeds,
    /// What still runs ends, and has failed.
    Fails,
}

/// The completions of an indexed job.
pub(super) fn indexed(spec: &JobSpec) -> Option<i32> {
    spec.completions.filter(|_| spec.completion_mode.as_deref() == Some("Indexed"))
}

/// Counts the uncounted whose finalizer has gone.
pub(super) fn settle(status: &mut JobStatus, pods: &[Arc<Pod>]) {
    let tracked: BTreeSet<String> =
        pods.iter().filter(|pod| is_tracked(pod)).filter_map(|pod| pod.uid()).collect();
    let uncounted = status.uncounted_terminated_pods.get_or_insert_default();
    let lists =
        [(&mut uncounted.succeeded, &mut status.succeeded), (&mut uncounted.failed, &mut status.failed)];
    for (list, count) in lists {
        let before = list.take().unwrap_or_default();
        let (left, counted): (Vec<_>, Vec<_>) = before.into_iter().partition(|uid| tracked.contains(uid));
        let counted = i32::try_from(counted.len()).unwrap_or(i32::MAX);
        *count = Some(count.unwrap_or(0).saturating_add(counted)).filter(|count| *count > 0);
        *list = (!left.is_empty()).then_some(left);
    }
}

/// How far the pods are, given a settled status.
pub(super) fn tally(spec: &JobSpec, status: &JobStatus, pods: &[Arc<Pod>]) -> Tally {
    let completions = indexed(spec).unwrap_or(0);
    let read = |text: &Option<String>| Indexes::parse(text.as_deref().unwrap_or_default(), completions);
    let uncounted = status.uncounted_terminated_pods.clone().unwrap_or_default();
    let has = |list: &Option<Vec<String>>, pod: &Pod| {
        list.iter().flatten().any(|uid| Some(uid) == pod.metadata.uid.as_ref())
    };
    let n = |list: &Option<Vec<String>>| i32::try_from(list.as_ref().map_or(0, Vec::len)).unwrap_or(i32::MAX);
    let mut tally = Tally {
        n_succeeded: status.succeeded.unwrap_or(0).saturating_add(n(&uncounted.succeeded)),
        n_failed: status.failed.unwrap_or(0).saturating_add(n(&uncounted.failed)),
        completed: read(&status.completed_indexes),
        failed_indexes: read(&status.failed_indexes),
        ..Tally::default()
    };
    for pod in pods {
        let index = indexes::of(pod, completions);
        if is_active(pod) {
            tally.active.push(pod.clone());
        }
        tally.n_terminating += i32::from(is_deleting(pod) && !is_over(pod));
        if phase(pod) == "Succeeded" && is_tracked(pod) && !has(&uncounted.failed, pod) {
            tally.n_succeeded += i32::from(!has(&uncounted.succeeded, pod));
            index.into_iter().for_each(|index| tally.completed.insert(index));
        } else if is_failed(spec, pod) {
            let action = policy::of_failed(spec, pod);
            let is_new = is_tracked(pod) && !has(&uncounted.failed, pod) && action != Action::Ignore;
            tally.n_failed += i32::from(is_new);
            let limit = spec.backoff_limit_per_index;
            let is_last = limit.is_some_and(|limit| n_failures_before(pod) >= limit);
            if action == Action::FailIndex || is_last && action != Action::Ignore {
                index.into_iter().for_each(|index| tally.failed_indexes.insert(index));
            }
            if let Action::FailJob(why) = action {
                tally.fail_job.get_or_insert(why);
            }
        }
    }
    if indexed(spec).is_some() {
        tally.n_succeeded = tally.completed.count();
    }
    tally
}

/// Writes down what is to be counted, and says whose finalizers may go once that is written.
pub(super) fn track(
    spec: &JobSpec,
    status: &mut JobStatus,
    (tally, fate): (&Tally, Fate),
    pods: &[Arc<Pod>],
) -> Vec<Arc<Pod>> {
    let completions = indexed(spec);
    let uncounted = status.uncounted_terminated_pods.get_or_insert_default();
    let mut released = Vec::new();
    for pod in pods.iter().filter(|pod| is_tracked(pod)) {
        if n_listed(uncounted) >= UNCOUNTED_MAX {
            break;
        }
        let (Some(uid), index) = (pod.uid(), indexes::of(pod, completions.unwrap_or(0))) else { continue };
        let is_failed = is_failed(spec, pod);
        if fate == Fate::GoesOn && is_failed && is_remembered(spec, pod, (tally, pods)) {
            continue;
        }
        let is_known = [&uncounted.succeeded, &uncounted.failed].iter().any(|list| lists(list, &uid));
        let has_place = completions.is_none() || index.is_some();
        if phase(pod) == "Succeeded" {
            if completions.is_none() && !is_known {
                uncounted.succeeded.get_or_insert_default().push(uid);
            }
        } else if is_failed || fate == Fate::Fails {
            let counts = !is_known && has_place && policy::of_failed(spec, pod) != Action::Ignore;
            if counts {
                uncounted.failed.get_or_insert_default().push(uid);
            }
        } else if fate == Fate::GoesOn {
            continue;
        }
        released.push(pod.clone());
    }
    if completions.is_some() {
        status.succeeded = Some(tally.completed.count()).filter(|count| *count > 0);
        status.completed_indexes = Some(tally.completed.to_string()).filter(|text| !text.is_empty());
        if spec.backoff_limit_per_index.is_some() {
            status.failed_indexes = Some(tally.failed_indexes.to_string());
        }
    }
    released
}

/// How many are listed as uncounted.
pub(super) fn n_listed(uncounted: &UncountedTerminatedPods) -> usize {
    [&uncounted.succeeded, &uncounted.failed].iter().map(|list| list.as_ref().map_or(0, Vec::len)).sum()
}

fn lists(list: &Option<Vec<String>>, uid: &str) -> bool {
    list.iter().flatten().any(|known| known == uid)
}

/// Where the limit holds per index, the last failed pod of an index stays as it is until the
/// next one is made: it knows how often the index has failed.
fn is_remembered(spec: &JobSpec, pod: &Pod, (tally, pods): (&Tally, &[Arc<Pod>])) -> bool {
    let (Some(_), Some(completions)) = (spec.backoff_limit_per_index, indexed(spec)) else { return false };
    let Some(index) = indexes::of(pod, completions) else { return false };
    let is_next = |other: &Arc<Pod>| {
        indexes::of(other, completions) == Some(index)
            && other.uid() != pod.uid()
            && (is_active(other) || n_failures_before(other) > n_failures_before(pod))
    };
    !tally.completed.has(index) && !tally.failed_indexes.has(index) && !pods.iter().any(is_next)
}
