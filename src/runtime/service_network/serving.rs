//! What a holder serves: Services at addresses, each with its ports. Where addresses come from is the
//! caller's business.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddrV4};

use spur_holder::{CallError, Holder, Protocol};

use crate::causes::with_causes;

use super::{ServedService, ServiceId, ServiceSocket, Transport, WantedService};

/// Services that are reached through one holder.
#[derive(Debug, Default)]
pub(crate) struct Serving {
    addresses: BTreeMap<ServiceId, Ipv4Addr>,
    /// What was passed to the caller, by Service.
    open: BTreeMap<ServiceId, BTreeSet<(u16, Transport)>>,
}

// === impl Serving ===

impl Serving {
    /// Nothing was passed yet by the holder that is there now; addresses are kept.
    pub(crate) fn is_anew(&mut self) {
        self.open.clear();
    }

    /// A Service has this address already.
    pub(crate) fn knows(&mut self, id: ServiceId, address: Ipv4Addr) {
        self.addresses.insert(id, address);
    }

    /// Whether a Service has this address.
    pub(crate) fn has(&self, address: Ipv4Addr) -> bool {
        self.addresses.values().any(|other| *other == address)
    }

    /// Opens a Service's ports at an address that is its own, and closes those that are not wanted.
    ///
    /// # Errors
    /// The holder has gone. A port that it refuses is named in the answer.
    pub(crate) async fn serve(
        &mut self,
        holder: &Holder,
        WantedService { id, ports, .. }: WantedService,
        address: Ipv4Addr,
    ) -> Result<ServedService, String> {
        self.addresses.insert(id.clone(), address);
        let open = self.open.entry(id.clone()).or_default();
        let ports: BTreeSet<(u16, Transport)> = ports.into_iter().collect();
        for (port, transport) in open.difference(&ports).copied().collect::<Vec<_>>() {
            close(holder, (address, port, transport)).await?;
            open.remove(&(port, transport));
        }
        let mut served = ServedService { id: id.clone(), address, opened: Vec::new(), failed: Vec::new() };
        for (port, transport) in ports {
            if open.contains(&(port, transport)) {
                continue;
            }
            match listen(holder, &id, (address, port, transport)).await {
                Ok(socket) => {
                    open.insert((port, transport));
                    served.opened.push((port, socket));
                }
                Err(CallError::Refused(refusal)) => served.failed.push((port, refusal.to_string())),
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(served)
    }

    /// The address that a Service has.
    pub(crate) fn address(&self, id: &ServiceId) -> Option<Ipv4Addr> {
        self.addresses.get(id).copied()
    }

    /// Closes every Service that is not wanted, and gives the addresses that are free now.
    ///
    /// # Errors
    /// The holder has gone.
    pub(crate) async fn keep(
        &mut self,
        holder: &Holder,
        wanted: &BTreeSet<ServiceId>,
    ) -> Result<Vec<Ipv4Addr>, String> {
        let unwanted: Vec<ServiceId> =
            self.addresses.keys().filter(|id| !wanted.contains(*id)).cloned().collect();
        let mut free = Vec::with_capacity(unwanted.len());
        for id in unwanted {
            let Some(address) = self.addresses.remove(&id) else { continue };
            for (port, transport) in self.open.remove(&id).unwrap_or_default() {
                close(holder, (address, port, transport)).await?;
            }
            free.push(address);
        }
        Ok(free)
    }
}

/// Whose a listener is, by what it was tagged with.
pub(crate) fn service(tag: &str) -> Option<ServiceId> {
    let (namespace, name) = tag.split_once('/')?;
    Some(ServiceId::new(namespace, name))
}

async fn listen(
    holder: &Holder,
    id: &ServiceId,
    (address, port, transport): (Ipv4Addr, u16, Transport),
) -> Result<ServiceSocket, CallError> {
    let tag = format!("{}/{}", id.namespace, id.name);
    let at = SocketAddrV4::new(address, port);
    match transport {
        Transport::Tcp => holder.listen(&tag, at).await.map(ServiceSocket::Tcp),
        Transport::Udp => holder.listen_udp(&tag, at).await.map(ServiceSocket::Udp),
    }
}

async fn close(
    holder: &Holder,
    (address, port, transport): (Ipv4Addr, u16, Transport),
) -> Result<(), String> {
    let protocol = match transport {
        Transport::Tcp => Protocol::Tcp,
        Transport::Udp => Protocol::Udp,
    };
    let closed = holder.close(spur_holder::Place { address, port, protocol }).await;
    closed.map_err(|error| with_causes(&error))
}
