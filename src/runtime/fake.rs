//! A runtime without processes, for tests of controllers: containers start at
//! once, and the test says when they end, fail or print.
//!
//! What it does by itself is what a real one would: it refuses to start twice,
//! counts attempts, tells every change, and `stop` ends a container with SIGTERM.

mod session;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use tokio::sync::broadcast;

use crate::container::{ContainerPlan, ContainerState, Listed, PodId, RuntimeEvent, Started, reason};
use crate::interface::{
    ExecError, ExecOutput, LogError, LogOptions, LogStream, RemoveError, Runtime, StopError,
};
use crate::session::{Session, Streams};
use crate::start_error::StartError;
use crate::stats::{Stats, StatsError};

pub use session::SessionScript;

/// Changes kept for a slow reader: far above what one test makes between two reads;
/// beyond it the reader gets `Lagged`, as with a real runtime.
const EVENTS_MAX: usize = 1024;

/// A scripted runtime. Clones share one state.
#[derive(Clone)]
pub struct FakeRuntime {
    shared: Arc<Shared>,
}

/// How a scripted command in a container answers; gets the container's name and the command.
pub type ExecScript = Box<dyn Fn(&str, &[String]) -> Result<ExecOutput, ExecError> + Send>;

/// What a container uses while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FakeUsage {
    /// Thousandths of a core, all the time since its start.
    pub cpu_millis: u32,
    /// Bytes.
    pub memory_bytes: u64,
    /// Bytes over its image.
    pub written_bytes: u64,
}

struct Shared {
    /// Guards the whole script and world; held for a few lines, never across an await.
    world: Mutex<World>,
    events_tx: broadcast::Sender<RuntimeEvent>,
}

#[derive(Default)]
struct World {
    containers: BTreeMap<(PodId, String), Fake>,
    /// By container name; each start takes one.
    start_failures: HashMap<String, VecDeque<StartError>>,
    exec: Option<ExecScript>,
    session: Option<SessionScript>,
    /// Pod, container and grace of each, in order.
    stops: Vec<(PodId, String, Duration)>,
    without_network: HashSet<PodId>,
    /// By pod and container; the others use nothing.
    usages: HashMap<(PodId, String), FakeUsage>,
    last_pid: u32,
}

struct Fake {
    plan: ContainerPlan,
    state: ContainerState,
    attempt: u32,
    lines: Vec<String>,
    previous_lines: Option<Vec<String>>,
}

// === impl World ===

impl World {
    fn check_running(&self, pod: &PodId, container: &str) -> Result<(), ExecError> {
        let key = (pod.clone(), container.to_owned());
        let is_running = self.containers.get(&key).is_some_and(|f| f.state.is_running());
        let not_running = || ExecError::NotRunning { pod: pod.to_string(), container: container.into() };
        is_running.then_some(()).ok_or_else(not_running)
    }
}

// === impl FakeRuntime ===

