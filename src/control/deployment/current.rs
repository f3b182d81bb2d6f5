//! The ReplicaSet of a Deployment's current template: which one it is, how it is
//! made, and what of the Deployment it repeats.
//!
//! Source: `pkg/controller/deployment/util/deployment_util.go` (FindNewReplicaSet,
//! EqualIgnoreHash, SetNewReplicaSetAnnotations) and sync.go (getNewReplicaSet).

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, ReplicaSetSpec};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use kube::ResourceExt;
use serde_json::{Value, json};
use spur_api::labels;

use super::rollout;
use crate::owner;
use crate::run::Failure;

/// On a set: the numbers that it had before the one that it has (`RevisionHistoryAnnotation`).
const HISTORY: &str = "deployment.kubernetes.io/revision-history";

/// Annotations of a Deployment that its sets do not repeat (`annotationsToSkip`). All others
/// they do: `kubectl rollout undo` gives a Deployment the annotations of the old set.
const OWN_ANNOTATIONS: [&str; 5] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    labels::REVISION,
    HISTORY,
    rollout::DESIRED,
    rollout::MAX,
];

/// Which set has the Deployment's template; the oldest, should several have it.
pub(super) fn index(deployment: &Deployment, owned: &[Arc<ReplicaSet>]) -> Option<usize> {
    let template = without_hash(&deployment.spec.as_ref()?.template);
    let has_template = |set: &ReplicaSet| {
        let of_set = set.spec.as_ref().and_then(|spec| spec.template.as_ref());
        of_set.is_some_and(|of_set| without_hash(of_set) == template)
    };
    let with_template = owned.iter().enumerate().filter(|(_, set)| has_template(set));
    let age = |set: &ReplicaSet| (set.creation_timestamp().map(|time| time.0), set.name_any());
    with_template.min_by_key(|(_, set)| age(set)).map(|(idx, _)| idx)
}

/// The template without the label that the set adds, and with nothing empty in its metadata.
fn without_hash(template: &PodTemplateSpec) -> PodTemplateSpec {
    let mut template = template.clone();
    let metadata = template.metadata.get_or_insert_default();
    metadata.creation_timestamp = None;
    if let Some(labels) = &mut metadata.labels {
        labels.remove(labels::POD_TEMPLATE_HASH);
    }
    metadata.labels = metadata.labels.take().filter(|labels| !labels.is_empty());
    metadata.annotations = metadata.annotations.take().filter(|annotations| !annotations.is_empty());
    template
}

/// How often a set could not be made because of its name.
pub(super) fn n_collisions(deployment: &Deployment) -> i32 {
    deployment.status.as_ref().and_then(|status| status.collision_count).unwrap_or(0)
}

/// A new set of the Deployment's template.
pub(super) fn replica_set(
    deployment: &Deployment,
    revision: i64,
    replicas: i32,
) -> Result<ReplicaSet, Failure> {
    let spec = deployment.spec.as_ref().ok_or_else(|| Failure::plain("the deployment has no spec"))?;
    let hash = owner::template_hash(&spec.template, n_collisions(deployment));
    let mut template = spec.template.clone();
    let template_labels = template.metadata.get_or_insert_default().labels.get_or_insert_default();
    template_labels.insert(labels::POD_TEMPLATE_HASH.to_owned(), hash.clone());
    let set_labels = template_labels.clone();
    let mut annotations = annotations(deployment, revision);
    annotations.extend(rollout::size(spec).map(|(key, value)| (key.to_owned(), value)));
    let mut match_labels = spec.selector.match_labels.clone().unwrap_or_default();
    match_labels.insert(labels::POD_TEMPLATE_HASH.to_owned(), hash.clone());
    Ok(ReplicaSet {
        metadata: ObjectMeta {
            name: Some(owner::suffixed(&deployment.name_any(), &hash)),
            namespace: deployment.namespace(),
            labels: Some(set_labels),
            annotations: Some(annotations),
            owner_references: Some(vec![owner::controlled_by(deployment)]),
            ..ObjectMeta::default()
        },
        spec: Some(ReplicaSetSpec {
            replicas: Some(replicas),
            min_ready_seconds: spec.min_ready_seconds,
            selector: LabelSelector {
                match_labels: Some(match_labels),
                match_expressions: spec.selector.match_expressions.clone(),
            },
            template: Some(template),
        }),
        status: None,
    })
}

