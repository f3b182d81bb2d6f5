//! What a pod's programs reach the API with: a token, how to check the API's certificate, and the
//! namespace, in a volume that every container sees.
//!
//! A runtime that mounts nothing leaves this volume and its mounts out, where it refuses others
//! (`is_service_account_volume` of the pod worker): no user has written it.
//!
//! Source: `plugin/pkg/admission/serviceaccount/admission.go`, `shouldAutomount`,
//! `mountServiceAccountToken` and `TokenVolumeSource`.

use serde_json::{Value, json};
use spur_api::meta;

/// What the volume's name begins with (`ServiceAccountVolumeName`).
pub(super) const VOLUME_PREFIX: &str = "kube-api-access-";
/// Where programs look (`DefaultAPITokenMountPath`).
const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// An hour, and 7 s by which such tokens are told from others
/// (`serviceaccount.WarnOnlyBoundTokenExpirationPeriod`).
const TOKEN_LASTS_SECONDS: i64 = 60 * 60 + 7;
/// What every namespace is given (`control/namespace/given.rs`).
const ROOT_CA: &str = "kube-root-ca.crt";

/// Whether a pod of this account gets the volume: the pod's own word comes before the account's. The
/// account may not be there yet; then nothing speaks against it.
pub(super) fn is_wanted(spec: &Value, account: Option<&Value>) -> bool {
    let says = |object: &Value| object.get("automountServiceAccountToken").and_then(Value::as_bool);
    says(spec).or_else(|| account.and_then(says)).unwrap_or(true)
}

/// Gives the volume to every container that has nothing at its place. `generated` is the name of a
/// volume that the pod does not have yet.
pub(super) fn add(spec: &mut Value, generated: &str) {
    let known = meta::list(spec, "/volumes").iter().map(|volume| meta::text(volume, "/name"));
    let known = known.into_iter().find(|name| name.starts_with(VOLUME_PREFIX)).map(str::to_owned);
    let name = known.as_deref().unwrap_or(generated);
    let mut n_mounts = 0;
    for field in ["initContainers", "containers"] {
        let Some(containers) = spec.get_mut(field).and_then(Value::as_array_mut) else { continue };
        for container in containers {
            n_mounts += usize::from(mount(container, name));
        }
    }
    if known.is_none() && n_mounts > 0 {
        push(spec, "volumes", volume(name));
    }
}

/// Whether the container had nothing there and sees the volume now.
fn mount(container: &mut Value, name: &str) -> bool {
    let is_taken = |mount: &Value| meta::text(mount, "/mountPath") == MOUNT_PATH;
    if meta::list(container, "/volumeMounts").iter().any(is_taken) {
        return false;
    }
    push(container, "volumeMounts", json!({"name": name, "readOnly": true, "mountPath": MOUNT_PATH}));
    true
}

fn push(object: &mut Value, field: &str, item: Value) {
    let mut items = meta::list(object, &format!("/{field}")).to_vec();
    items.push(item);
    object[field] = Value::Array(items);
}

fn volume(name: &str) -> Value {
    json!({"name": name, "projected": {"defaultMode": 0o644, "sources": [
        {"serviceAccountToken": {"expirationSeconds": TOKEN_LASTS_SECONDS, "path": "token"}},
        {"configMap": {"name": ROOT_CA, "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [
            {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
        ]}},
    ]}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pods_word_comes_before_the_accounts() {
        let check = |pod: Value, account: Option<Value>, wanted: bool| {
            assert_eq!(is_wanted(&pod, account.as_ref()), wanted, "{pod} {account:?}");
        };
        let says = |says: bool| json!({"automountServiceAccountToken": says});
        check(json!({}), None, true);
        check(json!({}), Some(json!({})), true);
        check(json!({}), Some(says(false)), false);
        check(says(true), Some(says(false)), true);
        check(says(false), Some(says(true)), false);
    }

    #[test]
    fn every_container_sees_the_volume_unless_it_has_its_own() {
        let own = json!({"name": "own", "mountPath": MOUNT_PATH});
        let mut spec = json!({
            "initContainers": [{"name": "i"}],
            "containers": [{"name": "a", "volumeMounts": [{"name": "x", "mountPath": "/x"}]},
                           {"name": "b", "volumeMounts": [own]}],
            "volumes": [{"name": "x", "emptyDir": {}}],
        });
        add(&mut spec, "kube-api-access-abcde");
        let mount = json!({"name": "kube-api-access-abcde", "readOnly": true, "mountPath": MOUNT_PATH});
        assert_eq!(spec["initContainers"][0]["volumeMounts"], json!([mount]));
        assert_eq!(spec["containers"][0]["volumeMounts"][1], mount);
        assert_eq!(spec["containers"][1]["volumeMounts"], json!([own]));
        assert_eq!(meta::list(&spec, "/volumes").len(), 2);
        assert_eq!(spec["volumes"][1]["name"], "kube-api-access-abcde");
        let before = spec.clone();
        add(&mut spec, "kube-api-access-other");
        assert_eq!(spec, before, "what is there already is kept");
    }

    #[test]
    fn a_pod_whose_containers_need_none_gets_none() {
        let mut spec =
            json!({"containers": [{"name": "a", "volumeMounts": [{"name": "x", "mountPath": MOUNT_PATH}]}]});
        let before = spec.clone();
        add(&mut spec, "kube-api-access-abcde");
        assert_eq!(spec, before);
    }
}
