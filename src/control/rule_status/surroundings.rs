//! What the servers of a Gateway need beside its own object: a certificate, and a port.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use futures::StreamExt;
use futures::stream::{self, Stream};
use serde_json::Value;
use spur_route::RoutingTable;
use tokio::sync::watch;

use super::certificate_faults;

/// Which ports of gateways are open, and why others are not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayPorts {
    /// Those that are listened on.
    pub open: Vec<u16>,
    /// Those that could not be had, with what the system said.
    pub missed: BTreeMap<u16, String>,
}

/// What is asked, and what tells that the answer may be another.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    /// Whose servers know their certificates.
    pub(crate) table: Arc<ArcSwap<RoutingTable>>,
    pub(crate) published_rx: watch::Receiver<u64>,
    pub(crate) ports_rx: watch::Receiver<GatewayPorts>,
}

// === impl Surroundings ===

impl Surroundings {
    /// An item each time that a table was published or a port was had or lost.
    pub(crate) fn changes(&self) -> impl Stream<Item = ()> + Send + 'static {
        stream::select(changes(self.published_rx.clone()), changes(self.ports_rx.clone()))
    }

    /// Which servers of the gateway of this id (`namespace/name`) are not served, and why.
    pub(crate) fn faults(&self, id: &str, gateway: &Value) -> Vec<String> {
        let certificates = certificate_faults(&self.table.load());
        let certificates = certificates.into_iter().filter(|(gateway, _)| gateway == id).map(|it| it.1);
        port_faults(gateway, &self.ports_rx.borrow()).into_iter().chain(certificates).collect()
    }
}

fn changes<T: Send + Sync + 'static>(rx: watch::Receiver<T>) -> impl Stream<Item = ()> + Send {
    stream::unfold(rx, |mut rx| async {
        rx.changed().await.ok()?;
        Some(((), rx))
    })
    .fuse()
}

fn port_faults(gateway: &Value, ports: &GatewayPorts) -> Vec<String> {
    let servers = gateway["spec"]["servers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let numbers = servers.iter().filter_map(|server| u16::try_from(server["port"]["number"].as_u64()?).ok());
    let mut faults: Vec<String> = numbers
        .filter_map(|port| {
            let why = ports.missed.get(&port)?;
            Some(format!("the server at port {port} is not served: {why}"))
        })
        .collect();
    faults.dedup();
    faults
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_port_that_could_not_be_had_is_told_of_the_gateways_that_want_it() {
        let ports = GatewayPorts { open: vec![81], missed: [(443, "it is taken".to_owned())].into() };
        let wants = |numbers: &[u16]| {
            let servers: Vec<Value> = numbers.iter().map(|it| json!({"port": {"number": it}})).collect();
            port_faults(&json!({"spec": {"servers": servers}}), &ports)
        };
        assert_eq!(wants(&[81]), [""; 0]);
        assert_eq!(wants(&[443, 443, 81]), ["the server at port 443 is not served: it is taken"]);
    }
}
