//! The kinds of workloads that can be forked, and in what they differ.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use kube::api::ApiResource;
use serde_json::{Map, Value, json};
use spur_api::names::LABEL_MAX;

use super::fork_service::ForkService;

/// A kind of workload. One that is added is also added to the Sandbox's validation
/// (`spur_api::kinds::sandbox`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkloadKind {
    Deployment,
    StatefulSet,
    DaemonSet,
}

/// What a StatefulSet adds to its name on its pods, as labels: a hash of ten characters, or an
/// ordinal.
const STATEFUL_SUFFIX: usize = "-bcdfghjklm".len();

// === impl WorkloadKind ===

impl WorkloadKind {
    pub(super) const ALL: [Self; 3] = [Self::Deployment, Self::StatefulSet, Self::DaemonSet];

    /// The kind that a fork names; a Deployment where it names none.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        if name.is_empty() {
            return Some(Self::Deployment);
        }
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
        }
    }

    /// As it is said of one.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::StatefulSet => "stateful set",
            Self::DaemonSet => "daemon set",
        }
    }

    /// As the API names them.
    pub(super) fn resource(self) -> &'static str {
        match self {
            Self::Deployment => "deployments.apps",
            Self::StatefulSet => "statefulsets.apps",
            Self::DaemonSet => "daemonsets.apps",
        }
    }

    /// The name of its schema.
    pub(super) fn definition(self) -> &'static str {
        match self {
            Self::Deployment => "io.k8s.api.apps.v1.Deployment",
            Self::StatefulSet => "io.k8s.api.apps.v1.StatefulSet",
            Self::DaemonSet => "io.k8s.api.apps.v1.DaemonSet",
        }
    }

    pub(super) fn api_resource(self) -> ApiResource {
        match self {
            Self::Deployment => ApiResource::erase::<Deployment>(&()),
            Self::StatefulSet => ApiResource::erase::<StatefulSet>(&()),
            Self::DaemonSet => ApiResource::erase::<DaemonSet>(&()),
        }
    }

    /// The longest name of a fork: it stands in labels of its pods.
    pub(super) fn name_max(self) -> usize {
        match self {
            Self::Deployment | Self::DaemonSet => LABEL_MAX,
            Self::StatefulSet => LABEL_MAX - STATEFUL_SUFFIX,
        }
    }

    /// Makes a baseline's spec that of a fork: one pod, whose changes are rolled out at once.
    pub(super) fn fork_spec(self, spec: &mut Map<String, Value>, services: &[ForkService]) {
        match self {
            Self::Deployment => {
                spec.shift_remove("paused");
                spec.insert("replicas".to_owned(), json!(1));
            }
            Self::StatefulSet => {
                // It may hold changes back.
                spec.shift_remove("updateStrategy");
                spec.insert("replicas".to_owned(), json!(1));
                // The fork's claims are its own by its name, and go with it.
                let policy = json!({"whenDeleted": "Delete", "whenScaled": "Delete"});
                spec.insert("persistentVolumeClaimRetentionPolicy".to_owned(), policy);
                let given = spec.get("serviceName").and_then(Value::as_str).unwrap_or_default();
                if let Some(service) = services.iter().find(|service| service.of == given) {
                    spec.insert("serviceName".to_owned(), json!(service.name));
                }
            }
            Self::DaemonSet => drop(spec.shift_remove("updateStrategy")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_that_names_no_kind_is_of_a_deployment() {
        assert_eq!(WorkloadKind::of_name(""), Some(WorkloadKind::Deployment));
        assert_eq!(WorkloadKind::of_name("Job"), None);
        for kind in WorkloadKind::ALL {
            assert_eq!(WorkloadKind::of_name(kind.name()), Some(kind));
            assert_eq!(kind.api_resource().kind, kind.name());
        }
    }
}
