//! The listeners of Gateways on ports for which the entry does not stand.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use spur_control::GatewayPorts;
use spur_net::{Callers, Destination, Inlet};
use spur_route::RoutingTable;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::say::say;

/// How soon a port that could not be had is tried again: whoever has it may end.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// The open ones; dropping it closes them.
pub(crate) struct Gateways {
    address: IpAddr,
    inlets_tx: mpsc::Sender<Inlet>,
    open: BTreeMap<u16, DropGuard>,
    /// Those that could not be had the last time, and why, which was said.
    missed: BTreeMap<u16, String>,
}

// === impl Gateways ===

impl Gateways {
    /// None yet; they will listen on this address.
    pub(crate) fn new(address: IpAddr, inlets_tx: mpsc::Sender<Inlet>) -> Self {
        Self { address, inlets_tx, open: BTreeMap::new(), missed: BTreeMap::new() }
    }

    /// Which ports are open, and which are not.
    pub(crate) fn ports(&self) -> GatewayPorts {
        GatewayPorts { open: self.open.keys().copied().collect(), missed: self.missed.clone() }
    }

    /// Opens what the table's gateways have, and closes what they have no more. A port that
    /// cannot be had is said once, and tried again each time; the others are served.
    pub(crate) fn serve(&mut self, table: &RoutingTable) {
        let wanted = table.gateway_ports();
        self.open.retain(|port, _| wanted.contains(port));
        self.missed.retain(|port, _| wanted.contains(port));
        for port in wanted {
            if self.open.contains_key(&port) {
                continue;
            }
            match self.listen(port) {
                Ok(()) => drop(self.missed.remove(&port)),
                Err(error) => {
                    let why = format!("{error:#}");
                    if self.missed.get(&port) != Some(&why) {
                        say(format_args!("warning: the gateways' port {port} is not served: {why}"));
                        self.missed.insert(port, why);
                    }
                }
            }
        }
    }

    /// Serves what each new table has; tells which ports are open and which are not.
    ///
    /// table -- its revision --> here -- the ports --> whoever shows them
    pub(crate) async fn follow(
        mut self,
        table: Arc<ArcSwap<RoutingTable>>,
        mut published_rx: watch::Receiver<u64>,
        ports_tx: watch::Sender<GatewayPorts>,
    ) {
        loop {
            tokio::select! {
                changed = published_rx.changed() => match changed {
                    Ok(()) => {}
                    Err(_) => return,
                },
                () = sleep(AGAIN_AFTER), if !self.missed.is_empty() => {}
            }
            self.serve(&table.load());
            let ports = self.ports();
            ports_tx.send_if_modified(|known| {
                let is_news = *known != ports;
                *known = ports;
                is_news
            });
        }
    }

    fn listen(&mut self, port: u16) -> Result<()> {
        let listener = spur_net::bind(SocketAddr::new(self.address, port))?;
        let closed = CancellationToken::new();
        let destination = Destination::Gateway { port };
        let inlet = Inlet { listener, callers: Callers::Anybody, destination, closed: closed.clone() };
        self.inlets_tx.try_send(inlet).context("too many listeners at once")?;
        self.open.insert(port, closed.drop_guard());
        Ok(())
    }
}
