//! What has become of a fork, from its workload and pods: pure.

use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::Value;
use spur_api::meta;

use super::workload::WorkloadKind;

/// What has become of a fork.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ForkState {
    /// It serves, and requests with the key reach it.
    Ready,
    /// It is on its way, as far as one can see.
    Starting(String),
    /// Something is wrong with it.
    Trouble(String),
    /// There is nothing to fork.
    BaselineNotFound(String),
    /// The changes do not fit.
    Invalid(String),
}

/// What keeps a pod's container waiting while all is well.
const USUAL_WAITS: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// The state of a fork whose workload is there. `unrouted` are the Services
/// that do not reach it yet.
pub(super) fn state(
    (kind, workload): (WorkloadKind, &DynamicObject),
    pods: &[&DynamicObject],
    unrouted: &[String],
) -> ForkState {
    let name = workload.name_any();
    let status = |field: &str| meta::number(&workload.data, &format!("/status/{field}")).unwrap_or(0);
    let is_observed = status("observedGeneration") >= workload.metadata.generation.unwrap_or(0);
    if meta::number(&workload.data, "/spec/replicas") == Some(0) {
        return ForkState::Trouble(format!("{} `{name}` is scaled to 0 replicas", kind.noun()));
    }
    let [replicas, updated, available] = match kind {
        WorkloadKind::Deployment | WorkloadKind::StatefulSet => {
            ["replicas", "updatedReplicas", "availableReplicas"]
        }
        WorkloadKind::DaemonSet => ["currentNumberScheduled", "updatedNumberScheduled", "numberAvailable"],
    };
    if kind == WorkloadKind::DaemonSet && is_observed && status("desiredNumberScheduled") == 0 {
        return ForkState::Trouble(format!("{} `{name}` is wanted on no node", kind.noun()));
    }
    let is_updated = status(updated) >= 1 && status(replicas) == status(updated);
    if is_observed && is_updated && status(available) >= 1 {
        return match unrouted {
            [] => ForkState::Ready,
            services => {
                ForkState::Starting(format!("no ready endpoint yet behind service {}", quoted(services)))
            }
        };
    }
    // What stands in the status of an older version of the workload is no news.
    let trouble = pods_trouble(pods).or_else(|| deployment_trouble(workload).filter(|_| is_observed));
    match trouble {
        Some(trouble) => ForkState::Trouble(trouble),
        None => ForkState::Starting(waiting_for((kind, &name), pods)),
    }
}

fn quoted(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// The newest pod's trouble, since older ones may be of a version that is on its way out.
fn pods_trouble(pods: &[&DynamicObject]) -> Option<String> {
    newest(pods).and_then(|pod| {
        let trouble = container_trouble(pod).or_else(|| condition(&pod.data, "PodScheduled", "False"))?;
        Some(format!("pod {}: {trouble}", pod.name_any()))
    })
}

fn newest<'a>(pods: &[&'a DynamicObject]) -> Option<&'a DynamicObject> {
    let alive = pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
    alive.copied().max_by_key(|pod| (pod.creation_timestamp().map(|time| time.0), pod.name_any()))
}

fn container_trouble(pod: &DynamicObject) -> Option<String> {
    let init = meta::list(&pod.data, "/status/initContainerStatuses").iter();
    init.chain(meta::list(&pod.data, "/status/containerStatuses")).find_map(|container| {
        let waiting = container.pointer("/state/waiting")?;
        let reason = meta::text(waiting, "/reason");
        (!reason.is_empty() && !USUAL_WAITS.contains(&reason)).then(|| with_message(waiting))
    })
}

/// `<reason>: <message>`, as far as there are any.
fn with_message(object: &Value) -> String {
    match (meta::text(object, "/reason"), meta::text(object, "/message")) {
        (reason, "") => reason.to_owned(),
        ("", message) => message.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    }
}

/// What a condition says where it has this status.
fn condition(object: &Value, type_: &str, status: &str) -> Option<String> {
    let mut conditions = meta::list(object, "/status/conditions").iter();
    let is_it = |one: &&Value| meta::text(one, "/type") == type_ && meta::text(one, "/status") == status;
    conditions.find(is_it).map(with_message)
}

/// Source of the conditions: `pkg/controller/deployment/util/deployment_util.go`.
fn deployment_trouble(deployment: &DynamicObject) -> Option<String> {
    let trouble = condition(&deployment.data, "ReplicaFailure", "True")
        .or_else(|| condition(&deployment.data, "Progressing", "False"))?;
    Some(format!("deployment {}: {trouble}", deployment.name_any()))
}

