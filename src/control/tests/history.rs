//! What has happened, read from the store's log: every change, in its order.

use std::collections::BTreeMap;

use futures::FutureExt;
use serde_json::Value;
use spur_store::{ChangeKind, Revision, Store};

use super::world::is_ready;

/// One change.
pub(super) struct Step {
    pub(super) revision: Revision,
    pub(super) kind: ChangeKind,
    /// After the change; the last state of what was deleted.
    pub(super) object: Value,
    before: Value,
}

/// Every change of these resources (`pods`, `replicasets.apps`) after a revision.
pub(super) fn since(store: &Store, revision: Revision, resources: &[&str]) -> Vec<Step> {
    let mut steps = Vec::new();
    for resource in resources {
        let mut changes = store.watch(resource, None, revision).expect("the log reaches back that far");
        while let Some(batch) = changes.next().now_or_never() {
            for change in batch.expect("the log reaches back that far") {
                let object = serde_json::from_slice(&change.value).expect("an object");
                let before = change.previous.as_ref().map(|previous| serde_json::from_slice(&previous.value));
                let before = before.map_or(Value::Null, |before| before.expect("an object"));
                steps.push(Step { revision: change.revision, kind: change.kind, object, before });
            }
        }
    }
    steps.sort_by_key(|step| step.revision);
    steps
}

/// What was written after a revision, one line each: the object and the fields that changed.
pub(super) fn told_since(store: &Store, revision: Revision) -> Vec<String> {
    let resources: Vec<String> = spur_api::registry::stored().map(spur_api::Kind::resource).collect();
    let resources: Vec<&str> = resources.iter().map(String::as_str).collect();
    since(store, revision, &resources).iter().map(Step::told).collect()
}

/// How many pods of an app were there and ready after each change of one.
pub(super) fn pod_counts(store: &Store, since_revision: Revision, app: &str) -> Vec<PodCount> {
    let mut pods: BTreeMap<String, Value> = BTreeMap::new();
    let mut counts = Vec::new();
    for step in since(store, Revision(0), &["pods"]) {
        if step.object["metadata"]["labels"]["app"] != app {
            continue;
        }
        let uid = step.object["metadata"]["uid"].as_str().expect("a uid").to_owned();
        match step.kind {
            ChangeKind::Created | ChangeKind::Updated => pods.insert(uid, step.object),
            ChangeKind::Deleted => pods.remove(&uid),
        };
        if step.revision > since_revision {
            counts.push(PodCount::of(step.revision, pods.values()));
        }
    }
    counts
}

/// The pods of an app after one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PodCount {
    pub(super) revision: Revision,
    /// Ready and not being deleted.
    pub(super) n_ready: usize,
    /// Not being deleted.
    pub(super) n_staying: usize,
    /// All, with those being deleted.
    pub(super) n_all: usize,
}

// === impl Step ===

impl Step {
    fn told(&self) -> String {
        let mut changed = Vec::new();
        differences("", &self.before, &self.object, &mut changed);
        let Value::String(kind) = &self.object["kind"] else { panic!("an object has a kind") };
        format!("{:?} {kind}/{} {}", self.kind, super::world::name(&self.object), changed.join(", "))
    }
}

/// The paths at which two values differ, with both.
fn differences(path: &str, before: &Value, after: &Value, into: &mut Vec<String>) {
    match (before, after) {
        _ if before == after || path == "/metadata/managedFields" => {}
        (Value::Object(one), Value::Object(other)) => {
            let mut fields: Vec<&String> = one.keys().chain(other.keys()).collect();
            fields.sort();
            fields.dedup();
            for field in fields {
                differences(&format!("{path}/{field}"), &before[field], &after[field], into);
            }
        }
        _ => into.push(format!("{path}: {before} -> {after}")),
    }
}

// === impl PodCount ===

impl PodCount {
    fn of<'a>(revision: Revision, pods: impl Iterator<Item = &'a Value> + Clone) -> Self {
        let is_staying = |pod: &&Value| pod["metadata"]["deletionTimestamp"].is_null();
        Self {
            revision,
            n_ready: pods.clone().filter(|pod| is_ready(pod)).count(),
            n_staying: pods.clone().filter(is_staying).count(),
            n_all: pods.count(),
        }
    }
}
