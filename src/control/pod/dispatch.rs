//! One worker for each pod: started when the pod is first seen, told of every
//! change, and ended when the pod is gone.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use spur_api::kinds::pod::NODE;
use spur_runtime::{PodId, Runtime};
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::listeners::Listeners;
use super::notices::{self, Notices};
use super::service_names::{self, Names};
use super::worker::Worker;
use super::{Context, config_changes};

/// What all workers share.
pub(super) struct Shared {
    pub(super) ctx: Context,
    pub(super) listeners: Listeners,
    pub(super) notices: Notices,
    /// ConfigMaps and Secrets -- something changed --> workers that wait for one
    pub(super) config_tx: Arc<watch::Sender<u64>>,
    /// Services -- which there are --> workers whose containers keep failing
    pub(super) names_tx: Arc<watch::Sender<Names>>,
}

/// The latest of a pod.
#[derive(Clone, Debug)]
pub(super) enum Seen {
    There(Arc<Pod>),
    Gone,
}

/// How a worker is reached.
struct Handle {
    /// dispatch -- the latest of the pod --> its worker
    pod_tx: watch::Sender<Seen>,
    /// Told when the runtime has news of the pod.
    wake: Arc<Notify>,
}

struct Dispatch {
    shared: Arc<Shared>,
    workers: HashMap<Arc<str>, Handle>,
    /// Each gives its pod's uid when it ends.
    tasks: JoinSet<Arc<str>>,
    /// Pods that the runtime knew and nobody else, on their way out.
    leftovers: JoinSet<()>,
    /// The uids of a list under way.
    listed: HashSet<Arc<str>>,
    has_listed: bool,
}

/// Runs every pod bound to this node until stopped; ends when all workers have.
pub(crate) async fn run(ctx: Context) {
    let (notices, notices_rx) = notices::queue();
    let stop = ctx.stop.clone();
    let helpers_stop = CancellationToken::new();
    let config_tx = Arc::new(watch::Sender::new(0));
    let follow = config_changes::follow(ctx.client.clone(), config_tx.clone(), helpers_stop.clone());
    let names_tx = Arc::new(watch::Sender::new(Names::new()));
    let names = service_names::follow(ctx.client.clone(), names_tx.clone(), helpers_stop.clone());
    let write = notices::write(ctx.events.clone(), notices_rx);
    let listeners = Listeners::new(ctx.inlets_tx.clone(), ctx.datagrams_tx.clone(), stop.clone());
    let dispatch = Dispatch {
        shared: Arc::new(Shared { ctx, listeners, notices, config_tx, names_tx }),
        workers: HashMap::new(),
        tasks: JoinSet::new(),
        leftovers: JoinSet::new(),
        listed: HashSet::new(),
        has_listed: false,
    };
    let work = async {
        dispatch.run(stop).await;
        helpers_stop.cancel();
    };
    tokio::join!(work, follow, names, write);
}

// === impl Dispatch ===

impl Dispatch {
    async fn run(mut self, stop: CancellationToken) {
        // Before the first list, so that no change of what it starts is missed.
        let mut changes = self.shared.ctx.runtimes.events();
        let api: Api<Pod> = Api::all(self.shared.ctx.client.clone());
        let of_node = watcher::Config::default().fields(&format!("spec.nodeName={NODE}"));
        let mut pods = watcher(api, of_node).default_backoff().boxed();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(pod) = pods.next() => match pod {
                    Ok(event) => self.pod_changed(event),
                    Err(error) => tracing::warn!(%error, "failed to watch pods"),
                },
                change = changes.recv() => self.runtime_changed(change.map(|change| change.pod.uid)),
                Some(ended) = self.tasks.join_next() => self.worker_ended(ended),
                Some(_) = self.leftovers.join_next() => {}
            }
        }
        while let Some(ended) = self.tasks.join_next().await {
            self.worker_ended(ended);
        }
    }

    fn pod_changed(&mut self, event: watcher::Event<Pod>) {
        match event {
            watcher::Event::Init => self.listed.clear(),
            watcher::Event::InitApply(pod) => {
                self.listed.extend(pod.uid().map(Arc::from));
                self.there(pod);
            }
            watcher::Event::InitDone => self.all_listed(),
            watcher::Event::Apply(pod) => self.there(pod),
            watcher::Event::Delete(pod) => {
                if let Some(handle) = pod.uid().and_then(|uid| self.workers.get(&*uid)) {
                    handle.pod_tx.send_replace(Seen::Gone);
                }
            }
        }
    }

    fn there(&mut self, pod: Pod) {
        let Some(uid) = pod.uid().map(Arc::<str>::from) else { return };
        let pod = Arc::new(pod);
        if let Some(handle) = self.workers.get(&uid) {
            handle.pod_tx.send_replace(Seen::There(pod));
            return;
        }
        let id = PodId::new(&pod.namespace().unwrap_or_default(), &pod.name_any(), &uid);
        let (pod_tx, pod_rx) = watch::channel(Seen::There(pod.clone()));
        let wake = Arc::new(Notify::new());
        let worker = Worker::adopt(self.shared.clone(), (pod, id), pod_rx, wake.clone());
        let of = uid.clone();
        self.tasks.spawn(async move {
            worker.await.run().await;
            of
        });
        self.workers.insert(uid, Handle { pod_tx, wake });
    }

    /// The list is complete: what is not in it is gone. Only now is it known which of the
    /// runtime's pods are nobody's.
    fn all_listed(&mut self) {
        for (uid, handle) in &self.workers {
            if !self.listed.contains(uid) {
                handle.pod_tx.send_replace(Seen::Gone);
            }
        }
        if !self.has_listed {
            self.has_listed = true;
            self.remove_leftovers();
        }
        self.listed.clear();
    }

    fn remove_leftovers(&mut self) {
        for runtime in self.shared.ctx.runtimes.all() {
            let mut pods: Vec<PodId> = runtime.list().into_iter().map(|listed| listed.pod).collect();
            pods.dedup();
            for pod in pods.into_iter().filter(|pod| !self.workers.contains_key(&pod.uid)) {
                let runtime = runtime.clone();
                self.leftovers.spawn(async move { remove_leftover(&*runtime, &pod).await });
            }
        }
    }

    fn runtime_changed(&self, uid: Result<Arc<str>, broadcast::error::RecvError>) {
        match uid {
            Ok(uid) => {
                if let Some(handle) = self.workers.get(&uid) {
                    handle.wake.notify_one();
                }
            }
            // Which ones were missed is not known: everybody looks.
            Err(broadcast::error::RecvError::Lagged(_) | broadcast::error::RecvError::Closed) => {
                self.workers.values().for_each(|handle| handle.wake.notify_one());
            }
        }
    }

    fn worker_ended(&mut self, ended: Result<Arc<str>, tokio::task::JoinError>) {
        match ended {
            Ok(uid) => {
                self.workers.remove(&uid);
            }
            Err(error) => {
                // A fault of ours: its pod is taken up anew when it next changes.
                tracing::error!(%error, "a pod's worker has failed");
                self.workers.retain(|_, handle| !handle.pod_tx.is_closed());
            }
        }
    }
}

async fn remove_leftover(runtime: &dyn Runtime, pod: &PodId) {
    match runtime.remove(pod).await {
        Ok(()) => tracing::info!(pod.name = %pod, "removed what pod `{pod}`, which is gone, had left"),
        Err(error) => {
            tracing::warn!(pod.name = %pod, %error, "failed to remove what pod `{pod}`, which is gone, had left");
        }
    }
}
