//! A deployment's status as a pure function of its ReplicaSets.
//!
//! Source: `pkg/controller/deployment/sync.go` (calculateStatus) and progress.go.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet, ReplicaSetStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use super::{current, rollout};
use crate::replica_set::REPLICA_FAILURE;

/// The status, with conditions that keep their times while they do not change.
pub(super) fn of(deployment: &Deployment, owned: &[Arc<ReplicaSet>], now: Timestamp) -> DeploymentStatus {
    let sum = |read: fn(&ReplicaSetStatus) -> Option<i32>| {
        let counts = owned.iter().filter_map(|set| set.status.as_ref().and_then(read));
        counts.fold(0, i32::saturating_add)
    };
    let replicas = sum(|status| Some(status.replicas));
    let ready = sum(|status| status.ready_replicas);
    let available = sum(|status| status.available_replicas);
    let terminating = sum(|status| status.terminating_replicas);
    let current = current::index(deployment, owned).map(|idx| &*owned[idx]);
    let updated = current.and_then(|set| set.status.as_ref()).map_or(0, |status| status.replicas);
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let old = deployment.status.clone().unwrap_or_default();
    let mut status = DeploymentStatus {
        observed_generation: deployment.metadata.generation,
        replicas: some(replicas),
        updated_replicas: some(updated),
        ready_replicas: some(ready),
        available_replicas: some(available),
        unavailable_replicas: some(wanted.saturating_sub(available).max(0)),
        collision_count: old.collision_count,
        conditions: None,
        terminating_replicas: some(terminating),
    };
    let available = availability(deployment, wanted, available);
    let progressing = progress(deployment, current, &status, wanted, now);
    let conditions = [Some(available), progressing, failure(current, owned)].into_iter().flatten();
    let kept = |new: DeploymentCondition| keep_times(new, old.conditions.as_deref().unwrap_or(&[]), now);
    status.conditions = Some(conditions.map(kept).collect());
    status
}

/// When the progress deadline passes, where it is still to be waited for.
pub(super) fn deadline(
    deployment: &Deployment,
    status: &DeploymentStatus,
    now: Timestamp,
) -> Option<Duration> {
    let progressing =
        status.conditions.iter().flatten().find(|condition| condition.type_ == "Progressing")?;
    if progressing.status != "True" || progressing.reason.as_deref() == Some(COMPLETE) {
        return None;
    }
    let left = deadline_of(deployment, progressing)?.duration_since(now);
    Some(Duration::try_from(left).unwrap_or(Duration::ZERO) + Duration::from_millis(100))
}

const COMPLETE: &str = "NewReplicaSetAvailable";

fn some(count: i32) -> Option<i32> {
    (count != 0).then_some(count)
}

fn availability(deployment: &Deployment, wanted: i32, available: i32) -> DeploymentCondition {
    let is_recreate = deployment.spec.as_ref().is_some_and(rollout::is_recreate);
    let wanted = i64::from(wanted);
    let allowed = if is_recreate { wanted } else { rollout::max_unavailable(deployment) };
    if i64::from(available) >= wanted - allowed {
        return condition(
            "Available",
            "True",
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
        );
    }
    condition(
        "Available",
        "False",
        "MinimumReplicasUnavailable",
        "Deployment does not have minimum availability.",
    )
}

/// What the current set says of pods that cannot be made, else what an old one says.
fn failure(current: Option<&ReplicaSet>, owned: &[Arc<ReplicaSet>]) -> Option<DeploymentCondition> {
    let sets = current.into_iter().chain(owned.iter().map(|set| &**set));
    let mut conditions =
        sets.flat_map(|set| set.status.iter().flat_map(|status| status.conditions.iter().flatten()));
    let failure = conditions.find(|found| found.type_ == REPLICA_FAILURE && found.status == "True")?;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Some(condition(REPLICA_FAILURE, "True", &text(&failure.reason), &text(&failure.message)))
}

