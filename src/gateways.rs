//! The listeners of Gateways on ports for which the entry does not stand.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use spur_net::{Destination, Inlet};
use spur_route::RoutingTable;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::say::say;

/// The open ones; dropping it closes them.
pub(crate) struct Gateways {
    address: IpAddr,
    inlets_tx: mpsc::Sender<Inlet>,
    open: BTreeMap<u16, DropGuard>,
    /// Those that could not be had the last time, which was said.
    missed: BTreeSet<u16>,
}

// === impl Gateways ===

impl Gateways {
    /// None yet; they will listen on this address.
    pub(crate) fn new(address: IpAddr, inlets_tx: mpsc::Sender<Inlet>) -> Self {
        Self { address, inlets_tx, open: BTreeMap::new(), missed: BTreeSet::new() }
    }

    /// The ports that are open.
    pub(crate) fn ports(&self) -> Vec<u16> {
        self.open.keys().copied().collect()
    }

    /// Opens what the table's gateways have, and closes what they have no more. A port that
    /// cannot be had is said once, and tried again with each table; the others are served.
    pub(crate) fn serve(&mut self, table: &RoutingTable) {
        let wanted = table.gateway_ports();
        self.open.retain(|port, _| wanted.contains(port));
        self.missed.retain(|port| wanted.contains(port));
        for port in wanted {
            if self.open.contains_key(&port) {
                continue;
            }
            match self.listen(port) {
                Ok(()) => drop(self.missed.remove(&port)),
                Err(error) => {
                    if self.missed.insert(port) {
                        say(format_args!("warning: the gateways' port {port} is not served: {error:#}"));
                    }
                }
            }
        }
    }

    /// Serves what each new table has; tells which ports are open.
    ///
    /// table -- its revision --> here -- the ports that are open --> whoever shows them
    pub(crate) async fn follow(
        mut self,
        table: Arc<ArcSwap<RoutingTable>>,
        mut published_rx: watch::Receiver<u64>,
        ports_tx: watch::Sender<Vec<u16>>,
    ) {
        while published_rx.changed().await.is_ok() {
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
        let inlet = Inlet { listener, caller: None, destination, closed: closed.clone() };
        self.inlets_tx.try_send(inlet).context("too many listeners at once")?;
        self.open.insert(port, closed.drop_guard());
        Ok(())
    }
}
