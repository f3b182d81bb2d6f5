//! `ProcessRuntime`: the map of containers, and `trait Runtime` over it. How a
//! process is started and ended is in the files beside.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use spur_holder::Entrance;
use spur_net::Dial;
use tokio::sync::broadcast;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::container::Container;
use super::cookie::Cookie;
use super::private::{HOST, PrivateNetworks};
use super::reap::{Reaped, reap};
use super::registry::{OpenError, Registry, is_file_name};
use super::usage::Asked;
use super::{attach, exec, session, supervise, usage};
use crate::container::{ContainerPlan, ContainerState, Listed, PodId, RuntimeEvent, Started};
use crate::interface::{
    AskedNetwork, ExecError, ExecOutput, LogError, LogOptions, LogStream, NetworkError, PodNetwork,
    RemoveError, Runtime, StopError,
};
use crate::service_network::ServiceNetwork;
use crate::session::{Session, Streams};
use crate::start_error::StartError;
use crate::stats::{Stats, StatsError};

/// Runs containers as groups of local processes.
///
/// [`ProcessRuntime::shutdown`] ends them with grace; dropping it without sends SIGKILL.
pub struct ProcessRuntime {
    shared: Arc<Shared>,
}

/// What a process runtime needs to know.
#[derive(Clone, Debug)]
pub struct ProcessConfig {
    /// Where records and logs are kept; made if missing. One Spur at a time may use it.
    pub dir: PathBuf,
    /// What every process inherits; see [`super::inherited`].
    pub base_env: BTreeMap<String, String>,
    /// Where the addresses of pods with networks of their own are told.
    pub dial: Dial,
}

pub(super) struct Shared {
    pub(super) base_env: BTreeMap<String, String>,
    pub(super) private: Arc<PrivateNetworks>,
    /// One task for each running container, private network, and command or stop that was asked for:
    /// each ends with its processes.
    pub(super) tasks: TaskTracker,
    registry: Registry,
    events_tx: broadcast::Sender<RuntimeEvent>,
    /// Held for a few lines. Where both are taken, it is taken before a container's own lock.
    world: Mutex<World>,
}

#[derive(Default)]
struct World {
    containers: BTreeMap<(PodId, String), Arc<Container>>,
    is_closing: bool,
}

/// Changes kept for a slow reader: a change of every container of a full environment (a few
/// hundred pods) three times over. Beyond it a reader gets `Lagged` and reads `list`.
const EVENTS_MAX: usize = 1024;

// === impl ProcessRuntime ===

impl ProcessRuntime {
    /// Opens the directory and ends what a killed Spur left running.
    ///
    /// Its containers are listed as terminated, with their logs, until they are removed or
    /// started again. What was left behind gets two seconds after SIGTERM.
    ///
    /// # Errors
    /// The directory is in use by another Spur, or cannot be read or written.
    pub async fn open(config: ProcessConfig) -> Result<(Self, Vec<Reaped>), OpenError> {
        let ProcessConfig { dir, base_env, dial } = config;
        let registry = Registry::open(&dir)?;
        let mut records = registry.load()?;
        let reaped = reap(&registry.id, &mut records).await;
        let events_tx = broadcast::Sender::new(EVENTS_MAX);
        let mut world = World::default();
        for (dir, record) in records {
            record.write(&dir).map_err(|source| OpenError::Io { path: dir.clone(), source })?;
            let container = Container::recorded(record, dir, events_tx.clone());
            let key = (container.pod.clone(), container.name.clone());
            world.containers.insert(key, Arc::new(container));
        }
        let tasks = TaskTracker::new();
        let shared = Arc::new(Shared {
            base_env,
            private: Arc::new(PrivateNetworks::new(&registry.id, dial, tasks.clone())),
            tasks,
            registry,
            events_tx,
            world: Mutex::new(world),
        });
        Ok((Self { shared }, reaped))
    }

    /// Starts nothing more, stops everything with the same grace, and waits for all tasks.
    ///
    /// # Errors
    /// Processes that outlived SIGKILL; everything else has ended.
    pub async fn shutdown(&self, grace: Duration) -> Result<(), StopError> {
        let containers = self.shared.close();
        let stops = containers.iter().map(|c| c.stop(grace));
        let result: Result<Vec<_>, _> = join_all(stops).await.into_iter().collect();
        result?;
        self.shared.private.end().await;
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        Ok(())
    }

    /// Where pods with networks of their own reach Services.
    #[must_use]
    pub fn service_network(&self) -> Arc<dyn ServiceNetwork> {
        self.shared.private.clone()
    }

    fn not_found(pod: &PodId, container: &str) -> StopError {
        StopError::NotFound { pod: pod.to_string(), container: container.into() }
    }
}

impl Drop for ProcessRuntime {
    fn drop(&mut self) {
        for container in self.shared.close() {
            container.ask_to_stop(Instant::now());
        }
    }
}

// === impl Shared ===

