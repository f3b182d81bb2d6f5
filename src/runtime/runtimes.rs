//! The runtimes of one Spur, and which of them has a container.

use std::fmt;
use std::sync::Arc;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::container::{Listed, PodId, RuntimeEvent};
use crate::interface::Runtime;
use crate::stats::{Stats, StatsError};

/// Which runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimeKind {
    /// Groups of local processes.
    Process,
    /// Containers on a Docker engine.
    Docker,
}

/// The runtimes there are. Cheap to clone.
#[derive(Clone)]
pub struct Runtimes {
    process: Arc<dyn Runtime>,
    /// Or why there is none, for people.
    docker: Result<Arc<dyn Runtime>, Arc<str>>,
}

/// The changes of all runtimes, as [`Runtime::events`] gives those of one.
pub struct RuntimesEvents {
    process: broadcast::Receiver<RuntimeEvent>,
    docker: Option<broadcast::Receiver<RuntimeEvent>>,
}

// === impl RuntimeKind ===

impl RuntimeKind {
    /// As annotations, flags and container ids have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Docker => "docker",
        }
    }
}

impl fmt::Display for RuntimeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Runtimes ===

impl Runtimes {
    /// Processes, and Docker or the reason for which there is none.
    pub fn new(process: Arc<dyn Runtime>, docker: Result<Arc<dyn Runtime>, Arc<str>>) -> Self {
        Self { process, docker }
    }

    /// One runtime for everything.
    pub fn only(runtime: Arc<dyn Runtime>) -> Self {
        Self { process: runtime, docker: Err("there is no Docker runtime here".into()) }
    }

    /// A runtime.
    ///
    /// # Errors
    /// Why it is not there, for people.
    pub fn get(&self, kind: RuntimeKind) -> Result<&Arc<dyn Runtime>, &Arc<str>> {
        match kind {
            RuntimeKind::Process => Ok(&self.process),
            RuntimeKind::Docker => self.docker.as_ref(),
        }
    }

    /// Whether Docker answers.
    #[must_use]
    pub fn has_docker(&self) -> bool {
        self.docker.is_ok()
    }

    /// The runtime that has this container; that of processes where none has.
    #[must_use]
    pub fn holding(&self, pod: &PodId, container: &str) -> &Arc<dyn Runtime> {
        let docker = self.docker.as_ref().ok();
        docker.filter(|docker| docker.state(pod, container).is_some()).unwrap_or(&self.process)
    }

    /// All there are.
    pub fn all(&self) -> impl Iterator<Item = &Arc<dyn Runtime>> {
        std::iter::once(&self.process).chain(self.docker.as_ref().ok())
    }

    /// Every container of every runtime.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        self.all().flat_map(|runtime| runtime.list()).collect()
    }

    /// What running containers use, each in its place of the answer, whichever runtime has it.
    pub async fn stats(&self, of: &[(PodId, String)]) -> Vec<Result<Stats, StatsError>> {
        let holding = of.iter().map(|(pod, container)| self.holding(pod, container));
        let holding: Vec<&Arc<dyn Runtime>> = holding.collect();
        let mut found: Vec<Option<Result<Stats, StatsError>>> = vec![None; of.len()];
        let asked = self.all().map(async |runtime| {
            let places = (0..of.len()).filter(|place| Arc::ptr_eq(holding[*place], runtime));
            let places: Vec<usize> = places.collect();
            let asked: Vec<_> = places.iter().map(|place| of[*place].clone()).collect();
            let stats = if asked.is_empty() { Vec::new() } else { runtime.stats(&asked).await };
            places.into_iter().zip(stats)
        });
        for (place, stats) in futures::future::join_all(asked).await.into_iter().flatten() {
            found[place] = Some(stats);
        }
        let not_running = |(pod, container): &(PodId, String)| {
            Err(StatsError::NotRunning { pod: pod.to_string(), container: container.clone() })
        };
        of.iter().zip(found).map(|(one, found)| found.unwrap_or_else(|| not_running(one))).collect()
    }

    /// Every change of every runtime from now on.
    #[must_use]
    pub fn events(&self) -> RuntimesEvents {
        let docker = self.docker.as_ref().ok().map(|docker| docker.events());
        RuntimesEvents { process: self.process.events(), docker }
    }
}

// === impl RuntimesEvents ===

impl RuntimesEvents {
    /// The next change of any. Cancel-safe.
    ///
    /// # Errors
    /// Changes were missed, or a runtime is gone: whoever reads looks at everything again.
    pub async fn recv(&mut self) -> Result<RuntimeEvent, RecvError> {
        match &mut self.docker {
            None => self.process.recv().await,
            Some(docker) => tokio::select! {
                event = self.process.recv() => event,
                event = docker.recv() => event,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::container::ContainerPlan;
    use crate::fake::FakeRuntime;

    #[tokio::test]
    async fn a_container_is_found_where_it_is_and_changes_of_both_are_told() {
        let (process, docker) = (Arc::new(FakeRuntime::new()), Arc::new(FakeRuntime::new()));
        let runtimes = Runtimes::new(process.clone(), Ok(docker.clone()));
        let mut events = runtimes.events();
        let (a, b) = (PodId::new("n", "a", "1"), PodId::new("n", "b", "2"));
        process.start(&a, ContainerPlan::new("c", &["x"])).await.unwrap();
        docker.start(&b, ContainerPlan::new("c", &["x"])).await.unwrap();
        let mut told = Vec::new();
        while !(told.contains(&a) && told.contains(&b)) {
            let event = tokio::time::timeout(Duration::from_secs(30), events.recv()).await;
            told.push(event.expect("both are told").unwrap().pod);
        }
        docker.exit(&b, "c", 0);
        assert!(runtimes.holding(&a, "c").state(&a, "c").is_some());
        assert!(runtimes.holding(&b, "c").state(&b, "c").is_some_and(|state| state.is_terminated()));
        assert_eq!(runtimes.list().len(), 2);
        assert!(Runtimes::only(process).get(RuntimeKind::Docker).is_err());
    }
}
