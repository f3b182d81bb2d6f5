//! ReplicaSets: so many pods of one template.
//!
//! Pods are read from the API at each reconciliation, not from a cache: a cache
//! that is behind would make too many.
//!
//! Source: `pkg/controller/replicaset/replica_set.go`.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetStatus};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::watcher;
use kube::{Resource, ResourceExt};
use serde_json::json;
use spur_api::labels;
use tokio_util::sync::CancellationToken;

use crate::events::EventType;
use crate::owner;
use crate::run::{Context, Failure, retry, with_nulls};

/// Pods made or deleted in one reconciliation, so that one large set does not
/// keep the others waiting (`BurstReplicas`).
const BURST: usize = 500;

/// Runs the controller until stopped.
pub(crate) async fn run(ctx: Arc<Context>, stop: CancellationToken) {
    let replica_sets: Api<ReplicaSet> = Api::all(ctx.client.clone());
    let pods: Api<Pod> = Api::all(ctx.client.clone());
    Controller::new(replica_sets, watcher::Config::default())
        .owns(pods, watcher::Config::default())
        .graceful_shutdown_on(async move { stop.cancelled().await })
        .run(reconcile_replica_set, retry, ctx)
        .for_each(|_| async {})
        .await;
}

async fn reconcile_replica_set(set: Arc<ReplicaSet>, ctx: Arc<Context>) -> Result<Action, Failure> {
    let namespace = set.namespace().unwrap_or_default();
    let pods: Api<Pod> = Api::namespaced(ctx.client.clone(), &namespace);
    let mut active = active_pods(&pods, &set).await?;
    if set.meta().deletion_timestamp.is_none() {
        let wanted = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        let wanted = usize::try_from(wanted).unwrap_or(0);
        let n_missing = wanted.saturating_sub(active.len()).min(BURST);
        for _ in 0..n_missing {
            active.push(create_pod(&ctx, &pods, &set).await?);
        }
        let surplus = surplus(&active, active.len().saturating_sub(wanted).min(BURST));
        for name in surplus {
            delete_pod(&ctx, &pods, &set, &name).await?;
            active.retain(|pod| pod.name_any() != name);
        }
    }
    let (status, requeue) = status(&set, &active, Timestamp::now());
    if set.status.as_ref() != Some(&status) {
        let api: Api<ReplicaSet> = Api::namespaced(ctx.client.clone(), &namespace);
        let patch = Patch::Merge(json!({"status": with_nulls(set.status.as_ref(), &status)?}));
        match api.patch_status(&set.name_any(), &PatchParams::default(), &patch).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            outcome => drop(outcome?),
        }
    }
    Ok(requeue.map_or_else(Action::await_change, Action::requeue))
}

/// The set's pods that run or will: not ended and not being deleted.
async fn active_pods(pods: &Api<Pod>, set: &ReplicaSet) -> Result<Vec<Pod>, Failure> {
    let uid = set.uid().unwrap_or_default();
    let hash = set.labels().get(labels::POD_TEMPLATE_HASH);
    let params = match hash {
        Some(hash) => ListParams::default().labels(&format!("{}={hash}", labels::POD_TEMPLATE_HASH)),
        None => ListParams::default(),
    };
    let all = pods.list(&params).await?;
    Ok(all.into_iter().filter(|pod| owner::is_controlled_by(pod.meta(), &uid) && is_active(pod)).collect())
}

fn is_active(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    !matches!(phase, Some("Succeeded" | "Failed")) && pod.metadata.deletion_timestamp.is_none()
}

async fn create_pod(ctx: &Context, pods: &Api<Pod>, set: &ReplicaSet) -> Result<Pod, Failure> {
    let template = set.spec.as_ref().and_then(|spec| spec.template.clone()).unwrap_or_default();
    let metadata = template.metadata.unwrap_or_default();
    let pod = Pod {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", set.name_any())),
            labels: metadata.labels,
            annotations: metadata.annotations,
            finalizers: metadata.finalizers,
            owner_references: Some(vec![owner::controlled_by(set)]),
            ..ObjectMeta::default()
        },
        spec: template.spec,
        status: None,
    };
    let involved = set.object_ref(&());
    match pods.create(&PostParams::default(), &pod).await {
        Ok(created) => {
            let message = format!("Created pod: {}", created.name_any());
            ctx.events.record(&involved, EventType::Normal, "SuccessfulCreate", &message).await;
            Ok(created)
        }
        Err(error) => {
            let message = format!("Error creating: {error}");
            ctx.events.record(&involved, EventType::Warning, "FailedCreate", &message).await;
            Err(error.into())
        }
    }
}

