//! How pods with addresses of their own reach Services: each Service has an address on the network of
//! their namespace, with its real ports, and a line in their hosts file.
//!
//! ```text
//!  watch Services ──┐
//!  pods join, leave ├─► sync of a network ─► ServiceNetwork::serve ─► Inlets ─► proxy
//!  listeners lost ──┘                      └► hosts files of its pods ◄── watch EndpointSlices
//! ```
//!
//! Which pods share a network, and so its listeners, is the runtime's to say: those of a namespace, where
//! who calls is known by the pod's address, or each has its own. What makes addresses and listeners is
//! the runtime's, too, what requests do on them the proxy's. Text of hosts files is `hosts`' business,
//! which pods have names of their own `members`'.

mod hosts;
mod members;
mod watched;

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Pod, Service, ServicePort};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use spur_compile::External;
use spur_net::{Caller, Callers, CallersByAddress, DatagramInlet, Destination, Inlet};
use spur_runtime::{
    Egress, NetworkError, PodId, Scope, ServedService, ServiceId, ServiceNetwork, ServiceSocket, Transport,
    WantedService,
};
use tokio::sync::{Mutex, mpsc, watch};
use tokio_util::sync::CancellationToken;

use self::members::Members;
use self::watched::{Watched, take_all};
use crate::transport::transport;

/// All networks of one runtime.
pub(crate) struct ServiceNetworks {
    runtime: Arc<dyn ServiceNetwork>,
    inlets_tx: mpsc::Sender<Inlet>,
    datagrams_tx: mpsc::Sender<DatagramInlet>,
    /// Where hosts files are: one for each pod, by its uid.
    dir: PathBuf,
    /// watch -- all Services and their pods, once they are listed --> whoever joins
    seen_tx: watch::Sender<Option<Seen>>,
    /// By what the runtime calls them.
    networks: std::sync::Mutex<HashMap<Arc<str>, Arc<Mutex<Network>>>>,
    stop: CancellationToken,
}

type Services = BTreeMap<ServiceId, Arc<Service>>;

/// What there is to be reached.
#[derive(Clone)]
struct Seen {
    services: Arc<Services>,
    members: Arc<Members>,
}

/// One network.
#[derive(Default)]
struct Network {
    callers: Arc<CallersByAddress>,
    pods: HashMap<PodId, Joined>,
    /// Whatever listens, until it is cancelled.
    open: HashMap<(ServiceId, u16, Transport), CancellationToken>,
    addresses: Arc<Addresses>,
    /// The way out, where there is no other, and what listens there.
    egress: Option<(SocketAddrV4, CancellationToken)>,
}

/// Where the pods of a network reach Services.
pub(crate) type Addresses = BTreeMap<ServiceId, Ipv4Addr>;

/// A pod on its network.
struct Joined {
    pod: Arc<Pod>,
    caller: Caller,
    address: Ipv4Addr,
    /// What its hosts file says.
    hosts: String,
}

/// What a pod gets that has joined.
#[derive(Clone, Debug)]
pub(crate) struct Ways {
    /// Its hosts file.
    pub(crate) hosts: PathBuf,
    /// Where it reaches Services.
    pub(crate) addresses: Arc<Addresses>,
    /// Where it asks for what is outside, which has no other way.
    pub(crate) egress: Option<SocketAddrV4>,
}

// === impl ServiceNetworks ===

impl ServiceNetworks {
    pub(crate) fn new(
        runtime: Arc<dyn ServiceNetwork>,
        (inlets_tx, datagrams_tx): (mpsc::Sender<Inlet>, mpsc::Sender<DatagramInlet>),
        dir: PathBuf,
        stop: CancellationToken,
    ) -> Self {
        let seen_tx = watch::Sender::new(None);
        Self { runtime, inlets_tx, datagrams_tx, dir, seen_tx, networks: Default::default(), stop }
    }

    /// Keeps all networks as Services have it, until stopped.
    pub(crate) async fn run(self: Arc<Self>, client: Client) {
        let api: Api<Service> = Api::all(client.clone());
        let mut changes = watcher(api, watcher::Config::default()).default_backoff().boxed();
        let api: Api<EndpointSlice> = Api::all(client);
        let mut slice_changes = watcher(api, watcher::Config::default()).default_backoff().boxed();
        let (mut services, mut slices) = (Watched::default(), Watched::default());
        let mut lost_rx = self.runtime.lost();
        loop {
            let changed = tokio::select! {
                () = self.stop.cancelled() => return,
                change = changes.next() => match change {
                    Some(change) => {
                        let is_changed = take_all(change, &mut changes, &mut services, (service_id, of_service));
                        is_changed.then_some(Changed::Services)
                    }
                    None => return,
                },
                change = slice_changes.next() => match change {
                    Some(change) => {
                        let is_changed =
                            take_all(change, &mut slice_changes, &mut slices, (slice_id, members::of));
                        is_changed.then_some(Changed::Members)
                    }
                    None => return,
                },
                _ = lost_rx.changed() => Some(Changed::Services),
            };
            let Some(changed) = changed else { continue };
            let (Some(services), Some(slices)) = (services.all(), slices.all()) else { continue };
            let services = services.iter().map(|(id, service)| (id.clone(), service.clone())).collect();
            let members = members::all(slices.values());
            self.seen_tx
                .send_replace(Some(Seen { services: Arc::new(services), members: Arc::new(members) }));
            self.sync_all(changed).await;
        }
    }

