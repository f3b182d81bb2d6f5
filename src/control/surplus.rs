//! Which pods a workload gives up when it has too many.
//!
//! Source: `pkg/controller/controller_utils.go`, `ActivePodsWithRanks`. Its ranks,
//! which spread pods over nodes, have no meaning on the one node there is.

use std::cmp::Reverse;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use crate::pods::{phase, ready_since};

/// What it costs to delete a pod, in no unit: the cheapest go first
/// (`core.PodDeletionCost`).
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// So many pods, those that are least use first, the youngest among equals.
pub(crate) fn surplus(active: &[Arc<Pod>], count: usize) -> Vec<Arc<Pod>> {
    let mut ranked: Vec<&Arc<Pod>> = active.iter().collect();
    ranked.sort_by_cached_key(|pod| Use::of(pod));
    ranked.into_iter().take(count).cloned().collect()
}

/// Of how much use a pod is: the first field that differs decides, and what is more is of
/// more use.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Use {
    is_running: bool,
    is_ready: bool,
    deletion_cost: i32,
    ready_since: Reverse<Option<Timestamp>>,
    n_restarts: Reverse<i32>,
    created: Reverse<Option<Timestamp>>,
}

// === impl Use ===

impl Use {
    fn of(pod: &Pod) -> Self {
        let status = pod.status.as_ref();
        let containers = status.and_then(|status| status.container_statuses.as_ref()).into_iter().flatten();
        let ready_since = ready_since(pod);
        Self {
            is_running: phase(pod) == "Running",
            is_ready: ready_since.is_some(),
            deletion_cost: pod
                .annotations()
                .get(DELETION_COST)
                .and_then(|text| text.parse().ok())
                .unwrap_or(0),
            ready_since: Reverse(ready_since),
            n_restarts: Reverse(containers.map(|container| container.restart_count).max().unwrap_or(0)),
            created: Reverse(pod.metadata.creation_timestamp.as_ref().map(|time| time.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(name: &str, phase: &str, ready_at: Option<&str>, created: &str) -> Value {
        let conditions =
            ready_at.map(|at| json!([{"type": "Ready", "status": "True", "lastTransitionTime": at}]));
        json!({
            "metadata": {"name": name, "creationTimestamp": created, "annotations": {}},
            "status": {"phase": phase, "conditions": conditions},
        })
    }

    fn check(pods: &[Value], expected: &[&str]) {
        let read = |pod: &Value| Arc::new(serde_json::from_value(pod.clone()).expect("a pod"));
        let pods: Vec<Arc<Pod>> = pods.iter().map(read).collect();
        let found = surplus(&pods, expected.len());
        assert_eq!(found.iter().map(|pod| pod.name_any()).collect::<Vec<_>>(), expected);
    }

    const FIRST: &str = "2026-01-01T00:00:00Z";
    const SECOND: &str = "2026-01-02T00:00:00Z";

    #[test]
    fn the_least_useful_pod_goes_first() {
        let pods = [
            pod("ready-old", "Running", Some(FIRST), FIRST),
            pod("ready-new", "Running", Some(SECOND), SECOND),
            pod("pending", "Pending", None, FIRST),
            pod("unready", "Running", None, FIRST),
        ];
        check(&pods, &["pending", "unready", "ready-new"]);
        check(&pods, &[]);
    }

    #[test]
    fn among_ready_pods_the_cheap_then_the_lately_ready_then_the_restarted_go() {
        let ready = |name: &str, at: &str| pod(name, "Running", Some(at), FIRST);
        let mut cheap = ready("cheap", FIRST);
        cheap["metadata"]["annotations"][DELETION_COST] = json!("-1");
        let mut dear = ready("dear", SECOND);
        dear["metadata"]["annotations"][DELETION_COST] = json!("5");
        let mut restarted = ready("restarted", FIRST);
        restarted["status"]["containerStatuses"] = json!([{"name": "c", "restartCount": 2}]);
        let pods = [dear, ready("long-ready", FIRST), restarted, ready("just-ready", SECOND), cheap];
        check(&pods, &["cheap", "just-ready", "restarted", "long-ready", "dear"]);
    }
}