fn progress(
    deployment: &Deployment,
    current: Option<&ReplicaSet>,
    status: &DeploymentStatus,
    wanted: i32,
    now: Timestamp,
) -> Option<DeploymentCondition> {
    let spec = deployment.spec.as_ref()?;
    if spec.paused == Some(true) {
        return Some(condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused"));
    }
    let name = current.map(ResourceExt::name_any)?;
    let is_complete = status.updated_replicas.unwrap_or(0) == wanted
        && status.replicas.unwrap_or(0) == wanted
        && status.available_replicas.unwrap_or(0) == wanted;
    if is_complete {
        let message = format!("ReplicaSet \"{name}\" has successfully progressed.");
        return Some(condition("Progressing", "True", COMPLETE, &message));
    }
    let old = deployment.status.as_ref();
    let known =
        old.and_then(|old| old.conditions.iter().flatten().find(|known| known.type_ == "Progressing"));
    let counts = |status: &DeploymentStatus| {
        (status.updated_replicas, status.ready_replicas, status.available_replicas, status.replicas)
    };
    let has_moved = old.is_none_or(|old| {
        counts(old) != counts(status) || old.observed_generation != status.observed_generation
    });
    let is_late = !has_moved
        && known.and_then(|known| deadline_of(deployment, known)).is_some_and(|deadline| now >= deadline);
    if is_late || (!has_moved && known.is_some_and(|known| known.status == "False")) {
        let message = format!("ReplicaSet \"{name}\" has timed out progressing.");
        return Some(condition("Progressing", "False", "ProgressDeadlineExceeded", &message));
    }
    let message = format!("ReplicaSet \"{name}\" is progressing.");
    let mut progressing = condition("Progressing", "True", "ReplicaSetUpdated", &message);
    if has_moved {
        progressing.last_update_time = Some(Time(now));
    }
    Some(progressing)
}

fn deadline_of(deployment: &Deployment, progressing: &DeploymentCondition) -> Option<Timestamp> {
    let seconds = deployment.spec.as_ref()?.progress_deadline_seconds.unwrap_or(600);
    let from = progressing.last_update_time.as_ref()?.0;
    from.saturating_add(jiff::SignedDuration::from_secs(i64::from(seconds))).ok()
}

fn condition(type_: &str, status: &str, reason: &str, message: &str) -> DeploymentCondition {
    DeploymentCondition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_transition_time: None,
        last_update_time: None,
    }
}

fn keep_times(
    mut new: DeploymentCondition,
    old: &[DeploymentCondition],
    now: Timestamp,
) -> DeploymentCondition {
    let now = Some(Time(whole_seconds(now)));
    let known = old.iter().find(|known| known.type_ == new.type_);
    let same_status = known.filter(|known| known.status == new.status);
    new.last_transition_time =
        same_status.map_or_else(|| now.clone(), |known| known.last_transition_time.clone());
    let has_moved = new.last_update_time.is_some();
    let same =
        same_status.filter(|known| known.reason == new.reason && known.message == new.message && !has_moved);
    new.last_update_time = same.map_or(now, |known| known.last_update_time.clone());
    new
}

/// Times are stored with whole seconds, so they are compared that way.
fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment() -> Deployment {
        serde_json::from_value(json!({
            "metadata": {"name": "web", "generation": 2},
            "spec": {"replicas": 1, "selector": {}, "template": {}},
        }))
        .expect("a deployment")
    }

    fn set(available: i32) -> Arc<ReplicaSet> {
        let set = json!({
            "metadata": {"name": "web-1", "labels": {"pod-template-hash": "x"}},
            "spec": {"replicas": 1, "selector": {}, "template": {}},
            "status": {"replicas": 1, "readyReplicas": available, "availableReplicas": available},
        });
        Arc::new(serde_json::from_value(set).expect("a replica set"))
    }

    fn reason(status: &DeploymentStatus, type_: &str) -> String {
        let conditions = status.conditions.iter().flatten();
        conditions.filter(|c| c.type_ == type_).filter_map(|c| c.reason.clone()).collect()
    }

    #[test]
    fn a_rollout_progresses_and_completes() {
        let mut deployment = deployment();
        let now = Timestamp::now();
        let sets = [set(0)];
        let status = of(&deployment, &sets, now);
        assert_eq!(reason(&status, "Progressing"), "ReplicaSetUpdated");
        assert_eq!(reason(&status, "Available"), "MinimumReplicasUnavailable");
        assert!(deadline(&deployment, &status, now).is_some());
        deployment.status = Some(status);
        let sets = [set(1)];
        let status = of(&deployment, &sets, now);
        assert_eq!(reason(&status, "Progressing"), COMPLETE);
        assert_eq!(deadline(&deployment, &status, now), None);
    }

    #[test]
    fn a_second_look_changes_nothing() {
        let mut deployment = deployment();
        let sets = [set(0)];
        let now = Timestamp::now();
        deployment.status = Some(of(&deployment, &sets, now));
        let later = now + jiff::SignedDuration::from_secs(5);
        assert_eq!(Some(of(&deployment, &sets, later)), deployment.status);
    }

    #[test]
    fn a_rollout_that_stands_still_times_out() {
        let mut deployment = deployment();
        let sets = [set(0)];
        let now = Timestamp::now();
        deployment.status = Some(of(&deployment, &sets, now));
        let late = now + jiff::SignedDuration::from_secs(601);
        let status = of(&deployment, &sets, late);
        assert_eq!(reason(&status, "Progressing"), "ProgressDeadlineExceeded");
        deployment.status = Some(status.clone());
        assert_eq!(of(&deployment, &sets, late), status, "it stays timed out");
    }
}
