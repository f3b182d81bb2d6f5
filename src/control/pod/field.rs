//! `fieldRef`: a field of the pod as the value of a variable.
//!
//! Source: `pkg/kubelet/kubelet_pods.go`, `podFieldSelectorRuntimeValue`;
//! `pkg/fieldpath`.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::LOOPBACK;

/// The value of a `fieldPath`; `None` where Kubernetes knows no such path for a
/// variable. A label or annotation that is not there is an empty text.
pub(super) fn value(pod: &Pod, path: &str) -> Option<String> {
    if let Some((field, key)) = subscripted(path) {
        let map = match field {
            "metadata.labels" => pod.labels(),
            "metadata.annotations" => pod.annotations(),
            _ => return None,
        };
        return Some(map.get(key).cloned().unwrap_or_default());
    }
    let spec = pod.spec.as_ref();
    let text = match path {
        "metadata.name" => pod.name_any(),
        "metadata.namespace" => pod.namespace().unwrap_or_default(),
        "metadata.uid" => pod.uid().unwrap_or_default(),
        "spec.nodeName" => spec.and_then(|spec| spec.node_name.clone()).unwrap_or_default(),
        "spec.serviceAccountName" => {
            spec.and_then(|spec| spec.service_account_name.clone()).unwrap_or_default()
        }
        "status.hostIP" | "status.hostIPs" | "status.podIP" | "status.podIPs" => LOOPBACK.to_owned(),
        _ => return None,
    };
    Some(text)
}

/// `field['key']` in its two parts.
fn subscripted(path: &str) -> Option<(&str, &str)> {
    let (field, rest) = path.split_once("['")?;
    Some((field, rest.strip_suffix("']")?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_fields_of_the_downward_interface_have_values() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {
                "name": "a", "namespace": "shop", "uid": "u-1",
                "labels": {"app": "cart"}, "annotations": {"team/owner": "x"},
            },
            "spec": {"containers": [], "nodeName": "spur", "serviceAccountName": "default"},
        }))
        .unwrap();
        let check =
            |path: &str, wanted: Option<&str>| assert_eq!(value(&pod, path).as_deref(), wanted, "{path}");
        check("metadata.name", Some("a"));
        check("metadata.namespace", Some("shop"));
        check("metadata.uid", Some("u-1"));
        check("metadata.labels['app']", Some("cart"));
        check("metadata.labels['none']", Some(""));
        check("metadata.annotations['team/owner']", Some("x"));
        check("spec.nodeName", Some("spur"));
        check("spec.serviceAccountName", Some("default"));
        check("status.podIP", Some("127.0.0.1"));
        check("status.hostIP", Some("127.0.0.1"));
        check("metadata.labels", None);
        check("spec.containers", None);
        check("spec.nodeSelector['a']", None);
    }
}
