//! How lists and maps of the bundled kinds merge: k8s-openapi carries none of
//! it, so these tables are ours. `server/tests/official` compares every entry with
//! the official documents.
//!
//! A list that is not named here is atomic and a map is not, as in Kubernetes
//! (`listType` defaults to `atomic` for built-in kinds, `mapType` to `granular`).

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
    /// A map whose definition is atomic, but not here.
    GranularMap,
}

use ListRule::{AtomicMap, GranularMap, Map, Set};

macro_rules! core {
    ($name:literal) => {
        concat!("io.k8s.api.core.v1.", $name)
    };
}
macro_rules! admission {
    ($name:literal) => {
        concat!("io.k8s.api.admissionregistration.v1.", $name)
    };
}
macro_rules! apps {
    ($name:literal) => {
        concat!("io.k8s.api.apps.v1.", $name)
    };
}

const API_SERVICE_STATUS: &str = "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIServiceStatus";
const AUTOSCALER_STATUS: &str = "io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerStatus";
const BUDGET_STATUS: &str = "io.k8s.api.policy.v1.PodDisruptionBudgetStatus";
const SERVICE_CIDR_STATUS: &str = "io.k8s.api.networking.v1.ServiceCIDRStatus";
const CRD_STATUS: &str =
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionStatus";
const JSON_SCHEMA: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";

/// Definitions of values that are replaced whole: references and selectors, whose
/// fields mean something only together.
pub(crate) static ATOMIC: &[&str] = &[
    "io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector",
    "io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference",
    admission!("MatchResources"),
    admission!("NamedRuleWithOperations"),
    admission!("ParamKind"),
    admission!("ParamRef"),
    admission!("Variable"),
    core!("ConfigMapKeySelector"),
    core!("EndpointAddress"),
    core!("EndpointPort"),
    core!("FileKeySelector"),
    core!("LocalObjectReference"),
    core!("NodeSelector"),
    core!("NodeSelectorTerm"),
    core!("ObjectFieldSelector"),
    core!("ObjectReference"),
    core!("ResourceFieldSelector"),
    core!("ScopeSelector"),
    core!("SecretKeySelector"),
    core!("SecretReference"),
    core!("TopologySelectorTerm"),
    core!("TypedLocalObjectReference"),
    "io.k8s.api.autoscaling.v1.CrossVersionObjectReference",
    "io.k8s.api.discovery.v1.EndpointPort",
    "io.k8s.api.networking.v1.ServiceBackendPort",
    "io.k8s.api.rbac.v1.RoleRef",
    "io.k8s.api.rbac.v1.Subject",
];

/// (definition, field, rule) for server-side apply.
pub(crate) static LISTS: &[(&str, &str, ListRule)] = &[
    (OBJECT_META, "finalizers", Set),
    (OBJECT_META, "ownerReferences", Map(&["uid"])),
    (admission!("MutatingAdmissionPolicySpec"), "matchConditions", Map(&["name"])),
    (admission!("MutatingWebhook"), "matchConditions", Map(&["name"])),
    (admission!("MutatingWebhookConfiguration"), "webhooks", Map(&["name"])),
    (admission!("ValidatingAdmissionPolicyBindingSpec"), "validationActions", Set),
    (admission!("ValidatingAdmissionPolicySpec"), "matchConditions", Map(&["name"])),
    (admission!("ValidatingAdmissionPolicySpec"), "variables", Map(&["name"])),
    (admission!("ValidatingAdmissionPolicyStatus"), "conditions", Map(&["type"])),
    (admission!("ValidatingWebhook"), "matchConditions", Map(&["name"])),
    (admission!("ValidatingWebhookConfiguration"), "webhooks", Map(&["name"])),
    (apps!("DaemonSetStatus"), "conditions", Map(&["type"])),
    (apps!("DeploymentStatus"), "conditions", Map(&["type"])),
    (apps!("ReplicaSetStatus"), "conditions", Map(&["type"])),
    (apps!("StatefulSetStatus"), "conditions", Map(&["type"])),
    (core!("ComponentStatus"), "conditions", Map(&["type"])),
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
    (core!("NodeAllocatableResourceClaimStatus"), "containers", Set),
    (core!("NodeSpec"), "podCIDRs", Set),
    (core!("NodeStatus"), "addresses", Map(&["type"])),
    (core!("NodeStatus"), "conditions", Map(&["type"])),
    (core!("PersistentVolumeClaimStatus"), "allocatedResourceStatuses", GranularMap),
    (core!("PersistentVolumeClaimStatus"), "conditions", Map(&["type"])),
    (core!("PersistentVolumeSpec"), "claimRef", GranularMap),
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
    (core!("ReplicationControllerSpec"), "selector", AtomicMap),
    (core!("ReplicationControllerStatus"), "conditions", Map(&["type"])),
    (core!("ResourceRequirements"), "claims", Map(&["name"])),
    (core!("ResourceStatus"), "resources", Map(&["resourceID"])),
    (core!("ServiceAccount"), "secrets", Map(&["name"])),
    (core!("ServiceSpec"), "ports", Map(&["port", "protocol"])),
    (core!("ServiceSpec"), "selector", AtomicMap),
    (core!("ServiceStatus"), "conditions", Map(&["type"])),
    (API_SERVICE_STATUS, "conditions", Map(&["type"])),
    (AUTOSCALER_STATUS, "conditions", Map(&["type"])),
    (BUDGET_STATUS, "conditions", Map(&["type"])),
    (CRD_STATUS, "conditions", Map(&["type"])),
    (JSON_SCHEMA, "x-kubernetes-validations", Map(&["rule"])),
    (SERVICE_CIDR_STATUS, "conditions", Map(&["type"])),
    ("io.k8s.api.batch.v1.PodFailurePolicyOnExitCodesRequirement", "values", Set),
    ("io.k8s.api.batch.v1.UncountedTerminatedPods", "failed", Set),
    ("io.k8s.api.batch.v1.UncountedTerminatedPods", "succeeded", Set),
    ("io.k8s.api.certificates.v1.CertificateSigningRequestStatus", "conditions", Map(&["type"])),
    ("io.k8s.api.discovery.v1.Endpoint", "addresses", Set),
    ("io.k8s.api.node.v1.Scheduling", "nodeSelector", AtomicMap),
    ("io.k8s.api.storage.v1.CSIDriverSpec", "volumeLifecycleModes", Set),
    ("io.k8s.api.storage.v1.CSINodeSpec", "drivers", Map(&["name"])),
    ("dev.spur.v1alpha1.SandboxStatus", "conditions", Map(&["type"])),
    ("dev.spur.v1alpha1.SandboxSpec", "endpoints", Map(&["name"])),
];

