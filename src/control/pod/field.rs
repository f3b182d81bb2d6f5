//! `fieldRef`: a field of the pod as the value of a variable or a file.
//!
//! Source: `pkg/kubelet/kubelet_pods.go`, `podFieldSelectorRuntimeValue`; `pkg/fieldpath`;
//! which paths each may have: `pkg/apis/core/validation`, `validEnvDownwardAPIFieldPathExpressions`
//! and `validVolumeDownwardAPIFieldPathExpressions`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::place::Place;

/// The value of a `fieldPath`; `None` where Kubernetes knows no such path for a
/// variable. A label or annotation that is not there is an empty text.
pub(super) fn of_variable(pod: &Pod, path: &str, place: &Place) -> Option<String> {
    let spec = pod.spec.as_ref();
    let text = match path {
        "spec.nodeName" => spec.and_then(|spec| spec.node_name.clone()).unwrap_or_default(),
        "spec.serviceAccountName" => {
            spec.and_then(|spec| spec.service_account_name.clone()).unwrap_or_default()
        }
        "status.hostIP" => first(&place.host_ips),
        "status.hostIPs" => all(&place.host_ips),
        "status.podIP" => first(&place.pod_ips),
        "status.podIPs" => all(&place.pod_ips),
        _ => return of_metadata(pod, path),
    };
    Some(text)
}

/// The same for a file: labels and annotations may be there as a whole, one on each line; the spec
/// and the status are not known.
pub(super) fn of_file(pod: &Pod, path: &str) -> Option<String> {
    match path {
        "metadata.labels" => Some(lines(pod.labels())),
        "metadata.annotations" => Some(lines(pod.annotations())),
        _ => of_metadata(pod, path),
    }
}

fn of_metadata(pod: &Pod, path: &str) -> Option<String> {
    if let Some((field, key)) = subscripted(path) {
        let map = match field {
            "metadata.labels" => pod.labels(),
            "metadata.annotations" => pod.annotations(),
            _ => return None,
        };
        return Some(map.get(key).cloned().unwrap_or_default());
    }
    match path {
        "metadata.name" => Some(pod.name_any()),
        "metadata.namespace" => Some(pod.namespace().unwrap_or_default()),
        "metadata.uid" => Some(pod.uid().unwrap_or_default()),
        _ => None,
    }
}

/// `field['key']` in its two parts.
fn subscripted(path: &str) -> Option<(&str, &str)> {
    let (field, rest) = path.split_once("['")?;
    Some((field, rest.strip_suffix("']")?))
}

fn first(addresses: &[IpAddr]) -> String {
    addresses.first().map(ToString::to_string).unwrap_or_default()
}

fn all(addresses: &[IpAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    texts.join(",")
}

/// `key="value"`, a line each, without one at the end (`fieldpath.FormatMap`).
fn lines(map: &BTreeMap<String, String>) -> String {
    let lines: Vec<String> = map.iter().map(|(key, value)| format!("{key}={}", quoted(value))).collect();
    lines.join("\n")
}

/// As Go's `%q` has it (`strconv.Quote`).
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            '\x07' => quoted.push_str("\\a"),
            '\x08' => quoted.push_str("\\b"),
            '\x0c' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\x0b' => quoted.push_str("\\v"),
            // Rust's table of what can be printed is Go's, but for marks that join others.
            '\'' => quoted.push(char),
            _ if char.escape_debug().len() == 1 => quoted.push(char),
            _ => push_escaped(&mut quoted, u32::from(char)),
        }
    }
    quoted.push('"');
    quoted
}

fn push_escaped(quoted: &mut String, code: u32) {
    let written = match code {
        ..0x80 => write!(quoted, "\\x{code:02x}"),
        0x80..0x1_0000 => write!(quoted, "\\u{code:04x}"),
        _ => write!(quoted, "\\U{code:08x}"),
    };
    written.expect("a text takes everything");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::node::Allocatable;

    fn pod() -> Pod {
        serde_json::from_value(json!({
            "metadata": {
                "name": "a", "namespace": "shop", "uid": "u-1",
                "labels": {"app": "cart", "tier": "web"}, "annotations": {"team/owner": "x \"y\"\n"},
            },
            "spec": {"containers": [], "nodeName": "spur", "serviceAccountName": "default"},
        }))
        .unwrap()
    }

    #[test]
    fn the_fields_of_the_downward_interface_have_values() {
        let address = |text: &str| text.parse().unwrap();
        let place = Place {
            pod_ips: vec![address("10.1.0.7"), address("fd00::7")],
            host_ips: vec![address("192.0.2.1")],
            allocatable: Allocatable { cpus: 1, memory_bytes: None },
        };
        let check = |path: &str, wanted: Option<&str>| {
            assert_eq!(of_variable(&pod(), path, &place).as_deref(), wanted, "{path}");
        };
        check("metadata.name", Some("a"));
        check("metadata.namespace", Some("shop"));
        check("metadata.uid", Some("u-1"));
        check("metadata.labels['app']", Some("cart"));
        check("metadata.labels['none']", Some(""));
        check("metadata.annotations['team/owner']", Some("x \"y\"\n"));
        check("spec.nodeName", Some("spur"));
        check("spec.serviceAccountName", Some("default"));
        check("status.podIP", Some("10.1.0.7"));
        check("status.podIPs", Some("10.1.0.7,fd00::7"));
        check("status.hostIP", Some("192.0.2.1"));
        check("status.hostIPs", Some("192.0.2.1"));
        check("metadata.labels", None);
        check("spec.containers", None);
        check("spec.nodeSelector['a']", None);
    }

    #[test]
    fn files_hold_all_labels_and_nothing_of_the_spec() {
        let check =
            |path: &str, wanted: Option<&str>| assert_eq!(of_file(&pod(), path).as_deref(), wanted, "{path}");
        check("metadata.labels", Some("app=\"cart\"\ntier=\"web\""));
        check("metadata.annotations", Some("team/owner=\"x \\\"y\\\"\\n\""));
        check("metadata.labels['app']", Some("cart"));
        check("metadata.uid", Some("u-1"));
        check("spec.nodeName", None);
        check("status.podIP", None);
    }

    #[test]
    fn values_are_quoted_as_go_quotes_them() {
        let check = |text: &str, wanted: &str| assert_eq!(quoted(text), wanted);
        check("it's ä\\", "\"it's ä\\\\\"");
        check("\0\x07\x1b\x7f", "\"\\x00\\a\\x1b\\x7f\"");
        check("\u{a0}\u{200b}\u{e0001}", "\"\\u00a0\\u200b\\U000e0001\"");
        check("世界 🙂", "\"世界 🙂\"");
    }
}
