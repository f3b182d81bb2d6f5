//! The worker of one pod: observe, act, report, wait, until the pod is gone.
//!
//! Starting is in `worker/start.rs`, probes in `findings.rs`, writing in
//! `written.rs`, and the end of a deleted pod in `terminate.rs`.

pub(super) mod deadline;
mod eviction;
mod findings;
mod images;
mod network;
mod order;
mod post_start;
mod resume;
mod start;
mod stop;
mod volumes;
mod written;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Namespace, Pod, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Api;
use spur_runtime::{AskedNetwork, PodId, PodNetwork, Runtime, RuntimeKind, reason};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::container::{self, Container, PodNames};
use super::dispatch::{Seen, Shared};
use super::exit::RestartPolicy;
use super::listeners::PodListeners;
use super::phase::Phase;
use super::pod_security::{self, Level};
use super::ports::PodPorts;
use super::probe::Finding;
use super::service_names::Names;
use super::termination_message::LastWords;
use super::{adopt, choice, support};
use crate::events::EventType;
use crate::service_network::{ServiceNetworks, Ways};

/// Findings that wait for their worker: three probes of a few containers, a handful each.
const FINDINGS_MAX: usize = 64;

/// What failed for reasons of ours is tried again after this, doubling to [`RETRY_LONGEST`].
const RETRY_FIRST: Duration = Duration::from_millis(200);
/// The API is in this process: when it does not answer for long, half a minute is often enough.
const RETRY_LONGEST: Duration = Duration::from_secs(30);

pub(super) use images::Image;

/// One pod's worker.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) pod: Arc<Pod>,
    pub(super) id: PodId,
    pub(super) pod_rx: watch::Receiver<Seen>,
    wake: Arc<Notify>,
    policy: RestartPolicy,
    kind: RuntimeKind,
    /// What runs it; where that is not there, the other, which is asked nothing.
    pub(super) runtime: Arc<dyn Runtime>,
    /// Why there is no runtime for it.
    no_runtime: Option<String>,
    asked_network: AskedNetwork,
    /// Where it is, as soon as that is known.
    network: Option<PodNetwork>,
    pub(super) containers: Vec<Container>,
    /// Whether the pod was over before this worker saw it; then nothing of it is written.
    was_over: bool,
    is_refused: bool,
    pub(super) is_ending: bool,
    /// Why it is ended before its containers are over.
    ended_by: Option<EndedBy>,
    looks: eviction::Looks,
    pub(super) ports: Option<PodPorts>,
    pub(super) listeners: Option<PodListeners>,
    /// How it reaches Services from an address of its own.
    ways: Option<Ways>,
    volumes: volumes::PodVolumes,
    /// Whether the annotation says what `ports` holds.
    is_annotated: bool,
    has_told_ignored: bool,
    /// How many starts there were, so that findings about an earlier one are known.
    n_starts: u64,
    /// probes of this pod's containers -- what they found --> this worker
    findings_tx: mpsc::Sender<Finding>,
    findings_rx: mpsc::Receiver<Finding>,
    /// Fetches of this pod's images -- what comes of them --> this worker
    images_tx: mpsc::Sender<images::Told>,
    images_rx: mpsc::Receiver<images::Told>,
    /// `postStart` hooks -- what became of them --> this worker
    hooks_tx: mpsc::Sender<post_start::Done>,
    hooks_rx: mpsc::Receiver<post_start::Done>,
    /// They end with the worker.
    fetches: JoinSet<()>,
    /// Stops of containers while the pod stays; each ends with its grace.
    pub(super) stops: JoinSet<()>,
    config_rx: watch::Receiver<u64>,
    names_rx: watch::Receiver<Names>,
    first_seen: Instant,
    /// How long it had been active by then.
    age_when_seen: Duration,
    /// The Services there were when containers were last started.
    known_services: BTreeSet<String>,
    /// The status as it was last written or read.
    written: PodStatus,
    start_time: Time,
    retry: Retry,
}

/// Why a pod is ended that would go on.
#[derive(Clone, Debug)]
pub(super) enum EndedBy {
    Deadline,
    /// With what it has taken too much of.
    Eviction(String),
}

/// When to try again what failed for reasons of ours.
#[derive(Default)]
pub(super) struct Retry {
    at: Option<Instant>,
    pause: Duration,
}

/// Whether the worker goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Again,
    /// What volumes are made of may be another.
    VolumesAgain,
    /// Everything stops; what runs is left to the runtime.
    Stop,
}

