//! `DockerRuntime`: `trait Runtime` over an engine. How a container comes is in `start`, how it
//! goes in `end`.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error;
use bollard::query_parameters::RemoveContainerOptionsBuilder;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{Mutex, broadcast};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::engine::{Engine, EngineError, is_missing, status, words};
use super::follow::Followed;
use super::holder::Holders;
use super::image::OwnImage;
use super::network::{Networks, Place, PlaceError};
use super::owned::Environment;
use super::pod_network::POD;
use super::pull;
use super::session::Failure;
use super::usage::Asked;
use super::world::{Known, World};
use super::{logs, session, usage};
use crate::container::{ContainerPlan, ContainerState, Listed, PodId, RuntimeEvent, Started};
use crate::image::{Fetched, ImageAsk, ImageError, ImageNewsSender};
use crate::interface::{
    AskedNetwork, ExecError, ExecOutput, LogError, LogOptions, LogStream, NetworkError, PodNetwork,
    RemoveError, Runtime, StopError,
};
use crate::service_network::ServiceNetwork;
use crate::session::{Session, Streams};
use crate::start_error::StartError;
use crate::stats::{Stats, StatsError};

/// Runs containers on a Docker engine.
///
/// They go on when it is dropped: the next of the same [`Environment`] takes them over.
pub struct DockerRuntime {
    shared: Arc<Shared>,
    home: Option<PathBuf>,
    holders: Arc<Holders>,
    _stops_following: DropGuard,
}

/// What a [`DockerRuntime`] is opened with.
#[derive(Clone, Debug)]
pub struct DockerConfig {
    /// Whose containers.
    pub environment: Environment,
    /// This program, of which Spur's own containers are made.
    pub executable: PathBuf,
    /// Where folders that are shared with containers are made.
    pub dir: PathBuf,
    /// The user's home, where the configuration of Docker is.
    pub home: Option<PathBuf>,
}

pub(super) struct Shared {
    pub(super) ours: Followed,
    /// Starts and removals of one pod come one after the other.
    turns: std::sync::Mutex<HashMap<PodId, Arc<Mutex<()>>>>,
    /// What was asked for is done whether or not anybody waits.
    tasks: TaskTracker,
}

// === impl DockerRuntime ===

impl DockerRuntime {
    /// Takes over the environment's containers and follows them.
    ///
    /// # Errors
    /// The daemon does not say which there are.
    pub async fn open(engine: Engine, config: DockerConfig) -> Result<Self, EngineError> {
        let DockerConfig { environment, executable, dir, home } = config;
        let networks = Arc::new(Networks::new(engine.clone(), environment.clone()));
        let image = Arc::new(OwnImage::new(executable));
        let ours = Followed { engine, environment, world: Arc::new(World::new()), networks, image };
        let read = ours.read_all().await;
        read.map_err(|error| EngineError::Unreachable {
            host: ours.engine.host().to_owned(),
            found: words(&error),
        })?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(ours.clone().follow_until(stop.clone()));
        let holders = Arc::new(Holders::new(ours.clone(), dir.join("holders")));
        let shared = Arc::new(Shared { ours, turns: std::sync::Mutex::default(), tasks });
        Ok(Self { shared, home, holders, _stops_following: stop.drop_guard() })
    }

    /// Where its pods reach Services.
    #[must_use]
    pub fn service_network(&self) -> Arc<dyn ServiceNetwork> {
        self.holders.clone()
    }

    /// Where a pod is, or will be when a container of it is started; the same until it is removed.
    ///
    /// # Errors
    /// The namespace's network cannot be made, or is full.
    pub async fn place(&self, pod: &PodId) -> Result<Place, PlaceError> {
        self.shared.ours.networks.place(pod).await
    }

    /// Stops everything with the same grace, and waits until it is done. The containers stay, with
    /// their logs.
    ///
    /// # Errors
    /// The first that could not be stopped; everything else has ended.
    pub async fn shutdown(&self, grace: Duration) -> Result<(), StopError> {
        let listed = self.shared.ours.world.list();
        let running: Vec<&Listed> = listed.iter().filter(|listed| !listed.state.is_terminated()).collect();
        // Networks go when nobody is on them any more.
        let (networks, others): (Vec<_>, Vec<_>) =
            running.into_iter().partition(|listed| listed.container == POD);
        let mut failure = None;
        for (of, grace) in [(others, grace), (networks, Duration::ZERO)] {
            let stops = of.iter().map(|listed| self.shared.stop((&listed.pod, &listed.container), grace));
            let stopped = futures::future::join_all(stops).await;
            let failed = stopped.into_iter().filter_map(Result::err);
            failure =
                failure.or(failed.into_iter().find(|error| !matches!(error, StopError::NotFound { .. })));
        }
        self.holders.end().await;
        failure.map_or(Ok(()), Err)
    }

