//! The Service `default/kubernetes`: under this name programs in a cluster find the API.
//!
//! Source: `pkg/controlplane/controller/kubernetesservice` and `pkg/controlplane/reconcilers`.

use std::net::SocketAddr;

use serde_json::{Value, json};
use spur_store::{Expect, Store, WriteError};

use super::{BootstrapError, failed, key_of, kind_of, make};
use crate::cluster_addresses::KUBERNETES;
use crate::{object, pipeline};

/// What the port is called; the proxy passes its bytes on unread, since they are TLS.
const PORT: &str = "https";
/// Where the Service has its port; without an address of its own nothing listens there.
const PORT_NUMBER: u16 = 443;

/// Makes the Service where it is missing, and has its endpoints lead to `address`, where the API
/// listens now.
///
/// # Errors
/// When the store does not take a write.
pub async fn publish_address(store: &Store, address: SocketAddr) -> Result<(), BootstrapError> {
    let service = replace(store, service());
    let (endpoints, slice) = (replace(store, endpoints(address)), replace(store, slice(address)));
    // All at once, so that they share a transaction.
    futures::try_join!(service, endpoints, slice).map(drop)
}

fn service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "kubernetes", "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {
            "type": "ClusterIP", "sessionAffinity": "None",
            "clusterIP": KUBERNETES, "clusterIPs": [KUBERNETES],
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster",
            "ports": [{"name": PORT, "port": PORT_NUMBER, "protocol": "TCP", "targetPort": PORT}],
        },
    })
}

fn endpoints(address: SocketAddr) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": {"name": "kubernetes", "namespace": "default",
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
        "subsets": [{
            "addresses": [{"ip": address.ip().to_string()}],
            "ports": [{"name": PORT, "port": address.port(), "protocol": "TCP"}],
        }],
    })
}

fn slice(address: SocketAddr) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": "kubernetes", "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": if address.is_ipv4() { "IPv4" } else { "IPv6" },
        "endpoints": [{"addresses": [address.ip().to_string()], "conditions": {"ready": true}}],
        "ports": [{"name": PORT, "port": address.port(), "protocol": "TCP"}],
    })
}

/// Makes an object, or, where there is one, gives it the content of this one.
pub(super) async fn replace(store: &Store, wanted: Value) -> Result<(), BootstrapError> {
    let kind = kind_of(&wanted);
    let key = key_of(&kind, &wanted);
    let old = store.get(&key).ok().flatten().and_then(|stored| object::found(&kind, &stored).ok());
    let Some(old) = old else { return make(store, wanted).await };
    let mut new = old.value.clone();
    for (field, value) in wanted.as_object().into_iter().flatten().filter(|(field, _)| *field != "metadata") {
        new[field] = value.clone();
    }
    pipeline::prepare_update(&kind, pipeline::Part::Main, &mut new, &old.value);
    if new == old.value {
        return Ok(());
    }
    match store.put(key, Expect::Revision(old.revision), object::encode(&kind, &new)).await {
        // Nobody else writes before the server serves.
        Ok(_) | Err(WriteError::Conflict { .. }) => Ok(()),
        Err(source) => Err(failed(&new, source)),
    }
}
