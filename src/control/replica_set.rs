//! ReplicaSets: so many pods of one template.
//!
//! Pods are read from a cache that is waited for until it holds what this
//! controller has written: one that is behind would make too many.
//!
//! Source: `pkg/controller/replicaset/replica_set.go`.

mod status;
mod surplus;

pub(crate) use status::REPLICA_FAILURE;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::runtime::controller::Action;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, Resource, ResourceExt};
use serde_json::json;

use self::status::Failed;
use crate::cache::{self, Cache};
use crate::claim::{self, Claim, Claimant};
use crate::drive::{self, Queue, Reconcile};
use crate::events::{EventType, Events};
use crate::owner;
use crate::run::{Context, Failure, unless_gone, with_nulls};

/// Pods made or deleted in one reconciliation, so that one large set does not
/// keep the others waiting (`BurstReplicas`).
const BURST: usize = 500;

/// Runs the controller; it never ends by itself.
pub(crate) async fn run(ctx: Arc<Context>) {
    let (sets, set_news) = cache::watch::<ReplicaSet>(Api::all(ctx.client.clone()));
    let (pods, pod_news) = cache::watch::<Pod>(Api::all(ctx.client.clone()));
    let store = sets.store();
    let known = store.clone();
    let mut queue = Queue::new();
    queue.push(drive::itself(&store, set_news));
    queue.push(drive::wakes(&store, pod_news, move |pod| sets_of(&known, pod)));
    let controller = ReplicaSets { client: ctx.client.clone(), events: ctx.events.clone(), pods };
    drive::drive(controller, store, queue).await;
}

struct ReplicaSets {
    client: Client,
    events: Events,
    pods: Cache<Pod>,
}

/// The pods of one set.
struct Pods {
    api: Api<Pod>,
    /// Those that run or will: not ended and not being deleted.
    active: Vec<Arc<Pod>>,
    n_terminating: usize,
}

/// The set that controls a pod; where nobody does, those that may take it over.
fn sets_of(sets: &Store<ReplicaSet>, pod: &Pod) -> Vec<ObjectRef<ReplicaSet>> {
    let namespace = pod.namespace().unwrap_or_default();
    match owner::controller(pod.meta()) {
        Some(owner) if owner.kind == "ReplicaSet" => vec![ObjectRef::new(&owner.name).within(&namespace)],
        Some(_) => Vec::new(),
        None => {
            let takes = |set: &ReplicaSet| {
                set.namespace().as_deref() == Some(&namespace)
                    && claimant(set).is_ok_and(|claimant| claimant.claim(pod.meta()) == Claim::Adopt)
            };
            sets.state_filter(takes).iter().map(|set| ObjectRef::from_obj(&**set)).collect()
        }
    }
}

fn claimant(set: &ReplicaSet) -> Result<Claimant, Failure> {
    let spec = set.spec.as_ref().ok_or_else(|| Failure::plain("the replica set has no spec"))?;
    Claimant::new(set.meta(), &spec.selector)
}