// === impl EndedBy ===

impl EndedBy {
    /// The pod's reason and message.
    pub(super) fn words(&self) -> (&'static str, &str) {
        match self {
            Self::Deadline => (deadline::REASON, deadline::MESSAGE),
            Self::Eviction(why) => (eviction::REASON, why),
        }
    }
}

// === impl Worker ===

impl Worker {
    /// Takes over a pod as its status and the runtime tell of it.
    pub(super) async fn adopt(
        shared: Arc<Shared>,
        (pod, id): (Arc<Pod>, PodId),
        pod_rx: watch::Receiver<Seen>,
        wake: Arc<Notify>,
    ) -> Self {
        let spec = pod.spec.as_ref();
        let policy = RestartPolicy::of(spec.and_then(|spec| spec.restart_policy.as_deref()));
        let written = pod.status.clone().unwrap_or_default();
        let was_over = Phase::is_over(written.phase.as_deref());
        let (kind, asked_network, no_runtime) = chosen(&shared, &pod);
        let runtimes = &shared.ctx.runtimes;
        let other = || runtimes.get(RuntimeKind::Process).expect("processes can always be run");
        let runtime = runtimes.get(kind).unwrap_or_else(|_| other()).clone();
        let containers = match was_over {
            true => Vec::new(),
            false => {
                let volumes = (kind == RuntimeKind::Docker).then_some(&shared.ctx.volumes);
                let words = LastWords { pod: &pod, id: &id, runtime: &*runtime, volumes };
                adopt::containers(&words, policy).await
            }
        };
        let now = container::time(SystemTime::now());
        let (findings_tx, findings_rx) = mpsc::channel(FINDINGS_MAX);
        let (images_tx, images_rx) = mpsc::channel(FINDINGS_MAX);
        let (hooks_tx, hooks_rx) = mpsc::channel(FINDINGS_MAX);
        Self {
            policy,
            kind,
            runtime,
            no_runtime,
            asked_network,
            network: (kind == RuntimeKind::Process && asked_network == AskedNetwork::Usual)
                .then_some(PodNetwork::Shared),
            containers,
            was_over,
            is_refused: false,
            is_ending: false,
            ended_by: None,
            looks: eviction::Looks::of(&pod),
            ports: None,
            listeners: None,
            ways: None,
            volumes: volumes::PodVolumes::default(),
            is_annotated: false,
            has_told_ignored: written.start_time.is_some(),
            n_starts: 0,
            findings_tx,
            findings_rx,
            images_tx,
            images_rx,
            hooks_tx,
            hooks_rx,
            fetches: JoinSet::new(),
            stops: JoinSet::new(),
            config_rx: shared.config_tx.subscribe(),
            names_rx: shared.names_tx.subscribe(),
            first_seen: Instant::now(),
            age_when_seen: written.start_time.as_ref().map(age).unwrap_or_default(),
            known_services: BTreeSet::new(),
            start_time: written.start_time.clone().unwrap_or(now),
            written,
            retry: Retry::default(),
            shared,
            pod,
            id,
            pod_rx,
            wake,
        }
    }

    /// Until the pod is gone, or everything stops.
    pub(super) async fn run(mut self) {
        self.refuse().await;
        let mut is_stale = false;
        loop {
            let seen = self.pod_rx.borrow_and_update().clone();
            match seen {
                Seen::Gone => return self.clean_up().await,
                Seen::There(pod) => {
                    // Labels and annotations may be files.
                    if pod.metadata.labels != self.pod.metadata.labels
                        || pod.metadata.annotations != self.pod.metadata.annotations
                    {
                        is_stale = true;
                    }
                    self.pod = pod;
                }
            }
            if self.pod.metadata.deletion_timestamp.is_some() {
                return self.terminate().await;
            }
            self.retry.at = None;
            if is_stale {
                self.update_volumes().await;
            }
            self.observe().await;
            self.heed_deadline();
            self.look_when_due();
            self.heed_end();
            self.heed_network();
            self.resume().await;
            self.end_sidecars();
            self.heed_new_services();
            self.start_what_is_due().await;
            self.report().await;
            self.let_go_when_over();
            self.give_back_when_evicted().await;
            match self.wait().await {
                Next::Stop => return,
                Next::Again => is_stale = false,
                Next::VolumesAgain => is_stale = true,
            }
        }
    }

