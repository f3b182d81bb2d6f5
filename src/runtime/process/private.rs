//! Networks of their own for the pods that ask for one (`spur.dev/network: private`).
//!
//! ```text
//!   network(pod) ─► start the holder (`spur __pod hold`) ─► Dial: the pod's address
//!   start, exec  ─► Entrance ─► Program `spur __pod enter … -- the program`
//!   serve(pod)   ─► Serving: Services' addresses at the holder
//!   egress(pod)  ─► a listener at the holder's own address, the only way out
//!   the holder ends unasked ─► the pod's processes are killed, and start again in another network
//! ```
//!
//! A network lives as long as its pod and its Spur: the holder ends with the connection to us, and what
//! a killed Spur has left is found by its cookies, the holders too. How the namespaces are made is
//! `spur-holder`'s business; whether they can be, `allowed`'s.

mod addresses;
mod allowed;
mod start;

use std::collections::{BTreeSet, HashMap};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard};

use futures::FutureExt;
use futures::future::BoxFuture;
use spur_holder::{Entrance, Shown};
use spur_net::Dial;
use tokio::sync::{OnceCell, watch};
use tokio_util::task::TaskTracker;

use self::addresses::EGRESS;
use self::start::Network;
use super::cookie::Cookie;
use crate::causes::with_causes;
use crate::container::{ContainerPlan, MountSource, PodId};
use crate::interface::NetworkError;
use crate::service_network::serving::Serving;
use crate::service_network::{Egress, Scope, ServedService, ServiceId, ServiceNetwork, WantedService};

pub(super) use self::addresses::HOST;
pub use self::addresses::PRIVATE_NETWORK;
pub use self::allowed::private_networks_allowed;
pub(super) use self::start::THIS_PROGRAM;

/// All private networks of a runtime.
#[derive(Debug)]
pub(super) struct PrivateNetworks {
    runtime_id: String,
    dial: Dial,
    /// Held for a lookup, never across an await. Where both are taken, it is taken last.
    by_pod: Mutex<HashMap<Arc<str>, Arc<Private>>>,
    allowed: OnceCell<Result<(), Arc<str>>>,
    /// networks -- one was lost --> whoever serves Services there
    lost_tx: Arc<watch::Sender<u64>>,
    /// One for each network, which ends with it.
    tasks: TaskTracker,
}

/// The network of one pod, by its uid.
#[derive(Debug)]
struct Private {
    pod: PodId,
    address: Ipv4Addr,
    inside: tokio::sync::Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    network: Option<Network>,
    serving: Serving,
    /// Whether the way out of this network has been opened.
    has_egress: bool,
    /// The pod is gone: nothing is made for it any more.
    is_over: bool,
}

// === impl PrivateNetworks ===

impl PrivateNetworks {
    pub(super) fn new(runtime_id: &str, dial: Dial, tasks: TaskTracker) -> Self {
        Self {
            runtime_id: runtime_id.to_owned(),
            dial,
            by_pod: Mutex::default(),
            allowed: OnceCell::new(),
            lost_tx: Arc::new(watch::Sender::new(0)),
            tasks,
        }
    }

    /// Whether there can be any; tried once, since only root can change the answer.
    pub(super) async fn allowed(&self) -> Result<(), Arc<str>> {
        self.allowed.get_or_init(private_networks_allowed).await.clone()
    }

    /// The pod's address, with a network that has it.
    pub(super) async fn address(&self, pod: &PodId) -> Result<Ipv4Addr, NetworkError> {
        let failed = |found| NetworkError { pod: pod.to_string(), found };
        let private = self.known_or_new(pod).map_err(failed)?;
        let mut inside = private.inside.lock().await;
        self.up(&private, &mut inside).await.map_err(failed)?;
        Ok(private.address)
    }

    /// How a program of the pod gets there; `None` where the pod is on the machine's own network.
    pub(super) async fn entrance(
        &self,
        pod: &PodId,
        plan: &ContainerPlan,
    ) -> Result<Option<Entrance>, NetworkError> {
        let Some(private) = self.known(&pod.uid) else { return Ok(None) };
        let mut inside = private.inside.lock().await;
        let network = self.up(&private, &mut inside).await;
        let network = network.map_err(|found| NetworkError { pod: pod.to_string(), found })?;
        Ok(Some(Entrance { pid: network.pid, descriptor: network.descriptor, shown: shown(plan) }))
    }

    /// The pod is gone, and its network with it.
    pub(super) async fn give_up(&self, pod: &PodId) {
        let Some(private) = self.by_pod().remove(&pod.uid) else { return };
        self.dial.remove(private.address);
        let mut inside = private.inside.lock().await;
        inside.is_over = true;
        inside.network = None;
    }

    /// Ends all networks.
    pub(super) async fn end(&self) {
        let all: Vec<PodId> = self.by_pod().values().map(|private| private.pod.clone()).collect();
        for pod in &all {
            self.give_up(pod).await;
        }
    }