fn is_over(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

fn is_deleting(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

// === impl ReplicaSets ===

impl Reconcile<ReplicaSet> for ReplicaSets {
    fn reconcile<'a>(&'a self, set: &'a ReplicaSet) -> BoxFuture<'a, Result<Action, Failure>> {
        self.reconcile_replica_set(set).boxed()
    }
}

impl ReplicaSets {
    async fn reconcile_replica_set(&self, set: &ReplicaSet) -> Result<Action, Failure> {
        self.pods.caught_up().await?;
        let mut pods = self.pods_of(set).await?;
        let scaled = match set.meta().deletion_timestamp {
            None => self.scale(set, &mut pods).await,
            Some(_) => Ok(()),
        };
        // What went wrong shows in the status before it is tried again.
        let requeue = self.write_status(set, &pods, scaled.as_ref().err()).await?;
        scaled.map_err(|failed| failed.error)?;
        Ok(requeue.map_or_else(Action::await_change, Action::requeue))
    }

    /// The set's pods, after taking over and letting go what is to be.
    async fn pods_of(&self, set: &ReplicaSet) -> Result<Pods, Failure> {
        let (claimant, namespace) = (claimant(set)?, set.namespace().unwrap_or_default());
        let uid = set.uid().unwrap_or_default();
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &namespace);
        let mut pods = Pods { api, active: Vec::new(), n_terminating: 0 };
        let candidates =
            self.pods.within(&namespace, |pod| !is_over(pod) && claimant.claim(pod.meta()) != Claim::Others);
        for pod in candidates {
            match claimant.claim(pod.meta()) {
                Claim::Others => {}
                Claim::Ours | Claim::Release if is_deleting(&pod) => pods.n_terminating += 1,
                Claim::Ours => pods.active.push(pod),
                Claim::Release => {
                    if let Some(released) = unless_away(claim::release(&pods.api, &pod, &uid).await)? {
                        self.pods.wrote(&released);
                    }
                }
                Claim::Adopt => {
                    if let Some(adopted) = self.adopt(&pods.api, set, &pod).await? {
                        pods.active.push(Arc::new(adopted));
                    }
                }
            }
        }
        Ok(pods)
    }

    async fn adopt(&self, api: &Api<Pod>, set: &ReplicaSet, pod: &Pod) -> Result<Option<Pod>, Failure> {
        let sets: Api<ReplicaSet> =
            Api::namespaced(self.client.clone(), &set.namespace().unwrap_or_default());
        if !claim::may_adopt(&sets, set).await? {
            return Ok(None);
        }
        let adopted = unless_away(claim::adopt(api, pod, owner::controlled_by(set)).await)?;
        adopted.iter().for_each(|adopted| self.pods.wrote(adopted));
        Ok(adopted)
    }

    /// Makes or deletes pods until there are as many as wanted.
    async fn scale(&self, set: &ReplicaSet, pods: &mut Pods) -> Result<(), Failed> {
        let wanted = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        let wanted = usize::try_from(wanted).unwrap_or(0);
        let n_active = pods.active.len();
        if n_active < wanted {
            self.create_pods(set, pods, (wanted - n_active).min(BURST)).await
        } else {
            self.delete_pods(set, pods, (n_active - wanted).min(BURST)).await
        }
    }

    /// Makes pods in batches of 1, 2, 4, …: many share a commit of the store, and where none
    /// can be made only one fails (`slowStartBatch`).
    async fn create_pods(&self, set: &ReplicaSet, pods: &mut Pods, n_missing: usize) -> Result<(), Failed> {
        let (mut n_left, mut n_batch) = (n_missing, 1);
        while n_left > 0 {
            let n_now = n_batch.min(n_left);
            let api = &pods.api;
            let made = join_all((0..n_now).map(|_| self.create_pod(api, set))).await;
            let mut failed = None;
            for made in made {
                match made {
                    Ok(pod) => pods.active.push(Arc::new(pod)),
                    Err(error) => failed = Some(error),
                }
            }
            if let Some(error) = failed {
                return Err(Failed { reason: "FailedCreate", error: error.into() });
            }
            n_left -= n_now;
            n_batch *= 2;
        }
        Ok(())
    }

    async fn create_pod(&self, api: &Api<Pod>, set: &ReplicaSet) -> Result<Pod, kube::Error> {
        let involved = set.object_ref(&());
        match api.create(&PostParams::default(), &pod(set)).await {
            Ok(created) => {
                self.pods.wrote(&created);
                let message = format!("Created pod: {}", created.name_any());
                self.events.record(&involved, EventType::Normal, "SuccessfulCreate", &message).await;
                Ok(created)
            }
            Err(error) => {
                let message = format!("Error creating: {error}");
                self.events.record(&involved, EventType::Warning, "FailedCreate", &message).await;
                Err(error)
            }
        }
    }

    async fn delete_pods(&self, set: &ReplicaSet, pods: &mut Pods, n_surplus: usize) -> Result<(), Failed> {
        let surplus = surplus::surplus(&pods.active, n_surplus);
        let api = &pods.api;
        let deleted = join_all(surplus.iter().map(|pod| self.delete_pod(api, set, pod))).await;
        let mut failed = None;
        for (pod, deleted) in surplus.iter().zip(deleted) {
            match deleted {
                Ok(is_terminating) => {
                    pods.active.retain(|other| other.uid() != pod.uid());
                    pods.n_terminating += usize::from(is_terminating);
                }
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(()), |error| Err(Failed { reason: "FailedDelete", error: error.into() }))
    }

    /// Deletes a pod; says whether it is still there and ending.
    async fn delete_pod(&self, api: &Api<Pod>, set: &ReplicaSet, pod: &Pod) -> Result<bool, kube::Error> {
        let name = pod.name_any();
        let only_this = Preconditions { uid: pod.uid(), resource_version: None };
        let deleted = api.delete(&name, &DeleteParams::default().preconditions(only_this)).await;
        let is_terminating = match deleted {
            Ok(deleted) => {
                let ending = deleted.left();
                match &ending {
                    Some(ending) => self.pods.wrote(ending),
                    None => self.pods.deleted(pod),
                }
                ending.is_some()
            }
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return Ok(false),
            Err(error) => return Err(error),
        };
        let message = format!("Deleted pod: {name}");
        self.events.record(&set.object_ref(&()), EventType::Normal, "SuccessfulDelete", &message).await;
        Ok(is_terminating)
    }

    /// Writes the status where it changed; says when a ready pod becomes available.
    async fn write_status(
        &self,
        set: &ReplicaSet,
        pods: &Pods,
        failed: Option<&Failed>,
    ) -> Result<Option<std::time::Duration>, Failure> {
        let (status, requeue) = status::of(set, (&pods.active, pods.n_terminating), failed, Timestamp::now());
        if set.status.as_ref() != Some(&status) {
            let api: Api<ReplicaSet> =
                Api::namespaced(self.client.clone(), &set.namespace().unwrap_or_default());
            let status = with_nulls(set.status.as_ref(), &status)?;
            let patch = Patch::Merge(json!({"metadata": {"uid": set.uid()}, "status": status}));
            unless_gone(api.patch_status(&set.name_any(), &PatchParams::default(), &patch).await)?;
        }
        Ok(requeue)
    }
}

/// A pod of the set's template.
fn pod(set: &ReplicaSet) -> Pod {
    let template = set.spec.as_ref().and_then(|spec| spec.template.clone()).unwrap_or_default();
    let metadata = template.metadata.unwrap_or_default();
    Pod {
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
    }
}

/// `None` for what is gone, or has another uid by now.
fn unless_away<K>(outcome: Result<K, kube::Error>) -> Result<Option<K>, Failure> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
