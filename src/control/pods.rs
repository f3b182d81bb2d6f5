//! The pods of a workload: which they are, making and deleting them, and telling of it.
//!
//! Pods are read from a cache that is waited for until it holds what the controller
//! has written: one that is behind would make too many.
//!
//! Source: `pkg/controller/controller_utils.go` (RealPodControl, GetPodFromTemplate) and
//! `pkg/api/v1/pod/util.go`.

use std::fmt::Debug;
use std::sync::Arc;

use futures::stream::BoxStream;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cache::{self, Cache, Seen};
use crate::claim::{self, Claimant};
use crate::events::{EventType, Events};
use crate::owner;
use crate::run::{Context, Failure};

/// Pods made or deleted in one reconciliation, so that one large workload does not
/// keep the others waiting (`BurstReplicas`, `MaxPodCreateDeletePerSync`).
pub(crate) const BURST: usize = 500;

/// The pods that workloads of one kind have, or may take over.
pub(crate) struct Pods {
    client: Client,
    events: Events,
    cache: Cache<Pod>,
}

/// Begins to watch the pods of workloads of kind `O`.
pub(crate) fn watch<O: Resource<DynamicType = ()>>(ctx: &Context) -> (Pods, BoxStream<'static, Seen<Pod>>) {
    let (cache, news) = cache::watch_of::<O, Pod>(Api::all(ctx.client.clone()));
    (Pods { client: ctx.client.clone(), events: ctx.events.clone(), cache }, news)
}

/// A pod of the owner's template, still without a name.
pub(crate) fn of_template<O>(owner: &O, template: &PodTemplateSpec) -> Pod
where
    O: Resource<DynamicType = ()>,
{
    let metadata = template.metadata.clone().unwrap_or_default();
    Pod {
        metadata: ObjectMeta {
            namespace: owner.namespace(),
            generate_name: Some(format!("{}-", owner.name_any())),
            labels: metadata.labels,
            annotations: metadata.annotations,
            finalizers: metadata.finalizers,
            owner_references: Some(vec![owner::controlled_by(owner)]),
            ..ObjectMeta::default()
        },
        spec: template.spec.clone(),
        status: None,
    }
}

/// `status.phase`; that of a pod without one is `Pending`.
pub(crate) fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Pending")
}

/// Whether every container has ended for good.
pub(crate) fn is_over(pod: &Pod) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

/// Whether somebody has asked for the pod's end.
pub(crate) fn is_deleting(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

/// Since when the pod is ready.
pub(crate) fn ready_since(pod: &Pod) -> Option<Timestamp> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let ready =
        conditions.iter().find(|condition| condition.type_ == "Ready" && condition.status == "True")?;
    Some(ready.last_transition_time.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0))
}

/// When a ready pod is, or will be, available: so many seconds after it became ready.
pub(crate) fn available_at(pod: &Pod, min_ready_seconds: i32) -> Option<Timestamp> {
    let min_ready = SignedDuration::from_secs(i64::from(min_ready_seconds));
    ready_since(pod).map(|since| since.saturating_add(min_ready).unwrap_or(Timestamp::MAX))
}

// === impl Pods ===

impl Pods {
    /// Waits until everything is seen that was written through this.
    pub(crate) async fn caught_up(&self) -> Result<(), Failure> {
        self.cache.caught_up().await
    }

    /// The owner's pods that count, by name.
    pub(crate) async fn of<O>(
        &self,
        owner: &O,
        claimant: &Claimant,
        counts: impl Fn(&Pod) -> bool,
    ) -> Result<Vec<Arc<Pod>>, Failure>
    where
        O: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        claim::settled(&self.client, &self.cache, (owner, claimant), counts).await
    }

    /// Makes a pod, and tells of it as an event of its owner.
    pub(crate) async fn create<O>(&self, owner: &O, pod: &Pod) -> Result<Pod, kube::Error>
    where
        O: Resource<DynamicType = ()>,
    {
        match self.create_silently(pod).await {
            Ok(created) => {
                let message = format!("Created pod: {}", created.name_any());
                self.tell(owner, EventType::Normal, "SuccessfulCreate", &message).await;
                Ok(created)
            }
            Err(error) => {
                let message = format!("Error creating: {error}");
                self.tell(owner, EventType::Warning, "FailedCreate", &message).await;
                Err(error)
            }
        }
    }

    /// Deletes a pod, and tells of it; says whether it is still there and ending.
    pub(crate) async fn delete<O>(&self, owner: &O, pod: &Pod) -> Result<bool, kube::Error>
    where
        O: Resource<DynamicType = ()>,
    {
        let Some(is_ending) = self.delete_silently(pod).await? else { return Ok(false) };
        let message = format!("Deleted pod: {}", pod.name_any());
        self.tell(owner, EventType::Normal, "SuccessfulDelete", &message).await;
        Ok(is_ending)
    }

    pub(crate) async fn create_silently(&self, pod: &Pod) -> Result<Pod, kube::Error> {
        let created = self.api(pod).create(&PostParams::default(), pod).await?;
        self.cache.wrote(&created);
        Ok(created)
    }

    /// Deletes a pod; `None` where it was gone, else whether it is still there and ending.
    pub(crate) async fn delete_silently(&self, pod: &Pod) -> Result<Option<bool>, kube::Error> {
        let only_this = Preconditions { uid: pod.uid(), resource_version: None };
        let params = DeleteParams::default().preconditions(only_this);
        match self.api(pod).delete(&pod.name_any(), &params).await {
            Ok(deleted) => {
                let ending = deleted.left();
                match &ending {
                    Some(ending) => self.cache.wrote(ending),
                    None => self.cache.deleted(pod),
                }
                Ok(Some(ending.is_some()))
            }
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Changes a pod by a strategic merge patch, unless it is gone or another by now.
    pub(crate) async fn patch(&self, pod: &Pod, mut patch: Value) -> Result<(), Failure> {
        patch["metadata"]["uid"] = Value::from(pod.uid());
        let (name, params) = (pod.name_any(), PatchParams::default());
        match self.api(pod).patch(&name, &params, &Patch::Strategic(patch)).await {
            // With its last finalizer a pod that is being deleted goes.
            Ok(patched) if is_deleting(&patched) && patched.finalizers().is_empty() => {}
            Ok(patched) => self.cache.wrote(&patched),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409 | 422) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    pub(crate) async fn tell<O>(&self, owner: &O, type_: EventType, reason: &str, message: &str)
    where
        O: Resource<DynamicType = ()>,
    {
        self.events.record(&owner.object_ref(&()), type_, reason, message).await;
    }

    fn api(&self, pod: &Pod) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &pod.namespace().unwrap_or_default())
    }
}
