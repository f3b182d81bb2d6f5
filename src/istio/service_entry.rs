//! ServiceEntries: hosts that are not the cluster's, as Services with their endpoints.
//!
//! Source: <https://istio.io/latest/docs/reference/config/networking/service-entry/>.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use spur_route::{EndpointSpec, PortSpec, ServiceSpec, Wire};
use spur_schema::FieldError;

use crate::hosts;
use crate::object::{Field, Held, Message, Place};

pub(crate) const FIELDS: &[Field] = &[
    Field::honoured("hosts"),
    Field::reported("addresses", "hosts are reached by their names alone"),
    Field::holds("ports", PORT),
    Field::reported("location", "what is outside is reached as what is inside"),
    Field::honoured("resolution"),
    Field::holds("endpoints", ENDPOINT),
    Field::reported("workloadSelector", "not supported yet: list the endpoints"),
    Field::honoured("exportTo"),
    Field::reported("subjectAltNames", "name them in a DestinationRule"),
];

const PORT: &[Field] = &[
    Field::honoured("number"),
    Field::honoured("protocol"),
    Field::honoured("name"),
    Field::honoured("targetPort"),
];

const ENDPOINT: &[Field] = &[
    Field::honoured("address"),
    Field::honoured("ports"),
    Field::honoured("labels"),
    Field::reported("network", "there is one network"),
    Field::reported("locality", "there is one locality"),
    Field::reported("weight", "endpoints are alike"),
    Field::reported("serviceAccount", "there is no TLS between workloads yet"),
];

/// A host that is not the cluster's, as a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntrySpec {
    /// With the endpoints that are addresses.
    pub service: Arc<ServiceSpec>,
    /// Those that are names.
    pub named: Vec<NamedEndpoint>,
}

/// An endpoint with the addresses of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedEndpoint {
    /// The name, in lower case.
    pub name: Box<str>,
    /// How many of its addresses are endpoints.
    pub takes: Takes,
    /// The Service's port number.
    pub port: u16,
    /// The port there.
    pub target: u16,
    /// Its labels, by which subsets choose.
    pub labels: Arc<BTreeMap<String, String>>,
}

/// How many addresses of a name are endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// `DNS`: all of them.
    All,
    /// `DNS_ROUND_ROBIN`: one of them.
    First,
}

/// A port, and where it leads.
struct Port {
    spec: PortSpec,
    target: u16,
}

/// Endpoints as they are given.
#[derive(Default)]
struct Endpoints {
    addresses: Vec<EndpointSpec>,
    names: Vec<NamedEndpoint>,
}

/// One Service for each host, all with the same endpoints.
pub(crate) fn read(place: &Place<'_>, spec: &Message<'_>) -> Vec<EntrySpec> {
    spec.check(FIELDS);
    let resolution = spec.text("resolution").unwrap_or("NONE");
    let ports: Vec<Port> = spec.messages("ports").iter().filter_map(port).collect();
    let takes = match resolution {
        "STATIC" => None,
        // There is no first address that the caller has resolved itself: it asks for the host.
        "NONE" | "DNS" | "DYNAMIC_DNS" => Some(Takes::All),
        "DNS_ROUND_ROBIN" => Some(Takes::First),
        other => {
            let known = ["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"];
            spec.fault(FieldError::not_supported(spec.at("resolution"), other, known));
            None
        }
    };
    let endpoints = endpoints(spec, &ports, takes);
    let hosts = spec.texts("hosts");
    if hosts.is_empty() {
        spec.fault(FieldError::required(spec.at("hosts"), "service entry must have at least one host"));
    }
    let export_to = hosts::visibility(spec, place.namespace);
    let mut entries = Vec::new();
    for (index, host) in hosts.into_iter().enumerate() {
        let at = format!("hosts[{index}]");
        hosts::check(spec, &at, host);
        if host.starts_with('*') {
            spec.unsupported(&at, "not supported: a wildcard names no host to send to");
            continue;
        }
        let host = host.to_ascii_lowercase();
        let mut named = endpoints.names.clone();
        if let Some(takes) = takes
            && spec.messages("endpoints").is_empty()
        {
            named.extend(ports.iter().map(|port| port.at_name(&host, takes)));
        }
        let service = ServiceSpec {
            namespace: place.namespace.into(),
            name: host.as_str().into(),
            revision: place.revision,
            hosts: vec![host.into()],
            export_to: export_to.clone(),
            affinity: None,
            datagrams: Vec::new(),
            ports: ports.iter().map(|port| port.spec.clone()).collect(),
            endpoints: endpoints.addresses.clone(),
        };
        entries.push(EntrySpec { service: Arc::new(service), named });
    }
    entries
}

