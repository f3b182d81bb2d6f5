//! The preview addresses that a sandbox's status gives: pure.

use kube::ResourceExt;
use kube::api::DynamicObject;
use spur_api::sandbox::{Endpoint, EndpointStatus};
use spur_route::preview_host;

use super::fork_service::tcp_ports;

/// The port that a host without a port means, where the Service has it
/// (`http://` without a port; `spur-route` takes the first otherwise).
const DEFAULT_PORT: u16 = 80;

/// Where the sandbox is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) namespace: &'a str,
    pub(super) sandbox: &'a str,
    /// The port of the entry listener.
    pub(super) entry_port: u16,
}

/// The addresses.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Previews {
    /// One for each wanted, with an empty address where it cannot be given.
    pub(super) endpoints: Vec<EndpointStatus>,
    /// The hosts in the addresses.
    pub(super) hosts: Vec<String>,
    /// Why some have none.
    pub(super) faults: Vec<String>,
}

/// The addresses of the wanted endpoints, given the Services of the namespace.
pub(super) fn previews(wanted: &[Endpoint], services: &[&DynamicObject], place: Place<'_>) -> Previews {
    let mut previews = Previews::default();
    for endpoint in wanted {
        let url = match host(endpoint, services, place) {
            Ok(host) => {
                let url = format!("http://{host}:{}", place.entry_port);
                previews.hosts.push(host);
                url
            }
            Err(why) => {
                previews.faults.push(format!("endpoint {}: {why}", endpoint.name));
                String::new()
            }
        };
        previews.endpoints.push(EndpointStatus { name: endpoint.name.clone(), url });
    }
    previews
}

fn host(endpoint: &Endpoint, services: &[&DynamicObject], place: Place<'_>) -> Result<String, String> {
    let Endpoint { name: _, service, port } = endpoint;
    let Some(found) = services.iter().find(|found| found.name_any() == *service) else {
        return Err(format!("services \"{service}\" not found in namespace \"{}\"", place.namespace));
    };
    let ports: Vec<u16> = tcp_ports(found).iter().map(|port| port.number).collect();
    let reached = if ports.contains(&DEFAULT_PORT) { Some(DEFAULT_PORT) } else { ports.first().copied() };
    let Some(reached) = reached else {
        return Err(format!("service `{service}` has no TCP port"));
    };
    match port {
        Some(port) if !ports.contains(port) => Err(format!("service `{service}` has no TCP port {port}")),
        Some(port) if *port != reached => Err(format!(
            "a preview address reaches port {reached} of service `{service}`, and port {port} cannot be chosen"
        )),
        _ => Ok(preview_host(place.sandbox, service, place.namespace)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(service: &str, port: Option<u16>, expected: Result<&str, &str>) {
        let cart = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "cart"},
            "spec": {"ports": [{"name": "grpc", "port": 90}, {"name": "http", "port": 80}, {"port": 53, "protocol": "UDP"}]},
        });
        let cart = serde_json::from_value(cart).expect("a service");
        let wanted = Endpoint { name: "e".to_owned(), service: service.to_owned(), port };
        let place = Place { namespace: "shop", sandbox: "pr-1", entry_port: 8080 };
        let found = previews(&[wanted], &[&cart], place);
        let (url, faults) = match expected {
            Ok(url) => (url, vec![]),
            Err(fault) => ("", vec![format!("endpoint e: {fault}")]),
        };
        assert_eq!((found.endpoints[0].url.as_str(), found.faults), (url, faults));
    }

    #[test]
    fn an_address_is_given_where_it_leads_to_the_wanted_port() {
        check("cart", None, Ok("http://pr-1--cart.shop.localhost:8080"));
        check("cart", Some(80), Ok("http://pr-1--cart.shop.localhost:8080"));
        let other = "a preview address reaches port 80 of service `cart`, and port 90 cannot be chosen";
        check("cart", Some(90), Err(other));
        check("cart", Some(53), Err("service `cart` has no TCP port 53"));
        check("basket", None, Err("services \"basket\" not found in namespace \"shop\""));
    }
}
