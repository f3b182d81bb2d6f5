//! The Service addresses of a namespace's network: one container, the holder, has them all and passes
//! its listeners to Spur by descriptor (`spur-holder`).
//!
//! It holds on while Spur is gone: the next one gets the same listeners, and connections have waited in
//! their backlog. Where it has gone itself it is made anew, with the same addresses as far as somebody
//! remembers them.

use std::collections::{BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HostConfig, Mount, MountType, NetworkingConfig,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, RemoveContainerOptionsBuilder,
    StartContainerOptions,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use spur_holder::{Holder, Image, Interface};
use tokio::sync::watch;

use super::engine::{is_missing, words};
use super::follow::Followed;
use super::network::Network;
use crate::causes::with_causes;
use crate::interface::NetworkError;
use crate::service_network::serving::{Serving, service};
use crate::service_network::{Scope, ServedService, ServiceId, ServiceNetwork, WantedService};

/// A holder answers some 5 ms after its container has started, which takes 0.3 s on two busy cores; ten
/// seconds is for a machine that starts fifty at once.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// Its socket in the folder that it shares with Spur.
const SOCKET: &str = "holder.sock";
/// Where that folder is in the container.
const FOLDER: &str = "/run/spur";

/// All holders of an environment.
#[derive(Debug)]
pub(super) struct Holders {
    ours: Followed,
    /// Where their folders are.
    dir: PathBuf,
    /// Held for a lookup, never across an await.
    by_namespace: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Held>>>>,
    /// holders -- one has gone --> whoever serves
    lost_tx: watch::Sender<u64>,
}

/// One holder, as far as it is known.
#[derive(Debug, Default)]
struct Held {
    holder: Option<Holder>,
    serving: Serving,
}

// === impl Holders ===

impl Holders {
    pub(super) fn new(ours: Followed, dir: PathBuf) -> Self {
        Self { ours, dir, by_namespace: Mutex::default(), lost_tx: watch::Sender::new(0) }
    }

    /// Ends all holders; addresses are given anew by the next Spur.
    pub(super) async fn end(&self) {
        let all: Vec<String> = self.by_namespace().keys().cloned().collect();
        futures::future::join_all(all.iter().map(|namespace| self.leave(namespace))).await;
    }

    async fn try_serve(
        &self,
        namespace: &str,
        wanted: Vec<WantedService>,
    ) -> Result<Vec<ServedService>, String> {
        let of = self.by_namespace().entry(namespace.to_owned()).or_default().clone();
        let mut held = of.lock().await;
        let network = self.ours.networks.network(namespace).await.map_err(|error| error.to_string())?;
        let holder = self.holder(namespace, &network, &mut held).await?;
        let wanted_ids: BTreeSet<ServiceId> = wanted.iter().map(|service| service.id.clone()).collect();
        let mut all = Vec::with_capacity(wanted.len());
        for service in wanted {
            let known = held.serving.address(&service.id);
            let address =
                self.ours.networks.service_address(&network, known).map_err(|error| error.to_string())?;
            all.push(held.serving.serve(&holder, service, address).await?);
        }
        for address in held.serving.keep(&holder, &wanted_ids).await? {
            self.ours.networks.give_up_service(&network, address);
        }
        Ok(all)
    }

    /// Where its socket is, by this machine's address on the network: a path of a socket has little
    /// room, and a namespace's name may take two thirds of it.
    fn folder(&self, network: &Network) -> PathBuf {
        self.dir.join(network.subnet.gateway().to_string())
    }

    /// The holder that answers; where there is none it is started.
    async fn holder(&self, namespace: &str, network: &Network, held: &mut Held) -> Result<Holder, String> {
        if let Some(holder) = &held.holder {
            if holder.gone().now_or_never().is_none() {
                return Ok(holder.clone());
            }
            held.holder = None;
            // The engine may not have noticed yet: what does not answer at once has gone.
            let socket = short(&self.folder(network))?.join(SOCKET);
            if Holder::connect(&socket, interface(network)).await.is_err() {
                self.remove(&self.ours.environment.holder(namespace)).await?;
            }
        }
        held.serving.is_anew();
        let folder = self.folder(network);
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(|error| format!("make `{}`: {error}", folder.display()))?;
        let name = self.ours.environment.holder(namespace);
        self.start(&name, namespace, (network, &folder)).await?;
        let socket = short(&folder)?.join(SOCKET);
        let holder = match Holder::connect_within(&socket, interface(network), ANSWERS_WITHIN).await {
            Ok(holder) => holder,
            // What was made by another build and does not understand us, or does not answer, is replaced.
            Err(error) => {
                tracing::warn!(%error, "the holder `{name}` is made anew");
                self.remove(&name).await?;
                self.start(&name, namespace, (network, &folder)).await?;
                let again = Holder::connect_within(&socket, interface(network), ANSWERS_WITHIN).await;
                again.map_err(|error| with_causes(&error))?
            }
        };
        let listed = holder.list().await.map_err(|error| with_causes(&error))?;
        for of in listed {
            let Some(id) = service(&of.tag) else { continue };
            // Two addresses for one Service cannot be: the last counts, the other is closed with it.
            if self.ours.networks.service_address(network, Some(of.place.address)).is_ok() {
                held.serving.knows(id, of.place.address);
            }
        }
        held.holder = Some(holder.clone());
        let (lost_tx, watched) = (self.lost_tx.clone(), holder.clone());
        tokio::spawn(async move {
            watched.gone().await;
            lost_tx.send_modify(|n_lost| *n_lost += 1);
        });
        Ok(holder)
    }

    /// Starts the holder's container, unless it runs.
    async fn start(
        &self,
        name: &str,
        namespace: &str,
        (network, folder): (&Network, &Path),
    ) -> Result<(), String> {
        let docker = self.ours.engine.docker();
        match docker.inspect_container(name, None::<InspectContainerOptions>).await {
            Ok(found) if found.state.as_ref().and_then(|state| state.running) == Some(true) => return Ok(()),
            Ok(_) => self.remove(name).await?,
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(words(&error)),
        }
        let image = self.ours.image.name(&self.ours.engine).await?;
        let address = self.ours.networks.service_address(network, None).map_err(|error| error.to_string())?;
        let body = body((&image, folder), (network, address), self.ours.environment.holder_labels(namespace));
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        let made = docker.create_container(Some(options), body).await;
        if made.as_ref().is_err_and(is_missing) {
            self.ours.image.forget().await;
        }
        let started = match made {
            Ok(made) => docker.start_container(&made.id, None::<StartContainerOptions>).await,
            Err(error) => Err(error),
        };
        if let Err(error) = started {
            self.ours.networks.give_up_service(network, address);
            return Err(format!("start the holder `{name}`: {}", words(&error)));
        }
        Ok(())
    }

    async fn remove(&self, name: &str) -> Result<(), String> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        match self.ours.engine.docker().remove_container(name, Some(options)).await {
            Err(error) if !is_missing(&error) => Err(format!("remove `{name}`: {}", words(&error))),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn by_namespace(&self) -> MutexGuard<'_, HashMap<String, Arc<tokio::sync::Mutex<Held>>>> {
        self.by_namespace.lock().expect("no holder of this lock panics")
    }
}

impl ServiceNetwork for Holders {
    fn scope(&self) -> Scope {
        Scope::Namespace
    }

    fn serve<'a>(
        &'a self,
        namespace: &'a str,
        wanted: Vec<WantedService>,
    ) -> BoxFuture<'a, Result<Vec<ServedService>, NetworkError>> {
        let failed = move |found| NetworkError { pod: format!("{namespace}/*"), found };
        async move { self.try_serve(namespace, wanted).await.map_err(failed) }.boxed()
    }

    fn leave<'a>(&'a self, namespace: &'a str) -> BoxFuture<'a, ()> {
        async move {
            let Some(of) = self.by_namespace().remove(namespace) else { return };
            let mut held = of.lock().await;
            if let Err(error) = self.remove(&self.ours.environment.holder(namespace)).await {
                tracing::warn!(error, "failed to end the holder of namespace `{namespace}`");
            }
            held.holder = None;
            self.ours.networks.give_up_services(namespace);
        }
        .boxed()
    }

    fn lost(&self) -> watch::Receiver<u64> {
        self.lost_tx.subscribe()
    }
}