    /// Names what this runtime cannot do; such a pod is never started.
    async fn refuse(&mut self) {
        let mut refusals = match (&self.no_runtime, self.was_over) {
            (_, true) => Vec::new(),
            (Some(why), false) => vec![support::Refusal { container: None, message: why.clone() }],
            (None, false) => support::refusals(&self.pod, self.support_place()),
        };
        if self.kind == RuntimeKind::Docker
            && !self.was_over
            && let Some(message) = self.violation().await
        {
            refusals.push(support::Refusal { container: None, message });
        }
        self.is_refused = !refusals.is_empty();
        if self.is_refused {
            for container in &mut self.containers {
                container.wait(reason::CONTAINER_CREATING, String::new(), container::Due::Never);
            }
        }
        for refusal in &refusals {
            for container in &mut self.containers {
                if refusal.container.as_ref().is_none_or(|name| *name == container.name) {
                    container.wait(support::REASON, refusal.message.clone(), container::Due::Never);
                }
            }
            if self.written.container_statuses.is_none() {
                let message = refusal.message.clone();
                self.shared.notices.pod(&self.pod, EventType::Warning, support::REASON, message);
            }
        }
    }

    /// What the pod asks for above the level of its namespace.
    async fn violation(&self) -> Option<String> {
        let namespaces: Api<Namespace> = Api::all(self.shared.ctx.client.clone());
        // Where it cannot be read nothing special is allowed.
        let namespace = namespaces.get_opt(&self.id.namespace).await.ok().flatten();
        pod_security::violation(self.pod.spec.as_ref()?, Level::of(namespace.as_ref()))
    }

    /// What has become of the containers that ran.
    async fn observe(&mut self) {
        for idx in 0..self.containers.len() {
            let container = &self.containers[idx];
            if container.running().is_none() {
                continue;
            }
            let state = self.runtime.state(&self.id, &container.name);
            let ended = match &state {
                Some(state) => container::terminated(state, container.id.as_ref()),
                // Removed behind our back.
                None => Some(container::unknown_end(container.id.as_ref())),
            };
            let Some(ended) = ended else { continue };
            let ended = self.with_last_words(idx, ended).await;
            let names: PodNames<'_> = (&self.id.name, &self.id.namespace, &self.id.uid);
            let delay = self.containers[idx].has_ended(ended, names);
            if delay.is_some_and(|delay| !delay.is_zero()) {
                let name = self.containers[idx].name.clone();
                let (pod, namespace, uid) = (&self.id.name, &self.id.namespace, &self.id.uid);
                let message =
                    format!("Back-off restarting failed container {name} in pod {pod}_{namespace}({uid})");
                self.tell(&name, EventType::Warning, "BackOff", message);
            }
        }
    }

    /// How a container has ended, with what it has said about it.
    pub(super) async fn with_last_words(
        &self,
        idx: usize,
        ended: ContainerStateTerminated,
    ) -> ContainerStateTerminated {
        let Some(spec) = self.spec(idx) else { return ended };
        let volumes = (self.kind == RuntimeKind::Docker).then_some(&self.shared.ctx.volumes);
        let words = LastWords { pod: &self.pod, id: &self.id, runtime: &*self.runtime, volumes };
        words.added_to(ended, &spec).await
    }

    /// A container that keeps failing is tried anew when there is a Service that its
    /// environment did not name: manifests come in any order.
    fn heed_new_services(&mut self) {
        if !self.containers.iter().any(Container::is_backing_off) {
            return;
        }
        let is_new = {
            let names = self.names_rx.borrow_and_update();
            names.get(&*self.id.namespace).is_some_and(|known| !known.names.is_subset(&self.known_services))
        };
        if is_new {
            self.containers.iter_mut().filter(|c| c.is_backing_off()).for_each(Container::try_anew);
        }
    }

    /// A pod that is over needs no ports and calls nobody.
    fn let_go_when_over(&mut self) {
        if self.is_over() {
            self.ports = None;
            self.listeners = None;
        }
    }

