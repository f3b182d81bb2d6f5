//! Who a pod of a StatefulSet is: its ordinal, name, labels and claims: pure.
//!
//! Source: `pkg/controller/statefulset/stateful_set_utils.go` (getParentNameAndOrdinal,
//! newStatefulSetPod, updateIdentity, updateStorage, getPersistentVolumeClaims).

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimVolumeSource, Pod, PodTemplateSpec, Volume,
};
use kube::ResourceExt;

use crate::pods;
use crate::revisions;

/// On a pod: its name, so that a Service can select one (`apps.StatefulSetPodNameLabel`).
const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
/// On a pod: its ordinal (`apps.PodIndexLabel`).
const POD_INDEX: &str = "apps.kubernetes.io/pod-index";

/// The name of the pod with this ordinal.
pub(super) fn pod_name(set: &str, ordinal: i32) -> String {
    format!("{set}-{ordinal}")
}

/// The ordinal of the set's pod that has this name.
pub(super) fn ordinal(set: &str, pod: &str) -> Option<i32> {
    let digits = pod.strip_prefix(set)?.strip_prefix('-')?;
    let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_plain)
}

/// The set's pod with this ordinal, of one revision's template.
pub(super) fn pod(set: &StatefulSet, template: &PodTemplateSpec, (ordinal, revision): (i32, &str)) -> Pod {
    let mut pod = pods::of_template(set, template);
    let name = pod_name(&set.name_any(), ordinal);
    pod.metadata.generate_name = None;
    pod.metadata.name = Some(name.clone());
    let labels = pod.metadata.labels.get_or_insert_default();
    labels.extend(own_labels(&name, ordinal));
    labels.insert(revisions::HASH.to_owned(), revision.to_owned());
    let spec = pod.spec.get_or_insert_default();
    spec.hostname = Some(name.clone());
    spec.subdomain = set.spec.as_ref().and_then(|spec| spec.service_name.clone()).filter(|it| !it.is_empty());
    let claims = claims(set, ordinal);
    if !claims.is_empty() {
        let others = spec.volumes.take().unwrap_or_default();
        let is_replaced = |volume: &Volume| claims.iter().any(|(template, _)| *template == volume.name);
        let mut volumes: Vec<Volume> =
            claims.iter().map(|(template, claim)| volume(template, claim)).collect();
        volumes.extend(others.into_iter().filter(|volume| !is_replaced(volume)));
        spec.volumes = Some(volumes);
    }
    pod
}

/// The labels that a pod of this name has to have and lacks.
pub(super) fn lacking_labels(pod: &Pod, ordinal: i32) -> BTreeMap<String, String> {
    let mut labels = own_labels(&pod.name_any(), ordinal);
    labels.retain(|label, value| pod.labels().get(label) != Some(value));
    labels
}

fn own_labels(name: &str, ordinal: i32) -> BTreeMap<String, String> {
    BTreeMap::from([(POD_NAME.to_owned(), name.to_owned()), (POD_INDEX.to_owned(), ordinal.to_string())])
}

/// The claims of the pod with this ordinal, each with the name of its template.
pub(super) fn claims(set: &StatefulSet, ordinal: i32) -> Vec<(String, PersistentVolumeClaim)> {
    let spec = set.spec.as_ref();
    let templates = spec.and_then(|spec| spec.volume_claim_templates.as_ref()).into_iter().flatten();
    let selected = spec.and_then(|spec| spec.selector.match_labels.clone()).unwrap_or_default();
    let claim = |template: &PersistentVolumeClaim| {
        let mut claim = template.clone();
        claim.metadata.name = Some(pod_name(&format!("{}-{}", template.name_any(), set.name_any()), ordinal));
        claim.metadata.namespace = set.namespace();
        claim.metadata.labels.get_or_insert_default().extend(selected.clone());
        claim.status = None;
        (template.name_any(), claim)
    };
    templates.map(claim).collect()
}

/// Whether a claim of this name is one of the set's.
pub(super) fn is_claim_of(set: &StatefulSet, claim: &str) -> bool {
    let templates = set.spec.as_ref().and_then(|spec| spec.volume_claim_templates.as_ref());
    let mut templates = templates.into_iter().flatten();
    templates.any(|template| ordinal(&format!("{}-{}", template.name_any(), set.name_any()), claim).is_some())
}

fn volume(template: &str, claim: &PersistentVolumeClaim) -> Volume {
    Volume {
        name: template.to_owned(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: claim.name_any(),
            read_only: None,
        }),
        ..Volume::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set() -> StatefulSet {
        serde_json::from_value(json!({
            "metadata": {"name": "db", "namespace": "a", "uid": "u"},
            "spec": {
                "serviceName": "dbs",
                "selector": {"matchLabels": {"app": "db"}},
                "template": {
                    "metadata": {"labels": {"app": "db"}},
                    "spec": {"containers": [{"name": "c"}], "volumes": [
                        {"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}},
                    ]},
                },
                "volumeClaimTemplates": [{"metadata": {"name": "data", "labels": {"of": "db"}}, "spec": {}}],
            },
        }))
        .expect("a set")
    }

    #[test]
    fn a_name_has_one_ordinal_or_none() {
        let cases = [
            ("db-0", Some(0)),
            ("db-12", Some(12)),
            ("db-", None),
            ("db", None),
            ("db-+1", None),
            ("db-x-1", None),
            ("other-1", None),
            ("db-99999999999", None),
        ];
        for (name, expected) in cases {
            assert_eq!(ordinal("db", name), expected, "{name}");
        }
    }

    #[test]
    fn a_pod_has_its_name_labels_host_and_claims() {
        let set = set();
        let template = set.spec.as_ref().expect("a spec").template.clone();
        let pod = pod(&set, &template, (3, "db-x"));
        assert_eq!(pod.name_any(), "db-3");
        assert_eq!(pod.metadata.generate_name, None);
        let expected = [
            ("app", "db"),
            ("apps.kubernetes.io/pod-index", "3"),
            ("controller-revision-hash", "db-x"),
            ("statefulset.kubernetes.io/pod-name", "db-3"),
        ];
        let labels: Vec<(&str, &str)> =
            pod.labels().iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(labels, expected);
        assert!(lacking_labels(&pod, 3).is_empty());
        let spec = serde_json::to_value(pod.spec).expect("a spec");
        assert_eq!((&spec["hostname"], &spec["subdomain"]), (&json!("db-3"), &json!("dbs")));
        let data = json!({"name": "data", "persistentVolumeClaim": {"claimName": "data-db-3"}});
        assert_eq!(spec["volumes"], json!([data, {"name": "tmp", "emptyDir": {}}]));
        let (_, claim) = claims(&set, 3).remove(0);
        assert_eq!(claim.name_any(), "data-db-3");
        assert_eq!(serde_json::to_value(claim.labels()).expect("labels"), json!({"of": "db", "app": "db"}));
        assert!(is_claim_of(&set, "data-db-3") && !is_claim_of(&set, "data-db2-3"));
    }
}
