//! `trait ServiceNetwork`: addresses at which pods with addresses of their own reach Services.
//! Which Services there are, and what happens on their listeners, is the caller's.

pub(crate) mod serving;

use std::future::ready;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;

use crate::interface::NetworkError;

/// Gives Services addresses on networks of pods.
pub trait ServiceNetwork: Send + Sync + 'static {
    /// Which pods share a network, and what it is called.
    fn scope(&self) -> Scope;

    /// From now on pods of `network` reach exactly these Services, each at an address of its own
    /// that it keeps. What was open and is wanted stays open; what is not wanted any more is closed.
    fn serve<'a>(
        &'a self,
        network: &'a str,
        wanted: Vec<WantedService>,
    ) -> BoxFuture<'a, Result<Vec<ServedService>, NetworkError>>;

    /// The way out of a network whose pods have no other; asked after each [`ServiceNetwork::serve`].
    fn egress<'a>(&'a self, _network: &'a str) -> BoxFuture<'a, Result<Option<Egress>, NetworkError>> {
        ready(Ok(None)).boxed()
    }

    /// No pod needs Services on this network any more.
    fn leave<'a>(&'a self, network: &'a str) -> BoxFuture<'a, ()>;

    /// Changes when listeners were lost: whoever serves does it again.
    fn lost(&self) -> watch::Receiver<u64>;
}

/// Which pods share a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of a namespace, by whose name it is called.
    Namespace,
    /// Each has its own, which is called by the pod's uid.
    Pod,
}

/// A Service by its namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId {
    /// Its namespace, which need not be that of the pods that call it.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

/// How a port is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A Service that is to be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedService {
    /// Which.
    pub id: ServiceId,
    /// At these ports.
    pub ports: Vec<(u16, Transport)>,
    /// The address that it is known by (`clusterIP`), for networks on which that can be had.
    pub cluster_address: Option<Ipv4Addr>,
}

/// A Service that can be reached.
#[derive(Debug)]
pub struct ServedService {
    /// Which.
    pub id: ServiceId,
    /// Where.
    pub address: Ipv4Addr,
    /// The listeners that were opened just now, which take the places of earlier ones.
    pub opened: Vec<(u16, ServiceSocket)>,
    /// The ports that could not be opened, with the reason.
    pub failed: Vec<(u16, String)>,
}

/// A way out of a network.
#[derive(Debug)]
pub struct Egress {
    /// Where pods ask for what is outside.
    pub address: SocketAddrV4,
    /// The listener, where it was opened just now, which takes the place of an earlier one.
    pub opened: Option<TcpListener>,
}

/// A listener of a Service's port.
#[derive(Debug)]
pub enum ServiceSocket {
    /// Connections are accepted on it.
    Tcp(TcpListener),
    /// Datagrams come to it.
    Udp(UdpSocket),
}

// === impl ServiceId ===

impl ServiceId {
    /// Names a Service.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}