    /// Removes the networks of namespaces that have no pods.
    ///
    /// # Errors
    /// The engine refuses.
    pub async fn remove_unused_networks(&self) -> Result<(), PlaceError> {
        self.shared.ours.networks.remove_unused().await
    }
}

// === impl Shared ===

impl Shared {
    /// To be locked by who starts or removes containers of a pod.
    pub(super) fn turn(&self, pod: &PodId) -> Arc<Mutex<()>> {
        let mut turns = self.turns.lock().expect("no holder of this lock panics");
        // Those that nobody waits for any more are made again when they are wanted.
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        turns.entry(pod.clone()).or_default().clone()
    }

    pub(super) async fn delete(&self, id: &str) -> Result<(), Error> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        match self.ours.engine.docker().remove_container(id, Some(options)).await {
            Err(error) if !is_missing(&error) => Err(error),
            Ok(()) | Err(_) => {
                self.ours.world.forget(id);
                Ok(())
            }
        }
    }

    fn running(&self, pod: &PodId, container: &str) -> Result<Known, ExecError> {
        let not_running = || ExecError::NotRunning { pod: pod.to_string(), container: container.to_owned() };
        let known = self.ours.world.find(pod, container);
        known.filter(|known| known.state().is_running()).ok_or_else(not_running)
    }
}

fn exec_error(error: &Error, (pod, container): (&PodId, &str)) -> ExecError {
    // 409: the container does not run.
    match status(error) {
        Some(404 | 409) => ExecError::NotRunning { pod: pod.to_string(), container: container.to_owned() },
        _ => {
            let (container, found) = (container.to_owned(), words(error));
            ExecError::Start(StartError::Engine { container, found })
        }
    }
}

