//! What the columns of tables are about: mostly what the field that a column shows says of itself.
//!
//! Source: `pkg/printers/internalversion/printers.go` and, for APIServices,
//! `kube-aggregator/pkg/registry/apiservice/etcd/etcd.go`.

use std::sync::OnceLock;

use serde_json::{Map, Value};

use crate::definitions;
use crate::registry::REGISTRY;

/// A column of a kind, or of every kind whose own it is not.
struct Row(&'static str, &'static str, Words);

/// Whose words describe a column.
enum Words {
    Ours(&'static str),
    /// A definition's, of one of its properties. A name without dots is of the kind's own package.
    Of(&'static str, &'static str),
}

use Words::{Of, Ours};

const ANY: &str = "";
const EVENT: &str = "io.k8s.api.core.v1.Event";
const REFERENCE: &str = "io.k8s.api.core.v1.ObjectReference";
const POD_SPEC: &str = "io.k8s.api.core.v1.PodSpec";
const AUTOSCALER_SPEC: &str = "io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerSpec";
const AUTOSCALER_STATUS: &str = "io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerStatus";
const PARAM_KIND: &str = "ParamKind specifies the kind of resources used to parameterize this policy";
const POLICY_NAME: &str = "PolicyName indicates the policy definition which the policy binding binded to";
const PARAM_REF: &str = "ParamRef indicates the param resource which sets the configration param";
const WEBHOOKS: &str = "Webhooks indicates the number of webhooks registered in this configuration";
const READY_PODS: &str = "Number of the pod with ready state";

const ROWS: &[Row] = &[
    Row(ANY, "Name", Of(definitions::OBJECT_META, "name")),
    Row(ANY, "Age", Of(definitions::OBJECT_META, "creationTimestamp")),
    Row(ANY, "Created At", Of(definitions::OBJECT_META, "creationTimestamp")),
    Row(ANY, "Containers", Ours("Names of each container in the template.")),
    Row(ANY, "Images", Ours("Images referenced by each container in the template.")),
    Row("APIService", "Service", Ours("The reference to the service that hosts this API endpoint.")),
    Row("APIService", "Available", Ours("Whether this service is available.")),
    Row("CSIDriver", "AttachRequired", Of("CSIDriverSpec", "attachRequired")),
    Row("CSIDriver", "PodInfoOnMount", Of("CSIDriverSpec", "podInfoOnMount")),
    Row("CSIDriver", "StorageCapacity", Of("CSIDriverSpec", "storageCapacity")),
    Row("CSIDriver", "TokenRequests", Of("CSIDriverSpec", "tokenRequests")),
    Row("CSIDriver", "RequiresRepublish", Of("CSIDriverSpec", "requiresRepublish")),
    Row("CSIDriver", "Modes", Of("CSIDriverSpec", "volumeLifecycleModes")),
    Row("CSINode", "Drivers", Ours("Drivers indicates the number of CSI drivers registered on the node")),
    Row("CSIStorageCapacity", "StorageClassName", Of("CSIStorageCapacity", "storageClassName")),
    Row("CSIStorageCapacity", "Capacity", Of("CSIStorageCapacity", "capacity")),
    Row("CertificateSigningRequest", "SignerName", Of("CertificateSigningRequestSpec", "signerName")),
    Row("CertificateSigningRequest", "Requestor", Of("CertificateSigningRequestSpec", "request")),
    Row(
        "CertificateSigningRequest",
        "RequestedDuration",
        Of("CertificateSigningRequestSpec", "expirationSeconds"),
    ),
    Row("CertificateSigningRequest", "Condition", Of("CertificateSigningRequestStatus", "conditions")),
    Row("ClusterRoleBinding", "Role", Of("ClusterRoleBinding", "roleRef")),
    Row("ClusterRoleBinding", "Users", Ours("Users in the clusterRoleBinding")),
    Row("ClusterRoleBinding", "Groups", Ours("Groups in the clusterRoleBinding")),
    Row("ClusterRoleBinding", "ServiceAccounts", Ours("ServiceAccounts in the clusterRoleBinding")),
    Row("ComponentStatus", "Status", Ours("Status of the component conditions")),
    Row("ComponentStatus", "Message", Ours("Message of the component conditions")),
    Row("ComponentStatus", "Error", Ours("Error of the component conditions")),
    Row("ConfigMap", "Data", Of("ConfigMap", "data")),
    Row("ControllerRevision", "Controller", Ours("Controller of the object")),
    Row("ControllerRevision", "Revision", Of("ControllerRevision", "revision")),
    Row("CronJob", "Schedule", Of("CronJobSpec", "schedule")),
    Row("CronJob", "Timezone", Of("CronJobSpec", "timeZone")),
    Row("CronJob", "Suspend", Of("CronJobSpec", "suspend")),
    Row("CronJob", "Active", Of("CronJobStatus", "active")),
    Row("CronJob", "Last Schedule", Of("CronJobStatus", "lastScheduleTime")),
    Row("CronJob", "Selector", Of("JobSpec", "selector")),
    Row("DaemonSet", "Desired", Of("DaemonSetStatus", "desiredNumberScheduled")),
    Row("DaemonSet", "Current", Of("DaemonSetStatus", "currentNumberScheduled")),
    Row("DaemonSet", "Ready", Of("DaemonSetStatus", "numberReady")),
    Row("DaemonSet", "Up-to-date", Of("DaemonSetStatus", "updatedNumberScheduled")),
    Row("DaemonSet", "Available", Of("DaemonSetStatus", "numberAvailable")),
    Row("DaemonSet", "Node Selector", Of(POD_SPEC, "nodeSelector")),
    Row("DaemonSet", "Selector", Of("DaemonSetSpec", "selector")),
    Row("Deployment", "Ready", Ours(READY_PODS)),
    Row("Deployment", "Up-to-date", Of("DeploymentStatus", "updatedReplicas")),
    Row("Deployment", "Available", Of("DeploymentStatus", "availableReplicas")),
    Row("Deployment", "Selector", Of("DeploymentSpec", "selector")),
    Row("EndpointSlice", "AddressType", Of("EndpointSlice", "addressType")),
    Row("EndpointSlice", "Ports", Of("EndpointSlice", "ports")),
    Row("EndpointSlice", "Endpoints", Of("EndpointSlice", "endpoints")),
    Row("Endpoints", "Endpoints", Of("Endpoints", "subsets")),
    Row("Event", "Last Seen", Of(EVENT, "lastTimestamp")),
    Row("Event", "Type", Of(EVENT, "type")),
    Row("Event", "Reason", Of(EVENT, "reason")),
    Row("Event", "Object", Of(EVENT, "involvedObject")),
    Row("Event", "Subobject", Of(REFERENCE, "fieldPath")),
    Row("Event", "Source", Of(EVENT, "source")),
    Row("Event", "Message", Of(EVENT, "message")),
    Row("Event", "First Seen", Of(EVENT, "firstTimestamp")),
    Row("Event", "Count", Of(EVENT, "count")),
    Row("HorizontalPodAutoscaler", "Reference", Of(AUTOSCALER_SPEC, "scaleTargetRef")),
    Row("HorizontalPodAutoscaler", "Targets", Of(AUTOSCALER_SPEC, "metrics")),
    Row("HorizontalPodAutoscaler", "MinPods", Of(AUTOSCALER_SPEC, "minReplicas")),
    Row("HorizontalPodAutoscaler", "MaxPods", Of(AUTOSCALER_SPEC, "maxReplicas")),
    Row("HorizontalPodAutoscaler", "Replicas", Of(AUTOSCALER_STATUS, "currentReplicas")),
    Row("IPAddress", "ParentRef", Of("IPAddressSpec", "parentRef")),
    Row(
        "Ingress",
        "Class",
        Ours("The name of the IngressClass resource that should be used for additional configuration"),
    ),
    Row("Ingress", "Hosts", Ours("Hosts that incoming requests are matched against before the ingress rule")),
    Row("Ingress", "Address", Ours("Address is a list containing ingress points for the load-balancer")),
    Row("Ingress", "Ports", Ours("Ports of TLS configurations that open")),
    Row("IngressClass", "Controller", Ours("Controller that is responsible for handling this class")),
    Row("IngressClass", "Parameters", Ours("A reference to a resource with additional parameters")),
    Row("Job", "Status", Ours("Status of the job.")),
    Row("Job", "Completions", Of("JobStatus", "succeeded")),
    Row("Job", "Duration", Ours("Time required to complete the job.")),
    Row("Job", "Selector", Of("JobSpec", "selector")),
    Row("Lease", "Holder", Of("LeaseSpec", "holderIdentity")),
    Row(
        "MutatingAdmissionPolicy",
        "Mutations",
        Ours("Mutation indicates the number of mutations rules defined in this configuration"),
    ),
    Row("MutatingAdmissionPolicy", "ParamKind", Ours(PARAM_KIND)),
    Row("MutatingAdmissionPolicyBinding", "PolicyName", Ours(POLICY_NAME)),
    Row("MutatingAdmissionPolicyBinding", "ParamRef", Ours(PARAM_REF)),
    Row("MutatingWebhookConfiguration", "Webhooks", Ours(WEBHOOKS)),
    Row("Namespace", "Status", Ours("The status of the namespace")),
    Row("NetworkPolicy", "Pod-Selector", Of("NetworkPolicySpec", "podSelector")),
    Row("Node", "Status", Ours("The status of the node")),
    Row("Node", "Roles", Ours("The roles of the node")),
    Row("Node", "Version", Of("NodeSystemInfo", "kubeletVersion")),
    Row("Node", "Internal-IP", Of("NodeStatus", "addresses")),
    Row("Node", "External-IP", Of("NodeStatus", "addresses")),
    Row("Node", "OS-Image", Of("NodeSystemInfo", "osImage")),
    Row("Node", "Kernel-Version", Of("NodeSystemInfo", "kernelVersion")),
    Row("Node", "Container-Runtime", Of("NodeSystemInfo", "containerRuntimeVersion")),
    Row("PersistentVolume", "Capacity", Of("PersistentVolumeSpec", "capacity")),
    Row("PersistentVolume", "Access Modes", Of("PersistentVolumeSpec", "accessModes")),
    Row("PersistentVolume", "Reclaim Policy", Of("PersistentVolumeSpec", "persistentVolumeReclaimPolicy")),
    Row("PersistentVolume", "Status", Of("PersistentVolumeStatus", "phase")),
    Row("PersistentVolume", "Claim", Of("PersistentVolumeSpec", "claimRef")),
    Row("PersistentVolume", "StorageClass", Ours("StorageClass of the pv")),
    Row("PersistentVolume", "VolumeAttributesClass", Ours("VolumeAttributesClass of the pv")),
    Row("PersistentVolume", "Reason", Of("PersistentVolumeStatus", "reason")),
    Row("PersistentVolume", "VolumeMode", Of("PersistentVolumeSpec", "volumeMode")),
    Row("PersistentVolumeClaim", "Status", Of("PersistentVolumeClaimStatus", "phase")),
    Row("PersistentVolumeClaim", "Volume", Of("PersistentVolumeClaimSpec", "volumeName")),
    Row("PersistentVolumeClaim", "Capacity", Of("PersistentVolumeClaimStatus", "capacity")),
    Row("PersistentVolumeClaim", "Access Modes", Of("PersistentVolumeClaimStatus", "accessModes")),
    Row("PersistentVolumeClaim", "StorageClass", Ours("StorageClass of the pvc")),
    Row("PersistentVolumeClaim", "VolumeAttributesClass", Ours("VolumeAttributesClass of the pvc")),
    Row("PersistentVolumeClaim", "VolumeMode", Of("PersistentVolumeClaimSpec", "volumeMode")),
    Row("Pod", "Ready", Ours("The aggregate readiness state of this pod for accepting traffic.")),
    Row("Pod", "Status", Ours("The aggregate status of the containers in this pod.")),
    Row(
        "Pod",
        "Restarts",
        Ours(
            "The number of times the containers in this pod have been restarted and when the last container in this pod has restarted.",
        ),
    ),
    Row("Pod", "IP", Of("PodStatus", "podIP")),
    Row("Pod", "Node", Of("PodSpec", "nodeName")),
    Row("Pod", "Nominated Node", Of("PodStatus", "nominatedNodeName")),
    Row("Pod", "Readiness Gates", Of("PodSpec", "readinessGates")),
    Row("PodDisruptionBudget", "Min Available", Ours("The minimum number of pods that must be available.")),
    Row(
        "PodDisruptionBudget",
        "Max Unavailable",
        Ours("The maximum number of pods that may be unavailable."),
    ),
    Row(
        "PodDisruptionBudget",
        "Allowed Disruptions",
        Ours("Calculated number of pods that may be disrupted at this time."),
    ),
    Row("PodTemplate", "Pod Labels", Ours("The labels for the pod template.")),
    Row("PriorityClass", "Value", Of("PriorityClass", "value")),
    Row("PriorityClass", "Global-Default", Of("PriorityClass", "globalDefault")),
    Row("PriorityClass", "PreemptionPolicy", Of("PriorityClass", "preemptionPolicy")),
    Row("ReplicaSet", "Desired", Of("ReplicaSetSpec", "replicas")),
    Row("ReplicaSet", "Current", Of("ReplicaSetStatus", "replicas")),
    Row("ReplicaSet", "Ready", Of("ReplicaSetStatus", "readyReplicas")),
    Row("ReplicaSet", "Selector", Of("ReplicaSetSpec", "selector")),
    Row("ReplicationController", "Desired", Of("ReplicationControllerSpec", "replicas")),
    Row("ReplicationController", "Current", Of("ReplicationControllerStatus", "replicas")),
    Row("ReplicationController", "Ready", Of("ReplicationControllerStatus", "readyReplicas")),
    Row("ReplicationController", "Selector", Of("ReplicationControllerSpec", "selector")),
    Row(
        "ResourceQuota",
        "Request",
        Ours("Request represents a minimum amount of cpu/memory that a container may consume."),
    ),
    Row(
        "ResourceQuota",
        "Limit",
        Ours(
            "Limits control the maximum amount of cpu/memory that a container may use independent of contention on the node.",
        ),
    ),
    Row("RoleBinding", "Role", Of("RoleBinding", "roleRef")),
    Row("RoleBinding", "Users", Ours("Users in the roleBinding")),
    Row("RoleBinding", "Groups", Ours("Groups in the roleBinding")),
    Row("RoleBinding", "ServiceAccounts", Ours("ServiceAccounts in the roleBinding")),
    Row("Sandbox", "Key", Of("SandboxStatus", "routingKey")),
    Row("Sandbox", "Status", Of("SandboxStatus", "phase")),
    Row("Sandbox", "Forks", Of("SandboxStatus", "forks")),
    Row("Sandbox", "Expires", Of("SandboxStatus", "deletionTime")),
    Row("Sandbox", "Message", Ours("Why it is ready or not.")),
    Row("Secret", "Type", Of("Secret", "type")),
    Row("Secret", "Data", Of("Secret", "data")),
    Row("Service", "Type", Of("ServiceSpec", "type")),
    Row("Service", "Cluster-IP", Of("ServiceSpec", "clusterIP")),
    Row("Service", "External-IP", Of("ServiceSpec", "externalIPs")),
    Row("Service", "Port(s)", Of("ServiceSpec", "ports")),
    Row("Service", "Selector", Of("ServiceSpec", "selector")),
    Row("ServiceAccount", "Secrets", Of("ServiceAccount", "secrets")),
    Row("ServiceCIDR", "CIDRs", Of("ServiceCIDRSpec", "cidrs")),
    Row("StatefulSet", "Ready", Ours(READY_PODS)),
    Row("StorageClass", "Provisioner", Of("StorageClass", "provisioner")),
    Row("StorageClass", "ReclaimPolicy", Of("StorageClass", "reclaimPolicy")),
    Row("StorageClass", "VolumeBindingMode", Of("StorageClass", "volumeBindingMode")),
    Row("StorageClass", "AllowVolumeExpansion", Of("StorageClass", "allowVolumeExpansion")),
    Row(
        "ValidatingAdmissionPolicy",
        "Validations",
        Ours("Validations indicates the number of validation rules defined in this configuration"),
    ),
    Row("ValidatingAdmissionPolicy", "ParamKind", Ours(PARAM_KIND)),
    Row("ValidatingAdmissionPolicyBinding", "PolicyName", Ours(POLICY_NAME)),
    Row("ValidatingAdmissionPolicyBinding", "ParamRef", Ours(PARAM_REF)),
    Row("ValidatingWebhookConfiguration", "Webhooks", Ours(WEBHOOKS)),
    Row("VolumeAttachment", "Attacher", Of("VolumeAttachmentSpec", "attacher")),
    Row("VolumeAttachment", "PV", Of("VolumeAttachmentSource", "persistentVolumeName")),
    Row("VolumeAttachment", "Node", Of("VolumeAttachmentSpec", "nodeName")),
    Row("VolumeAttachment", "Attached", Of("VolumeAttachmentStatus", "attached")),
    Row("VolumeAttributesClass", "DriverName", Of("VolumeAttributesClass", "driverName")),
];

/// What a column of a kind is about; empty where nobody says it, as of the handler of a
/// RuntimeClass upstream.
pub fn describe(kind: &str, column: &str) -> &'static str {
    let of = |kind: &str| ROWS.iter().position(|Row(of, name, _)| *of == kind && *name == column);
    of(kind).or_else(|| of(ANY)).map_or("", |row| &texts()[row])
}

