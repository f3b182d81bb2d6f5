//! The loopback listeners through which pods reach Services, handed to the
//! proxy as `Inlet`s.
//!
//! A pod has listeners of its own, so that the one that accepts names the
//! caller. Beyond [`OWN_MAX`] baseline pods of a namespace share a set, whose
//! caller is not known; forks never share.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use spur_net::{BindError, Caller, Callers, Destination, Inlet};
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
    /// Ends the wait for a proxy that has stopped before it took a listener.
    stop: CancellationToken,
    own_max: usize,
    n_own: Arc<AtomicUsize>,
    /// Guards which shared listeners are open; held for a few lines.
    shared: Mutex<HashMap<Destined, Weak<Listener>>>,
}

/// Namespace, Service, port.
type Destined = (Arc<str>, Arc<str>, u16);

/// An open listener; closed when the last who holds it lets go.
pub(super) struct Listener {
    port: u16,
    closed: CancellationToken,
    _counted: Option<Counted>,
}

/// Counts one of a pod's own listeners as long as it lives.
struct Counted(Arc<AtomicUsize>);

/// The listeners of one pod, kept over restarts of its containers.
pub(super) struct PodListeners {
    caller: Caller,
    /// Decided once, with the first listeners: a pod is known everywhere or nowhere.
    is_sharing: Option<bool>,
    open: BTreeMap<(Arc<str>, u16), Arc<Listener>>,
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
    pub(super) fn new(inlets_tx: mpsc::Sender<Inlet>, stop: CancellationToken) -> Self {
        Self { inlets_tx, stop, own_max: OWN_MAX, n_own: Arc::default(), shared: Mutex::default() }
    }

    fn has_room_for(&self, n_listeners: usize) -> bool {
        self.n_own.load(Ordering::Relaxed) + n_listeners <= self.own_max
    }

    async fn open_own(
        &self,
        caller: &Caller,
        service: &Arc<str>,
        port: u16,
    ) -> Result<Arc<Listener>, ListenError> {
        let counted = Counted::new(&self.n_own);
        let to = (&caller.namespace, service, port);
        Ok(Arc::new(self.open(to, Some(caller.clone()), Some(counted)).await?))
    }

    /// Opened twice at the same moment there are two, of which the later one is shared on.
    async fn open_shared(
        &self,
        namespace: &Arc<str>,
        service: &Arc<str>,
        port: u16,
    ) -> Result<Arc<Listener>, ListenError> {
        let key = (namespace.clone(), service.clone(), port);
        if let Some(open) = self.shared().get(&key).and_then(Weak::upgrade) {
            return Ok(open);
        }
        let listener = Arc::new(self.open((namespace, service, port), None, None).await?);
        let mut shared = self.shared();
        shared.retain(|_, listener| listener.strong_count() > 0);
        shared.insert(key, Arc::downgrade(&listener));
        Ok(listener)
    }

    /// Binds and hands over to the proxy. The kernel queues connections from the bind on,
    /// so a process may use the port before the proxy has taken the listener.
    async fn open(
        &self,
        (namespace, service, port): (&Arc<str>, &Arc<str>, u16),
        caller: Option<Caller>,
        counted: Option<Counted>,
    ) -> Result<Listener, ListenError> {
        let fail = |source| ListenError::Bind { service: service.to_string(), port, source };
        let socket = spur_net::bind_loopback().map_err(fail)?;
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let address =
            socket.local_addr().map_err(|source| fail(BindError::Refused { address: any, source }))?;
        let closed = CancellationToken::new();
        let destination =
            Destination::ServicePort { namespace: namespace.clone(), service: service.clone(), port };
        let callers = caller.map_or(Callers::Anybody, Callers::One);
        let inlet = Inlet { listener: socket, callers, destination, closed: closed.clone() };
        tokio::select! {
            sent = self.inlets_tx.send(inlet) => sent.map_err(|_| ListenError::Closed)?,
            () = self.stop.cancelled() => return Err(ListenError::Closed),
        }
        Ok(Listener { port: address.port(), closed, _counted: counted })
    }

    fn shared(&self) -> MutexGuard<'_, HashMap<Destined, Weak<Listener>>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
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
        let wanted =
            links.iter().flat_map(|link| link.ports.iter().map(|(port, _)| (link.service.clone(), *port)));
        let missing: Vec<_> = wanted.filter(|key| !self.open.contains_key(key)).collect();
        let is_sharing = self.is_sharing(listeners, missing.len());
        for (service, port) in missing {
            let listener = if is_sharing {
                listeners.open_shared(&self.caller.namespace, &service, port).await?
            } else {
                listeners.open_own(&self.caller, &service, port).await?
            };
            self.open.insert((service, port), listener);
        }
        Ok(())
    }

    /// The listener's port for one port of one Service.
    pub(super) fn port(&self, service: &str, port: u16) -> Option<u16> {
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
    use super::*;

    fn caller(pod: &str, sandbox: Option<&str>) -> Caller {
        let sandbox = sandbox.map(Arc::from);
        let labels = Arc::default();
        Caller { namespace: "shop".into(), workload: "cart".into(), pod: pod.into(), labels, sandbox }
    }

    fn links() -> Vec<Link> {
        let link = |service: &str, port| Link { service: service.into(), ports: vec![(port, None)] };
        vec![link("cart", 80), link("pay", 81)]
    }

    fn listeners(inlets_tx: mpsc::Sender<Inlet>) -> Listeners {
        Listeners::new(inlets_tx, CancellationToken::new())
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
        assert_eq!(pod.port("cart", 80), Some(inlet.listener.local_addr().unwrap().port()));
        assert_eq!(pod.port("cart", 81), None);
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
        let before = pod.port("cart", 80);
        pod.open(&listeners, &links()).await.unwrap();
        assert_eq!(pod.port("cart", 80), before);
        assert!(pod.port("pay", 81).is_some());
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
        assert_ne!(pods[0].port("cart", 80), pods[1].port("cart", 80));
        assert_eq!(pods[1].port("cart", 80), pods[2].port("cart", 80), "b and c share");
        assert_ne!(pods[3].port("cart", 80), pods[2].port("cart", 80));
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