/// (definition, field, strategy, merge key or "") for strategic merge patches.
pub(crate) static MERGE_PATCHES: &[(&str, &str, &str, &str)] = &[
    (OBJECT_META, "finalizers", "merge", ""),
    (OBJECT_META, "ownerReferences", "merge", "uid"),
    (admission!("MutatingAdmissionPolicySpec"), "matchConditions", "merge", "name"),
    (admission!("MutatingWebhook"), "matchConditions", "merge", "name"),
    (admission!("MutatingWebhookConfiguration"), "webhooks", "merge", "name"),
    (admission!("ValidatingAdmissionPolicySpec"), "matchConditions", "merge", "name"),
    (admission!("ValidatingAdmissionPolicySpec"), "variables", "merge", "name"),
    (admission!("ValidatingWebhook"), "matchConditions", "merge", "name"),
    (admission!("ValidatingWebhookConfiguration"), "webhooks", "merge", "name"),
    (apps!("DaemonSetStatus"), "conditions", "merge", "type"),
    (apps!("DeploymentSpec"), "strategy", "retainKeys", ""),
    (apps!("DeploymentStatus"), "conditions", "merge", "type"),
    (apps!("ReplicaSetStatus"), "conditions", "merge", "type"),
    (apps!("StatefulSetStatus"), "conditions", "merge", "type"),
    (core!("ComponentStatus"), "conditions", "merge", "type"),
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
    (core!("PersistentVolumeClaimStatus"), "conditions", "merge", "type"),
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
    (core!("ReplicationControllerStatus"), "conditions", "merge", "type"),
    (core!("ServiceAccount"), "secrets", "merge", "name"),
    (core!("ServiceSpec"), "ports", "merge", "port"),
    (core!("ServiceStatus"), "conditions", "merge", "type"),
    (API_SERVICE_STATUS, "conditions", "merge", "type"),
    (AUTOSCALER_STATUS, "conditions", "merge", "type"),
    (BUDGET_STATUS, "conditions", "merge", "type"),
    (JSON_SCHEMA, "x-kubernetes-validations", "merge", "rule"),
    (SERVICE_CIDR_STATUS, "conditions", "merge", "type"),
    ("io.k8s.api.batch.v1.JobStatus", "conditions", "merge", "type"),
    ("io.k8s.api.policy.v1.PodDisruptionBudgetSpec", "selector", "replace", ""),
    ("io.k8s.api.storage.v1.CSINodeSpec", "drivers", "merge", "name"),
];

/// (definition, field, default): what is filled in wherever the definition stands, for
/// the keys of lists before their items are told apart. What depends on more than its
/// place is the kinds' rules.
pub(crate) static DEFAULTS: &[(&str, &str, &str)] = &[
    (core!("AzureDiskVolumeSource"), "cachingMode", "ReadWrite"),
    (core!("AzureDiskVolumeSource"), "fsType", "ext4"),
    (core!("AzureDiskVolumeSource"), "kind", "Shared"),
    (core!("ContainerPort"), "protocol", "TCP"),
    (core!("ISCSIPersistentVolumeSource"), "iscsiInterface", "default"),
    (core!("ISCSIVolumeSource"), "iscsiInterface", "default"),
    (core!("RBDPersistentVolumeSource"), "keyring", "/etc/ceph/keyring"),
    (core!("RBDPersistentVolumeSource"), "pool", "rbd"),
    (core!("RBDPersistentVolumeSource"), "user", "admin"),
    (core!("RBDVolumeSource"), "keyring", "/etc/ceph/keyring"),
    (core!("RBDVolumeSource"), "pool", "rbd"),
    (core!("RBDVolumeSource"), "user", "admin"),
    (core!("ScaleIOPersistentVolumeSource"), "fsType", "xfs"),
    (core!("ScaleIOPersistentVolumeSource"), "storageMode", "ThinProvisioned"),
    (core!("ScaleIOVolumeSource"), "fsType", "xfs"),
    (core!("ScaleIOVolumeSource"), "storageMode", "ThinProvisioned"),
    (core!("ServicePort"), "protocol", "TCP"),
];

/// Definitions of references whose `name` may be left out, though its type in
/// k8s-openapi always has a value.
pub(crate) static NAME_OPTIONAL: &[&str] = &[
    core!("ConfigMapEnvSource"),
    core!("ConfigMapKeySelector"),
    core!("ConfigMapProjection"),
    core!("ConfigMapVolumeSource"),
    core!("LocalObjectReference"),
    core!("SecretEnvSource"),
    core!("SecretKeySelector"),
    core!("SecretProjection"),
];