fn port(held: &Held<'_>) -> Option<Port> {
    let port = held.checked(PORT);
    let number = port.port("number");
    if number.is_none() && !port.has("number") {
        port.fault(FieldError::required(port.at("number"), ""));
    }
    let name = port.text("name").unwrap_or_default();
    if name.is_empty() {
        port.fault(FieldError::required(port.at("name"), "service entry ports must have a name"));
    }
    let protocol = port.text("protocol").unwrap_or_default();
    let wire = Wire::from_port(Some(protocol).filter(|protocol| !protocol.is_empty()), name);
    let target = port.number("targetPort").filter(|target| *target > 0).and_then(|_| port.port("targetPort"));
    let number = number?;
    Some(Port { spec: PortSpec { number, name: name.into(), wire }, target: target.unwrap_or(number) })
}

/// Addresses and, where `takes` says so, names. Link-local addresses are refused: there the
/// metadata of clouds is served, keys included.
fn endpoints(spec: &Message<'_>, ports: &[Port], takes: Option<Takes>) -> Endpoints {
    let mut all = Endpoints::default();
    for held in &spec.messages("endpoints") {
        let endpoint = held.checked(ENDPOINT);
        let address = endpoint.text("address").unwrap_or_default();
        let ip = address.parse::<IpAddr>().ok();
        match (ip, takes) {
            (Some(ip), _) if is_link_local(ip) => {
                endpoint.fault(FieldError::invalid(endpoint.at("address"), address, "may not be link-local"));
                continue;
            }
            (None, _) if address.starts_with("unix:") => {
                endpoint.unsupported("address", "not supported: only IP addresses and names are used");
                continue;
            }
            (None, None) => {
                let why = "must be an IP address where `resolution` is STATIC";
                endpoint.fault(FieldError::invalid(endpoint.at("address"), address, why));
                continue;
            }
            (None, Some(_)) => hosts::check_name(&endpoint, "address", address),
            (Some(_), _) => {}
        }
        let labels = endpoint.text_entries("labels").into_iter();
        let labels: BTreeMap<String, String> =
            labels.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let labels = Arc::new(labels);
        let named = endpoint.entries("ports");
        for port in ports {
            let own = named.iter().find(|(name, _)| **name == *port.spec.name);
            let own = own.and_then(|(_, number)| u16::try_from(number.as_u64()?).ok());
            let target = own.unwrap_or(port.target);
            if let Some(ip) = ip {
                all.addresses.push(endpoint_at(ip, (port.spec.number, target), &labels));
            } else if let Some(takes) = takes {
                let labels = labels.clone();
                let name = address.to_ascii_lowercase();
                all.names.push(NamedEndpoint { target, labels, ..port.at_name(&name, takes) });
            }
        }
    }
    all
}

fn endpoint_at(
    ip: IpAddr,
    (port, target): (u16, u16),
    labels: &Arc<BTreeMap<String, String>>,
) -> EndpointSpec {
    let address: Arc<str> = ip.to_string().into();
    EndpointSpec {
        port,
        address: SocketAddr::new(ip, target),
        pod: address.clone(),
        workload: address,
        labels: labels.clone(),
        is_ready: true,
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

// === impl Port ===

impl Port {
    fn at_name(&self, name: &str, takes: Takes) -> NamedEndpoint {
        let (port, target) = (self.spec.number, self.target);
        NamedEndpoint { name: name.into(), takes, port, target, labels: Arc::default() }
    }
}

// === impl EntrySpec ===

impl EntrySpec {
    /// The Service with the addresses that its names have, as far as they are known.
    #[must_use]
    pub fn resolved<'a>(&self, addresses_of: impl Fn(&str) -> Option<&'a [IpAddr]>) -> Arc<ServiceSpec> {
        let mut found = self.named.iter().flat_map(|named| {
            let all = addresses_of(&named.name).unwrap_or_default();
            // A name that somebody else decides on must not lead to the metadata of a cloud.
            let allowed = all.iter().filter(|ip| !is_link_local(**ip));
            let n_wanted = match named.takes {
                Takes::All => usize::MAX,
                Takes::First => 1,
            };
            allowed.take(n_wanted).map(|ip| endpoint_at(*ip, (named.port, named.target), &named.labels))
        });
        let Some(first) = found.next() else { return self.service.clone() };
        let mut service = (*self.service).clone();
        service.endpoints.extend(std::iter::once(first).chain(found));
        Arc::new(service)
    }
}