/// The merge patch that makes the current set say what the Deployment says, where it does not.
pub(super) fn update(deployment: &Deployment, set: &ReplicaSet, revision: i64) -> Option<Value> {
    let mut wanted = annotations(deployment, revision);
    wanted.retain(|key, value| set.annotations().get(key) != Some(value));
    if wanted.contains_key(labels::REVISION) {
        wanted.extend(history(set).map(|numbers| (HISTORY.to_owned(), numbers)));
    }
    let min_ready = |seconds: Option<i32>| seconds.unwrap_or(0);
    let wanted_min_ready = min_ready(deployment.spec.as_ref().and_then(|spec| spec.min_ready_seconds));
    let is_same = min_ready(set.spec.as_ref().and_then(|spec| spec.min_ready_seconds)) == wanted_min_ready;
    let mut patch = json!({});
    if !wanted.is_empty() {
        patch["metadata"]["annotations"] = json!(wanted);
    }
    if !is_same {
        patch["spec"]["minReadySeconds"] = json!(wanted_min_ready);
    }
    (patch != json!({})).then_some(patch)
}

/// The numbers that a set has had, with the one that it has now (`SetNewReplicaSetAnnotations`).
fn history(set: &ReplicaSet) -> Option<String> {
    let last = set.annotations().get(labels::REVISION)?;
    let before = set.annotations().get(HISTORY);
    Some(before.map_or_else(|| last.clone(), |before| format!("{before},{last}")))
}

fn annotations(deployment: &Deployment, revision: i64) -> BTreeMap<String, String> {
    let mut annotations = deployment.annotations().clone();
    annotations.retain(|key, _| !OWN_ANNOTATIONS.contains(&key.as_str()));
    annotations.insert(labels::REVISION.to_owned(), revision.to_string());
    annotations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment() -> Deployment {
        serde_json::from_value(json!({
            "metadata": {"name": "web", "namespace": "a", "uid": "u", "annotations": {"cause": "one"}},
            "spec": {
                "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c"}]}},
            },
        }))
        .expect("a deployment")
    }

    #[test]
    fn the_set_that_was_made_is_the_current_one_whatever_its_name() {
        let deployment = deployment();
        let mut set = replica_set(&deployment, 1, 0).expect("a set");
        set.metadata.name = Some("anything".to_owned());
        assert_eq!(index(&deployment, &[Arc::new(set.clone())]), Some(0));
        let mut other = deployment.clone();
        other.spec.as_mut().expect("a spec").template.spec.as_mut().expect("a spec").containers[0].name =
            "d".to_owned();
        assert_eq!(index(&other, &[Arc::new(set)]), None);
    }

    #[test]
    fn a_collision_gives_another_name_and_the_same_template() {
        let mut deployment = deployment();
        let first = replica_set(&deployment, 1, 0).expect("a set");
        deployment.status.get_or_insert_default().collision_count = Some(1);
        let second = replica_set(&deployment, 1, 0).expect("a set");
        assert_ne!(first.name_any(), second.name_any());
        assert_eq!(index(&deployment, &[Arc::new(first)]), Some(0));
        assert_eq!(index(&deployment, &[Arc::new(second)]), Some(0));
    }

    #[test]
    fn the_set_of_a_long_name_keeps_it_whole() {
        let mut deployment = deployment();
        deployment.metadata.name = Some("w".repeat(100));
        let set = replica_set(&deployment, 1, 0).expect("a set");
        assert!(set.name_any().starts_with(&"w".repeat(100)), "{}", set.name_any());
    }

    #[test]
    fn a_set_that_says_the_same_is_left_alone() {
        let mut deployment = deployment();
        let set = replica_set(&deployment, 4, 0).expect("a set");
        assert_eq!(update(&deployment, &set, 4), None);
        let again = json!({"metadata": {"annotations": {labels::REVISION: "6", HISTORY: "4"}}});
        assert_eq!(update(&deployment, &set, 6), Some(again));
        deployment.spec.as_mut().expect("a spec").min_ready_seconds = Some(3);
        deployment.annotations_mut().insert("cause".to_owned(), "two".to_owned());
        let expected = json!({"metadata": {"annotations": {"cause": "two"}}, "spec": {"minReadySeconds": 3}});
        assert_eq!(update(&deployment, &set, 4), Some(expected));
    }
}
