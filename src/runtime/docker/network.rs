//! The networks of an environment: a bridge for each namespace, and an address for each pod.
//!
//! The engine's own pools hold 31 networks for all that runs on the machine; after that nobody gets
//! one. So subnets are chosen here, from a range of our own, where they overlap neither another
//! network of the engine nor a route of the machine. Addresses are chosen here as well, so that a
//! pod keeps its own when a container of it is made anew.

use std::collections::{BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard};

use bollard::errors::Error;
use bollard::models::{Ipam, IpamConfig, Network as DockerNetwork, NetworkCreateRequest};
use bollard::query_parameters::{InspectNetworkOptions, ListNetworksOptions};

use super::engine::{Engine, EngineError, is_missing, status, words};
use super::owned::Environment;
use super::subnet::{Subnet, routed};
use crate::container::PodId;

/// Where subnets are taken from: 256 networks of 1,021 addresses, of pods and Services together. A part
/// of 10.0.0.0/8 (RFC 1918) that no common tool has by default: Docker takes 172.17 to 172.31 and
/// 192.168, kubeadm 10.96, k3s 10.42 and 10.43, GKE 10.4 and up.
pub(super) const RANGE: &str = "10.212.0.0/14";
/// As long as a namespace's subnet is. A bridge has 1,024 ports at most (`BR_MAX_PORTS` of Linux).
const PREFIX_LEN: u32 = 22;
/// Tries with another subnet, where somebody else was quicker or the engine knows better.
const TRIES: usize = 8;

/// Where a pod is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The engine's name of the network.
    pub network: String,
    /// The pod's own address.
    pub address: Ipv4Addr,
    /// This machine's address on the network.
    pub gateway: Ipv4Addr,
}

/// Why a pod has no place.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// Every subnet of the range overlaps another network.
    #[error("no subnet of {RANGE} is free for namespace `{0}`")]
    NoSubnet(String),
    /// Every address of the namespace's network is taken.
    #[error("no address of {subnet} is free for pod `{pod}`")]
    NoAddress {
        /// The network's.
        subnet: Subnet,
        /// The pod, `namespace/name`.
        pod: String,
    },
    /// The engine refused.
    #[error("network `{network}`: {found}")]
    Engine {
        /// Its name.
        network: String,
        /// What the engine said.
        found: String,
    },
}

/// The networks of an environment.
#[derive(Debug)]
pub(super) struct Networks {
    engine: Engine,
    environment: Environment,
    /// One network is made at a time, so that two do not choose one subnet.
    making: tokio::sync::Mutex<()>,
    /// Held for a few lines, never across an await.
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// By namespace.
    networks: HashMap<String, Network>,
    places: HashMap<PodId, Place>,
    /// The addresses of Services, by the name of the network.
    services: HashMap<String, BTreeSet<Ipv4Addr>>,
}

/// A network that is there.
#[derive(Clone, Debug)]
pub(super) struct Network {
    pub(super) name: String,
    pub(super) subnet: Subnet,
}

const NETWORK: &str = "spur.dev/network";
const ADDRESS: &str = "spur.dev/address";
const GATEWAY: &str = "spur.dev/gateway";

// === impl Place ===

impl Place {
    /// What a container is labelled with, to be found again: of one that has stopped the engine
    /// tells no address.
    pub(super) fn labels(&self) -> [(String, String); 3] {
        let Self { network, address, gateway } = self;
        let (address, gateway) = (address.to_string(), gateway.to_string());
        [(NETWORK, network.clone()), (ADDRESS, address), (GATEWAY, gateway)]
            .map(|(name, value)| (name.to_owned(), value))
    }

    pub(super) fn of(labels: &HashMap<String, String>) -> Option<Self> {
        let address = |name: &str| labels.get(name)?.parse().ok();
        let (address, gateway) = (address(ADDRESS)?, address(GATEWAY)?);
        Some(Self { network: labels.get(NETWORK)?.clone(), address, gateway })
    }
}

