//! Which Services there are, by name, and when the newest came: a pod that starts
//! while manifests are still being applied waits a moment for the Services after
//! it, and a container that keeps failing is tried anew when one comes. Everything
//! else about Services is read when a container is started.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Service;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use spur_api::labels;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::metadata::Metadata;

/// Without cluster DNS a process learns of Services from its environment when it
/// starts, so the first start waits until no Service was added for this long.
/// `kubectl apply` takes about 45 ms per object here (10 objects in 0.46 s, two
/// cores, November 2026); a Service and its Deployment come every 90 ms.
const SETTLE: Duration = Duration::from_millis(200);
/// However long Services keep coming, a pod waits no longer than this.
const SETTLE_LONGEST: Duration = Duration::from_secs(10);

/// The Services in each namespace.
pub(super) type Names = BTreeMap<String, Known>;

/// The Services of one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) names: BTreeSet<String>,
    /// When a Service was last added; forks' Services do not count, and what was
    /// there at the start was added long ago.
    newest: Option<Instant>,
}

/// Keeps the names up to date, until stopped.
pub(super) async fn follow(client: Client, names_tx: Arc<watch::Sender<Names>>, stop: CancellationToken) {
    let api: Api<Metadata<Service>> = Api::all(client);
    let mut changes = watcher(api, watcher::Config::default()).default_backoff().boxed();
    let mut listed = Names::new();
    loop {
        let change = tokio::select! {
            () = stop.cancelled() => return,
            change = changes.next() => change,
        };
        match change {
            Some(Ok(event)) => apply(event, &mut listed, &names_tx),
            Some(Err(error)) => tracing::warn!(%error, "failed to watch services"),
            None => return,
        }
    }
}

fn apply(event: watcher::Event<Metadata<Service>>, listed: &mut Names, names_tx: &watch::Sender<Names>) {
    match event {
        watcher::Event::Init => listed.clear(),
        watcher::Event::InitApply(service) => {
            insert(listed, &service);
        }
        watcher::Event::InitDone => {
            let listed = std::mem::take(listed);
            names_tx.send_if_modified(|names| {
                let is_new = *names != listed;
                *names = listed;
                is_new
            });
        }
        watcher::Event::Apply(service) => {
            names_tx.send_if_modified(|names| {
                let is_new = insert(names, &service);
                if is_new && !service.labels().contains_key(labels::FORK_OF_SERVICE) {
                    names.entry(service.namespace().unwrap_or_default()).or_default().newest =
                        Some(Instant::now());
                }
                is_new
            });
        }
        watcher::Event::Delete(service) => {
            names_tx.send_if_modified(|names| remove(names, &service));
        }
    }
}

/// Whether the name is new.
fn insert(names: &mut Names, service: &Metadata<Service>) -> bool {
    names.entry(service.namespace().unwrap_or_default()).or_default().names.insert(service.name_any())
}

/// Whether the name was there.
fn remove(names: &mut Names, service: &Metadata<Service>) -> bool {
    let namespace = service.namespace().unwrap_or_default();
    names.get_mut(&namespace).is_some_and(|known| known.names.remove(&service.name_any()))
}

// === impl Known ===

impl Known {
    /// Until when a pod that was first seen at `first_seen` waits for more Services;
    /// `None` when it need not.
    pub(super) fn settles_at(&self, first_seen: Instant, now: Instant) -> Option<Instant> {
        let quiet_at = self.newest? + SETTLE;
        Some(quiet_at.min(first_seen + SETTLE_LONGEST)).filter(|at| *at > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_waits_until_services_have_stopped_coming_but_not_for_ever() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let known = |newest| Known { names: BTreeSet::new(), newest };
        assert_eq!(known(None).settles_at(start, start), None, "nothing was added");
        assert_eq!(known(Some(start)).settles_at(start, after(50)), Some(after(200)));
        assert_eq!(known(Some(start)).settles_at(start, after(200)), None);
        assert_eq!(known(Some(after(9_950))).settles_at(start, after(9_960)), Some(after(10_000)));
        assert_eq!(known(Some(after(10_010))).settles_at(start, after(10_020)), None);
    }
}
