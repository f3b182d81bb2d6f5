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
    Field::reported("exportTo", "every namespace sees it"),
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

/// A port, and where it leads.
struct Port {
    spec: PortSpec,
    target: u16,
}

/// One Service for each host, all with the same endpoints.
pub(crate) fn read(place: &Place<'_>, spec: &Message<'_>) -> Vec<ServiceSpec> {
    spec.check(FIELDS);
    let resolution = spec.text("resolution").unwrap_or("NONE");
    let ports: Vec<Port> = spec.messages("ports").iter().filter_map(port).collect();
    let endpoints = match resolution {
        "STATIC" => endpoints(spec, &ports),
        "NONE" | "DNS" | "DNS_ROUND_ROBIN" | "DYNAMIC_DNS" => {
            let endpoints = endpoints(spec, &ports);
            if endpoints.is_empty() {
                let why = "names are not resolved yet: only endpoints that are addresses are used";
                spec.unsupported("resolution", why);
            }
            endpoints
        }
        other => {
            let known = ["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"];
            spec.fault(FieldError::not_supported(spec.at("resolution"), other, known));
            Vec::new()
        }
    };
    let hosts = spec.texts("hosts");
    if hosts.is_empty() {
        spec.fault(FieldError::required(spec.at("hosts"), "service entry must have at least one host"));
    }
    let mut services = Vec::new();
    for (index, host) in hosts.into_iter().enumerate() {
        let at = format!("hosts[{index}]");
        hosts::check(spec, &at, host);
        if host.starts_with('*') {
            spec.unsupported(&at, "not supported: a wildcard names no host to send to");
            continue;
        }
        let host = host.to_ascii_lowercase();
        services.push(ServiceSpec {
            namespace: place.namespace.into(),
            name: host.as_str().into(),
            revision: place.revision,
            hosts: vec![host.into()],
            ports: ports.iter().map(|port| port.spec.clone()).collect(),
            endpoints: endpoints.clone(),
        });
    }
    services
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

/// Those that are addresses. Link-local ones are refused: there the metadata of clouds is
/// served, keys included.
fn endpoints(spec: &Message<'_>, ports: &[Port]) -> Vec<EndpointSpec> {
    let mut all = Vec::new();
    for held in &spec.messages("endpoints") {
        let endpoint = held.checked(ENDPOINT);
        let address = endpoint.text("address").unwrap_or_default();
        let Ok(ip) = address.parse::<IpAddr>() else {
            endpoint.unsupported("address", "not supported yet: only IP addresses are used");
            continue;
        };
        if is_link_local(ip) {
            endpoint.fault(FieldError::invalid(endpoint.at("address"), address, "may not be link-local"));
            continue;
        }
        let labels = endpoint.text_entries("labels").into_iter();
        let labels: BTreeMap<String, String> =
            labels.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let labels = Arc::new(labels);
        let named = endpoint.entries("ports");
        for port in ports {
            let own = named.iter().find(|(name, _)| **name == *port.spec.name);
            let own =
                own.and_then(|(_, number)| number.as_u64()).and_then(|number| u16::try_from(number).ok());
            all.push(EndpointSpec {
                port: port.spec.number,
                address: SocketAddr::new(ip, own.unwrap_or(port.target)),
                pod: address.into(),
                workload: address.into(),
                labels: labels.clone(),
                is_ready: true,
            });
        }
    }
    all
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}
