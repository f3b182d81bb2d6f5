//! Eviction: a pod that takes more of the disk than it may is ended, and gives it back.
//!
//! Source: `pkg/kubelet/eviction/eviction_manager.go`, and `kubelet.go`, `cleanUpContainersInPod`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use spur_runtime::volumes::VolumeId;
use spur_runtime::{PodId, Runtime};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::allowance::{Allowance, Taken};
use super::{EndedBy, Worker};
use crate::events::EventType;

pub(in crate::pod) const REASON: &str = "Evicted";

/// Between two looks (`evictionMonitoringPeriod`).
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What such a pod is given to end (`immediateEvictionGracePeriodSeconds`); SIGTERM has a second more
/// (`ending`).
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// The looks at what a pod takes of the disk.
#[derive(Debug)]
pub(super) struct Looks {
    /// `None` where nothing is bounded, of a pod's spec that no update changes.
    allowance: Option<Arc<Allowance>>,
    last: Option<Instant>,
    /// The one that is under way: why the pod is to be evicted, if it is.
    pub(super) looking: JoinSet<Option<String>>,
    /// What it had was given back.
    has_given_back: bool,
}

// === impl Looks ===

impl Looks {
    pub(super) fn of(pod: &Pod) -> Self {
        let allowance = Allowance::of(pod).map(Arc::new);
        Self { allowance, last: None, looking: JoinSet::new(), has_given_back: false }
    }
}

// === impl Worker ===

impl Worker {
    /// When to look next; `None` where nothing is bounded, or a look is under way.
    pub(super) fn look_due(&self) -> Option<Instant> {
        self.looks.allowance.as_ref()?;
        if self.was_over || self.ended_by.is_some() || !self.looks.looking.is_empty() || self.is_over() {
            return None;
        }
        Some(self.looks.last.map_or(self.first_seen, |last| last + LOOK_EVERY))
    }

    /// Begins to look, when it is time.
    pub(super) fn look_when_due(&mut self) {
        let now = Instant::now();
        if self.look_due().is_none_or(|due| due > now) {
            return;
        }
        let Some(allowance) = self.looks.allowance.clone() else { return };
        self.looks.last = Some(now);
        let stop = self.shared.ctx.stop.clone();
        let (volumes, runtime, id) = (self.shared.ctx.volumes.clone(), self.runtime.clone(), self.id.clone());
        let containers: Vec<_> = self.containers.iter().map(|container| container.name.clone()).collect();
        self.looks.looking.spawn(async move {
            let mut taken = Taken::default();
            if allowance.counts_containers() {
                taken.containers = written(&*runtime, &id, containers).await;
            }
            let looked = tokio::task::spawn_blocking(move || {
                for name in allowance.volumes() {
                    // What cannot be read is not held against it.
                    let is_wanted = || !stop.is_cancelled();
                    let used =
                        VolumeId::new(&id.uid, name).and_then(|of| volumes.used_bytes(&of, &is_wanted));
                    match used {
                        Ok(Some(bytes)) => drop(taken.volumes.insert(name.to_owned(), bytes)),
                        Ok(None) => return None,
                        Err(error) => {
                            let error: &dyn std::error::Error = &error;
                            tracing::warn!(pod.name = %id, error, "failed to see what volume `{name}` of pod `{id}` takes");
                        }
                    }
                }
                allowance.exceeded_by(&taken)
            });
            looked.await.ok().flatten()
        });
    }

    /// Ends the pod if it has taken too much.
    pub(super) fn looked(&mut self, why: Option<String>) {
        let Some(why) = why.filter(|_| self.ended_by.is_none() && !self.is_over()) else { return };
        self.shared.notices.pod(&self.pod, EventType::Warning, REASON, why.clone());
        self.ended_by = Some(EndedBy::Eviction(why));
    }

    /// Gives back what an evicted pod has taken, its logs, too, once nothing of it runs and its status
    /// says so; also where an earlier Spur had no time for it.
    pub(super) async fn give_back_when_evicted(&mut self) {
        let is_evicted = self.written.reason.as_deref() == Some(REASON) && (self.was_over || self.is_over());
        if !is_evicted || self.looks.has_given_back {
            return;
        }
        let stop = self.shared.ctx.stop.clone();
        let removed = tokio::select! {
            removed = self.runtime.remove(&self.id) => removed,
            () = stop.cancelled() => return,
        };
        if let Err(error) = removed {
            return self.failed("remove what it has left", &error);
        }
        if !self.remove_volumes().await {
            return self.failed("delete its volumes", &"something in them cannot be deleted");
        }
        self.leave_networks().await;
        self.looks.has_given_back = true;
    }
}

async fn written(runtime: &dyn Runtime, pod: &PodId, containers: Vec<String>) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for container in containers {
        if let Some(bytes) = runtime.written_bytes(pod, &container).await {
            all.insert(container, bytes);
        }
    }
    all
}
