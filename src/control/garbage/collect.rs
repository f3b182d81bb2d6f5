//! Doing what the graph suggests, after reading whether it is so.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Client;
use kube::api::Preconditions;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PropagationPolicy};
use serde_json::json;

use super::graph::{Graph, Node, Step};
use super::{FOREGROUND, ORPHAN};
use crate::run::{Failure, unless_gone};
use crate::served::Served;

/// Acts on the API.
pub(super) struct Collector {
    client: Client,
    /// Every kind that is served.
    kinds: Vec<Served>,
}

// === impl Collector ===

impl Collector {
    pub(super) fn new(client: Client, kinds: Vec<Served>) -> Self {
        Self { client, kinds }
    }

    /// Does what is due about an object.
    pub(super) async fn look_at(&self, graph: &Graph, uid: &str) -> Result<(), Failure> {
        let Some(node) = graph.node(uid) else { return Ok(()) };
        match graph.step(node) {
            Step::Nothing => Ok(()),
            Step::CheckOwners => self.delete_unless_owned(graph, node).await,
            Step::DeleteDependents(dependents) => {
                for dependent in dependents {
                    self.delete_for(graph, dependent, &node.uid).await?;
                }
                Ok(())
            }
            Step::ReleaseDependents => self.release_dependents(node).await,
            Step::Finish => self.remove_finalizer(node, FOREGROUND).await,
        }
    }

    /// Deletes the object when none of its owners is there.
    async fn delete_unless_owned(&self, graph: &Graph, node: &Node) -> Result<(), Failure> {
        let Some(live) = self.read(node).await? else { return Ok(()) };
        let owners = owners(&live);
        if owners.is_empty() || live.deletion_timestamp.is_some() || self.any_exists(node, owners).await? {
            return Ok(());
        }
        self.delete(graph, node, &live).await
    }

    /// Deletes a dependent of an owner that waits for its dependents; where another owner
    /// needs it, it only loses this one.
    async fn delete_for(&self, graph: &Graph, dependent: &Node, owner_uid: &str) -> Result<(), Failure> {
        let Some(live) = self.read(dependent).await? else { return Ok(()) };
        let (this, others): (Vec<_>, Vec<_>) = owners(&live).iter().partition(|owner| owner.uid == owner_uid);
        if this.is_empty() || live.deletion_timestamp.is_some() {
            return Ok(());
        }
        let going =
            |owner: &&&OwnerReference| graph.node(&owner.uid).is_some_and(Node::is_going_in_foreground);
        let others: Vec<_> = others.iter().filter(|owner| !going(owner)).copied().cloned().collect();
        if self.any_exists(dependent, &others).await? {
            return self.release(dependent, &live, owner_uid).await;
        }
        self.delete(graph, dependent, &live).await
    }

    /// Takes the owner off all its dependents, of which the graph may not know all yet: one
    /// left out would be deleted with it.
    async fn release_dependents(&self, owner: &Node) -> Result<(), Failure> {
        let is_namespaced = owner.kind.is_namespaced();
        for kind in self.kinds.iter().filter(|kind| !is_namespaced || kind.is_namespaced()) {
            let api = match is_namespaced {
                true => self.api(kind, &owner.namespace),
                false => Api::all_with(self.client.clone(), kind.resource()),
            };
            for object in api.list_metadata(&ListParams::default()).await? {
                if owners(&object.metadata).iter().any(|found| found.uid == owner.uid) {
                    let dependent = Node::of(kind, &object.metadata);
                    self.release(&dependent, &object.metadata, &owner.uid).await?;
                }
            }
        }
        self.remove_finalizer(owner, ORPHAN).await
    }

    async fn release(&self, dependent: &Node, live: &ObjectMeta, owner_uid: &str) -> Result<(), Failure> {
        let kept: Vec<_> = owners(live).iter().filter(|owner| owner.uid != owner_uid).collect();
        self.patch(dependent, live, json!({"ownerReferences": kept})).await
    }

    async fn remove_finalizer(&self, node: &Node, finalizer: &str) -> Result<(), Failure> {
        let Some(live) = self.read(node).await? else { return Ok(()) };
        let finalizers = live.finalizers.as_deref().unwrap_or(&[]);
        let kept: Vec<&String> = finalizers.iter().filter(|one| *one != finalizer).collect();
        if kept.len() == finalizers.len() {
            return Ok(());
        }
        self.patch(node, &live, json!({"finalizers": kept})).await
    }

    /// Changes metadata, unless somebody else has meanwhile.
    async fn patch(
        &self,
        node: &Node,
        live: &ObjectMeta,
        mut metadata: serde_json::Value,
    ) -> Result<(), Failure> {
        metadata["uid"] = json!(node.uid);
        metadata["resourceVersion"] = json!(live.resource_version);
        let patch = Patch::Merge(json!({"metadata": metadata}));
        let api = self.api(&node.kind, &node.namespace);
        unless_gone(api.patch_metadata(&node.name, &PatchParams::default(), &patch).await)
    }

    /// Deletes an object as it was read. What has dependents goes after them where its owner
    /// waits for it; for others a finalizer would only be one more write.
    async fn delete(&self, graph: &Graph, node: &Node, live: &ObjectMeta) -> Result<(), Failure> {
        let waits =
            node.owners.iter().any(|owner| graph.node(&owner.uid).is_some_and(Node::is_going_in_foreground));
        let policy = match waits && graph.has_dependents(&node.uid) {
            true => PropagationPolicy::Foreground,
            false => PropagationPolicy::Background,
        };
        let as_read =
            Preconditions { uid: Some(node.uid.clone()), resource_version: live.resource_version.clone() };
        let params = DeleteParams { propagation_policy: Some(policy), ..DeleteParams::default() }
            .preconditions(as_read);
        unless_gone(self.api(&node.kind, &node.namespace).delete(&node.name, &params).await)
    }

    /// The object's metadata now, if it is still this one.
    async fn read(&self, node: &Node) -> Result<Option<ObjectMeta>, Failure> {
        let found = self.api(&node.kind, &node.namespace).get_metadata_opt(&node.name).await?;
        Ok(found.map(|found| found.metadata).filter(|live| live.uid.as_deref() == Some(&node.uid)))
    }

    async fn any_exists(&self, dependent: &Node, owners: &[OwnerReference]) -> Result<bool, Failure> {
        for owner in owners {
            if self.exists(dependent, owner).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn exists(&self, dependent: &Node, owner: &OwnerReference) -> Result<bool, Failure> {
        let kind = self.kinds.iter().find(|kind| kind.is_kind(&owner.api_version, &owner.kind));
        let Some(kind) = kind else {
            // What is not served here cannot be looked up: leave its dependents alone.
            return Ok(true);
        };
        if kind.is_namespaced() && !dependent.kind.is_namespaced() {
            // Nobody can say in which namespace (Kubernetes leaves such a dependent alone as well).
            return Ok(true);
        }
        let found = self.api(kind, &dependent.namespace).get_metadata_opt(&owner.name).await?;
        Ok(found.is_some_and(|found| found.metadata.uid.as_deref() == Some(&owner.uid)))
    }

    fn api(&self, kind: &Served, namespace: &str) -> Api<DynamicObject> {
        match kind.is_namespaced() {
            true => Api::namespaced_with(self.client.clone(), namespace, kind.resource()),
            false => Api::all_with(self.client.clone(), kind.resource()),
        }
    }
}

fn owners(meta: &ObjectMeta) -> &[OwnerReference] {
    meta.owner_references.as_deref().unwrap_or(&[])
}
