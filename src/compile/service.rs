//! What a Service says about routing: its ports, and whose place it takes.
//!
//! Its endpoints come from its slices.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Service, ServicePort};
use kube::ResourceExt;
use spur_api::kinds::service::TIMEOUT_SECONDS;
use spur_api::labels;
use spur_route::{DatagramPortSpec, EndpointSpec, ForkSpec, PortSpec, ServiceSpec, Visibility, Wire};

use super::assembly::Pods;
use super::external::{self, External};
use super::slice::SliceFragment;

/// A Service, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServiceFragment {
    pub(super) namespace: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) uid: Option<Arc<str>>,
    pub(super) revision: u64,
    /// Where it leads, for one that is the name of a host elsewhere.
    pub(super) external: Option<External>,
    pub(super) ports: Vec<PortSpec>,
    /// Number and name of each port of UDP.
    datagrams: Vec<(u16, Arc<str>)>,
    affinity: Option<Duration>,
    pub(super) fork_of: Option<ForkOf>,
}

/// What a fork's Service says on its labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ForkOf {
    pub(super) sandbox: Arc<str>,
    /// That sandbox's uid.
    pub(super) owner: Option<Arc<str>>,
    /// The baseline Service whose requests the fork takes.
    service: Arc<str>,
    workload: Arc<str>,
}

// === impl ServiceFragment ===

impl ServiceFragment {
    pub(super) fn of(service: &Service) -> Option<Self> {
        let spec = service.spec.as_ref()?;
        let ports = external::ports(service);
        let (namespace, name) = super::place(service);
        Some(Self {
            namespace,
            name,
            uid: service.uid().map(Arc::from),
            revision: super::revision(&service.metadata),
            external: External::of(service),
            ports: ports.iter().filter_map(port).collect(),
            datagrams: ports.iter().filter_map(datagram_port).collect(),
            affinity: affinity(spec),
            fork_of: ForkOf::of(service),
        })
    }

    pub(super) fn spec<'a>(
        &'a self,
        slices: impl Iterator<Item = &'a SliceFragment> + Clone,
        pods: &'a Pods,
    ) -> ServiceSpec {
        let datagrams = self.datagrams.iter().map(|(number, name)| {
            let of =
                slices.clone().flat_map(|slice| slice.datagram_endpoints((*number, name), &self.name, pods));
            DatagramPortSpec { number: *number, endpoints: in_order(of.collect()) }
        });
        ServiceSpec {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            revision: self.revision,
            hosts: Vec::new(),
            export_to: Visibility::Everyone,
            ports: self.ports.clone(),
            datagrams: datagrams.collect(),
            affinity: self.affinity,
            endpoints: self.endpoints(slices, pods),
        }
    }

    /// The endpoints of all slices.
    fn endpoints<'a>(
        &'a self,
        slices: impl Iterator<Item = &'a SliceFragment>,
        pods: &'a Pods,
    ) -> Vec<EndpointSpec> {
        in_order(slices.flat_map(|slice| slice.endpoints(&self.ports, &self.name, pods)).collect())
    }
}

/// Endpoints of several slices in an order that does not depend on theirs. An endpoint that is moved
/// between slices may for a moment stand in two
/// (<https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#duplicate-endpoints>);
/// it counts once, and as ready where one of them says so.
fn in_order(mut endpoints: Vec<EndpointSpec>) -> Vec<EndpointSpec> {
    endpoints.sort_by(|a, b| {
        let order = |endpoint: &EndpointSpec| (endpoint.port, endpoint.address, !endpoint.is_ready);
        order(a).cmp(&order(b)).then_with(|| a.pod.cmp(&b.pod))
    });
    endpoints.dedup_by(|a, b| (a.port, a.address) == (b.port, b.address));
    endpoints
}

/// How long a client stays with one endpoint. Source of the default: `core/v1`,
/// `SetDefaults_Service`, which the server fills in; files need not have it.
fn affinity(spec: &k8s_openapi::api::core::v1::ServiceSpec) -> Option<Duration> {
    spec.session_affinity.as_deref().filter(|affinity| *affinity == "ClientIP")?;
    let config = spec.session_affinity_config.as_ref().and_then(|config| config.client_ip.as_ref());
    let timeout = config.and_then(|config| config.timeout_seconds).and_then(|it| u32::try_from(it).ok());
    Some(Duration::from_secs(timeout.unwrap_or(TIMEOUT_SECONDS).into()))
}

/// Number and name of a UDP port.
fn datagram_port(port: &ServicePort) -> Option<(u16, Arc<str>)> {
    port.protocol.as_deref().filter(|protocol| *protocol == "UDP")?;
    Some((u16::try_from(port.port).ok()?, port.name.as_deref().unwrap_or_default().into()))
}

/// A TCP port; SCTP does not pass the proxy.
fn port(port: &ServicePort) -> Option<PortSpec> {
    if port.protocol.as_deref().is_some_and(|protocol| protocol != "TCP") {
        return None;
    }
    let name = port.name.as_deref().unwrap_or_default();
    Some(PortSpec {
        number: u16::try_from(port.port).ok()?,
        name: name.into(),
        wire: Wire::from_port(port.app_protocol.as_deref(), name),
    })
}

// === impl ForkOf ===

impl ForkOf {
    fn of(service: &Service) -> Option<Self> {
        let label = |name: &str| service.labels().get(name).map(|value| Arc::<str>::from(value.as_str()));
        let (sandbox, baseline) = (label(labels::SANDBOX)?, label(labels::FORK_OF_SERVICE)?);
        let workload = label(labels::FORK).unwrap_or_else(|| baseline.clone());
        let owner = super::owner_uid(service, "Sandbox");
        Some(Self { sandbox, owner, service: baseline, workload })
    }

    /// The fork of the Service with this spec, whose port numbers are the baseline's.
    pub(super) fn spec(&self, service: &ServiceSpec) -> ForkSpec {
        ForkSpec {
            service: self.service.clone(),
            workload: self.workload.clone(),
            endpoints: service.endpoints.clone(),
            datagrams: service.datagrams.clone(),
        }
    }
}
