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
    by_address: RwLock<HashMap<Ipv4Addr, Arc<dyn Way>>>,
}

// === impl Dial ===

impl Dial {
    /// Ways to addresses of this network, which is nobody else's from now on: an address without a way
    /// was a pod's, here or in an earlier life, and who has it outside is a stranger. Every other
    /// address costs a comparison.
    #[must_use]
    pub fn new((network, prefix_len): (Ipv4Addr, u8)) -> Self {
        let mask = u32::MAX.checked_shl(32_u32.saturating_sub(prefix_len.into())).unwrap_or(0);
        let ways = Ways { network: network.to_bits() & mask, mask, by_address: RwLock::default() };
        Self { ways: Some(Arc::new(ways)) }
    }

    /// From now on the address is reached by this way.
    ///
    /// An address outside the network is not: nobody asks for a way there.
    pub fn insert(&self, address: Ipv4Addr, way: Arc<dyn Way>) {
        if let Some(ways) = self.ways(address) {
            ways.by_address.write().unwrap_or_else(PoisonError::into_inner).insert(address, way);
        }
    }

    /// Nobody is at the address any more: connections are refused until there is another way.
    pub fn remove(&self, address: Ipv4Addr) {
        if let Some(ways) = self.ways(address) {
            ways.by_address.write().unwrap_or_else(PoisonError::into_inner).remove(&address);
        }
    }

    /// A connection to an address.
    ///
    /// # Errors
    /// As [`TcpStream::connect`]; [`ErrorKind::ConnectionRefused`] where nobody is in the network.
    pub async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let SocketAddr::V4(v4) = address else { return TcpStream::connect(address).await };
        let Some(ways) = self.ways(*v4.ip()) else { return TcpStream::connect(address).await };
        match ways.to(*v4.ip()) {
            Some(way) => way.dial(v4).await,
            None => Err(io::Error::new(ErrorKind::ConnectionRefused, "no pod has this address")),
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

    /// Where the address is one of the network.
    fn ways(&self, address: Ipv4Addr) -> Option<&Ways> {
        self.ways.as_deref().filter(|ways| address.to_bits() & ways.mask == ways.network)
    }
}

// === impl Ways ===

impl Ways {
    fn to(&self, address: Ipv4Addr) -> Option<Arc<dyn Way>> {
        self.by_address.read().unwrap_or_else(PoisonError::into_inner).get(&address).cloned()
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
    async fn an_address_is_reached_by_its_way_and_by_no_other() {
        let dial = Dial::new((Ipv4Addr::new(127, 211, 0, 0), 16));
        let (listener, address) = server().await;
        let pod = Ipv4Addr::new(127, 211, 7, 9);
        // Something is there outside, which is never meant.
        let outside = TcpListener::bind((pod, 0)).await.unwrap();
        let found = dial.connect(outside.local_addr().unwrap()).await.unwrap_err();
        assert_eq!(found.kind(), ErrorKind::ConnectionRefused);
        dial.insert(pod, Arc::new(To(address)));
        let mut stream = dial.connect_to("127.211.7.9", 80).await.unwrap();
        drop(listener.accept().await.unwrap());
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
        dial.remove(pod);
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
