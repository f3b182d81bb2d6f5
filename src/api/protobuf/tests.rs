//! The table against the definitions, bodies that kubectl sent, and objects there and back.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::encode::Encoder;
use super::{BodyError, decode, find, omit_empty};
use crate::{Kind, REGISTRY, definitions, yaml};

const TABLE: &str = include_str!("tables.txt");

/// Fields that Kubernetes 1.36 has and the table lacks: k8s-pb is of 1.35. Clients that send them
/// in protobuf lose them, as on a server of 1.35; all are off by default or written by the
/// kubelet and by drivers.
pub(super) const NEWER: &[(&str, &str)] = &[
    ("io.k8s.api.core.v1.PodSpec", "schedulingGroup"),
    ("io.k8s.api.core.v1.PodStatus", "nodeAllocatableResourceClaimStatuses"),
    ("io.k8s.api.core.v1.ResourceHealth", "message"),
    ("io.k8s.api.core.v1.VolumeMountStatus", "volumeStatus"),
    ("io.k8s.api.resource.v1.Device", "nodeAllocatableResourceMappings"),
    ("io.k8s.api.resource.v1.DeviceAttribute", "bools"),
    ("io.k8s.api.resource.v1.DeviceAttribute", "ints"),
    ("io.k8s.api.resource.v1.DeviceAttribute", "strings"),
    ("io.k8s.api.resource.v1.DeviceAttribute", "versions"),
    ("io.k8s.api.storage.v1.CSIDriverSpec", "preventPodSchedulingIfMissing"),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta", "shardInfo"),
];

/// The API version under which the table has what a definition is named after.
fn package(definition: &str) -> Option<(String, &str)> {
    let (package, name) = definition.rsplit_once('.')?;
    let (group, version) = package.rsplit_once('.')?;
    let group = match group {
        "io.k8s.api.core" => return Some((version.to_owned(), name)),
        "io.k8s.apimachinery.pkg.apis.meta" => "meta",
        "io.k8s.kube-aggregator.pkg.apis.apiregistration" => "apiregistration.k8s.io",
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions" => "apiextensions.k8s.io",
        "io.k8s.api.rbac" => "rbac.authorization.k8s.io",
        "io.k8s.api.flowcontrol" => "flowcontrol.apiserver.k8s.io",
        other => {
            let group = other.strip_prefix("io.k8s.api.")?;
            let is_short = matches!(group, "apps" | "autoscaling" | "batch" | "policy");
            let group = if is_short { group.to_owned() } else { format!("{group}.k8s.io") };
            return Some((format!("{group}/{version}"), name));
        }
    };
    Some((format!("{group}/{version}"), name))
}

#[test]
fn every_kubernetes_kind_has_a_message() {
    // Nobody sends what is only measured.
    let is_sent = |kind: &&Kind| kind.definition.starts_with("io.k8s.") && kind.group != "metrics.k8s.io";
    for kind in REGISTRY.iter().filter(is_sent) {
        assert!(find(&kind.api_version(), kind.kind).is_some(), "{}.{}", kind.api_version(), kind.kind);
    }
}

#[test]
fn messages_have_the_fields_of_their_definitions() {
    let mut n_checked = 0;
    for (name, definition) in &definitions::document() {
        let Some((api_version, kind)) = package(name) else { continue };
        let Some(message) = find(&api_version, kind) else { continue };
        let found: Vec<&str> = message.fields();
        let unique: BTreeSet<&str> = found.iter().copied().collect();
        assert_eq!(unique.len(), found.len(), "{name} has two fields of one name");
        let wanted = definition["properties"].as_object().into_iter().flat_map(|fields| fields.keys());
        let wanted = wanted.map(String::as_str).filter(|field| {
            let is_type_meta = matches!(*field, "apiVersion" | "kind") && !unique.contains(field);
            !is_type_meta && !NEWER.contains(&(name.as_str(), *field))
        });
        assert_eq!(unique, wanted.collect(), "{name}");
        n_checked += 1;
    }
    assert!(n_checked > 150, "only {n_checked} definitions were found in the table");
}

