//! Whether an object is ready, told from a snapshot alone.

use serde_json::Value;
use spur_api::meta;

use super::Awaited;
use super::snapshot::Snapshot;
use crate::wait::Condition;

/// Ready, or why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Ready,
    Waiting(String),
}

/// The state of one object.
pub(crate) fn of(awaited: &Awaited, snapshot: &Snapshot) -> State {
    let Some(object) = snapshot.find(awaited) else {
        return State::Waiting("it is gone".to_owned());
    };
    match awaited.kind {
        "Deployment" => deployment(object),
        "StatefulSet" => stateful_set(object),
        "DaemonSet" => daemon_set(object),
        "ReplicaSet" => replicas(object, "/status/readyReplicas"),
        "Pod" => pod(object),
        "Service" => service(object, awaited, snapshot),
        _ => State::Ready,
    }
}

/// Source of the rule: `kubectl rollout status`
/// (`kubectl/pkg/polymorphichelpers/rollout_status.go`).
fn deployment(object: &Value) -> State {
    let wanted = meta::number(object, "/spec/replicas").unwrap_or(1);
    let number = |pointer| meta::number(object, pointer).unwrap_or(0);
    if number("/status/observedGeneration") < number("/metadata/generation") {
        return State::Waiting("its controller has not seen it yet".to_owned());
    }
    let (updated, all) = (number("/status/updatedReplicas"), number("/status/replicas"));
    if updated < wanted {
        return State::Waiting(format!("{updated} of {wanted} pods are of the new version"));
    }
    if all > updated {
        return State::Waiting(format!("{} pods of the old version are left", all - updated));
    }
    replicas(object, "/status/availableReplicas")
}

/// Its pods are updated from the highest down, so that the new version is everywhere when all are ready.
fn stateful_set(object: &Value) -> State {
    let number = |pointer| meta::number(object, pointer).unwrap_or(0);
    if number("/status/observedGeneration") < number("/metadata/generation") {
        return State::Waiting("its controller has not seen it yet".to_owned());
    }
    let is_rolling = meta::text(object, "/spec/updateStrategy/type") != "OnDelete"
        && meta::number(object, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0) == 0;
    let text = |pointer| meta::text(object, pointer);
    if is_rolling && text("/status/updateRevision") != text("/status/currentRevision") {
        let updated = number("/status/updatedReplicas");
        return State::Waiting(format!("{updated} pods are of the new version"));
    }
    replicas(object, "/status/readyReplicas")
}

fn daemon_set(object: &Value) -> State {
    let number = |pointer| meta::number(object, pointer).unwrap_or(0);
    if number("/status/observedGeneration") < number("/metadata/generation") {
        return State::Waiting("its controller has not seen it yet".to_owned());
    }
    match (number("/status/numberReady"), number("/status/desiredNumberScheduled")) {
        (found, wanted) if found >= wanted => State::Ready,
        (found, wanted) => State::Waiting(format!("{found} of {wanted} pods are ready")),
    }
}

fn replicas(object: &Value, pointer: &str) -> State {
    let wanted = meta::number(object, "/spec/replicas").unwrap_or(1);
    match meta::number(object, pointer).unwrap_or(0) {
        found if found >= wanted => State::Ready,
        found => State::Waiting(format!("{found} of {wanted} pods are ready")),
    }
}

fn pod(object: &Value) -> State {
    if is_pod_done(object) {
        return State::Ready;
    }
    State::Waiting(spur_api::kinds::pod::status(object))
}

/// Whether a pod is ready, or ended well.
pub(super) fn is_pod_done(pod: &Value) -> bool {
    meta::text(pod, "/status/phase") == "Succeeded" || Condition::ready().is_met(Some(pod))
}

