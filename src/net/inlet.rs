//! A listener and what is known about whoever connects to it.
//!
//! A runtime opens inlets for the pods it runs, the entry listener is one with
//! no caller; the proxy takes them all and knows no runtime. Which endpoints a
//! destination has is the routing table's business.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// The workload on whose behalf every connection of an [`Inlet`] is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The namespace of the calling pod.
    pub namespace: Arc<str>,
    /// The workload (Deployment, Job, …) that owns the calling pod.
    pub workload: Arc<str>,
    /// The calling pod.
    pub pod: Arc<str>,
    /// The pod's labels, which rules may ask for.
    pub labels: Arc<BTreeMap<String, String>>,
    /// The sandbox that the calling pod is a member of, whose key its own calls carry.
    pub sandbox: Option<Arc<str>>,
}

/// Where connections of an [`Inlet`] want to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// The entry listener: the `Host` of each request names the Service.
    Entry,
    /// The way out of a network that has no other: requests name where they go, in absolute form or by
    /// CONNECT, be it a Service or a host outside.
    Egress,
    /// A port of gateways: the `Host` of each request names a host of theirs.
    Gateway {
        /// The port.
        port: u16,
    },
    /// One port of one Service.
    ServicePort {
        /// The Service's namespace.
        namespace: Arc<str>,
        /// The Service's name.
        service: Arc<str>,
        /// The Service's port number, which is not the listener's own.
        port: u16,
    },
}

/// Who connects to an [`Inlet`].
#[derive(Debug, Clone)]
pub enum Callers {
    /// Anybody may: the entry listener.
    Anybody,
    /// One pod, which alone has this listener.
    One(Caller),
    /// Pods that are known by their addresses; anybody else is unknown.
    ByAddress(Arc<CallersByAddress>),
}

/// The pods of a network by their addresses, as they come and go.
#[derive(Debug, Default)]
pub struct CallersByAddress {
    /// Held for a lookup or a change, never across an await.
    known: Mutex<HashMap<IpAddr, Arc<Caller>>>,
}

/// A bound listener together with its callers and its destination.
#[derive(Debug)]
pub struct Inlet {
    /// The bound socket.
    pub listener: std::net::TcpListener,
    /// Who connects.
    pub callers: Callers,
    /// Where its connections want to go.
    pub destination: Destination,
    /// Cancelled by the owner when the inlet is to go away: the listener is
    /// closed and its connections finish the requests they have begun.
    pub closed: CancellationToken,
}

/// A bound UDP socket together with its callers and its destination.
#[derive(Debug)]
pub struct DatagramInlet {
    /// The bound socket, from which answers go back.
    pub socket: std::net::UdpSocket,
    /// Who sends.
    pub callers: Callers,
    /// Where its datagrams want to go.
    pub destination: Destination,
    /// Cancelled by the owner when the inlet is to go away: the socket is closed, and what its
    /// clients have begun ends.
    pub closed: CancellationToken,
}

// === impl Callers ===

impl Callers {
    /// The caller of every connection, where that is one pod.
    #[must_use]
    pub fn one(&self) -> Option<&Caller> {
        match self {
            Self::One(caller) => Some(caller),
            Self::Anybody | Self::ByAddress(_) => None,
        }
    }
}

// === impl CallersByAddress ===

impl CallersByAddress {
    /// From now on this pod calls from this address.
    pub fn insert(&self, address: IpAddr, caller: Caller) {
        self.known().insert(address, Arc::new(caller));
    }

    /// Nobody calls from this address any more.
    pub fn remove(&self, address: IpAddr) {
        self.known().remove(&address);
    }

    /// Who calls from this address.
    pub fn at(&self, address: IpAddr) -> Option<Arc<Caller>> {
        self.known().get(&address).cloned()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<IpAddr, Arc<Caller>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
