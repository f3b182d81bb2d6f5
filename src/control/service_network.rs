//! How pods with addresses of their own reach Services: each Service has an address on the network of
//! their namespace, with its real ports, and a line in their hosts file.
//!
//! ```text
//!  watch Services ─┐
//!  pods join, leave ├─► sync of a network ─► ServiceNetwork::serve ─► Inlets ─► proxy
//!  listeners lost ─┘                       └► hosts files of its pods
//! ```
//!
//! Which pods share a network, and so its listeners, is the runtime's to say: those of a namespace, where
//! who calls is known by the pod's address, or each has its own. What makes addresses and listeners is the
//! runtime's, too, what requests do on them the proxy's. Text of hosts files
//! is `hosts`' business.

mod hosts;

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use spur_net::{Caller, Callers, CallersByAddress, Destination, Inlet};
use spur_runtime::{
    NetworkError, PodId, Scope, ServedService, ServiceId, ServiceNetwork, ServiceSocket, Transport,
    WantedService,
};
use tokio::sync::{Mutex, mpsc, watch};
use tokio_util::sync::CancellationToken;

/// All networks of one runtime.
pub(crate) struct ServiceNetworks {
    runtime: Arc<dyn ServiceNetwork>,
    inlets_tx: mpsc::Sender<Inlet>,
    /// Where hosts files are: one for each pod, by its uid.
    dir: PathBuf,
    /// watch -- all Services, once they are listed --> whoever joins
    services_tx: watch::Sender<Option<Arc<Services>>>,
    /// By what the runtime calls them.
    networks: std::sync::Mutex<HashMap<Arc<str>, Arc<Mutex<Network>>>>,
    stop: CancellationToken,
}

type Services = BTreeMap<ServiceId, Arc<Service>>;

/// One network.
#[derive(Default)]
struct Network {
    callers: Arc<CallersByAddress>,
    pods: HashMap<PodId, Joined>,
    /// Whatever listens, until it is cancelled.
    open: HashMap<(ServiceId, u16, Transport), CancellationToken>,
    addresses: Arc<Addresses>,
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
}

// === impl ServiceNetworks ===

impl ServiceNetworks {
    pub(crate) fn new(
        runtime: Arc<dyn ServiceNetwork>,
        inlets_tx: mpsc::Sender<Inlet>,
        dir: PathBuf,
        stop: CancellationToken,
    ) -> Self {
        let services_tx = watch::Sender::new(None);
        Self { runtime, inlets_tx, dir, services_tx, networks: Default::default(), stop }
    }

