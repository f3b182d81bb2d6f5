//! The objects that are there from the first start, as in every cluster.
//!
//! What is missing is made; what is there is left as it is.

mod roles;
mod service;
mod telemetry;

pub use service::publish_address;
pub use telemetry::publish_telemetry;

use futures::future::try_join_all;
use serde_json::{Value, json};
use spur_api::{meta, registry};
use spur_store::{Expect, Key, Store, WriteError};

use crate::cluster_addresses::RANGE;
use crate::served::Served;
use crate::{api_services, custom_definitions, object, pipeline};

/// Namespaces every cluster has.
const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// Priorities every cluster has (`pkg/apis/scheduling/v1/helpers.go`).
const PRIORITIES: [(&str, i64, &str); 2] = [
    (
        "system-cluster-critical",
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
    (
        "system-node-critical",
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
];

/// A first object that could not be made.
#[derive(Debug, thiserror::Error)]
#[error("failed to make {kind} `{name}`")]
pub struct BootstrapError {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What the store said.
    #[source]
    pub source: WriteError,
}

/// Makes the first namespaces, roles, bindings, priorities, APIServices and the range of cluster
/// addresses where they are missing.
///
/// # Errors
/// When the store does not take a write.
pub async fn bootstrap(store: &Store) -> Result<(), BootstrapError> {
    let namespaces = NAMESPACES
        .iter()
        .map(|name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
    let priorities = PRIORITIES.iter().map(|(name, value, description)| {
        json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name},
            "value": value, "description": description,
        })
    });
    let range = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": "kubernetes"},
        "spec": {"cidrs": [RANGE]},
    });
    let services = api_services::of_built_in().into_iter();
    let services = services.chain(api_services::of_definitions(&custom_definitions::all(store)));
    let all = namespaces.chain(priorities).chain(roles::all()).chain(services).chain([range]);
    // All at once, so that they share a transaction.
    try_join_all(all.map(|object| make(store, object))).await.map(drop)
}

/// Makes an object unless it is there.
pub(crate) async fn make(store: &Store, mut value: Value) -> Result<(), BootstrapError> {
    let kind = kind_of(&value);
    pipeline::prepare_create(&kind, &mut value);
    match store.put(key_of(&kind, &value), Expect::Absent, object::encode(&kind, &value)).await {
        Ok(_) | Err(WriteError::Exists { .. }) => Ok(()),
        Err(source) => Err(failed(&value, source)),
    }
}

/// The bundled kind that an object says it is of.
fn kind_of(value: &Value) -> Served {
    let found = registry::by_kind(meta::text(value, "/apiVersion"), meta::text(value, "/kind"));
    Served::Bundled(found.expect("first objects are of bundled kinds"))
}

fn key_of(kind: &Served, value: &Value) -> Key {
    let namespace = Some(meta::namespace(value)).filter(|namespace| !namespace.is_empty());
    object::key(kind, namespace, meta::name(value))
}

fn failed(value: &Value, source: WriteError) -> BootstrapError {
    BootstrapError { kind: meta::text(value, "/kind").to_owned(), name: meta::name(value).to_owned(), source }
}
