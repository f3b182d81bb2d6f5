//! The labels, annotations and finalizers that Spur itself reads or writes.
//! One list, so that no two places spell one differently.

/// On everything a sandbox owns: the sandbox's name.
pub const SANDBOX: &str = "spur.dev/sandbox";
/// On a fork's workload, pods and Services: the sandbox's uid, so that a sandbox made anew
/// under the same name never takes what the earlier one leaves behind for its own.
pub const SANDBOX_UID: &str = "spur.dev/sandbox-uid";
/// On a fork's workload and pods: the baseline workload's name.
pub const FORK: &str = "spur.dev/fork";
/// On a fork's pods: the labels of the baseline's as a JSON object. The pods do not carry them, so
/// that no selector of the baseline takes them; rules that look at who calls see them.
pub const BASELINE_LABELS: &str = "spur.dev/baseline-labels";
/// On a fork's Service: the baseline Service whose place it takes.
pub const FORK_OF_SERVICE: &str = "spur.dev/fork-of-service";
/// On a pod: `{"<container>/<containerPort>": realPort, …}` as JSON.
pub const PORTS: &str = "spur.dev/ports";
/// On a pod: `process` or `docker`, where the user wants one.
pub const RUNTIME: &str = "spur.dev/runtime";
/// On a pod of processes: `private` where it is to have a network of its own, else `shared`.
pub const NETWORK: &str = "spur.dev/network";
/// On a pod: `none` where a container without a readiness probe is to be ready as soon as it runs,
/// and not when its port answers in what its name or image says that it speaks.
pub const READINESS: &str = "spur.dev/readiness";

/// On an EndpointSlice: its Service (Kubernetes' well-known label).
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// On an EndpointSlice: the workload of each of its pods, as the JSON object
/// `{"<pod>": "<workload>"}`.
pub const WORKLOADS: &str = "spur.dev/workloads";
/// On an EndpointSlice: who keeps it (Kubernetes' well-known label).
pub const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// On ReplicaSets and pods of a Deployment: the hash of the pod template.
pub const POD_TEMPLATE_HASH: &str = "pod-template-hash";
/// On Deployments and ReplicaSets: the rollout's number, which `kubectl rollout` reads.
pub const REVISION: &str = "deployment.kubernetes.io/revision";
/// On a pod template: set by `kubectl rollout restart`.
pub const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";
