//! Who owns what: owner references, and the hash that names a pod template.

use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::{Resource, ResourceExt};
use spur_api::labels;
use spur_api::workload::PodFacts;

/// The reference that makes `owner` the controller of an object.
pub(crate) fn controlled_by<K: Resource<DynamicType = ()>>(owner: &K) -> OwnerReference {
    OwnerReference {
        api_version: K::api_version(&()).into_owned(),
        kind: K::kind(&()).into_owned(),
        name: owner.name_any(),
        uid: owner.uid().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// The controlling owner of an object.
pub(crate) fn controller(meta: &ObjectMeta) -> Option<&OwnerReference> {
    meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
}

/// Whether the object with this uid controls the other.
pub(crate) fn is_controlled_by(meta: &ObjectMeta, uid: &str) -> bool {
    controller(meta).is_some_and(|owner| owner.uid == uid)
}

/// The workload that a pod belongs to.
pub(crate) fn workload(pod: &Pod) -> String {
    let label = |name: &str| pod.labels().get(name).map(String::as_str);
    let owner = controller(&pod.metadata);
    let facts = PodFacts {
        name: pod.metadata.name.as_deref().unwrap_or_default(),
        fork: label(labels::FORK),
        template_hash: label(labels::POD_TEMPLATE_HASH),
        owner: owner.map(|owner| (owner.kind.as_str(), owner.name.as_str())),
    };
    facts.workload().to_owned()
}

/// The hash of a pod template, in characters that spell nothing: it names the
/// ReplicaSet of that template, so that making it twice makes one. Where another
/// object has the name already, a higher `n_collisions` gives another.
pub(crate) fn template_hash(template: &PodTemplateSpec, n_collisions: i32) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let bytes = serde_json::to_vec(template).expect("a pod template can always be written");
    let mut rest = xxhash_rust::xxh3::xxh3_64_with_seed(&bytes, u64::from(n_collisions.unsigned_abs()));
    let mut hash = String::with_capacity(10);
    for _ in 0..10 {
        let idx = usize::try_from(rest % ALPHABET.len() as u64).expect("below 27");
        hash.push(char::from(ALPHABET[idx]));
        rest /= ALPHABET.len() as u64;
    }
    hash
}

/// `<base>-<suffix>`, with the base cut so that the whole is a DNS subdomain, as
/// the names of ReplicaSets, EndpointSlices and Events are.
pub(crate) fn suffixed(base: &str, suffix: &str) -> String {
    let room = spur_api::names::SUBDOMAIN_MAX.saturating_sub(suffix.len() + 1);
    let cut: String = base.chars().take(room).collect();
    format!("{}-{suffix}", cut.trim_end_matches(['-', '.']))
}
