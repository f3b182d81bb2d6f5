//! What a workload's template was: ControllerRevisions of StatefulSets and DaemonSets.
//!
//! A revision's data is the strategic merge patch that puts the template back, which
//! `kubectl rollout undo` sends as it is.
//!
//! Source: `pkg/controller/history/controller_history.go` and
//! `pkg/controller/statefulset/stateful_set_control.go` (getStatefulSetRevisions, truncateHistory).

use std::fmt::Debug;
use std::sync::Arc;

use futures::stream::BoxStream;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::cache::{self, Cache, Seen};
use crate::claim::{self, Claimant};
use crate::owner;
use crate::run::{Context, Failure, unless_gone};

/// On pods: which revision they are of. On a DaemonSet's revisions: their hash
/// (`apps.ControllerRevisionHashLabelKey`).
pub(crate) const HASH: &str = "controller-revision-hash";

/// How often a name that others have is replaced by another in one reconciliation: that two
/// templates meet in 47 bits does not happen, so it is somebody's intent, and he is outlasted.
const COLLISIONS_MAX: i32 = 10;

/// The revisions that workloads of one kind have, or may take over.
pub(crate) struct Revisions {
    client: Client,
    cache: Cache<ControllerRevision>,
}

/// What the template is a revision of.
pub(crate) struct Template<'a> {
    pub(crate) template: &'a PodTemplateSpec,
    /// The label that has the hash.
    pub(crate) hash_label: &'a str,
    /// How often a name was taken (`status.collisionCount`).
    pub(crate) n_collisions: i32,
}

/// The revision of the template as it is.
pub(crate) struct Newest {
    pub(crate) revision: Arc<ControllerRevision>,
    pub(crate) n_collisions: i32,
}

/// What is to become of the revisions, given the template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The newest one has it.
    Keep(usize),
    /// An older one has it, which gets this number: the template was put back.
    Renumber(usize, i64),
    /// None has it; a new one gets this number.
    Create(i64),
}

/// Begins to watch the revisions of workloads of kind `O`.
pub(crate) fn watch<O: Resource<DynamicType = ()>>(
    ctx: &Context,
) -> (Revisions, BoxStream<'static, Seen<ControllerRevision>>) {
    let (cache, news) = cache::watch_of::<O, ControllerRevision>(Api::all(ctx.client.clone()));
    (Revisions { client: ctx.client.clone(), cache }, news)
}

/// The template that a revision stands for.
pub(crate) fn template(revision: &ControllerRevision) -> Result<PodTemplateSpec, Failure> {
    let data = revision.data.as_ref().and_then(|data| data.0.pointer("/spec/template"));
    let mut template = data.cloned().unwrap_or_default();
    if let Some(template) = template.as_object_mut() {
        template.shift_remove("$patch");
    }
    Ok(serde_json::from_value(template)?)
}

/// Old revisions beyond the limit that are of no use any more, oldest first.
pub(crate) fn beyond(
    revisions: &[Arc<ControllerRevision>],
    limit: Option<i32>,
    is_live: impl Fn(&ControllerRevision) -> bool,
) -> Vec<Arc<ControllerRevision>> {
    let limit = usize::try_from(limit.unwrap_or(10)).unwrap_or(0);
    let old: Vec<_> = revisions.iter().filter(|revision| !is_live(revision)).cloned().collect();
    let n_surplus = old.len().saturating_sub(limit);
    old.into_iter().take(n_surplus).collect()
}

