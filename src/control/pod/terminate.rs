//! The end of a deleted pod: out of the endpoints, out of the routing table,
//! `preStop`, SIGTERM, SIGKILL (`ending.rs`), final status, and only then away from the API.
//!
//! Source of the order: `pkg/kubelet/pod_workers.go`, `SyncTerminatingPod` and
//! `SyncTerminatedPod`. Waiting for the routing table is ours: in a cluster the two
//! race, and manifests sleep in `preStop` instead.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use k8s_openapi::api::core::v1::Pod;
use spur_runtime::StopError;
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until};

use super::container::{self, State};
use super::dispatch::Seen;
use super::ending::{Ending, Limit};
use super::report;
use super::worker::{Retry, Worker};
use crate::events::EventType;

/// How long SIGTERM waits for a table that sends no request to the pod. The endpoints
/// and the table follow within 100 ms even where 5,000 Services are compiled on a busy
/// core (Nov 2026); later than this, whoever keeps them has a fault of its own, and the
/// pod's end does not hang on it.
const UNROUTED_MAX: Duration = Duration::from_secs(2);

/// What the wait for the containers came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopped {
    All,
    /// The pod has vanished meanwhile: nothing waits for anybody any more.
    Vanished,
    /// Everything stops; what runs is left to the runtime.
    Interrupted,
}

type Stop = BoxFuture<'static, Result<(), StopError>>;

// === impl Worker ===

impl Worker {
    /// Ends everything, until the pod is gone or everything stops.
    pub(super) async fn terminate(mut self) {
        self.is_ending = true;
        for container in &mut self.containers {
            if let Some(running) = container.running_mut() {
                running.tasks.abort_all();
            }
        }
        // What was under way is done anew, within the grace of now.
        self.stops.abort_all();
        // Not ready before anything is stopped: the endpoints leave first.
        self.report().await;
        self.until_unrouted().await;
        match self.stop_all().await {
            Stopped::Interrupted => return,
            Stopped::Vanished => return self.clean_up().await,
            Stopped::All => {}
        }
        self.end_all().await;
        self.report().await;
        self.listeners = None;
        self.clean_up().await;
        self.ports = None;
        self.let_go().await;
    }

    /// Waits until no request is sent to the pod any more, so that none meets a process
    /// that has closed its port: at most [`UNROUTED_MAX`], and not where no grace is left.
    async fn until_unrouted(&self) {
        let ctx = &self.shared.ctx;
        let (mut routes_rx, mut pod_rx) = (ctx.routes_rx.clone(), self.pod_rx.clone());
        let unrouted = async {
            // The number is marked as seen before the table is read: a later one wakes.
            routes_rx.mark_unchanged();
            while ctx.table.load().sends_to(&self.id.namespace, &self.id.name) {
                if routes_rx.changed().await.is_err() {
                    return;
                }
            }
        };
        let hurried = pod_rx.wait_for(|seen| match seen {
            Seen::Gone => true,
            Seen::There(pod) => grace(pod).is_zero(),
        });
        tokio::select! {
            () = ctx.stop.cancelled() => {}
            () = unrouted => {}
            _ = hurried => {}
            () = sleep(UNROUTED_MAX) => {
                let pod = &self.id;
                tracing::warn!(pod.name = %pod, "pod `{pod}` is stopped while requests are still sent to it");
            }
        }
    }

    /// Ends every running container in its order, within the grace. A second delete with less
    /// grace shortens it.
    async fn stop_all(&mut self) -> Stopped {
        let endings = self.endings();
        for (_, Ending { name, .. }) in &endings {
            self.tell(name, EventType::Normal, "Killing", format!("Stopping container {name}"));
        }
        let mut grace = grace(&self.pod);
        // this worker -- when the grace is over --> each container's end
        let (limit_tx, limit_rx) = watch::channel(Limit::after(grace));
        let ends = endings.into_iter().map(|(_, ending)| -> Stop { Box::pin(ending.end(limit_rx.clone())) });
        let mut stops: FuturesUnordered<Stop> = ends.collect();
        let mut retry = Retry::default();
        loop {
            tokio::select! {
                () = self.shared.ctx.stop.cancelled() => return Stopped::Interrupted,
                stopped = stops.next() => match stopped {
                    None => return Stopped::All,
                    Some(Ok(()) | Err(StopError::NotFound { .. })) => {}
                    Some(Err(
                        ref error @ (StopError::Unkillable { ref container, .. }
                        | StopError::Engine { ref container, .. }),
                    )) => {
                        let container = container.clone();
                        let message = format!("error killing pod: {error}");
                        self.tell(&container, EventType::Warning, "FailedKillPod", message);
                        let (again, at) = (self.stop(&container, Duration::ZERO), retry.failed());
                        stops.push(Box::pin(async move { sleep_until(at).await; again.await }));
                    }
                },
                changed = self.pod_rx.changed() => {
                    if changed.is_err() {
                        return Stopped::Interrupted;
                    }
                    match self.pod_rx.borrow_and_update().clone() {
                        Seen::Gone => return Stopped::Vanished,
                        Seen::There(pod) => self.pod = pod,
                    }
                    let now = self::grace(&self.pod);
                    if now < grace {
                        grace = now;
                        limit_tx.send_replace(Limit::after(grace));
                    }
                }
            }
        }
    }

    fn stop(&self, name: &str, grace: Duration) -> Stop {
        let (runtime, id, name) = (self.runtime.clone(), self.id.clone(), name.to_owned());
        Box::pin(async move { runtime.stop(&id, &name, grace).await.map(|_| ()) })
    }

    /// Every container is at its end: how it ended, or that it was never started.
    async fn end_all(&mut self) {
        for idx in 0..self.containers.len() {
            let container = &self.containers[idx];
            let was_stopped = container.running().is_some();
            let ended = match &container.state {
                State::Ended(_) => None,
                State::Running(_) => {
                    let state = self.runtime.state(&self.id, &container.name);
                    let ended = state.and_then(|state| container::terminated(&state, container.id.as_ref()));
                    match ended {
                        Some(ended) => Some(self.with_last_words(idx, ended).await),
                        None => None,
                    }
                }
                State::Waiting { .. } => container.last.clone(),
            };
            let container = &mut self.containers[idx];
            container.was_stopped = was_stopped;
            if let Some(ended) = ended {
                container.state = State::Ended(ended);
            }
        }
    }

    /// Takes the pod out of the API and waits until it is; a finalizer may hold it.
    async fn let_go(&mut self) {
        let mut retry = Retry::default();
        while let Err(error) = report::gone(&self.shared.ctx.client, &self.pod).await {
            let pod = &self.id;
            tracing::warn!(pod.name = %pod, %error, "failed to delete pod `{pod}`");
            tokio::select! {
                () = self.shared.ctx.stop.cancelled() => return,
                () = sleep_until(retry.failed()) => {}
            }
        }
        let stop = self.shared.ctx.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            _ = self.pod_rx.wait_for(|seen| matches!(seen, Seen::Gone)) => {}
        }
    }
}

/// What the pod's containers are given to end.
fn grace(pod: &Arc<Pod>) -> Duration {
    let seconds = pod.metadata.deletion_grace_period_seconds.and_then(|n| u64::try_from(n).ok());
    Duration::from_secs(seconds.unwrap_or(0))
}