// === impl Networks ===

impl Networks {
    pub(super) fn new(engine: Engine, environment: Environment) -> Self {
        Self { engine, environment, making: tokio::sync::Mutex::default(), known: Mutex::default() }
    }

    /// The pod's place, the same until it is given up.
    pub(super) async fn place(&self, pod: &PodId) -> Result<Place, PlaceError> {
        if let Some(place) = self.known().places.get(pod) {
            return Ok(place.clone());
        }
        let network = self.network(&pod.namespace).await?;
        let mut known = self.known();
        let taken = known.taken(&network);
        let Some(address) = network.subnet.hosts().find(|address| !taken.contains(address)) else {
            return Err(PlaceError::NoAddress { subnet: network.subnet, pod: pod.to_string() });
        };
        let place = Place { network: network.name, address, gateway: network.subnet.gateway() };
        Ok(known.places.entry(pod.clone()).or_insert(place).clone())
    }

    /// An address for a Service: this one, or the last that is free, while pods take the first.
    pub(super) fn service_address(
        &self,
        network: &Network,
        wanted: Option<Ipv4Addr>,
    ) -> Result<Ipv4Addr, PlaceError> {
        let mut known = self.known();
        let taken = known.taken(network);
        let free = || network.subnet.hosts_from_the_end().find(|address| !taken.contains(address));
        let no_address = || PlaceError::NoAddress { subnet: network.subnet, pod: "of a Service".to_owned() };
        let address = wanted.or_else(free).ok_or_else(no_address)?;
        known.services.entry(network.name.clone()).or_default().insert(address);
        Ok(address)
    }

    /// The Service is gone; its address is free.
    pub(super) fn give_up_service(&self, network: &Network, address: Ipv4Addr) {
        if let Some(addresses) = self.known().services.get_mut(&network.name) {
            addresses.remove(&address);
        }
    }

    /// No Service has an address there any more.
    pub(super) fn give_up_services(&self, namespace: &str) {
        let mut known = self.known();
        if let Some(network) = known.networks.get(namespace).cloned() {
            known.services.remove(&network.name);
        }
    }

    /// A container of an earlier Spur has this place.
    pub(super) fn adopt(&self, pod: &PodId, place: Place) {
        self.known().places.entry(pod.clone()).or_insert(place);
    }

    /// The pod is gone; its address is free.
    pub(super) fn give_up(&self, pod: &PodId) {
        self.known().places.remove(pod);
    }

    /// Removes the networks of namespaces in which no pod has a place.
    pub(super) async fn remove_unused(&self) -> Result<(), PlaceError> {
        let _one_at_a_time = self.making.lock().await;
        let unused: Vec<(String, Network)> = {
            let known = self.known();
            let is_used = |network: &Network| !known.taken(network).is_empty();
            let unused = known.networks.iter().filter(|(_, network)| !is_used(network));
            unused.map(|(namespace, network)| (namespace.clone(), network.clone())).collect()
        };
        for (namespace, network) in unused {
            match self.engine.docker().remove_network(&network.name).await {
                Err(error) if !is_missing(&error) => return Err(failed(&network.name, &error)),
                _ => drop(self.known().networks.remove(&namespace)),
            }
        }
        Ok(())
    }

    /// The namespace's network, made where there is none.
    pub(super) async fn network(&self, namespace: &str) -> Result<Network, PlaceError> {
        let _one_at_a_time = self.making.lock().await;
        if let Some(network) = self.known().networks.get(namespace) {
            return Ok(network.clone());
        }
        let name = self.environment.network(namespace);
        let network = match self.find(&name).await? {
            Some(network) => network,
            None => self.make(namespace, &name).await?,
        };
        self.known().networks.insert(namespace.to_owned(), network.clone());
        Ok(network)
    }

