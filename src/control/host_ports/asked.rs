//! The ports at which a Service is to be reached on this machine. Pure.

use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use spur_api::labels;
use spur_runtime::Transport;

use crate::transport::transport;

/// Where the ports of Services are opened for programs of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServicePorts {
    /// Node ports and ports of load balancers at their own numbers, too, where those are free.
    Own,
    /// At free ports only: beside an environment that somebody works with.
    Free,
}

/// One port at which a Service is to be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asked {
    /// The Service's port number.
    pub(super) port: u16,
    pub(super) transport: Transport,
    pub(super) at: At,
}

/// At which number of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum At {
    /// Whichever is free: of every Service.
    Free,
    /// Its node port.
    NodePort(u16),
    /// Its own: of a load balancer.
    LoadBalancer(u16),
}

/// All that a Service asks for.
pub(super) fn asked(service: &Service, where_: ServicePorts) -> Vec<Asked> {
    // A fork's own Service is reached with the key, through the baseline's address.
    if service.labels().contains_key(labels::FORK_OF_SERVICE) {
        return Vec::new();
    }
    let Some(spec) = &service.spec else { return Vec::new() };
    let has_node_ports = matches!(spec.type_.as_deref(), Some("NodePort" | "LoadBalancer"));
    let is_load_balancer = is_load_balancer(service);
    let mut all = Vec::new();
    for port in spur_compile::ports(service).iter() {
        let (Some(transport), Ok(number)) = (transport(port), u16::try_from(port.port)) else {
            continue;
        };
        let node_port = port.node_port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
        let node_port = node_port.filter(|_| has_node_ports).map(At::NodePort);
        let own = is_load_balancer.then_some(At::LoadBalancer(number));
        let own = node_port.into_iter().chain(own).filter(|_| where_ == ServicePorts::Own);
        all.extend([At::Free].into_iter().chain(own).map(|at| Asked { port: number, transport, at }));
    }
    all
}

/// Whether this machine balances for it: a `loadBalancerClass` names somebody else
/// (<https://kubernetes.io/docs/concepts/services-networking/service/#load-balancer-class>).
pub(super) fn is_load_balancer(service: &Service) -> bool {
    let spec = service.spec.as_ref();
    spec.is_some_and(|spec| {
        spec.type_.as_deref() == Some("LoadBalancer") && spec.load_balancer_class.is_none()
    })
}

// === impl At ===

impl At {
    /// The number that it has to be.
    pub(super) fn number(self) -> Option<u16> {
        match self {
            Self::Free => None,
            Self::NodePort(number) | Self::LoadBalancer(number) => Some(number),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(spec: Value, wanted: &[(u16, Transport, At)]) {
        let service = json!({"metadata": {"name": "a"}, "spec": spec});
        let service: Service = serde_json::from_value(service).unwrap();
        let found = asked(&service, ServicePorts::Own);
        let found: Vec<_> = found.iter().map(|it| (it.port, it.transport, it.at)).collect();
        assert_eq!(found, wanted);
        let free = asked(&service, ServicePorts::Free);
        assert!(free.iter().all(|it| it.at == At::Free), "{free:?}");
    }

    #[test]
    fn a_service_asks_for_what_its_type_says() {
        use Transport::{Tcp, Udp};
        let ports = json!([
            {"port": 80, "nodePort": 30_080, "protocol": "TCP"},
            {"port": 53, "nodePort": 30_053, "protocol": "UDP"},
            {"port": 54, "protocol": "SCTP"},
        ]);
        let free = [(80, Tcp, At::Free), (53, Udp, At::Free)];
        check(json!({"type": "ClusterIP", "ports": ports}), &free);
        let node = [
            (80, Tcp, At::Free),
            (80, Tcp, At::NodePort(30_080)),
            (53, Udp, At::Free),
            (53, Udp, At::NodePort(30_053)),
        ];
        check(json!({"type": "NodePort", "ports": ports}), &node);
        check(json!({"type": "LoadBalancer", "loadBalancerClass": "x.y/z", "ports": ports}), &node);
        let balanced = [
            (80, Tcp, At::Free),
            (80, Tcp, At::NodePort(30_080)),
            (80, Tcp, At::LoadBalancer(80)),
            (53, Udp, At::Free),
            (53, Udp, At::NodePort(30_053)),
            (53, Udp, At::LoadBalancer(53)),
        ];
        check(json!({"type": "LoadBalancer", "ports": ports}), &balanced);
    }
}
