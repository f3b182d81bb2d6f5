//! Connections to addresses that this machine's own network does not lead to: those of pods that live
//! in networks of their own.
//!
//! Whoever has such a network registers a [`Way`] for each address in it; whoever connects to a pod
//! asks [`Dial`] in the place of the system. What an address means is left to both.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, PoisonError, RwLock};

use futures::future::BoxFuture;
use tokio::net::TcpStream;

/// How one address is reached.
pub trait Way: fmt::Debug + Send + Sync + 'static {
    /// A connection that belongs to the runtime of whoever asks. It may take as long as the system
    /// lets it: who wants it sooner gives up.
    fn dial(&self, address: SocketAddrV4) -> BoxFuture<'_, io::Result<TcpStream>>;
}

/// Connects by the ways that there are, else as the system does. Cheap to clone; the default knows no
/// ways.
#[derive(Clone, Debug, Default)]
pub struct Dial {
    ways: Option<Arc<Ways>>,
}

#[derive(Debug)]
struct Ways {
    network: u32,
    mask: u32,
    /// Held for a lookup or a change, never across an await. At most as many as the network has.
    leads: RwLock<HashMap<Ipv4Addr, Lead>>,
}

#[derive(Clone, Debug)]
enum Lead {
    To(Arc<dyn Way>),
    /// There was a way: what is at this address outside is somebody else.
    Nowhere,
}

// === impl Dial ===

impl Dial {
    /// Ways to addresses of this network; every other costs a comparison.
    #[must_use]
    pub fn new((network, prefix_len): (Ipv4Addr, u8)) -> Self {
        let mask = u32::MAX.checked_shl(32_u32.saturating_sub(prefix_len.into())).unwrap_or(0);
        let ways = Ways { network: network.to_bits() & mask, mask, leads: RwLock::default() };
        Self { ways: Some(Arc::new(ways)) }
    }

    /// From now on the address is reached by this way.
    ///
    /// An address outside the network is not: nobody asks for a way there.
    pub fn insert(&self, address: Ipv4Addr, way: Arc<dyn Way>) {
        self.lead(address, Lead::To(way));
    }

    /// Nobody is at the address any more: connections are refused until there is another way.
    pub fn remove(&self, address: Ipv4Addr) {
        self.lead(address, Lead::Nowhere);
    }

    /// A connection to an address.
    ///
    /// # Errors
    /// As [`TcpStream::connect`]; [`ErrorKind::ConnectionRefused`] where the one who was there has gone.
    pub async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let SocketAddr::V4(v4) = address else { return TcpStream::connect(address).await };
        match self.at(*v4.ip()) {
            None => TcpStream::connect(address).await,
            Some(Lead::To(way)) => way.dial(v4).await,
            Some(Lead::Nowhere) => {
                Err(io::Error::new(ErrorKind::ConnectionRefused, "nobody is at this address any more"))
            }
        }
    }

    /// The same for a name or an address, as text.
    ///
    /// # Errors
    /// As [`Dial::connect`], or the name is not known.
    pub async fn connect_to(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        match host.parse() {
            Ok(address) => self.connect(SocketAddr::new(address, port)).await,
            Err(_) => TcpStream::connect((host, port)).await,
        }
    }

    fn at(&self, address: Ipv4Addr) -> Option<Lead> {
        let ways = self.ways.as_ref().filter(|ways| ways.has(address))?;
        ways.leads.read().unwrap_or_else(PoisonError::into_inner).get(&address).cloned()
    }

    fn lead(&self, address: Ipv4Addr, lead: Lead) {
        if let Some(ways) = self.ways.as_ref().filter(|ways| ways.has(address)) {
            ways.leads.write().unwrap_or_else(PoisonError::into_inner).insert(address, lead);
        }
    }
}

// === impl Ways ===

impl Ways {
    fn has(&self, address: Ipv4Addr) -> bool {
        address.to_bits() & self.mask == self.network
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    /// Leads to a listener of this machine.
    #[derive(Debug)]
    struct To(SocketAddr);

    impl Way for To {
        fn dial(&self, _: SocketAddrV4) -> BoxFuture<'_, io::Result<TcpStream>> {
            Box::pin(TcpStream::connect(self.0))
        }
    }

    async fn server() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    #[tokio::test]
    async fn an_address_is_reached_by_its_way_until_that_is_gone() {
        let dial = Dial::new((Ipv4Addr::new(127, 211, 0, 0), 16));
        let (listener, address) = server().await;
        let pod = Ipv4Addr::new(127, 211, 7, 9);
        dial.insert(pod, Arc::new(To(address)));
        let mut stream = dial.connect_to("127.211.7.9", 80).await.unwrap();
        drop(listener.accept().await.unwrap());
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
        dial.remove(pod);
        // Something is there outside, which is not meant.
        let outside = TcpListener::bind((pod, 0)).await.unwrap();
        let found = dial.connect(outside.local_addr().unwrap()).await.unwrap_err();
        assert_eq!(found.kind(), ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn other_addresses_are_the_systems() {
        let (listener, address) = server().await;
        let elsewhere = Arc::new(To("127.0.0.1:1".parse().unwrap()));
        let with_way = Dial::new((Ipv4Addr::new(127, 211, 0, 0), 16));
        // It is not of the network.
        with_way.insert(Ipv4Addr::LOCALHOST, elsewhere);
        for dial in [Dial::default(), with_way] {
            let connected = dial.connect(address).await.unwrap();
            drop(listener.accept().await.unwrap());
            assert_eq!(connected.peer_addr().unwrap(), address);
            assert!(dial.connect_to("localhost", address.port()).await.is_ok());
            drop(listener.accept().await.unwrap());
        }
    }
}