impl Default for FakeRuntime {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeRuntime {
    /// An empty one, in which everything succeeds.
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                world: Mutex::default(),
                events_tx: broadcast::Sender::new(EVENTS_MAX),
            }),
        }
    }

    /// The next start of a container of this name, in any pod, fails like this.
    /// Several calls queue up.
    pub fn fail_next_start(&self, container: &str, error: StartError) {
        self.world().start_failures.entry(container.into()).or_default().push_back(error);
    }

    /// The container's process returns `exit_code`. Panics where it does not run: the test is wrong.
    pub fn exit(&self, pod: &PodId, container: &str, exit_code: i32) {
        self.end(pod, container, exit_code, None);
    }

    /// The container's process is ended by a signal. Panics where it does not run.
    pub fn kill(&self, pod: &PodId, container: &str, signal: i32) {
        self.end(pod, container, 128 + signal, Some(signal));
    }

    /// The container prints a line. Panics where it is not known.
    pub fn print(&self, pod: &PodId, container: &str, line: &str) {
        let mut world = self.world();
        let key = (pod.clone(), container.to_owned());
        let fake = world.containers.get_mut(&key).expect("a known container");
        fake.lines.push(line.into());
    }

    /// From now on commands in containers answer like this; without it they return 0.
    pub fn on_exec(&self, script: ExecScript) {
        self.world().exec = Some(script);
    }

    /// From now on conversations go like this; without it commands return 0 at once and say
    /// nothing, and a container that was attached to says nothing until it ends.
    pub fn on_session(&self, script: SessionScript) {
        self.world().session = Some(script);
    }

    /// What a container was last started with.
    pub fn plan(&self, pod: &PodId, container: &str) -> Option<ContainerPlan> {
        let key = (pod.clone(), container.to_owned());
        self.world().containers.get(&key).map(|f| f.plan.clone())
    }

    /// The network that the pod's containers share is lost, until one of them is started again.
    pub fn lose_network(&self, pod: &PodId) {
        self.world().without_network.insert(pod.clone());
        self.tell(pod, "POD", &ended(128 + 9, Some(9), SystemTime::now()));
    }

    /// The stops that were asked for of this pod's containers, in order, each with its grace.
    pub fn stops(&self, pod: &PodId) -> Vec<(String, Duration)> {
        let world = self.world();
        let of_pod = world.stops.iter().filter(|(of, ..)| of == pod);
        of_pod.map(|(_, container, grace)| (container.clone(), *grace)).collect()
    }

    /// What a container uses from its start on; without it that is nothing.
    pub fn uses(&self, pod: &PodId, container: &str, usage: FakeUsage) {
        self.world().usages.insert((pod.clone(), container.to_owned()), usage);
    }

    fn stats_now(&self, pod: &PodId, container: &str) -> Result<Stats, StatsError> {
        let world = self.world();
        let key = (pod.clone(), container.to_owned());
        let state = world.containers.get(&key).map(|f| &f.state);
        let Some(ContainerState::Running { started_at, .. }) = state else {
            return Err(StatsError::NotRunning { pod: pod.to_string(), container: container.into() });
        };
        let at = SystemTime::now();
        let FakeUsage { cpu_millis, memory_bytes, .. } = world.usages.get(&key).copied().unwrap_or_default();
        let cpu = at.duration_since(*started_at).unwrap_or_default() * cpu_millis / 1000;
        Ok(Stats { at, cpu, memory_bytes })
    }

    fn end(&self, pod: &PodId, container: &str, exit_code: i32, signal: Option<i32>) {
        let mut world = self.world();
        let key = (pod.clone(), container.to_owned());
        let fake = world.containers.get_mut(&key).expect("a known container");
        let ContainerState::Running { started_at, .. } = fake.state else {
            panic!("container `{container}` of pod `{pod}` does not run");
        };
        fake.state = ended(exit_code, signal, started_at);
        self.tell(pod, container, &fake.state);
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world.lock().expect("no test panics in a script")
    }

    fn tell(&self, pod: &PodId, container: &str, state: &ContainerState) {
        // Nobody listening is fine: `list` holds the truth.
        let _ = self.shared.events_tx.send(RuntimeEvent {
            pod: pod.clone(),
            container: container.into(),
            state: state.clone(),
        });
    }

    fn start_now(&self, pod: &PodId, plan: ContainerPlan) -> Result<Started, StartError> {
        let mut world = self.world();
        let key = (pod.clone(), plan.name.clone());
        let name = plan.name.clone();
        let before = world.containers.remove(&key);
        if before.as_ref().is_some_and(|f| f.state.is_running()) {
            world.containers.extend(before.map(|f| (key, f)));
            return Err(StartError::AlreadyRunning { pod: pod.to_string(), container: name });
        }
        let failure = world.start_failures.get_mut(&name).and_then(VecDeque::pop_front);
        world.last_pid += 1;
        let (pid, started_at) = (world.last_pid, SystemTime::now());
        let state = match &failure {
            None => ContainerState::Running { pid, started_at },
            Some(error) => ContainerState::Terminated {
                exit_code: StartError::EXIT_CODE,
                signal: None,
                reason: reason::START_ERROR.into(),
                message: error.text(),
                started_at,
                finished_at: started_at,
            },
        };
        let attempt = before.as_ref().map_or(0, |f| f.attempt + 1);
        world.without_network.remove(pod);
        self.tell(pod, &name, &state);
        world.containers.insert(
            key,
            Fake { plan, state, attempt, lines: Vec::new(), previous_lines: before.map(|f| f.lines) },
        );
        failure.map_or(Ok(Started { id: pid.to_string(), pid, started_at, attempt }), Err)
    }

    fn logs_now(&self, pod: &PodId, container: &str, options: LogOptions) -> Result<LogStream, LogError> {
        let world = self.world();
        let key = (pod.clone(), container.to_owned());
        let fake = world
            .containers
            .get(&key)
            .ok_or_else(|| LogError::NotFound { pod: pod.name.to_string(), container: container.into() })?;
        let lines = match (options.previous, &fake.previous_lines) {
            (false, _) => &fake.lines,
            (true, Some(lines)) => lines,
            (true, None) => {
                return Err(LogError::NoPrevious { pod: pod.name.to_string(), container: container.into() });
            }
        };
        let tail = options.tail_lines.map_or(lines.len(), |n| usize::try_from(n).unwrap_or(usize::MAX));
        let lines: Vec<_> = lines[lines.len().saturating_sub(tail)..]
            .iter()
            .map(|line| Ok(Bytes::from(format!("{line}\n"))))
            .collect();
        Ok(stream::iter(lines).boxed())
    }
}