    /// The network that an earlier Spur has made.
    async fn find(&self, name: &str) -> Result<Option<Network>, PlaceError> {
        match self.engine.docker().inspect_network(name, None::<InspectNetworkOptions>).await {
            Ok(found) => {
                let ipam = found.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
                let subnet = ipam.iter().find_map(|config| config.subnet.as_deref()?.parse().ok());
                Ok(subnet.map(|subnet| Network { name: name.to_owned(), subnet }))
            }
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(failed(name, &error)),
        }
    }

    async fn make(&self, namespace: &str, name: &str) -> Result<Network, PlaceError> {
        let range: Subnet = RANGE.parse().expect("the range is a network");
        let mut taken = self.taken().await.map_err(|error| failed(name, &error))?;
        for _ in 0..TRIES {
            let subnet = range.free_part(PREFIX_LEN, &taken);
            let subnet = subnet.ok_or_else(|| PlaceError::NoSubnet(namespace.to_owned()))?;
            let request = NetworkCreateRequest {
                name: name.to_owned(),
                driver: Some("bridge".to_owned()),
                labels: Some(self.environment.network_labels(namespace)),
                ipam: Some(Ipam {
                    config: Some(vec![IpamConfig {
                        subnet: Some(subnet.to_string()),
                        gateway: Some(subnet.gateway().to_string()),
                        ..IpamConfig::default()
                    }]),
                    ..Ipam::default()
                }),
                ..NetworkCreateRequest::default()
            };
            match self.engine.docker().create_network(request).await {
                Ok(_) => return Ok(Network { name: name.to_owned(), subnet }),
                // 403: it overlaps one that we did not see, such as another engine's.
                Err(error) if status(&error) == Some(403) => taken.push(subnet),
                Err(error) => return Err(failed(name, &error)),
            }
        }
        Err(PlaceError::NoSubnet(namespace.to_owned()))
    }

    /// The subnets of the engine's networks, and what the machine has routes to.
    async fn taken(&self) -> Result<Vec<Subnet>, Error> {
        taken(&self.engine).await
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("no holder of this lock panics")
    }
}

// === impl Known ===

impl Known {
    /// Every address of the network that somebody has.
    fn taken(&self, network: &Network) -> BTreeSet<Ipv4Addr> {
        let places = self.places.values().filter(|place| place.network == network.name);
        let services = self.services.get(&network.name).into_iter().flatten().copied();
        places.map(|place| place.address).chain(services).collect()
    }
}

// === impl Engine ===

impl Engine {
    /// How many namespaces can still get a network, of how many: subnets that overlap nothing.
    ///
    /// # Errors
    /// The engine does not say.
    pub async fn free_subnets(&self) -> Result<(usize, usize), EngineError> {
        let range: Subnet = RANGE.parse().expect("the range is a network");
        let taken = taken(self).await;
        let taken = taken.map_err(|error| self.unreachable(&error))?;
        let is_free = |part: &Subnet| !taken.iter().any(|other| other.overlaps(*part));
        Ok((range.parts(PREFIX_LEN).filter(is_free).count(), range.parts(PREFIX_LEN).count()))
    }
}

/// What overlaps nothing of these is free.
async fn taken(engine: &Engine) -> Result<Vec<Subnet>, Error> {
    let networks = engine.docker().list_networks(None::<ListNetworksOptions>).await?;
    let mut taken: Vec<Subnet> = networks.iter().flat_map(subnets).collect();
    // Where it cannot be read the engine itself refuses what overlaps.
    taken.extend(routed(&std::fs::read_to_string("/proc/net/route").unwrap_or_default()));
    Ok(taken)
}

fn subnets(network: &DockerNetwork) -> Vec<Subnet> {
    let configs = network.ipam.as_ref().and_then(|ipam| ipam.config.as_ref());
    let texts = configs.into_iter().flatten().filter_map(|config| config.subnet.as_deref());
    // Those of IPv6 overlap nothing of ours.
    texts.filter_map(|text| text.parse().ok()).collect()
}

fn failed(network: &str, error: &Error) -> PlaceError {
    PlaceError::Engine { network: network.to_owned(), found: words(error) }
}
