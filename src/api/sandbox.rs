//! `Sandbox` (`spur.dev/v1alpha1`): a named change set with one routing key.
//!
//! The typed form, for controllers and clients; the server works on values and
//! takes the schema from here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Longest routing key, in characters: it must fit a DNS label and every carrier.
pub const KEY_MAX: usize = 63;
/// Characters in a key that Spur makes: 36^12 ≈ 2^62 possibilities, so that two
/// sandboxes of one environment never meet by chance.
pub const KEY_LENGTH: usize = 12;

/// What a sandbox changes, and under which key.
#[derive(kube::CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(group = "spur.dev", version = "v1alpha1", kind = "Sandbox", namespaced, status = "SandboxStatus")]
#[serde(rename_all = "camelCase")]
pub struct SandboxSpec {
    /// The workloads that are copied and changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forks: Vec<Fork>,
    /// The token that requests carry; made when absent. Two sandboxes cannot share one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing_key: Option<String>,
    /// What happens to a request while a fork it should reach is not ready.
    #[serde(default)]
    pub fallback: Fallback,
    /// When the sandbox deletes itself; never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Ttl>,
    /// Services whose preview address should stand in the status.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
}

/// A copy of a baseline workload with changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fork {
    /// The baseline workload, in the sandbox's namespace.
    pub of: WorkloadRef,
    /// Images that replace the baseline's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ImageChange>,
    /// Environment variables that are set or deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvChange>,
    /// Replaces the first container's command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Replaces the first container's arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// A strategic merge patch on the whole workload, applied last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    pub patch: Option<Value>,
}

/// A workload by kind and name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct WorkloadRef {
    /// `Deployment` (where none is given), `StatefulSet` or `DaemonSet`.
    #[serde(default = "deployment")]
    pub kind: String,
    /// The workload's name.
    pub name: String,
}

fn deployment() -> String {
    "Deployment".to_owned()
}

/// An image for a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ImageChange {
    /// The container; may be absent where the workload has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The image.
    pub image: String,
}

/// A change to one environment variable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvChange {
    /// The variable.
    pub name: String,
    /// The container; every container when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Set the variable, or delete it.
    #[serde(default)]
    pub operation: EnvOperation,
    /// The value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Where the value comes from, instead of `value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<EnvSource>,
}

/// What to do with an environment variable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EnvOperation {
    /// Set it, whether or not it is there.
    #[default]
    Upsert,
    /// Take it away.
    Delete,
}

/// Where an environment variable's value comes from; exactly one is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvSource {
    /// A key of a ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<KeyRef>,
    /// A key of a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<KeyRef>,
    /// The URL of another fork of this sandbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ForkServiceRef>,
}

/// A key of a ConfigMap or Secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KeyRef {
    /// The object's name.
    pub name: String,
    /// The key in it.
    pub key: String,
    /// Whether the object or key may be missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// The Service of another fork.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ForkServiceRef {
    /// The baseline Service that the other fork takes the place of.
    pub name: String,
    /// The Service's port; its first when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// What happens to a request while its fork is not ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fallback {
    /// The baseline answers it; the trace says so.
    #[default]
    Baseline,
    /// It fails with 503 and the reason.
    Fail,
}

/// When a sandbox deletes itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ttl {
    /// How long it lives, such as `90s`, `30m`, `8h`, `2d`, `1w`.
    pub duration: String,
    /// From when the time counts.
    #[serde(default)]
    pub from: TtlFrom,
}

/// The start of a sandbox's time to live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TtlFrom {
    /// Its creation.
    #[default]
    Created,
    /// The last change of its spec.
    Updated,
}

/// A Service whose preview address is wanted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Endpoint {
    /// What to call it in the status.
    pub name: String,
    /// The Service, forked or not.
    pub service: String,
    /// The Service's port; its first when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// What has become of the sandbox.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SandboxStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The key that requests carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing_key: Option<String>,
    /// `Pending`, `Ready`, `NotReady` or `Terminating`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// `Ready`, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// One entry per fork.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forks: Vec<ForkStatus>,
    /// Preview addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<EndpointStatus>,
    /// When the sandbox will delete itself (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_time: Option<String>,
    /// When the spec last changed (RFC 3339), from which `ttl.from: updated` counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_time: Option<String>,
}

/// A condition in the usual form of the API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What is observed, such as `Ready`.
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// The generation that was observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When `status` last changed (RFC 3339).
    pub last_transition_time: String,
    /// One word for programs.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
}

/// What has become of one fork.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForkStatus {
    /// The baseline workload.
    pub of: WorkloadRef,
    /// The fork's own workload.
    #[serde(default)]
    pub workload: String,
    /// Whether requests with the key reach it.
    #[serde(default)]
    pub ready: bool,
    /// The baseline Services whose keyed requests it serves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// Why it is not ready.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// A preview address.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EndpointStatus {
    /// The name given in the spec.
    pub name: String,
    /// The address; a request there needs no header.
    pub url: String,
}

fn any_object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}
