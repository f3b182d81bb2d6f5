//! The Service `kube-system/telemetry`: under this name pods with networks of their own find the
//! listener for telemetry, which is on this machine's loopback.

use std::net::SocketAddr;

use serde_json::{Value, json};
use spur_store::Store;

use super::BootstrapError;
use super::service::replace;
use crate::cluster_addresses::TELEMETRY;

/// The ports that OTLP has by custom (<https://opentelemetry.io/docs/specs/otlp/>): HTTP's and gRPC's.
/// One listener takes both. Their names say that bytes are passed on unread.
const PORTS: [(&str, u16); 2] = [("tcp-http", 4318), ("tcp-grpc", 4317)];

/// Makes the Service where it is missing, and has its endpoints lead to `address`, where telemetry is
/// taken now.
///
/// # Errors
/// When the store does not take a write.
pub async fn publish_telemetry(store: &Store, address: SocketAddr) -> Result<(), BootstrapError> {
    futures::try_join!(replace(store, service()), replace(store, slice(address))).map(drop)
}

fn service() -> Value {
    let ports = PORTS
        .map(|(name, port)| json!({ "name": name, "port": port, "protocol": "TCP", "targetPort": name }));
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "telemetry", "namespace": "kube-system"},
        "spec": {
            "type": "ClusterIP", "sessionAffinity": "None",
            "clusterIP": TELEMETRY, "clusterIPs": [TELEMETRY],
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster",
            "ports": ports,
        },
    })
}

fn slice(address: SocketAddr) -> Value {
    let ports = PORTS.map(|(name, _)| json!({ "name": name, "port": address.port(), "protocol": "TCP" }));
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": "telemetry", "namespace": "kube-system",
            "labels": {"kubernetes.io/service-name": "telemetry"}},
        "addressType": if address.is_ipv4() { "IPv4" } else { "IPv6" },
        "endpoints": [{"addresses": [address.ip().to_string()], "conditions": {"ready": true}}],
        "ports": ports,
    })
}