impl Runtime for DockerRuntime {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn isolates(&self) -> BoxFuture<'_, Result<(), Arc<str>>> {
        async { Err("containers of a namespace share its network".into()) }.boxed()
    }

    fn network<'a>(
        &'a self,
        pod: &'a PodId,
        _asked: AskedNetwork,
    ) -> BoxFuture<'a, Result<PodNetwork, NetworkError>> {
        async move {
            let failed = |error: PlaceError| NetworkError { pod: pod.to_string(), found: error.to_string() };
            let place = self.place(pod).await.map_err(failed)?;
            Ok(PodNetwork::Own { address: place.address, host: place.gateway })
        }
        .boxed()
    }

    fn has_shared_network(&self, pod: &PodId) -> bool {
        // One that somebody has removed is not known any more.
        self.shared.ours.world.find(pod, POD).is_some_and(|known| !known.state().is_terminated())
    }

    fn outlives_spur(&self) -> bool {
        true
    }

    fn fetch<'a>(
        &'a self,
        ask: &'a ImageAsk,
        news_tx: &'a ImageNewsSender,
    ) -> BoxFuture<'a, Result<Fetched, ImageError>> {
        pull::fetch(&self.shared.ours.engine, ask, self.home.as_deref(), news_tx).boxed()
    }

    fn start<'a>(
        &'a self,
        pod: &'a PodId,
        plan: ContainerPlan,
    ) -> BoxFuture<'a, Result<Started, StartError>> {
        let (shared, pod, name) = (self.shared.clone(), pod.clone(), plan.name.clone());
        let started = self.shared.tasks.spawn(async move { shared.start(&pod, &plan).await });
        let withdrawn =
            move |_| Err(StartError::Withdrawn { container: name, found: "spur is shutting down" });
        async { started.await.unwrap_or_else(withdrawn) }.boxed()
    }

    fn stop<'a>(
        &'a self,
        pod: &'a PodId,
        container: &'a str,
        grace: Duration,
    ) -> BoxFuture<'a, Result<ContainerState, StopError>> {
        let (shared, of, name) = (self.shared.clone(), pod.clone(), container.to_owned());
        let stopped = self.shared.tasks.spawn(async move { shared.stop((&of, &name), grace).await });
        let not_found =
            move |_| Err(StopError::NotFound { pod: pod.to_string(), container: container.to_owned() });
        async move { stopped.await.unwrap_or_else(not_found) }.boxed()
    }

    fn remove<'a>(&'a self, pod: &'a PodId) -> BoxFuture<'a, Result<(), RemoveError>> {
        let (shared, of) = (self.shared.clone(), pod.clone());
        let removed = self.shared.tasks.spawn(async move { shared.remove(&of).await });
        let not_found =
            move |_| Err(StopError::NotFound { pod: pod.to_string(), container: "*".to_owned() }.into());
        async move { removed.await.unwrap_or_else(not_found) }.boxed()
    }

    fn remove_claim<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<(), RemoveError>> {
        self.shared.remove_claim(namespace, name).boxed()
    }

    fn id(&self, pod: &PodId, container: &str) -> Option<String> {
        self.shared.ours.world.find(pod, container).map(|known| known.id.to_string())
    }

    fn state(&self, pod: &PodId, container: &str) -> Option<ContainerState> {
        self.shared.ours.world.find(pod, container).map(|known| known.state())
    }

    fn list(&self) -> Vec<Listed> {
        self.shared.ours.world.list()
    }

    fn logs<'a>(
        &'a self,
        pod: &'a PodId,
        container: &'a str,
        options: LogOptions,
    ) -> BoxFuture<'a, Result<LogStream, LogError>> {
        async move {
            let (of, container) = (pod.name.to_string(), container.to_owned());
            let Some(known) = self.shared.ours.world.find(pod, &container) else {
                return Err(LogError::NotFound { pod: of, container });
            };
            let id = if options.previous { known.previous } else { Some(known.id) };
            let Some(id) = id else { return Err(LogError::NoPrevious { pod: of, container }) };
            Ok(logs::open(&self.shared.ours.engine, &id, &options))
        }
        .boxed()
    }

    fn stats<'a>(&'a self, of: &'a [(PodId, String)]) -> BoxFuture<'a, Vec<Result<Stats, StatsError>>> {
        let ask = |(pod, container): &(PodId, String)| {
            let known = self.shared.ours.world.find(pod, container);
            let id = known.filter(|known| known.state().is_running()).map(|known| known.id);
            Asked { pod: pod.clone(), container: container.clone(), id }
        };
        usage::of_all(&self.shared.ours.engine, of.iter().map(ask).collect()).boxed()
    }

    fn written_bytes<'a>(&'a self, pod: &'a PodId, container: &'a str) -> BoxFuture<'a, Option<u64>> {
        async move {
            let known = self.shared.ours.world.find(pod, container)?;
            usage::written_bytes(&self.shared.ours.engine, &known.id).await
        }
        .boxed()
    }

    fn exec<'a>(
        &'a self,
        pod: &'a PodId,
        container: &'a str,
        command: Vec<String>,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<ExecOutput, ExecError>> {
        async move {
            let known = self.shared.running(pod, container)?;
            let ran = session::run(&self.shared.ours.engine, &known, (command, timeout)).await;
            ran.map_err(|failure| match failure {
                Failure::TimedOut => ExecError::TimedOut(timeout),
                Failure::Engine(error) => exec_error(&error, (pod, container)),
            })
        }
        .boxed()
    }

    fn exec_session<'a>(
        &'a self,
        pod: &'a PodId,
        container: &'a str,
        command: Vec<String>,
        streams: Streams,
    ) -> BoxFuture<'a, Result<Session, ExecError>> {
        async move {
            let known = self.shared.running(pod, container)?;
            let opened = session::exec(&self.shared.ours.engine, &known, (command, streams)).await;
            opened.map_err(|error| exec_error(&error, (pod, container)))
        }
        .boxed()
    }

    fn attach<'a>(
        &'a self,
        pod: &'a PodId,
        container: &'a str,
        streams: Streams,
    ) -> BoxFuture<'a, Result<Session, ExecError>> {
        async move {
            let known = self.shared.running(pod, container)?;
            let opened = session::attach(&self.shared.ours.engine, &known, streams).await;
            opened.map_err(|error| exec_error(&error, (pod, container)))
        }
        .boxed()
    }

    fn events(&self) -> broadcast::Receiver<RuntimeEvent> {
        self.shared.ours.world.events()
    }
}
