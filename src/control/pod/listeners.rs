//! The loopback listeners through which pods reach Services, handed to the
//! proxy as `Inlet`s. One for datagrams has the number of that for connections of the same Service
//! port, where it is free: resolvers ask the same port by both.
//!
//! A pod has listeners of its own, so that the one that accepts names the
//! caller. Beyond [`OWN_MAX`] baseline pods of a namespace share a set, whose
//! caller is not known; forks never share.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use spur_net::{BindError, Caller, Callers, DatagramInlet, Destination, Inlet};
use spur_runtime::Transport;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::links::Link;

/// Listeners that name their caller, all pods together: each is a descriptor and
/// an accept registration, and 65,536 descriptors is what a process is commonly
/// given at most (design, section 5: 4,096).
pub(super) const OWN_MAX: usize = 4096;

/// Opens listeners and counts them.
pub(super) struct Listeners {
    inlets_tx: mpsc::Sender<Inlet>,
    datagrams_tx: mpsc::Sender<DatagramInlet>,
    /// Ends the wait for a proxy that has stopped before it took a listener.
    stop: CancellationToken,
    own_max: usize,
    n_own: Arc<AtomicUsize>,
    /// Guards which shared listeners are open; held for a few lines.
    shared: Mutex<HashMap<Destined, Weak<Listener>>>,
}

/// Namespace, Service, port.
type Destined = (Arc<str>, Arc<str>, Port);

/// A port of a Service.
type Port = (u16, Transport);

/// An open listener; closed when the last who holds it lets go.
pub(super) struct Listener {
    port: u16,
    closed: CancellationToken,
    _counted: Option<Counted>,
}

/// A socket that nobody has been given yet.
struct Bound {
    socket: Socket,
    port: u16,
}

enum Socket {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

/// Counts one of a pod's own listeners as long as it lives.
struct Counted(Arc<AtomicUsize>);

/// The listeners of one pod, kept over restarts of its containers.
pub(super) struct PodListeners {
    caller: Caller,
    /// Decided once, with the first listeners: a pod is known everywhere or nowhere.
    is_sharing: Option<bool>,
    open: BTreeMap<(Arc<str>, Port), Arc<Listener>>,
}

/// Why a listener is not there.
#[derive(Debug, thiserror::Error)]
pub(super) enum ListenError {
    #[error("open a listener for service `{service}` port {port}")]
    Bind { service: String, port: u16, source: BindError },
    #[error("the proxy takes no more listeners: everything is shutting down")]
    Closed,
}

// === impl Listeners ===

impl Listeners {
    pub(super) fn new(
        inlets_tx: mpsc::Sender<Inlet>,
        datagrams_tx: mpsc::Sender<DatagramInlet>,
        stop: CancellationToken,
    ) -> Self {
        let (n_own, shared) = (Arc::default(), Mutex::default());
        Self { inlets_tx, datagrams_tx, stop, own_max: OWN_MAX, n_own, shared }
    }

    fn has_room_for(&self, n_listeners: usize) -> bool {
        self.n_own.load(Ordering::Relaxed) + n_listeners <= self.own_max
    }

    async fn open_own(
        &self,
        caller: &Caller,
        (service, port): (&Arc<str>, Port),
        near: Option<u16>,
    ) -> Result<Arc<Listener>, ListenError> {
        let counted = Counted::new(&self.n_own);
        let to = (&caller.namespace, service, port);
        let bound = Bound::new((service, port), near)?;
        Ok(Arc::new(self.open(to, bound, (Some(caller.clone()), Some(counted))).await?))
    }

    /// Opened twice at the same moment there are two, of which the later one is shared on.
    async fn open_shared(
        &self,
        namespace: &Arc<str>,
        (service, port): (&Arc<str>, Port),
        near: Option<u16>,
    ) -> Result<Arc<Listener>, ListenError> {
        let key = (namespace.clone(), service.clone(), port);
        if let Some(open) = self.shared().get(&key).and_then(Weak::upgrade) {
            return Ok(open);
        }
        let bound = Bound::new((service, port), near)?;
        let listener = Arc::new(self.open((namespace, service, port), bound, (None, None)).await?);
        let mut shared = self.shared();
        shared.retain(|_, listener| listener.strong_count() > 0);
        shared.insert(key, Arc::downgrade(&listener));
        Ok(listener)
    }

    /// Hands over to the proxy. The kernel queues connections and datagrams from the bind on,
    /// so a process may use the port before the proxy has taken the listener.
    async fn open(
        &self,
        (namespace, service, (port, _)): (&Arc<str>, &Arc<str>, Port),
        bound: Bound,
        (caller, counted): (Option<Caller>, Option<Counted>),
    ) -> Result<Listener, ListenError> {
        let closed = CancellationToken::new();
        let destination =
            Destination::ServicePort { namespace: namespace.clone(), service: service.clone(), port };
        let (callers, token) = (caller.map_or(Callers::Anybody, Callers::One), closed.clone());
        let at = bound.port;
        let handed_over = async {
            match bound.socket {
                Socket::Tcp(listener) => {
                    let inlet = Inlet { listener, callers, destination, closed: token };
                    self.inlets_tx.send(inlet).await.map_err(|_| ListenError::Closed)
                }
                Socket::Udp(socket) => {
                    let inlet = DatagramInlet { socket, callers, destination, closed: token };
                    self.datagrams_tx.send(inlet).await.map_err(|_| ListenError::Closed)
                }
            }
        };
        tokio::select! {
            sent = handed_over => sent?,
            () = self.stop.cancelled() => return Err(ListenError::Closed),
        }
        Ok(Listener { port: at, closed, _counted: counted })
    }

