//! How lists and maps of the bundled kinds merge: k8s-openapi carries none of
//! it, so this table is ours.
//!
//! What is not listed is atomic, as in Kubernetes (`listType` defaults to
//! `atomic` for built-in kinds).

use crate::definitions::OBJECT_META;

/// How server-side apply merges a list or map.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ListRule {
    /// Items are told apart by these fields.
    Map(&'static [&'static str]),
    /// Items are plain values, each at most once.
    Set,
    /// A map that is replaced whole.
    AtomicMap,
}

use ListRule::{AtomicMap, Map, Set};

macro_rules! core {
    ($name:literal) => {
        concat!("io.k8s.api.core.v1.", $name)
    };
}
macro_rules! apps {
    ($name:literal) => {
        concat!("io.k8s.api.apps.v1.", $name)
    };
}

/// (definition, field, rule) for server-side apply.
pub(crate) static LISTS: &[(&str, &str, ListRule)] = &[
    (OBJECT_META, "finalizers", Set),
    (OBJECT_META, "ownerReferences", Map(&["uid"])),
    (apps!("DeploymentStatus"), "conditions", Map(&["type"])),
    (apps!("ReplicaSetStatus"), "conditions", Map(&["type"])),
    (core!("Container"), "env", Map(&["name"])),
    (core!("Container"), "ports", Map(&["containerPort", "protocol"])),
    (core!("Container"), "volumeDevices", Map(&["devicePath"])),
    (core!("Container"), "volumeMounts", Map(&["mountPath"])),
    (core!("ContainerRestartRuleOnExitCodes"), "values", Set),
    (core!("ContainerStatus"), "allocatedResourcesStatus", Map(&["name"])),
    (core!("ContainerStatus"), "volumeMounts", Map(&["mountPath"])),
    (core!("EphemeralContainer"), "env", Map(&["name"])),
    (core!("EphemeralContainer"), "ports", Map(&["containerPort", "protocol"])),
    (core!("EphemeralContainer"), "volumeDevices", Map(&["devicePath"])),
    (core!("EphemeralContainer"), "volumeMounts", Map(&["mountPath"])),
    (core!("NamespaceStatus"), "conditions", Map(&["type"])),
    (core!("NodeSpec"), "podCIDRs", Set),
    (core!("NodeStatus"), "addresses", Map(&["type"])),
    (core!("NodeStatus"), "conditions", Map(&["type"])),
    (core!("PodSpec"), "containers", Map(&["name"])),
    (core!("PodSpec"), "ephemeralContainers", Map(&["name"])),
    (core!("PodSpec"), "hostAliases", Map(&["ip"])),
    (core!("PodSpec"), "imagePullSecrets", Map(&["name"])),
    (core!("PodSpec"), "initContainers", Map(&["name"])),
    (core!("PodSpec"), "nodeSelector", AtomicMap),
    (core!("PodSpec"), "resourceClaims", Map(&["name"])),
    (core!("PodSpec"), "schedulingGates", Map(&["name"])),
    (core!("PodSpec"), "topologySpreadConstraints", Map(&["topologyKey", "whenUnsatisfiable"])),
    (core!("PodSpec"), "volumes", Map(&["name"])),
    (core!("PodStatus"), "conditions", Map(&["type"])),
    (core!("PodStatus"), "podIPs", Map(&["ip"])),
    (core!("PodStatus"), "resourceClaimStatuses", Map(&["name"])),
    (core!("ResourceRequirements"), "claims", Map(&["name"])),
    (core!("ResourceStatus"), "resources", Map(&["resourceID"])),
    (core!("ServiceAccount"), "secrets", Map(&["name"])),
    (core!("ServiceSpec"), "ports", Map(&["port", "protocol"])),
    (core!("ServiceSpec"), "selector", AtomicMap),
    (core!("ServiceStatus"), "conditions", Map(&["type"])),
    ("io.k8s.api.discovery.v1.Endpoint", "addresses", Set),
    ("dev.spur.v1alpha1.SandboxStatus", "conditions", Map(&["type"])),
    ("dev.spur.v1alpha1.SandboxSpec", "endpoints", Map(&["name"])),
];

/// (definition, field, strategy, merge key or "") for strategic merge patches.
pub(crate) static MERGE_PATCHES: &[(&str, &str, &str, &str)] = &[
    (OBJECT_META, "finalizers", "merge", ""),
    (OBJECT_META, "ownerReferences", "merge", "uid"),
    (apps!("DeploymentSpec"), "strategy", "retainKeys", ""),
    (apps!("DeploymentStatus"), "conditions", "merge", "type"),
    (apps!("ReplicaSetStatus"), "conditions", "merge", "type"),
    (core!("Container"), "env", "merge", "name"),
    (core!("Container"), "ports", "merge", "containerPort"),
    (core!("Container"), "volumeDevices", "merge", "devicePath"),
    (core!("Container"), "volumeMounts", "merge", "mountPath"),
    (core!("ContainerStatus"), "allocatedResourcesStatus", "merge", "name"),
    (core!("ContainerStatus"), "volumeMounts", "merge", "mountPath"),
    (core!("EphemeralContainer"), "env", "merge", "name"),
    (core!("EphemeralContainer"), "ports", "merge", "containerPort"),
    (core!("EphemeralContainer"), "volumeDevices", "merge", "devicePath"),
    (core!("EphemeralContainer"), "volumeMounts", "merge", "mountPath"),
    (core!("NamespaceStatus"), "conditions", "merge", "type"),
    (core!("NodeSpec"), "podCIDRs", "merge", ""),
    (core!("NodeStatus"), "addresses", "merge", "type"),
    (core!("NodeStatus"), "conditions", "merge", "type"),
    (core!("PodSpec"), "containers", "merge", "name"),
    (core!("PodSpec"), "ephemeralContainers", "merge", "name"),
    (core!("PodSpec"), "hostAliases", "merge", "ip"),
    (core!("PodSpec"), "imagePullSecrets", "merge", "name"),
    (core!("PodSpec"), "initContainers", "merge", "name"),
    (core!("PodSpec"), "resourceClaims", "merge,retainKeys", "name"),
    (core!("PodSpec"), "schedulingGates", "merge", "name"),
    (core!("PodSpec"), "topologySpreadConstraints", "merge", "topologyKey"),
    (core!("PodSpec"), "volumes", "merge,retainKeys", "name"),
    (core!("PodStatus"), "conditions", "merge", "type"),
    (core!("PodStatus"), "hostIPs", "merge", "ip"),
    (core!("PodStatus"), "podIPs", "merge", "ip"),
    (core!("PodStatus"), "resourceClaimStatuses", "merge,retainKeys", "name"),
    (core!("ServiceAccount"), "secrets", "merge", "name"),
    (core!("ServiceSpec"), "ports", "merge", "port"),
    (core!("ServiceStatus"), "conditions", "merge", "type"),
];

/// (definition, field, default): what is filled in before the items of a list
/// are told apart by their keys.
pub(crate) static KEY_DEFAULTS: &[(&str, &str, &str)] =
    &[(core!("ContainerPort"), "protocol", "TCP"), (core!("ServicePort"), "protocol", "TCP")];
