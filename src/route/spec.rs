//! What a routing table is made from: plain data, one struct per object.
//!
//! Reading Services, EndpointSlices and Sandboxes into these is left to
//! `control`; checking and indexing them to `table`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::named::Named;
use crate::rule_spec::{RuleSpecs, Visibility};
use crate::wire::Wire;

/// Everything that a table is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Specs {
    /// Services.
    pub services: Named<Arc<ServiceSpec>>,
    /// The hosts of ServiceEntries, the older first. Where one has the name of a Service, that
    /// counts.
    pub entries: Arc<[Arc<ServiceSpec>]>,
    /// Sandboxes.
    pub sandboxes: Vec<SandboxSpec>,
    /// VirtualServices, DestinationRules and Gateways.
    pub rules: Arc<RuleSpecs>,
}

/// A Service with its baseline endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSpec {
    /// The Service's namespace.
    pub namespace: Arc<str>,
    /// The Service's name.
    pub name: Arc<str>,
    /// The resourceVersion of the Service, told in every verdict as the revision of its rule.
    pub revision: u64,
    /// Hosts that are not the cluster's, in lower case: those of a ServiceEntry.
    pub hosts: Vec<Box<str>>,
    /// Who sees those hosts.
    pub export_to: Visibility,
    /// The Service's ports, in the order of the object.
    pub ports: Vec<PortSpec>,
    /// The baseline endpoints of all ports, ready or not.
    pub endpoints: Vec<EndpointSpec>,
    /// Its ports of UDP, whose numbers those of `ports` may have, too.
    pub datagrams: Vec<DatagramPortSpec>,
    /// How long a client stays with one endpoint; `None`: it does not
    /// (`spec.sessionAffinity: ClientIP`).
    pub affinity: Option<Duration>,
}

/// One port of a Service that takes datagrams, with its baseline endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatagramPortSpec {
    /// The Service's port number.
    pub number: u16,
    /// The endpoints, ready or not.
    pub endpoints: Vec<EndpointSpec>,
}

/// One port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortSpec {
    /// The Service's port number (`spec.ports[].port`).
    pub number: u16,
    /// The port's name; empty where the Service gives none.
    pub name: Arc<str>,
    /// What is spoken on it.
    pub wire: Wire,
}

/// One address behind one port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSpec {
    /// The Service's port number that this address serves, not the target's.
    pub port: u16,
    /// Where to connect.
    pub address: SocketAddr,
    /// The pod's name.
    pub pod: Arc<str>,
    /// The name of the workload that owns the pod.
    pub workload: Arc<str>,
    /// Its labels, by which subsets choose.
    pub labels: Arc<BTreeMap<String, String>>,
    /// Whether traffic may be sent to it.
    pub is_ready: bool,
}

/// A sandbox: a key, and the Services whose workloads it forks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxSpec {
    /// The sandbox's namespace; its forks are of Services in the same one.
    pub namespace: Arc<str>,
    /// The sandbox's name.
    pub name: Arc<str>,
    /// The resourceVersion of the Sandbox.
    pub revision: u64,
    /// The routing key that requests carry.
    pub key: Arc<str>,
    /// What happens while a fork has no ready endpoint.
    pub fallback: Fallback,
    /// What the sandbox forks.
    pub forks: Vec<ForkSpec>,
}

/// What a sandbox says about a request for a fork that is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// The baseline takes the request, and the trace says so.
    Baseline,
    /// The request is refused with 503 and the reason.
    Fail,
}

/// One forked Service of a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkSpec {
    /// The baseline Service whose requests the fork takes.
    pub service: Arc<str>,
    /// The name of the workload that serves them in the sandbox.
    pub workload: Arc<str>,
    /// The fork's endpoints; `port` is the baseline Service's port number.
    pub endpoints: Vec<EndpointSpec>,
    /// The same for ports of UDP.
    pub datagrams: Vec<DatagramPortSpec>,
}

// === impl Specs ===

impl Specs {
    /// Services, and hosts of ServiceEntries: those with hosts that are not the cluster's. Of two
    /// Services of one name, the first counts.
    #[must_use]
    pub fn of_services(services: Vec<ServiceSpec>) -> Self {
        let (services, entries): (Vec<_>, Vec<_>) = services.into_iter().partition(|it| it.hosts.is_empty());
        let mut named = Named::default();
        for service in services.into_iter().rev() {
            let service = Arc::new(service);
            named.insert((&service.namespace, &service.name), service.clone());
        }
        let entries = entries.into_iter().map(Arc::new).collect();
        Self { services: named, entries, ..Self::default() }
    }
}
