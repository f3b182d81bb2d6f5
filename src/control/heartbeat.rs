//! The Leases that say that this process lives: one of the node, one of the API server.
//!
//! They are renewed for as long as the process runs, with nothing else to do; all other
//! controllers write only where something has changed.
//!
//! Sources: `k8s.io/component-helpers/apimachinery/lease`; `pkg/kubelet/kubelet.go` and
//! `pkg/controlplane/instance.go` for the numbers.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, OwnerReference};
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use spur_api::kinds::pod::NODE;
use tokio_util::sync::CancellationToken;

/// How often a lease is renewed.
const PERIOD: Duration = Duration::from_secs(10);
/// How long the node counts as there after a renewal, in seconds.
const NODE_LEASE_SECONDS: i32 = 40;
/// How long the API server does, in seconds.
const SERVER_LEASE_SECONDS: i32 = 3600;
const SERVER: &str = "apiserver-spur";

/// Renews both Leases until it is stopped. A failure is logged; the next renewal tries again.
pub async fn heartbeat(client: Client, stop: CancellationToken) {
    let server = server_lease();
    let nodes: Api<Node> = Api::all(client.clone());
    loop {
        let node = nodes.get_opt(NODE).await.unwrap_or_default();
        let node = node_lease(node.as_ref());
        // At once, so that they share a transaction.
        let (of_node, of_server) = tokio::join!(renew(&client, node), renew(&client, server.clone()));
        for error in [of_node, of_server].into_iter().filter_map(Result::err) {
            tracing::warn!(%error, "failed to renew a lease: {error}");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

/// Writes that the holder lives now, and all else that a lease says.
async fn renew(client: &Client, mut lease: Lease) -> Result<(), kube::Error> {
    let name = lease.name_any();
    let leases: Api<Lease> = Api::namespaced(client.clone(), &lease.namespace().unwrap_or_default());
    lease.spec.get_or_insert_default().renew_time = Some(MicroTime(Timestamp::now()));
    match leases.patch(&name, &PatchParams::default(), &Patch::Merge(&lease)).await {
        Err(kube::Error::Api(status)) if status.code == 404 => {
            leases.create(&PostParams::default(), &lease).await.map(drop)
        }
        patched => patched.map(drop),
    }
}

/// The node's lease; it goes with the node, as soon as there is one.
fn node_lease(node: Option<&Node>) -> Lease {
    let owner = node.and_then(|node| node.uid()).map(|uid| OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Node".to_owned(),
        name: NODE.to_owned(),
        uid,
        ..OwnerReference::default()
    });
    let mut lease = lease("kube-node-lease", NODE, NODE.to_owned(), NODE_LEASE_SECONDS);
    lease.metadata.owner_references = owner.map(|owner| vec![owner]);
    lease
}

/// The API server's lease; each start is another holder.
fn server_lease() -> Lease {
    let holder = format!("{SERVER}_{}", uuid::Uuid::new_v4());
    let mut lease = lease("kube-system", SERVER, holder, SERVER_LEASE_SECONDS);
    let labels = [("apiserver.kubernetes.io/identity", "kube-apiserver"), ("kubernetes.io/hostname", NODE)];
    lease.metadata.labels = Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    lease
}

fn lease(namespace: &str, name: &str, holder: String, duration_seconds: i32) -> Lease {
    Lease {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(holder),
            lease_duration_seconds: Some(duration_seconds),
            ..LeaseSpec::default()
        }),
    }
}
