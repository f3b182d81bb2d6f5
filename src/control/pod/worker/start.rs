//! Starting a pod's containers: ports, Service listeners, environment, process.

use std::path::PathBuf;

use k8s_openapi::api::core::v1::{Container as Spec, PodSpec, Service};
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use spur_api::labels;
use spur_runtime::ports::PortError;
use spur_runtime::volumes::VolumeError;
use spur_runtime::{
    AskedNetwork, ContainerPlan, Mount, MountSource, NetworkError, PodNetwork, PullPolicy, RuntimeKind,
    ServiceId, StdinMode, StdioPlan, reason, with_causes,
};
use tokio::time::Instant;

use super::super::LOOPBACK;
use super::super::api_address::{self, ApiAddress};
use super::super::bounds;
use super::super::container::{Due, RETRY};
use super::super::egress;
use super::super::environment::{self, ConfigError, Sources, Variables};
use super::super::links::{self, Link, Way};
use super::super::listeners::{ListenError, PodListeners};
use super::super::place::Place;
use super::super::ports::PodPorts;
use super::super::probe::{Kind, Plan};
use super::super::references::{self, References};
use super::super::support;
use super::super::telemetry;
use super::Worker;
use super::volumes::NoMount;
use crate::events::EventType;

/// Why nothing can be started, through no fault of the pod.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    /// The cause is in the text: kube's errors repeat theirs.
    #[error("read what the environment needs: {0}")]
    Read(kube::Error),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Port(#[from] PortError),
    #[error(transparent)]
    Listen(#[from] ListenError),
}

/// Why a container cannot be made, for now.
#[derive(Debug, thiserror::Error)]
enum NoPlan {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Mount(#[from] NoMount),
    #[error("{}", with_causes(.0))]
    LastWords(VolumeError),
}

/// What every container of the pod needs.
struct Surroundings {
    links: Vec<Link>,
    references: References,
}

// === impl Worker ===

impl Worker {
    /// Starts every container whose time has come.
    pub(super) async fn start_what_is_due(&mut self) {
        let now = Instant::now();
        let is_due = |idx: &usize| self.containers[*idx].is_due(now) && self.is_next(*idx);
        let due: Vec<usize> = (0..self.containers.len()).filter(is_due).collect();
        if self.is_refused || due.is_empty() || self.has_lost_network() {
            return;
        }
        if let Some(at) = self.settles_at(now) {
            due.iter().for_each(|idx| self.containers[*idx].put_off(at));
            return;
        }
        let mut with_image = Vec::new();
        for idx in due {
            if self.has_image(idx).await {
                with_image.push(idx);
            }
        }
        let due = with_image;
        if due.is_empty() {
            return;
        }
        // What changes from here on is looked at again.
        self.config_rx.borrow_and_update();
        let surroundings = match self.surroundings().await {
            Ok(surroundings) => surroundings,
            Err(error) => return self.hold(&due, &error),
        };
        if let Err(error) = self.make_volumes(&surroundings.references).await {
            return self.hold_for_volumes(&due, &error);
        }
        self.tell_what_is_ignored();
        // Side by side: the write takes as long as a start.
        let annotation = self.annotation();
        let starts = async {
            for idx in due {
                // One that was started just now may hold it back.
                if self.is_next(idx) {
                    self.start(idx, &surroundings).await;
                }
            }
        };
        let (annotated, ()) = tokio::join!(annotation, starts);
        self.has_annotated(annotated);
    }

    /// Until when the pod's first start waits for Services that are still being made.
    fn settles_at(&self, now: Instant) -> Option<Instant> {
        let names = self.names_rx.borrow();
        let known = names.get(&*self.id.namespace).filter(|_| self.n_starts == 0)?;
        known.settles_at(self.first_seen, now)
    }

    /// Gives the pod its place on a network, and ways to Services.
    pub(super) async fn connect(&mut self) -> Result<Vec<Link>, StartError> {
        let network = match self.network {
            Some(network) => network,
            None => {
                let network = self.find_network().await?;
                *self.network.insert(network)
            }
        };
        if self.ports.is_none() {
            self.ports = Some(match network {
                PodNetwork::Shared => PodPorts::allocate(&self.pod, &self.shared.ctx.ports)?,
                PodNetwork::Own { address, .. } => PodPorts::own(address),
            });
            self.is_annotated = false;
        }
        let services: Api<Service> = Api::namespaced(self.shared.ctx.client.clone(), &self.id.namespace);
        let services = services.list(&ListParams::default()).await.map_err(StartError::Read)?;
        self.known_services = services.iter().map(ResourceExt::name_any).collect();
        let links = links::visible(&services.items, &self.pod);
        let caller = links::caller(&self.pod);
        match (network, self.service_networks()) {
            (PodNetwork::Shared, _) => {
                let listeners = self.listeners.get_or_insert_with(|| PodListeners::new(caller));
                listeners.open(&self.shared.listeners, &links).await?;
            }
            (PodNetwork::Own { address, .. }, Some(networks)) => {
                self.ways = Some(networks.join((&self.id, self.pod.clone()), caller, address).await?);
            }
            (PodNetwork::Own { .. }, None) => {}
        }
        Ok(links)
    }

    /// The network that the pod asks for. Where a process cannot have one of its own it runs on the
    /// machine's, and an event says so: it finds everything there, too, at other addresses.
    async fn find_network(&self) -> Result<PodNetwork, NetworkError> {
        if self.asked_network == AskedNetwork::Private
            && let Err(why) = self.runtime.isolates().await
        {
            let message = format!(
                "annotation `{}: private` is left out, and the pod runs on this machine's own network: {why}",
                labels::NETWORK
            );
            self.shared.notices.pod(&self.pod, EventType::Warning, support::REASON, message);
            return Ok(PodNetwork::Shared);
        }
        self.runtime.network(&self.id, self.asked_network).await
    }

    async fn surroundings(&mut self) -> Result<Surroundings, StartError> {
        let links = self.connect().await?;
        let references = references::read(&self.shared.ctx.client, &self.pod).await;
        Ok(Surroundings { links, references: references.map_err(StartError::Read)? })
    }

    /// Leaves the containers waiting with the reason.
    fn hold(&mut self, due: &[usize], error: &StartError) {
        let until = self.retry.failed();
        let message = with_causes(error);
        for idx in due {
            self.containers[*idx].wait(reason::CREATE_CONTAINER_ERROR, message.clone(), Due::At(until));
            let name = self.containers[*idx].name.clone();
            self.tell(&name, EventType::Warning, "Failed", format!("Error: {message}"));
        }
    }

    async fn start(&mut self, idx: usize, surroundings: &Surroundings) {
        let Some(spec) = self.spec(idx) else { return };
        let plan = match self.plan(&spec, surroundings).await {
            Ok(plan) => plan,
            Err(error) => return self.config_missing(idx, &error),
        };
        self.containers[idx].begin();
        let started = self.runtime.start(&self.id, plan).await;
        match started {
            Ok(started) => {
                self.n_starts += 1;
                let ports = self.ports.as_ref();
                let probes = ports.map(|ports| Plan::all(&self.pod, &spec, ports)).unwrap_or_default();
                let name = self.runtime.name();
                self.containers[idx].has_started(&started, (self.n_starts, name), probes);
                self.tell(
                    &spec.name,
                    EventType::Normal,
                    "Created",
                    format!("Created container: {}", spec.name),
                );
                self.tell(
                    &spec.name,
                    EventType::Normal,
                    "Started",
                    format!("Started container {}", spec.name),
                );
                self.follow_start(idx, &spec);
            }
            Err(error) => {
                self.containers[idx].has_failed_to_start(&error);
                self.tell(&spec.name, EventType::Warning, "Failed", format!("Error: {}", error.text()));
            }
        }
    }

    /// Until the container has started up, only its startup probe is asked.
    pub(super) fn probe_from_the_start(&mut self, idx: usize) {
        let has_started_up = self.containers[idx].running().is_some_and(|running| running.has_started_up);
        match has_started_up {
            true => self.probe(idx, &[Kind::Liveness, Kind::Readiness]),
            false => self.probe(idx, &[Kind::Startup]),
        }
    }

    /// A container's spec, by its place among init containers and others.
    pub(super) fn spec(&self, idx: usize) -> Option<Spec> {
        self.pod.spec.as_ref().and_then(|spec| support::containers(spec).nth(idx)).cloned()
    }

    fn config_missing(&mut self, idx: usize, error: &NoPlan) {
        let message = error.to_string();
        let until = Instant::now() + RETRY;
        let container = &mut self.containers[idx];
        container.wait(reason::CREATE_CONTAINER_CONFIG_ERROR, message.clone(), Due::Changed(until));
        let name = container.name.clone();
        self.tell(&name, EventType::Warning, "Failed", format!("Error: {message}"));
    }

    async fn plan(&self, spec: &Spec, surroundings: &Surroundings) -> Result<ContainerPlan, NoPlan> {
        let References { config_maps, secrets } = &surroundings.references;
        let sources = Sources { pod: &self.pod, config_maps, secrets };
        let variables =
            environment::variables(spec, &self.given(spec, &surroundings.links), &sources, &self.place())?;
        let mut mounts = self.own_mounts();
        match self.support_place() {
            support::Place::Docker => {
                mounts.extend(self.volume_mounts(spec, &variables).await?);
                mounts.extend(self.last_words_mount(spec, &mounts).await?);
            }
            support::Place::Private => mounts.extend(self.mounts_over_something(spec, &variables).await?),
            support::Place::Process => {}
        }
        let none = PodSpec::default();
        let of_pod = self.pod.spec.as_ref().unwrap_or(&none);
        Ok(ContainerPlan {
            name: spec.name.clone(),
            image: spec.image.clone().filter(|image| !image.is_empty()),
            command: environment::words(spec.command.as_ref(), &variables),
            args: environment::words(spec.args.as_ref(), &variables),
            working_dir: spec.working_dir.as_ref().filter(|dir| !dir.is_empty()).map(PathBuf::from),
            env: variables.into_iter().collect(),
            stdio: stdio(spec),
            pull: pull(spec),
            hostname: of_pod.hostname.clone(),
            stop_signal: spec.lifecycle.as_ref().and_then(|hooks| hooks.stop_signal.clone()),
            shares_network: self.containers.len() > 1,
            mounts,
            bounds: bounds::bounds(spec),
            security: bounds::security(of_pod, spec),
        })
    }

    /// Files from outside that every container sees.
    fn own_mounts(&self) -> Vec<Mount> {
        let hosts = self.ways.iter().map(|ways| Mount {
            source: MountSource::Path(ways.hosts.clone()),
            path: PathBuf::from("/etc/hosts"),
            // As the kubelet's: an image may add to it while it runs.
            is_read_only: false,
        });
        hosts.collect()
    }

    /// The file for the container's last words, unless a volume is where it would be.
    async fn last_words_mount(&self, spec: &Spec, others: &[Mount]) -> Result<Option<Mount>, NoPlan> {
        let path = spec.termination_message_path.as_ref().filter(|path| !path.is_empty()).map(PathBuf::from);
        let is_free = |path: &PathBuf| others.iter().all(|mount| mount.path != *path);
        let Some(path) = path.filter(is_free) else { return Ok(None) };
        let (volumes, uid, name) = (self.shared.ctx.volumes.clone(), self.id.uid.clone(), spec.name.clone());
        let made = tokio::task::spawn_blocking(move || volumes.new_last_words(&uid, &name)).await;
        let Ok(made) = made else { return Ok(None) };
        let source = MountSource::Path(made.map_err(NoPlan::LastWords)?);
        Ok(Some(Mount { source, path, is_read_only: false }))
    }

    /// What Spur sets by itself; the pod's own variables win over all of it.
    fn given(&self, spec: &Spec, links: &[Link]) -> Variables {
        let naming = links::naming(&self.pod);
        let mut given = match &self.ways {
            None => links::variables(links, naming, |service, port| {
                let listener = self.listeners.as_ref()?.port(service, port)?;
                Some(Way { host: LOOPBACK.to_owned(), address: LOOPBACK.to_owned(), port: listener })
            }),
            Some(ways) => links::variables(links, naming, |service, (port, _)| {
                let address = ways.addresses.get(&ServiceId::new(&self.id.namespace, service))?;
                Some(Way { host: service.to_owned(), address: address.to_string(), port })
            }),
        };
        if self.kind == RuntimeKind::Process {
            given.extend(self.of_this_machine());
            let dir = self.volumes_dir().map(|dir| dir.display().to_string());
            given.extend(dir.map(|dir| ("SPUR_VOLUMES".to_owned(), dir)));
        }
        given.extend(telemetry::variables(&self.pod, self.telemetry()));
        if let Some(ways) = &self.ways
            && let Some(egress) = ways.egress
        {
            given.extend(egress::variables(egress, &self.id.namespace, &ways.addresses));
        }
        if let Some(address) = self.api_address() {
            given.extend(api_address::variables(&address));
        }
        if let Some(sandbox) = self.pod.labels().get(labels::SANDBOX) {
            given.insert("SPUR_SANDBOX".to_owned(), sandbox.clone());
        }
        given.extend(self.ports.as_ref().map(|ports| ports.variables(spec)).unwrap_or_default());
        given
    }

    /// The API's Service, by the name that its certificate is for; processes are not told yet.
    fn api_address(&self) -> Option<ApiAddress> {
        let addresses = &self.ways.as_ref()?.addresses;
        addresses.get(&ServiceId::new("default", "kubernetes"))?;
        Some(ApiAddress { host: "kubernetes.default.svc".to_owned(), port: 443 })
    }

    /// Where its programs report to: the listener itself where this machine's loopback is theirs, else
    /// its Service.
    fn telemetry(&self) -> Option<String> {
        let listener = self.shared.ctx.telemetry?;
        match &self.ways {
            None => (self.kind == RuntimeKind::Process).then(|| format!("http://{listener}")),
            Some(ways) => {
                let (namespace, name) = telemetry::SERVICE;
                ways.addresses.get(&ServiceId::new(namespace, name))?;
                Some(telemetry::URL.to_owned())
            }
        }
    }

    /// Where the pod is, as its containers are told.
    pub(super) fn place(&self) -> Place {
        match self.network {
            Some(PodNetwork::Own { address, host }) => {
                Place { pod_ips: vec![address.into()], host_ips: vec![host.into()], ..Place::shared() }
            }
            Some(PodNetwork::Shared) | None => Place::shared(),
        }
    }

    /// Where programs are, which an image knows for itself.
    fn of_this_machine(&self) -> [(String, String); 2] {
        let executable = &self.shared.ctx.executable;
        let here = executable.parent().map(|dir| dir.display().to_string()).unwrap_or_default();
        let path = [self.shared.ctx.search_path.as_str(), &here];
        let path: Vec<&str> = path.into_iter().filter(|part| !part.is_empty()).collect();
        [("SPUR_EXE".to_owned(), executable.display().to_string()), ("PATH".to_owned(), path.join(":"))]
    }

    /// Once in a pod's life.
    fn tell_what_is_ignored(&mut self) {
        let left_out = support::left_out(&self.pod, self.support_place());
        if self.has_told_ignored || left_out.is_empty() {
            return;
        }
        self.has_told_ignored = true;
        let name = support::runtime_name(self.support_place());
        let message = format!("left out by the {name} runtime: {}", left_out.join(", "));
        self.shared.notices.pod(&self.pod, EventType::Warning, support::REASON, message);
    }
}

/// `stdinOnce` means something only beside `stdin`.
fn stdio(spec: &Spec) -> StdioPlan {
    let stdin = match (spec.stdin, spec.stdin_once) {
        (Some(true), Some(true)) => StdinMode::Once,
        (Some(true), _) => StdinMode::Open,
        _ => StdinMode::Closed,
    };
    StdioPlan { stdin, tty: spec.tty == Some(true) }
}

/// Where nobody says: always for the tag `latest`, which is what no tag means
/// (`pkg/apis/core/v1/defaults.go`); the API server fills it in.
pub(super) fn pull(spec: &Spec) -> PullPolicy {
    match spec.image_pull_policy.as_deref() {
        Some("Always") => PullPolicy::Always,
        Some("Never") => PullPolicy::Never,
        Some(_) | None => PullPolicy::IfNotPresent,
    }
}