    fn shared(&self) -> MutexGuard<'_, HashMap<Destined, Weak<Listener>>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Bound ===

impl Bound {
    /// `near` is the number that is wanted, where it is free.
    fn new((service, (port, transport)): (&Arc<str>, Port), near: Option<u16>) -> Result<Self, ListenError> {
        let fail = |source| ListenError::Bind { service: service.to_string(), port, source };
        let at = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let (socket, address) = match transport {
            Transport::Tcp => {
                let listener = spur_net::bind_loopback().map_err(fail)?;
                let address = listener.local_addr();
                (Socket::Tcp(listener), address)
            }
            Transport::Udp => {
                let beside = near.and_then(|near| spur_net::bind_datagram(at(near)).ok());
                let socket = beside.map_or_else(|| spur_net::bind_datagram(at(0)), Ok).map_err(fail)?;
                let address = socket.local_addr();
                (Socket::Udp(socket), address)
            }
        };
        let address = address.map_err(|source| fail(BindError::Refused { address: at(0), source }))?;
        Ok(Self { socket, port: address.port() })
    }
}

// === impl Listener ===

impl Drop for Listener {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}

// === impl Counted ===

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl PodListeners ===

impl PodListeners {
    pub(super) fn new(caller: Caller) -> Self {
        Self { caller, is_sharing: None, open: BTreeMap::new() }
    }

    /// Opens what is missing of `links`. What is open stays, also for Services that are
    /// gone: the addresses in a running process must not become somebody else's.
    ///
    /// # Errors
    /// The system has no port or descriptor left, or the proxy is gone. What was opened stays.
    pub(super) async fn open(&mut self, listeners: &Listeners, links: &[Link]) -> Result<(), ListenError> {
        let ports = links.iter().flat_map(|link| link.ports.iter().map(move |port| (link, port)));
        let wanted = ports.map(|(link, port)| (link.service.clone(), (port.number, port.transport)));
        let mut missing: Vec<_> = wanted.filter(|key| !self.open.contains_key(key)).collect();
        // Those of TCP first, as `Transport` has it: one of UDP wants the number of its twin.
        missing.sort_by_key(|(_, (_, transport))| *transport);
        let is_sharing = self.is_sharing(listeners, missing.len());
        for (service, port) in missing {
            let near = self.port(&service, (port.0, Transport::Tcp));
            let listener = if is_sharing {
                listeners.open_shared(&self.caller.namespace, (&service, port), near).await?
            } else {
                listeners.open_own(&self.caller, (&service, port), near).await?
            };
            self.open.insert((service, port), listener);
        }
        Ok(())
    }

    /// The listener's port for one port of one Service.
    pub(super) fn port(&self, service: &str, port: Port) -> Option<u16> {
        self.open.get(&(Arc::from(service), port)).map(|listener| listener.port)
    }