/// A Service whose pods are there is ready when requests can reach one of them.
fn service(object: &Value, awaited: &Awaited, snapshot: &Snapshot) -> State {
    let has_pods = snapshot.pods(awaited).iter().any(|pod| !meta::is_deleting(pod));
    let has_ports = !meta::list(object, "/spec/ports").is_empty();
    if !has_pods || !has_ports {
        // Nothing is behind it that could become ready.
        return State::Ready;
    }
    let mut endpoints = snapshot
        .slices(&awaited.namespace, &awaited.name)
        .filter(|slice| !meta::list(slice, "/ports").is_empty())
        .flat_map(|slice| meta::list(slice, "/endpoints"));
    // An absent condition counts as ready (`discovery/v1` EndpointConditions).
    let is_ready = |endpoint: &Value| endpoint.pointer("/conditions/ready") != Some(&Value::Bool(false));
    if endpoints.any(is_ready) { State::Ready } else { State::Waiting("it has no ready endpoint".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn awaited(kind: &'static str) -> Awaited {
        Awaited { kind, namespace: "shop".to_owned(), name: "web".to_owned(), shown: String::new() }
    }

    fn metadata(labels: Value) -> Value {
        json!({"name": "web", "namespace": "shop", "uid": "1", "generation": 1, "labels": labels})
    }

    #[test]
    fn a_deployment_is_ready_when_its_rollout_is_over() {
        #[track_caller]
        fn check(status: Value, expected: &str) {
            let object = json!({"metadata": metadata(json!({})), "spec": {"replicas": 2}, "status": status});
            let snapshot = Snapshot { deployments: vec![object], ..Snapshot::default() };
            let expected = match expected {
                "" => State::Ready,
                why => State::Waiting(why.to_owned()),
            };
            assert_eq!(of(&awaited("Deployment"), &snapshot), expected);
        }
        check(json!({}), "its controller has not seen it yet");
        let observed = |updated, all, available| json!({"observedGeneration": 1, "updatedReplicas": updated, "replicas": all, "availableReplicas": available});
        check(observed(1, 2, 2), "1 of 2 pods are of the new version");
        check(observed(2, 3, 2), "1 pods of the old version are left");
        check(observed(2, 2, 1), "1 of 2 pods are ready");
        check(observed(2, 2, 2), "");
    }

    #[test]
    fn other_workloads_are_ready_when_all_their_pods_are() {
        let check = |kind: &'static str, status: Value, expected: &str| {
            let object = json!({"metadata": metadata(json!({})), "spec": {"replicas": 2}, "status": status});
            let snapshot = Snapshot {
                stateful_sets: vec![object.clone()],
                daemon_sets: vec![object],
                ..Snapshot::default()
            };
            let expected = match expected {
                "" => State::Ready,
                why => State::Waiting(why.to_owned()),
            };
            assert_eq!(of(&awaited(kind), &snapshot), expected);
        };
        let stateful = |ready: i64, current: &str| {
            json!({"observedGeneration": 1, "readyReplicas": ready, "updatedReplicas": 1,
                "currentRevision": current, "updateRevision": "b"})
        };
        check("StatefulSet", json!({}), "its controller has not seen it yet");
        check("StatefulSet", stateful(2, "a"), "1 pods are of the new version");
        check("StatefulSet", stateful(1, "b"), "1 of 2 pods are ready");
        check("StatefulSet", stateful(2, "b"), "");
        let daemons =
            |ready: i64| json!({"observedGeneration": 1, "numberReady": ready, "desiredNumberScheduled": 1});
        check("DaemonSet", daemons(0), "0 of 1 pods are ready");
        check("DaemonSet", daemons(1), "");
    }

    #[test]
    fn a_service_waits_for_an_endpoint_only_where_it_has_pods() {
        let service = json!({"metadata": metadata(json!({})), "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}});
        let mut snapshot = Snapshot { services: vec![service], ..Snapshot::default() };
        assert_eq!(of(&awaited("Service"), &snapshot), State::Ready);
        snapshot.pods = vec![json!({"metadata": metadata(json!({"app": "web"}))})];
        assert!(matches!(of(&awaited("Service"), &snapshot), State::Waiting(_)));
        let slice = |ready: bool| {
            json!({
                "metadata": {"namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
                "ports": [{"port": 1}], "endpoints": [{"conditions": {"ready": ready}}],
            })
        };
        snapshot.slices = vec![slice(false)];
        assert!(matches!(of(&awaited("Service"), &snapshot), State::Waiting(_)));
        snapshot.slices.push(slice(true));
        assert_eq!(of(&awaited("Service"), &snapshot), State::Ready);
    }

    #[test]
    fn a_pod_that_ended_well_is_done() {
        let pod = |status: Value| json!({"metadata": metadata(json!({})), "status": status});
        let state =
            |status| of(&awaited("Pod"), &Snapshot { pods: vec![pod(status)], ..Snapshot::default() });
        assert_eq!(state(json!({"phase": "Succeeded"})), State::Ready);
        assert_eq!(state(json!({"conditions": [{"type": "Ready", "status": "True"}]})), State::Ready);
        assert_eq!(state(json!({"phase": "Pending"})), State::Waiting("Pending".to_owned()));
    }
}
