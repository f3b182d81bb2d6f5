//! `DockerRuntime`: `trait Runtime` over an engine.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bollard::errors::Error;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions,
    StopContainerOptionsBuilder,
};
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use tokio::sync::{Mutex, broadcast};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::engine::{Engine, is_missing, status, words};
use super::follow::Follower;
use super::inspected::never_ran;
use super::owned::{Environment, Owned};
use super::session::Failure;
use super::world::{Known, World};
use super::{create, logs, session};
use crate::container::{ContainerPlan, ContainerState, Listed, PodId, RuntimeEvent, Started};
use crate::interface::{
    ExecError, ExecOutput, LogError, LogOptions, LogStream, RemoveError, Runtime, StopError,
};
use crate::session::{Session, Streams};
use crate::start_error::StartError;

/// Runs containers on a Docker engine.
///
/// They go on when it is dropped: the next of the same [`Environment`] takes them over.
pub struct DockerRuntime {
    shared: Arc<Shared>,
    _stops_following: DropGuard,
}

struct Shared {
    engine: Engine,
    environment: Environment,
    world: Arc<World>,
    follower: Follower,
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
    pub async fn open(engine: Engine, environment: Environment) -> Result<Self, super::EngineError> {
        let world = Arc::new(World::new());
        let follower = Follower { engine, environment, world };
        let read = follower.read_all().await;
        read.map_err(|error| super::EngineError::Unreachable {
            host: follower.engine.host().to_owned(),
            found: words(&error),
        })?;
        let stop = CancellationToken::new();
        tokio::spawn(follower.clone().run(stop.clone()));
        let Follower { engine, environment, world } = follower.clone();
        let (turns, tasks) = (std::sync::Mutex::default(), TaskTracker::new());
        let shared = Arc::new(Shared { engine, environment, world, follower, turns, tasks });
        Ok(Self { shared, _stops_following: stop.drop_guard() })
    }
}

// === impl Shared ===

impl Shared {
    fn turn(&self, pod: &PodId) -> Arc<Mutex<()>> {
        let mut turns = self.turns.lock().expect("no holder of this lock panics");
        // Those that nobody waits for any more are made again when they are wanted.
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        turns.entry(pod.clone()).or_default().clone()
    }

    async fn start(&self, pod: &PodId, plan: &ContainerPlan) -> Result<Started, StartError> {
        let turn = self.turn(pod);
        let _turn = turn.lock().await;
        let before = self.world.find(pod, &plan.name);
        if before.as_ref().is_some_and(|known| known.state().is_running()) {
            return Err(StartError::AlreadyRunning { pod: pod.to_string(), container: plan.name.clone() });
        }
        let Some(image) = &plan.image else {
            return Err(StartError::NoImage { container: plan.name.clone() });
        };
        let attempt = before.as_ref().map_or(0, |known| known.attempt + 1);
        let owned = Owned { pod: pod.clone(), container: plan.name.clone(), attempt };
        let id = self.create(&owned, (plan, image)).await?;
        let stdio = plan.stdio;
        self.world.learn(&owned, (&id, stdio), ContainerState::creating());
        // The one that was started before the last has served its time.
        if let Some(oldest) = before.and_then(|known| known.previous) {
            let _it_may_have_gone = self.delete(&oldest).await;
        }
        let started = self.engine.docker().start_container(&id, None::<StartContainerOptions>).await;
        if let Err(error) = started {
            self.world.learn(&owned, (&id, stdio), never_ran(&words(&error)));
            return Err(start_error(&error, plan));
        }
        let read = self.follower.read(&id).await;
        read.map_err(|error| engine_error(&error, &plan.name))?;
        let (pid, started_at) = match self.world.find(pod, &plan.name).map(|known| known.state()) {
            Some(ContainerState::Running { pid, started_at }) => (pid, started_at),
            // It has ended already.
            Some(ContainerState::Terminated { started_at, .. }) => (0, started_at),
            _ => (0, SystemTime::now()),
        };
        Ok(Started { pid, started_at, attempt })
    }

    /// Makes the container; one of its name that an interrupted start has left is in the way.
    async fn create(
        &self,
        owned: &Owned,
        (plan, image): (&ContainerPlan, &str),
    ) -> Result<String, StartError> {
        let name = self.environment.name(owned);
        let body = create::body(&self.environment, owned, (plan, image));
        let make = async || {
            let options = CreateContainerOptionsBuilder::new().name(&name).build();
            self.engine.docker().create_container(Some(options), body.clone()).await
        };
        let made = match make().await {
            Err(error) if status(&error) == Some(409) => {
                self.delete(&name).await.map_err(|error| engine_error(&error, &plan.name))?;
                make().await
            }
            other => other,
        };
        match made {
            Ok(made) => Ok(made.id),
            Err(error) if is_missing(&error) => {
                Err(StartError::NoSuchImage { image: image.to_owned(), found: words(&error) })
            }
            Err(error) => Err(engine_error(&error, &plan.name)),
        }
    }