    /// The network, which is made where there is none, or none any more.
    async fn up<'a>(&self, private: &Private, inside: &'a mut Inside) -> Result<&'a Network, String> {
        if inside.is_over {
            return Err("the pod is gone".to_owned());
        }
        if inside.network.as_ref().is_none_or(Network::has_ended) {
            inside.network = None;
            inside.serving.is_anew();
            inside.has_egress = false;
            let cookie = Cookie::of_pod(&self.runtime_id, &private.pod.uid);
            let network = start::start(private.address, cookie, (self.lost_tx.clone(), &self.tasks)).await?;
            self.dial.insert(private.address, network.way());
            inside.network = Some(network);
        }
        inside.network.as_ref().ok_or_else(|| "the network has just gone".to_owned())
    }

    fn known(&self, uid: &str) -> Option<Arc<Private>> {
        self.by_pod().get(uid).cloned()
    }

    fn known_or_new(&self, pod: &PodId) -> Result<Arc<Private>, String> {
        let mut by_pod = self.by_pod();
        if let Some(private) = by_pod.get(&pod.uid) {
            return Ok(private.clone());
        }
        let taken: BTreeSet<Ipv4Addr> = by_pod.values().map(|private| private.address).collect();
        let address = addresses::of_pod(&pod.uid, &taken).ok_or("no address is left")?;
        let private = Arc::new(Private { pod: pod.clone(), address, inside: tokio::sync::Mutex::default() });
        by_pod.insert(pod.uid.clone(), private.clone());
        Ok(private)
    }

    fn by_pod(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Private>>> {
        self.by_pod.lock().expect("no holder of this lock panics")
    }

    async fn try_serve(
        &self,
        private: &Private,
        wanted: Vec<WantedService>,
    ) -> Result<Vec<ServedService>, String> {
        let mut inside = private.inside.lock().await;
        let holder = self.up(private, &mut inside).await?.holder().clone();
        let serving = &mut inside.serving;
        let ids: BTreeSet<ServiceId> = wanted.iter().map(|service| service.id.clone()).collect();
        // First, so that an address that another Service gets is free.
        serving.keep(&holder, &ids).await?;
        let mut all = Vec::with_capacity(wanted.len());
        for service in wanted {
            let known = serving.address(&service.id);
            let is_free = |address: &Ipv4Addr| !serving.has(*address);
            let address = known
                .or_else(|| addresses::of_service(service.cluster_address, is_free))
                .ok_or("no address is left for Services")?;
            all.push(serving.serve(&holder, service, address).await?);
        }
        Ok(all)
    }

    async fn try_egress(&self, private: &Private) -> Result<Option<TcpListener>, String> {
        let mut inside = private.inside.lock().await;
        let holder = self.up(private, &mut inside).await?.holder().clone();
        if inside.has_egress {
            return Ok(None);
        }
        let listener = holder.listen("egress", EGRESS).await.map_err(|error| with_causes(&error))?;
        inside.has_egress = true;
        Ok(Some(listener))
    }
}

impl ServiceNetwork for PrivateNetworks {
    fn scope(&self) -> Scope {
        Scope::Pod
    }

    fn serve<'a>(
        &'a self,
        network: &'a str,
        wanted: Vec<WantedService>,
    ) -> BoxFuture<'a, Result<Vec<ServedService>, NetworkError>> {
        async move {
            let Some(private) = self.known(network) else {
                let found = "the pod has no network of its own".to_owned();
                return Err(NetworkError { pod: network.to_owned(), found });
            };
            let served = self.try_serve(&private, wanted).await;
            served.map_err(|found| NetworkError { pod: private.pod.to_string(), found })
        }
        .boxed()
    }

    fn egress<'a>(&'a self, network: &'a str) -> BoxFuture<'a, Result<Option<Egress>, NetworkError>> {
        async move {
            let Some(private) = self.known(network) else { return Ok(None) };
            let opened = self.try_egress(&private).await;
            let opened = opened.map_err(|found| NetworkError { pod: private.pod.to_string(), found })?;
            Ok(Some(Egress { address: EGRESS, opened }))
        }
        .boxed()
    }

    /// The listeners go with the pod's network.
    fn leave<'a>(&'a self, _network: &'a str) -> BoxFuture<'a, ()> {
        std::future::ready(()).boxed()
    }

    fn lost(&self) -> watch::Receiver<u64> {
        self.lost_tx.subscribe()
    }
}

/// Files of this machine that the container sees elsewhere.
fn shown(plan: &ContainerPlan) -> Vec<Shown> {
    let shown = plan.mounts.iter().filter_map(|mount| match &mount.source {
        MountSource::Path(source) => Some(Shown {
            source: source.clone(),
            target: mount.path.clone(),
            is_read_only: mount.is_read_only,
        }),
        // Containers' volumes are an engine's.
        MountSource::Volume { .. } => None,
    });
    shown.collect()
}
