//! A budget's status as a pure function of its pods.
//!
//! Source: `pkg/controller/disruption/disruption.go` (`countHealthyPods`, `buildDisruptedPodMap`,
//! `updatePdbStatus`) and `component-helpers/apps/poddisruptionbudget/helpers.go`.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;

use crate::pods;

/// How long an evicted pod may take to get its deletion timestamp, before it counts as healthy
/// again (`DeletionTimeout`).
const DELETION_TIMEOUT: SignedDuration = SignedDuration::from_mins(2);

/// What a budget counts its pods against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Against {
    /// What the owners of its pods are scaled to.
    Scale,
    /// The pods that there are.
    Pods,
    /// Nothing: it has no bound, and lets no pod go.
    Nothing,
}

/// What a budget counts its pods against (`getExpectedPodCount`).
pub(super) fn against(budget: &PodDisruptionBudget) -> Against {
    let spec = budget.spec.as_ref();
    let bounds = spec.map(|spec| (&spec.max_unavailable, &spec.min_available));
    match bounds {
        Some((Some(_), _) | (None, Some(IntOrString::String(_)))) => Against::Scale,
        Some((None, Some(IntOrString::Int(_)))) => Against::Pods,
        Some((None, None)) | None => Against::Nothing,
    }
}

/// The status, and when to look again: when an evicted pod should be going.
pub(super) fn of(
    budget: &PodDisruptionBudget,
    pods: &[Pod],
    n_expected: usize,
    now: Timestamp,
) -> (PodDisruptionBudgetStatus, Option<Duration>) {
    let is_late = |since: &Time| since.0 + DELETION_TIMEOUT < now;
    let evicted = budget.status.as_ref().and_then(|status| status.disrupted_pods.clone()).unwrap_or_default();
    let stays = |pod: &&Pod| !pods::is_deleting(pod);
    let awaited: BTreeMap<String, Time> = pods
        .iter()
        .filter(stays)
        .filter_map(|pod| evicted.get_key_value(&pod.name_any()))
        .filter(|(_, since)| !is_late(since))
        .map(|(name, since)| (name.clone(), since.clone()))
        .collect();
    let healthy = pods
        .iter()
        .filter(stays)
        .filter(|pod| !awaited.contains_key(&pod.name_any()) && pods::ready_since(pod).is_some())
        .count();
    let expected_pods = count(n_expected);
    let (current_healthy, desired_healthy) = (count(healthy), desired(budget, expected_pods));
    let allowed = if expected_pods > 0 { (current_healthy - desired_healthy).max(0) } else { 0 };
    let recheck = awaited.values().map(|since| since.0 + DELETION_TIMEOUT).min();
    // A second later, since an age of exactly the timeout is not late yet.
    let recheck = recheck.map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default());
    let (status_of, reason) =
        if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    let generation = budget.metadata.generation;
    let status = PodDisruptionBudgetStatus {
        conditions: with_condition(budget, condition(status_of, reason, "", generation, now)),
        current_healthy: Some(current_healthy),
        desired_healthy: Some(desired_healthy),
        disrupted_pods: (!awaited.is_empty()).then_some(awaited),
        disruptions_allowed: Some(allowed),
        expected_pods: Some(expected_pods),
        observed_generation: generation,
    };
    (status, recheck.map(|wait| wait + Duration::from_secs(1)))
}

/// The status where the pods cannot be counted: nothing may go.
pub(super) fn failed(budget: &PodDisruptionBudget, why: &str, now: Timestamp) -> PodDisruptionBudgetStatus {
    let before = budget.status.clone().unwrap_or_default();
    let observed = before.observed_generation;
    PodDisruptionBudgetStatus {
        conditions: with_condition(budget, condition("False", "SyncFailed", why, observed, now)),
        current_healthy: before.current_healthy.or(Some(0)),
        desired_healthy: before.desired_healthy.or(Some(0)),
        disruptions_allowed: Some(0),
        expected_pods: before.expected_pods.or(Some(0)),
        ..before
    }
}

/// Shares of pods are rounded up (`GetScaledValueFromIntOrPercent`, `roundUp`).
fn desired(budget: &PodDisruptionBudget, expected: i32) -> i32 {
    let share = |percent: i64| i32::try_from((i64::from(expected) * percent + 99) / 100).unwrap_or(i32::MAX);
    let of = |bound: &IntOrString| match bound {
        IntOrString::Int(count) => *count,
        IntOrString::String(text) => text.trim_end_matches('%').parse().map_or(0, share),
    };
    let Some(spec) = &budget.spec else { return 0 };
    match (&spec.max_unavailable, &spec.min_available) {
        (Some(max), _) => expected.saturating_sub(of(max)).max(0),
        (None, Some(min)) => of(min),
        (None, None) => 0,
    }
}

