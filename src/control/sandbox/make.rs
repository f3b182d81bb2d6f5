//! Makes the objects of a plan, and tells what that came to.

use std::sync::Arc;

use futures::future::join_all;
use k8s_openapi::api::core::v1::Service;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::{Client, ResourceExt};
use spur_api::labels;
use spur_api::sandbox::Sandbox;

use super::caches::Caches;
use super::ensure::{self, EnsureError};
use super::observe::{self, ForkState};
use super::plan::{NoFork, Plan, PlannedFork, World};
use super::workload::WorkloadKind;
use crate::owner;

/// The objects of a sandbox's namespace, as last seen.
pub(super) struct Seen {
    workloads: Vec<(WorkloadKind, Arc<DynamicObject>)>,
    services: Vec<Arc<DynamicObject>>,
    pods: Vec<Arc<DynamicObject>>,
}

/// What making a plan came to.
pub(super) struct Made {
    pub(super) plan: Plan,
    /// For each Service of the plan.
    services: Vec<Result<DynamicObject, EnsureError>>,
    /// For each fork of the plan; `None` where it cannot be made.
    workloads: Vec<Option<Result<DynamicObject, EnsureError>>>,
    /// For each object that is not wanted any more.
    removals: Vec<Result<(), EnsureError>>,
}

/// Makes what the plan wants, and removes what the sandbox has besides. Services
/// go first: a pod learns at its start which Services its sandbox has.
pub(super) async fn make(client: &Client, sandbox: &Sandbox, plan: Plan, seen: &Seen) -> Made {
    let namespace = sandbox.namespace().unwrap_or_default();
    let uid = sandbox.uid().unwrap_or_default();
    let api = |resource: &ApiResource| Api::namespaced_with(client.clone(), &namespace, resource);
    let service_api = api(&ApiResource::erase::<Service>(&()));
    let workload_api = |kind: WorkloadKind| api(&kind.api_resource());
    let services = join_all(plan.services.iter().map(|service| {
        ensure::ensure(&service_api, &service.object, named(&seen.services, &service.name), &uid)
    }))
    .await;
    let workloads = join_all(plan.forks.iter().map(async |fork| {
        let (kind, wanted) = (fork.kind?, fork.object.as_ref().ok()?);
        let found =
            seen.workloads.iter().find(|(of, object)| *of == kind && object.name_any() == fork.workload);
        let found = found.map(|(_, object)| &**object);
        Some(ensure::ensure(&workload_api(kind), wanted, found, &uid).await)
    }))
    .await;
    let is_own = |object: &&Arc<DynamicObject>| owner::is_controlled_by(&object.metadata, &uid);
    let unwanted_services = seen.services.iter().filter(is_own).filter(|object| !plan.wants_service(object));
    let unwanted = seen.workloads.iter().filter(|(_, object)| is_own(&object));
    let unwanted = unwanted.filter(|(kind, object)| !plan.wants_workload(*kind, object));
    let mut removals = join_all(unwanted_services.map(|object| ensure::remove(&service_api, object))).await;
    let removed = unwanted.map(async |(kind, object)| ensure::remove(&workload_api(*kind), object).await);
    removals.extend(join_all(removed).await);
    Made { plan, services, workloads, removals }
}

fn named<'a>(objects: &'a [Arc<DynamicObject>], name: &str) -> Option<&'a DynamicObject> {
    objects.iter().find(|object| object.name_any() == name).map(|object| &**object)
}

// === impl Seen ===

impl Seen {
    /// What the caches hold of a namespace.
    pub(super) fn of(caches: &Caches, namespace: &str) -> Self {
        Self {
            workloads: caches.workloads(namespace),
            services: caches.services(namespace),
            pods: caches.pods(namespace),
        }
    }

    /// What a plan is made from.
    pub(super) fn world(&self) -> World<'_> {
        World {
            workloads: self.workloads.iter().map(|(kind, object)| (*kind, &**object)).collect(),
            services: self.services.iter().map(|object| &**object).collect(),
        }
    }

    fn pods_of(&self, fork: &PlannedFork, sandbox_uid: &str) -> Vec<&DynamicObject> {
        let label = fork.label();
        let has = |pod: &DynamicObject, key: &str, value: &str| {
            pod.labels().get(key).is_some_and(|found| found == value)
        };
        let is_own = |pod: &&Arc<DynamicObject>| {
            has(pod, labels::FORK, &label) && has(pod, labels::SANDBOX_UID, sandbox_uid)
        };
        self.pods.iter().filter(is_own).map(|pod| &**pod).collect()
    }
}

// === impl Made ===

impl Made {
    /// Everything that went wrong.
    pub(super) fn errors(&self) -> impl Iterator<Item = &EnsureError> {
        let services = self.services.iter().filter_map(|outcome| outcome.as_ref().err());
        let workloads = self.workloads.iter().flatten().filter_map(|outcome| outcome.as_ref().err());
        services.chain(workloads).chain(self.removals.iter().filter_map(|outcome| outcome.as_ref().err()))
    }

    /// The state of each fork of the plan. `unrouted` are the Services whose
    /// fork the routing table does not hold yet.
    pub(super) fn states(&self, sandbox_uid: &str, seen: &Seen, unrouted: &[String]) -> Vec<ForkState> {
        let forks = self.plan.forks.iter().zip(&self.workloads);
        forks
            .map(|(fork, workload)| self.state(fork, workload.as_ref(), (sandbox_uid, seen), unrouted))
            .collect()
    }

    fn state(
        &self,
        fork: &PlannedFork,
        workload: Option<&Result<DynamicObject, EnsureError>>,
        (sandbox_uid, seen): (&str, &Seen),
        unrouted: &[String],
    ) -> ForkState {
        match &fork.object {
            Err(error @ NoFork::BaselineNotFound { .. }) => {
                return ForkState::BaselineNotFound(error.to_string());
            }
            Err(error @ (NoFork::Invalid(_) | NoFork::Unknown(_))) => {
                return ForkState::Invalid(error.to_string());
            }
            Ok(_) => {}
        }
        if let Some(error) = self.service_error(fork) {
            return troubled(error);
        }
        match workload {
            Some(Ok(workload)) => {
                let is_own = |service: &&String| fork.services.contains(service);
                let unrouted: Vec<String> = unrouted.iter().filter(is_own).cloned().collect();
                observe::state(
                    (fork.kind.unwrap_or(WorkloadKind::Deployment), workload),
                    &seen.pods_of(fork, sandbox_uid),
                    &unrouted,
                )
            }
            Some(Err(error)) => troubled(error),
            None => unreachable!("a fork with a workload was made, or failed to be"),
        }
    }

    fn service_error(&self, fork: &PlannedFork) -> Option<&EnsureError> {
        let services = self.plan.services.iter().zip(&self.services);
        let mut own = services.filter(|(service, _)| fork.services.contains(&service.of));
        own.find_map(|(_, outcome)| outcome.as_ref().err())
    }
}

fn troubled(error: &EnsureError) -> ForkState {
    if error.may_pass() {
        ForkState::Trouble(error.to_string())
    } else {
        ForkState::Invalid(error.to_string())
    }
}