/// The words of each row: read from the definitions once, of which no more is kept.
fn texts() -> &'static [Box<str>] {
    static TEXTS: OnceLock<Vec<Box<str>>> = OnceLock::new();
    TEXTS.get_or_init(|| {
        let document = definitions::document();
        ROWS.iter().map(|row| words(row, &document).into()).collect()
    })
}

fn words<'a>(Row(kind, _, words): &Row, document: &'a Map<String, Value>) -> &'a str {
    match words {
        Ours(text) => text,
        Of(definition, property) => {
            let definition = document.get(&full_name(kind, definition));
            let property = definition.and_then(|definition| definition["properties"].get(property));
            property.and_then(|property| property["description"].as_str()).unwrap_or_default()
        }
    }
}

fn full_name(kind: &str, definition: &str) -> String {
    let row = REGISTRY.iter().find(|row| row.kind == kind).filter(|_| !definition.contains('.'));
    let package = row.and_then(|row| row.definition.rsplit_once('.')).map(|(package, _)| package);
    package.map_or_else(|| definition.to_owned(), |package| format!("{package}.{definition}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns of which nobody says anything, here or upstream.
    const SILENT: [&str; 3] = ["RuntimeClass", "PodMetrics", "NodeMetrics"];

    #[test]
    fn every_column_is_described() {
        for kind in REGISTRY.iter().filter(|kind| !SILENT.contains(&kind.kind)) {
            for column in kind.rules.columns {
                assert!(!describe(kind.kind, column.name).is_empty(), "{}: {}", kind.kind, column.name);
            }
        }
    }

    #[test]
    fn every_row_is_of_a_column_and_has_words() {
        for (Row(kind, column, _), text) in ROWS.iter().zip(texts()) {
            assert!(!text.is_empty(), "{kind}: {column}");
            let mut kinds = REGISTRY.iter().filter(|row| row.kind == *kind || *kind == ANY);
            let is_there = kinds.any(|row| row.rules.columns.iter().any(|known| known.name == *column));
            assert!(is_there, "{kind}: {column}");
        }
    }
}