fn condition(status: &str, reason: &str, message: &str, observed: Option<i64>, now: Timestamp) -> Condition {
    Condition {
        type_: "DisruptionAllowed".to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        observed_generation: observed,
        last_transition_time: Time(now),
    }
}

/// The conditions with this one, whose time is that of its last change of status.
fn with_condition(budget: &PodDisruptionBudget, mut new: Condition) -> Option<Vec<Condition>> {
    let mut all = budget.status.as_ref().and_then(|status| status.conditions.clone()).unwrap_or_default();
    match all.iter_mut().find(|condition| condition.type_ == new.type_) {
        Some(old) => {
            if old.status == new.status {
                new.last_transition_time = old.last_transition_time.clone();
            }
            *old = new;
        }
        None => all.push(new),
    }
    Some(all)
}

fn count(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn now() -> Timestamp {
        "2026-01-01T00:10:00Z".parse().unwrap()
    }

    fn budget(spec: Value, status: Value) -> PodDisruptionBudget {
        let metadata = json!({"name": "b", "generation": 3});
        serde_json::from_value(json!({"metadata": metadata, "spec": spec, "status": status})).unwrap()
    }

    fn pods(n_ready: usize, n_others: usize) -> Vec<Pod> {
        let pod = |index: usize| {
            let status = if index < n_ready { "True" } else { "False" };
            let conditions = json!([{"type": "Ready", "status": status}]);
            serde_json::from_value(
                json!({"metadata": {"name": format!("p{index}")}, "status": {"conditions": conditions}}),
            )
            .unwrap()
        };
        (0..n_ready + n_others).map(pod).collect()
    }

    #[track_caller]
    fn check(spec: Value, pods: &[Pod], n_expected: usize, wanted: (i32, i32, i32)) {
        let (status, recheck) = of(&budget(spec.clone(), Value::Null), pods, n_expected, now());
        let counts = [status.desired_healthy, status.current_healthy, status.disruptions_allowed];
        let found = <(i32, i32, i32)>::from(counts.map(Option::unwrap));
        assert_eq!((found, recheck), (wanted, None), "{spec}");
        assert_eq!((status.observed_generation, status.expected_pods), (Some(3), Some(count(n_expected))));
    }

    #[test]
    fn what_may_go_is_what_is_healthy_beyond_what_is_wanted() {
        check(json!({"minAvailable": 2}), &pods(3, 0), 3, (2, 3, 1));
        check(json!({"minAvailable": 2}), &pods(1, 2), 3, (2, 1, 0));
        check(json!({"minAvailable": "50%"}), &pods(3, 0), 3, (2, 3, 1));
        check(json!({"maxUnavailable": 1}), &pods(3, 1), 4, (3, 3, 0));
        check(json!({"maxUnavailable": "30%"}), &pods(4, 0), 4, (2, 4, 2));
        check(json!({"maxUnavailable": 9}), &pods(2, 0), 2, (0, 2, 2));
        // A budget without pods lets none go: the first may come before it is counted.
        check(json!({"minAvailable": 0}), &[], 0, (0, 0, 0));
    }

    #[test]
    fn an_evicted_pod_does_not_count_until_it_should_have_gone() {
        let spec = json!({"minAvailable": 1});
        let evicted = json!({"p0": "2026-01-01T00:09:00Z", "p1": "2026-01-01T00:07:59Z", "gone": "2026-01-01T00:09:00Z"});
        let status = json!({"currentHealthy": 3, "desiredHealthy": 1, "disruptionsAllowed": 1, "expectedPods": 3,
            "disruptedPods": evicted});
        let (status, recheck) = of(&budget(spec, status), &pods(3, 0), 3, now());
        assert_eq!((status.current_healthy, status.disruptions_allowed), (Some(2), Some(1)));
        assert_eq!(status.disrupted_pods.unwrap().into_keys().collect::<Vec<_>>(), ["p0"]);
        assert_eq!(recheck, Some(Duration::from_secs(61)));
    }

    #[test]
    fn a_condition_keeps_the_time_of_its_last_change() {
        let spec = json!({"minAvailable": 1});
        let (first, _) = of(&budget(spec.clone(), Value::Null), &pods(2, 0), 2, now());
        let later = now() + SignedDuration::from_secs(9);
        let counted = budget(spec, serde_json::to_value(&first).unwrap());
        assert_eq!(of(&counted, &pods(2, 0), 2, later).0, first);
        let condition = |status: &PodDisruptionBudgetStatus| status.conditions.clone().unwrap()[0].clone();
        assert_eq!(condition(&first).reason, "SufficientPods");
        let (none, _) = of(&counted, &pods(1, 1), 2, later);
        assert_eq!(
            (condition(&none).reason.as_str(), condition(&none).last_transition_time.0),
            ("InsufficientPods", later)
        );
        let failed = failed(&counted, "found no controllers for pod \"p\"", later);
        assert_eq!((failed.disruptions_allowed, condition(&failed).reason.as_str()), (Some(0), "SyncFailed"));
    }
}