    async fn delete(&self, id: &str) -> Result<(), Error> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        match self.engine.docker().remove_container(id, Some(options)).await {
            Err(error) if is_missing(&error) => Ok(()),
            other => other,
        }
    }

    async fn stop(
        &self,
        (pod, container): (&PodId, &str),
        grace: Duration,
    ) -> Result<ContainerState, StopError> {
        let not_found = || StopError::NotFound { pod: pod.to_string(), container: container.to_owned() };
        let known = self.world.find(pod, container).ok_or_else(not_found)?;
        if known.state().is_terminated() {
            return Ok(known.state());
        }
        // Whole seconds are all the daemon knows; none is SIGKILL at once.
        let seconds = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
        let options =
            StopContainerOptionsBuilder::new().t(i32::try_from(seconds).unwrap_or(i32::MAX)).build();
        let docker = self.engine.patient(Duration::from_secs(seconds));
        match docker.stop_container(&known.id, Some(options)).await {
            Err(error) if is_missing(&error) => return Err(not_found()),
            Err(error) => {
                tracing::warn!(container.id = &*known.id, "cannot stop a container: {}", words(&error));
                return Err(StopError::Unkillable { pod: pod.to_string(), container: container.to_owned() });
            }
            Ok(()) => {}
        }
        let _told_by_events_otherwise = self.follower.read(&known.id).await;
        Ok(self.world.find(pod, container).map_or_else(|| known.state(), |known| known.state()))
    }

    async fn remove(&self, pod: &PodId) -> Result<(), RemoveError> {
        let turn = self.turn(pod);
        let _turn = turn.lock().await;
        let ids = self.world.of_pod(pod).into_iter().flat_map(|known| [Some(known.id), known.previous]);
        let ids: Vec<Arc<str>> = ids.flatten().collect();
        let deleted = join_all(ids.iter().map(|id| self.delete(id))).await;
        if let Some(error) = deleted.into_iter().find_map(Result::err) {
            let source = std::io::Error::other(words(&error));
            return Err(RemoveError::Delete { path: format!("the containers of pod `{pod}`"), source });
        }
        self.world.forget_pod(pod);
        Ok(())
    }

    fn running(&self, pod: &PodId, container: &str) -> Result<Known, ExecError> {
        let not_running = || ExecError::NotRunning { pod: pod.to_string(), container: container.to_owned() };
        self.world.find(pod, container).filter(|known| known.state().is_running()).ok_or_else(not_running)
    }
}

/// What runc says through the daemon, as processes have it, so that users find the words.
fn start_error(error: &Error, plan: &ContainerPlan) -> StartError {
    let text = words(error);
    let program = plan.command.first().or(plan.args.first()).cloned().unwrap_or_default();
    if text.contains("executable file not found in $PATH") {
        return StartError::NotInPath { program, path: String::new() };
    }
    StartError::Engine { container: plan.name.clone(), found: text }
}

fn engine_error(error: &Error, container: &str) -> StartError {
    StartError::Engine { container: container.to_owned(), found: words(error) }
}

fn exec_error(error: &Error, (pod, container): (&PodId, &str)) -> ExecError {
    // 409: the container does not run.
    match status(error) {
        Some(404 | 409) => ExecError::NotRunning { pod: pod.to_string(), container: container.to_owned() },
        _ => ExecError::Start(engine_error(error, container)),
    }
}

impl Runtime for DockerRuntime {
    fn name(&self) -> &'static str {
        "docker"
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

    fn state(&self, pod: &PodId, container: &str) -> Option<ContainerState> {
        self.shared.world.find(pod, container).map(|known| known.state())
    }

    fn list(&self) -> Vec<Listed> {
        self.shared.world.list()
    }

    fn logs<'a>(
        &'a self,
        pod: &'a PodId,
        container: &'a str,
        options: LogOptions,
    ) -> BoxFuture<'a, Result<LogStream, LogError>> {
        async move {
            let at = || (pod.name.to_string(), container.to_owned());
            let known = self.shared.world.find(pod, container).ok_or_else(|| {
                let (pod, container) = at();
                LogError::NotFound { pod, container }
            })?;
            let id = match options.previous {
                false => known.id,
                true => known.previous.ok_or_else(|| {
                    let (pod, container) = at();
                    LogError::NoPrevious { pod, container }
                })?,
            };
            Ok(logs::open(&self.shared.engine, &id, &options))
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
            let ran = session::run(&self.shared.engine, &known, (command, timeout)).await;
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
            let opened = session::exec(&self.shared.engine, &known, (command, streams)).await;
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
            let opened = session::attach(&self.shared.engine, &known, streams).await;
            opened.map_err(|error| exec_error(&error, (pod, container)))
        }
        .boxed()
    }

    fn events(&self) -> broadcast::Receiver<RuntimeEvent> {
        self.shared.world.events()
    }
}
