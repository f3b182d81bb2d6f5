//! What a sandbox wants to be there, given what is there: pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::Value;
use spur_api::labels;
use spur_api::sandbox::{Fork, Sandbox, WorkloadRef};

use super::fork::{self, ForkContext, InvalidFork};
use super::fork_service::{ForkPods, ForkService};
use super::names;
use super::workload::WorkloadKind;

/// The workloads and Services of the sandbox's namespace, in order of name.
pub(super) struct World<'a> {
    pub(super) workloads: Vec<(WorkloadKind, &'a DynamicObject)>,
    pub(super) services: Vec<&'a DynamicObject>,
}

/// What there should be.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// One for each fork, in the order of the spec.
    pub(super) forks: Vec<PlannedFork>,
    /// The Services of all forks that can be made.
    pub(super) services: Vec<ForkService>,
}

/// One fork.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PlannedFork {
    /// The baseline workload.
    pub(super) of: WorkloadRef,
    /// The name of the fork's own.
    pub(super) workload: String,
    /// The baseline Services that it stands behind.
    pub(super) services: Vec<String>,
    /// What kind both are; `None` where it is none that can be forked.
    pub(super) kind: Option<WorkloadKind>,
    /// The fork's workload, or why there is none.
    pub(super) object: Result<Value, NoFork>,
}

/// Why there is no workload for a fork.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoFork {
    /// There is nothing to fork.
    #[error(
        "{resource} \"{name}\" not found in namespace \"{namespace}\"; hint: apply the baseline, or correct `spec.forks[].of.name`"
    )]
    BaselineNotFound { resource: &'static str, namespace: String, name: String },
    /// Nothing of its kind can be forked.
    #[error("{0} cannot be forked; want Deployment, StatefulSet or DaemonSet")]
    Unknown(String),
    /// The changes do not fit the baseline.
    #[error(transparent)]
    Invalid(#[from] InvalidFork),
}

/// Plans the forks of a sandbox. `owner` is the reference to it.
pub(super) fn plan(sandbox: &Sandbox, owner: &OwnerReference, world: &World<'_>) -> Plan {
    let is_baseline = |object: &&&DynamicObject| !object.labels().contains_key(labels::SANDBOX);
    let baseline_services: Vec<&DynamicObject> = world.services.iter().filter(is_baseline).copied().collect();
    let baselines = world.workloads.iter().filter(|(_, object)| is_baseline(&object));
    let baselines: Vec<(WorkloadKind, String, &DynamicObject)> =
        baselines.map(|(kind, object)| (*kind, object.name_any(), *object)).collect();
    let baseline = |of: &WorkloadRef| {
        let kind = WorkloadKind::of_name(&of.kind)?;
        let mut found = baselines.iter().filter(|(of_kind, name, _)| *of_kind == kind && *name == of.name);
        found.next().map(|(_, _, object)| *object)
    };
    let mut services: Vec<ForkService> = Vec::new();
    let mut stands_behind: Vec<Vec<String>> = Vec::new();
    for fork in &sandbox.spec.forks {
        let selecting = baseline(&fork.of).map(|baseline| selecting(baseline, &baseline_services));
        let selecting = selecting.unwrap_or_default();
        stands_behind.push(selecting.iter().map(|service| service.name_any()).collect());
        for service in selecting {
            let name = service_name(owner, fork, service, &services);
            let pods = ForkPods { owner, baseline: &fork.of.name };
            services.push(ForkService::new(service, name, &pods));
        }
    }
    let ctx = ForkContext { owner, fork_services: &services, baseline_services: &baseline_services };
    let forks = sandbox.spec.forks.iter().zip(stands_behind).map(|(fork, services)| {
        let kind = WorkloadKind::of_name(&fork.of.kind);
        let name_max = kind.unwrap_or(WorkloadKind::Deployment).name_max();
        PlannedFork {
            of: fork.of.clone(),
            workload: names::workload(&owner.name, &fork.of.name, name_max),
            services,
            kind,
            object: match (kind, baseline(&fork.of)) {
                (None, _) => Err(NoFork::Unknown(fork.of.kind.clone())),
                (Some(kind), Some(baseline)) => {
                    fork::workload((kind, baseline), fork, ctx).map_err(NoFork::from)
                }
                (Some(kind), None) => Err(NoFork::BaselineNotFound {
                    resource: kind.resource(),
                    namespace: sandbox.namespace().unwrap_or_default(),
                    name: fork.of.name.clone(),
                }),
            },
        }
    });
    let forks: Vec<PlannedFork> = forks.collect();
    Plan { forks, services }
}

/// The Services that select a workload's pods.
fn selecting<'a>(workload: &DynamicObject, services: &[&'a DynamicObject]) -> Vec<&'a DynamicObject> {
    let labels = workload.data.pointer("/spec/template/metadata/labels").and_then(Value::as_object);
    services.iter().filter(|service| fork::selects(service, labels)).copied().collect()
}

/// Where two forked workloads stand behind one Service, the second gets a
/// Service of its own, named after both.
fn service_name(
    owner: &OwnerReference,
    fork: &Fork,
    service: &DynamicObject,
    taken: &[ForkService],
) -> String {
    let name = names::service(&owner.name, &service.name_any());
    if taken.iter().any(|other| other.name == name) {
        return names::service(
            &owner.name,
            &format!("{}-{}", service.name_any(), names::label_value(&fork.of.name)),
        );
    }
    name
}

// === impl Plan ===

impl Plan {
    /// Whether a workload of the sandbox is to stay.
    pub(super) fn wants_workload(&self, kind: WorkloadKind, object: &DynamicObject) -> bool {
        self.forks.iter().any(|fork| fork.kind == Some(kind) && fork.workload == object.name_any())
    }

    /// Whether a Service of the sandbox is to stay. Those of a fork whose
    /// baseline is gone stay for as long as the fork does.
    pub(super) fn wants_service(&self, object: &DynamicObject) -> bool {
        let of = object.labels().get(labels::FORK);
        self.services.iter().any(|service| service.name == object.name_any())
            || self.forks.iter().any(|fork| fork.lacks_baseline() && of == Some(&fork.label()))
    }
}

// === impl PlannedFork ===

impl PlannedFork {
    /// The value of the fork's label.
    pub(super) fn label(&self) -> String {
        names::label_value(&self.of.name)
    }

    fn lacks_baseline(&self) -> bool {
        matches!(self.object, Err(NoFork::BaselineNotFound { .. }))
    }
}