impl Shared {
    pub(super) fn cookie(&self, container: &Container, attempt: u32) -> Cookie {
        Cookie::of_attempt(&self.registry.id, &container.pod.uid, &container.name, attempt)
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no holder of this lock panics")
    }

    fn find(&self, pod: &PodId, container: &str) -> Option<Arc<Container>> {
        let key = (pod.clone(), container.to_owned());
        self.world().containers.get(&key).cloned()
    }

    /// Nothing is started any more; gives what there is.
    fn close(&self) -> Vec<Arc<Container>> {
        let mut world = self.world();
        world.is_closing = true;
        let containers = world.containers.values();
        containers.filter(|c| !c.state().is_terminated()).cloned().collect()
    }

    /// Claims a container for one start, under the map's lock: whoever removes the pod or
    /// closes the runtime comes wholly before or wholly after.
    fn begin(&self, pod: &PodId, plan: &ContainerPlan) -> Result<(Arc<Container>, u32), StartError> {
        for (what, value) in [("pod uid", &*pod.uid), ("container name", &plan.name)] {
            if !is_file_name(value) {
                return Err(StartError::Invalid {
                    what,
                    value: value.into(),
                    found: "it is no plain name of at most 253 letters, digits, `-`, `_`, `.`",
                });
            }
        }
        let mut world = self.world();
        if world.is_closing {
            return Err(StartError::Withdrawn {
                container: plan.name.clone(),
                found: "spur is shutting down",
            });
        }
        let key = (pod.clone(), plan.name.clone());
        let container = world.containers.entry(key).or_insert_with(|| {
            let dir = self.registry.container_dir(&pod.uid, &plan.name);
            let (pod, name) = (pod.clone(), plan.name.clone());
            Arc::new(Container::new(pod, name, dir, self.events_tx.clone()))
        });
        let attempt = container.begin(plan)?;
        Ok((container.clone(), attempt))
    }

    /// Blocks for a fork and a few small files.
    fn start(
        self: &Arc<Self>,
        pod: &PodId,
        (plan, entrance): (&ContainerPlan, Option<Entrance>),
    ) -> Result<Started, StartError> {
        let (container, attempt) = self.begin(pod, plan)?;
        let launched = supervise::launch(self, &container, attempt, (plan, entrance));
        if let Err(error) = &launched {
            container.has_failed(error);
        }
        launched
    }

    async fn remove(&self, pod: &PodId) -> Result<(), RemoveError> {
        let containers = {
            // With the map held, so that no start comes between.
            let world = self.world();
            let of_pod = world.containers.iter().filter(|((of, _), _)| of == pod);
            let of_pod: Vec<_> = of_pod.map(|(_, c)| c.clone()).collect();
            of_pod.iter().for_each(|c| c.mark_removed());
            of_pod
        };
        let done = join_all(containers.iter().map(|c| self.remove_one(c))).await;
        containers.iter().for_each(|c| c.unmark_removed());
        done.into_iter().collect::<Result<(), _>>()?;
        self.private.give_up(pod).await;
        Ok(())
    }

    async fn remove_one(&self, container: &Container) -> Result<(), RemoveError> {
        container.stop(Duration::ZERO).await?;
        let dir = container.dir.clone();
        let deleted = tokio::task::spawn_blocking(move || Registry::delete(&dir)).await;
        let deleted = deleted.unwrap_or_else(|e| Err(std::io::Error::other(e)));
        deleted
            .map_err(|source| RemoveError::Delete { path: container.dir.display().to_string(), source })?;
        let key = (container.pod.clone(), container.name.clone());
        self.world().containers.remove(&key);
        Ok(())
    }
}

fn withdrawn(container: String) -> StartError {
    StartError::Withdrawn { container, found: "spur is shutting down" }
}

