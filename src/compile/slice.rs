//! What an EndpointSlice says about routing: addresses, and which of its
//! Service's ports they serve.
//!
//! Source: <https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoint-slice-v1/>.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointPort, EndpointSlice};
use kube::ResourceExt;
use spur_api::labels;
use spur_route::{EndpointSpec, PortSpec};

use super::assembly::Pods;

/// An EndpointSlice, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SliceFragment {
    pub(super) namespace: Arc<str>,
    /// The Service that it belongs to.
    pub(super) service: Arc<str>,
    /// That Service's uid, where the slice was made for one.
    pub(super) owner: Option<Arc<str>>,
    /// The slice's own labels but for its Service's name, which all have: endpoints of pods that
    /// nobody knows have these.
    labels: Arc<BTreeMap<String, String>>,
    ports: Box<[SlicePort]>,
    /// Those of UDP.
    datagrams: Box<[SlicePort]>,
    endpoints: Box<[SliceEndpoint]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct SlicePort {
    /// The Service port's name; empty where it has none.
    name: Arc<str>,
    number: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct SliceEndpoint {
    ip: IpAddr,
    pod: Arc<str>,
    workload: Option<Arc<str>>,
    is_ready: bool,
}

// === impl SliceFragment ===

impl SliceFragment {
    /// `None` for a slice that belongs to no Service.
    pub(super) fn of(slice: &EndpointSlice) -> Option<Self> {
        let service = slice.labels().get(labels::SERVICE_NAME)?;
        let workloads = workloads(slice);
        let own = slice.labels().iter().filter(|(name, _)| *name != labels::SERVICE_NAME);
        let own: BTreeMap<String, String> = own.map(|(name, value)| (name.clone(), value.clone())).collect();
        let ports = |protocol: &str| -> Box<[SlicePort]> {
            let all = slice.ports.iter().flatten();
            let of = all.filter(|port| port.protocol.as_deref().unwrap_or("TCP") == protocol);
            of.filter_map(SlicePort::of).collect()
        };
        let endpoints = slice.endpoints.iter().flatten();
        let endpoints: Vec<SliceEndpoint> =
            endpoints.filter_map(|endpoint| SliceEndpoint::of(endpoint, &workloads)).collect();
        Some(Self {
            namespace: slice.namespace().unwrap_or_default().into(),
            service: service.as_str().into(),
            owner: super::owner_uid(slice, "Service"),
            labels: Arc::new(own),
            ports: ports("TCP"),
            datagrams: ports("UDP"),
            endpoints: endpoints.into(),
        })
    }

    /// The endpoints for the ports of the Service, which are matched by name.
    pub(super) fn endpoints<'a>(
        &'a self,
        ports: &'a [PortSpec],
        service: &'a Arc<str>,
        pods: &'a Pods,
    ) -> impl Iterator<Item = EndpointSpec> + 'a {
        let served = ports.iter().filter_map(|port| {
            let target = self.ports.iter().find(|target| target.name == port.name)?;
            Some((port.number, target.number))
        });
        served.flat_map(move |at| self.endpoints_at(at, service, pods))
    }

    /// The endpoints for a port of UDP of the Service, by its number and name.
    pub(super) fn datagram_endpoints<'a>(
        &'a self,
        (port, name): (u16, &Arc<str>),
        service: &'a Arc<str>,
        pods: &'a Pods,
    ) -> impl Iterator<Item = EndpointSpec> + 'a {
        let target = self.datagrams.iter().find(|target| target.name == *name);
        let target = target.map(|target| (port, target.number));
        target.into_iter().flat_map(move |at| self.endpoints_at(at, service, pods))
    }

    fn endpoints_at<'a>(
        &'a self,
        (port, target): (u16, u16),
        service: &'a Arc<str>,
        pods: &'a Pods,
    ) -> impl Iterator<Item = EndpointSpec> + 'a {
        self.endpoints.iter().map(move |endpoint| EndpointSpec {
            port,
            address: SocketAddr::new(endpoint.ip, target),
            pod: endpoint.pod.clone(),
            workload: endpoint.workload.clone().unwrap_or_else(|| service.clone()),
            labels: self.labels_of(endpoint, pods),
            is_ready: endpoint.is_ready,
        })
    }

    /// Whether one of these pods has an endpoint.
    pub(super) fn names_one_of(&self, pods: &HashSet<(Arc<str>, Arc<str>)>) -> bool {
        let at = |endpoint: &SliceEndpoint| (self.namespace.clone(), endpoint.pod.clone());
        self.endpoints.iter().any(|endpoint| pods.contains(&at(endpoint)))
    }

    fn labels_of(&self, endpoint: &SliceEndpoint, pods: &Pods) -> Arc<BTreeMap<String, String>> {
        let of_pod = pods.get(&self.namespace, &endpoint.pod);
        of_pod.map_or_else(|| self.labels.clone(), |pod| pod.labels.clone())
    }
}

/// The workload of each pod; an annotation that cannot be read names none.
fn workloads(slice: &EndpointSlice) -> HashMap<String, Arc<str>> {
    let Some(text) = slice.annotations().get(labels::WORKLOADS) else { return HashMap::new() };
    let workloads: HashMap<String, String> = serde_json::from_str(text).unwrap_or_default();
    workloads.into_iter().map(|(pod, workload)| (pod, workload.into())).collect()
}

// === impl SlicePort ===

impl SlicePort {
    /// A port with a number; without one it would stand for all ports.
    fn of(port: &EndpointPort) -> Option<Self> {
        let number = u16::try_from(port.port?).ok()?;
        Some(Self { name: port.name.as_deref().unwrap_or_default().into(), number })
    }
}

// === impl SliceEndpoint ===

impl SliceEndpoint {
    /// Of several addresses the first counts, as kube-proxy has it. Host names
    /// (`addressType: FQDN`) are no addresses. A `ready` that is not given reads as true.
    fn of(endpoint: &Endpoint, workloads: &HashMap<String, Arc<str>>) -> Option<Self> {
        let address = endpoint.addresses.first()?;
        let ip = address.parse().ok()?;
        let pod = endpoint.target_ref.as_ref().and_then(|target| target.name.as_deref()).unwrap_or(address);
        let conditions = endpoint.conditions.as_ref();
        let is_ready = conditions.and_then(|conditions| conditions.ready).unwrap_or(true);
        let is_terminating = conditions.and_then(|conditions| conditions.terminating).unwrap_or(false);
        Some(Self {
            ip,
            pod: pod.into(),
            workload: workloads.get(pod).cloned(),
            is_ready: is_ready && !is_terminating,
        })
    }
}