/// The patch that puts the template back; fields in order of name, as kubectl compares bytes.
fn data(template: &PodTemplateSpec) -> Result<Value, Failure> {
    let mut template = sorted(serde_json::to_value(template)?);
    if let Some(template) = template.as_object_mut() {
        template.shift_insert(0, "$patch".to_owned(), json!("replace"));
    }
    Ok(json!({"spec": {"template": template}}))
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut fields: Vec<(String, Value)> = map.into_iter().collect();
            fields.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(fields.into_iter().map(|(field, value)| (field, sorted(value))).collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// Given the data of the revisions with their numbers, oldest first.
fn step(revisions: &[(i64, Option<&Value>)], data: &Value) -> Step {
    let next = revisions.last().map_or(1, |(number, _)| number + 1);
    match revisions.iter().rposition(|(_, of_revision)| *of_revision == Some(data)) {
        Some(idx) if idx + 1 == revisions.len() => Step::Keep(idx),
        Some(idx) => Step::Renumber(idx, next),
        None => Step::Create(next),
    }
}

fn sort(revisions: &mut [Arc<ControllerRevision>]) {
    let age = |revision: &ControllerRevision| revision.creation_timestamp().map(|time| time.0);
    revisions.sort_by_key(|revision| (revision.revision, age(revision), revision.name_any()));
}

// === impl Revisions ===

impl Revisions {
    /// Waits until everything is seen that was written through this.
    pub(crate) async fn caught_up(&self) -> Result<(), Failure> {
        self.cache.caught_up().await
    }

    /// The owner's revisions, oldest first.
    pub(crate) async fn of<O>(
        &self,
        owner: &O,
        claimant: &Claimant,
    ) -> Result<Vec<Arc<ControllerRevision>>, Failure>
    where
        O: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let mut revisions = claim::settled(&self.client, &self.cache, (owner, claimant), |_| true).await?;
        sort(&mut revisions);
        Ok(revisions)
    }

    /// Makes sure that the template as it is has the highest revision, and says which that is.
    pub(crate) async fn ensure_newest<O>(
        &self,
        owner: &O,
        wanted: Template<'_>,
        revisions: &mut Vec<Arc<ControllerRevision>>,
    ) -> Result<Newest, Failure>
    where
        O: Resource<DynamicType = ()>,
    {
        let data = data(wanted.template)?;
        let known: Vec<(i64, Option<&Value>)> =
            revisions.iter().map(|known| (known.revision, known.data.as_ref().map(|data| &data.0))).collect();
        let newest = match step(&known, &data) {
            Step::Keep(idx) => Newest { revision: revisions[idx].clone(), n_collisions: wanted.n_collisions },
            Step::Renumber(idx, number) => {
                revisions[idx] = Arc::new(self.renumber(&revisions[idx], number).await?);
                Newest { revision: revisions[idx].clone(), n_collisions: wanted.n_collisions }
            }
            Step::Create(number) => {
                let created = self.create(owner, &wanted, (data, number)).await?;
                revisions.push(created.revision.clone());
                created
            }
        };
        sort(revisions);
        Ok(newest)
    }

    /// Deletes revisions.
    pub(crate) async fn delete(&self, revisions: &[Arc<ControllerRevision>]) -> Result<(), Failure> {
        for revision in revisions {
            let only_this = Preconditions { uid: revision.uid(), resource_version: None };
            let params = DeleteParams::background().preconditions(only_this);
            unless_gone(self.api(revision).delete(&revision.name_any(), &params).await)?;
            self.cache.deleted(revision);
        }
        Ok(())
    }

    async fn renumber(
        &self,
        revision: &ControllerRevision,
        number: i64,
    ) -> Result<ControllerRevision, Failure> {
        let patch = Patch::Merge(json!({"metadata": {"uid": revision.uid()}, "revision": number}));
        let (name, params) = (revision.name_any(), PatchParams::default());
        let patched = self.api(revision).patch(&name, &params, &patch).await?;
        self.cache.wrote(&patched);
        Ok(patched)
    }

    /// Makes a revision. Where its name is taken by another, the next number of collisions gives
    /// another name.
    async fn create<O>(
        &self,
        owner: &O,
        wanted: &Template<'_>,
        (data, number): (Value, i64),
    ) -> Result<Newest, Failure>
    where
        O: Resource<DynamicType = ()>,
    {
        let mut n_collisions = wanted.n_collisions;
        loop {
            let hash = owner::template_hash(wanted.template, n_collisions);
            let template_labels =
                wanted.template.metadata.as_ref().and_then(|metadata| metadata.labels.clone());
            let mut labels = template_labels.unwrap_or_default();
            labels.insert(wanted.hash_label.to_owned(), hash.clone());
            let revision = ControllerRevision {
                metadata: ObjectMeta {
                    name: Some(owner::suffixed(&owner.name_any(), &hash)),
                    namespace: owner.namespace(),
                    labels: Some(labels),
                    // `kubectl rollout history` shows the cause of a change from here.
                    annotations: Some(owner.annotations().clone()),
                    owner_references: Some(vec![owner::controlled_by(owner)]),
                    ..ObjectMeta::default()
                },
                data: Some(RawExtension(data.clone())),
                revision: number,
            };
            match self.api(&revision).create(&PostParams::default(), &revision).await {
                Ok(created) => {
                    self.cache.wrote(&created);
                    return Ok(Newest { revision: Arc::new(created), n_collisions });
                }
                Err(kube::Error::Api(status))
                    if status.reason == "AlreadyExists"
                        && n_collisions - wanted.n_collisions < COLLISIONS_MAX =>
                {
                    n_collisions += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn api(&self, revision: &ControllerRevision) -> Api<ControllerRevision> {
        Api::namespaced(self.client.clone(), &revision.namespace().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_that_comes_back_gets_a_new_number_and_no_new_revision() {
        let (one, two, three) = (json!({"a": 1}), json!({"a": 2}), json!({"a": 3}));
        let known = [(1, Some(&one)), (4, Some(&two))];
        assert_eq!(step(&[], &one), Step::Create(1));
        assert_eq!(step(&known, &two), Step::Keep(1));
        assert_eq!(step(&known, &one), Step::Renumber(0, 5));
        assert_eq!(step(&known, &three), Step::Create(5));
    }

    #[test]
    fn a_revision_gives_the_template_back() {
        let template: PodTemplateSpec = serde_json::from_value(json!({
            "metadata": {"labels": {"b": "1", "a": "2"}},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        }))
        .expect("a template");
        let data = data(&template).expect("it can be written");
        let text = r#"{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"a":"2","b":"1"}},"spec":{"containers":[{"image":"i","name":"c"}]}}}}"#;
        assert_eq!(data.to_string(), text);
        let revision = ControllerRevision { data: Some(RawExtension(data)), ..Default::default() };
        assert_eq!(super::template(&revision).expect("it can be read"), template);
    }

    #[test]
    fn the_oldest_unused_revisions_beyond_the_limit_go() {
        let revision = |number: i64| Arc::new(ControllerRevision { revision: number, ..Default::default() });
        let revisions: Vec<_> = (1..=5).map(revision).collect();
        let numbers = |limit: i32| -> Vec<i64> {
            let surplus = beyond(&revisions, Some(limit), |revision| matches!(revision.revision, 1 | 5));
            surplus.iter().map(|revision| revision.revision).collect()
        };
        assert_eq!(numbers(3), [0_i64; 0]);
        assert_eq!(numbers(1), [2, 3]);
        assert_eq!(numbers(0), [2, 3, 4]);
    }
}