    /// From now on the pod calls from this address. Where it was before, its file is written anew.
    ///
    /// # Errors
    /// The runtime cannot give addresses, or the hosts file cannot be written.
    pub(crate) async fn join(
        &self,
        (id, pod): (&PodId, Arc<Pod>),
        caller: Caller,
        address: Ipv4Addr,
    ) -> Result<Ways, NetworkError> {
        let mut seen_rx = self.seen_tx.subscribe();
        let seen = seen_rx.wait_for(Option::is_some).await.ok().and_then(|seen| seen.clone());
        let Some(seen) = seen else {
            return Err(NetworkError {
                pod: id.to_string(),
                found: "everything is shutting down".to_owned(),
            });
        };
        let name = self.name_for(id);
        let network = self.of(name);
        let mut network = network.lock().await;
        network.callers.insert(address.into(), caller.clone());
        network.pods.insert(id.clone(), Joined { pod, caller, address, hosts: String::new() });
        self.sync(name, &mut network, &seen).await?;
        Ok(Ways {
            hosts: self.hosts_file(id),
            addresses: network.addresses.clone(),
            egress: network.egress.as_ref().map(|(address, _)| *address),
        })
    }

    /// The pod is gone.
    pub(crate) async fn leave(&self, id: &PodId) {
        let name = self.name_for(id);
        let network = self.of(name);
        let mut network = network.lock().await;
        let Some(joined) = network.pods.remove(id) else { return };
        // The address may be another pod's already.
        if !network.pods.values().any(|other| other.address == joined.address) {
            network.callers.remove(joined.address.into());
        }
        let _ = std::fs::remove_file(self.hosts_file(id));
        if network.pods.is_empty() {
            let egress = network.egress.take().map(|(_, closed)| closed);
            for closed in network.open.drain().map(|(_, closed)| closed).chain(egress) {
                closed.cancel();
            }
            network.addresses = Arc::default();
            self.runtime.leave(name).await;
            if self.runtime.scope() == Scope::Pod {
                self.networks().remove(name);
            }
        }
    }

    async fn sync_all(&self, changed: Changed) {
        let Some(seen) = self.seen_tx.borrow().clone() else { return };
        let all: Vec<_> =
            self.networks().iter().map(|(name, network)| (name.clone(), network.clone())).collect();
        for (name, network) in all {
            let mut network = network.lock().await;
            if network.pods.is_empty() {
                continue;
            }
            let synced = match changed {
                Changed::Services => self.sync(&name, &mut network, &seen).await,
                Changed::Members => self.write_hosts(&mut network, &seen),
            };
            if let Err(error) = synced {
                tracing::warn!(%error, "pods on network `{name}` do not reach all Services");
            }
        }
    }

    /// Makes the network as Services have it.
    async fn sync(&self, name: &str, network: &mut Network, seen: &Seen) -> Result<(), NetworkError> {
        let wanted: Vec<WantedService> =
            seen.services.iter().filter_map(|(id, service)| wanted(id, service)).collect();
        let served = self.runtime.serve(name, wanted.clone()).await?;
        self.open_egress(name, network).await?;
        let mut addresses = Addresses::new();
        for ServedService { id, address, opened, failed } in served {
            for (port, why) in failed {
                tracing::warn!(
                    "service `{}/{}` port {port} cannot be reached from network `{name}`: {why}",
                    id.namespace,
                    id.name
                );
            }
            for (port, socket) in opened {
                self.open(network, (&id, port), socket).await?;
            }
            addresses.insert(id, address);
        }
        let is_wanted = |key: &(ServiceId, u16, Transport)| {
            wanted.iter().any(|service| service.id == key.0 && service.ports.contains(&(key.1, key.2)))
        };
        network.open.retain(|key, closed| {
            let stays = is_wanted(key);
            if !stays {
                closed.cancel();
            }
            stays
        });
        network.addresses = Arc::new(addresses);
        self.write_hosts(network, seen)
    }

    fn write_hosts(&self, network: &mut Network, seen: &Seen) -> Result<(), NetworkError> {
        let addresses = network.addresses.clone();
        for (id, joined) in &mut network.pods {
            let text = hosts::text((&joined.pod, joined.address), seen, &addresses);
            if text != joined.hosts {
                let path = self.hosts_file(id);
                hosts::write(&path, &text).map_err(|error| NetworkError {
                    pod: id.to_string(),
                    found: format!("write `{}`: {error}", path.display()),
                })?;
                joined.hosts = text;
            }
        }
        Ok(())
    }