    /// Waits for anything that may change what is to be done.
    async fn wait(&mut self) -> Next {
        let is_backing_off = self.containers.iter().any(Container::is_backing_off);
        let waits_for_config = self.containers.iter().any(Container::waits_for_config);
        let dues = (0..self.containers.len()).filter(|idx| self.is_next(*idx));
        let dues = dues.filter_map(|idx| self.containers[idx].due_at());
        let due = dues.chain(self.retry.at).chain(self.deadline()).chain(self.look_due()).min();
        let (has_live_volumes, tokens_due) = (self.has_live_volumes(), self.tokens_due_at());
        tokio::select! {
            () = self.shared.ctx.stop.cancelled() => return Next::Stop,
            changed = self.pod_rx.changed() => {
                if changed.is_err() {
                    return Next::Stop;
                }
            }
            () = self.wake.notified() => {}
            Some(finding) = self.findings_rx.recv() => self.found(finding),
            Some(told) = self.images_rx.recv() => self.image_told(told),
            Some(done) = self.hooks_rx.recv() => self.post_start_done(done),
            Some(_) = self.fetches.join_next() => {}
            _ = self.config_rx.changed(), if waits_for_config || has_live_volumes => {
                self.containers.iter_mut().for_each(Container::config_has_changed);
                return Next::VolumesAgain;
            }
            _ = self.names_rx.changed(), if is_backing_off => {}
            Some(_) = self.stops.join_next() => {}
            Some(looked) = self.looks.looking.join_next() => self.looked(looked.ok().flatten()),
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            () = sleep_until(tokens_due.unwrap_or_else(Instant::now)), if tokens_due.is_some() => {
                return Next::VolumesAgain;
            }
        }
        Next::Again
    }

    /// Ends what is left of a pod that is gone, and forgets it.
    pub(super) async fn clean_up(&mut self) {
        self.containers.clear();
        let mut retry = Retry::default();
        while let Err(error) = self.runtime.remove(&self.id).await {
            let pod = &self.id;
            tracing::warn!(pod.name = %pod, %error, "failed to remove what pod `{pod}` has left");
            tokio::select! {
                () = self.shared.ctx.stop.cancelled() => return,
                () = sleep_until(retry.failed()) => {}
            }
        }
        self.leave_networks().await;
        self.remove_volumes().await;
    }

    async fn leave_networks(&mut self) {
        if let (Some(networks), Some(_)) = (self.service_networks(), self.ways.take()) {
            networks.leave(&self.id).await;
        }
    }

    /// Where pods of its runtime reach Services.
    fn service_networks(&self) -> Option<Arc<ServiceNetworks>> {
        let mut all = self.shared.ctx.service_networks.iter();
        all.find(|(kind, _)| *kind == self.kind).map(|(_, networks)| networks.clone())
    }

    /// As far as that is known.
    fn support_place(&self) -> support::Place {
        match (self.kind, self.network) {
            (RuntimeKind::Docker, _) => support::Place::Docker,
            (RuntimeKind::Process, Some(PodNetwork::Own { .. })) => support::Place::Private,
            (RuntimeKind::Process, Some(PodNetwork::Shared) | None) => support::Place::Process,
        }
    }

    pub(super) fn tell(&self, container: &str, type_: EventType, reason: &'static str, message: String) {
        self.shared.notices.container((&self.pod, container), type_, reason, message);
    }

    fn failed(&mut self, what: &str, error: &dyn std::fmt::Display) {
        let pod = &self.id;
        tracing::warn!(pod.name = %pod, %error, "failed to {what} of pod `{pod}`");
        self.retry.failed();
    }
}

/// How long ago that was.
fn age(start: &Time) -> Duration {
    Timestamp::now().duration_since(start.0).try_into().unwrap_or_default()
}

/// Which runtime and network, and why that is not there where it is not.
fn chosen(shared: &Shared, pod: &Pod) -> (RuntimeKind, AskedNetwork, Option<String>) {
    let runtimes = &shared.ctx.runtimes;
    match choice::runtime(pod, shared.ctx.usual_runtime, runtimes.has_docker()) {
        Ok(kind) => {
            let missing = runtimes.get(kind).err().map(ToString::to_string);
            match choice::network(pod, kind) {
                Ok(asked) => (kind, asked, missing),
                Err(why) => (kind, AskedNetwork::Usual, missing.or(Some(why))),
            }
        }
        Err(why) => (RuntimeKind::Process, AskedNetwork::Usual, Some(why)),
    }
}

// === impl Retry ===

impl Retry {
    /// Counts a failure; when to try again.
    pub(super) fn failed(&mut self) -> Instant {
        self.pause = (self.pause * 2).clamp(RETRY_FIRST, RETRY_LONGEST);
        let at = Instant::now() + self.pause;
        self.at = Some(at);
        at
    }

    fn succeeded(&mut self) {
        *self = Self::default();
    }
}
