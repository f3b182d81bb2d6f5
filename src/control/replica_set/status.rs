//! A ReplicaSet's status as a pure function of its pods.
//!
//! Source: `pkg/controller/replicaset/replica_set_utils.go`, `calculateStatus`.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetCondition, ReplicaSetStatus};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use crate::pods;
use crate::run::Failure;

/// The condition of a set whose pods cannot be made or deleted.
pub(crate) const REPLICA_FAILURE: &str = "ReplicaFailure";

/// Pods that could not be made or deleted.
#[derive(Debug)]
pub(super) struct Failed {
    /// `FailedCreate` or `FailedDelete`.
    pub(super) reason: &'static str,
    pub(super) error: Failure,
}

/// The status of a set with these active pods and so many that are ending, and when a
/// ready pod becomes available.
pub(super) fn of(
    set: &ReplicaSet,
    (active, n_terminating): (&[Arc<Pod>], usize),
    failed: Option<&Failed>,
    now: Timestamp,
) -> (ReplicaSetStatus, Option<Duration>) {
    let spec = set.spec.as_ref();
    let min_ready = spec.and_then(|spec| spec.min_ready_seconds).unwrap_or(0);
    let template =
        spec.and_then(|spec| spec.template.as_ref()).and_then(|template| template.metadata.as_ref());
    let labels = template.and_then(|metadata| metadata.labels.clone()).unwrap_or_default();
    let is_labelled =
        |pod: &&Arc<Pod>| labels.iter().all(|(key, value)| pod.labels().get(key) == Some(value));
    let available: Vec<Timestamp> =
        active.iter().filter_map(|pod| pods::available_at(pod, min_ready)).collect();
    let next = available.iter().copied().filter(|due| *due > now).min();
    let n_available = available.iter().filter(|due| **due <= now).count();
    let status = ReplicaSetStatus {
        replicas: count(active.len()),
        fully_labeled_replicas: some(active.iter().filter(is_labelled).count()),
        ready_replicas: some(available.len()),
        available_replicas: some(n_available),
        observed_generation: set.metadata.generation,
        conditions: conditions(set, failed, now),
        terminating_replicas: some(n_terminating),
    };
    let requeue = next.map(|due| Duration::try_from(due.duration_since(now)).unwrap_or(Duration::ZERO));
    (status, requeue)
}

/// Others' conditions, and ours where something failed. A failure that goes on keeps its time
/// and first message, so that it is written once (`SetCondition`).
fn conditions(set: &ReplicaSet, failed: Option<&Failed>, now: Timestamp) -> Option<Vec<ReplicaSetCondition>> {
    let known = set.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or(&[]);
    let (ours, others): (Vec<_>, Vec<_>) =
        known.iter().cloned().partition(|condition| condition.type_ == REPLICA_FAILURE);
    let failure = failed.map(|failed| {
        let same =
            ours.into_iter().find(|old| old.reason.as_deref() == Some(failed.reason) && old.status == "True");
        same.unwrap_or_else(|| ReplicaSetCondition {
            type_: REPLICA_FAILURE.to_owned(),
            status: "True".to_owned(),
            reason: Some(failed.reason.to_owned()),
            message: Some(failed.error.to_string()),
            last_transition_time: Timestamp::from_second(now.as_second()).ok().map(Time),
        })
    });
    let all: Vec<_> = others.into_iter().chain(failure).collect();
    (!all.is_empty()).then_some(all)
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn some(number: usize) -> Option<i32> {
    (number != 0).then(|| count(number))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(min_ready_seconds: i32) -> ReplicaSet {
        let spec = json!({"minReadySeconds": min_ready_seconds, "selector": {}});
        serde_json::from_value(json!({"metadata": {"name": "s"}, "spec": spec})).expect("a set")
    }

    fn ready_pod(at: &str) -> Arc<Pod> {
        let ready = json!({"type": "Ready", "status": "True", "lastTransitionTime": at});
        let pod = json!({"metadata": {"name": "a"}, "status": {"phase": "Running", "conditions": [ready]}});
        Arc::new(serde_json::from_value(pod).expect("a pod"))
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn a_pod_is_available_only_after_its_min_ready_seconds() {
        let pods = [ready_pod("2026-01-01T00:00:00Z")];
        let (early, requeue) = of(&set(10), (&pods, 0), None, at("2026-01-01T00:00:04Z"));
        assert_eq!((early.ready_replicas, early.available_replicas), (Some(1), None));
        assert_eq!(requeue, Some(Duration::from_secs(6)));
        let (late, requeue) = of(&set(10), (&pods, 2), None, at("2026-01-01T00:00:10Z"));
        assert_eq!((late.available_replicas, requeue), (Some(1), None));
        assert_eq!(late.terminating_replicas, Some(2));
    }

    #[test]
    fn a_pod_that_says_it_is_ready_at_the_end_of_time_is_only_not_available() {
        let (status, _) =
            of(&set(i32::MAX), (&[ready_pod("9999-12-30T22:00:00Z")], 0), None, Timestamp::now());
        assert_eq!(status.available_replicas, None);
    }

    #[test]
    fn a_failure_that_goes_on_is_written_once_and_goes_when_it_is_over() {
        let mut set = set(0);
        let failed = |text: &str| Failed { reason: "FailedCreate", error: Failure::plain(text) };
        let (status, _) = of(&set, (&[], 0), Some(&failed("no room for a-1")), at("2026-01-01T00:00:00Z"));
        let first = status.conditions.clone().expect("a condition");
        assert_eq!(first[0].message.as_deref(), Some("no room for a-1"));
        set.status = Some(status);
        let (status, _) = of(&set, (&[], 0), Some(&failed("no room for a-2")), at("2026-01-01T00:00:09Z"));
        assert_eq!(status.conditions, Some(first));
        let (status, _) = of(&set, (&[], 0), None, at("2026-01-01T00:00:09Z"));
        assert_eq!(status.conditions, None);
    }
}