    /// Keeps all networks as Services have it, until stopped.
    pub(crate) async fn run(self: Arc<Self>, client: Client) {
        let api: Api<Service> = Api::all(client);
        let mut changes = watcher(api, watcher::Config::default()).default_backoff().boxed();
        let (mut listed, mut services) = (Services::new(), Services::new());
        let mut lost_rx = self.runtime.lost();
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                change = changes.next() => match change {
                    Some(Ok(event)) => {
                        let mut is_changed = apply(event, &mut listed, &mut services);
                        // Whatever else has arrived is one change with it.
                        while let Some(Some(Ok(event))) = futures::FutureExt::now_or_never(changes.next()) {
                            is_changed |= apply(event, &mut listed, &mut services);
                        }
                        if !is_changed {
                            continue;
                        }
                        self.services_tx.send_replace(Some(Arc::new(services.clone())));
                    }
                    Some(Err(error)) => {
                        tracing::warn!(%error, "failed to watch services");
                        continue;
                    }
                    None => return,
                },
                _ = lost_rx.changed() => {}
            }
            self.sync_all().await;
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
        let mut services_rx = self.services_tx.subscribe();
        let services = services_rx.wait_for(Option::is_some).await.ok().and_then(|services| services.clone());
        let Some(services) = services else {
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
        self.sync(name, &mut network, &services).await?;
        Ok(Ways { hosts: self.hosts_file(id), addresses: network.addresses.clone() })
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
            for (_, closed) in network.open.drain() {
                closed.cancel();
            }
            network.addresses = Arc::default();
            self.runtime.leave(name).await;
            if self.runtime.scope() == Scope::Pod {
                self.networks().remove(name);
            }
        }
    }

    async fn sync_all(&self) {
        let Some(services) = self.services_tx.borrow().clone() else { return };
        let all: Vec<_> =
            self.networks().iter().map(|(name, network)| (name.clone(), network.clone())).collect();
        for (name, network) in all {
            let mut network = network.lock().await;
            if network.pods.is_empty() {
                continue;
            }
            if let Err(error) = self.sync(&name, &mut network, &services).await {
                tracing::warn!(%error, "pods on network `{name}` do not reach all Services");
            }
        }
    }

    /// Makes the network as Services have it.
    async fn sync(&self, name: &str, network: &mut Network, services: &Services) -> Result<(), NetworkError> {
        let wanted: Vec<WantedService> =
            services.iter().filter_map(|(id, service)| wanted(id, service)).collect();
        let served = self.runtime.serve(name, wanted.clone()).await?;
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
        let addresses = network.addresses.clone();
        for (id, joined) in &mut network.pods {
            let text = hosts::text((&joined.pod, joined.address), services, &addresses);
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
        let closed = CancellationToken::new();
        let transport = match socket {
            ServiceSocket::Tcp(listener) => {
                let inlet = Inlet {
                    listener,
                    callers: self.callers(network),
                    destination: Destination::ServicePort {
                        namespace: id.namespace.clone(),
                        service: id.name.clone(),
                        port,
                    },
                    closed: closed.clone(),
                };
                let sent = tokio::select! {
                    sent = self.inlets_tx.send(inlet) => sent.is_ok(),
                    () = self.stop.cancelled() => false,
                };
                if !sent {
                    let found = "the proxy takes no more listeners: everything is shutting down".to_owned();
                    return Err(NetworkError { pod: format!("{}/*", id.namespace), found });
                }
                Transport::Tcp
            }
            // Nobody carries datagrams yet, and none are asked for.
            ServiceSocket::Udp(_) => Transport::Udp,
        };
        if let Some(before) = network.open.insert((id.clone(), port, transport), closed) {
            before.cancel();
        }
        Ok(())
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

/// Whether anything is another than before.
fn apply(event: watcher::Event<Service>, listed: &mut Services, services: &mut Services) -> bool {
    match event {
        watcher::Event::Init => listed.clear(),
        watcher::Event::InitApply(service) => {
            listed.insert(id(&service), Arc::new(service));
        }
        watcher::Event::InitDone => {
            *services = std::mem::take(listed);
            return true;
        }
        watcher::Event::Apply(service) => {
            let service = Arc::new(service);
            let before = services.insert(id(&service), service.clone());
            return before.is_none_or(|before| {
                before.spec != service.spec || before.metadata.labels != service.metadata.labels
            });
        }
        watcher::Event::Delete(service) => return services.remove(&id(&service)).is_some(),
    }
    false
}

fn id(service: &Service) -> ServiceId {
    ServiceId::new(&service.namespace().unwrap_or_default(), &service.name_any())
}

/// What is to be listened on for a Service; `None` where there is nothing.
fn wanted(id: &ServiceId, service: &Service) -> Option<WantedService> {
    let spec = service.spec.as_ref()?;
    if spec.type_.as_deref() == Some("ExternalName") {
        return None;
    }
    let tcp = spec.ports.iter().flatten().filter(|port| port.protocol.as_deref().unwrap_or("TCP") == "TCP");
    let ports = tcp.filter_map(|port| Some((u16::try_from(port.port).ok()?, Transport::Tcp)));
    let ports: Vec<_> = ports.collect();
    let cluster_address = spec.cluster_ip.as_deref().and_then(|address| address.parse().ok());
    (!ports.is_empty()).then(|| WantedService { id: id.clone(), ports, cluster_address })
}
