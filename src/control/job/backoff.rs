//! How long a job waits after failures before it makes another pod: pure.
//!
//! Counted from the pods that are there, so that it is the same after a restart; Kubernetes
//! counts in memory.
//!
//! Source: `pkg/controller/job/backoff_utils.go`.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;

use crate::pods::phase;

/// The wait after a first failure; it doubles with each further one
/// (`DefaultJobPodFailureBackOff`).
const FIRST: Duration = Duration::from_secs(10);
/// The longest wait (`MaxJobPodFailureBackOff`).
const MAX: Duration = Duration::from_secs(600);

/// How long to wait, given pods that have ended.
pub(super) fn left<'a>(ended: impl Iterator<Item = &'a Pod>, now: Timestamp) -> Option<Duration> {
    let mut failures = Vec::new();
    let mut last_success = None;
    for pod in ended {
        let at = finished_at(pod, now);
        if phase(pod) == "Succeeded" {
            last_success = last_success.max(Some(at));
        } else {
            failures.push(at);
        }
    }
    failures.retain(|at| last_success.is_none_or(|success| *at > success));
    let last = failures.iter().copied().max()?;
    left_after((failures.len(), last), now)
}

/// How long to wait after so many failures, the last at this time.
pub(super) fn left_after((n_failures, last): (usize, Timestamp), now: Timestamp) -> Option<Duration> {
    let doublings = u32::try_from(n_failures.checked_sub(1)?).unwrap_or(u32::MAX);
    let wait = FIRST.saturating_mul(2_u32.saturating_pow(doublings)).min(MAX);
    let due = last.saturating_add(SignedDuration::try_from(wait).ok()?).ok()?;
    (due > now).then(|| Duration::try_from(due.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// When a pod ended (`getFinishedTime`).
pub(super) fn finished_at(pod: &Pod, now: Timestamp) -> Timestamp {
    let status = pod.status.as_ref();
    let containers = status.and_then(|status| status.container_statuses.as_ref()).into_iter().flatten();
    let ended = containers
        .filter_map(|container| Some(container.state.as_ref()?.terminated.as_ref()?.finished_at.as_ref()?.0));
    let not_ready = || {
        let conditions = status?.conditions.as_ref()?;
        let ready = conditions.iter().find(|condition| condition.type_ == "Ready")?;
        Some(ready.last_transition_time.as_ref()?.0)
    };
    let deleted = || Some(pod.metadata.deletion_timestamp.as_ref()?.0);
    ended.max().or_else(not_ready).or_else(deleted).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(phase: &str, second: i64) -> Pod {
        let at = Timestamp::from_second(second).expect("a time").to_string();
        let container = json!({
            "name": "c", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": 1, "finishedAt": at}},
        });
        serde_json::from_value(json!({"status": {"phase": phase, "containerStatuses": [container]}}))
            .expect("a pod")
    }

    fn check(pods: &[(&str, i64)], now: i64, expected_s: Option<u64>) {
        let pods: Vec<Pod> = pods.iter().map(|(phase, second)| pod(phase, *second)).collect();
        let now = Timestamp::from_second(now).expect("a time");
        assert_eq!(left(pods.iter(), now), expected_s.map(Duration::from_secs));
    }

    #[test]
    fn waits_double_from_ten_seconds_to_ten_minutes() {
        check(&[], 100, None);
        check(&[("Succeeded", 100)], 100, None);
        check(&[("Failed", 100)], 100, Some(10));
        check(&[("Failed", 100)], 109, Some(1));
        check(&[("Failed", 100)], 110, None);
        check(&[("Failed", 90), ("Failed", 100)], 100, Some(20));
        check(&[("Failed", 100); 30], 100, Some(600));
    }

    #[test]
    fn a_success_begins_the_count_anew() {
        check(&[("Failed", 80), ("Failed", 90), ("Succeeded", 95), ("Failed", 100)], 100, Some(10));
        check(&[("Failed", 80), ("Failed", 90), ("Succeeded", 100)], 100, None);
    }
}
