//! Which workload a pod belongs to.

use serde_json::Value;

use crate::{labels, meta};

/// What tells the workload of a pod.
#[derive(Clone, Copy, Debug, Default)]
pub struct PodFacts<'a> {
    /// The pod's name.
    pub name: &'a str,
    /// The value of its label [`labels::FORK`].
    pub fork: Option<&'a str>,
    /// The value of its label [`labels::POD_TEMPLATE_HASH`].
    pub template_hash: Option<&'a str>,
    /// Kind and name of its controlling owner.
    pub owner: Option<(&'a str, &'a str)>,
}

// === impl PodFacts ===

impl<'a> PodFacts<'a> {
    /// Of a pod as it is stored.
    #[must_use]
    pub fn of(pod: &'a Value) -> Self {
        let label = |name: &str| meta::labels(pod)?.get(name)?.as_str();
        let owners = meta::list(pod, "/metadata/ownerReferences");
        let owner = owners.iter().find(|owner| owner["controller"] == true);
        Self {
            name: meta::name(pod),
            fork: label(labels::FORK),
            template_hash: label(labels::POD_TEMPLATE_HASH),
            owner: owner.map(|owner| (meta::text(owner, "/kind"), meta::text(owner, "/name"))),
        }
    }

    /// The workload. A fork counts as its baseline; a Deployment's pod as the Deployment, whose
    /// name is its ReplicaSet's without the template's hash; a pod of nobody as itself.
    #[must_use]
    pub fn workload(self) -> &'a str {
        let Self { name, fork, template_hash, owner } = self;
        if let Some(baseline) = fork {
            return baseline;
        }
        let Some((kind, owner)) = owner else { return name };
        let hash = template_hash.filter(|_| kind == "ReplicaSet");
        hash.and_then(|hash| owner.strip_suffix(hash)?.strip_suffix('-')).unwrap_or(owner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_is_its_deployments_its_baselines_or_its_own() {
        let pod = |labels: Value, owner: Value| json!({"metadata": {"name": "p", "labels": labels, "ownerReferences": [owner]}});
        let replica_set = json!({"kind": "ReplicaSet", "name": "cart-abc", "controller": true});
        for (pod, workload) in [
            (pod(json!({"pod-template-hash": "abc"}), replica_set.clone()), "cart"),
            (pod(json!({"pod-template-hash": "x"}), replica_set.clone()), "cart-abc"),
            (pod(json!({"spur.dev/fork": "cart"}), replica_set), "cart"),
            (pod(json!({}), json!({"kind": "Job", "name": "j", "controller": true})), "j"),
            (pod(json!({}), json!({"kind": "Job", "name": "j"})), "p"),
            (json!({"metadata": {"name": "p"}}), "p"),
        ] {
            assert_eq!(PodFacts::of(&pod).workload(), workload, "{pod}");
        }
    }
}