async fn delete_pod(ctx: &Context, pods: &Api<Pod>, set: &ReplicaSet, name: &str) -> Result<(), Failure> {
    match pods.delete(name, &DeleteParams::default()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
        outcome => drop(outcome?),
    }
    let message = format!("Deleted pod: {name}");
    ctx.events.record(&set.object_ref(&()), EventType::Normal, "SuccessfulDelete", &message).await;
    Ok(())
}

/// Which pods to give up: those that are least use first, the youngest among
/// equals (`controller.ActivePodsWithRanks`).
fn surplus(active: &[Pod], count: usize) -> Vec<String> {
    let mut ranked: Vec<&Pod> = active.iter().collect();
    ranked.sort_by_key(|pod| {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        let created = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
        (phase == Some("Running"), ready_since(pod).is_some(), std::cmp::Reverse(created))
    });
    ranked.into_iter().take(count).map(ResourceExt::name_any).collect()
}

/// Since when the pod is ready.
fn ready_since(pod: &Pod) -> Option<Timestamp> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let ready =
        conditions.iter().find(|condition| condition.type_ == "Ready" && condition.status == "True")?;
    Some(ready.last_transition_time.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0))
}

/// The status, and when a ready pod becomes available.
fn status(set: &ReplicaSet, active: &[Pod], now: Timestamp) -> (ReplicaSetStatus, Option<Duration>) {
    let spec = set.spec.as_ref();
    let min_ready =
        SignedDuration::from_secs(i64::from(spec.and_then(|spec| spec.min_ready_seconds).unwrap_or(0)));
    let template =
        spec.and_then(|spec| spec.template.as_ref()).and_then(|template| template.metadata.as_ref());
    let labels = template.and_then(|metadata| metadata.labels.clone()).unwrap_or_default();
    let is_labelled = |pod: &&Pod| labels.iter().all(|(key, value)| pod.labels().get(key) == Some(value));
    let since: Vec<Timestamp> = active.iter().filter_map(ready_since).collect();
    let waiting = since.iter().map(|since| *since + min_ready).filter(|due| *due > now).min();
    let n_available = since.iter().filter(|since| **since + min_ready <= now).count();
    let status = ReplicaSetStatus {
        replicas: count(active.len()),
        fully_labeled_replicas: some(active.iter().filter(is_labelled).count()),
        ready_replicas: some(since.len()),
        available_replicas: some(n_available),
        observed_generation: set.metadata.generation,
        conditions: None,
        terminating_replicas: None,
    };
    let requeue = waiting.map(|due| Duration::try_from(due.duration_since(now)).unwrap_or(Duration::ZERO));
    (status, requeue)
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn some(number: usize) -> Option<i32> {
    (number != 0).then(|| count(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, phase: &str, ready_at: Option<&str>, created: &str) -> Pod {
        let conditions =
            ready_at.map(|at| json!([{"type": "Ready", "status": "True", "lastTransitionTime": at}]));
        serde_json::from_value(json!({
            "metadata": {"name": name, "creationTimestamp": created, "labels": {"app": "a"}},
            "status": {"phase": phase, "conditions": conditions},
        }))
        .expect("a pod")
    }

    #[test]
    fn the_least_useful_pod_goes_first() {
        let pods = [
            pod("ready-old", "Running", Some("2026-01-01T00:00:00Z"), "2026-01-01T00:00:00Z"),
            pod("ready-new", "Running", Some("2026-01-02T00:00:00Z"), "2026-01-02T00:00:00Z"),
            pod("pending", "Pending", None, "2026-01-01T00:00:00Z"),
            pod("unready", "Running", None, "2026-01-01T00:00:00Z"),
        ];
        assert_eq!(surplus(&pods, 3), ["pending", "unready", "ready-new"]);
        assert_eq!(surplus(&pods, 0), Vec::<String>::new());
    }

    #[test]
    fn a_pod_is_available_only_after_its_min_ready_seconds() {
        let set: ReplicaSet = serde_json::from_value(json!({
            "metadata": {"name": "s"}, "spec": {"minReadySeconds": 10, "selector": {}},
        }))
        .expect("a set");
        let pods = [pod("a", "Running", Some("2026-01-01T00:00:00Z"), "2026-01-01T00:00:00Z")];
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let (early, requeue) = status(&set, &pods, at("2026-01-01T00:00:04Z"));
        assert_eq!((early.ready_replicas, early.available_replicas), (Some(1), None));
        assert_eq!(requeue, Some(Duration::from_secs(6)));
        let (late, requeue) = status(&set, &pods, at("2026-01-01T00:00:10Z"));
        assert_eq!((late.available_replicas, requeue), (Some(1), None));
    }
}