/// The one of the holder's that is on the network.
fn interface(network: &Network) -> Interface {
    Interface::Of { address: network.subnet.gateway(), prefix_len: network.subnet.prefix_len() }
}

/// It may do what a holder does, and nothing else.
fn body(
    (image, folder): (&str, &Path),
    (network, address): (&Network, Ipv4Addr),
    labels: HashMap<String, String>,
) -> ContainerCreateBody {
    let shared = Mount {
        typ: Some(MountType::BIND),
        source: Some(folder.to_string_lossy().into_owned()),
        target: Some(FOLDER.to_owned()),
        ..Mount::default()
    };
    let ipam_config =
        EndpointIpamConfig { ipv4_address: Some(address.to_string()), ..EndpointIpamConfig::default() };
    let endpoint = EndpointSettings { ipam_config: Some(ipam_config), ..EndpointSettings::default() };
    ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: Some(Image::ENTRYPOINT.map(str::to_owned).to_vec()),
        cmd: Some(vec![format!("{FOLDER}/{SOCKET}")]),
        labels: Some(labels),
        host_config: Some(HostConfig {
            network_mode: Some(network.name.clone()),
            mounts: Some(vec![shared]),
            cap_drop: Some(vec!["ALL".to_owned()]),
            // The addresses, ports below 1,024, and a folder that is another user's.
            cap_add: Some(["NET_ADMIN", "NET_BIND_SERVICE", "DAC_OVERRIDE"].map(str::to_owned).to_vec()),
            readonly_rootfs: Some(true),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            ..HostConfig::default()
        }),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(HashMap::from([(network.name.clone(), endpoint)])),
        }),
        ..ContainerCreateBody::default()
    }
}

/// The longest path of a unix socket (`sun_path` of unix(7), with the byte that ends it).
const PATH_MAX_BYTES: usize = 107;

/// The folder, if its path is short enough for a socket in it.
fn short(folder: &Path) -> Result<PathBuf, String> {
    if folder.as_os_str().len() + 1 + SOCKET.len() <= PATH_MAX_BYTES {
        return Ok(folder.to_owned());
    }
    Err(format!(
        "the path `{}` is too long for a unix socket in it; choose a shorter --data",
        folder.display()
    ))
}
