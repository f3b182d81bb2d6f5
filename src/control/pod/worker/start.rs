//! Starting a pod's containers: ports, Service listeners, environment, process.

use std::path::PathBuf;

use k8s_openapi::api::core::v1::{Container as Spec, Service};
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use spur_api::labels;
use spur_runtime::ports::PortError;
use spur_runtime::{Bounds, ContainerPlan, Security, StdinMode, StdioPlan, reason};
use tokio::time::Instant;

use super::super::container::{Due, RETRY};
use super::super::environment::{self, ConfigError, Sources, Variables};
use super::super::links::{self, Link};
use super::super::listeners::{ListenError, PodListeners};
use super::super::ports::PodPorts;
use super::super::probe::{Kind, Plan};
use super::super::references::{self, References};
use super::super::support;
use super::Worker;
use crate::events::EventType;

/// Why nothing can be started, through no fault of the pod.
#[derive(Debug, thiserror::Error)]
enum StartError {
    /// The cause is in the text: kube's errors repeat theirs.
    #[error("read what the environment needs: {0}")]
    Read(kube::Error),
    #[error(transparent)]
    Port(#[from] PortError),
    #[error(transparent)]
    Listen(#[from] ListenError),
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
        let due: Vec<usize> =
            (0..self.containers.len()).filter(|idx| self.containers[*idx].is_due(now)).collect();
        if self.is_refused || due.is_empty() {
            return;
        }
        if let Some(at) = self.settles_at(now) {
            due.iter().for_each(|idx| self.containers[*idx].put_off(at));
            return;
        }
        // What changes from here on is looked at again.
        self.config_rx.borrow_and_update();
        let surroundings = match self.surroundings().await {
            Ok(surroundings) => surroundings,
            Err(error) => return self.hold(&due, &error),
        };
        self.tell_what_is_ignored();
        // Side by side: the write takes as long as a start.
        let annotation = self.annotation();
        let starts = async {
            for idx in due {
                self.start(idx, &surroundings).await;
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

    async fn surroundings(&mut self) -> Result<Surroundings, StartError> {
        if self.ports.is_none() {
            self.ports = Some(PodPorts::allocate(&self.pod, &self.shared.ctx.ports)?);
            self.is_annotated = false;
        }
        let client = &self.shared.ctx.client;
        let services: Api<Service> = Api::namespaced(client.clone(), &self.id.namespace);
        let (any, pod) = (ListParams::default(), self.pod.clone());
        let (services, references) = tokio::try_join!(services.list(&any), references::read(client, &pod))
            .map_err(StartError::Read)?;
        self.known_services = services.iter().map(ResourceExt::name_any).collect();
        let links = links::visible(&services.items, &self.pod);
        let caller = links::caller(&self.pod);
        let listeners = self.listeners.get_or_insert_with(|| PodListeners::new(caller));
        listeners.open(&self.shared.listeners, &links).await?;
        Ok(Surroundings { links, references })
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
        let spec = self.pod.spec.as_ref().and_then(|spec| spec.containers.get(idx)).cloned();
        let Some(spec) = spec else { return };
        let plan = match self.plan(&spec, surroundings) {
            Ok(plan) => plan,
            Err(error) => return self.config_missing(idx, &error),
        };
        self.containers[idx].begin();
        let started = self.shared.ctx.runtime.start(&self.id, plan).await;
        match started {
            Ok(started) => {
                self.n_starts += 1;
                let ports = self.ports.as_ref();
                let probes = ports.map(|ports| Plan::all(&self.pod, &spec, ports)).unwrap_or_default();
                let name = self.shared.ctx.runtime.name();
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
                self.probe_from_the_start(idx);
            }
            Err(error) => {
                self.containers[idx].has_failed_to_start(&error, self.policy);
                self.tell(&spec.name, EventType::Warning, "Failed", format!("Error: {}", error.text()));
            }
        }
    }

    /// Until the container has started up, only its startup probe is asked.
    fn probe_from_the_start(&mut self, idx: usize) {
        let has_started_up = self.containers[idx].running().is_some_and(|running| running.has_started_up);
        match has_started_up {
            true => self.probe(idx, &[Kind::Liveness, Kind::Readiness]),
            false => self.probe(idx, &[Kind::Startup]),
        }
    }

    fn config_missing(&mut self, idx: usize, error: &ConfigError) {
        let message = error.to_string();
        let until = Instant::now() + RETRY;
        let container = &mut self.containers[idx];
        container.wait(reason::CREATE_CONTAINER_CONFIG_ERROR, message.clone(), Due::Changed(until));
        let name = container.name.clone();
        self.tell(&name, EventType::Warning, "Failed", format!("Error: {message}"));
    }

    fn plan(&self, spec: &Spec, surroundings: &Surroundings) -> Result<ContainerPlan, ConfigError> {
        let References { config_maps, secrets } = &surroundings.references;
        let sources = Sources { pod: &self.pod, config_maps, secrets };
        let variables = environment::variables(spec, &self.given(spec, &surroundings.links), &sources)?;
        Ok(ContainerPlan {
            name: spec.name.clone(),
            image: spec.image.clone().filter(|image| !image.is_empty()),
            command: environment::words(spec.command.as_ref(), &variables),
            args: environment::words(spec.args.as_ref(), &variables),
            working_dir: spec.working_dir.as_ref().filter(|dir| !dir.is_empty()).map(PathBuf::from),
            env: variables.into_iter().collect(),
            stdio: stdio(spec),
            // Told as left out (`support`), since processes have neither.
            bounds: Bounds::default(),
            security: Security::default(),
        })
    }

    /// What Spur sets by itself; the pod's own variables win over all of it.
    fn given(&self, spec: &Spec, links: &[Link]) -> Variables {
        let port_of = |service: &str, port| self.listeners.as_ref()?.port(service, port);
        let mut given = links::variables(links, links::naming(&self.pod), port_of);
        let executable = &self.shared.ctx.executable;
        given.insert("SPUR_EXE".to_owned(), executable.display().to_string());
        let here = executable.parent().map(|dir| dir.display().to_string()).unwrap_or_default();
        let path = [self.shared.ctx.search_path.as_str(), &here];
        let path: Vec<&str> = path.into_iter().filter(|part| !part.is_empty()).collect();
        given.insert("PATH".to_owned(), path.join(":"));
        if let Some(sandbox) = self.pod.labels().get(labels::SANDBOX) {
            given.insert("SPUR_SANDBOX".to_owned(), sandbox.clone());
        }
        given.extend(self.ports.as_ref().map(|ports| ports.variables(spec)).unwrap_or_default());
        given
    }

    /// Once in a pod's life.
    fn tell_what_is_ignored(&mut self) {
        let ignored = support::ignored(&self.pod);
        if self.has_told_ignored || ignored.is_empty() {
            return;
        }
        self.has_told_ignored = true;
        let message = format!("left out by the process runtime: {}", ignored.join(", "));
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

/// An error and what caused it, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