impl Runtime for ProcessRuntime {
    fn name(&self) -> &'static str {
        "process"
    }

    fn isolates(&self) -> BoxFuture<'_, Result<(), Arc<str>>> {
        self.shared.private.allowed().boxed()
    }

    fn network<'a>(
        &'a self,
        pod: &'a PodId,
        asked: AskedNetwork,
    ) -> BoxFuture<'a, Result<PodNetwork, NetworkError>> {
        async move {
            match asked {
                AskedNetwork::Usual => Ok(PodNetwork::Shared),
                AskedNetwork::Private => {
                    let address = self.shared.private.address(pod).await?;
                    Ok(PodNetwork::Own { address, host: HOST })
                }
            }
        }
        .boxed()
    }

    /// The machine's own.
    fn has_shared_network(&self, _pod: &PodId) -> bool {
        true
    }

    fn start<'a>(
        &'a self,
        pod: &'a PodId,
        plan: ContainerPlan,
    ) -> BoxFuture<'a, Result<Started, StartError>> {
        let (shared, pod) = (self.shared.clone(), pod.clone());
        let container = plan.name.clone();
        // A task of its own: what has begun goes on where the caller has gone away.
        let started = tokio::spawn(async move {
            let entrance = shared.private.entrance(&pod, &plan).await?;
            let container = plan.name.clone();
            let started = tokio::task::spawn_blocking(move || shared.start(&pod, (&plan, entrance)));
            started.await.unwrap_or_else(|_| Err(withdrawn(container)))
        });
        async { started.await.unwrap_or_else(|_| Err(withdrawn(container))) }.boxed()
    }

    fn stop<'a>(
        &'a self,
        pod: &'a PodId,
        container: &'a str,
        grace: Duration,
    ) -> BoxFuture<'a, Result<ContainerState, StopError>> {
        async move {
            let not_found = || Self::not_found(pod, container);
            let found = self.shared.find(pod, container).ok_or_else(not_found)?;
            // A task of its own: SIGKILL follows also where the caller has gone away.
            let stopped = self.shared.tasks.spawn(async move { found.stop(grace).await });
            stopped.await.unwrap_or_else(|_| Err(not_found()))
        }
        .boxed()
    }

    fn remove<'a>(&'a self, pod: &'a PodId) -> BoxFuture<'a, Result<(), RemoveError>> {
        async move {
            let (shared, of) = (self.shared.clone(), pod.clone());
            let removed = self.shared.tasks.spawn(async move { shared.remove(&of).await });
            removed.await.unwrap_or_else(|_| Err(Self::not_found(pod, "*").into()))
        }
        .boxed()
    }

    fn state(&self, pod: &PodId, container: &str) -> Option<ContainerState> {
        self.shared.find(pod, container).map(|c| c.state())
    }

    fn list(&self) -> Vec<Listed> {
        let world = self.shared.world();
        let listed =
            |c: &Arc<Container>| Listed { pod: c.pod.clone(), container: c.name.clone(), state: c.state() };
        world.containers.values().map(listed).collect()
    }

    fn logs<'a>(
        &'a self,
        pod: &'a PodId,
        container: &'a str,
        options: LogOptions,
    ) -> BoxFuture<'a, Result<LogStream, LogError>> {
        async move {
            let not_found = || LogError::NotFound { pod: pod.name.to_string(), container: container.into() };
            let found = self.shared.find(pod, container).ok_or_else(not_found)?;
            let (dir, progress_rx) = found.log(options.previous)?;
            let opened = crate::log::open(dir, progress_rx, options).await;
            opened.map_err(|source| LogError::Read { container: container.into(), source })
        }
        .boxed()
    }

    fn stats<'a>(&'a self, of: &'a [(PodId, String)]) -> BoxFuture<'a, Vec<Result<Stats, StatsError>>> {
        let not_running = |(pod, container): &(PodId, String)| {
            Err(StatsError::NotRunning { pod: pod.to_string(), container: container.clone() })
        };
        let known = of.iter().map(|(pod, container)| self.shared.find(pod, container));
        let known: Vec<Option<Arc<Container>>> = known.collect();
        let ask = |container: &Arc<Container>| Asked {
            running: container
                .running_group()
                .map(|(group, attempt)| (group, self.shared.cookie(container, attempt))),
            container: container.clone(),
        };
        let asked: Vec<Asked> = known.iter().flatten().map(ask).collect();
        async move {
            // An error means that the process is shutting down.
            let found = tokio::task::spawn_blocking(move || usage::of_all(&asked)).await;
            let mut found = found.unwrap_or_default().into_iter();
            let each = of
                .iter()
                .zip(known)
                .map(|(one, known)| known.and_then(|_| found.next()).unwrap_or_else(|| not_running(one)));
            each.collect()
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
            let not_running = || ExecError::NotRunning { pod: pod.to_string(), container: container.into() };
            let found = self.shared.find(pod, container).ok_or_else(not_running)?;
            let (shared, tasks) = (self.shared.clone(), &self.shared.tasks);
            // A task of its own: it ends within its timeout whether or not anybody waits.
            let done = tasks.spawn(exec::exec(shared, found, command, timeout));
            done.await.unwrap_or_else(|_| Err(not_running()))
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
            let not_running = || ExecError::NotRunning { pod: pod.to_string(), container: container.into() };
            let found = self.shared.find(pod, container).ok_or_else(not_running)?;
            let (shared, tasks) = (self.shared.clone(), &self.shared.tasks);
            // A task of its own: a command whose caller has gone meanwhile is started and
            // ended with its session, never left alone.
            let opened = tasks.spawn(session::open(shared, found, command, streams));
            opened.await.unwrap_or_else(|_| Err(not_running()))
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
            let not_running = || ExecError::NotRunning { pod: pod.to_string(), container: container.into() };
            let found = self.shared.find(pod, container).ok_or_else(not_running)?;
            attach::open(&found, &streams)
        }
        .boxed()
    }

    fn events(&self) -> broadcast::Receiver<RuntimeEvent> {
        self.shared.events_tx.subscribe()
    }
}
