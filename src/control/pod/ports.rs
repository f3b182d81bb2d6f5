//! The real ports of a pod: one for each TCP or UDP port its containers declare,
//! reserved as long as the pod lives, told in the annotation `spur.dev/ports`
//! and to the process as `PORT` and `PORT_<NAME>`.
//!
//! A container that declares one number for both gets one real port for both.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Container, ContainerPort, Pod};
use kube::ResourceExt;
use spur_api::labels;
use spur_api::real_port::{self, Protocol};
use spur_runtime::ports::{PortAllocator, PortError, ReservedPort};

use super::LOOPBACK;
use super::environment::Variables;
use super::links::variable_name;
use super::support;

/// Ports that nobody else gets while this lives.
#[derive(Debug, Default)]
pub(super) struct PodPorts {
    /// By `<container>/<containerPort>`, with `/UDP` behind it for those.
    reserved: BTreeMap<String, Arc<ReservedPort>>,
    /// The pod's own address, at which each declared port is the real one.
    own: Option<Ipv4Addr>,
}

// === impl PodPorts ===

impl PodPorts {
    /// Those of a pod with an address of its own, which listens where it declares.
    pub(super) fn own(address: Ipv4Addr) -> Self {
        Self { own: Some(address), ..Self::default() }
    }

    /// Where they are reached.
    pub(super) fn address(&self) -> String {
        self.own.map_or_else(|| LOOPBACK.to_owned(), |address| address.to_string())
    }

    /// One for each declared port; the number that the pod had before, where it is free.
    ///
    /// # Errors
    /// No port is free, or the allocator's directory fails.
    pub(super) fn allocate(pod: &Pod, allocator: &PortAllocator) -> Result<Self, PortError> {
        let earlier = earlier(pod);
        let mut ports = Self::default();
        for container in pod.spec.iter().flat_map(support::containers) {
            for (port, transport) in ports_of(container) {
                let key_of = |transport| real_port::key(&container.name, port.container_port, transport);
                let key = key_of(transport);
                if ports.reserved.contains_key(&key) {
                    continue;
                }
                let other = [Protocol::Tcp, Protocol::Udp].map(key_of);
                let reserved = match other.iter().find_map(|other| ports.reserved.get(other)) {
                    Some(of_both) => of_both.clone(),
                    None => {
                        let again = earlier.get(&key).and_then(|number| allocator.reserve(*number).ok());
                        Arc::new(again.map_or_else(|| allocator.allocate(), Ok)?)
                    }
                };
                ports.reserved.insert(key, reserved);
            }
        }
        Ok(ports)
    }

    /// The real port of a container's declared port of TCP.
    pub(super) fn real(&self, container: &str, port: i32) -> Option<u16> {
        self.real_of(container, port, Protocol::Tcp)
    }

    fn real_of(&self, container: &str, port: i32, protocol: Protocol) -> Option<u16> {
        match self.own {
            Some(_) => u16::try_from(port).ok(),
            None => {
                let key = real_port::key(container, port, protocol);
                self.reserved.get(&key).map(|reserved| reserved.get())
            }
        }
    }

    /// The annotation's text; `None` where the pod declares no port, or its ports are real.
    pub(super) fn annotation(&self) -> Option<String> {
        let numbers: BTreeMap<&str, u16> =
            self.reserved.iter().map(|(key, port)| (key.as_str(), port.get())).collect();
        let text = serde_json::to_string(&numbers).expect("texts and numbers can always be written");
        (!numbers.is_empty()).then_some(text)
    }

    /// `PORT`, the container's first, and `PORT_<NAME>` for each that has a name.
    pub(super) fn variables(&self, container: &Container) -> Variables {
        let mut variables = Variables::new();
        for (port, protocol) in ports_of(container) {
            let Some(real) = self.real_of(&container.name, port.container_port, protocol) else { continue };
            variables.entry("PORT".to_owned()).or_insert_with(|| real.to_string());
            if let Some(name) = port.name.as_deref().filter(|name| !name.is_empty()) {
                variables.insert(format!("PORT_{}", variable_name(name)), real.to_string());
            }
        }
        variables
    }
}