#[test]
fn bodies_of_kubectl_say_what_it_prints() {
    let mut n_checked = 0;
    let lines: Vec<&str> = include_str!("captured.txt").lines().collect();
    for case in lines.split(|line| line.is_empty()).skip(1) {
        let [command, body, wanted] = case else { panic!("a case has three lines: {case:?}") };
        let body: Vec<u8> =
            (0..body.len()).step_by(2).map(|at| u8::from_str_radix(&body[at..at + 2], 16).unwrap()).collect();
        let wanted: Value = serde_json::from_str(wanted).unwrap();
        assert_eq!(decode(&body, "", "").unwrap(), wanted, "{command}");
        n_checked += 1;
    }
    assert_eq!(n_checked, 18);
}

#[test]
fn objects_come_back_as_they_went() {
    let encoder = Encoder::new(TABLE);
    for object in yaml::documents(include_str!("objects.yaml")).unwrap() {
        assert_eq!(decode(&encoder.body(&object), "", "").unwrap(), object);
    }
}

/// The tags of the fields in `types.go`: which are pointers, and which have no `omitempty`.
#[test]
fn an_empty_value_stays_where_go_writes_it() {
    let check = |api_version: &str, kind: &str, sent: Value, wanted: Value| {
        let mut kept = sent;
        omit_empty(api_version, kind, &mut kept);
        assert_eq!(kept, wanted, "{kind}");
    };
    let stays =
        |api_version: &str, kind: &str, sent: Value| check(api_version, kind, sent.clone(), sent.clone());
    stays("v1", "Event", json!({"reportingComponent": "", "reportingInstance": ""}));
    stays("v1", "Node", json!({"status": {"images": [{"names": []}], "runtimeHandlers": [{"name": ""}]}}));
    stays("apps/v1", "StatefulSet", json!({"spec": {"serviceName": "", "replicas": 0}}));
    stays("authentication.k8s.io/v1", "TokenRequest", json!({"spec": {"audiences": []}}));
    stays(
        "batch/v1",
        "Job",
        json!({"spec": {"podFailurePolicy": {"rules": [{"action": "Count", "onPodConditions": []}]}}}),
    );
    stays("discovery.k8s.io/v1", "EndpointSlice", json!({"endpoints": [], "ports": []}));
    stays("storage.k8s.io/v1", "CSINode", json!({"spec": {"drivers": [{"name": "d", "topologyKeys": []}]}}));
    check(
        "v1",
        "Pod",
        json!({"spec": {
            "imagePullSecrets": [{"name": ""}],
            "ephemeralContainers": [{"name": "", "image": ""}],
            "volumes": [{"name": "v", "projected": {"sources": [], "defaultMode": 0}}],
        }}),
        json!({"spec": {
            "imagePullSecrets": [{}],
            "ephemeralContainers": [{"name": ""}],
            "volumes": [{"name": "v", "projected": {"sources": [], "defaultMode": 0}}],
        }}),
    );
    let binding = json!({"roleRef": {"apiGroup": "", "kind": "Role", "name": "r"}});
    let without = json!({"roleRef": {"kind": "Role", "name": "r"}});
    check("rbac.authorization.k8s.io/v1", "RoleBinding", binding, without);
}

#[test]
fn what_a_body_does_not_say_comes_from_the_path() {
    let body = b"k8s\0\x12\x08\x0a\x06\x0a\x04shop";
    let wanted = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    assert_eq!(decode(body, "v1", "Namespace").unwrap(), wanted);
}

#[test]
fn delete_options_have_the_version_of_what_is_deleted() {
    let body = b"k8s\0\x0a\x18\x0a\x07apps/v1\x12\x0dDeleteOptions\x12\x02\x08\x00";
    let wanted = json!({"apiVersion": "apps/v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0});
    assert_eq!(decode(body, "v1", "DeleteOptions").unwrap(), wanted);
}

#[test]
fn kinds_without_a_protobuf_form_are_named() {
    let error = decode(b"k8s\0", "spur.dev/v1alpha1", "Sandbox").unwrap_err();
    assert_eq!(error.to_string(), "no kind \"Sandbox\" is registered for version \"spur.dev/v1alpha1\"");
    assert!(matches!(decode(b"{}", "v1", "Pod"), Err(BodyError::Envelope(_))));
    assert!(matches!(decode(b"k8s\0\x12\x01\x0a", "v1", "Pod"), Err(BodyError::Message(_))));
}