    /// Hands a listener to whoever carries its traffic.
    async fn open(
        &self,
        network: &mut Network,
        (id, port): (&ServiceId, u16),
        socket: ServiceSocket,
    ) -> Result<(), NetworkError> {
        let destination =
            Destination::ServicePort { namespace: id.namespace.clone(), service: id.name.clone(), port };
        let transport = match socket {
            ServiceSocket::Tcp(_) => Transport::Tcp,
            ServiceSocket::Udp(_) => Transport::Udp,
        };
        let closed = self.hand_over(network, destination, socket).await?;
        if let Some(before) = network.open.insert((id.clone(), port, transport), closed) {
            before.cancel();
        }
        Ok(())
    }

    /// Keeps the way out open, where the network needs one.
    async fn open_egress(&self, name: &str, network: &mut Network) -> Result<(), NetworkError> {
        let Some(Egress { address, opened }) = self.runtime.egress(name).await? else { return Ok(()) };
        let Some(listener) = opened else { return Ok(()) };
        let socket = ServiceSocket::Tcp(listener);
        let closed = self.hand_over(network, Destination::Egress, socket).await?;
        if let Some((_, before)) = network.egress.replace((address, closed)) {
            before.cancel();
        }
        Ok(())
    }

    /// Gives a socket to the proxy, until what comes back is cancelled.
    async fn hand_over(
        &self,
        network: &Network,
        destination: Destination,
        socket: ServiceSocket,
    ) -> Result<CancellationToken, NetworkError> {
        let closed = CancellationToken::new();
        let (callers, token) = (self.callers(network), closed.clone());
        let handed_over = async {
            match socket {
                ServiceSocket::Tcp(listener) => {
                    let inlet = Inlet { listener, callers, destination, closed: token };
                    self.inlets_tx.send(inlet).await.is_ok()
                }
                ServiceSocket::Udp(socket) => {
                    let inlet = DatagramInlet { socket, callers, destination, closed: token };
                    self.datagrams_tx.send(inlet).await.is_ok()
                }
            }
        };
        let is_handed_over = tokio::select! {
            is_handed_over = handed_over => is_handed_over,
            () = self.stop.cancelled() => false,
        };
        if is_handed_over {
            return Ok(closed);
        }
        let found = "the proxy takes no more listeners: everything is shutting down".to_owned();
        let pod = network.pods.keys().next().map_or_else(String::new, ToString::to_string);
        Err(NetworkError { pod, found })
    }

    /// Who connects to listeners of a network.
    fn callers(&self, network: &Network) -> Callers {
        let by_address = || Callers::ByAddress(network.callers.clone());
        match self.runtime.scope() {
            Scope::Namespace => by_address(),
            Scope::Pod => {
                let mut pods = network.pods.values();
                pods.next().map_or_else(by_address, |joined| Callers::One(joined.caller.clone()))
            }
        }
    }

    /// What the runtime calls a pod's network.
    fn name_for<'a>(&self, id: &'a PodId) -> &'a Arc<str> {
        match self.runtime.scope() {
            Scope::Namespace => &id.namespace,
            Scope::Pod => &id.uid,
        }
    }

    fn of(&self, name: &Arc<str>) -> Arc<Mutex<Network>> {
        self.networks().entry(name.clone()).or_default().clone()
    }

    fn networks(&self) -> std::sync::MutexGuard<'_, HashMap<Arc<str>, Arc<Mutex<Network>>>> {
        self.networks.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn hosts_file(&self, id: &PodId) -> PathBuf {
        self.dir.join(Path::new(&*id.uid))
    }
}

/// What is another than before.
#[derive(Clone, Copy)]
enum Changed {
    /// Services: listeners, too.
    Services,
    /// Their pods: only the names of these.
    Members,
}

fn service_id(service: &Service) -> ServiceId {
    ServiceId::new(&service.namespace().unwrap_or_default(), &service.name_any())
}

/// What of a Service matters here.
fn of_service(service: &Service) -> Arc<Service> {
    let mut read = Service { spec: service.spec.clone(), ..Service::default() };
    read.metadata.labels.clone_from(&service.metadata.labels);
    Arc::new(read)
}

fn slice_id(slice: &EndpointSlice) -> (String, String) {
    (slice.namespace().unwrap_or_default(), slice.name_any())
}

/// What is to be listened on for a Service; `None` where there is nothing.
fn wanted(id: &ServiceId, service: &Service) -> Option<WantedService> {
    // The name of another Service means that one's address.
    if let Some(External::Service { .. }) = External::of(service) {
        return None;
    }
    let port = |port: &ServicePort| Some((u16::try_from(port.port).ok()?, transport(port)?));
    let ports: Vec<_> = spur_compile::ports(service).iter().filter_map(port).collect();
    let spec = service.spec.as_ref()?;
    let cluster_address = spec.cluster_ip.as_deref().and_then(|address| address.parse().ok());
    (!ports.is_empty()).then(|| WantedService { id: id.clone(), ports, cluster_address })
}