fn waiting_for((kind, workload): (WorkloadKind, &str), pods: &[&DynamicObject]) -> String {
    let Some(pod) = newest(pods) else { return format!("{} `{workload}` has no pod yet", kind.noun()) };
    let name = pod.name_any();
    match condition(&pod.data, "Ready", "False") {
        Some(why) if !why.is_empty() => format!("pod {name} is not ready: {why}"),
        _ => format!("pod {name} is starting"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(metadata: Value, rest: Value) -> DynamicObject {
        let mut object = json!({"apiVersion": "v1", "kind": "X", "metadata": metadata});
        object.as_object_mut().expect("a map").extend(rest.as_object().expect("a map").clone());
        serde_json::from_value(object).expect("an object")
    }

    fn deployment(status: Value) -> DynamicObject {
        object(
            json!({"name": "pr-cart", "generation": 2}),
            json!({"spec": {"replicas": 1}, "status": status}),
        )
    }

    fn available() -> Value {
        json!({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1})
    }

    fn pod(name: &str, second: u8, status: Value) -> DynamicObject {
        let created = format!("2026-01-01T00:00:{second:02}Z");
        object(json!({"name": name, "creationTimestamp": created}), json!({"status": status}))
    }

    #[track_caller]
    fn check(status: Value, pods: &[DynamicObject], unrouted: &[&str], expected: ForkState) {
        let pods: Vec<&DynamicObject> = pods.iter().collect();
        let unrouted: Vec<String> = unrouted.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(state((WorkloadKind::Deployment, &deployment(status)), &pods, &unrouted), expected);
    }

    fn starting(why: &str) -> ForkState {
        ForkState::Starting(why.to_owned())
    }

    #[test]
    fn it_is_ready_when_the_new_version_is_available_and_routed() {
        check(available(), &[], &[], ForkState::Ready);
        check(available(), &[], &["cart"], starting("no ready endpoint yet behind service `cart`"));
        let no_pod = || starting("deployment `pr-cart` has no pod yet");
        let with = |field: &str, value: i64| {
            let mut status = available();
            status[field] = json!(value);
            status
        };
        check(with("observedGeneration", 1), &[], &[], no_pod());
        check(with("updatedReplicas", 0), &[], &[], no_pod());
        check(with("replicas", 2), &[], &[], no_pod());
        check(with("availableReplicas", 0), &[], &[], no_pod());
        check(json!({}), &[], &[], no_pod());
    }

    #[test]
    fn what_is_wrong_is_told_from_the_newest_pod() {
        let waiting = |reason: &str| json!({"containerStatuses": [{"state": {"waiting": {"reason": reason, "message": "why"}}}]});
        let crash = || pod("b", 2, waiting("CrashLoopBackOff"));
        check(json!({}), &[crash()], &[], ForkState::Trouble("pod b: CrashLoopBackOff: why".to_owned()));
        check(
            json!({}),
            &[crash(), pod("c", 3, waiting("ContainerCreating"))],
            &[],
            starting("pod c is starting"),
        );
        let unready = json!({"conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "x"}]});
        check(json!({}), &[pod("a", 1, unready)], &[], starting("pod a is not ready: ContainersNotReady: x"));
    }

    #[test]
    fn a_deployment_that_cannot_make_pods_says_so() {
        let mut status = json!({"observedGeneration": 2, "conditions": [
            {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "no"},
        ]});
        let told = "deployment pr-cart: FailedCreate: no".to_owned();
        check(status.clone(), &[], &[], ForkState::Trouble(told));
        status["observedGeneration"] = json!(1);
        check(status, &[], &[], starting("deployment `pr-cart` has no pod yet"));
        let none = object(json!({"name": "d"}), json!({"spec": {"replicas": 0}}));
        let told = "deployment `d` is scaled to 0 replicas".to_owned();
        assert_eq!(state((WorkloadKind::Deployment, &none), &[], &[]), ForkState::Trouble(told));
        let daemon = |wanted: i32, available: i32| {
            let numbers = json!({
                "observedGeneration": 2, "desiredNumberScheduled": wanted, "currentNumberScheduled": wanted,
                "updatedNumberScheduled": wanted, "numberAvailable": available,
            });
            state(
                (
                    WorkloadKind::DaemonSet,
                    &object(json!({"name": "pr-cart", "generation": 2}), json!({"status": numbers})),
                ),
                &[],
                &[],
            )
        };
        assert_eq!(daemon(1, 1), ForkState::Ready);
        assert_eq!(daemon(1, 0), starting("daemon set `pr-cart` has no pod yet"));
        let nowhere = "daemon set `pr-cart` is wanted on no node".to_owned();
        assert_eq!(daemon(0, 0), ForkState::Trouble(nowhere));
    }
}