/// The ports a container declares, of TCP and UDP; `support` tells of the others.
fn ports_of(container: &Container) -> impl Iterator<Item = (&ContainerPort, Protocol)> {
    let ports = container.ports.iter().flatten();
    ports.filter_map(|port| Some((port, Protocol::of(port.protocol.as_deref())?)))
}

/// The TCP ports a container declares.
pub(super) fn tcp_ports(container: &Container) -> impl Iterator<Item = &ContainerPort> {
    let ports = container.ports.iter().flatten();
    ports.filter(|port| port.protocol.as_deref().unwrap_or("TCP") == "TCP")
}

/// What the annotation says; nothing where it is absent or no such map.
fn earlier(pod: &Pod) -> BTreeMap<String, u16> {
    let text = pod.annotations().get(labels::PORTS);
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pod::tests::port_allocator;

    fn pod() -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "p"},
            "spec": {"containers": [
                {"name": "web", "ports": [
                    {"containerPort": 8080, "name": "http"},
                    {"containerPort": 9090, "name": "admin-api", "protocol": "TCP"},
                    {"containerPort": 53, "name": "dns", "protocol": "UDP"},
                    {"containerPort": 9090, "name": "admin-udp", "protocol": "UDP"},
                ]},
                {"name": "side", "ports": [{"containerPort": 8080}]},
                {"name": "none"},
            ]},
        }))
        .unwrap()
    }

    #[test]
    fn each_declared_port_gets_a_real_one() {
        let allocator = port_allocator();
        let pod = pod();
        let ports = PodPorts::allocate(&pod, &allocator).unwrap();
        let containers = &pod.spec.as_ref().unwrap().containers;
        let (http, admin) = (ports.real("web", 8080).unwrap(), ports.real("web", 9090).unwrap());
        let side = ports.real("side", 8080).unwrap();
        assert_ne!(http, side, "two containers share no port");
        assert_eq!(ports.real("web", 53), None, "it is of UDP");
        let annotation: BTreeMap<String, u16> = serde_json::from_str(&ports.annotation().unwrap()).unwrap();
        let dns = annotation["web/53/UDP"];
        let wanted = [
            ("web/8080", http),
            ("web/9090", admin),
            ("web/53/UDP", dns),
            ("web/9090/UDP", admin),
            ("side/8080", side),
        ];
        assert_eq!(annotation, wanted.map(|(key, port)| (key.to_owned(), port)).into());
        let wanted = [
            ("PORT", http),
            ("PORT_HTTP", http),
            ("PORT_ADMIN_API", admin),
            ("PORT_DNS", dns),
            ("PORT_ADMIN_UDP", admin),
        ];
        let wanted: Variables = wanted.map(|(name, port)| (name.to_owned(), port.to_string())).into();
        assert_eq!(ports.variables(&containers[0]), wanted);
        assert_eq!(ports.variables(&containers[2]), Variables::new());
    }

    #[test]
    fn a_pod_without_ports_has_no_annotation() {
        assert_eq!(PodPorts::default().annotation(), None);
    }

    #[test]
    fn a_pod_keeps_its_ports_where_they_are_free() {
        let allocator = port_allocator();
        let mut pod = pod();
        let before = PodPorts::allocate(&pod, &allocator).unwrap();
        let (http, side) = (before.real("web", 8080), before.real("side", 8080));
        pod.annotations_mut().insert(labels::PORTS.to_owned(), before.annotation().unwrap());
        drop(before);
        let taken = allocator.reserve(side.unwrap()).unwrap();
        let after = PodPorts::allocate(&pod, &allocator).unwrap();
        assert_eq!(after.real("web", 8080), http);
        assert_ne!(after.real("side", 8080), Some(taken.get()));
    }
}
