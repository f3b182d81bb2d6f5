//! PodDisruptionBudgets: how many pods may go now, for evictions to ask (`kubectl drain`).
//!
//! What the status says is decided in [`status`], a pure function; here it is read and written.
//! Pods are listed when a budget is woken, and kept by nobody: most environments have no budget.
//! An eviction writes the same status (`server/verbs/evict.rs`), so each write names the version
//! that was read.
//!
//! Source: `pkg/controller/disruption/disruption.go`. Owners of pods with a scale of another kind
//! than the built-in ones are not asked for it: a share of their pods cannot be counted, which the
//! condition says.

mod status;

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, ReplicationController};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Api, ListParams, PostParams};
use kube::core::Selector;
use kube::runtime::controller::Action;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use self::status::Against;
use crate::cache::{self, Cache};
use crate::drive::{self, Queue, Reconcile};
use crate::events::{EventType, Events};
use crate::metadata::Metadata;
use crate::owner;
use crate::run::{Context, Failure, unless_gone};

/// Runs the controller; it never ends by itself.
pub(crate) async fn run(ctx: Arc<Context>) {
    let (budgets, budget_news) = cache::watch::<PodDisruptionBudget>(Api::all(ctx.client.clone()));
    let pods: Api<Metadata<Pod>> = Api::all(ctx.client.clone());
    let pod_news = cache::metadata::<Pod>(pods, watcher::Config::default());
    let store = budgets.store();
    let known = store.clone();
    let mut queue = Queue::new();
    queue.push(drive::itself(&store, budget_news));
    // Each of the namespace: one of them may have selected the pod by labels that it has no more.
    queue.push(drive::wakes(&store, pod_news, move |pod| within(&known, pod.namespace().as_deref())));
    let controller =
        Budgets { client: ctx.client.clone(), events: ctx.events.clone(), budgets, store: store.clone() };
    drive::drive(controller, store, queue).await;
}

struct Budgets {
    client: Client,
    events: Events,
    budgets: Cache<PodDisruptionBudget>,
    store: Store<PodDisruptionBudget>,
}

/// How many pods a budget is to have.
#[derive(Default)]
struct Expected {
    n_pods: usize,
    /// Pods that nobody controls, and that no scale counts.
    n_unmanaged: usize,
}

const UNMANAGED: &str = "Pods selected by this PodDisruptionBudget were found to be unmanaged. As a result, the \
    status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these \
    pods please set \".spec.minAvailable\" field of the PDB to an integer value.";

fn within(
    budgets: &Store<PodDisruptionBudget>,
    namespace: Option<&str>,
) -> Vec<ObjectRef<PodDisruptionBudget>> {
    let theirs = budgets.state_filter(|budget| budget.namespace().as_deref() == namespace);
    theirs.iter().map(|budget| ObjectRef::from_obj(&**budget)).collect()
}

// === impl Budgets ===

impl Reconcile<PodDisruptionBudget> for Budgets {
    fn reconcile<'a>(&'a self, budget: &'a PodDisruptionBudget) -> BoxFuture<'a, Result<Action, Failure>> {
        self.reconcile_budget(budget).boxed()
    }
}

impl Budgets {
    async fn reconcile_budget(&self, budget: &PodDisruptionBudget) -> Result<Action, Failure> {
        self.budgets.caught_up().await?;
        let found = self.store.get(&ObjectRef::from_obj(budget));
        let Some(budget) = found.filter(|budget| budget.meta().deletion_timestamp.is_none()) else {
            return Ok(Action::await_change());
        };
        let pods = self.pods_of(&budget).await?;
        let (status, recheck, news) = match self.expected(&budget, &pods).await? {
            Ok(Expected { n_pods, n_unmanaged }) => {
                let (status, recheck) = status::of(&budget, &pods, n_pods, Timestamp::now());
                let news = match (pods.len(), n_unmanaged) {
                    (0, _) => Some((EventType::Normal, "NoPods", "No matching pods found".to_owned())),
                    (_, 0) => None,
                    _ => Some((EventType::Warning, "UnmanagedPods", UNMANAGED.to_owned())),
                };
                (status, recheck, news)
            }
            Err(why) => {
                let message = format!("Failed to calculate the number of expected pods: {why}");
                let news = (EventType::Warning, "CalculateExpectedPodCountFailed", message);
                (status::failed(&budget, &why, Timestamp::now()), None, Some(news))
            }
        };
        if budget.status.as_ref() != Some(&status) {
            let api: Api<PodDisruptionBudget> =
                Api::namespaced(self.client.clone(), &budget.namespace().unwrap_or_default());
            let written = PodDisruptionBudget { status: Some(status), ..(*budget).clone() };
            match api.replace_status(&budget.name_any(), &PostParams::default(), &written).await {
                Ok(written) => self.budgets.wrote(&written),
                outcome => unless_gone(outcome)?,
            }
            // Upstream tells it at each look.
            if let Some((type_, reason, message)) = news {
                self.events.record(&budget.object_ref(&()), type_, reason, &message).await;
            }
        }
        Ok(recheck.map_or_else(Action::await_change, Action::requeue))
    }

