//! The fake runtime, with a hand on the ends of pods and the answers of probes.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use spur_runtime::{
    AskedNetwork, ContainerPlan, ContainerState, ExecError, ExecOutput, FakeRuntime, Listed, LogError,
    LogOptions, LogStream, NetworkError, PodId, PodNetwork, RemoveError, Runtime, RuntimeEvent, Session,
    StartError, Started, Stats, StatsError, StopError, Streams,
};
use tokio::sync::{broadcast, watch};

/// The fake runtime, whose pods end only while it lets them.
#[derive(Clone)]
pub(in crate::tests) struct Held {
    pub(in crate::tests) fake: FakeRuntime,
    pub(super) lets_go_tx: watch::Sender<bool>,
}

// === impl Held ===

impl Held {
    /// Pods that are to end do not.
    pub(in crate::tests) fn hold(&self) {
        self.lets_go_tx.send_replace(false);
    }

    /// They do.
    pub(in crate::tests) fn let_go(&self) {
        self.lets_go_tx.send_replace(true);
    }

    /// Commands in containers succeed, but for those whose last word is in the list.
    pub(in crate::tests) fn commands_fail_with(&self, words: &'static [&'static str]) {
        self.fake.on_exec(Box::new(move |_, command| {
            let is_bad = command.last().is_some_and(|word| words.contains(&word.as_str()));
            let (exit_code, empty) = (i32::from(is_bad), axum::body::Bytes::new());
            Ok(ExecOutput { exit_code, stdout: empty.clone(), stderr: empty, is_truncated: false })
        }));
    }
}

impl Runtime for Held {
    fn name(&self) -> &'static str {
        self.fake.name()
    }

    fn isolates(&self) -> BoxFuture<'_, Result<(), Arc<str>>> {
        self.fake.isolates()
    }

    fn network<'a>(
        &'a self,
        pod: &'a PodId,
        asked: AskedNetwork,
    ) -> BoxFuture<'a, Result<PodNetwork, NetworkError>> {
        self.fake.network(pod, asked)
    }

    fn has_shared_network(&self, pod: &PodId) -> bool {
        self.fake.has_shared_network(pod)
    }

    fn start<'a>(
        &'a self,
        pod: &'a PodId,
        plan: ContainerPlan,
    ) -> BoxFuture<'a, Result<Started, StartError>> {
        self.fake.start(pod, plan)
    }

    fn stop<'a>(
        &'a self,
        pod: &'a PodId,
        container: &'a str,
        grace: Duration,
    ) -> BoxFuture<'a, Result<ContainerState, StopError>> {
        async move {
            let mut lets_go_rx = self.lets_go_tx.subscribe();
            let _ = lets_go_rx.wait_for(|lets_go| *lets_go).await;
            self.fake.stop(pod, container, grace).await
        }
        .boxed()
    }

    fn remove<'a>(&'a self, pod: &'a PodId) -> BoxFuture<'a, Result<(), RemoveError>> {
        self.fake.remove(pod)
    }

    fn state(&self, pod: &PodId, container: &str) -> Option<ContainerState> {
        self.fake.state(pod, container)
    }

    fn list(&self) -> Vec<Listed> {
        self.fake.list()
    }

    fn logs<'a>(
        &'a self,
        pod: &'a PodId,
        container: &'a str,
        options: LogOptions,
    ) -> BoxFuture<'a, Result<LogStream, LogError>> {
        self.fake.logs(pod, container, options)
    }

    fn stats<'a>(&'a self, of: &'a [(PodId, String)]) -> BoxFuture<'a, Vec<Result<Stats, StatsError>>> {
        self.fake.stats(of)
    }

    fn exec<'a>(
        &'a self,
        pod: &'a PodId,
        container: &'a str,
        command: Vec<String>,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<ExecOutput, ExecError>> {
        self.fake.exec(pod, container, command, timeout)
    }

    fn exec_session<'a>(
        &'a self,
        pod: &'a PodId,
        container: &'a str,
        command: Vec<String>,
        streams: Streams,
    ) -> BoxFuture<'a, Result<Session, ExecError>> {
        self.fake.exec_session(pod, container, command, streams)
    }

    fn attach<'a>(
        &'a self,
        pod: &'a PodId,
        container: &'a str,
        streams: Streams,
    ) -> BoxFuture<'a, Result<Session, ExecError>> {
        self.fake.attach(pod, container, streams)
    }

    fn events(&self) -> broadcast::Receiver<RuntimeEvent> {
        self.fake.events()
    }
}