fn ended(exit_code: i32, signal: Option<i32>, started_at: SystemTime) -> ContainerState {
    let reason = match exit_code {
        0 => reason::COMPLETED,
        _ => reason::ERROR,
    };
    ContainerState::Terminated {
        exit_code,
        signal,
        reason: reason.into(),
        message: String::new(),
        started_at,
        finished_at: SystemTime::now(),
    }
}

/// Its logs know `tail_lines` and `previous`; they end at once, also with `follow`.
impl Runtime for FakeRuntime {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn isolates(&self) -> BoxFuture<'_, Result<(), Arc<str>>> {
        async { Err("what is played has no networks".into()) }.boxed()
    }

    fn has_shared_network(&self, pod: &PodId) -> bool {
        !self.world().without_network.contains(pod)
    }

    fn start<'a>(
        &'a self,
        pod: &'a PodId,
        plan: ContainerPlan,
    ) -> BoxFuture<'a, Result<Started, StartError>> {
        async move { self.start_now(pod, plan) }.boxed()
    }

    fn stop<'a>(
        &'a self,
        pod: &'a PodId,
        container: &'a str,
        grace: Duration,
    ) -> BoxFuture<'a, Result<ContainerState, StopError>> {
        async move {
            let mut world = self.world();
            world.stops.push((pod.clone(), container.to_owned(), grace));
            let key = (pod.clone(), container.to_owned());
            let fake = world
                .containers
                .get_mut(&key)
                .ok_or_else(|| StopError::NotFound { pod: pod.to_string(), container: container.into() })?;
            if let ContainerState::Running { started_at, .. } = fake.state {
                fake.state = ended(128 + 15, Some(15), started_at);
                self.tell(pod, container, &fake.state);
            }
            Ok(fake.state.clone())
        }
        .boxed()
    }

    fn remove<'a>(&'a self, pod: &'a PodId) -> BoxFuture<'a, Result<(), RemoveError>> {
        async move {
            let mut world = self.world();
            world.containers.retain(|(of, container), fake| {
                if let (true, ContainerState::Running { started_at, .. }) = (of == pod, &fake.state) {
                    self.tell(pod, container, &ended(128 + 9, Some(9), *started_at));
                }
                of != pod
            });
            Ok(())
        }
        .boxed()
    }

    fn state(&self, pod: &PodId, container: &str) -> Option<ContainerState> {
        let key = (pod.clone(), container.to_owned());
        self.world().containers.get(&key).map(|f| f.state.clone())
    }

    fn list(&self) -> Vec<Listed> {
        self.world()
            .containers
            .iter()
            .map(|((pod, container), fake)| Listed {
                pod: pod.clone(),
                container: container.clone(),
                state: fake.state.clone(),
            })
            .collect()
    }

    fn logs<'a>(
        &'a self,
        pod: &'a PodId,
        container: &'a str,
        options: LogOptions,
    ) -> BoxFuture<'a, Result<LogStream, LogError>> {
        async move { self.logs_now(pod, container, options) }.boxed()
    }

    fn stats<'a>(&'a self, of: &'a [(PodId, String)]) -> BoxFuture<'a, Vec<Result<Stats, StatsError>>> {
        async move { of.iter().map(|(pod, container)| self.stats_now(pod, container)).collect() }.boxed()
    }

    fn written_bytes<'a>(&'a self, pod: &'a PodId, container: &'a str) -> BoxFuture<'a, Option<u64>> {
        async move { self.world().usages.get(&(pod.clone(), container.to_owned())).map(|it| it.written_bytes) }
            .boxed()
    }

    fn exec<'a>(
        &'a self,
        pod: &'a PodId,
        container: &'a str,
        command: Vec<String>,
        _timeout: Duration,
    ) -> BoxFuture<'a, Result<ExecOutput, ExecError>> {
        async move {
            let world = self.world();
            world.check_running(pod, container)?;
            match &world.exec {
                Some(script) => script(container, &command),
                None => Ok(ExecOutput {
                    exit_code: 0,
                    stdout: Bytes::new(),
                    stderr: Bytes::new(),
                    is_truncated: false,
                }),
            }
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
            let world = self.world();
            world.check_running(pod, container)?;
            match &world.session {
                Some(script) => script(container, &command, streams),
                None => Ok(session::silent(0)),
            }
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
            let world = self.world();
            world.check_running(pod, container)?;
            match &world.session {
                Some(script) => script(container, &[], streams),
                None => Ok(session::until_the_end(self.events(), pod, container)),
            }
        }
        .boxed()
    }

    fn events(&self) -> broadcast::Receiver<RuntimeEvent> {
        self.shared.events_tx.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;

    fn plan(name: &str) -> ContainerPlan {
        ContainerPlan::new(name, &["x"])
    }

    fn exit_code(state: Option<ContainerState>) -> Option<i32> {
        match state? {
            ContainerState::Terminated { exit_code, .. } => Some(exit_code),
            ContainerState::Waiting { .. } | ContainerState::Running { .. } => None,
        }
    }

    #[tokio::test]
    async fn a_container_ends_as_the_test_says_and_starts_again() {
        let (fake, pod) = (FakeRuntime::new(), PodId::new("ns", "p", "u"));
        let mut events = fake.events();
        assert_eq!(fake.start(&pod, plan("a")).await.unwrap().attempt, 0);
        let again = fake.start(&pod, plan("a")).await;
        assert!(matches!(again, Err(StartError::AlreadyRunning { .. })), "{again:?}");
        fake.print(&pod, "a", "one");
        fake.exit(&pod, "a", 7);
        assert_eq!(exit_code(fake.state(&pod, "a")), Some(7));
        assert!(events.recv().await.unwrap().state.is_running());
        assert_eq!(exit_code(Some(events.recv().await.unwrap().state)), Some(7));
        assert_eq!(fake.start(&pod, plan("a")).await.unwrap().attempt, 1);
        let previous = LogOptions { previous: true, ..LogOptions::default() };
        let log = fake.logs(&pod, "a", previous).await.unwrap();
        assert_eq!(log.try_collect::<Vec<_>>().await.unwrap().concat(), b"one\n");
        let state = fake.stop(&pod, "a", Duration::ZERO).await.unwrap();
        assert_eq!(exit_code(Some(state)), Some(143));
        fake.remove(&pod).await.unwrap();
        assert_eq!(fake.list(), []);
    }

    #[tokio::test]
    async fn a_scripted_start_fails_once() {
        let (fake, pod) = (FakeRuntime::new(), PodId::new("ns", "p", "u"));
        fake.fail_next_start("a", StartError::NoCommand { container: "a".into() });
        assert!(fake.start(&pod, plan("a")).await.is_err());
        assert_eq!(exit_code(fake.state(&pod, "a")), Some(128));
        assert!(fake.start(&pod, plan("a")).await.is_ok());
    }

    #[tokio::test]
    async fn a_container_that_is_attached_to_says_when_it_ends() {
        let (fake, pod) = (FakeRuntime::new(), PodId::new("ns", "p", "u"));
        assert!(fake.attach(&pod, "a", Streams::OUTPUT).await.is_err());
        fake.start(&pod, plan("a")).await.unwrap();
        let session = fake.attach(&pod, "a", Streams::OUTPUT).await.unwrap();
        fake.exit(&pod, "a", 3);
        assert_eq!(session.exit.await, 3);
    }

    #[tokio::test]
    async fn a_container_uses_what_the_test_says_while_it_runs() {
        let (fake, pod) = (FakeRuntime::new(), PodId::new("ns", "p", "u"));
        let of = [(pod.clone(), "a".to_owned())];
        let not_running = StatsError::NotRunning { pod: "ns/p".into(), container: "a".into() };
        assert_eq!(fake.stats(&of).await, [Err(not_running.clone())]);
        fake.uses(&pod, "a", FakeUsage { cpu_millis: 500, memory_bytes: 4096, written_bytes: 0 });
        fake.start(&pod, plan("a")).await.unwrap();
        let stats = fake.stats(&of).await.remove(0).unwrap();
        let Some(ContainerState::Running { started_at, .. }) = fake.state(&pod, "a") else { panic!() };
        assert_eq!(stats.cpu, stats.at.duration_since(started_at).unwrap() / 2);
        assert_eq!(stats.memory_bytes, 4096);
        fake.exit(&pod, "a", 0);
        assert_eq!(fake.stats(&of).await, [Err(not_running)]);
    }

    #[tokio::test]
    async fn a_scripted_command_answers_while_the_container_runs() {
        let (fake, pod) = (FakeRuntime::new(), PodId::new("ns", "p", "u"));
        let exec = || fake.exec(&pod, "a", vec!["check".into()], Duration::ZERO);
        assert!(matches!(exec().await, Err(ExecError::NotRunning { .. })));
        fake.start(&pod, plan("a")).await.unwrap();
        assert_eq!(exec().await.unwrap().exit_code, 0);
        fake.on_exec(Box::new(|_, _| Err(ExecError::TimedOut(Duration::ZERO))));
        assert!(matches!(exec().await, Err(ExecError::TimedOut(_))));
    }
}