    /// No selector selects no pod, an empty one each of the namespace (policy/v1).
    async fn pods_of(&self, budget: &PodDisruptionBudget) -> Result<Vec<Pod>, Failure> {
        let Some(selector) = budget.spec.as_ref().and_then(|spec| spec.selector.clone()) else {
            return Ok(Vec::new());
        };
        let unreadable = |error| Failure::Plain(format!("failed to read `spec.selector`: {error}"));
        let selector: Selector = selector.try_into().map_err(unreadable)?;
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &budget.namespace().unwrap_or_default());
        Ok(pods.list(&ListParams::default().labels_from(&selector)).await?.items)
    }

    /// How many pods there are to be: what their owners ask for, where the budget is a share of
    /// that. The inner error is in words: whose scale is not known.
    async fn expected(
        &self,
        budget: &PodDisruptionBudget,
        pods: &[Pod],
    ) -> Result<Result<Expected, String>, Failure> {
        match status::against(budget) {
            Against::Scale => {}
            Against::Pods => return Ok(Ok(Expected { n_pods: pods.len(), n_unmanaged: 0 })),
            Against::Nothing => return Ok(Ok(Expected::default())),
        }
        let mut asked = HashSet::new();
        let mut scales = HashMap::new();
        let mut n_unmanaged = 0;
        for pod in pods {
            let Some(owner) = owner::controller(pod.meta()) else {
                n_unmanaged += 1;
                continue;
            };
            if asked.insert(&owner.uid) {
                let Some((uid, scale)) = self.scale_of(owner, &pod.namespace().unwrap_or_default()).await?
                else {
                    return Ok(Err(format!("found no controllers for pod {:?}", pod.name_any())));
                };
                scales.insert(uid, scale);
            }
        }
        let n_pods = scales.into_values().map(|scale| usize::try_from(scale).unwrap_or(0)).sum();
        Ok(Ok(Expected { n_pods, n_unmanaged }))
    }

    /// The uid of what scales the pods of an owner, and its scale.
    async fn scale_of(
        &self,
        owner: &OwnerReference,
        namespace: &str,
    ) -> Result<Option<(String, i32)>, Failure> {
        let (name, uid) = (owner.name.as_str(), owner.uid.as_str());
        let scaled = |replicas: Option<i32>| (uid.to_owned(), replicas.unwrap_or(1));
        let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
        match (group, owner.kind.as_str()) {
            ("", "ReplicationController") => {
                let found = self.owner::<ReplicationController>(namespace, name, uid).await?;
                Ok(found.map(|found| scaled(found.spec.and_then(|spec| spec.replicas))))
            }
            ("apps", "StatefulSet") => {
                let found = self.owner::<StatefulSet>(namespace, name, uid).await?;
                Ok(found.map(|found| scaled(found.spec.and_then(|spec| spec.replicas))))
            }
            ("apps", "ReplicaSet") => {
                let Some(set) = self.owner::<ReplicaSet>(namespace, name, uid).await? else {
                    return Ok(None);
                };
                let deployment = owner::controller(set.meta()).filter(|owner| owner.kind == "Deployment");
                let Some(OwnerReference { name, uid, .. }) = deployment else {
                    return Ok(Some(scaled(set.spec.and_then(|spec| spec.replicas))));
                };
                let found = self.owner::<Deployment>(namespace, name, uid).await?;
                let replicas = |found: Deployment| found.spec.and_then(|spec| spec.replicas).unwrap_or(1);
                Ok(found.map(|found| (uid.clone(), replicas(found))))
            }
            _ => Ok(None),
        }
    }

    /// An owner, unless another has its name now.
    async fn owner<K>(&self, namespace: &str, name: &str, uid: &str) -> Result<Option<K>, Failure>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let found = Api::<K>::namespaced(self.client.clone(), namespace).get_opt(name).await?;
        Ok(found.filter(|found| found.uid().as_deref() == Some(uid)))
    }
}