    fn is_sharing(&mut self, listeners: &Listeners, n_missing: usize) -> bool {
        let is_fork = self.caller.sandbox.is_some();
        *self.is_sharing.get_or_insert_with(|| {
            let is_sharing = !is_fork && !listeners.has_room_for(n_missing);
            if is_sharing {
                let (namespace, pod) = (&self.caller.namespace, &self.caller.pod);
                tracing::warn!(
                    pod.name = %pod, listeners.max = listeners.own_max,
                    "pod `{namespace}/{pod}` shares its namespace's listeners: its calls show an unknown source",
                );
            }
            is_sharing
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::links::LinkPort;
    use super::*;

    fn caller(pod: &str, sandbox: Option<&str>) -> Caller {
        let sandbox = sandbox.map(Arc::from);
        let labels = Arc::default();
        Caller { namespace: "shop".into(), workload: "cart".into(), pod: pod.into(), labels, sandbox }
    }

    fn links() -> Vec<Link> {
        let port = |number, transport| LinkPort { number, transport, name: None };
        let link = |service: &str, number| Link {
            service: service.into(),
            ports: vec![port(number, Transport::Tcp)],
        };
        vec![link("cart", 80), link("pay", 81)]
    }

    /// No datagrams are expected.
    fn listeners(inlets_tx: mpsc::Sender<Inlet>) -> Listeners {
        Listeners::new(inlets_tx, mpsc::channel(1).0, CancellationToken::new())
    }

    fn tcp(number: u16) -> Port {
        (number, Transport::Tcp)
    }

    #[tokio::test]
    async fn a_port_of_udp_is_a_socket_beside_that_of_tcp() {
        let (inlets_tx, _inlets_rx) = mpsc::channel(16);
        let (datagrams_tx, mut datagrams_rx) = mpsc::channel(16);
        let listeners = Listeners::new(inlets_tx, datagrams_tx, CancellationToken::new());
        let mut pod = PodListeners::new(caller("a", None));
        let ports =
            [Transport::Udp, Transport::Tcp].map(|transport| LinkPort { number: 53, transport, name: None });
        let links = [Link { service: "dns".into(), ports: ports.to_vec() }];
        pod.open(&listeners, &links).await.unwrap();
        let inlet = datagrams_rx.recv().await.unwrap();
        assert_eq!(inlet.callers.one(), Some(&caller("a", None)));
        let port = inlet.socket.local_addr().unwrap().port();
        assert_eq!(pod.port("dns", (53, Transport::Udp)), Some(port));
        // Unless somebody has just that number, which happens once in some thousand times.
        assert_eq!(pod.port("dns", tcp(53)), Some(port));
        drop(pod);
        assert!(inlet.closed.is_cancelled(), "the pod's end closes it");
    }

    #[tokio::test]
    async fn a_pod_has_listeners_of_its_own_that_name_it() {
        let (inlets_tx, mut inlets_rx) = mpsc::channel(16);
        let listeners = listeners(inlets_tx);
        let mut pod = PodListeners::new(caller("a", None));
        pod.open(&listeners, &links()).await.unwrap();
        let inlet = inlets_rx.recv().await.unwrap();
        assert_eq!(inlet.callers.one(), Some(&caller("a", None)));
        let to = Destination::ServicePort { namespace: "shop".into(), service: "cart".into(), port: 80 };
        assert_eq!(inlet.destination, to);
        assert_eq!(pod.port("cart", tcp(80)), Some(inlet.listener.local_addr().unwrap().port()));
        assert_eq!(pod.port("cart", tcp(81)), None);
        drop(pod);
        assert!(inlet.closed.is_cancelled(), "the pod's end closes them");
        assert_eq!(listeners.n_own.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn what_is_open_stays_when_more_is_asked_for() {
        let (inlets_tx, mut inlets_rx) = mpsc::channel(16);
        let listeners = listeners(inlets_tx);
        let mut pod = PodListeners::new(caller("a", None));
        pod.open(&listeners, &links()[..1]).await.unwrap();
        let before = pod.port("cart", tcp(80));
        pod.open(&listeners, &links()).await.unwrap();
        assert_eq!(pod.port("cart", tcp(80)), before);
        assert!(pod.port("pay", tcp(81)).is_some());
        assert!(inlets_rx.recv().await.is_some() && inlets_rx.recv().await.is_some());
        assert!(inlets_rx.try_recv().is_err(), "nothing is opened twice");
    }

    #[tokio::test]
    async fn above_the_bound_baseline_pods_share_and_forks_do_not() {
        let (inlets_tx, mut inlets_rx) = mpsc::channel(16);
        let listeners = Listeners { own_max: 3, ..listeners(inlets_tx) };
        let mut pods = Vec::new();
        for (pod, sandbox) in [("a", None), ("b", None), ("c", None), ("d", Some("try"))] {
            let mut pod = PodListeners::new(caller(pod, sandbox));
            pod.open(&listeners, &links()).await.unwrap();
            pods.push(pod);
        }
        assert_ne!(pods[0].port("cart", tcp(80)), pods[1].port("cart", tcp(80)));
        assert_eq!(pods[1].port("cart", tcp(80)), pods[2].port("cart", tcp(80)), "b and c share");
        assert_ne!(pods[3].port("cart", tcp(80)), pods[2].port("cart", tcp(80)));
        let mut callers = Vec::new();
        while let Ok(inlet) = inlets_rx.try_recv() {
            callers.push(inlet.callers.one().map(|caller| caller.pod.to_string()));
        }
        let wanted = [Some("a"), Some("a"), None, None, Some("d"), Some("d")];
        assert_eq!(callers, wanted.map(|pod| pod.map(str::to_owned)));
    }

    #[tokio::test]
    async fn a_proxy_that_is_gone_is_an_error() {
        let (inlets_tx, inlets_rx) = mpsc::channel(1);
        drop(inlets_rx);
        let got = PodListeners::new(caller("a", None)).open(&listeners(inlets_tx), &links()).await;
        assert!(matches!(got, Err(ListenError::Closed)), "got {got:?}");
    }

    #[tokio::test]
    async fn a_proxy_that_takes_nothing_holds_no_shutdown() {
        let (inlets_tx, _inlets_rx) = mpsc::channel(1);
        let stop = CancellationToken::new();
        let listeners = Listeners { stop: stop.clone(), ..listeners(inlets_tx) };
        let mut pod = PodListeners::new(caller("a", None));
        let links = links();
        let mut opening = std::pin::pin!(pod.open(&listeners, &links));
        assert!(futures::poll!(&mut opening).is_pending(), "the queue holds one of two");
        stop.cancel();
        let got = opening.await;
        assert!(matches!(got, Err(ListenError::Closed)), "got {got:?}");
    }
}
