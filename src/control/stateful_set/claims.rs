//! The claims of a StatefulSet's pods: made before the pod, and owned by whom their
//! retention policy says, so that they go with it.
//!
//! Source: `pkg/controller/statefulset/stateful_pod_control.go`
//! (createMissingPersistentVolumeClaims, UpdatePodClaimForRetentionPolicy, PodClaimIsStale) and
//! `stateful_set_utils.go` (updateClaimOwnerRefForSetAndPod).

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Api, PostParams};
use kube::{Client, Resource, ResourceExt};

use super::identity;
use crate::events::{EventType, Events};
use crate::owner;
use crate::run::{Failure, unless_gone};

/// Whether the claims of a pod are there for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claims {
    Ready,
    /// One is still that of the pod before, and goes with it.
    Leaving,
}

/// With whom the claims of a pod go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owners {
    Nobody,
    Set,
    Pod,
}

/// Makes the claims of a pod that are missing.
pub(super) async fn ensure(
    (client, events): (&Client, &Events),
    set: &StatefulSet,
    ordinal: i32,
) -> Result<Claims, Failure> {
    let api = api(client, set);
    let pod = identity::pod_name(&set.name_any(), ordinal);
    for (_, claim) in identity::claims(set, ordinal) {
        let name = claim.name_any();
        match api.get_opt(&name).await? {
            // It is still owned by an earlier pod of this ordinal, or is on its way out.
            Some(found) if found.metadata.deletion_timestamp.is_some() || is_of_pod(&found, &pod) => {
                return Ok(Claims::Leaving);
            }
            Some(_) => continue,
            None => {}
        }
        let (outcome, word, reason) = match api.create(&PostParams::default(), &claim).await {
            Ok(_) => (Ok(()), "success".to_owned(), "SuccessfulCreate"),
            Err(error) => (Err(Failure::from(error)), String::new(), "FailedCreate"),
        };
        let word = outcome.as_ref().err().map_or(word, |error| format!("failed error: {error}"));
        let type_ = if outcome.is_ok() { EventType::Normal } else { EventType::Warning };
        let message = format!("create Claim {name} Pod {pod} in StatefulSet {} {word}", set.name_any());
        events.record(&set.object_ref(&()), type_, reason, &message).await;
        outcome?;
    }
    Ok(Claims::Ready)
}

/// Gives the claims of a pod the owners that the policy wants.
pub(super) async fn settle(
    client: &Client,
    set: &StatefulSet,
    (pod, ordinal): (&Pod, i32),
    is_condemned: bool,
) -> Result<(), Failure> {
    let api = api(client, set);
    for (_, claim) in identity::claims(set, ordinal) {
        let Some(mut found) = api.get_opt(&claim.name_any()).await? else { continue };
        let before = found.metadata.owner_references.clone().unwrap_or_default();
        let after = owned(&before, owners(set, is_condemned), (set, pod));
        if before != after && found.metadata.deletion_timestamp.is_none() {
            found.metadata.owner_references = Some(after);
            let name = found.name_any();
            unless_gone(api.replace(&name, &PostParams::default(), &found).await)?;
        }
    }
    Ok(())
}

fn api(client: &Client, set: &StatefulSet) -> Api<PersistentVolumeClaim> {
    Api::namespaced(client.clone(), &set.namespace().unwrap_or_default())
}

fn is_of_pod(claim: &PersistentVolumeClaim, pod: &str) -> bool {
    claim.owner_references().iter().any(|owner| owner.kind == "Pod" && owner.name == pod)
}

fn owners(set: &StatefulSet, is_condemned: bool) -> Owners {
    let policy = set.spec.as_ref().and_then(|spec| spec.persistent_volume_claim_retention_policy.as_ref());
    let deletes = |field: Option<&String>| field.is_some_and(|word| word == "Delete");
    let when_scaled = policy.is_some_and(|policy| deletes(policy.when_scaled.as_ref()));
    let when_deleted = policy.is_some_and(|policy| deletes(policy.when_deleted.as_ref()));
    match (when_scaled && is_condemned, when_deleted) {
        (true, _) => Owners::Pod,
        (false, true) => Owners::Set,
        (false, false) => Owners::Nobody,
    }
}

/// The owners with ours as wanted; those of others stay.
fn owned(before: &[OwnerReference], wanted: Owners, (set, pod): (&StatefulSet, &Pod)) -> Vec<OwnerReference> {
    let wanted = match wanted {
        Owners::Nobody => None,
        Owners::Set => Some(owner::controlled_by(set)),
        Owners::Pod => Some(owner::controlled_by(pod)),
    };
    let is_ours = |owner: &OwnerReference| {
        (owner.kind == "StatefulSet" && owner.name == set.name_any())
            || (owner.kind == "Pod" && owner.name == pod.name_any())
    };
    if let Some(wanted) = &wanted
        && before.iter().any(|owner| owner.uid == wanted.uid)
        && before.iter().filter(|owner| is_ours(owner)).count() == 1
    {
        return before.to_vec();
    }
    before.iter().filter(|owner| !is_ours(owner)).cloned().chain(wanted).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(policy: Value, is_condemned: bool, expected: &[&str]) {
        let set: StatefulSet = serde_json::from_value(json!({
            "metadata": {"name": "db", "uid": "set"},
            "spec": {
                "selector": {}, "template": {}, "serviceName": "", "persistentVolumeClaimRetentionPolicy": policy,
            },
        }))
        .expect("a set");
        let pod: Pod =
            serde_json::from_value(json!({"metadata": {"name": "db-0", "uid": "pod"}})).expect("a pod");
        let reference = |kind: &str, name: &str, uid: &str| OwnerReference {
            kind: kind.to_owned(),
            name: name.to_owned(),
            uid: uid.to_owned(),
            ..OwnerReference::default()
        };
        let before = [reference("Backup", "b", "other"), reference("Pod", "db-0", "the pod before")];
        let owners = owners(&set, is_condemned);
        let after = owned(&before, owners, (&set, &pod));
        let uids: Vec<&str> = after.iter().map(|owner| owner.uid.as_str()).collect();
        assert_eq!(uids, expected, "{policy} {is_condemned}");
        assert_eq!(owned(&after, owners, (&set, &pod)), after, "a second look changes nothing");
    }

    #[test]
    fn a_claim_goes_with_whom_the_policy_says() {
        let policy = |scaled: &str, deleted: &str| json!({"whenScaled": scaled, "whenDeleted": deleted});
        check(json!({}), false, &["other"]);
        check(policy("Retain", "Retain"), true, &["other"]);
        check(policy("Retain", "Delete"), false, &["other", "set"]);
        check(policy("Retain", "Delete"), true, &["other", "set"]);
        check(policy("Delete", "Retain"), false, &["other"]);
        check(policy("Delete", "Retain"), true, &["other", "pod"]);
        check(policy("Delete", "Delete"), false, &["other", "set"]);
        check(policy("Delete", "Delete"), true, &["other", "pod"]);
    }
}
